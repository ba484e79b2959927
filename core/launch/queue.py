"""Which runs wait for a slot, over all workspaces of this user."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from core.config.workspace import Workspace, state_home
from core.store.attempts import attempts
from core.store.files import read_json, write_bytes
from core.store.locks import is_held, run_lock_path
from core.store.paths import RunPaths
from core.store.runs import requests

CHANGED_FILE = ".changed"


def register(workspace: Workspace) -> None:
    """Remember a workspace, so that any supervisor of this user starts what is queued in it."""
    folder = state_home() / "workspaces"
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / hashlib.sha256(os.fsencode(workspace.root)).hexdigest()[:16]
    if not path.exists():
        write_bytes(path, os.fsencode(workspace.root))


def known_workspaces() -> list[Workspace]:
    """Every remembered workspace that still exists."""
    folder = state_home() / "workspaces"
    if not folder.is_dir():
        return []
    roots = [
        Path(os.fsdecode(path.read_bytes())) for path in sorted(folder.iterdir()) if "." not in path.name
    ]
    return [Workspace(root) for root in roots if (root / "runs").is_dir()]


def waits(run: RunPaths) -> bool:
    """Whether the newest request can be started: untouched, and no other trainer works on the run."""
    return _is_untouched(run) and not is_held(run_lock_path(run, "train"))


def _is_untouched(run: RunPaths) -> bool:
    """No attempt that counts (one that found the lock held does not), and no stop asked for."""
    asked = requests(run)
    if not asked or asked[-1].stop or asked[-1].kill:
        return False
    mine = [attempt for attempt in attempts(run) if attempt.request == asked[-1].number]
    return all(attempt.locked_out for attempt in mine)


class QueueView:
    """The waiting runs; after the first full look only runs named in `runs/.changed` are looked at again."""

    def __init__(self) -> None:
        self._offsets: dict[Path, int] = {}
        self._waiting: dict[Path, set[str]] = {}

    def waiting(self) -> list[RunPaths]:
        """Runs that wait, first come first served (higher priority first)."""
        found: list[tuple[int, float, str, RunPaths]] = []
        for workspace in known_workspaces():
            runs = workspace.runs
            for name in sorted(self._candidates(runs)):
                run = RunPaths(runs / name)
                if not _is_untouched(run):
                    self._waiting[runs].discard(name)
                    continue
                if not waits(run):
                    continue
                spec = read_json(run.spec) or {}
                asked = requests(run)[-1].time
                found.append((-int(spec.get("priority", 0)), asked, run.id, run))
        return [run for _, _, _, run in sorted(found, key=lambda item: item[:3])]

    def _candidates(self, runs: Path) -> set[str]:
        changed = runs / CHANGED_FILE
        try:
            size = changed.stat().st_size
        except OSError:
            size = 0
        offset = self._offsets.get(runs)
        if offset is None or size < offset:
            self._waiting[runs] = {entry.name for entry in os.scandir(runs) if not entry.name.startswith(".")}
        elif size > offset:
            with changed.open("rb") as file:
                file.seek(offset)
                lines = file.read().split(b"\n")
            self._waiting[runs] |= {line.decode("utf-8", "replace") for line in lines if line}
        self._offsets[runs] = size
        return set(self._waiting[runs])
