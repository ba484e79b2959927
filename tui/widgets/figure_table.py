"""Tables of the data screen: its pages, the figures of one as bars, and the images behind one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.cells import cell_len

from core.cli.stats_text import bar_lengths
from core.humanise import count
from tui.widgets.columns import ANY, Column
from tui.widgets.line_table import LineTable, Span

if TYPE_CHECKING:
    from core.analysis.figures import Figure, Page

SIGNS = "█▓▒░"
"""Of the splits' parts of a bar, so that they differ without colours, too."""
_NUMBER = 8


class PageTable(LineTable["Page"]):
    """The pages of figures, each with the number that it is about."""

    HEADER = False
    BAR = True

    def key(self, row: Page) -> str:
        return row.key

    def declared(self) -> list[Column]:
        numbers = min(max((len(page_number(row)) for row in self.rows), default=0), 12)
        return [
            Column("sign", "", 1),
            Column("title", "", 6, max=ANY),
            Column("number", "", numbers, "right"),
        ]

    def cells(self, row: Page) -> dict[str, Sequence[Span] | Span]:
        here = row.key == self.cursor_key
        tone = "bad" if row.key == "problems" and row.bars else "muted"
        return {
            "sign": ("▸" if here else " ", "text"),
            "title": (row.key if row.key != "boxes" else "overlaps", "text"),
            "number": (page_number(row), tone),
        }


def page_number(page: Page) -> str:
    """The one number that stands for a page in the list."""
    if page.waiting and page.key != "sizes":
        return "…"
    facts = {item.key: item for item in page.facts}
    if page.key == "problems":
        return str(len(page.bars))
    if page.key == "boxes":
        return count(sum(item.total for item in page.bars))
    if page.key == "duplicates":
        return count(sum(facts[key].total for key in ("same:all", "near:all") if key in facts))
    names = ("classes:number", "objects:mean", "size:max", f"{page.key}:median")
    return next((facts[name].shown for name in names if name in facts), "")


class FigureTable(LineTable["Figure"]):
    """Facts, then bars: a sign and a colour for each split."""

    HEADER = False
    BAR = True

    def __init__(self, *, id: str | None = None, empty: str = "") -> None:
        super().__init__(id=id, empty=empty)
        self._most = 0
        self._label = _NUMBER
        self._number = _NUMBER
        self._note = 0

    def key(self, row: Figure) -> str:
        return row.key

    def set_rows(self, rows: Sequence[Figure]) -> None:
        self._most = max((row.total for row in rows if not row.text), default=0)
        self._label = min(max((cell_len(row.label) for row in rows), default=0), 60)
        self._number = max((cell_len(row.shown) for row in rows), default=0)
        self._note = min(max((cell_len(row.note) for row in rows), default=0), 30)
        super().set_rows(rows)

    def declared(self) -> list[Column]:
        return [
            Column("sign", "", 1),
            Column("label", "", 8, middle=True, max=self._label, share=9),
            Column("number", "", min(self._number, _NUMBER), "right", max=self._number, share=5),
            Column("bar", "", 6, max=ANY, share=3),
            Column("note", "", 0, max=self._note, share=3),
        ]

    def cells(self, row: Figure) -> dict[str, Sequence[Span] | Span]:
        width = self.widths.get("bar", 0)
        bar: list[Span] = []
        if not row.text:
            lengths = bar_lengths(row.counts, self._most, width)
            bar = [
                (SIGNS[index % len(SIGNS)] * size, f"series{index}")
                for index, size in enumerate(lengths)
                if size
            ]
        return {
            "sign": ("▸" if row.key == self.cursor_key else " ", "text"),
            "label": (row.label, "bad" if row.bad else "text"),
            "number": (row.shown, "strong" if row.text else "text"),
            "bar": [*bar, ("", "text")] if bar else ("", "text"),
            "note": (row.note, "muted"),
        }


@dataclass(frozen=True)
class ImageRow:
    """One line behind a figure; `row` is that of the table, None for what is no image that can be shown."""

    key: str
    name: str
    about: str
    row: int | None


class ImageTable(LineTable[ImageRow]):
    """The images of a figure, and what cannot be shown as one: files that cannot be read."""

    HEADER = False
    BAR = True

    def key(self, row: ImageRow) -> str:
        return row.key

    def declared(self) -> list[Column]:
        about = max((cell_len(row.about) for row in self.rows[:200]), default=0)
        return [
            Column("sign", "", 1),
            Column("name", "", 6, middle=True, max=ANY),
            Column("about", "", min(about, 8), max=about),
        ]

    def cells(self, row: ImageRow) -> dict[str, Sequence[Span] | Span]:
        here = row.key == self.cursor_key
        return {
            "sign": ("▸" if here else " ", "text"),
            "name": (row.name, "text" if row.row is not None else "bad"),
            "about": (row.about, "muted"),
        }
