"""What goes on beside the runs: GPUs, jobs, and why what is queued waits. Looked at by a thread of its own.

A driver that hangs holds up this thread only; the screens go on with what was seen last.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from core.config.workspace import Workspace
from core.errors import LabError, UnreadableError
from core.reading import open_regular
from core.store.paths import RunPaths

if TYPE_CHECKING:
    from core.launch.slots import GpuStatus
    from core.launch.work import Work
    from core.store.jobs import JobState

PAUSE = 2.0
_MOST = 1 << 21
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
        return self.latest

    def _go_on(self) -> None:
        while not self._end.is_set():
            try:
                self.look()
            except (LabError, OSError):
                # What keeps slots from being read is said where a run is started.
                self.latest = NOTHING
            self._end.wait(PAUSE)

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
        from core.store.jobs import active_jobs

        for name in self._changed():
            self._with_jobs.add(name)
        found: list[JobState] = []
        for name in sorted(self._with_jobs):
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
            return {path.parent.name for path in self._runs.glob("*/jobs")}
        if size == offset:
            return set()
        try:
            with os.fdopen(open_regular(file), "rb") as lines:
                lines.seek(offset)
                words = lines.read(min(size - offset, _MOST)).decode("utf-8", "replace").split("\n")
        except (OSError, UnreadableError):
            return set()
        return {word for word in words if word and "/" not in word and (self._runs / word / "jobs").is_dir()}

    def _reasons(self, jobs: tuple[JobState, ...]) -> Mapping[str, str]:
        from core.launch.queue import in_order
        from core.launch.waiting import waiting_reasons
        from core.launch.work import Work, newest

        works: list[Work | None] = [newest(RunPaths(self._runs / name)) for name in self.queued]
        works += [Work(job.job.run, 0, job.job) for job in jobs if job.state == "queued"]
        waiting = [work for work in works if work is not None]
        if not waiting:
            return {}
        reasons = waiting_reasons(in_order(waiting))
        return {
            work.run.id: reasons[str(work.run.root)]
            for work in waiting
            if work.job is None and str(work.run.root) in reasons
        }
