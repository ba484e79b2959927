"""Precision against recall, with the point that the score threshold gives.

Needs numpy and plotext: imported when it is drawn.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from core import humanise
from tui import theme
from tui.cell_text import crop, cut
from tui.widgets.chart import MARKER

if TYPE_CHECKING:
    from core.analysis.curves import Curve

_TICKS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)


class CurveView(Widget, can_focus=True):
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left,h", "step(-1)", "previous class", show=False),
        Binding("right,l", "step(1)", "other class", key_display="←→"),
    ]
    DEFAULT_CSS = "CurveView { height: 1fr; width: 1fr; }"

    class Stepped(Message):
        """The curve of another class is wanted."""

        def __init__(self, by: int) -> None:
            super().__init__()
            self.by = by

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._curve: Curve | None = None
        self._title = ""
        self._score = 0.0
        self._sentence = ""
        self._lines: list[Strip] = []

    def show(self, curve: Curve | None, title: str, score: float) -> None:
        """Draw a curve; None: nothing to draw."""
        self._curve, self._title, self._score, self._sentence = curve, title, score, ""
        self._draw()

    def say(self, sentence: str) -> None:
        """A sentence in place of a curve."""
        self._curve, self._title, self._sentence = None, "", sentence
        self._draw()

    def action_step(self, by: int) -> None:
        self.post_message(self.Stepped(by))

    def on_click(self, event: events.Click) -> None:
        """On the left half the class before, on the right half the next one."""
        self.action_step(-1 if event.x < self.size.width // 2 else 1)

    def on_resize(self) -> None:
        self._draw()

    def on_show(self) -> None:
        self._draw()

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._draw()

    def render_line(self, y: int) -> Strip:
        line = self._lines[y] if y < len(self._lines) else Strip([])
        return crop(line, self.size.width).apply_style(self.rich_style)

    def _draw(self) -> None:
        width, height = self.size
        self._lines = []
        if self.is_attached and width > 24 and height > 6:
            colors = theme.palette(self.app.current_theme)
            self._lines = [Strip(self._head(width, colors))]
            if self._curve is not None and self._curve.objects:
                self._lines += self._plot(width, height - 1, colors)
        self.refresh()

    def _head(self, width: int, colors: theme.Palette) -> list[Segment]:
        curve = self._curve
        words = (self._sentence or " reading …") if curve is None else ""
        if curve is not None and not curve.objects:
            words = "  no object of this class: nothing can be found"
        elif curve is not None and curve.at < 0:
            words = f"  nothing has a score ≥ {self._score:.2f}"
        elif curve is not None:
            words = (
                f"  at score ≥ {self._score:.2f}: recall {curve.recall[curve.at]:.3f}, precision "
                f"{curve.precision[curve.at]:.3f}; {humanise.count(curve.objects)} objects"
            )
        title = cut(f" {self._title}", max(width - len(words), 10))
        return [Segment(title, colors.title), Segment(cut(words, width - cell_len(title)), colors.muted)]

    def _plot(self, width: int, height: int, colors: theme.Palette) -> list[Strip]:
        import numpy as np

        from tui.chart import axes_frame, raster

        assert self._curve is not None, "only a curve is drawn"
        curve = self._curve
        columns, rows = axes_frame.canvas_size(width, height)
        x_ticks = tuple((round(tick * (columns - 1)), f"{tick:g}") for tick in _TICKS)
        y_ticks = tuple({round(tick * (rows - 1)): f"{tick:g}" for tick in _TICKS}.items())
        frame = axes_frame.frame(width, height, x_ticks, y_ticks, "recall")
        chars = np.array([list(row) for row in frame.rows], dtype="<U1")
        tones = np.full(chars.shape, 0, dtype=np.int64)
        window = (slice(frame.top, frame.top + rows), slice(frame.left, frame.left + columns))
        names = (colors.faint, colors.series[0], colors.muted, colors.accent + Style(bold=True))
        if len(curve.recall):
            codes = np.zeros((rows, columns), dtype=np.int64)
            for values, dotted, tone in ((curve.envelope, True, 2), (curve.precision, False, 1)):
                grid = raster.dots(curve.recall, values, (0.0, 1.0), (0.0, 1.0), 2 * columns, 4 * rows)
                drawn = raster.cells(raster.dotted(grid) if dotted else grid)
                codes |= drawn
                tones[window][drawn > 0] = tone
            chars[window][codes > 0] = np.array(raster.glyphs(MARKER))[codes[codes > 0]]
            if curve.at >= 0:
                column = round(float(curve.recall[curve.at]) * (columns - 1))
                row = rows - 1 - round(float(curve.precision[curve.at]) * (rows - 1))
                free = chars[window][:, column] == " "
                chars[window][free, column] = "┊"
                tones[window][free, column] = 3
                chars[window][row, column] = "*" if MARKER == "ascii" else "◆"
                tones[window][row, column] = 3
        lines = []
        for signs, numbers in zip(list(chars), list(tones), strict=True):
            segments: list[Segment] = []
            start = 0
            for index in range(1, len(numbers) + 1):
                if index == len(numbers) or numbers[index] != numbers[start]:
                    segments.append(Segment("".join(signs[start:index]), names[numbers[start]]))
                    start = index
            lines.append(Strip(segments))
        return lines
