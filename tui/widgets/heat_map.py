"""A plane of counts as colours, with a cursor that goes over its cells."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from rich.color import Color
from rich.segment import Segment
from rich.style import Style
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from tui import theme
from tui.cell_text import fit

if TYPE_CHECKING:
    from core.analysis.figures import Figure

_SHADES = " ░▒▓█"
# Viridis, from none to most; dark and light terminals both show it.
_COLOURS = ("#440154", "#46327E", "#365C8D", "#277F8E", "#1FA187", "#4AC16D", "#A0DA39", "#FDE725")


class HeatMap(Widget, can_focus=True):
    """Cells as large as fit, each with its count where there is room; also told apart without colours."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left,h", "move(-1, 0)", "Left", show=False),
        Binding("right,l", "move(1, 0)", "Right", show=False),
        Binding("up,k", "move(0, -1)", "Up", show=False),
        Binding("down,j", "move(0, 1)", "Down", show=False),
        Binding("enter", "choose", "images", key_display="⏎"),
    ]
    DEFAULT_CSS = "HeatMap { height: 1fr; width: 1fr; }"

    class Highlighted(Message):
        """The cursor is on another cell."""

    class Chosen(Message):
        """Enter on a cell."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._cells: Sequence[Figure] = ()
        self._rows, self._columns = 0, 0
        self._at = (0, 0)

    def show(self, cells: Sequence[Figure], grid: tuple[int, int]) -> None:
        """`cells` row by row, of `grid` (rows, columns); the cursor begins on the fullest."""
        if (self._rows, self._columns) != grid or not self._cells:
            fullest = max(range(len(cells)), key=lambda index: cells[index].total, default=0)
            self._at = divmod(fullest, grid[1])
        self._cells, (self._rows, self._columns) = cells, grid
        self.refresh()

    @property
    def current(self) -> Figure | None:
        """The figure under the cursor."""
        return self._cells[self._at[0] * self._columns + self._at[1]] if self._cells else None

    def action_move(self, right: int, down: int) -> None:
        if not self._cells:
            return
        row, column = self._at
        self._at = (min(max(row + down, 0), self._rows - 1), min(max(column + right, 0), self._columns - 1))
        self.refresh()
        self.post_message(self.Highlighted())

    def action_choose(self) -> None:
        if self._cells:
            self.post_message(self.Chosen())

    def on_focus(self) -> None:
        self.refresh()

    def on_blur(self) -> None:
        self.refresh()

    def render_line(self, y: int) -> Strip:
        width, height = self.size
        colors = theme.palette(self.app.current_theme)
        segments: list[Segment] = []
        tall = max(min(height // max(self._rows, 1), 3), 1)
        row, line = divmod(y, tall)
        if self._cells and row < self._rows:
            wide = max(min((width - 1) // self._columns, 2 * tall + 4), 2)
            most = max((cell.total for cell in self._cells), default=0)
            segments.append(Segment(" ", Style.null()))
            for column in range(self._columns):
                number = self._cells[row * self._columns + column].total
                here = (row, column) == self._at
                text = self._text(number, most, wide, here=here, middle=line == tall // 2)
                segments.append(Segment(text, self._style(number, most, here, colors)))
        return (
            Strip(segments).adjust_cell_length(width, Style.null()).apply_style(self.visual_style.rich_style)
        )

    def _text(self, number: int, most: int, wide: int, *, here: bool, middle: bool) -> str:
        shade = _SHADES[0 if not number else min(1 + 4 * (number - 1) // max(most, 1), 4)]
        inner = str(number) if middle and len(str(number)) <= wide - 2 and number else ""
        if here:
            return f"[{fit(inner, wide - 2, 'right')}]"
        return fit(inner + " ", wide, "right") if inner else (" " if self._has_colours else shade) * wide

    @property
    def _has_colours(self) -> bool:
        return self.app.console.color_system in ("truecolor", "256") and not self.app.no_color

    def _style(self, number: int, most: int, here: bool, colors: theme.Palette) -> Style:
        if here:
            return colors.cursor if self.has_focus else colors.cursor_away
        if not self._has_colours or not number:
            return colors.text if number else colors.faint
        level = min(len(_COLOURS) * number // (most + 1), len(_COLOURS) - 1)
        dark = level < len(_COLOURS) // 2
        return Style(color="#FFFFFF" if dark else "#000000", bgcolor=Color.parse(_COLOURS[level]))
