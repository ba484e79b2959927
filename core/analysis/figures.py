"""Figures of a data set as pages of numbers, each of which knows the images that it was counted from."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from core.analysis.data_table import DataTable, Integers
from core.humanise import count

_FEW_BARS = 14
_DEVIATIONS = 3.5
_LEAST_GROUP = 10
Values = NDArray[np.float64]


def _none() -> Integers:
    return np.zeros(0, np.int64)


@dataclass(frozen=True, eq=False)
class Figure:
    """One number. `key` names it on the command line; `counts` has it by split, `text` where it is no count.

    `rows` are its images, rows of the table, most telling first; `objects` the objects meant, empty for
    images as a whole. `lines` says more of what has no row: files that cannot be read, sentences.
    """

    key: str
    label: str
    counts: tuple[int, ...] = ()
    text: str = ""
    value: float | None = None
    note: str = ""
    rows: Integers = field(default_factory=_none)
    objects: Integers = field(default_factory=_none)
    lines: tuple[str, ...] = ()
    bad: bool = False

    @property
    def total(self) -> int:
        return sum(self.counts)

    @property
    def shown(self) -> str:
        """The number for people."""
        return self.text or count(self.total)


@dataclass(frozen=True, eq=False)
class Page:
    """Figures of one kind: `facts`, then `bars`, in equal steps or, as `log_bars`, in equal ratios.

    `values` are what was counted, of every object (`of` is "objects": `at` names its row) or image. `grid` is
    (rows, columns) of bars that lie in a plane. `waiting`: so many images are still to be read for it.
    """

    key: str
    title: str
    unit: str
    facts: tuple[Figure, ...] = ()
    bars: tuple[Figure, ...] = ()
    log_bars: tuple[Figure, ...] = ()
    notes: tuple[str, ...] = ()
    values: Values | None = None
    at: Integers | None = None
    of: str = "images"
    which: Integers | None = None
    grid: tuple[int, int] | None = None
    waiting: int = 0

    def figures(self) -> Iterator[Figure]:
        """Every number of the page."""
        yield from self.facts
        yield from self.bars
        yield from self.log_bars


def by_split(table: DataTable, rows: Integers) -> tuple[int, ...]:
    """How many of `rows` (one an object or image) are in each split."""
    return tuple(np.bincount(table.split[rows], minlength=len(table.splits)).tolist())


def once(rows: Integers) -> Integers:
    """`rows` without repeats, in the order of their first place."""
    _, first = np.unique(rows, return_index=True)
    return rows[np.sort(first)]


class Measure:
    """One value for every object, or for every image, and the figures that can be made of it.

    `at` (k,) are rows of the table, `objects` (k,) indices of objects, None for images; `digits` are
    decimals to show.
    """

    def __init__(
        self,
        table: DataTable,
        key: str,
        values: Values,
        at: Integers,
        objects: Integers | None = None,
        digits: int = 0,
    ) -> None:
        self.table, self.key, self.values, self.at, self.objects = table, key, values, at, objects
        self.digits = digits

    def figure(
        self, name: str, label: str, chosen: Integers, text: str = "", value: float | None = None
    ) -> Figure:
        """The number of the `chosen` values, or `text`, with their images."""
        objects = self.objects[chosen] if self.objects is not None else _none()
        rows = self.at[chosen]
        return Figure(
            f"{self.key}:{name}", label, by_split(self.table, rows), text, value, "", once(rows), objects
        )

    def number(self, value: float) -> str:
        """A value as people read it."""
        return count(round(value)) if self.digits == 0 else f"{value:.{self.digits}f}"

    def typical(self) -> list[Figure]:
        """Median, mean, least and most; the images of the first two are those nearest to them."""
        if not len(self.values):
            return []
        order = np.argsort(self.values, kind="stable")
        found = []
        for name, value in (("median", float(np.median(self.values))), ("mean", float(self.values.mean()))):
            near = np.argsort(np.abs(self.values - value), kind="stable")
            found.append(self.figure(name, name, near, self.number(value), value))
        for name, chosen in (("min", order), ("max", order[::-1])):
            value = float(self.values[chosen[0]])
            found.append(self.figure(name, name, chosen, self.number(value), value))
        return found

    def outliers(self, *, log: bool, groups: Integers | None = None) -> Figure:
        """What lies far from the median: a modified z-score above 3.5 (Iglewicz and Hoaglin 1993, 0.6745 x
        distance / median distance), of logarithms with `log`. The farthest come first.

        With `groups` (k,) each value is held against those of its own group, of ten or more.
        """
        values = np.log(np.maximum(self.values, 1e-12)) if log else self.values
        score = far_out(values) if groups is None else _far_out_of(values, groups)
        chosen = np.flatnonzero(score > _DEVIATIONS)
        chosen = chosen[np.argsort(-score[chosen], kind="stable")]
        label = "outliers" if groups is None else "outliers of their class"
        return self.figure("outliers", label, chosen)

    def within(self, low: float, high: float) -> Integers:
        """The values from `low` to below `high`, rising."""
        chosen = np.flatnonzero((self.values >= low) & (self.values < high))
        return chosen[np.argsort(self.values[chosen], kind="stable")]

    def bars(self, edges: Sequence[float]) -> tuple[Figure, ...]:
        """Counts between `edges`, which rise; the last one is infinite or above all values."""
        found = []
        for low, high in pairwise(edges):
            found.append(self.figure(_range(low, high), self._span(low, high), self.within(low, high)))
        return tuple(found)

    def _span(self, low: float, high: float) -> str:
        if math.isinf(high):
            return f"{self._edge(low)} and more"
        return f"{self._edge(low)} to {self._edge(high)}"

    def _edge(self, value: float) -> str:
        return count(round(value)) if value == round(value) else f"{value:g}"


def far_out(values: Values) -> Values:
    """Modified z-scores (n,), without sign; 0 for all where more than half of the values are the same."""
    if not len(values):
        return np.zeros(0)
    distance = np.abs(values - np.median(values))
    middle = float(np.median(distance))
    if middle == 0:
        return np.zeros(len(values))
    score: Values = 0.6745 * distance / middle
    return score


def _far_out_of(values: Values, groups: Integers) -> Values:
    score = np.zeros(len(values))
    order = np.argsort(groups, kind="stable")
    for part in np.split(order, np.flatnonzero(np.diff(groups[order])) + 1):
        if len(part) >= _LEAST_GROUP:
            score[part] = far_out(values[part])
    return score


def linear_edges(values: Values) -> list[float]:
    """Round edges in equal steps up to the 98th percentile; what is beyond has one bar."""
    if not len(values):
        return []
    top = float(np.percentile(values, 98))
    low = float(values.min())
    step = _round_up((top - low) / _FEW_BARS) if top > low else _round_up(max(abs(low), 1e-9))
    first = math.floor(low / step) * step
    steps = max(1, math.ceil(round((top - first) / step, 9)))
    edges = [round(first + index * step, 10) for index in range(steps + 1)]
    return [*edges, math.inf] if float(values.max()) >= edges[-1] else edges


def log_edges(values: Values, steps: Sequence[float] = (1, 2, 5)) -> list[float]:
    """Edges 1, 2, 5, 10, ... around all values above zero."""
    values = values[values > 0]
    if not len(values):
        return []
    low, high = float(values.min()), float(values.max())
    edges = [
        float(f"{step * 10.0**power:.6g}")
        for power in range(math.floor(math.log10(low)), math.floor(math.log10(high)) + 2)
        for step in steps
    ]
    first = max(index for index, edge in enumerate(edges) if edge <= low * (1 + 1e-9))
    last = min(index for index, edge in enumerate(edges) if edge > high)
    return edges[first : last + 1]


def parse_range(text: str) -> tuple[float, float] | None:
    """`1000..2000`, `..50` or `3..` as numbers, a plain number as that one; None for other words."""
    low, dots, high = text.partition("..")
    try:
        if not dots:
            value = float(low)
            return value, math.nextafter(value, math.inf)
        return (float(low) if low else -math.inf), (float(high) if high else math.inf)
    except ValueError:
        return None


def _range(low: float, high: float) -> str:
    return f"{_plain(low)}..{'' if math.isinf(high) else _plain(high)}"


def _plain(value: float) -> str:
    return str(round(value)) if value == round(value) else f"{value:g}"


def _round_up(value: float) -> float:
    """The next 1, 2 or 5 times a power of ten."""
    power = math.floor(math.log10(value))
    for step in (1, 2, 5, 10):
        if step * 10.0**power >= value * (1 - 1e-9):
            return float(f"{step * 10.0**power:.6g}")
    return 10.0 ** (power + 1)
