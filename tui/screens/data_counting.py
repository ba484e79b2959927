"""Counting for the data screen: what annotations and headers say, then pixels, as a job reads them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from textual.reactive import var
from textual.screen import Screen
from textual.timer import Timer

from core.errors import LabError
from tui.background import Newest
from tui.screens import data_state
from tui.screens.data_state import Counted

if TYPE_CHECKING:
    from core.analysis.statistics import Statistics
    from core.cli.image_reading import ImageReader
    from core.config.schema import Experiment

_LOOK_EVERY = 1.0
_GROWTH = 1.5
_LEAST_NEW = 64


class Counting(Screen[None]):
    """`config` gives the experiment whose data are counted; it is called in a thread and may raise LabError.

    The child that reads pixels is ended with the screen; what it has read is kept.
    """

    split: var[str] = var("", init=False)

    def __init__(self, config: Callable[[], Experiment], *, classes: str = "") -> None:
        super().__init__(classes=classes)
        self.newest = Newest(self, self.failed)
        self._config = config
        self._counted: Counted | None = None
        self._reader: ImageReader | None = None
        self._timer: Timer | None = None
        self._shown = 0

    @abstractmethod
    def failed(self, sentence: str) -> None:
        """Say why the set could not be read."""

    @abstractmethod
    def show_counted(self) -> None:
        """New figures are there."""

    @abstractmethod
    def show_progress(self) -> None:
        """The job has come further."""

    @property
    def statistics(self) -> Statistics | None:
        """The figures of the chosen split, or of all."""
        return self._counted.statistics if self._counted is not None else None

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits of the whole set."""
        return self._counted.table.splits if self._counted is not None else ()

    @property
    def reading(self) -> tuple[int, int]:
        """Images read and to be read, (0, 0) when nothing is."""
        if self._reader is None or self._timer is None:
            return 0, 0
        return self._reader.done, self._reader.total

    def begin(self) -> None:
        """Count the set, then start what needs pixels."""
        self.newest.ask("count", partial(data_state.first_look, lambda: self._config().data), self._have)

    def on_unmount(self) -> None:
        if self._reader is not None:
            self._reader.stop()

    def watch_split(self) -> None:
        self._count_again()

    def _have(self, counted: Counted) -> None:
        first = self._counted is None
        self._counted = counted
        self.show_counted()
        if first and counted.statistics.waiting:
            self.newest.ask("start", partial(self._start, counted), self._started)

    def _start(self, counted: Counted) -> None:
        """In a thread: start the child, unless the screen has gone meanwhile."""
        from core.cli.image_reading import ImageReader

        self._reader = ImageReader(counted.table, counted.statistics.waiting)
        if not self.is_attached:
            self._reader.stop()

    def _started(self, _: None) -> None:
        self._timer = self.set_interval(_LOOK_EVERY, self._look_on)

    def _look_on(self) -> None:
        """How far the job is; new figures when it has read half as much again, or all."""
        reader, timer = self._reader, self._timer
        if reader is None or timer is None:
            return
        ended, problem = True, ""
        try:
            ended = reader.ended(0)
        except LabError as error:
            problem = str(error)
        done = reader.done
        if ended:
            timer.stop()
            self._timer = None
        if ended or done >= max(self._shown * _GROWTH, self._shown + _LEAST_NEW):
            self._shown = done
            self._count_again()
        self.show_progress()
        if problem:
            self.notify(problem, severity="error", markup=False)

    def _count_again(self) -> None:
        if self._counted is not None:
            work = partial(data_state.counted, self._counted.table, self.split)
            self.newest.ask("count", work, self._have)
