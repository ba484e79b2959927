"""A chart as characters and style numbers: what is drawn where, with no widget and no colour in it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from textwrap import wrap

import numpy as np
from numpy.typing import NDArray
from rich.cells import cell_len

from core import humanise
from tui.cell_text import told_apart
from tui.chart import axes, axes_frame, raster
from tui.chart.view_state import ViewState
from tui.read.series import Floats, Odd, SeriesView

SERIES_STYLE = 8
"""Style numbers from here on are series colours; below are the names that follow."""
FRAME, TEXT, MUTED, WARN, ACCENT = range(5)

_LETTERS = 2
"""Cells kept free at the right end."""
_BESIDE = 3
"""Cells around title and legend."""
_SHORTEST = 6
"""Cells that a name in the legend has at least."""

Piece = tuple[str, int]


@dataclass(frozen=True, eq=False)
class Curve:
    """One line of a chart; `color` counts series colours, `letter` marks it without colour.

    `band` is the lowest and the highest of what the line is a mean of.
    """

    label: str
    letter: str
    view: SeriesView
    color: int
    dotted: bool = False
    ghost: bool = False
    best: tuple[int, float] | None = None
    band: tuple[SeriesView, SeriesView] | None = None


@dataclass(frozen=True, eq=False)
class ChartData:
    """What a chart shows. `key` says when the axes start afresh; `empty` is said while nothing is there.

    `x_span` is the least range of an axis of epochs; `at_epoch` is marked with a vertical line, `early_stop`
    with another. `log`: on a log scale whatever the view says. `goal` is the last epoch that there will be.
    """

    title: str
    curves: tuple[Curve, ...]
    key: str
    bounded: bool = False
    live: bool = False
    empty: str = "no data yet"
    at_epoch: int | None = None
    early_stop: int | None = None
    x_span: tuple[float, float] | None = None
    log: bool = False
    goal: int | None = None


@dataclass(frozen=True, eq=False)
class ChartPicture:
    """A chart ready to colour: the title row in pieces, then characters and styles of (height, width)."""

    title: tuple[Piece, ...]
    legend: tuple[Piece, ...]
    chars: NDArray[np.str_]
    styles: NDArray[np.int64]


@dataclass
class _Line:
    curve: Curve
    x: Floats
    y: Floats
    raw: tuple[Floats, Floats]
    marks: list[tuple[float, float, str]] = field(default_factory=list)
    edges: tuple[tuple[Floats, Floats], ...] = ()


def compose(
    data: ChartData, state: ViewState, sticky: axes.Sticky, width: int, height: int, marker: str = "braille"
) -> ChartPicture:
    """Draw `data` on `width` x `height` cells below a title row.

    `sticky` remembers the ranges of the last drawing; the caller starts a new one when `data.key` changes.
    """
    curves = [curve for curve in data.curves if len(curve.view)]
    state = replace(state, log=state.log or data.log)
    columns, rows = axes_frame.canvas_size(width, height)
    if columns < 4 or rows < 2:
        return message(data.title, "", width, height)
    if not any(curve.view.last(state.axis) for curve in curves):
        empty = message(data.title, data.empty, width, height)
        return replace(empty, title=(*empty.title, *_left_out([curve.view.total for curve in curves], False)))
    x_range = _x_range(curves, state, sticky, data, columns)
    lines = [_line(curve, state, x_range, 2 * columns) for curve in curves]
    # Points half a pixel column beyond the window are drawn in its first and last one.
    half = 0.5 * (x_range[1] - x_range[0]) / (2 * columns - 1)
    drawn_range = x_range[0] - half, x_range[1] + half
    y_range = _y_range(lines, drawn_range, state, sticky, data)
    frame = _frame(width, height, columns, rows, x_range, y_range, state)
    chars = np.array([list(row) for row in frame.rows], dtype="<U1")
    styles = np.full(chars.shape, FRAME, dtype=np.int64)
    window = (slice(frame.top, frame.top + rows), slice(frame.left, frame.left + columns))
    codes = np.zeros((rows, columns), dtype=np.int64)
    owner = np.zeros((rows, columns), dtype=np.int64)
    for line in lines if state.smoothing else ():
        # What smoothing takes away stays in sight behind the line.
        grid = raster.dots(*line.raw, x_range, y_range, 2 * columns, 4 * rows)
        drawn = raster.cells(raster.dotted(raster.ends(grid)))
        codes |= drawn
        owner[drawn > 0] = FRAME
    for line in lines:
        for x, y in line.edges:
            drawn = raster.cells(raster.dotted(raster.dots(x, y, x_range, y_range, 2 * columns, 4 * rows)))
            codes |= drawn
            owner[drawn > 0] = SERIES_STYLE + line.curve.color
    for line in sorted(lines, key=lambda line: not line.curve.ghost):
        grid = raster.dots(line.x, line.y, x_range, y_range, 2 * columns, 4 * rows)
        drawn = raster.cells(raster.dotted(grid) if line.curve.dotted or line.curve.ghost else grid)
        codes |= drawn
        owner[drawn > 0] = MUTED if line.curve.ghost else SERIES_STYLE + line.curve.color
    inked = codes > 0
    chars[window][inked] = np.array(raster.glyphs(marker))[codes[inked]]
    styles[window][inked] = owner[inked]
    for epoch, sign, style in ((data.at_epoch, "┊", ACCENT), (data.early_stop, "╎", MUTED)):
        if epoch is not None:
            column = _column_of(epoch, curves[0].view, state, x_range, columns)
            _rule(column, sign, style, chars[window], styles[window])
    _place_marks(lines, chars[window], styles[window], inked, x_range, y_range, marker)
    title = _title(data, state, lines, drawn_range)
    room = width - sum(cell_len(text) for text, _ in title) - _BESIDE
    return ChartPicture(title, _legend(data, room), chars, styles)


def _line(curve: Curve, state: ViewState, x_range: axes.Bounds, width: int) -> _Line:
    raw = curve.view.points(state.axis, *x_range, width, log=state.log)
    x, y = raw
    if state.smoothing:
        x, y = curve.view.smoothed(state.axis, *x_range, width, state.smoothing, log=state.log)
    line = _Line(curve, x, y, raw)
    # Edges are never smoothed: they say how far single runs reach.
    line.edges = tuple(edge.points(state.axis, *x_range, width, log=state.log) for edge in curve.band or ())
    inside = np.flatnonzero(np.isfinite(line.y) & (line.x >= x_range[0]) & (line.x <= x_range[1]))
    if len(inside) and not curve.ghost:
        line.marks.append((float(line.x[inside[-1]]), float(line.y[inside[-1]]), curve.letter))
    if curve.best is not None:
        epoch, value = curve.best
        at = int(np.searchsorted(curve.view.x("epoch"), epoch))
        if at < len(curve.view) and (value > 0 or not state.log):
            best_x = float(curve.view.x(state.axis)[at])
            if x_range[0] <= best_x <= x_range[1]:
                line.marks.append((best_x, math.log10(value) if state.log else value, "★"))
    return line


def _x_range(
    curves: Sequence[Curve], state: ViewState, sticky: axes.Sticky, data: ChartData, columns: int
) -> axes.Bounds:
    """What of x is drawn, with room for the letters at the end of the lines."""
    low = min(float(curve.view.x(state.axis)[0]) for curve in curves)
    high = max(float(curve.view.x(state.axis)[-1]) for curve in curves)
    if data.x_span is not None and state.axis == "epoch":
        low, high = min(low, data.x_span[0]), max(high, data.x_span[1])
    if state.zoom is None or high <= low:
        whole = state.axis != "time" and data.x_span is None
        first, last = low, high
        low, high = sticky.x_range(low, high, live=data.live, whole=whole)
        if data.goal is not None and state.axis == "epoch":
            # Of a run that ends at epoch 2 no room is kept for 5.
            high = max(min(high, data.goal), last, first + 1)
        return low, high + (high - low) * _LETTERS / max(columns - 1 - _LETTERS, 1)
    span = max(high - low, 1.0)
    return low + state.zoom[0] * span, low + state.zoom[1] * span


def _y_range(
    lines: Sequence[_Line], x_range: axes.Bounds, state: ViewState, sticky: axes.Sticky, data: ChartData
) -> axes.Bounds:
    parts = [
        y[(x >= x_range[0]) & (x <= x_range[1])] for line in lines for x, y in (line.raw, (line.x, line.y))
    ]
    parts += [np.array([mark[1] for mark in line.marks]) for line in lines]
    parts += [y[(x >= x_range[0]) & (x <= x_range[1])] for line in lines for x, y in line.edges]
    values = np.concatenate(parts)
    values = values[np.isfinite(values)]
    if not len(values):
        # The window lies between two points: the line that crosses it.
        values = np.concatenate([y[np.isfinite(y)] for _, y in (line.raw for line in lines)])
    if not len(values):
        return (0.0, 1.0)
    low, high = float(values.min()), float(values.max())
    if state.log:
        floor = ceiling = None
    else:
        floor = 0.0 if low >= 0 else None
        ceiling = 1.0 if data.bounded and high <= 1 else None
    if state.zoom is not None:
        return axes.padded(low, high, floor, ceiling)
    return sticky.y_range(low, high, live=data.live, floor=floor, ceiling=ceiling)


def _frame(
    width: int,
    height: int,
    columns: int,
    rows: int,
    x_range: axes.Bounds,
    y_range: axes.Bounds,
    state: ViewState,
) -> axes_frame.AxesFrame:
    x_count, y_count = max(columns // 8, 2), max(min(rows // 2, 6), 2)
    x_ticks = (
        axes.time_ticks(x_range, x_count)
        if state.axis == "time"
        else axes.linear_ticks(x_range, x_count, whole=True)
    )
    y_ticks = axes.log_ticks(y_range, y_count) if state.log else axes.linear_ticks(y_range, y_count)
    return axes_frame.frame(
        width, height, at_cells(x_ticks, x_range, columns), at_cells(y_ticks, y_range, rows), state.axis
    )


def at_cells(ticks: Sequence[axes.Tick], bounds: axes.Bounds, cells: int) -> tuple[tuple[int, str], ...]:
    """Ticks at cell numbers, one to a cell."""
    placed: dict[int, str] = {}
    for value, label in ticks:
        placed.setdefault(round((value - bounds[0]) / (bounds[1] - bounds[0]) * (cells - 1)), label)
    return tuple(placed.items())


def _column_of(epoch: int, view: SeriesView, state: ViewState, x_range: axes.Bounds, columns: int) -> int:
    at = int(np.searchsorted(view.x("epoch"), epoch))
    x = float(epoch) if state.axis == "epoch" else float(view.x(state.axis)[min(at, len(view) - 1)])
    return round((x - x_range[0]) / (x_range[1] - x_range[0]) * (columns - 1))


def _rule(column: int, sign: str, style: int, chars: NDArray[np.str_], styles: NDArray[np.int64]) -> None:
    """A vertical line behind everything else."""
    if 0 <= column < chars.shape[1]:
        free = chars[:, column] == " "
        chars[free, column] = sign
        styles[free, column] = style


def _place_marks(
    lines: Sequence[_Line],
    chars: NDArray[np.str_],
    styles: NDArray[np.int64],
    inked: NDArray[np.bool_],
    x_range: axes.Bounds,
    y_range: axes.Bounds,
    marker: str,
) -> None:
    """Stars at their points, letters where no line is: a letter would hide what is drawn there."""
    rows, columns = chars.shape
    taken: set[tuple[int, int]] = set()
    marks = [(line, *mark) for line in lines for mark in line.marks]
    for line, x, y, sign in sorted(marks, key=lambda mark: mark[3] != "★"):
        column = round((x - x_range[0]) / (x_range[1] - x_range[0]) * (columns - 1))
        row = rows - 1 - round((y - y_range[0]) / (y_range[1] - y_range[0]) * (rows - 1))
        if sign != "★" and column + 1 < columns:
            column += 1
        for spot in sorted(((other, column) for other in range(rows)), key=lambda spot: abs(spot[0] - row)):
            own = sign == "★" and spot[0] == row
            if 0 <= column < columns and spot not in taken and (own or not inked[spot]):
                taken.add(spot)
                chars[spot] = "*" if sign == "★" and marker == "ascii" else sign
                styles[spot] = ACCENT if sign == "★" else SERIES_STYLE + line.curve.color
                break


def _title(
    data: ChartData, state: ViewState, lines: Sequence[_Line], x_range: axes.Bounds
) -> tuple[Piece, ...]:
    pieces: list[Piece] = [(data.title, TEXT)]
    words = [
        word
        for word in ("log" if state.log else "", f"smooth {state.smoothing:g}" if state.smoothing else "")
        if word
    ]
    if state.zoom is not None:
        words.append("zoom")
    if words:
        pieces.append((" " + " · ".join(words), MUTED))
    if data.early_stop is not None and any(curve.best for curve in data.curves):
        pieces.append((f" finished early@{data.early_stop}", MUTED))
    current = [line.curve.view for line in lines if not line.curve.ghost]
    return (*pieces, *_left_out([view.odd(state.axis, *x_range) for view in current], state.log))


def _left_out(counts: Sequence[Odd], log: bool) -> list[Piece]:
    """What of the window cannot be drawn."""
    odd = sum(counts, start=Odd())
    pieces: list[Piece] = []
    if log and (hidden := odd.not_positive):
        pieces.append((f" {humanise.count(hidden)} point{'s' * (hidden > 1)} not shown on log scale", WARN))
    if broken := humanise.not_finite(odd.nan, odd.up, odd.down):
        pieces.append((f" {broken}", WARN))
    return pieces


def _legend(data: ChartData, room: int) -> tuple[Piece, ...]:
    """Names and letters of the lines; in less than they need, the names cut where they do not differ."""
    pieces: list[Piece] = []
    seen: dict[str, Curve] = {}
    for curve in data.curves:
        if not curve.ghost and curve.label != data.title:
            seen.setdefault(curve.label, curve)
    around = sum(cell_len(curve.letter) + 3 for curve in seen.values())
    needed = sum(map(cell_len, seen)) + around
    each = max((room - around) // max(len(seen), 1), _SHORTEST)
    labels = list(seen) if needed <= room else told_apart(list(seen), each)
    for label, curve in zip(labels, seen.values(), strict=True):
        pieces += [(f"{curve.letter} ", SERIES_STYLE + curve.color), (f"{label}  ", TEXT)]
    for curve in data.curves:
        if curve.best is not None and len(seen) <= 2:
            pieces.append((f"★ {humanise.number(data.title, curve.best[1])}@{curve.best[0]} ", ACCENT))
    return tuple(pieces)


def message(title: str, text: str, width: int, height: int) -> ChartPicture:
    """A sentence in the middle instead of a chart, in as many lines as it needs."""
    chars = np.full((max(height, 0), max(width, 0)), " ", dtype="<U1")
    styles = np.full(chars.shape, MUTED, dtype=np.int64)
    lines = wrap(text, max(width - 2, 1), max_lines=max(height, 1), placeholder=" …") if width > 2 else []
    for row, line in enumerate(lines[:height], max((height - len(lines) + 1) // 2, 0)):
        # A wide letter takes two cells of the line, the second of them empty.
        letters = [cell for letter in line for cell in (letter, *[""] * (cell_len(letter) - 1))][:width]
        left = (width - len(letters)) // 2
        chars[row, left : left + len(letters)] = letters
    return ChartPicture(((title, TEXT),), (), chars, styles)
