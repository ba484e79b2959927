"""The numbers that a matrix shows, and its cells in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from rich.cells import cell_len

from core.humanise import MISSING

ALARM = "false alarm"


_RULE = 10
"""So many times as many missed objects as confusions, and a matrix begins at these."""


@dataclass(frozen=True)
class MatrixCounts:
    """A matrix over `names`, which are classes or groups; `numbers` stand above columns that are narrow.

    `cells` is (n + 1, n + 1): rows truth, columns prediction, the last column missed, the last row false
    alarms. `kinds` are the false alarms (n,) by kind. `inside` (n,) counts confusions within a group. Without
    `boxes` there is nothing to miss and no false alarm.
    """

    names: tuple[str, ...]
    numbers: tuple[str, ...]
    cells: Sequence[Sequence[int]]
    kinds: tuple[tuple[str, Sequence[int]], ...] = ()
    inside: Sequence[int] = ()
    boxes: bool = True

    @property
    def size(self) -> int:
        return len(self.names)

    @cached_property
    def longest(self) -> int:
        """Terminal cells of the longest name."""
        return max((cell_len(name) for name in self.names), default=0)

    @cached_property
    def digits(self) -> int:
        """Digits of the largest count."""
        return len(str(max((max(line) for line in self.cells), default=0)))

    @cached_property
    def most_wrong(self) -> int:
        """The largest count beside the diagonal."""
        beside = (
            count for row, line in enumerate(self.cells) for column, count in enumerate(line) if row != column
        )
        return max(beside, default=1)

    @cached_property
    def row_sums(self) -> tuple[int, ...]:
        """Of classes and false alarms, then of each kind of them."""
        return (*map(sum, self.cells), *(sum(line) for _, line in self.kinds))

    @cached_property
    def column_sums(self) -> tuple[int, ...]:
        return tuple(map(sum, zip(*self.cells, strict=True)))

    def count(self, row: int, column: int) -> int:
        """A cell; rows beyond the false alarms are kinds of them."""
        size = self.size
        return self.cells[row][column] if row <= size else self.kinds[row - size - 1][1][column]

    def wrong(self, name: int) -> int:
        """How often a class, or a class of a group, is taken for another or missed."""
        line = self.cells[name]
        return sum(line) - line[name] + (self.inside[name] if self.inside else 0)

    def worst(self) -> tuple[int, int]:
        """The most frequent confusion of two classes; a miss or false alarm where that is the rule."""
        size = self.size
        best, worst = 0, (0, 0)
        for row in range(size):
            for column in range(size):
                if row != column and self.cells[row][column] > best:
                    best, worst = self.cells[row][column], (row, column)
        if not self.boxes or not size:
            return worst
        edge = [(self.cells[row][size], (row, size)) for row in range(size)]
        edge += [(self.cells[size][column], (size, column)) for column in range(size)]
        most, beside = max(edge, key=lambda item: item[0])
        return beside if most > _RULE * best else worst

    @cached_property
    def ranked(self) -> list[tuple[int, int]]:
        """Cells with errors by falling count, missed and false alarms too; confusions first where equal."""
        size = self.size
        cells = [
            (row, column)
            for row in range(size + 1)
            for column in range(size + 1)
            if row != column and self.cells[row][column] and (self.boxes or size not in (row, column))
        ]
        return sorted(cells, key=lambda cell: (-self.cells[cell[0]][cell[1]], size in cell, cell))


@dataclass(frozen=True)
class MatrixCell:
    """A cell: `row` None is the row of false alarms, `column` None that of missed objects.

    `kind` narrows false alarms down.
    """

    row: int | None
    column: int | None
    kind: str = ""


NO_COUNTS = MatrixCounts((), (), ((0,),))


def cell_words(counts: MatrixCounts, cell: MatrixCell | None) -> str:
    """A cell in words, such as `cat → dog`, `cat missed`, `false alarm: dog`."""
    if cell is None:
        return MISSING
    names = counts.names
    if cell.row is None:
        what = cell.kind or ALARM
        return f"{what}: {names[cell.column]}" if cell.column is not None else what
    if cell.column is None:
        return f"{names[cell.row]} missed"
    if cell.row == cell.column:
        return f"{names[cell.row]} right"
    return f"{names[cell.row]} → {names[cell.column]}"
