"""How far a followed run is, as a bar on a terminal or as one line an epoch elsewhere."""

from __future__ import annotations

import contextlib
import math
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, Self, TextIO, cast

from core.cli.metric_tables import main_names
from core.cli.output import say
from core.humanise import count, duration, eta, loss, metric, number
from core.store.json_values import metric_of
from core.store.records import DerivedState, Record
from core.text import clean


@dataclass
class Position:
    """Where training stands: `done` whole epochs and the `part` (0 to 1) of the one under way.

    Not `known` before the attempt's first record.
    """

    known: bool = False
    done: int = 0
    total: int = 0
    part: float = 0.0
    loss: float | None = None
    accuracy: float | None = None
    speed: float | None = None
    seconds_an_epoch: float | None = None

    def take(self, record: Record) -> None:
        """Move on to `record`."""
        self.known = True
        if record.get("scope") == "step":
            self.done = max(0, _whole(record, "epoch") - 1)
            self.part = min(1.0, _whole(record, "step_in_epoch") / max(1, _whole(record, "steps_per_epoch")))
        elif record.get("scope") == "epoch":
            self.done, self.part = _whole(record, "epoch"), 0.0
            self.seconds_an_epoch = _real(record, "time/epoch", self.seconds_an_epoch)
        else:
            if "resume" in record:
                self.done, self.part = _whole(record, "epoch"), 0.0
            return
        self.loss = _real(record, "train/loss", self.loss)
        self.accuracy = _real(record, "train/accuracy", self.accuracy)
        speed = _real(record, "images/s", None)
        if speed is not None and math.isfinite(speed):
            self.speed = speed

    @property
    def left(self) -> float | None:
        """Seconds until the last epoch's end, by the pace of the last whole epoch."""
        if self.seconds_an_epoch is None:
            return None
        return max(0.0, (self.total - self.done - self.part) * self.seconds_an_epoch)


class View(Protocol):
    """What shows a followed run; used as a context manager."""

    def __enter__(self) -> Any: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def note(self, text: str) -> None:
        """Show a sentence."""

    def epoch(self, position: Position, record: Record) -> None:
        """An epoch has ended."""

    def state(self, state: DerivedState, position: Position) -> None:
        """Show where training stands now."""


class Lines:
    """Sentences as lines, for files and pipes."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return

    def note(self, text: str) -> None:
        say(text)


class LineView(Lines):
    """One line for every change of state and every epoch."""

    def __init__(self) -> None:
        self._state = ""

    def epoch(self, position: Position, record: Record) -> None:
        say(epoch_line(position, record))

    def state(self, state: DerivedState, position: Position) -> None:
        if state.state != self._state:
            self._state = state.state
            say(f"{state.state}: {state.reason}" if state.reason else state.state)


class _Lenient:
    """A terminal that may be gone: what cannot be written is dropped."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with contextlib.suppress(OSError, ValueError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def lenient(stream: TextIO) -> TextIO:
    """`stream`, without errors when the terminal behind it is gone."""
    return cast(TextIO, _Lenient(stream))


class Bar:
    """A bar on a terminal with sentences above it: what is done of `total`, in percent or `counted`."""

    def __init__(self, stream: TextIO, total: float | None, *, counted: bool = False) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskProgressColumn, TextColumn

        self._console = Console(
            file=lenient(stream), markup=False, highlight=False, emoji=False, soft_wrap=True
        )
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            MofNCompleteColumn() if counted else TaskProgressColumn(),
            TextColumn("{task.fields[words]}", markup=False),
            console=self._console,
            transient=True,
            refresh_per_second=4,
        )
        self._task = self._progress.add_task("starting", total=total, words="")

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def note(self, text: str) -> None:
        self._console.print(clean(text))


class BarView(Bar):
    """A bar for the epoch under way; epochs that ended stay as lines above it."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream, 1.0)

    def epoch(self, position: Position, record: Record) -> None:
        self._console.print(clean(epoch_line(position, record)))

    def state(self, state: DerivedState, position: Position) -> None:
        under_way = position.known and state.state in ("running", "stopping")
        what: str = "preparing" if state.state == "running" else state.state
        if under_way:
            what = f"epoch {min(position.done + 1, position.total)}/{position.total}"
        words = numbers(position) if under_way else clean(state.reason)
        self._progress.update(self._task, description=what, completed=position.part, words=words)


def numbers(position: Position) -> str:
    """`loss 1.234  accuracy 0.5123  1 234 images/s  left ≈ 3 m`, as far as known."""
    words = []
    if position.loss is not None:
        words.append(f"loss {loss(position.loss)}")
    if position.accuracy is not None:
        words.append(f"accuracy {metric(position.accuracy)}")
    if position.speed is not None:
        words.append(f"{count(round(position.speed))} images/s")
    if position.left is not None:
        words.append(f"left {eta(position.left)}")
    return "  ".join(words)


def epoch_line(position: Position, record: Record) -> str:
    """`epoch 3/13  train/loss 1.234  val/accuracy 0.5123  412 images/s  42 s  left ≈ 7 m`."""
    words = [f"epoch {position.done}/{position.total}"]
    measured = (name for name in record if "/" in name and not name.startswith(("time/", "images/")))
    for name in main_names(measured):
        value = record[name]
        if isinstance(value, int | float):
            words.append(f"{name} {number(name, float(value))}")
    if position.speed is not None:
        words.append(f"{count(round(position.speed))} images/s")
    if position.seconds_an_epoch is not None:
        words.append(duration(position.seconds_an_epoch))
    if position.left:
        words.append(f"left {eta(position.left)}")
    return "  ".join(words)


def _whole(record: Record, name: str) -> int:
    value = record.get(name)
    return int(value) if isinstance(value, int | float) else 0


def _real(record: Record, name: str, old: float | None) -> float | None:
    value = metric_of(record.get(name))
    return old if value is None else value
