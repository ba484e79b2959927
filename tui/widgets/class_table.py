"""How well each class is known, the worst first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.message import Message

from core import humanise
from tui.cell_text import progress
from tui.read.class_rows import SCORES, SORTS, ClassRow
from tui.widgets.columns import Column
from tui.widgets.line_table import LineTable, Span

_BAR = 24


_TITLES = {"recall": "AR"}
"""Over all IoU thresholds: the recall at one score and one IoU, as errors have it, is another number."""
_SORT_OF_COLUMN = {
    **{"name": "name", "images": "images", "correct": "images"},
    **dict.fromkeys(("accuracy", "ap"), "worst"),
}


class ClassTable(LineTable[ClassRow]):
    ORDERS = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "choose", show=False),
        Binding("left,h", "step(-1)", "earlier checkpoint", show=False),
        Binding("right,l", "step(1)", "other checkpoint", key_display="←→"),
        Binding("space", "split", "next split", key_display="space"),
        Binding("o", "sort", "sort", key_display="o"),
    ]
    sorting = "worst"
    boxes = False
    _longest = 16

    class Stepped(Message):
        """Another checkpoint is wanted, earlier (-1) or later (1)."""

        def __init__(self, by: int) -> None:
            super().__init__()
            self.by = by

    class SplitWanted(Message):
        """Another split is wanted."""

    class Sorted(Message):
        """The order has changed."""

    def key(self, row: ClassRow) -> str:
        return f"{row.place}"

    def set_rows(self, rows: Sequence[ClassRow]) -> None:
        self._longest = max((len(row.name) for row in rows), default=16)
        self.boxes = any(row.scores for row in rows)
        super().set_rows(sorted(rows, key=SORTS[self.sorting]))

    def declared(self) -> list[Column]:
        counts = (
            [
                Column("images", "n", 8, "right"),
                *(Column(name, _TITLES.get(name, name), 7, "right") for name in SCORES),
            ]
            if self.boxes
            else [
                Column("images", "images", 8, "right"),
                Column("correct", "correct", 8, "right"),
                Column("accuracy", "accuracy", 9, "right"),
            ]
        )
        return [
            Column("cursor", "", 1),
            Column("name", "class", 6, middle=True, max=max(self._longest, 6)),
            *counts,
            Column("bar", "", _BAR, priority=1, spare=13),
        ]

    def cells(self, row: ClassRow) -> dict[str, Sequence[Span] | Span]:
        known = row.accuracy is not None
        tone = "text" if known else "muted"
        return {
            "cursor": ("▸" if self.key(row) == self.cursor_key else " ", "text"),
            "name": (row.name, tone),
            "images": (humanise.count(row.images), tone),
            "correct": (humanise.count(row.correct) if known else humanise.MISSING, tone),
            "accuracy": (humanise.metric(row.accuracy), tone),
            **{name: (humanise.metric(value), tone) for name, value in row.scores.items()},
            "bar": (self._bar(row), "accent"),
        }

    def _bar(self, row: ClassRow) -> str:
        if row.accuracy is None:
            return ""
        if row.scores:
            return progress(round(1000 * row.accuracy), 1000, _BAR)
        return progress(row.correct, row.images, _BAR)

    def action_step(self, by: int) -> None:
        self.post_message(self.Stepped(by))

    def action_split(self) -> None:
        self.post_message(self.SplitWanted())

    def action_sort(self) -> None:
        names = list(SORTS)
        self.sort_by(names[(names.index(self.sorting) + 1) % len(names)])

    def sort_by(self, name: str) -> None:
        self.sorting = name
        self.clear_order()
        self.set_rows(self.rows)
        self.post_message(self.Sorted())


def sort_of_column(column: str) -> str | None:
    return _SORT_OF_COLUMN.get(column)
