"""Pictures in a terminal: two pixels a cell as half blocks, or shades where there are few colours.

Needs numpy and Pillow: imported by screens that show pictures, after the first paint.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from rich.color import Color
from rich.segment import Segment
from rich.style import Style
from textual.app import App
from textual.strip import Strip

from core.cli.half_blocks import half_block_lines

Pixels = NDArray[np.uint8]
"""(height, width, 3), red, green, blue."""
Mode = Literal["half", "shade"]

_SHADES = " ░▒▓█"
_BITS = 5
"""Of a channel that colours keep: nobody sees the rest, and runs of one colour take half the bytes."""
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
    if mode == "half":
        return [Strip(line, pixels.shape[1]) for line in half_block_lines(pixels, _BITS)]
    return _shaded(pixels, dark)


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


@lru_cache(maxsize=32)
def _ansi(hue: int, dark: bool) -> Style:
    """A colour that sixteen-colour terminals have; bits of `hue` are red, green, blue."""
    on, off = (255, 85) if dark else (170, 0)
    if hue == 7 and not dark:
        on = 85
    return Style(color=Color.from_rgb(*(on if hue >> bit & 1 else off for bit in range(3))))
