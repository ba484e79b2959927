"""One tracker of one attempt in a process of its own: follows the metrics to the attempt's end."""

from __future__ import annotations

import os
import sys
import threading
import time
from types import ModuleType
from typing import Protocol

from core.store.paths import RunPaths
from core.tracking import available
from core.tracking.about import describe, log_section
from core.tracking.ending import Ending, Outcome
from core.tracking.journal import Journal, sentence
from core.tracking.rows import Retrained, Row, Rows

EXIT_DONE, EXIT_FAILED, EXIT_OFFLINE = 0, 1, 76
CLOSE_LIMIT = 60.0
_POLL = 1.0


class Sink(Protocol):
    """Where rows go. Any of these may raise anything; the worker then ends."""

    def begin(self, retrained: list[Retrained]) -> None: ...

    def write(self, row: Row) -> None: ...

    def caught_up(self) -> None: ...

    def close(self, outcome: Outcome) -> None: ...

    def give_up(self) -> None: ...


def work(run: RunPaths, attempt: int, tracker: str, *, offline: bool = False) -> int:
    """Send everything there is, then follow the attempt to its end; returns an exit status.

    EXIT_OFFLINE asks for another process with `offline`: W&B cannot be reached.
    """
    journal = Journal(run, attempt, tracker)
    if available()[tracker] is None:
        journal.tell(f"the package {tracker} is not installed, so no copy is made: pip install {tracker}")
        return EXIT_FAILED
    try:
        sink = _open(run, attempt, tracker, journal, offline=offline)
        if sink is None:
            return EXIT_OFFLINE
        _follow(run, attempt, sink)
    except Exception as error:
        # The one place where any fault of a tracker ends: training goes on, and the copy stays as it is.
        journal.tell(f"no longer copies the metrics ({sentence(error)}); the run continues without it")
        return EXIT_FAILED
    return EXIT_DONE


def _open(run: RunPaths, attempt: int, tracker: str, journal: Journal, *, offline: bool) -> Sink | None:
    log = log_section(run)
    about = describe(run, log)
    if tracker == "tensorboard":
        # Else tensorboard imports TensorFlow where it is installed: seconds, and the GPU's memory.
        sys.modules.setdefault("tensorboard.compat.notf", ModuleType("tensorboard.compat.notf"))
        from core.tracking.to_tensorboard import TensorBoard

        return TensorBoard(run, about, journal)
    from core.tracking.to_wandb import OnlineFailedError, Wandb

    online = log.get("wandb") == "online" and not offline
    entity = log.get("entity")
    try:
        return Wandb(run, about, journal, online=online, entity=entity if isinstance(entity, str) else None)
    except OnlineFailedError as error:
        journal.tell(
            f"W&B cannot be used online ({error}): the copy is kept in {run.tracking / 'wandb'}; "
            "once it can (wandb login), send it with wandb sync, or resume the run"
        )
        return None


def _follow(run: RunPaths, attempt: int, sink: Sink) -> None:
    rows, ending = Rows(run.metrics, attempt), Ending(run, attempt)
    ended = False
    while not rows.look() and not ended:
        time.sleep(_POLL)
        ended = ending.seen()
    rows.look()
    rows.begin()
    sink.begin(rows.retrained)
    while True:
        # In this order: what the attempt wrote before its end is read after it.
        ended = ended or ending.seen()
        while found := rows.poll():
            for row in found:
                sink.write(row)
        sink.caught_up()
        if ended:
            break
        time.sleep(_POLL)
    if ending.is_gone():
        return
    with_limit = threading.Timer(CLOSE_LIMIT, _abandon, (sink,))
    with_limit.daemon = True
    with_limit.start()
    sink.close(ending.outcome())
    with_limit.cancel()


def _abandon(sink: Sink) -> None:
    sink.give_up()
    os._exit(EXIT_FAILED)
