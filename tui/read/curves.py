"""A run's metric history as curves: one series a name, and what a resume superseded kept apart."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from tui.read.series import Floats, Series, SeriesView

if TYPE_CHECKING:
    from core.store.metrics import History, StepRows
    from core.store.records import Record
    from tui.read.train_measures import Points

Parts = tuple[Floats, Floats]
_DONE, _TOTAL = "step_in_epoch", "steps_per_epoch"
_PLACE = frozenset({"t", "epoch", "step", "attempt"})
_NOTHING: Points = {}


@dataclass(frozen=True, eq=False)
class Curves:
    """A run's metrics at one moment. `epochs` has a point an epoch, `steps` a point a logged step.

    `ghosts` are epochs that a later attempt trained again; `finals` was measured once, at the end.
    """

    epochs: Mapping[str, SeriesView]
    steps: Mapping[str, SeriesView]
    ghosts: Mapping[str, SeriesView]
    finals: Mapping[str, float] = field(default_factory=dict)

    def finest(self, name: str, axis: str) -> SeriesView | None:
        """The series of a metric that suits an x axis: single steps, unless x counts epochs and one ended."""
        if name in self.steps and (axis != "epoch" or self.first_epoch):
            return self.steps[name]
        return self.epochs.get(name)

    @property
    def first_epoch(self) -> bool:
        """No epoch has ended yet: all there is are steps."""
        return not self.epochs


EMPTY = Curves({}, {}, {})


class CurveBuilder:
    """Turns one run's growing history into curves; what was built before is kept.

    x never runs back: rows come from the history in ascending epoch and step, and time counts seconds of
    training, with the pauses between attempts left out.
    """

    def __init__(self) -> None:
        self._steps: dict[str, Series] = {}
        self._cuts: tuple[int, int, int] = (0, 0, 0)
        self._origins: dict[int, float] = {}
        self._epochs: dict[str, Series] = {}
        self._ghosts: dict[str, SeriesView] = {}
        # The rows that were taken in, how many of them, what was superseded and measured beside them.
        self._rows: list[Record] = []
        self._taken = self._superseded = 0
        self._measured: Points = {}
        self._spans: dict[int, tuple[float, float]] = {}

    def update(self, history: History, measured: Points | None = None) -> Curves:
        """Curves of the history as it is now; they stay as they are when it grows.

        `measured` has further metrics by attempt and epoch; what training itself wrote counts first.
        """
        measured = _NOTHING if measured is None else measured
        cuts = (id(history), len(history.resumes), len(history.superseded_steps))
        anew = cuts != self._cuts
        if anew:
            self._cuts, self._steps, self._origins = cuts, {}, {}
        superseded = len(history.superseded_epochs)
        if (
            anew
            or history.epochs is not self._rows
            or superseded != self._superseded
            or measured is not self._measured
        ):
            self._rows, self._taken, self._measured = history.epochs, 0, measured
            self._epochs, self._spans = {}, {}
        rows = history.epochs[self._taken :]
        clock = self._clock(history, rows)
        parts = self._part_epochs(history.steps)
        for name in history.steps.names:
            self._extend_steps(history.steps, name, clock, parts)
        _extend(
            self._epochs, ({**measured.get((row["attempt"], row["epoch"]), {}), **row} for row in rows), clock
        )
        if anew or superseded != self._superseded:
            ghosts: dict[str, Series] = {}
            _extend(ghosts, _ascending(history.superseded_epochs), clock)
            self._ghosts = _views(ghosts)
        self._taken, self._superseded = len(history.epochs), superseded
        return Curves(
            _views(self._epochs),
            _views(self._steps),
            self._ghosts,
            {name: row[name] for row in history.finals for name in row if name not in _PLACE},
        )

    def _extend_steps(self, rows: StepRows, name: str, clock: Mapping[int, float], parts: Parts) -> None:
        series = self._steps.setdefault(name, Series())
        known = len(series)
        step, value = (np.asarray(column) for column in rows.series(name, "step", known))
        if not len(step):
            return
        epoch = np.asarray(rows.series(name, "epoch", known)[0])
        moment = np.asarray(rows.series(name, "t", known)[0])
        at = np.searchsorted(np.asarray(rows.step), step)
        attempts, which = np.unique(np.asarray(rows.attempt)[at], return_inverse=True)
        offsets = np.array([clock.get(int(attempt), np.nan) for attempt in attempts])
        before = series.view().columns[:3, -1] if known else np.zeros(3)
        time = _rising(moment - offsets[which], float(before[2]))
        series.extend(np.stack([_rising(_within(epoch, step, parts), float(before[0])), step, time, value]))

    def _part_epochs(self, rows: StepRows) -> Parts:
        """Steps not taken in yet, and what share of its epoch each of them ends."""
        known = len(self._steps[_DONE]) if _DONE in self._steps else 0
        step, done = (np.asarray(column) for column in rows.series(_DONE, "step", known))
        total = np.asarray(rows.series(_TOTAL, "step", known)[1])
        if len(total) != len(done):
            return np.empty(0), np.empty(0)
        return step, np.clip(done / np.maximum(total, 1.0), 0.0, 1.0)

    def _clock(self, history: History, new: Iterable[Record]) -> dict[int, float]:
        """For each attempt what to take off a row's time to get seconds of training; `new` rows of epochs."""
        for row in new:
            lead = row.get("time/epoch", 0.0)
            _widen(self._spans, row["attempt"], row["t"] - (lead if math.isfinite(lead) else 0.0), row["t"])
        spans = dict(self._spans)
        rows = history.steps
        if len(rows):
            attempts = np.asarray(rows.attempt)
            changes = np.flatnonzero(np.r_[True, attempts[1:] != attempts[:-1]])
            for first, last in zip(changes, np.r_[changes[1:], len(attempts)] - 1, strict=True):
                _widen(spans, int(attempts[first]), rows.t[first], rows.t[last])
        clock: dict[int, float] = {}
        trained = 0.0
        for attempt in sorted(spans):
            begin, end = spans[attempt]
            origin = self._origins.setdefault(attempt, begin)
            clock[attempt] = origin - trained
            trained += max(end - origin, 0.0)
        return clock


def _within(epoch: Floats, step: Floats, parts: Parts) -> Floats:
    """Epochs done at each step, such as 2.25 a quarter into the third; whole ones when that is not known."""
    steps, shares = parts
    at = np.searchsorted(steps, step)
    if at[-1] >= len(steps) or not np.array_equal(steps[at], step):
        return epoch
    return epoch - 1 + shares[at]


def _widen(spans: dict[int, tuple[float, float]], attempt: int, *moments: float) -> None:
    """Take moments into the span of an attempt; one that is no number is passed over."""
    for moment in moments:
        if math.isfinite(moment):
            begin, end = spans.get(attempt, (moment, moment))
            spans[attempt] = min(begin, moment), max(end, moment)


def _extend(series: dict[str, Series], rows: Iterable[Record], clock: Mapping[int, float]) -> None:
    """Add rows of epochs, ascending, to the series of their metrics."""
    points: dict[str, list[tuple[float, float, float, float]]] = {}
    for row in rows:
        time = row["t"] - clock.get(row["attempt"], math.nan)
        for name, value in row.items():
            if name not in _PLACE:
                points.setdefault(name, []).append((row["epoch"], row["step"], time, value))
    for name, places in points.items():
        growing = series.setdefault(name, Series())
        columns = np.array(places, dtype=float).T
        columns[2] = _rising(columns[2], float(growing.view().columns[2, -1]) if len(growing) else 0.0)
        growing.extend(columns)


def _views(series: Mapping[str, Series]) -> dict[str, SeriesView]:
    return {name: growing.view() for name, growing in series.items()}


def _ascending(rows: Iterable[Record]) -> list[Record]:
    """Superseded epochs one after the other; where two attempts gave up the same epoch, the later one."""
    return [row for _, row in sorted({row["epoch"]: row for row in rows}.items())]


def _rising(time: Floats, least: float) -> Floats:
    """Times that never fall; one that is not known counts as the one before."""
    known: Floats = np.maximum.accumulate(np.maximum(np.where(np.isfinite(time), time, least), least))
    return known
