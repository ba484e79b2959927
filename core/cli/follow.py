"""`--foreground`: follows the run in the background with a progress bar, or with plain lines."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

from core.cli.commands.wait import ending, exit_code
from core.cli.output import INTERRUPTED, is_terminal, say
from core.cli.progress import BarView, LineView, Position, View
from core.errors import LabError
from core.launch.control import stop_run
from core.store.catalogue import summarise
from core.store.metric_columns import time_of
from core.store.metrics import MetricsTail
from core.store.paths import RunPaths
from core.store.records import ENDED, DerivedState, Record
from core.store.state import derive_state

_INTERVAL = 0.2


@dataclass
class Asked:
    """What the user asked for so far; signal handlers only write here."""

    interrupts: int = 0
    detach: bool = False


@dataclass
class _Tail:
    """The records of one attempt, read as they come."""

    run: RunPaths
    attempt: int = 0
    position: Position = field(default_factory=Position)
    tail: MetricsTail | None = None
    latest: float = 0.0

    def records(self, state: DerivedState) -> Iterator[Record]:
        if state.attempt == 0:
            return
        self.attempt = state.attempt
        if self.tail is None:
            self.tail = MetricsTail(self.run.metrics)
            self.tail.skip_before(state.attempt)
        for record in self.tail.read()[0]:
            time = time_of(record.get("t"))
            # In a file that was replaced, rows that were shown come again.
            if record.get("attempt") == self.attempt and not time < self.latest:
                self.latest = time
                yield record


def follow(run: RunPaths) -> int:
    """Show a run's progress until it ends; returns the exit code.

    The first Ctrl-C stops the run and waits until it is saved, the second one leaves it at that. A hang-up of
    the terminal only ends the showing: the run goes on.
    """
    view: View = BarView(sys.stderr) if is_terminal(sys.stderr) else LineView()
    with signals() as asked, view:
        _show(run, view, asked)
    if asked.detach or asked.interrupts > 1:
        say(f"{run.id} continues in the background; `labtui wait {run.id}` waits for it")
        return INTERRUPTED if asked.interrupts else 0
    summary = summarise(run)
    say(ending(run, summary))
    return INTERRUPTED if asked.interrupts and summary.state == "stopped" else exit_code(summary)


def _show(run: RunPaths, view: View, asked: Asked) -> None:
    tail = _Tail(run)
    stopping = False
    while True:
        if asked.interrupts and not stopping:
            stopping = True
            view.note("saving a checkpoint and stopping; Ctrl-C again detaches while it stops")
            _stop(run)
        if asked.detach or asked.interrupts > 1:
            return
        # The state first: what was written before the end is then surely read.
        state = derive_state(run)
        tail.position.total = state.total_epochs
        for record in tail.records(state):
            tail.position.take(record)
            if record.get("scope") == "epoch":
                view.epoch(tail.position, record)
        view.state(state, tail.position)
        if state.state in ENDED:
            return
        time.sleep(_INTERVAL)


def _stop(run: RunPaths) -> None:
    try:
        stop_run(run)
    except LabError:
        # It has ended meanwhile: the loop sees that next.
        return


@contextmanager
def signals() -> Iterator[Asked]:
    """Ctrl-C, termination and hang-up set flags; what was ignored before (nohup) stays ignored."""
    asked = Asked()

    def interrupt(_: int, __: FrameType | None) -> None:
        asked.interrupts += 1

    def detach(_: int, __: FrameType | None) -> None:
        asked.detach = True

    handlers = {signal.SIGINT: interrupt, signal.SIGTERM: detach, signal.SIGHUP: detach}
    before: dict[signal.Signals, Any] = {
        number: signal.signal(number, handler)
        for number, handler in handlers.items()
        if signal.getsignal(number) is not signal.SIG_IGN
    }
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
