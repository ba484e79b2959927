"""Many pictures in rows, each under its title; as large as one likes, with a scroll position."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from tui import theme
from tui.cell_text import crop, cut, fit
from tui.widgets.picture import Pixels, fitted, mode_of, scaled, strips

SIZES = (8, 12, 18, 24, 32, 48, 64, 96)
"""Widths of a picture in cells."""
_GAP = 1


class PictureGrid(ScrollView, can_focus=True):
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "scroll_up", "Up", show=False),
        Binding("down,j", "scroll_down", "Down", show=False),
        Binding("pageup,ctrl+u", "page_up", "Page up", show=False),
        Binding("pagedown,ctrl+d,space", "page_down", "Page down", show=False),
        Binding("home,g", "scroll_home", "First", show=False),
        Binding("end,G", "scroll_end", "Last", show=False),
    ]

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._pixels: Pixels | None = None
        self._titles: Sequence[str] = ()
        self._fixed = 0
        self._message = ""
        self._bad = False
        self._width = SIZES[2]
        self._drawn: dict[int, list[Strip]] = {}

    def show(self, pixels: Pixels, titles: Sequence[str], *, columns: int = 0) -> None:
        """Pictures (n, height, width, 3); `columns` in a row (0: as many as fit)."""
        self._pixels, self._titles, self._fixed = pixels, titles, columns
        self._message = ""
        self.scroll_to(y=0, animate=False, force=True)
        self._lay_out()

    @property
    def is_empty(self) -> bool:
        """No picture is shown."""
        return self._pixels is None

    def say(self, message: str, *, bad: bool = False) -> None:
        """A sentence in place of pictures."""
        self._pixels, self._message, self._bad = None, message, bad
        self._lay_out()

    def resize_pictures(self, by: int) -> None:
        """Larger or smaller by a number of steps."""
        at = min(range(len(SIZES)), key=lambda index: abs(SIZES[index] - self._width))
        self._width = SIZES[min(max(at + by, 0), len(SIZES) - 1)]
        self._lay_out()

    def room(self, columns: int = 0) -> tuple[int, int]:
        """Columns and rows of square pictures that fit, for `columns` in a row (0: as many as fit)."""
        across, tile = self._columns(columns)
        return across, max(self.size.height // (tile // 2 + 1), 1)

    def on_resize(self) -> None:
        self._lay_out()

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._drawn = {}

    def _columns(self, fixed: int) -> tuple[int, int]:
        """Pictures in a row, and the cells for each."""
        width = max(self.size.width - 1, 1)
        if fixed:
            return fixed, max(min(self._width, (width + _GAP) // fixed - _GAP), 1)
        return max((width + _GAP) // (self._width + _GAP), 1), min(self._width, width)

    @property
    def _tile(self) -> tuple[int, int]:
        """Cells of one picture."""
        assert self._pixels is not None, "only pictures have a size"
        _, height, width, _ = self._pixels.shape
        columns = self._columns(self._fixed)[1]
        return fitted(height, width, columns, max(4 * columns, 1))

    def _lay_out(self) -> None:
        self._drawn = {}
        lines = 1
        if self._pixels is not None and len(self._pixels):
            across, _ = self._columns(self._fixed)
            lines = -(-len(self._pixels) // across) * (self._tile[1] + 1)
        self.virtual_size = Size(self.size.width, lines)
        self.refresh()

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        colors = theme.palette(self.app.current_theme)
        segments: list[Segment] = []
        if self._pixels is None:
            style = colors.bad if self._bad else colors.muted
            lines = _wrapped(self._message, width - 2)
            segments = [Segment(f" {lines[y]}" if y < len(lines) else "", style)]
        else:
            segments = self._row(y + self.scroll_offset.y, colors)
        return crop(Strip(segments), width).apply_style(self.rich_style)

    def _row(self, y: int, colors: theme.Palette) -> list[Segment]:
        assert self._pixels is not None, "only pictures have rows"
        across, _ = self._columns(self._fixed)
        columns, rows = self._tile
        row, line = divmod(y, rows + 1)
        segments: list[Segment] = []
        for index in range(row * across, min((row + 1) * across, len(self._pixels))):
            if line == 0:
                style = colors.text if not self._fixed or index % across == 0 else colors.muted
                segments.append(Segment(fit(cut(self._titles[index], columns), columns), style))
            else:
                segments += self._picture(index)[line - 1]
            segments.append(Segment(" " * _GAP, Style.null()))
        return segments

    def _picture(self, index: int) -> list[Strip]:
        if index not in self._drawn:
            assert self._pixels is not None, "only pictures are drawn"
            small = scaled(self._pixels[index], *self._tile)
            dark = self.app.current_theme.dark
            self._drawn[index] = strips(small, mode_of(self.app), dark=dark)
        return self._drawn[index]


def _wrapped(text: str, width: int) -> list[str]:
    from textwrap import wrap

    return wrap(text, max(width, 10)) or [""]
