"""A confusion matrix as a heat map: names stay while cells scroll; missed and false alarms always show."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from textwrap import wrap
from typing import ClassVar

from rich.cells import cell_len
from rich.color import Color as RichColor
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.color import Color
from textual.geometry import Region
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from core.humanise import MISSING
from tui import theme
from tui.cellfit import cut, fit

NORMALISED = ("", "row", "column")
_LEVELS = 9
_ALARM = "false alarm"


@dataclass(frozen=True)
class Counts:
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


@dataclass(frozen=True)
class Place:
    """A cell: `row` None is the row of false alarms, `column` None that of missed objects.

    `kind` narrows false alarms down.
    """

    row: int | None
    column: int | None
    kind: str = ""


NOWHERE = Counts((), (), ((0,),))


class Matrix(Widget, can_focus=True):
    """Draws lines; the cursor is a cell, and stays on it when counts change."""

    DEFAULT_CSS = "Matrix { height: 1fr; width: 1fr; }"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1, 0)", "Up", show=False),
        Binding("down,j", "move(1, 0)", "Down", show=False),
        Binding("left,h", "move(0, -1)", "Left", show=False),
        Binding("right,l", "move(0, 1)", "Right", show=False),
        Binding("pageup,ctrl+u", "page(-1)", "Page up", show=False),
        Binding("pagedown,ctrl+d", "page(1)", "Page down", show=False),
        Binding("home", "end(-1)", "First column", show=False),
        Binding("end", "end(1)", "Last column", show=False),
        Binding("enter", "choose", "cases", key_display="⏎"),
        Binding("d", "diagonal", "diagonal"),
        Binding("N", "normalise", "normalise"),
        Binding("o", "sort", "sort"),
        Binding("z", "worst", "worst cell"),
    ]

    class Moved(Message):
        """The cursor is on another cell."""

        def __init__(self, place: Place | None) -> None:
            super().__init__()
            self.place = place

    class Chosen(Message):
        """Enter, or a double click, on a cell."""

        def __init__(self, place: Place) -> None:
            super().__init__()
            self.place = place

    class Looks(Message):
        """Order, scale or diagonal are shown another way."""

    def __init__(self, *, id: str | None = None, empty: str = "") -> None:
        super().__init__(id=id)
        self.counts = NOWHERE
        self.empty = empty
        self.hides_diagonal = False
        self.normalised = ""
        self.by_confusion = False
        self.only: frozenset[int] | None = None
        self._at: tuple[int, int] = (0, 0)
        self._rows: list[int] = []
        self._columns: list[int] = []
        self._top = self._left = 0
        self._lines: dict[int, Strip] = {}
        self._most = 1
        self._longest = 0

    # -- what is shown

    def show(self, counts: Counts) -> None:
        """Show other counts; over other names the cursor goes to the worst cell."""
        other = counts.names != self.counts.names
        self.counts = counts
        self._longest = max((cell_len(name) for name in counts.names), default=0)
        self._most = max(
            (
                count
                for row, line in enumerate(counts.cells)
                for column, count in enumerate(line)
                if row != column
            ),
            default=1,
        )
        self._arrange()
        if other:
            self._at = self._worst()
        self._settle(force=True)

    def filter(self, only: frozenset[int] | None) -> None:
        """Show rows of these classes and the columns they fall into; None: all."""
        self.only = only
        self._arrange()
        self._settle()

    @property
    def place(self) -> Place | None:
        """The cell under the cursor; None where there is none."""
        size = self.counts.size
        row, column = self._at
        if not size or (row >= size and column >= size):
            return None
        kind = self.counts.kinds[row - size - 1][0] if row > size else ""
        return Place(row if row < size else None, column if column < size else None, kind)

    @property
    def looks(self) -> str:
        """In words what differs from a plain matrix."""
        words = ["by confusion"] if self.by_confusion else []
        words += [f"% of {self.normalised}"] if self.normalised else []
        words += ["no diagonal"] if self.hides_diagonal else []
        words += [f"{len(self._class_rows)} of {self.counts.size} rows"] if self.only is not None else []
        return " · ".join(words)

    @property
    def _class_rows(self) -> list[int]:
        return [row for row in self._rows if row < self.counts.size]

    def _arrange(self) -> None:
        """Which rows and columns there are, in which order."""
        counts, size = self.counts, self.counts.size
        order = list(range(size))
        if self.by_confusion:
            order.sort(key=lambda name: (-self._wrong(name), name))
        rows = [name for name in order if self.only is None or name in self.only]
        columns = order
        if self.only is not None:
            columns = [
                name for name in order if name in self.only or any(counts.cells[row][name] for row in rows)
            ]
        if counts.boxes and size:
            rows = [*rows, size, *(size + 1 + kind for kind in range(len(counts.kinds)))]
            columns = [*columns, size]
        self._rows, self._columns = rows, columns

    def _wrong(self, name: int) -> int:
        line = self.counts.cells[name]
        return sum(line) - line[name] + (self.counts.inside[name] if self.counts.inside else 0)

    def _worst(self) -> tuple[int, int]:
        """The most frequent confusion of two classes, else what is wrong most often, else the first cell."""
        counts, size = self.counts, self.counts.size
        best, found = 0, (0, 0)
        for row in range(size):
            for column in range(size):
                if row != column and counts.cells[row][column] > best:
                    best, found = counts.cells[row][column], (row, column)
        if best or not counts.boxes or not size:
            return found
        edge = [(counts.cells[row][size], (row, size)) for row in range(size)]
        edge += [(counts.cells[size][column], (size, column)) for column in range(size)]
        most, found = max(edge, key=lambda item: item[0])
        return found if most else (0, 0)

    # -- cursor

    def action_move(self, down: int, right: int) -> None:
        if not self._rows or not self._columns:
            return
        row, column = self._index()
        self._go(row + down, column + right)

    def action_page(self, by: int) -> None:
        row, column = self._index()
        self._go(row + by * max(self._room[0] - 1, 1), column)

    def action_end(self, by: int) -> None:
        self._go(self._index()[0], 0 if by < 0 else len(self._columns) - 1)

    def action_choose(self) -> None:
        if (place := self.place) is not None:
            self.post_message(self.Chosen(place))

    def action_worst(self) -> None:
        self._at = self._worst()
        self._settle()

    def action_diagonal(self) -> None:
        self.hides_diagonal = not self.hides_diagonal
        self._changed_looks()

    def action_normalise(self) -> None:
        self.normalised = NORMALISED[(NORMALISED.index(self.normalised) + 1) % len(NORMALISED)]
        self._changed_looks()

    def action_sort(self) -> None:
        self.by_confusion = not self.by_confusion
        self._arrange()
        self._settle()
        self._changed_looks()

    def _changed_looks(self) -> None:
        self.refresh_changed()
        self.post_message(self.Looks())

    def _index(self) -> tuple[int, int]:
        row, column = self._at
        return (
            self._rows.index(row) if row in self._rows else 0,
            self._columns.index(column) if column in self._columns else 0,
        )

    def _go(self, row: int, column: int) -> None:
        if self._rows and self._columns:
            self._at = (
                self._rows[min(max(row, 0), len(self._rows) - 1)],
                self._columns[min(max(column, 0), len(self._columns) - 1)],
            )
            self._settle()

    def _settle(self, *, force: bool = False) -> None:
        """Keep the cursor on a cell that is shown, and that cell in view."""
        before = self._at
        if self._rows and self._columns:
            row, column = self._index()
            self._at = self._rows[row], self._columns[column]
            self._show_cursor()
        self.refresh_changed()
        if force or self._at != before or self._at != self._told:
            self._told = self._at
            self.post_message(self.Moved(self.place))

    _told: tuple[int, int] = (-1, -1)

    def _show_cursor(self) -> None:
        rows, columns = self._room
        classes, shown = self._class_rows, self._class_columns
        if self._at[0] in classes:
            at = classes.index(self._at[0])
            self._top = min(max(self._top, at - rows + 1), at)
        if self._at[1] in shown:
            at = shown.index(self._at[1])
            self._left = min(max(self._left, at - columns + 1), at)
        self._top = min(max(self._top, 0), max(len(classes) - rows, 0))
        self._left = min(max(self._left, 0), max(len(shown) - columns, 0))

    # -- sizes

    @property
    def _class_columns(self) -> list[int]:
        return [column for column in self._columns if column < self.counts.size]

    @property
    def _footer(self) -> list[int]:
        """Rows below the classes: false alarms, and their kinds where there is height for them."""
        rows = [row for row in self._rows if row >= self.counts.size]
        room = self.size.height - 1 - min(len(self._class_rows), 8)
        return rows[: max(room, 1)]

    @property
    def _room(self) -> tuple[int, int]:
        """Class rows and class columns that fit."""
        rows = max(self.size.height - 1 - len(self._footer), 1)
        columns = max((self.size.width - self._name_width - self._right_width) // self._cell, 1)
        return rows, columns

    @property
    def _name_width(self) -> int:
        number = max((len(text) for text in self.counts.numbers), default=1)
        least = max((len(kind) + 4 for kind, _ in self.counts.kinds), default=len(_ALARM) + 2)
        wanted = max(self._longest + number + 3, least if self.counts.boxes else 8)
        return min(wanted, max(self.size.width // 3, 23 if self.size.width >= 60 else 14))

    @property
    def _fixed(self) -> list[tuple[str, int]]:
        """Columns at the right that never scroll: title and width."""
        digits = self._digits
        shown = [("missed", max(8, digits + 2))] if self.counts.boxes else []
        shown += [("inside", max(8, digits + 2))] if self.counts.inside else []
        return [*shown, ("n", max(6, digits + 2))]

    @property
    def _right_width(self) -> int:
        return sum(width for _, width in self._fixed)

    @property
    def _digits(self) -> int:
        return len(str(max((max(line) for line in self.counts.cells), default=0)))

    @property
    def _least_cell(self) -> int:
        head = max((len(text) for text in self.counts.numbers), default=1)
        return max(4, (3 if self.normalised else self._digits) + 2, head + 1)

    @property
    def _cell(self) -> int:
        """Cells of a column: wide enough for names when all of them fit so."""
        least = self._least_cell
        shown = len(self._class_columns)
        room = self.size.width - self._name_width - self._right_width
        wide = room // shown if shown else least
        return min(max(self._longest + 2, least), wide) if wide >= max(least, 9) else least

    # -- drawing

    def on_resize(self) -> None:
        self._show_cursor()
        self.refresh()

    def on_focus(self) -> None:
        self.refresh()

    def on_blur(self) -> None:
        self.refresh()

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self.refresh()

    def refresh_changed(self) -> None:
        """Redraw the lines whose text or colours are no longer what was drawn."""
        if not self.size.width:
            return
        for y in range(self.size.height):
            if self._lines.get(y) != self._draw(y):
                self.refresh(Region(0, y, self.size.width, 1))

    def render_line(self, y: int) -> Strip:
        strip = self._lines[y] = self._draw(y)
        return strip

    def _draw(self, y: int) -> Strip:
        width = self.size.width
        colors = theme.palette(self.app.current_theme)
        if not self.counts.size:
            words = wrap(self.empty, max(width - 2, 10), break_on_hyphens=False)
            segments = [Segment(f" {words[y]}" if y < len(words) else "", colors.muted)]
        elif y == 0:
            segments = self._head(colors)
        else:
            segments = self._line(y, colors)
        return Strip(segments).adjust_cell_length(width, Style.null()).apply_style(self.rich_style)

    def _shown_columns(self) -> list[int]:
        return self._class_columns[self._left : self._left + self._room[1]]

    def _head(self, colors: theme.Palette) -> list[Segment]:
        names = self._name_width
        segments = [Segment(fit(" truth ↓ prediction →", names), colors.muted)]
        cell = self._cell
        for column in self._shown_columns():
            text = self.counts.names[column] if cell >= 9 else self.counts.numbers[column]
            here = column == self._at[1]
            segments.append(
                Segment(
                    fit(cut(text, cell - 2 if cell >= 9 else cell - 1, middle=True), cell - 1, "right") + " ",
                    colors.strong if here else colors.muted,
                )
            )
        more = len(self._class_columns) > self._left + len(self._shown_columns())
        for title, size in self._fixed:
            here = title == "missed" and self._at[1] == self.counts.size
            text = f"{'…' if more and title == self._fixed[0][0] else ''}"
            segments.append(
                Segment(text + fit(title, size - 1 - len(text), "right") + " ", self._bold(colors, here))
            )
        return segments

    @staticmethod
    def _bold(colors: theme.Palette, here: bool) -> Style:
        return colors.strong if here else colors.muted

    def _line(self, y: int, colors: theme.Palette) -> list[Segment]:
        rows = self._room[0]
        classes, footer = self._class_rows, self._footer
        body = min(len(classes), rows)
        if y <= body:
            row = classes[self._top + y - 1] if self._top + y - 1 < len(classes) else -1
        else:
            row = footer[y - 1 - body] if y - 1 - body < len(footer) else -1
        if row < 0:
            return []
        more = y == body and self._top + body < len(classes)
        return self._cells(row, colors, more)

    def _cells(self, row: int, colors: theme.Palette, more: bool) -> list[Segment]:
        counts, size, cell = self.counts, self.counts.size, self._cell
        here = row == self._at[0]
        name_style = colors.strong if here else colors.text if row <= size else colors.muted
        if row < size:
            number = max(len(text) for text in counts.numbers)
            label = (
                f"{'▸' if here else '…' if more else ' '}{counts.numbers[row]:>{number}} {counts.names[row]}"
            )
        elif row == size:
            label = f"{'▸' if here else ' '}{_ALARM}"
        else:
            label = f"{'▸' if here else ' '}  {counts.kinds[row - size - 1][0]}"
        segments = [Segment(fit(label, self._name_width, middle=row < size), name_style)]
        for column in self._shown_columns():
            segments.append(self._one(row, column, cell, colors))
        for title, width in self._fixed:
            if title == "missed":
                if row < size:
                    segments.append(self._one(row, size, width, colors))
                else:
                    blank = "[ ]" if (row, size) == self._at else ""
                    segments.append(Segment(fit(blank, width, "right"), colors.muted))
            elif title == "inside":
                value = counts.inside[row] if row < size else 0
                segments.append(
                    Segment(
                        fit(str(value or "·") if row < size else "", width - 1, "right") + " ", colors.text
                    )
                )
            else:
                segments.append(Segment(fit(str(self._sum(row)), width - 1, "right") + " ", colors.muted))
        return segments

    def _sum(self, row: int) -> int:
        size = self.counts.size
        return sum(self.counts.cells[row]) if row <= size else sum(self.counts.kinds[row - size - 1][1])

    def _count(self, row: int, column: int) -> int:
        size = self.counts.size
        return self.counts.cells[row][column] if row <= size else self.counts.kinds[row - size - 1][1][column]

    def _one(self, row: int, column: int, width: int, colors: theme.Palette) -> Segment:
        count = self._count(row, column)
        right = row == column
        hidden = right and self.hides_diagonal
        text, share = str(count), 0.0
        if count:
            share = math.log1p(count) / math.log1p(max(count if right else self._most, self._most, 1))
        if self.normalised and count:
            whole = self._sum(row) if self.normalised == "row" else self._column_sum(column)
            share = count / max(whole, 1)
            percent = round(100 * share)
            text = str(percent) if percent else "<1"
        if hidden:
            text, share = "", 0.0
        elif not count:
            text = "·"
        at = (row, column) == self._at
        if at:
            text = f"[{text}]"
            text = fit(text, width, "right") if cell_len(text) < width else text
        else:
            text = fit(text, width - 1, "right") + " "
        style = self._shade(right, share, bool(count) and not hidden, colors)
        if at:
            style += colors.cursor if self.has_focus else colors.cursor_away
        return Segment(text, style)

    def _column_sum(self, column: int) -> int:
        return sum(line[column] for line in self.counts.cells)

    def _shade(self, right: bool, share: float, there: bool, colors: theme.Palette) -> Style:
        if not there:
            return colors.faint
        tone = colors.good if right else colors.bad
        if self.app.console.color_system not in ("truecolor", "256"):
            return tone + Style(bold=share > 0.6)
        level = max(min(round(share * _LEVELS), _LEVELS), 1)
        current = self.app.current_theme
        background = current.background or ("#111417" if current.dark else "#FAFAF8")
        return _shaded(
            background,
            str(tone.color.triplet.hex if tone.color and tone.color.triplet else "#808080"),
            str(
                colors.text.color.triplet.hex
                if colors.text.color and colors.text.color.triplet
                else "#808080"
            ),
            level,
        )

    # -- mouse

    def on_click(self, event: events.Click) -> None:
        place = event.get_content_offset(self)
        if place is None or not self.counts.size:
            return
        cell = self._cell_at(place.x, place.y)
        if cell is not None:
            self._at = cell
            self._settle()
            if event.chain == 2:
                self.action_choose()

    def on_mouse_scroll_down(self) -> None:
        self.action_move(1, 0)

    def on_mouse_scroll_up(self) -> None:
        self.action_move(-1, 0)

    def _cell_at(self, x: int, y: int) -> tuple[int, int] | None:
        classes, footer = self._class_rows, self._footer
        body = min(len(classes), self._room[0])
        if not 1 <= y <= body + len(footer):
            return None
        row = classes[self._top + y - 1] if y <= body else footer[y - 1 - body]
        shown = self._shown_columns()
        left = x - self._name_width
        if 0 <= left < len(shown) * self._cell:
            return row, shown[left // self._cell]
        if self.counts.boxes and left >= len(shown) * self._cell:
            return row, self.counts.size
        return row, self._at[1]


@lru_cache(maxsize=256)
def _shaded(background: str, tone: str, text: str, level: int) -> Style:
    base = Color.parse(background) if not background.startswith("ansi") else Color.parse("#111417")
    under = base.blend(Color.parse(tone), 0.12 + 0.43 * level / _LEVELS)
    over = Color.parse(text)
    return Style(color=RichColor.from_rgb(*over.rgb), bgcolor=RichColor.from_rgb(*under.rgb))


def place_words(counts: Counts, place: Place | None) -> str:
    """A cell in words, such as `cat → dog`, `cat missed`, `false alarm: dog`."""
    if place is None:
        return MISSING
    names = counts.names
    if place.row is None:
        what = place.kind or _ALARM
        return f"{what}: {names[place.column]}" if place.column is not None else what
    if place.column is None:
        return f"{names[place.row]} missed"
    if place.row == place.column:
        return f"{names[place.row]} right"
    return f"{names[place.row]} → {names[place.column]}"
