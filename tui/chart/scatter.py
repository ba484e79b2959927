"""One metric against another: a point for each epoch, coloured from early to late, some with their number."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from core import humanise
from core.metrics import is_bounded, leaf
from tui.chart import axes, axes_frame
from tui.chart.compose import ACCENT, FRAME, MUTED, TEXT, WARN, ChartPicture, Piece, at_cells, message
from tui.read.series import Floats, Odd

RAMP_STYLE = 64
"""Style numbers from here on are steps from early to late."""
RAMP = 8
_NUMBERED = 5
"""About so many points have their epoch beside them."""


@dataclass(frozen=True, eq=False)
class ScatterData:
    """Points by epoch, finite and ascending in it. `names` are the metrics of x and y, `best` an epoch.

    `key` says when the axes start afresh; `empty` is said while there is no point.
    """

    title: str
    epochs: Floats
    x: Floats
    y: Floats
    key: str
    names: tuple[str, str]
    live: bool = False
    empty: str = "no data yet"
    best: int | None = None
    odd: Odd = field(default_factory=Odd)
    """Values of epochs that are left out for them."""


def compose_scatter(
    data: ScatterData, sticky: axes.Sticky, width: int, height: int, marker: str = "braille"
) -> ChartPicture:
    """Draw `data` on `width` x `height` cells below a title row; `sticky` remembers the ranges."""
    columns, rows = axes_frame.canvas_size(width, height)
    if columns < 4 or rows < 2:
        return message(data.title, "", width, height)
    left_out = humanise.not_finite(data.odd.nan, data.odd.up, data.odd.down)
    title: tuple[Piece, ...] = ((data.title, TEXT), *([(f" {left_out}", WARN)] if left_out else []))
    if not len(data.epochs):
        return replace(message(data.title, data.empty, width, height), title=title)
    low, high, floor, ceiling = _limits(data.names[0], data.x)
    x_range = sticky.value_range(low, high, live=data.live, floor=floor, ceiling=ceiling)
    low, high, floor, ceiling = _limits(data.names[1], data.y)
    y_range = sticky.y_range(low, high, live=data.live, floor=floor, ceiling=ceiling)
    x_ticks = axes.linear_ticks(x_range, max(columns // 10, 2))
    y_ticks = axes.linear_ticks(y_range, max(min(rows // 2, 6), 2))
    frame = axes_frame.frame(
        width, height, at_cells(x_ticks, x_range, columns), at_cells(y_ticks, y_range, rows), data.names[0]
    )
    chars = np.array([list(row) for row in frame.rows], dtype="<U1")
    styles = np.full(chars.shape, FRAME, dtype=np.int64)
    window = (slice(frame.top, frame.top + rows), slice(frame.left, frame.left + columns))
    column = _cells(data.x, x_range, columns)
    row = rows - 1 - _cells(data.y, y_range, rows)
    plain, star = ("o", "*") if marker == "ascii" else ("•", "★")
    chars[window][row, column] = plain
    # Of points in one cell the latest is drawn: numpy assigns in order.
    styles[window][row, column] = RAMP_STYLE + steps(data.epochs)
    best = np.flatnonzero(data.epochs == data.best)
    if len(best):
        chars[window][row[best[0]], column[best[0]]] = star
        styles[window][row[best[0]], column[best[0]]] = ACCENT
    for index in numbered(len(data.epochs)):
        _number(f"{data.epochs[index]:g}", row[index], column[index], chars[window], styles[window])
    return ChartPicture(title, _legend(data, plain), chars, styles)


def steps(epochs: Floats) -> NDArray[np.int64]:
    """The step from early (0) to late (RAMP - 1) of each epoch."""
    span = max(float(epochs[-1] - epochs[0]), 1.0)
    rounded: NDArray[np.int64] = np.rint((epochs - epochs[0]) / span * (RAMP - 1)).astype(np.int64)
    return rounded


def numbered(count: int) -> list[int]:
    """The points that get their epoch beside them: the last, the first, then some between."""
    between = np.linspace(0, count - 1, min(count, _NUMBERED)).round().astype(int).tolist()
    return list(dict.fromkeys([count - 1, *between]))


def _limits(name: str, values: Floats) -> tuple[float, float, float | None, float | None]:
    """Lowest and highest value, and what an axis of them never goes beyond."""
    low, high = float(values.min()), float(values.max())
    bounded = is_bounded(leaf(name)) and high <= 1
    return low, high, 0.0 if low >= 0 else None, 1.0 if bounded else None


def _cells(values: Floats, bounds: axes.Bounds, cells: int) -> NDArray[np.int64]:
    place = (values - bounds[0]) / (bounds[1] - bounds[0]) * (cells - 1)
    return np.clip(np.rint(place), 0, cells - 1).astype(np.int64)


def _number(text: str, row: int, column: int, chars: NDArray[np.str_], styles: NDArray[np.int64]) -> None:
    """`text` right of a point, else left of it, else a line above or below, where that is free."""
    for line in (row, row - 1, row + 1):
        for start in (column + 1, column - len(text)):
            place = slice(start, start + len(text))
            if not (0 <= line < chars.shape[0] and start >= 0 and place.stop <= chars.shape[1]):
                continue
            if (chars[line, place] == " ").all():
                chars[line, place] = list(text)
                styles[line, place] = MUTED
                return


def _legend(data: ScatterData, sign: str) -> tuple[Piece, ...]:
    first, last = data.epochs[0], data.epochs[-1]
    pieces: list[Piece] = [(f"epoch {first:g} ", MUTED)]
    if last > first:
        pieces += [(sign, RAMP_STYLE + step) for step in range(RAMP)]
        pieces.append((f" {last:g} ", MUTED))
    best = np.flatnonzero(data.epochs == data.best)
    if len(best):
        value = humanise.number(data.names[1], float(data.y[best[0]]))
        pieces.append((f" ★ {value}@{data.best} ", ACCENT))
    return tuple(pieces)
