"""How far a job is, for whoever looks: `progress.json`, replaced at most once a second."""

from __future__ import annotations

import contextlib
import time

from core.store.changes import mark_changed
from core.store.jobs import write_progress
from core.store.paths import JobPaths

_EVERY = 1.0


class Progress:
    """`done` of `total` parts, and what is worked on now. A disk that does not take it is no error."""

    def __init__(self, job: JobPaths, total: int) -> None:
        self.total = total
        self.done = 0
        self._job = job
        self._next = 0.0

    def tell(self, now: str, *, done: int | None = None) -> None:
        """Say what comes now; written when the last time is a second ago, or when all is done."""
        self.done = self.done if done is None else done
        if time.monotonic() < self._next and self.done < self.total:
            return
        self._next = time.monotonic() + _EVERY
        with contextlib.suppress(OSError):
            write_progress(self._job, self.done, self.total, now)
            run = self._job.run
            mark_changed(run.root.parent, run.id)
