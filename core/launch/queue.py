"""What waits for a slot, over all workspaces of this user."""

from __future__ import annotations

import hashlib
import math
import os
import stat
import time
from collections.abc import Iterable
from pathlib import Path

from core.config.workspace import Workspace, state_home, state_path
from core.errors import LabError, MissingFileError
from core.launch.apart import Problems, apart, words
from core.launch.work_item import Work, is_untouched, newest, of_job
from core.launch.work_item import waits as waits
from core.reading import is_regular, read_bytes
from core.store.files import write_bytes
from core.store.jobs import is_untouched as is_untouched_job
from core.store.jobs import job_paths
from core.store.paths import RUN_ID, RunPaths

CHANGED_FILE = ".changed"
_LOOK_ANEW = 300.0
"""Seconds after which all runs are looked at again, whatever the hints say."""
_HINTS = 1 << 22


def register(workspace: Workspace) -> None:
    """Remember a workspace, so that any supervisor of this user starts what is queued in it.

    Raises StateFolderError, OSError.
    """
    folder = state_home() / "workspaces"
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / hashlib.sha256(os.fsencode(workspace.root)).hexdigest()[:16]
    if not is_regular(path):
        write_bytes(path, os.fsencode(workspace.root))


def known_workspaces(problems: Problems | None = None) -> list[Workspace]:
    """Every remembered workspace that still exists; those that cannot be looked at go to `problems`."""
    problems = {} if problems is None else problems
    folder = state_path() / "workspaces"
    found: list[Workspace] = []
    try:
        names = sorted(name for name in os.listdir(folder) if "." not in name)
    except FileNotFoundError:
        return []
    except OSError as error:
        problems[str(folder)] = words(error)
        return []
    for name in names:
        root = folder / name
        try:
            root = Path(os.fsdecode(read_bytes(root)))
            if stat.S_ISDIR(os.stat(root / "runs").st_mode):
                found.append(Workspace(root))
        except (FileNotFoundError, NotADirectoryError, MissingFileError):
            continue
        except (OSError, ValueError, LabError) as error:
            problems[str(root)] = words(error)
    return found


class QueueView:
    """What waits; after the first full look only runs named in `runs/.changed` are looked at again.

    `problems` are the workspaces and runs that could not be looked at last time, with the reason: what waits
    elsewhere is served all the same. `left` is set by `dispatch`: how many works can be served later only.
    """

    def __init__(self) -> None:
        self.problems: dict[str, str] = {}
        self.left = 0
        self._offsets: dict[Path, int] = {}
        self._waiting: dict[Path, set[str]] = {}
        self._looked = -math.inf

    def waiting(self) -> list[RunPaths]:
        """Runs that wait to train, first come first served (higher priority first)."""
        return [work.run for work in self.works() if work.job is None]

    def works(self) -> list[Work]:
        """Runs and jobs that wait, in the same order."""
        found: list[Work] = []
        problems: dict[str, str] = {}
        if time.monotonic() - self._looked > _LOOK_ANEW:
            # The hints in `.changed` cost nothing to lose, as on a full disk.
            self._looked = time.monotonic()
            self._offsets.clear()
        for workspace in known_workspaces(problems):
            runs, names = workspace.runs, set[str]()
            with apart(problems, runs):
                names = self._candidates(runs)
            for name in sorted(names):
                run = RunPaths(runs / name)
                with apart(problems, run.root):
                    mine = _untouched(run)
                    if not mine:
                        self._waiting[runs].discard(name)
                    found += [work for work in mine if work.waits()]
        self.problems = problems
        return in_order(found)

    def _candidates(self, runs: Path) -> set[str]:
        changed = runs / CHANGED_FILE
        try:
            size = changed.stat().st_size
        except OSError:
            size = 0
        offset = self._offsets.get(runs)
        names: set[str] = set()
        if offset is None or size < offset:
            names = {entry.name for entry in os.scandir(runs)}
            self._waiting[runs] = set()
        elif size > offset:
            with changed.open("rb") as file:
                file.seek(offset)
                names = {line.decode("utf-8", "replace") for line in file.read(_HINTS).split(b"\n")}
        self._waiting[runs] |= {name for name in names if RUN_ID.fullmatch(name)}
        self._offsets[runs] = size
        return set(self._waiting[runs])


def in_order(works: Iterable[Work]) -> list[Work]:
    """Works as they are served: higher priority first, then who asked first."""
    return sorted(works, key=lambda work: (-work.priority, work.since, work.name))


def _untouched(run: RunPaths) -> list[Work]:
    """What of a run nobody has begun or called off."""
    mine = [of_job(job) for job in job_paths(run) if is_untouched_job(job)]
    request = newest(run) if is_untouched(run) else None
    return mine if request is None else [*mine, request]
