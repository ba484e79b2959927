"""Follows a job in the background: a bar on a terminal, a line for each part that is done elsewhere."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, replace
from typing import Any, Protocol, TextIO

from core.cli.follow import Asked, signals
from core.cli.output import INTERRUPTED, is_terminal, say
from core.cli.progress import Bar, Lines
from core.errors import LabError
from core.launch.jobs import stop_job
from core.launch.queue_reasons import waiting_reasons
from core.store.jobs import JobState, read_job
from core.store.paths import JobPaths
from core.store.records import ENDED
from core.text import clean

_INTERVAL = 0.2
_QUEUED_INTERVAL = 0.5


@dataclass(frozen=True)
class Followed:
    """Where the job stands. `left`: the showing ended and the job goes on, with exit code `code`."""

    state: JobState
    interrupted: bool
    left: bool
    code: int


class _View(Protocol):
    def __enter__(self) -> Any: ...

    def __exit__(self, *_: object) -> None: ...

    def note(self, text: str) -> None: ...

    def show(self, state: JobState) -> None: ...


def follow_job(job: JobPaths) -> Followed:
    """Show a job's progress until it ends.

    The first Ctrl-C stops the job, which keeps what it has done; the second one leaves it to the background,
    and so does a hang-up of the terminal.
    """
    view: _View = _Bar(sys.stderr) if is_terminal(sys.stderr) else _Lines()
    with signals() as asked, view:
        state = _show(job, view, asked)
    left = state.state not in ENDED
    if left:
        run = job.run.id
        say(f"{state.name} of {run} continues; `labtui wait {run} --job {state.name}` waits for it")
    return Followed(state, asked.interrupts > 0, left, INTERRUPTED if asked.interrupts else 0)


def _show(job: JobPaths, view: _View, asked: Asked) -> JobState:
    stopping = False
    while True:
        if asked.interrupts and not stopping:
            stopping = True
            view.note("stopping; what is done stays. Ctrl-C again detaches while it stops")
            _stop(job)
        state = _explained(read_job(job))
        view.show(state)
        if state.state in ENDED or asked.detach or asked.interrupts > 1:
            return state
        time.sleep(_QUEUED_INTERVAL if state.state == "queued" else _INTERVAL)


def _explained(state: JobState) -> JobState:
    """A queued job with the reason why it waits."""
    if state.state != "queued":
        return state
    return replace(state, reason=waiting_reasons().get(str(state.job.root), state.reason))


def _stop(job: JobPaths) -> None:
    try:
        stop_job(job)
    except LabError:
        # It has ended meanwhile: the loop sees that next.
        return


class _Lines(Lines):
    """A line for every change of state and every part."""

    def __init__(self) -> None:
        self._seen: tuple[str, int | None] = ("", None)

    def show(self, state: JobState) -> None:
        now = (state.state, state.done)
        if now == self._seen or state.state in ENDED:
            return
        self._seen = now
        if state.state != "running" or state.done is None or not state.total:
            say(f"{state.state}: {state.reason}" if state.reason else state.state)
        else:
            say(f"{state.done}/{state.total}  {state.now}".rstrip())


class _Bar(Bar):
    """A bar over all parts."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream, None, counted=True)

    def show(self, state: JobState) -> None:
        self._progress.update(
            self._task,
            description=f"{state.kind}: {state.state}",
            completed=state.done or 0,
            total=state.total or None,
            words=clean(state.now or state.reason),
        )
