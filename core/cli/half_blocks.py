"""Pictures as lines of half blocks: the upper pixel is the colour of a character, the lower its background.

Needs numpy and rich.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from rich.color import Color, ColorType
from rich.color_triplet import ColorTriplet
from rich.segment import Segment
from rich.style import Style


def half_block_lines(pixels: NDArray[np.uint8], bits: int = 8) -> list[list[Segment]]:
    """A line for two rows of `pixels` (2 rows, columns, 3), a segment for each run of one colour.

    Colours keep so many `bits` a channel: fewer make longer runs.
    """
    packed = (pixels & (0xFF << (8 - bits) & 0xFF)).astype(np.int64) @ np.array([1 << 16, 1 << 8, 1])
    lines = []
    for upper, lower in zip(packed[::2].tolist(), packed[1::2].tolist(), strict=True):
        segments: list[Segment] = []
        start = 0
        for x in range(1, len(upper) + 1):
            if x == len(upper) or upper[x] != upper[start] or lower[x] != lower[start]:
                segments.append(Segment("▀" * (x - start), _two(upper[start], lower[start])))
                start = x
        lines.append(segments)
    return lines


@lru_cache(maxsize=1 << 16)
def _two(upper: int, lower: int) -> Style:
    return Style.from_color(_color(upper), _color(lower))


@lru_cache(maxsize=1 << 15)
def _color(packed: int) -> Color:
    triplet = ColorTriplet(packed >> 16, packed >> 8 & 255, packed & 255)
    return Color(f"#{packed:06x}", ColorType.TRUECOLOR, None, triplet)
