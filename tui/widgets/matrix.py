"""A confusion matrix as a heat map: names stay while cells scroll; missed and false alarms always show."""

from __future__ import annotations

from textwrap import wrap
from typing import ClassVar

from rich.segment import Segment
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from tui import theme
from tui.cell_text import crop
from tui.widgets.matrix_counts import NO_COUNTS, MatrixCell, MatrixCounts
from tui.widgets.matrix_draw import Layout, MatrixWindow, head, lay_out, line

NORMALISED = ("", "row", "column")


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
        Binding("d", "diagonal", "diagonal", tooltip="show or hide what is right"),
        Binding("N", "normalise", "normalise", tooltip="counts, percent of the row, percent of the column"),
        Binding("o", "sort", "sort", tooltip="sort by confusion, or as the classes are numbered"),
        Binding("z", "worst", "worst cell", tooltip="go to the cell with most errors; again: the next one"),
    ]

    class Moved(Message):
        """The cursor is on another cell."""

        def __init__(self, cell: MatrixCell | None) -> None:
            super().__init__()
            self.cell = cell

    class Chosen(Message):
        """Enter, or a double click, on a cell."""

        def __init__(self, cell: MatrixCell) -> None:
            super().__init__()
            self.cell = cell

    class Looks(Message):
        """Order, scale or diagonal are shown another way."""

    def __init__(self, *, id: str | None = None, empty: str = "") -> None:
        super().__init__(id=id)
        self.counts = NO_COUNTS
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
        self._told: tuple[int, int] = (-1, -1)
        self._worst = 0
        self._laid_out: tuple[object, Layout] | None = None

    # -- what is shown

    def show(self, counts: MatrixCounts) -> None:
        """Show other counts; over other names the cursor goes to the worst cell."""
        other = counts.names != self.counts.names
        self.counts = counts
        self._arrange()
        if other:
            self._at = counts.worst()
        self._settle(force=True)

    def filter(self, only: frozenset[int] | None) -> None:
        """Show rows of these classes and the columns they fall into; None: all."""
        self.only = only
        self._arrange()
        self._settle()

    @property
    def cell(self) -> MatrixCell | None:
        """The cell under the cursor; None where there is none."""
        size = self.counts.size
        row, column = self._at
        if not size or (row >= size and column >= size):
            return None
        kind = self.counts.kinds[row - size - 1][0] if row > size else ""
        return MatrixCell(row if row < size else None, column if column < size else None, kind)

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
            order.sort(key=lambda name: (-counts.wrong(name), name))
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
        self._laid_out = None

    # -- cursor

    def action_move(self, down: int, right: int) -> None:
        if not self._rows or not self._columns:
            return
        row, column = self._index()
        self._go(row + down, column + right)

    def action_page(self, by: int) -> None:
        row, column = self._index()
        self._go(row + by * max(self._layout.body - 1, 1), column)

    def action_end(self, by: int) -> None:
        self._go(self._index()[0], 0 if by < 0 else len(self._columns) - 1)

    def action_choose(self) -> None:
        if (cell := self.cell) is not None:
            self.post_message(self.Chosen(cell))

    def action_worst(self) -> None:
        """To the cell with most errors; from there to the next one."""
        shown = [cell for cell in self.counts.ranked if cell[0] in self._rows and cell[1] in self._columns]
        if shown:
            stayed = shown[self._worst % len(shown)] == self._at
            self._worst = (self._worst + 1) % len(shown) if stayed else 0
            self._at = shown[self._worst]
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
            self.post_message(self.Moved(self.cell))

    def _show_cursor(self) -> None:
        layout = self._layout
        rows, columns = layout.body, layout.across
        classes, shown = self._class_rows, self._class_columns
        if self._at[0] in classes:
            at = classes.index(self._at[0])
            self._top = min(max(self._top, at - rows + 1), at)
        if self._at[1] in shown:
            at = shown.index(self._at[1])
            self._left = min(max(self._left, at - columns + 1), at)
        self._top = min(max(self._top, 0), max(len(classes) - rows, 0))
        self._left = min(max(self._left, 0), max(len(shown) - columns, 0))

    # -- what fits

    @property
    def _class_columns(self) -> list[int]:
        return [column for column in self._columns if column < self.counts.size]

    @property
    def _layout(self) -> Layout:
        """How the matrix fits the widget; kept until something changes."""
        size = self.counts.size
        key = (self.normalised, self.size)
        if self._laid_out is None or self._laid_out[0] != key:
            below = [row for row in self._rows if row >= size]
            rows, columns = len(self._class_rows), len(self._class_columns)
            width, height = self.size
            layout = lay_out(self.counts, rows, columns, below, self.normalised, width, height)
            self._laid_out = key, layout
        return self._laid_out[1]

    def _look(self) -> MatrixWindow:
        layout = self._layout
        rows, columns = self._class_rows, self._class_columns
        shown = tuple(rows[self._top : self._top + layout.body])
        across = tuple(columns[self._left : self._left + layout.across])
        current = self.app.current_theme
        background = current.background or ""
        if not background or background.startswith("ansi"):
            background = "#111417" if current.dark else "#FAFAF8"
        return MatrixWindow(
            shown,
            across,
            self._top + len(shown) < len(rows),
            self._left + len(across) < len(columns),
            self._top > 0,
            self._left > 0,
            self._at,
            self.has_focus,
            self.hides_diagonal,
            self.normalised,
            self.app.console.color_system in ("truecolor", "256"),
            background,
        )

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
        look = self._look()
        for y in range(self.size.height):
            if self._lines.get(y) != self._draw(y, look):
                self.refresh(Region(0, y, self.size.width, 1))

    def render_line(self, y: int) -> Strip:
        strip = self._lines[y] = self._draw(y, self._look())
        return strip

    def _draw(self, y: int, look: MatrixWindow) -> Strip:
        width = self.size.width
        colors = theme.palette(self.app.current_theme)
        layout = self._layout
        segments: list[Segment] = []
        if not self.counts.size:
            words = wrap(self.empty, max(width - 2, 10), break_on_hyphens=False)
            segments = [Segment(f" {words[y]}" if y < len(words) else "", colors.muted)]
        elif y == 0:
            segments = head(self.counts, layout, look, colors)
        else:
            rows = (*look.rows, *layout.footer)
            if y - 1 < len(rows):
                segments = line(rows[y - 1], self.counts, layout, look, colors)
        return crop(Strip(segments), width).apply_style(self.visual_style.rich_style)

    # -- mouse

    def on_click(self, event: events.Click) -> None:
        offset = event.get_content_offset(self)
        if offset is None or not self.counts.size:
            return
        cell = self._cell_at(offset.x, offset.y)
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
        layout, look = self._layout, self._look()
        rows = (*look.rows, *layout.footer)
        if not 1 <= y <= len(rows):
            return None
        row, left = rows[y - 1], x - layout.names
        if left < 0:
            return row, self._at[1]
        if left < len(look.columns) * layout.cell:
            return row, look.columns[left // layout.cell]
        return row, self.counts.size if self.counts.boxes else self._at[1]
