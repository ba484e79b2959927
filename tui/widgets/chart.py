"""A live chart. What it draws comes from `tui.chart`, loaded once there is something to draw."""

from __future__ import annotations

import os
import time
from textwrap import wrap
from typing import TYPE_CHECKING

from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from tui import theme
from tui.cell_text import crop, cut
from tui.chart.view_state import ViewState

if TYPE_CHECKING:
    from tui.chart.axes import Sticky
    from tui.chart.compose import ChartData, ChartPicture
    from tui.chart.scatter import ScatterData

REDRAW_INTERVAL = 1 / 3
MARKER = os.environ.get("LABTUI_MARKER", "ascii" if os.environ.get("TERM") == "linux" else "braille")


class Chart(Widget):
    """Redraws at most three times a second, only when something changed, and sends only lines that differ."""

    DEFAULT_CSS = "Chart { height: 1fr; width: 1fr; }"

    def __init__(self, *, id: str | None = None, title: str = "", classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._title = title
        self._words = ""
        self._data: ChartData | ScatterData | None = None
        self._state = ViewState()
        self._sticky: Sticky | None = None
        self._strips: list[Strip] = []
        self._drawn_at = 0.0
        self._pending = False

    def show(self, data: ChartData | ScatterData) -> None:
        """Draw `data` soon; the axes start afresh when its key is another."""
        if self._data is None or (data.title, data.key) != (self._data.title, self._data.key):
            self._sticky = None
            self._drawn_at = 0.0
        self._data = data
        self._schedule()

    def say(self, words: str) -> None:
        """A sentence in place of a chart."""
        if self._data is not None or self._words != words:
            self._data, self._words, self._sticky = None, words, None
            self._drawn_at = 0.0
            self._schedule()

    def look(self, state: ViewState) -> None:
        """Draw with another axis, scale, smoothing or zoom, at once."""
        if state == self._state:
            return
        self._state = state
        self._sticky = None
        self._drawn_at = 0.0
        self._schedule()

    def on_resize(self) -> None:
        self._draw()

    def on_show(self) -> None:
        self._draw()

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._strips = []
        self._draw()

    def render_line(self, y: int) -> Strip:
        if y < len(self._strips):
            return self._strips[y]
        return Strip([Segment(" " * self.size.width, Style.null())], self.size.width).apply_style(
            self.rich_style
        )

    def _schedule(self) -> None:
        if self._pending or not self.is_attached:
            return
        self._pending = True
        wait = self._drawn_at + REDRAW_INTERVAL - time.monotonic()
        if wait > 0:
            self.set_timer(wait, self._draw)
        else:
            self.call_later(self._draw)

    def _draw(self) -> None:
        self._pending = False
        width, height = self.size
        if not self.is_attached or not self.display or width < 2 or height < 2:
            return
        if self._data is None:
            lines = [self._title, *wrap(self._words, max(width - 2, 1))]
            strips = [Strip([Segment(cut(f" {line}", width), Style.null())]) for line in lines]
        else:
            strips = self._colored(self._picture(width, height - 1), width)
        base = self.rich_style
        strips = [crop(strip, width).apply_style(base) for strip in strips[:height]]
        before, self._strips = self._strips, strips
        self._drawn_at = time.monotonic()
        if len(before) != len(strips):
            self.refresh()
            return
        for y, (old, new) in enumerate(zip(before, strips, strict=True)):
            if old != new:
                self.refresh(Region(0, y, width, 1))

    def _picture(self, width: int, height: int) -> ChartPicture:
        from tui.chart.axes import Sticky
        from tui.chart.compose import compose
        from tui.chart.scatter import ScatterData, compose_scatter

        assert self._data is not None
        if self._sticky is None:
            self._sticky = Sticky()
        if isinstance(self._data, ScatterData):
            return compose_scatter(self._data, self._sticky, width, height, MARKER)
        return compose(self._data, self._state, self._sticky, width, height, MARKER)

    def _colored(self, picture: ChartPicture, width: int) -> list[Strip]:
        from tui.chart.compose import SERIES_STYLE
        from tui.chart.scatter import RAMP_STYLE

        colors = theme.palette(self.app.current_theme)
        named = (colors.faint, colors.text, colors.muted, colors.warning, colors.accent + Style(bold=True))

        def style(number: int) -> Style:
            if number < SERIES_STYLE:
                return named[number]
            if number >= RAMP_STYLE:
                return colors.ramp[number - RAMP_STYLE]
            return colors.series[(number - SERIES_STYLE) % len(colors.series)]

        strips = [Strip(_title_row(picture, width, style))]
        for chars, numbers in zip(picture.chars, picture.styles.tolist(), strict=True):
            segments: list[Segment] = []
            start = 0
            for index in range(1, len(numbers) + 1):
                if index == len(numbers) or numbers[index] != numbers[start]:
                    segments.append(Segment("".join(chars[start:index]), style(numbers[start])))
                    start = index
            strips.append(Strip(segments))
        return strips


def _title_row(picture: ChartPicture, width: int, style: object) -> list[Segment]:
    """The title left, the legend right as far as there is room."""
    assert callable(style)
    segments = [Segment(" ", Style.null())]
    used = 1
    for text, number in picture.title:
        piece = cut(text, width - used)
        segments.append(Segment(piece, style(number)))
        used += len(piece)
    size = sum(len(text) for text, _ in picture.legend)
    room = width - used - 2
    if size <= room:
        segments.append(Segment(" " * (width - used - size), Style.null()))
        segments += [Segment(text, style(number)) for text, number in picture.legend]
        return segments
    segments.append(Segment("  ", Style.null()))
    for text, number in picture.legend:
        if room <= 1:
            break
        piece = cut(text, room)
        segments.append(Segment(piece, style(number)))
        room -= len(piece)
    return segments
