"""Words for runs and jobs: states, times, progress; the same on the command line and on the screens."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from core.humanise import MISSING, age, eta, number, state_glyph
from core.store.records import ACTIVE, RunSummary

if TYPE_CHECKING:
    from core.store.jobs import JobState


def run_state(run: RunSummary) -> str:
    """The state; that the end came early: `finished early`; what came after: `finished; going on failed`."""
    if run.finished_at is not None:
        return f"finished; going on {'failed' if run.state == 'failed' else 'was lost'}"
    return "finished early" if run.state == "finished" and run.early_stop is not None else run.state


def run_state_line(run: RunSummary) -> str:
    """`● running`, `✓ finished early`, `✗ failed: disk full, epoch 7`."""
    return f"{state_glyph(run.state)} {run_state(run)}{f': {run.reason}' if run.reason else ''}"


def best_value(run: RunSummary) -> str:
    """`0.8076@12`, or a dash."""
    best = run.best
    return MISSING if best is None else f"{number(best.metric, best.value)}@{best.epoch}"


def run_time_left(run: RunSummary) -> str:
    """`≈ 14 m` by the pace so far; empty at the end and while no epoch was timed."""
    if run.state not in ACTIVE or run.seconds_per_epoch is None or run.epochs <= run.epoch:
        return ""
    return eta((run.epochs - run.epoch) * run.seconds_per_epoch)


def run_age(run: RunSummary, now: float | None = None, *, by_minute: bool = False) -> str:
    """`3 m` since the run started; the creation counts until it has. A dash when neither is known.

    `by_minute` says `now` for all of the first minute, so that a table need not be drawn each second.
    """
    since = run.started if run.started is not None else run.created
    if not since:
        return MISSING
    seconds = max(0.0, (time.time() if now is None else now) - since)
    return "now" if by_minute and seconds < 60 else age(seconds)


def ago(text: str) -> str:
    """`3 m ago` of an age; `now` and a dash stay as they are."""
    return text if text in ("now", MISSING) else f"{text} ago"


def job_line(job: JobState) -> str:
    """`measure 3 of 24`, or that it waits."""
    if job.state == "queued":
        return f"{job.kind}: {job.reason}"
    return f"{job.kind} {job.done or 0} of {job.total}" if job.total else f"{job.kind} begins"


def job_progress(job: JobState) -> str:
    """`3/12`, or a dash before it is known."""
    return f"{job.done}/{job.total}" if job.done is not None and job.total else MISSING


def job_time_left(job: JobState, now: float) -> str:
    """`≈ 3 m`, from what is done so far; nothing before the first part is."""
    if not job.started or not job.done or not job.total or job.done >= job.total:
        return ""
    return eta((now - job.started) / job.done * (job.total - job.done))


def job_ending(job: JobState) -> str:
    """How a job ended and what can be done now, in one sentence."""
    run = job.job.run.id
    if job.state == "finished":
        return f"{job.name} of {run} finished"
    if job.state == "stopped":
        return f"{job.name} of {run} stopped; what was done stays, the same command continues it"
    how = "failed" if job.state == "failed" else "was lost"
    reason = f": {job.reason}" if job.reason else ""
    return f"{job.name} of {run} {how}{reason}; `labtui log {run} --job {job.name}` shows its log"
