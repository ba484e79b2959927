"""One metric over a run, with a min/max pyramid: a redraw costs the same at any length."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

AXES = ("epoch", "step", "time")
"""What x can be; every point carries all three."""

BLOCK = 256
_VALUE = 3
_FIRST, _LAST, _LOW, _HIGH, _LOW_POSITIVE = range(5)


@dataclass(frozen=True, eq=False)
class SeriesView:
    """The points of a series at one moment; shares memory with the series, which only appends.

    `columns` is (4, n): epoch, step, time and value. `blocks` is (5, n // BLOCK): the first, last, lowest,
    highest and lowest positive value of each block of BLOCK points (NaN where none is finite).
    """

    columns: Floats
    blocks: Floats
    not_finite: int
    not_positive: int

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

        Exact while points are few; from 8 a column on, four points a block that keep its extremes. With
        `log`, y is log10 and what is not positive becomes NaN.
        """
        x = self.x(axis)
        low = max(int(np.searchsorted(x, start, "left")) - 1, 0)
        high = min(int(np.searchsorted(x, end, "right")) + 1, len(self))
        first, last = -(-low // BLOCK), high // BLOCK
        if high - low < 8 * width or last - first < 2 * width:
            return x[low:high], _scaled(self.y[low:high], log)
        blocks = self.blocks[:, first:last]
        corners = blocks[[_FIRST, _LOW, _HIGH, _LAST]]
        if log:
            corners = corners.copy()
            corners[1] = blocks[_LOW_POSITIVE]
            for row in (0, 3):
                corners[row] = np.where(corners[row] > 0, corners[row], blocks[_LOW_POSITIVE])
        head, tail = slice(low, first * BLOCK), slice(last * BLOCK, high)
        left, right = (
            x[first * BLOCK : last * BLOCK : BLOCK],
            x[first * BLOCK + BLOCK - 1 : last * BLOCK : BLOCK],
        )
        block_x = np.stack([left, left, right, right], axis=1).ravel()
        return (
            np.concatenate([x[head], block_x, x[tail]]),
            _scaled(np.concatenate([self.y[head], corners.T.ravel(), self.y[tail]]), log),
        )

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
        self._not_finite = 0
        self._not_positive = 0

    def __len__(self) -> int:
        return self._length

    def extend(self, rows: Floats) -> None:
        """Append (4, k) rows of epoch, step, time, value; x must not fall. Infinities count as not finite."""
        count = rows.shape[1]
        end = self._length + count
        if end > self._columns.shape[1]:
            self._columns = _grown(self._columns, self._length, end)
        self._columns[:, self._length : end] = rows
        values = self._columns[_VALUE, self._length : end]
        finite = np.isfinite(values)
        values[~finite] = np.nan
        self._not_finite += int(count - finite.sum())
        self._not_positive += int((values[finite] <= 0).sum())
        self._length = end
        self._fill_blocks()

    def view(self) -> SeriesView:
        return SeriesView(
            self._columns[:, : self._length],
            self._blocks[:, : self._full],
            self._not_finite,
            self._not_positive,
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


def smoothed(y: Floats, weight: float) -> Floats:
    """Exponential moving average with bias correction (TensorBoard's); NaN stays NaN and is passed over."""
    if not weight:
        return y
    out = np.full(len(y), np.nan)
    total = norm = 0.0
    for index, value in enumerate(y.tolist()):
        if value == value:
            total = weight * total + (1 - weight) * value
            norm = weight * norm + (1 - weight)
            out[index] = total / norm
    return out


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
