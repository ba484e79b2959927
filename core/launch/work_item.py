"""What takes a slot and gets a supervisor: the newest request of a run, or one of its jobs."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.errors import StateError, UsageError
from core.launch.slots import Holder, Need
from core.launch.spawn import child_environment, module_command
from core.reading import is_regular
from core.store import jobs, process, state
from core.store.attempts import begin_attempt
from core.store.changes import require_writable
from core.store.files import peek_json
from core.store.json_values import integer_of, number_of
from core.store.locks import is_held, is_network, job_lock_path, run_lock_path
from core.store.origin import Origin, origin_of
from core.store.paths import AttemptPaths, JobPaths, RunPaths
from core.store.state import newest_request


@dataclass(frozen=True)
class Work:
    """A run's request (by number), or a job, for which `request` is 0.

    `priority` and `since` (Unix seconds) were read when it was found: by them it has its place in the queue.
    """

    run: RunPaths
    request: int = 0
    job: JobPaths | None = None
    priority: int = field(default=0, compare=False)
    since: float = field(default=0.0, compare=False)

    @property
    def name(self) -> str:
        """The run's id, followed by the job's name."""
        return self.run.id if self.job is None else f"{self.run.id} {self.job.root.name}"

    @property
    def root(self) -> Path:
        """The folder of the run, or of the job."""
        return self.run.root if self.job is None else self.job.root

    @property
    def holder(self) -> Holder:
        return Holder(self.run.root, "" if self.job is None else self.job.root.name)

    @property
    def supervisor_lock(self) -> Path:
        if self.job is not None:
            return job_lock_path(self.job, "sup")
        return run_lock_path(self.run, "sup")

    @property
    def kill_marker(self) -> Path:
        return self.job.kill if self.job is not None else self.run.kill_marker(self.request)

    @property
    def arguments(self) -> list[str]:
        """What names it on a supervisor's command line; `from_arguments` reads it."""
        what = ["--request", str(self.request)] if self.job is None else ["--job", self.job.root.name]
        return [str(self.run.root), *what]

    def is_off(self) -> bool:
        """Whether it was asked to stop before it began."""
        if self.job is not None:
            return is_regular(self.job.stop) or is_regular(self.job.kill)
        return is_regular(self.run.stop_marker(self.request)) or is_regular(self.kill_marker)

    def check(self) -> None:
        """Raises StateError when this labtui may not begin it: newer format, no spec.json, another host."""
        require_writable(self.run)
        host = self.origin().host
        if host not in ("", process.host()) and is_network(str(self.run.root.parent)):
            # Its slots, GPUs and data are those of the machine where it was asked for.
            raise StateError(f"it was queued on {host}, which starts it: `labtui dispatch` there")

    def asked(self) -> Mapping[str, Any]:
        """What was written when it was asked for; empty when that cannot be read."""
        if self.job is not None:
            return peek_json(self.job.job) or {}
        return peek_json(self.run.request(self.request)) or {}

    def origin(self) -> Origin:
        """Who asked for it."""
        return origin_of(self.asked())

    def waits(self) -> bool:
        """Whether it can be started: nobody has begun it, nobody called it off, nobody works on it."""
        if self.job is not None:
            return jobs.is_untouched(self.job) and not is_held(job_lock_path(self.job, "work"))
        return waits(self.run)

    def begin(self, slot: str, threads: int, gpu: Mapping[str, Any] | None) -> AttemptPaths:
        """Write down that it begins; returns the folder for what comes of it. Raises OSError, StateError."""
        if self.job is not None:
            jobs.begin_job(self.job, slot=slot, threads=threads, gpu=gpu)
            return self.job
        jobs.sweep_jobs(self.run)
        return begin_attempt(self.run, self.request, slot=slot, threads=threads, gpu=gpu)

    def command(self, attempt: AttemptPaths) -> list[str]:
        """The argv of the process that does it, with the interpreter of whoever asked for it."""
        origin = self.origin()
        python = origin.python if origin.can_run else ""
        if self.job is not None:
            return module_command("core.evaluate", str(self.run.root), self.job.root.name, python=python)
        return module_command("core.engine", str(self.run.root), str(attempt.number), python=python)

    def environment(self, extra: Mapping[str, str]) -> dict[str, str]:
        """Its process's environment: this one's, the asker's where that counts, then `extra`."""
        origin = self.origin()
        root = origin.root if origin.can_run else ""
        return child_environment(extra, origin.environment(os.environ), root)

    def need(self) -> Need:
        """The slot that it wants, as its files say."""
        content = self.asked()
        if self.job is not None:
            device, gpus = content.get("device"), content.get("gpus")
        else:
            device, gpus = jobs.wanted_device(self.run), (peek_json(self.run.spec) or {}).get("gpus")
        visible = content.get("visible")
        return Need(
            device=device if isinstance(device, str) else "auto",
            gpus=tuple(item for item in gpus if isinstance(item, int | str))
            if isinstance(gpus, list)
            else (),
            visible=visible if isinstance(visible, str) else None,
        )


def from_arguments(run: Path, request: int | None, job: str | None) -> Work:
    """The work that a supervisor's command line names. Raises UsageError."""
    paths = RunPaths(run)
    if job is not None:
        return Work(paths, 0, jobs.find_job(paths, job))
    if request is None:
        raise UsageError("a supervisor takes --request N or --job NAME")
    return Work(paths, request)


def newest(run: RunPaths) -> Work | None:
    """The newest request of a run as work, None in a damaged folder."""
    request = newest_request(run)
    if request is None:
        return None
    priority = (peek_json(run.spec) or {}).get("priority")
    return Work(run, request.number, priority=integer_of(priority) or 0, since=number_of(request.time) or 0.0)


def of_job(job: JobPaths) -> Work:
    """A job as work."""
    content = peek_json(job.job) or {}
    priority, asked = integer_of(content.get("priority")), number_of(content.get("time"))
    return Work(job.run, 0, job, priority or 0, asked or 0.0)


def waits(run: RunPaths) -> bool:
    """Whether a run's newest request can be started: untouched, and no other trainer works on the run."""
    return is_untouched(run) and not is_held(run_lock_path(run, "train"))


def is_untouched(run: RunPaths) -> bool:
    """No attempt that counts (one that found the lock held does not), and no stop asked for."""
    return state.is_untouched(run)
