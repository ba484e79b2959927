"""The only module that knows plotext: frame, axes and ticks of a chart, without data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import plotext

from tui.chart.axes import LABEL_WIDTH

CellTicks = tuple[tuple[int, str], ...]
"""Ticks at canvas cells: columns from the left, or rows from the bottom, each with its label."""
_LEFT = LABEL_WIDTH + 1
_BELOW = 2
_NO_LABEL = " " * LABEL_WIDTH


@dataclass(frozen=True)
class AxesFrame:
    """A drawn frame: `rows` from the top, and where the canvas lies in it (in cells)."""

    rows: tuple[str, ...]
    left: int
    top: int
    width: int
    height: int


def canvas_size(width: int, height: int) -> tuple[int, int]:
    """Cells left for the lines in a frame of `width` x `height`: labels left, axis and ticks below."""
    return max(width - _LEFT, 0), max(height - _BELOW, 0)


@lru_cache(maxsize=128)
def frame(width: int, height: int, x_ticks: CellTicks, y_ticks: CellTicks, x_label: str) -> AxesFrame:
    """Axes with ticks at canvas cells, and the name of x in the tick row."""
    columns, lines = canvas_size(width, height)
    axis, labels = _x_axis(width, x_ticks)
    rows = (*(row.ljust(width) for row in _y_axis(height, y_ticks)), axis, _with_label(labels, x_label))
    return AxesFrame(rows, _LEFT, 0, columns, lines)


# A plot without data costs by its cells: each axis is drawn beside a canvas as small as plotext makes one,
# and is there already when only the other one moves.


@lru_cache(maxsize=128)
def _y_axis(height: int, ticks: CellTicks) -> tuple[str, ...]:
    """Labels and axis left of the canvas, a row for each of its lines."""
    rows = _plot(_LEFT + 2, height, [(0, " ")], [(row, _label(text)) for row, text in ticks])
    return tuple(row[:_LEFT] for row in rows[:-_BELOW])


@lru_cache(maxsize=128)
def _x_axis(width: int, ticks: CellTicks) -> tuple[str, str]:
    """The axis below the canvas, and the row of its labels."""
    axis, labels = _plot(width, 2 + _BELOW, ticks, [])[-_BELOW:]
    return axis, labels


def _plot(
    width: int, height: int, x_ticks: Sequence[tuple[int, str]], y_ticks: Sequence[tuple[int, str]]
) -> list[str]:
    """Rows of a plot of one invisible point. The figure is cleared first: it keeps what was set before."""
    columns, lines = canvas_size(width, height)
    plotext.clear_figure()
    plotext.limit_size(False, False)
    plotext.plot_size(width, height)
    plotext.theme("clear")
    plotext.xaxes(True, False)
    plotext.yaxes(True, False)
    plotext.scatter([0], [0], marker=" ")
    plotext.xlim(0, columns - 1)
    plotext.ylim(0, lines - 1)
    x, y = x_ticks or [(0, " ")], y_ticks or [(0, _NO_LABEL)]
    plotext.xticks([float(column) for column, _ in x], [label for _, label in x])
    plotext.yticks([float(row) for row, _ in y], [label for _, label in y])
    text: str = plotext.uncolorize(plotext.build())
    return text.split("\n")[:-1]


def _label(text: str) -> str:
    return (text if len(text) <= LABEL_WIDTH else "…").rjust(LABEL_WIDTH)


def _with_label(row: str, label: str) -> str:
    """`label` at the right end of the tick row when that place is free."""
    room = len(label) + 2
    if len(row) <= room or row[-room:].strip():
        return row
    return f"{row[: -len(label)]}{label}"
