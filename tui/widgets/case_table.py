"""Tables of cases, of the boxes in an image, of kinds of errors and of classes with their numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Self

from rich.cells import cell_len
from textual.binding import Binding, BindingType
from textual.message import Message

from tui.widgets.case_words import KIND_WORDS, case_key, case_words, image_name, share
from tui.widgets.columns import Column, fitted
from tui.widgets.line_table import LineTable, Span

if TYPE_CHECKING:
    from core.analysis.cases import Case

_SHORT = {"loose + wrong class": "loose+wrong", "below threshold": "below score"}
_OUTCOMES = 11, 19
_LETTER_TONES = {"T": "truth", "P": "predicted", "A": "predicted", "B": "second"}
SORTS = ("rank", "score", "iou", "area", "objects", "boxes", "image")
_MEASURED = 50
_NAME, _SHORTEST_NAME, _LONGEST_NAME = 8, 12, 24
"""Cells for the names of images, which come before the numbers."""
_LOOKED_AT = 1000
"""Cases among which the cursor's one is looked for after a change."""


class CaseTable(LineTable["Case"]):
    """The cases of a cell; `sign_of` gives a letter for what was judged."""

    ORDERS = False
    BAR = True
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter,l", "choose", "picture", key_display="⏎"),
        Binding("o", "sort", "sort"),
    ]
    names: tuple[str, ...] = ()
    boxes = True
    mixed = False
    sorting = "rank"

    def __init__(self, *, id: str | None = None, empty: str = "") -> None:
        super().__init__(id=id, empty=empty)
        self.sign_of: Callable[[Case], str] = _unjudged
        self._longest = _SHORTEST_NAME
        self._predicted = True

    class SortWanted(Message):
        """Another order is wanted."""

    def key(self, row: Case) -> str:
        return case_key(row)

    def _find(self, key: str | None) -> int | None:
        if key is None:
            return None
        if self.cursor < len(self.rows) and self.key(self.rows[self.cursor]) == key:
            return self.cursor
        near = range(min(len(self.rows), _LOOKED_AT))
        return next((index for index in near if self.key(self.rows[index]) == key), None)

    def set_rows(self, rows: Sequence[Case]) -> None:
        first = rows[:_MEASURED]
        longest = max((cell_len(image_name(row.path)) for row in first), default=0)
        self._longest = min(max(longest, _SHORTEST_NAME), _LONGEST_NAME)
        self._predicted = self.mixed or not first or first[0].prediction is not None
        super().set_rows(rows)

    def declared(self) -> list[Column]:
        counts = [Column("score", "score", 5, "right")] if self._predicted else []
        if self.boxes:
            counts += [Column("iou", "IoU", 5, "right")] if self._predicted else []
            counts += [Column("objects", "objects", 7, "right"), Column("boxes", "boxes", 5, "right")]
            counts += [Column("kind", "kind", 19 if self.mixed else 11)]
        if self.mixed or not self.boxes:
            counts += [Column("what", "truth → prediction", 28)]
        # Score and overlap tell more than the end of a name does.
        spare = [_SHORTEST_NAME - _NAME] * 2 + [self._longest - _NAME] * 4
        return [
            Column("sign", "", 1),
            Column("image", "image", _NAME, middle=True, max=40),
            *(
                replace(column, priority=place, spare=cells)
                for place, (column, cells) in enumerate(zip(counts, spare, strict=False), 1)
            ),
            Column("judged", "", 1),
        ]

    def cells(self, row: Case) -> dict[str, Sequence[Span] | Span]:
        here = self.key(row) == self.cursor_key
        return {
            "sign": ("▸" if here else " ", "text"),
            "image": (image_name(row.path), "text"),
            "score": (share(row.score), "text"),
            "iou": (share(row.iou), "text"),
            "objects": (str(row.objects), "muted"),
            "boxes": (str(row.boxes), "muted"),
            "kind": (KIND_WORDS.get(row.kind, row.kind), "muted"),
            "what": (case_words(row, self.names), "muted"),
            "judged": (self.sign_of(row), "accent"),
        }

    def action_sort(self) -> None:
        self.post_message(self.SortWanted())


def _unjudged(case: Case) -> str:
    return ""


@dataclass(frozen=True)
class BoxRow:
    """One box of an image: `letter` T, P, or A and B of two models; its outcome in words.

    `main` belongs to the case shown.
    """

    key: str
    letter: str
    name: str
    score: float | None
    iou: float | None
    outcome: str
    main: bool


class BoxTable(LineTable[BoxRow]):
    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter,l", "choose", "zoom to it", key_display="⏎")]
    boxes = True

    class Left(Message):
        """The keys go elsewhere."""

    def key(self, row: BoxRow) -> str:
        return row.key

    def declared(self) -> list[Column]:
        return [
            Column("sign", "", 2),
            Column("name", "class", 6, middle=True, max=32),
            Column("score", "score", 5, "right"),
            *([Column("iou", "IoU", 4, "right")] if self.boxes else []),
            Column("outcome", "kind", _OUTCOMES[0]),
            Column("outcome", "kind", _OUTCOMES[1], priority=1, spare=9),
        ]

    def cells(self, row: BoxRow) -> dict[str, Sequence[Span] | Span]:
        here = self.has_focus and row.key == self.cursor_key
        good = row.outcome == KIND_WORDS["correct"]
        quiet = row.outcome in (KIND_WORDS["dropped"], KIND_WORDS["ignored"], KIND_WORDS["crowd"])
        wide = self.widths.get("outcome", 0) >= _OUTCOMES[1]
        outcome = row.outcome if wide else _SHORT.get(row.outcome, row.outcome)
        tone = "good" if good else "muted" if quiet else "bad"
        return {
            "sign": [
                ("▸" if here else "•" if row.main else " ", "accent"),
                (row.letter, _LETTER_TONES.get(row.letter, "text")),
            ],
            "name": (row.name, "strong" if row.main else "muted" if quiet else "text"),
            "score": (share(row.score) if row.letter != "T" else "", "text"),
            "iou": (share(row.iou) if row.iou else "", "text"),
            "outcome": (outcome, tone),
        }

    def on_focus(self) -> None:
        self.refresh()
        self.post_message(self.Highlighted(self, self.cursor_key))

    def on_blur(self) -> None:
        self.refresh()
        self.post_message(self.Left())


@dataclass(frozen=True)
class TableRow:
    """A row with its texts and tones by column key."""

    key: str
    cells: Mapping[str, Span]


class PlainRows:
    """What tables of such rows share: columns that are set, the first of them as wide as there is room.

    `narrow` ones stand in where the others do not fit.
    """

    cursor_key: str | None
    shown: tuple[Column, ...] = ()
    narrow: tuple[Column, ...] = ()

    def with_columns(self, columns: Sequence[Column], narrow: Sequence[Column] = ()) -> Self:
        """Set the columns."""
        self.shown, self.narrow = tuple(columns), tuple(narrow)
        return self

    def key(self, row: TableRow) -> str:
        return row.key

    def declared(self) -> list[Column]:
        return _growing(self.shown)

    def columns(self, width: int) -> list[Column]:
        if not self.narrow or width >= sum(column.width + 1 for column in self.shown) + 2:
            return fitted(_growing(self.shown), width)
        # What is left over goes to the columns that were made narrower.
        wide = {column.key: column.width for column in self.shown}
        grown = [replace(column, max=max(column.width, wide.get(column.key, 0))) for column in self.narrow]
        return fitted(_growing(grown), width)

    def cells(self, row: TableRow) -> dict[str, Sequence[Span] | Span]:
        here = row.key == self.cursor_key
        return {"sign": ("▸" if here else " ", "text"), **row.cells}


def _growing(columns: Sequence[Column]) -> list[Column]:
    """The first as wide as there is room, the others one after the other while it keeps enough."""
    first, *others = columns
    name = replace(first, min=min(first.width, 14), max=first.width, middle=True)
    spare = min(first.width, 24) - name.min
    later = (replace(column, priority=place, spare=spare) for place, column in enumerate(others, 1))
    return [Column("sign", "", 1), name, *later]


class KindTable(PlainRows, LineTable[TableRow]):
    """Kinds of errors: Enter lists their cases."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter,l", "choose", "cases", key_display="⏎")]


class PictureTable(PlainRows, LineTable[TableRow]):
    """Rows that are images."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter,l", "choose", "picture", key_display="⏎")]


class ClassNumbers(PlainRows, LineTable[TableRow]):
    """Classes, or groups of them: `g` says which, as in the matrix, and not where the cursor goes."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter,l", "choose", "PR curve", key_display="⏎"),
        Binding("g", "screen.in_pane('header', 'groups')", "groups", show=False),
    ]
