"""What waits for a slot, over all workspaces of this user."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

from core.config.workspace import Workspace, state_home
from core.launch.work import Work, is_untouched, newest
from core.launch.work import waits as waits
from core.store.files import peek_json, write_bytes
from core.store.jobs import is_untouched as is_untouched_job
from core.store.jobs import job_paths
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


class QueueView:
    """What waits; after the first full look only runs named in `runs/.changed` are looked at again."""

    def __init__(self) -> None:
        self._offsets: dict[Path, int] = {}
        self._waiting: dict[Path, set[str]] = {}

    def waiting(self) -> list[RunPaths]:
        """Runs that wait to train, first come first served (higher priority first)."""
        return [work.run for work in self.works() if work.job is None]

    def works(self) -> list[Work]:
        """Runs and jobs that wait, in the same order."""
        found: list[Work] = []
        for workspace in known_workspaces():
            runs = workspace.runs
            for name in sorted(self._candidates(runs)):
                run = RunPaths(runs / name)
                mine = [Work(run, 0, job) for job in job_paths(run) if is_untouched_job(job)]
                request = newest(run) if is_untouched(run) else None
                if request is not None:
                    mine.append(request)
                if not mine:
                    self._waiting[runs].discard(name)
                    continue
                found += [work for work in mine if work.waits()]
        return in_order(found)

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


def in_order(works: Iterable[Work]) -> list[Work]:
    """Works as they are served: higher priority first, then who asked first."""
    return sorted(works, key=_place)


def _place(work: Work) -> tuple[int, float, str]:
    if work.job is not None:
        content = peek_json(work.job.job) or {}
        priority, asked = content.get("priority", 0), content.get("time", 0.0)
    else:
        priority = (peek_json(work.run.spec) or {}).get("priority", 0)
        asked = requests(work.run)[-1].time
    return (
        -priority if isinstance(priority, int) else 0,
        float(asked) if isinstance(asked, int | float) else 0.0,
        work.name,
    )
