"""Points to dots: every pixel column keeps its lowest and highest value, NaN breaks the line."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tui.read.series import Floats

Ints = NDArray[np.int64]
Grid = NDArray[np.bool_]

_BRAILLE = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]], dtype=np.int64)
_QUADRANTS = " ▘▝▀▖▌▞▛▗▚▐▜▄▙▟█"


def dots(
    x: Floats, y: Floats, x_range: tuple[float, float], y_range: tuple[float, float], width: int, height: int
) -> Grid:
    """A polyline on a (height, width) grid, row 0 at the bottom. x must not fall; NaN in y breaks it."""
    grid = np.zeros((height, width), dtype=bool)
    finite = np.isfinite(y) & np.isfinite(x)
    if not finite.any() or width < 1 or height < 1:
        return grid
    piece = np.cumsum(~finite)[finite]
    x, y = x[finite], y[finite]
    column = np.floor((x - x_range[0]) * _scale(x_range, width) + 0.5).astype(np.int64)
    row = (y - y_range[0]) * _scale(y_range, height)
    starts = np.flatnonzero(np.r_[True, (column[1:] != column[:-1])])
    ends = np.r_[starts[1:], len(column)] - 1
    columns = column[starts]
    spans = [(columns, np.minimum.reduceat(row, starts), np.maximum.reduceat(row, starts))]
    joined = piece[ends[:-1]] == piece[starts[1:]]
    if joined.any():
        spans.append(
            _joins(
                columns[:-1][joined],
                columns[1:][joined],
                row[ends[:-1]][joined],
                row[starts[1:]][joined],
                width,
            )
        )
    lone = np.flatnonzero(~(np.r_[False, joined] | np.r_[joined, False]) & (starts == ends))
    if len(lone):
        level = row[starts[lone]]
        spans.append((columns[lone] + 1, level, level + 1))
        spans.append((columns[lone], level, level + 1))
    _fill(grid, *(np.concatenate(part) for part in zip(*spans, strict=True)))
    return grid


def dotted(grid: Grid) -> Grid:
    """Pairs of pixel columns drawn in the left one: a lighter line, told from a full one without colour.

    A cell is two columns wide, so that each cell reaches as high and as low as before.
    """
    out = grid.copy()
    right = grid[:, 1::2]
    out[:, : 2 * right.shape[1] : 2] |= right
    out[:, 1::2] = False
    return out


def ends(grid: Grid) -> Grid:
    """The lowest and the highest dot of each stroke of a column, without what lies between them."""
    out = grid.copy()
    out[1:-1] &= ~(grid[:-2] & grid[2:])
    return out


def cells(grid: Grid) -> Ints:
    """(4 h, 2 w) dots to (h, w) braille codes 0..255, row 0 on top."""
    height, width = grid.shape[0] // 4, grid.shape[1] // 2
    blocks = grid[::-1].reshape(height, 4, width, 2)
    codes: Ints = (blocks * _BRAILLE[None, :, None, :]).sum(axis=(1, 3))
    return codes


def glyphs(marker: str) -> list[str]:
    """The character of each of the 256 dot patterns, for `braille`, `quadrant` or `ascii` terminals."""
    if marker == "braille":
        return [chr(0x2800 + code) for code in range(256)]
    if marker == "quadrant":
        masks = (0x01 | 0x02, 0x08 | 0x10, 0x04 | 0x40, 0x20 | 0x80)
        return [
            _QUADRANTS[sum(bool(code & mask) << bit for bit, mask in enumerate(masks))] for code in range(256)
        ]
    upper, lower = 0x01 | 0x02 | 0x08 | 0x10, 0x04 | 0x40 | 0x20 | 0x80
    return [
        ":" if code & upper and code & lower else "'" if code & upper else "." if code & lower else " "
        for code in range(256)
    ]


def _scale(bounds: tuple[float, float], pixels: int) -> float:
    span = bounds[1] - bounds[0]
    return (pixels - 1) / span if span > 0 else 0.0


def _joins(left: Ints, right: Ints, start: Floats, end: Floats, width: int) -> tuple[Ints, Floats, Floats]:
    """Spans of straight lines from (left, start) to (right, end), one for each pixel column they cross."""
    first, last = np.clip(left, 0, width), np.clip(right, -1, width - 1)
    counts = np.maximum(last - first + 1, 0)
    line = np.repeat(np.arange(len(left)), counts)
    columns = np.arange(len(line)) - np.repeat(np.cumsum(counts) - counts, counts) + first[line]
    gap = (right - left)[line]
    rise = (end - start)[line]
    before = np.clip((columns - 0.5 - left[line]) / gap, 0, 1)
    after = np.clip((columns + 0.5 - left[line]) / gap, 0, 1)
    one, two = start[line] + before * rise, start[line] + after * rise
    return columns, np.minimum(one, two), np.maximum(one, two)


def _fill(grid: Grid, columns: Ints, low: Floats, high: Floats) -> None:
    height, width = grid.shape
    bottom = np.floor(np.clip(low, -2, height + 2) + 0.5).astype(np.int64)
    top = np.floor(np.clip(high, -2, height + 2) + 0.5).astype(np.int64)
    seen = (columns >= 0) & (columns < width) & (top >= 0) & (bottom < height)
    columns, bottom, top = (
        columns[seen],
        np.clip(bottom[seen], 0, height - 1),
        np.clip(top[seen], 0, height - 1),
    )
    edges = np.zeros((height + 1, width), dtype=np.int32)
    np.add.at(edges, (bottom, columns), 1)
    np.add.at(edges, (top + 1, columns), -1)
    grid |= np.cumsum(edges[:-1], axis=0) > 0
