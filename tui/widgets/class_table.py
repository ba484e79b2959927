"""How well each class is known, the worst first."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from textual.binding import Binding, BindingType
from textual.message import Message

from core import humanise
from core.text import clean
from tui.cellfit import progress
from tui.widgets.line_table import Column, LineTable, Span

_BAR = 24


@dataclass(frozen=True)
class ClassRow:
    """`accuracy` is None for a class without images."""

    place: int
    name: str
    images: int
    correct: int

    @property
    def accuracy(self) -> float | None:
        return self.correct / self.images if self.images else None


SORTS: dict[str, Callable[[ClassRow], Any]] = {
    "worst": lambda row: (not row.images, row.accuracy or 0.0, -row.images, row.place),
    "best": lambda row: (not row.images, -(row.accuracy or 0.0), -row.images, row.place),
    "images": lambda row: (-row.images, row.place),
    "name": lambda row: (row.name.lower(), row.place),
    "class order": lambda row: row.place,
}
_SORT_OF_COLUMN = {"name": "name", "images": "images", "correct": "images", "accuracy": "worst"}


class ClassTable(LineTable[ClassRow]):
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "choose", show=False),
        Binding("left,h", "step(-1)", "earlier checkpoint", show=False),
        Binding("right,l", "step(1)", "other checkpoint", key_display="←→"),
        Binding("space", "split", "next split", key_display="space"),
        Binding("o", "sort", "sort", key_display="o"),
    ]
    sorting = "worst"
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
        super().set_rows(sorted(rows, key=SORTS[self.sorting]))

    def columns(self, width: int) -> list[Column]:
        counts = 2 * (8 + 1) + 9 + 1
        bar = _BAR if width - counts - 2 - _BAR - 1 >= 20 else 0
        name = max(min(self._longest, width - counts - 2 - bar - 1), 6)
        shown = [
            Column("cursor", "", 1),
            Column("name", "class", name, middle=True),
            Column("images", "images", 8, "right"),
            Column("correct", "correct", 8, "right"),
            Column("accuracy", "accuracy", 9, "right"),
        ]
        return [*shown, Column("bar", "", bar)] if bar else shown

    def cells(self, row: ClassRow) -> dict[str, Sequence[Span] | Span]:
        known = row.accuracy is not None
        return {
            "cursor": ("▸" if self.key(row) == self.cursor_key else " ", "text"),
            "name": (row.name, "text" if known else "muted"),
            "images": (humanise.count(row.images), "text" if known else "muted"),
            "correct": (
                humanise.count(row.correct) if known else humanise.MISSING,
                "text" if known else "muted",
            ),
            "accuracy": (humanise.metric(row.accuracy), "text" if known else "muted"),
            "bar": (progress(row.correct, row.images, _BAR) if known else "", "accent"),
        }

    def action_step(self, by: int) -> None:
        self.post_message(self.Stepped(by))

    def action_split(self) -> None:
        self.post_message(self.SplitWanted())

    def action_sort(self) -> None:
        names = list(SORTS)
        self.sort_by(names[(names.index(self.sorting) + 1) % len(names)])

    def sort_by(self, name: str) -> None:
        self.sorting = name
        self.set_rows(self.rows)
        self.post_message(self.Sorted())


def class_rows(per_class: Iterable[Any]) -> list[ClassRow]:
    """Rows of a measurement as it was written; what is no row is left out."""
    rows = []
    for place, item in enumerate(per_class):
        if not isinstance(item, dict):
            continue
        images, correct = item.get("n"), item.get("correct")
        if isinstance(images, int) and isinstance(correct, int) and 0 <= correct <= images:
            rows.append(ClassRow(place, clean(str(item.get("class"))), images, correct))
    return rows


def averages(rows: Sequence[ClassRow]) -> tuple[float | None, float | None, int]:
    """Accuracy over all images (micro), mean over the classes that have some (macro), and their number."""
    images = sum(row.images for row in rows)
    known = [row.accuracy for row in rows if row.accuracy is not None]
    micro = sum(row.correct for row in rows) / images if images else None
    return micro, (sum(known) / len(known) if known else None), len(known)


def sort_of_column(column: str) -> str | None:
    return _SORT_OF_COLUMN.get(column)
