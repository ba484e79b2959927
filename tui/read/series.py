"""One metric over a run, with a min/max pyramid: a redraw costs the same at any length."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

AXES = ("epoch", "step", "time")
"""What x can be; every point carries all three."""

BLOCK = 256
_VALUE = 3
_NOTHING = 1e-7
_AT_ONCE = 1024
_FIRST, _LAST, _LOW, _HIGH, _LOW_POSITIVE = range(5)
_NAN, _UP, _DOWN, _NOT_POSITIVE = range(1, 5)


@dataclass(frozen=True)
class Odd:
    """How many values cannot be drawn, by kind; `not_positive` are finite, left out by a log axis."""

    nan: int = 0
    up: int = 0
    down: int = 0
    not_positive: int = 0

    def __add__(self, other: Odd) -> Odd:
        return Odd(
            self.nan + other.nan,
            self.up + other.up,
            self.down + other.down,
            self.not_positive + other.not_positive,
        )


@dataclass(frozen=True, eq=False)
class SeriesView:
    """The points of a series at one moment; shares memory with the series, which only appends.

    `columns` is (4, n): epoch, step, time and value. `blocks` is (5, n // BLOCK): the first, last, lowest,
    highest and lowest positive value of each block of BLOCK points (NaN where none is finite). `kinds` (n,)
    says what a value is: 0 for a finite one above 0; `total` counts the others.
    """

    columns: Floats
    blocks: Floats
    kinds: NDArray[np.int8]
    total: Odd

    def __len__(self) -> int:
        return len(self.y)

    def x(self, axis: str) -> Floats:
        x: Floats = self.columns[AXES.index(axis)]
        return x

    @property
    def y(self) -> Floats:
        y: Floats = self.columns[_VALUE]
        return y

    def points(
        self, axis: str, start: float, end: float, width: int, *, log: bool = False
    ) -> tuple[Floats, Floats]:
        """Points to draw `start <= x <= end` on `width` pixel columns, with one neighbour on either side.

        Exact while points are few; from 8 a column on, four points a block that keep its extremes, each in
        its pixel column. With `log`, y is log10 and what is not positive becomes NaN.
        """
        x = self.x(axis)
        low = max(int(np.searchsorted(x, start, "left")) - 1, 0)
        high = min(int(np.searchsorted(x, end, "right")) + 1, len(self))
        first, last = -(-low // BLOCK), high // BLOCK
        if high - low < 8 * width or last - first < 2 * width:
            return x[low:high], _scaled(self.y[low:high], log)
        begins, ends = (
            x[first * BLOCK : last * BLOCK : BLOCK],
            x[first * BLOCK + BLOCK - 1 : last * BLOCK : BLOCK],
        )
        scale = (width - 1) / (end - start)
        column, last_column = (np.floor((place - start) * scale + 0.5) for place in (begins, ends))
        crossed = last_column - column
        turns = first + np.flatnonzero(np.diff(crossed > 1)) + 1
        parts = [self._all(x, low, first * BLOCK, log)]
        for begin, stop in zip([first, *turns], [*turns, last], strict=True):
            if crossed[begin - first] > 1:
                parts.append(self._all(x, begin * BLOCK, stop * BLOCK, log))
            else:
                split = begin + np.flatnonzero(crossed[begin - first : stop - first])
                parts.append(self._corners(x, begin, stop, split, log))
        parts.append(self._all(x, last * BLOCK, high, log))
        return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])

    def _all(self, x: Floats, first: int, last: int, log: bool) -> tuple[Floats, Floats]:
        return x[first:last], _scaled(self.y[first:last], log)

    def _corners(self, x: Floats, first: int, last: int, split: Ints, log: bool) -> tuple[Floats, Floats]:
        """Four points for each of the blocks `first` to `last`: extremes of `split` ones where they are."""
        blocks = self.blocks[:, first:last]
        lowest = blocks[_LOW_POSITIVE if log else _LOW]
        corners = np.empty((last - first, 4))
        for place, row in enumerate((_FIRST, _LOW, _HIGH, _LAST)):
            corners[:, place] = lowest if row == _LOW else blocks[row]
            if log and row in (_FIRST, _LAST):
                corners[:, place] = np.where(blocks[row] > 0, blocks[row], lowest)
        places = np.empty((last - first, 4))
        places[:, 0] = places[:, 1] = x[first * BLOCK : last * BLOCK : BLOCK]
        places[:, 2] = places[:, 3] = x[first * BLOCK + BLOCK - 1 : last * BLOCK : BLOCK]
        if len(split):
            values = self.y[first * BLOCK : last * BLOCK].reshape(-1, BLOCK)[split - first]
            high = np.where(np.isnan(values), -np.inf, values).argmax(axis=1)
            low = np.where(values > 0 if log else ~np.isnan(values), values, np.inf).argmin(axis=1)
            at = split - first
            turned = low > high
            corners[at[turned], 1:3] = corners[at[turned], 2:0:-1]
            places[at, 1] = x[split * BLOCK + np.minimum(low, high)]
            places[at, 2] = x[split * BLOCK + np.maximum(low, high)]
        return places.ravel(), _scaled(corners.ravel(), log)

    def smoothed(
        self, axis: str, start: float, end: float, width: int, weight: float, *, log: bool = False
    ) -> tuple[Floats, Floats]:
        """Exponential moving average of all values so far, at points of `start <= x <= end`.

        With bias correction, as TensorBoard's: what is not finite (with `log`, not positive) is passed over
        and stays NaN. It is drawn at every point, or at the last one of each of `width` pixel columns; the
        value at a point is the same in any window, since it rests on all the values before.
        """
        x = self.x(axis)
        low = max(int(np.searchsorted(x, start, "left")) - 1, 0)
        high = min(int(np.searchsorted(x, end, "right")) + 1, len(self))
        at = np.arange(low, high)
        if high - low > 4 * width:
            column = np.floor((x[low:high] - start) * ((width - 1) / (end - start)) + 0.5)
            at = low + np.append(np.flatnonzero(np.diff(column)), high - low - 1)
        y = _scaled(self.y[:high], log)
        usable = np.isfinite(y)
        values = y if usable.all() else y[usable]
        # Where each point stands among those that count; itself, or the last one before it.
        place = at if usable.all() else np.cumsum(usable)[at] - 1
        return x[at], np.where(usable[at], moving_average(values, place, weight), np.nan)

    def odd(self, axis: str, start: float, end: float) -> Odd:
        """What of `start <= x <= end` cannot be drawn."""
        if self.total == Odd():
            return self.total
        x = self.x(axis)
        first, last = int(np.searchsorted(x, start, "left")), int(np.searchsorted(x, end, "right"))
        if last - first == len(self):
            return self.total
        kinds, total = self.kinds[first:last], self.total
        known = (_NAN, total.nan), (_UP, total.up), (_DOWN, total.down), (_NOT_POSITIVE, total.not_positive)
        return Odd(*(int(np.count_nonzero(kinds == kind)) if times else 0 for kind, times in known))

    def odd_at(self, places: Ints) -> Odd:
        """What cannot be drawn of the points at `places`."""
        return _counted(self.kinds[places])

    def last(self, axis: str) -> tuple[float, float] | None:
        """The newest point with a finite value, or None."""
        for start in range(len(self), 0, -BLOCK):
            values = self.y[max(start - BLOCK, 0) : start]
            finite = np.flatnonzero(np.isfinite(values))
            if len(finite):
                index = max(start - BLOCK, 0) + int(finite[-1])
                return float(self.x(axis)[index]), float(self.y[index])
        return None


class Series:
    """The growing end of a curve. Written by one thread; `view()` may be read by any other."""

    def __init__(self) -> None:
        self._columns = np.empty((4, 64))
        self._blocks = np.empty((5, 4))
        self._length = 0
        self._full = 0
        self._kinds = np.empty(64, dtype=np.int8)
        self._total = Odd()

    def __len__(self) -> int:
        return self._length

    def extend(self, rows: Floats) -> None:
        """Append (4, k) rows of epoch, step, time, value; x must not fall. Infinities are drawn as NaN."""
        count = rows.shape[1]
        end = self._length + count
        if end > self._columns.shape[1]:
            self._columns = _grown(self._columns, self._length, end)
            self._kinds = np.resize(self._kinds, self._columns.shape[1])
        self._columns[:, self._length : end] = rows
        values = self._columns[_VALUE, self._length : end]
        kinds = self._kinds[self._length : end]
        kinds[:] = np.where(values <= 0, _NOT_POSITIVE, 0)
        finite = np.isfinite(values)
        if not finite.all():
            for kind, those in (
                (_NAN, np.isnan(values)),
                (_UP, values == np.inf),
                (_DOWN, values == -np.inf),
            ):
                kinds[those] = kind
            values[~finite] = np.nan
        self._total += _counted(kinds)
        self._length = end
        self._fill_blocks()

    def view(self) -> SeriesView:
        return SeriesView(
            self._columns[:, : self._length],
            self._blocks[:, : self._full],
            self._kinds[: self._length],
            self._total,
        )

    def _fill_blocks(self) -> None:
        full = self._length // BLOCK
        if full == self._full:
            return
        if full > self._blocks.shape[1]:
            self._blocks = _grown(self._blocks, self._full, full)
        values = self._columns[_VALUE, self._full * BLOCK : full * BLOCK].reshape(-1, BLOCK)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            self._blocks[:, self._full : full] = [
                _end_values(values),
                _end_values(values[:, ::-1]),
                np.nanmin(values, axis=1),
                np.nanmax(values, axis=1),
                np.nanmin(np.where(values > 0, values, np.nan), axis=1),
            ]
        self._full = full


def moving_average(values: Floats, places: Ints, weight: float) -> Floats:
    """The exponential moving average (k,) of finite `values` (n,) at `places` (k,), each from 0 to n - 1.

    Sum of weight^j times the value j before, divided by the sum of the weights; what weighs less than 1e-7
    is left out.
    """
    if not len(values):
        return np.full(len(places), np.nan)
    back = np.arange(math.ceil(math.log(_NOTHING) / math.log(weight)) + 1)
    weights = weight**back
    out = np.empty(len(places))
    for first in range(0, len(places), _AT_ONCE):
        index = places[first : first + _AT_ONCE, None] - back
        there = np.where(index >= 0, weights, 0.0)
        out[first : first + _AT_ONCE] = (values[np.maximum(index, 0)] * there).sum(axis=1) / there.sum(axis=1)
    return out


def _counted(kinds: NDArray[np.int8]) -> Odd:
    if not kinds.any():
        return Odd()
    return Odd(*(int(np.count_nonzero(kinds == kind)) for kind in (_NAN, _UP, _DOWN, _NOT_POSITIVE)))


def _end_values(values: Floats) -> Floats:
    """The first finite value of each row."""
    rows = np.arange(len(values))
    taken: Floats = values[rows, np.isfinite(values).argmax(axis=1)]
    return taken


def _scaled(y: Floats, log: bool) -> Floats:
    return np.log10(np.where(y > 0, y, np.nan)) if log else y


def _grown(array: Floats, used: int, wanted: int) -> Floats:
    bigger = np.empty((array.shape[0], max(wanted, 2 * array.shape[1])))
    bigger[:, :used] = array[:, :used]
    return bigger
