"""Metric rows kept by column, 8 bytes a value, so that a million of them open fast and stay small."""

from __future__ import annotations

import math
from array import array
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import chain
from operator import itemgetter
from typing import Any, Literal, overload

from core.store.json_values import BIGGEST, metric_of
from core.store.records import Record
from core.text import clean

XAxis = Literal["step", "epoch", "t"]
Series = tuple["array[float]", "array[float]"]
PLACE = frozenset({"step", "epoch", "attempt", "t", "scope"})


def transposed(rows: Sequence[Record]) -> dict[str, list[Any]]:
    """One list a key, with None where a row lacks it; `scope` is left out."""
    keys = list(rows[0])
    if sum(map(len, rows)) == len(keys) * len(rows):
        with suppress(KeyError):
            return {key: list(map(itemgetter(key), rows)) for key in keys if key != "scope"}
    every = dict.fromkeys(chain.from_iterable(rows))
    every.pop("scope", None)
    return {key: [row.get(key) for row in rows] for key in every}


class _Column:
    """One metric. `rows` numbers the rows that have it; None while those are `first`, `first` + 1, ..."""

    __slots__ = ("first", "rows", "values")

    def __init__(self) -> None:
        self.first = 0
        self.values = array("d")
        self.rows: array[int] | None = None

    def extend(self, rows: range | list[int], values: array[float]) -> None:
        """Add the values of these rows, which ascend and come after those here."""
        if not self.values:
            self.first, self.rows = rows[0], None
        end = self.first + len(self.values) if self.rows is None else self.rows[-1] + 1
        if rows[0] < end:
            # Two names in the file became one when they were cleaned: the first counts.
            return
        if self.rows is None and (rows[0] != end or rows[-1] - rows[0] != len(rows) - 1):
            self.rows = array("q", range(self.first, end))
        self.values.extend(values)
        if self.rows is not None:
            self.rows.extend(rows)

    def index(self, row: int) -> int:
        """How many values belong to rows before `row`."""
        if self.rows is not None:
            return bisect_right(self.rows, row - 1)
        return min(max(row - self.first, 0), len(self.values))

    def at(self, row: int) -> float | None:
        found = self.index(row)
        if found == len(self.values) or (self.rows[found] if self.rows else self.first + found) != row:
            return None
        return self.values[found]


class StepRows(Sequence[Record]):
    """Rows of scope "step", in ascending step: a sequence of records, and series of single metrics."""

    def __init__(self) -> None:
        self.step = array("q")
        self.epoch = array("q")
        self.attempt = array("q")
        self.t = array("d")
        self._columns: dict[str, _Column] = {}

    @property
    def names(self) -> list[str]:
        """Names of the metrics that some row has."""
        return [name for name, column in self._columns.items() if column.values]

    def series(self, name: str, x: XAxis = "step", since: int = 0) -> Series:
        """x and y of every row that has the metric, from the `since`-th such row on (copies)."""
        column = self._columns.get(name)
        if column is None:
            return array("d"), array("d")
        axis: array[Any] = getattr(self, x)
        if column.rows is None:
            xs = array("d", axis[column.first + since : column.first + len(column.values)])
        else:
            xs = array("d", [axis[row] for row in column.rows[since:]])
        return xs, column.values[since:]

    def __len__(self) -> int:
        return len(self.step)

    @overload
    def __getitem__(self, index: int) -> Record: ...
    @overload
    def __getitem__(self, index: slice) -> list[Record]: ...
    def __getitem__(self, index: int | slice) -> Record | list[Record]:
        if isinstance(index, slice):
            return [self._record(row) for row in range(*index.indices(len(self)))]
        row = index + len(self) if index < 0 else index
        if not 0 <= row < len(self):
            raise IndexError(index)
        return self._record(row)

    def __iter__(self) -> Iterator[Record]:
        return (self._record(row) for row in range(len(self)))

    def add(self, columns: Mapping[str, list[Any]]) -> None:
        """Append rows, given as one list a key; their steps are valid and ascend from those here."""
        start, count = len(self.step), len(columns["step"])
        self.step.extend(array("q", columns["step"]))
        self.epoch.extend(_wholes(columns.get("epoch"), count))
        self.attempt.extend(_wholes(columns.get("attempt"), count))
        self.t.extend(_floats(columns.get("t"), count))
        for name, raw in columns.items():
            if name not in PLACE:
                self._add_column(name, start, raw)

    def cut(self, step: int) -> StepRows:
        """Take away the rows after `step`, and return them."""
        keep = bisect_right(self.step, step)
        return self.split(keep)

    def split(self, keep: int) -> StepRows:
        """Take away all rows but the first `keep`, and return them."""
        tail = StepRows()
        for name in ("step", "epoch", "attempt", "t"):
            column = getattr(self, name)
            setattr(tail, name, column[keep:])
            del column[keep:]
        for name, old in self._columns.items():
            at = old.index(keep)
            if at == len(old.values):
                continue
            new = tail._columns[name] = _Column()
            new.first = max(old.first - keep, 0)
            new.values = old.values[at:]
            del old.values[at:]
            if old.rows is not None:
                new.rows = array("q", [row - keep for row in old.rows[at:]])
                del old.rows[at:]
        return tail

    def append(self, other: StepRows) -> None:
        """Add the rows of `other`, whose steps come after those here."""
        start = len(self.step)
        for name in ("step", "epoch", "attempt", "t"):
            getattr(self, name).extend(getattr(other, name))
        for name, column in other._columns.items():
            if column.values:
                rows: range | list[int] = range(
                    start + column.first, start + column.first + len(column.values)
                )
                if column.rows is not None:
                    rows = [start + row for row in column.rows]
                self._columns.setdefault(name, _Column()).extend(rows, column.values)

    def by_attempt(self) -> list[StepRows]:
        """These rows, taken away, as stretches of one attempt each, in order."""
        found: list[StepRows] = []
        while len(self):
            last = self.attempt[-1]
            keep = len(self) - 1
            while keep and self.attempt[keep - 1] == last:
                keep -= 1
            found.append(self.split(keep))
        return found[::-1]

    def _add_column(self, name: str, start: int, raw: list[Any]) -> None:
        rows: range | list[int] = range(start, start + len(raw))
        try:
            values = array("d", raw)
        except (TypeError, OverflowError):
            known = [
                (row, value)
                for row, value in zip(rows, map(metric_of, raw), strict=True)
                if value is not None
            ]
            rows, values = [row for row, _ in known], array("d", [value for _, value in known])
        if values:
            self._columns.setdefault(clean_name(name), _Column()).extend(rows, values)

    def _record(self, row: int) -> Record:
        record: Record = {
            "t": self.t[row],
            "epoch": self.epoch[row],
            "step": self.step[row],
            "attempt": self.attempt[row],
        }
        for name, column in self._columns.items():
            value = column.at(row)
            if value is not None:
                record[name] = value
        return record


def _wholes(values: list[Any] | None, count: int) -> array[int]:
    if values is None:
        return array("q", bytes(8 * count))
    try:
        return array("q", values)
    except (TypeError, OverflowError):
        return array("q", map(whole, values))


def _floats(values: list[Any] | None, count: int) -> array[float]:
    if values is None:
        return array("d", [math.nan]) * count
    try:
        return array("d", values)
    except (TypeError, OverflowError):
        return array("d", map(time_of, values))


_names: dict[str, str] = {}


def clean_name(name: str) -> str:
    """A metric's name made harmless (remembered: there are few names and many rows)."""
    known = _names.get(name)
    if known is None:
        known = clean(name[:200])
        if len(_names) < 10_000:
            _names[name] = known
    return known


def is_count(value: object) -> bool:
    """Whether a value can be an epoch or a step."""
    return type(value) is int and 0 <= value <= BIGGEST


def whole(value: object) -> int:
    """An epoch, step or attempt; 0 when it is none."""
    return value if type(value) is int and 0 <= value <= BIGGEST else 0


def time_of(value: object) -> float:
    """A time in seconds; NaN when it is none."""
    found = metric_of(value)
    return math.nan if found is None else found
