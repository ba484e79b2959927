"""What goes on beside the runs: GPUs, jobs, and why what is queued waits. Looked at by a thread of its own.

A driver that hangs holds up this thread only; the screens go on with what was seen last.
"""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from core.config.workspace import Workspace
from core.errors import LabError, UnreadableError
from core.reading import is_directory, open_regular
from core.store.paths import RUN_ID, RunPaths
from tui import crash

if TYPE_CHECKING:
    from core.launch.slots import GpuStatus
    from core.launch.work_item import Work
    from core.store.jobs import JobState

PAUSE = 2.0
_MOST = 1 << 21
_PATIENCE = 6.0
"""Seconds that something waits before the screens start it themselves, if nobody else would."""
_AGAIN = 60.0
"""Seconds until a machine without GPUs is asked for some again."""


@dataclass(frozen=True)
class Activity:
    """`jobs` wait or run; `reasons` say why queued runs wait, by id."""

    gpus: tuple[GpuStatus, ...] = ()
    jobs: tuple[JobState, ...] = ()
    reasons: Mapping[str, str] = field(default_factory=dict)


NOTHING = Activity()


class Watch:
    """`latest` is what was seen last; `queued` are the runs whose reasons are wanted."""

    def __init__(self, workspace: Workspace) -> None:
        self._runs = workspace.runs
        self.latest = NOTHING
        self.queued: tuple[str, ...] = ()
        self._offset: int | None = None
        self._with_jobs: set[str] = set()
        self._no_gpu_until = 0.0
        self._waits_since = math.inf
        self._end = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Look every two seconds from now on; more than one call is harmless."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._go_on, name="activity", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        self._end.set()
        if self._thread is not None:
            self._thread.join(1.0)

    def look(self) -> Activity:
        """See how things are now. Asks the GPUs: some ms, or longer."""
        jobs = self._jobs()
        found = Activity(self._gpus(), jobs, self._reasons(jobs))
        if found != self.latest:
            self.latest = found
        self._revive(bool(found.reasons) or any(job.state == "queued" for job in jobs))
        return self.latest

    def _go_on(self) -> None:
        said = ""
        while not self._end.is_set():
            try:
                self.look()
            except (LabError, OSError):
                # What keeps slots from being read is said where a run is started.
                self.latest = NOTHING
            except Exception as error:
                # One odd folder must not end the look at all others; it is told once.
                self.latest = NOTHING
                if repr(error) != said:
                    crash.report(error)
                said = repr(error)
            self._end.wait(PAUSE)

    def _revive(self, waits: bool) -> None:
        """Start what has been waiting here for some time when nobody lives who would."""
        now = time.monotonic()
        self._waits_since = min(self._waits_since, now) if waits else math.inf
        if now - self._waits_since < _PATIENCE:
            return
        from core.launch.dispatch import dispatch, nobody_dispatches

        self._waits_since = now
        if nobody_dispatches():
            dispatch()

    def _gpus(self) -> tuple[GpuStatus, ...]:
        from core.launch.slots import gpu_status

        if time.monotonic() < self._no_gpu_until:
            return ()
        found = gpu_status()
        if not found:
            self._no_gpu_until = time.monotonic() + _AGAIN
        return found

    def _jobs(self) -> tuple[JobState, ...]:
        """Active jobs: of runs that `.changed` names, after a first look at all."""
        from core.launch.apart import apart
        from core.store.jobs import active_jobs

        for name in self._changed():
            self._with_jobs.add(name)
        found: list[JobState] = []
        for name in sorted(self._with_jobs):
            active: list[JobState] = []
            with apart({}, self._runs / name):
                active = active_jobs(RunPaths(self._runs / name))
            if active:
                found += active
            else:
                self._with_jobs.discard(name)
        return tuple(sorted(found, key=lambda job: (job.created, job.job.run.id, job.name)))

    def _changed(self) -> set[str]:
        file = self._runs / ".changed"
        try:
            size = file.stat().st_size
        except OSError:
            size = 0
        offset, self._offset = self._offset, size
        if offset is None or size < offset:
            return {name for name in _names(self._runs) if is_directory(self._runs / name / "jobs")}
        if size == offset:
            return set()
        try:
            with os.fdopen(open_regular(file), "rb") as lines:
                lines.seek(offset)
                words = lines.read(min(size - offset, _MOST)).decode("utf-8", "replace").split("\n")
        except (OSError, UnreadableError):
            return set()
        return {word for word in words if RUN_ID.fullmatch(word) and is_directory(self._runs / word / "jobs")}

    def _reasons(self, jobs: tuple[JobState, ...]) -> Mapping[str, str]:
        from core.launch.apart import apart
        from core.launch.queue import in_order
        from core.launch.queue_reasons import waiting_reasons
        from core.launch.work_item import newest, of_job

        waiting: list[Work] = []
        reasons: dict[str, str] = {}
        for run in (RunPaths(self._runs / name) for name in self.queued):
            with apart(reasons, run.root):
                work = newest(run)
                waiting += [] if work is None else [work]
        for job in jobs:
            if job.state == "queued":
                with apart(reasons, job.job.root):
                    waiting.append(of_job(job.job))
        if waiting:
            reasons |= waiting_reasons(in_order(waiting), served=True)
        return {name: reasons[key] for name in self.queued if (key := str(self._runs / name)) in reasons}


def _names(folder: Path) -> list[str]:
    try:
        return [name for name in os.listdir(folder) if RUN_ID.fullmatch(name)]
    except OSError:
        return []
