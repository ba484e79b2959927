"""Pictures in a terminal: two pixels a cell as half blocks, or shades where there are few colours.

Needs numpy and Pillow: imported by screens that show pictures, after the first paint.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from rich.color import Color, ColorType
from rich.color_triplet import ColorTriplet
from rich.segment import Segment
from rich.style import Style
from textual.app import App
from textual.strip import Strip
from textual.widget import Widget

from tui.cell_text import crop, cut

Pixels = NDArray[np.uint8]
"""(height, width, 3), red, green, blue."""
Mode = Literal["half", "shade"]

_SHADES = " ░▒▓█"
_BITS = 0xF8
"""Colours keep five bits a channel: nobody sees the rest, and runs of one colour take half the bytes."""
_THRESHOLDS = (np.array([[0, 2], [3, 1]]) + 0.5) / 4
_GREY = 48
"""Below this spread of its channels a colour counts as grey."""
_LUMA = np.array([0.299, 0.587, 0.114])


def mode_of(app: App[object]) -> Mode:
    """How pictures can be drawn on this terminal: 16 colours are too few for half blocks."""
    return "half" if app.console.color_system in ("truecolor", "256") else "shade"


def fitted(height: int, width: int, columns: int, rows: int) -> tuple[int, int]:
    """The largest (columns, rows) within the given ones that keeps a picture's shape; a cell is 1 x 2."""
    if min(height, width, columns, rows) < 1:
        return 0, 0
    scale = min(columns / width, 2 * rows / height)
    return max(round(width * scale), 1), max(min(round(height * scale / 2), rows), 1)


def scaled(pixels: Pixels, columns: int, rows: int) -> Pixels:
    """`pixels` at (2 rows, columns): averaged when smaller, whole pixels repeated when larger."""
    height, width = pixels.shape[:2]
    image = Image.fromarray(pixels)
    larger = columns >= width and 2 * rows >= height
    how = Image.Resampling.NEAREST if larger else Image.Resampling.BILINEAR
    return np.asarray(image.resize((columns, 2 * rows), how, reducing_gap=None if larger else 2.0))


def strips(pixels: Pixels, mode: Mode = "half", *, dark: bool = True) -> list[Strip]:
    """One strip for two rows of `pixels` (2 rows, columns, 3); `dark` is the terminal's background."""
    return _halves(pixels) if mode == "half" else _shaded(pixels, dark)


def draw(pixels: Pixels, columns: int, rows: int, mode: Mode = "half", *, dark: bool = True) -> list[Strip]:
    """`pixels` as large as fits `columns` x `rows` cells, in its own shape."""
    columns, rows = fitted(pixels.shape[0], pixels.shape[1], columns, rows)
    return strips(scaled(pixels, columns, rows), mode, dark=dark) if columns else []


def _halves(pixels: Pixels) -> list[Strip]:
    packed = (pixels & _BITS).astype(np.int64) @ np.array([1 << 16, 1 << 8, 1])
    lines = []
    for upper, lower in zip(packed[::2].tolist(), packed[1::2].tolist(), strict=True):
        segments: list[Segment] = []
        start = 0
        for x in range(1, len(upper) + 1):
            if x == len(upper) or upper[x] != upper[start] or lower[x] != lower[start]:
                segments.append(Segment("▀" * (x - start), _two(upper[start], lower[start])))
                start = x
        lines.append(Strip(segments, len(upper)))
    return lines


def _shaded(pixels: Pixels, dark: bool) -> list[Strip]:
    """Density says how bright a cell is, one of seven colours what hue it has."""
    cells = pixels.reshape(-1, 2, pixels.shape[1], 3).mean(axis=1)
    light = cells @ _LUMA / 255
    if not dark:
        light = 1 - light
    rows, columns = light.shape
    threshold = np.tile(_THRESHOLDS, (rows // 2 + 1, columns // 2 + 1))[:rows, :columns]
    level = np.clip(np.floor(light * (len(_SHADES) - 1) + threshold), 0, len(_SHADES) - 1).astype(int)
    high, low = cells.max(axis=2), cells.min(axis=2)
    middle = ((high + low) / 2)[..., None]
    hue = (cells > middle) @ np.array([1, 2, 4])
    hue[high - low < _GREY] = 7
    lines = []
    for level_row, hue_row in zip(level.tolist(), hue.tolist(), strict=True):
        segments = []
        start = 0
        for x in range(1, columns + 1):
            if x == columns or hue_row[x] != hue_row[start]:
                text = "".join(_SHADES[shade] for shade in level_row[start:x])
                segments.append(Segment(text, _ansi(hue_row[start], dark)))
                start = x
        lines.append(Strip(segments, columns))
    return lines


@lru_cache(maxsize=1 << 16)
def _two(upper: int, lower: int) -> Style:
    return Style.from_color(_color(upper), _color(lower))


@lru_cache(maxsize=1 << 15)
def _color(packed: int) -> Color:
    triplet = ColorTriplet(packed >> 16, packed >> 8 & 255, packed & 255)
    return Color(f"#{packed:06x}", ColorType.TRUECOLOR, None, triplet)


@lru_cache(maxsize=32)
def _ansi(hue: int, dark: bool) -> Style:
    """A colour that sixteen-colour terminals have; bits of `hue` are red, green, blue."""
    on, off = (255, 85) if dark else (170, 0)
    if hue == 7 and not dark:
        on = 85
    return Style(color=Color.from_rgb(*(on if hue >> bit & 1 else off for bit in range(3))))


class Picture(Widget):
    """One picture, as large as fits, with a line above it."""

    DEFAULT_CSS = "Picture { height: 1fr; width: 1fr; }"

    def __init__(self, *, id: str | None = None, empty: str = "") -> None:
        super().__init__(id=id)
        self._pixels: Pixels | None = None
        self._caption = ""
        self._empty = empty
        self._lines: list[Strip] = []

    def show(self, pixels: Pixels | None, caption: str = "") -> None:
        """Draw `pixels` (None: nothing) under `caption`."""
        self._pixels, self._caption = pixels, caption
        self._draw()

    def on_resize(self) -> None:
        self._draw()

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._draw()

    def _draw(self) -> None:
        width, height = self.size
        self._lines = []
        if self.is_attached and width > 1 and height > 1:
            text = self._caption if self._pixels is not None else self._empty
            self._lines = [Strip([Segment(cut(text, width), Style.null())])]
            if self._pixels is not None:
                dark = self.app.current_theme.dark
                self._lines += draw(self._pixels, width, height - 1, mode_of(self.app), dark=dark)
        self.refresh()

    def render_line(self, y: int) -> Strip:
        line = self._lines[y] if y < len(self._lines) else Strip([])
        return crop(line, self.size.width).apply_style(self.rich_style)
