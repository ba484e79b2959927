"""Plain lines of text with a scroll position: a log that follows its end, a config."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from tui import theme


class LineView(ScrollView, can_focus=True):
    """Stays at the end while it is there, else where the reader put it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "scroll_up", "Up", show=False),
        Binding("down,j", "scroll_down", "Down", show=False),
        Binding("left,h", "scroll_left", "Left", show=False),
        Binding("right,l", "scroll_right", "Right", show=False),
        Binding("pageup,ctrl+u", "page_up", "Page up", show=False),
        Binding("pagedown,ctrl+d,space", "page_down", "Page down", show=False),
        Binding("home,g", "scroll_home", "First", show=False),
        Binding("end,G", "scroll_end", "Last", show=False),
    ]

    def __init__(self, *, id: str | None = None, empty: str = "", follow: bool = False) -> None:
        super().__init__(id=id)
        self._text: Sequence[str] = ()
        self._empty = empty
        self._follow = follow

    def set_lines(self, lines: Sequence[str]) -> None:
        if lines == self._text:
            return
        at_end = self.scroll_offset.y >= self.virtual_size.height - self.size.height
        self._text = lines
        width = max((cell_len(line) for line in lines), default=0) + 1
        self.virtual_size = Size(width, len(lines))
        self.refresh()
        if self._follow and at_end:
            self.call_after_refresh(self.scroll_end, animate=False, force=True)

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        left, top = self.scroll_offset
        colors = theme.palette(self.app.current_theme)
        base = self.rich_style
        if not self._text:
            text = f" {self._empty}" if y == 0 else ""
            return (
                Strip([Segment(text, colors.muted)]).adjust_cell_length(width, Style.null()).apply_style(base)
            )
        line = self._text[y + top] if y + top < len(self._text) else ""
        strip = Strip([Segment(line, Style.null())])
        return strip.crop_extend(left, left + width, Style.null()).apply_style(base)


class WrappedView(LineView):
    """Sentences, wrapped to the width that there is; an empty one leaves a line free."""

    _sentences: Sequence[str] = ()

    def set_sentences(self, sentences: Sequence[str]) -> None:
        self._sentences = sentences
        self._wrap()

    def on_resize(self) -> None:
        self._wrap()

    def _wrap(self) -> None:
        if self.size.width:
            room = max(self.size.width - 2, 16)
            lines = [textwrap.wrap(line, room, subsequent_indent="  ") or [""] for line in self._sentences]
            self.set_lines([f" {part}" for parts in lines for part in parts])
