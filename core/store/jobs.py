"""Jobs of a run: work on what it has left, such as measuring. They change neither its state nor its locks.

A job's folder holds `job.json` (what was asked, immutable) and an attempt's files. Its process takes the
job's work lock as its first act, replaces `progress.json` at most once a second, looks at the stop marker,
and writes `result.json` last.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from core.errors import UsageError
from core.reading import exists, is_regular
from core.store import attempts, files, locks, state
from core.store.changes import mark_changed, meta_lock, require_active, require_writable
from core.store.json_values import integer_of, mappings_in, number_of, text_of
from core.store.lineage import CHECKPOINT_ID
from core.store.origin import asked_by
from core.store.paths import JobPaths, RunPaths
from core.store.records import ACTIVE, Attempt, State
from core.text import clean

JOB_NAME = re.compile(r"([a-z]{1,20})-(\d{4,})")
_KIND = re.compile(r"[a-z]{1,20}")


@dataclass(frozen=True)
class JobState:
    """A job as far as it is: `done` of `total` parts, `now` the one under way (None, empty: not known yet).

    `state` follows the rules of a run's state. `reason` is one sentence for queued, failed and lost, else
    empty; `asked` is the content of job.json and `result` that of result.json. `problems` say which of
    its files are there but cannot be read.
    """

    job: JobPaths
    kind: str
    number: int
    state: State
    reason: str
    done: int | None
    total: int | None
    now: str
    created: float
    started: float | None
    ended: float | None
    slot: str = ""
    asked: Mapping[str, Any] = field(default_factory=dict)
    result: Mapping[str, Any] = field(default_factory=dict)
    problems: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.job.root.name


def create_job(run: RunPaths, kind: str, content: Mapping[str, Any]) -> JobPaths:
    """Make the next job of a kind (`measure`, `predict`): visible whole or not at all.

    `job.json` holds `{"kind", "time", "device", "gpus", **content}`; device and GPUs are the run's unless
    `content` says otherwise. Raises StateError for a run of a newer format or one that is being changed,
    OSError when the disk does not take it.
    """
    if not _KIND.fullmatch(kind):
        raise ValueError(f"{kind!r} is not a kind of job")
    require_writable(run)
    files.make_dir(run.jobs, exist_ok=True)
    sweep_jobs(run)
    wish = {"device": wanted_device(run), "gpus": (files.peek_json(run.spec) or {}).get("gpus")}
    asked = {"kind": kind, "time": time.time(), **wish, **asked_by(os.environ), **content}
    new = JobPaths(run.jobs / files.temporary_name("new").removesuffix(".tmp"))
    files.make_dir(new.root)
    try:
        files.write_json(new.job, asked)
        # Retention looks at jobs, and removes what none of them names, under the same lock.
        with meta_lock(run):
            job = _publish(run, new, kind)
    except BaseException:
        with suppress(OSError):
            files.remove_tree(new.root)
        raise
    mark_changed(run.root.parent, run.id)
    return job


def named_checkpoints(content: object) -> set[str]:
    """All checkpoint ids in what a job was asked for, under whatever key."""
    if isinstance(content, str):
        return {content} if CHECKPOINT_ID.fullmatch(content) else set()
    if isinstance(content, Mapping):
        return set().union(*map(named_checkpoints, content.values()))
    if isinstance(content, list | tuple):
        return set().union(*map(named_checkpoints, content))
    return set()


def list_jobs(run: RunPaths) -> list[JobState]:
    """All jobs, oldest first; never raises."""
    return sorted((read_job(job) for job in job_paths(run)), key=lambda job: (job.created, job.name))


def job_paths(run: RunPaths) -> list[JobPaths]:
    """The folders of all jobs; links are none."""
    try:
        with os.scandir(run.jobs) as entries:
            names = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
    except OSError:
        return []
    return [JobPaths(run.jobs / name) for name in sorted(names) if JOB_NAME.fullmatch(name)]


def find_job(run: RunPaths, name: str) -> JobPaths:
    """The job called `measure-0001`, or `measure-1` or `1` where that is clear. Raises UsageError."""
    every = job_paths(run)
    word, _, digits = name.rpartition("-")
    found = [
        job
        for job in every
        if job.root.name == name
        or (digits.isascii() and digits.isdigit() and job.number == int(digits) and word in ("", job.kind))
    ]
    if len(found) == 1:
        return found[0]
    there = ", ".join(job.root.name for job in every) or "none"
    raise UsageError(f"Run {run.id} has no one job '{clean(name[:60])}'; its jobs: {there}.")


def read_job(job: JobPaths) -> JobState:
    """One job as far as its files and locks go; never raises."""
    seen = _look(job)
    for _ in range(3):
        if seen.state != "lost":
            break
        # It may have begun in between: "lost" has to be seen twice.
        before, seen = seen, _look(job)
        if seen == before:
            break
    return seen


def active_jobs(run: RunPaths) -> list[JobState]:
    """The jobs that wait or run; cheap where there are none."""
    return [found for found in list_jobs(run) if found.state in ACTIVE]


def unreadable(found: Iterable[JobState]) -> dict[str, str]:
    """Why checkpoints could not be read, by id, as jobs (oldest first) say: the newest that tried counts."""
    reasons: dict[str, str] = {}
    for job in found:
        for row in mappings_in(job.result.get("rows")):
            reasons.pop(str(row.get("checkpoint")), None)
        for row in mappings_in(job.result.get("unreadable")):
            reasons[clean(str(row.get("checkpoint"))[:100])] = clean(str(row.get("reason"))[:1000])
    return reasons


def is_untouched(job: JobPaths) -> bool:
    """Whether nobody has begun the job and nobody has called it off."""
    return not any(map(exists, (job.start, job.stop, job.kill))) and is_regular(job.job)


def wanted_device(run: RunPaths) -> str:
    """Where a run computes: as its first attempt resolved it, else as its spec says."""
    for path in (run.resolved, run.spec):
        device = (files.peek_json(path) or {}).get("device")
        if isinstance(device, str) and device:
            return device
    return "auto"


def begin_job(
    job: JobPaths,
    *,
    slot: str,
    threads: int,
    gpu: Mapping[str, Any] | None = None,
    argv: Sequence[str] = (),
) -> None:
    """Write `start.json`, by the job's supervisor. Raises FileExistsError when it has begun already."""
    files.sweep(job.root)
    start = attempts.start_content(slot=slot, threads=threads, gpu=gpu, argv=argv)
    files.create_json(job.start, start)
    mark_changed(job.run.root.parent, job.run.id)


def take_job(job: JobPaths, timeout: float = 5.0) -> locks.Lock | None:
    """The work lock of a job, first act of its process; None (exit with code 75) when another has it."""
    return locks.acquire(locks.job_lock_path(job, "work"), timeout=timeout)


def write_progress(job: JobPaths, done: int, total: int, now: str = "") -> None:
    """Replace `progress.json`: `done` of `total` parts are done, `now` is under way. Raises OSError."""
    files.write_json(job.progress, {"done": done, "total": total, "now": now})


def request_job_stop(job: JobPaths, kill: bool = False) -> None:
    """Mark a job as to be stopped (`kill`: ended at once). Raises StateError when it has ended."""
    require_writable(job.run)
    found = read_job(job)
    require_active(f"Job {found.name} of run {job.run.id}", found.state)
    files.touch_exclusive(job.stop)
    if kill:
        files.touch_exclusive(job.kill)
    mark_changed(job.run.root.parent, job.run.id)


def sweep_jobs(run: RunPaths) -> list[str]:
    """Remove what dead makers of jobs left behind; returns the removed names."""
    removed = []
    with suppress(OSError):
        for entry in os.scandir(run.jobs):
            if entry.name.startswith(".new.") and files.is_abandoned(entry.path, entry.name):
                with suppress(OSError):
                    files.remove_tree(entry.path)
                    removed.append(entry.name)
    for job in job_paths(run):
        removed += files.sweep(job.root)
    return removed


def _publish(run: RunPaths, new: JobPaths, kind: str) -> JobPaths:
    """Rename a finished folder to the next free number: one with content is never replaced."""
    number = 1 + max((job.number for job in job_paths(run) if job.kind == kind), default=0)
    while True:
        job = run.job(kind, number)
        try:
            files.rename(new.root, job.root)
            return job
        except OSError:
            if not job.root.exists() or not new.root.exists():
                raise
            number += 1


def _look(job: JobPaths) -> JobState:
    working = locks.is_held(locks.job_lock_path(job, "work"))
    supervised = locks.is_held(locks.job_lock_path(job, "sup"))
    problems: list[str] = []
    asked = files.look_json(job.job, problems)
    begun = os.path.lexists(job.start)
    found = attempts.read_folder(str(job.root), job.number)
    name, reason = _derive(job, found, begun, working, supervised)
    if name == "queued" and not asked and not problems:
        name, reason = "lost", "its job.json is missing"
    progress = files.peek_json(job.progress) or {}
    return JobState(
        job=job,
        kind=job.kind,
        number=job.number,
        state=name,
        reason=reason,
        done=integer_of(progress.get("done"), 0),
        total=integer_of(progress.get("total"), 0),
        now=text_of(progress.get("now"), 200),
        created=number_of(asked.get("time")) or 0.0,
        started=found.started,
        ended=None if name in ACTIVE else found.ended,
        slot=found.slot,
        asked=asked,
        result=files.look_json(job.result, problems),
        problems=tuple(dict.fromkeys((*problems, *found.problems))),
    )


def _derive(job: JobPaths, found: Attempt, begun: bool, working: bool, supervised: bool) -> tuple[State, str]:
    stop, kill = is_regular(job.stop), is_regular(job.kill)
    asked_to_stop = stop or kill
    if working:
        odd = "" if supervised else "its supervisor has died; the job continues alone"
        return ("stopping" if asked_to_stop else "running"), odd
    if found.status:
        return ("finished" if found.status == "finished" else "stopped"), ""
    if supervised:
        return "starting", ""
    if not begun and not found.exited:
        return ("stopped", "") if asked_to_stop else ("queued", state.WAITING)
    if found.exited:
        if ended := state.obeyed(found, stop, kill):
            return "stopped", f"{ended}; what was done before stays"
        return "failed", state.failure(found, job.log)
    name, reason = state.lost(found, job.run.root.parent, "supervisor and job died together")
    if name == "running" and asked_to_stop:
        return "stopping", reason
    if kill and name == "lost":
        return "stopped", f"{state.KILLED}; what was done before stays"
    return name, reason
