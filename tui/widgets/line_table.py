"""A table drawn line by line: only what is visible is formatted, only what changed is sent."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Generic, TypeVar

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from core import humanise
from tui import theme
from tui.cell_text import crop, cut, fit, number_said
from tui.widgets.columns import Column, fitted

Row = TypeVar("Row")
Span = tuple[str, str]
"""Text and the name of its tone in the palette."""
_TURNS = 2
"""Ways to order the rows by a column."""


class LineTable(ScrollView, Generic[Row], can_focus=True):
    """Rows with a cursor that follows its row's key through refresh, sort and filter.

    Subclasses declare columns, and say the key of a row and the text of its cells.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "Up", show=False),
        Binding("down,j", "move(1)", "Down", show=False),
        Binding("pageup,ctrl+u", "page(-1)", "Page up", show=False),
        Binding("pagedown,ctrl+d", "page(1)", "Page down", show=False),
        Binding("home,g", "end(-1)", "First", show=False),
        Binding("end,G", "end(1)", "Last", show=False),
        Binding("enter,l", "choose", "open", key_display="⏎"),
    ]
    HEADER = True
    ORDERS = True
    """Whether a click on a column's head orders the rows by what the column says."""
    BAR = False
    """Whether the row under the cursor is a bar even while another widget has the keys."""

    class Highlighted(Message):
        """The cursor is on another row (None: there are no rows)."""

        def __init__(self, table: LineTable[Any], key: str | None) -> None:
            super().__init__()
            self.table = table
            self.key = key

        @property
        def control(self) -> LineTable[Any]:
            return self.table

    class Chosen(Message):
        """Enter, or a double click, on a row."""

        def __init__(self, table: LineTable[Any], key: str) -> None:
            super().__init__()
            self.table = table
            self.key = key

        @property
        def control(self) -> LineTable[Any]:
            return self.table

    class HeaderClicked(Message):
        def __init__(self, table: LineTable[Any], column: str) -> None:
            super().__init__()
            self.table = table
            self.column = column

        @property
        def control(self) -> LineTable[Any]:
            return self.table

    def __init__(self, *, id: str | None = None, empty: str = "") -> None:
        super().__init__(id=id)
        self.rows: Sequence[Row] = ()
        self.cursor = 0
        self.cursor_key: str | None = None
        self.empty = empty
        self.widths: dict[str, int] = {}
        self._lines: dict[int, Strip] = {}
        self._as_given: Sequence[Row] = ()
        self._order: tuple[str, int] | None = None

    @abstractmethod
    def declared(self) -> Sequence[Column]:
        """All columns that there may be, from left to right, with the room that they want."""

    def columns(self, width: int) -> list[Column]:
        """The columns that `width` cells have room for; `widths` has their cells by key afterwards."""
        shown = fitted(self.declared(), width)
        self.widths = {column.key: column.width for column in shown}
        return shown

    def width_of(self, key: str) -> int:
        """Cells of a column in the table as large as it is now; 0 when it is left out."""
        self.columns(self.size.width)
        return self.widths.get(key, 0)

    @abstractmethod
    def key(self, row: Row) -> str:
        """What names a row from one refresh to the next."""

    @abstractmethod
    def cells(self, row: Row) -> dict[str, Sequence[Span] | Span]:
        """Text by column key; several spans stand side by side in one cell."""

    # -- rows and cursor

    @property
    def current(self) -> Row | None:
        """The row under the cursor."""
        return self.rows[self.cursor] if self.rows else None

    def set_rows(self, rows: Sequence[Row]) -> None:
        """Show `rows`; the cursor stays on its row and the row where it is on the screen."""
        before = self.cursor
        self._as_given = rows
        self.rows = rows = self._ordered(rows)
        index = self._find(self.cursor_key)
        self.cursor = min(before, max(len(rows) - 1, 0)) if index is None else index
        height = len(rows) + self.HEADER
        if self.virtual_size.height != height:
            self.virtual_size = Size(0, height)
        if index is not None and index != before and self.scroll_offset.y:
            self.scroll_to(y=self.scroll_offset.y + index - before, animate=False, force=True)
        self._settle()
        self.refresh_changed()

    def order_by(self, column: str) -> None:
        """Order the rows by a column; again: the other way round; a third time: as they were given."""
        turns = self._order[1] if self._order is not None and self._order[0] == column else 0
        self._order = (column, turns + 1) if turns < _TURNS else None
        self.set_rows(self._as_given)
        self.refresh()

    def clear_order(self) -> None:
        """No column orders the rows any more."""
        self._order = None

    def _ordered(self, rows: Sequence[Row]) -> Sequence[Row]:
        """`rows` in the order of a column: numbers from the largest, words from A, what says nothing last."""
        if self._order is None:
            return rows
        column, turns = self._order
        said = [(cell_words(self.cells(row).get(column, ("", "text"))), row) for row in rows]
        telling = [(words, row) for words, row in said if words not in ("", humanise.MISSING)]
        numbers = [number_said(words) for words, _ in telling]
        ranks: list[Any] = [words.lower() for words, _ in telling] if None in numbers else list(numbers)
        falling = (None not in numbers) == (turns == 1)
        order = sorted(range(len(telling)), key=lambda number: ranks[number], reverse=falling)
        empty = [row for words, row in said if words in ("", humanise.MISSING)]
        return [telling[number][1] for number in order] + empty

    def select(self, key: str | None) -> bool:
        """Put the cursor on the row named `key`; False when there is none."""
        index = self._find(key)
        if index is not None:
            self._go(index)
        return index is not None

    def refresh_changed(self) -> None:
        """Redraw the visible lines whose text is no longer what was drawn."""
        if not self.size.width:
            return
        for y in range(self.size.height):
            if self._lines.get(y) != self._draw(y):
                self.refresh(Region(0, y, self.size.width, 1))

    def action_move(self, by: int) -> None:
        self._go(self.cursor + by)

    def action_page(self, by: int) -> None:
        self._go(self.cursor + by * max(self.size.height - 1 - self.HEADER, 1))

    def action_end(self, by: int) -> None:
        self._go(0 if by < 0 else len(self.rows) - 1)

    def action_choose(self) -> None:
        if self.rows:
            self.post_message(self.Chosen(self, self.key(self.rows[self.cursor])))

    def on_click(self, event: events.Click) -> None:
        position = event.get_content_offset(self)
        if position is None:
            return
        if self.HEADER and position.y == 0:
            if column := self._column_at(position.x):
                if self.ORDERS:
                    self.order_by(column)
                self.post_message(self.HeaderClicked(self, column))
            return
        index = position.y - self.HEADER + self.scroll_offset.y
        if 0 <= index < len(self.rows):
            self._go(index)
            if event.chain == 2:
                self.action_choose()

    def on_resize(self) -> None:
        self._show_cursor()

    def on_focus(self) -> None:
        self.refresh()

    def on_blur(self) -> None:
        self.refresh()

    # -- drawing

    def render_line(self, y: int) -> Strip:
        strip = self._lines[y] = self._draw(y)
        return strip

    def row_style(self, row: Row) -> Style:
        """Style under a row's own tones."""
        return Style.null()

    def _draw(self, y: int) -> Strip:
        width = self.size.width
        colors = theme.palette(self.app.current_theme)
        base = self.visual_style.rich_style
        if self.HEADER and y == 0:
            return self._header(width, colors).apply_style(base)
        index = y - self.HEADER + self.scroll_offset.y
        if index >= len(self.rows):
            text = f" {self.empty}" if not self.rows and index == 0 else ""
            return Strip([Segment(fit(text, width), colors.muted)], width).apply_style(base)
        row = self.rows[index]
        style = self.row_style(row)
        here = index == self.cursor and (self.has_focus or self.BAR)
        if index == self.cursor:
            style += colors.cursor if here else colors.cursor_away
        segments: list[Segment] = []
        columns = self.columns(width)
        cells = self.cells(row)
        used = 0
        for column in columns:
            cell = cells.get(column.key, ("", "text"))
            spans: Sequence[Span] = [cell] if isinstance(cell[0], str) else cell  # type: ignore[list-item,assignment]
            # One bar under the cursor: turned around, every tone would be a background of its own.
            segments += [
                Segment(text, style if here else colors.tone(tone) + style)
                for text, tone in _fitted(spans, column)
            ]
            segments.append(Segment(" ", style))
            used += column.width + 1
        segments.append(Segment(" " * max(width - used, 0), style))
        return crop(Strip(segments), width, style).apply_style(base)

    def _header(self, width: int, colors: theme.Palette) -> Strip:
        text = "".join(self._title(column) + " " for column in self.columns(width))
        return Strip([Segment(fit(text, width), colors.muted)], width)

    def _title(self, column: Column) -> str:
        """A head; of the column that orders the rows with an arrow, where there is room."""
        sign = " ▴▾"[self._order[1]] if self._order is not None and self._order[0] == column.key else ""
        title = column.title if len(column.title) + len(sign) > column.width else f"{column.title}{sign}"
        return fit(title, column.width, column.align)

    def _column_at(self, x: int) -> str | None:
        left = 0
        for column in self.columns(self.size.width):
            if left <= x < left + column.width + 1:
                return column.key
            left += column.width + 1
        return None

    # -- cursor bookkeeping

    def _find(self, key: str | None) -> int | None:
        if key is None:
            return None
        if self.cursor < len(self.rows) and self.key(self.rows[self.cursor]) == key:
            return self.cursor
        return next((index for index, row in enumerate(self.rows) if self.key(row) == key), None)

    def _go(self, index: int) -> None:
        if not self.rows:
            return
        self.cursor = min(max(index, 0), len(self.rows) - 1)
        self._settle()
        self._show_cursor()
        self.refresh_changed()

    def _settle(self) -> None:
        key = self.key(self.rows[self.cursor]) if self.rows else None
        if key != self.cursor_key:
            self.cursor_key = key
            self.post_message(self.Highlighted(self, key))

    def _show_cursor(self) -> None:
        room = self.size.height - self.HEADER
        if room < 1:
            return
        top = self.scroll_offset.y
        if self.cursor < top:
            self.scroll_to(y=self.cursor, animate=False, force=True)
        elif self.cursor >= top + room:
            self.scroll_to(y=self.cursor - room + 1, animate=False, force=True)


def cell_words(cell: Sequence[Span] | Span) -> str:
    """What a cell says, without its tones."""
    spans: Sequence[Any] = [cell] if isinstance(cell[0], str) else cell
    return "".join(text for text, _ in spans).strip()


def _fitted(spans: Sequence[Span], column: Column) -> list[Span]:
    """Spans cut and padded to the column's width; a single span is padded as the column wants."""
    if len(spans) == 1:
        return [(fit(spans[0][0], column.width, column.align, middle=column.middle), spans[0][1])]
    out: list[Span] = []
    left = column.width
    for text, tone in spans:
        piece = cut(text, left)
        out.append((piece, tone))
        left -= cell_len(piece)
    room = (" " * left, "text")
    return [room, *out] if column.align == "right" else [*out, room]
