"""The only module that knows plotext: frame, axes and ticks of a chart, without data."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from plotext._figure import _figure_class

from tui.chart.axes import LABEL_WIDTH


@dataclass(frozen=True)
class Frame:
    """A drawn frame: `rows` from the top, and where the canvas lies in it (in cells)."""

    rows: tuple[str, ...]
    left: int
    top: int
    width: int
    height: int


def canvas_size(width: int, height: int) -> tuple[int, int]:
    """Cells left for the lines in a frame of `width` x `height`: labels left, axis and ticks below."""
    return max(width - LABEL_WIDTH - 1, 0), max(height - 2, 0)


@lru_cache(maxsize=128)
def frame(
    width: int,
    height: int,
    x_ticks: tuple[tuple[int, str], ...],
    y_ticks: tuple[tuple[int, str], ...],
    x_label: str,
) -> Frame:
    """Axes with ticks at canvas cells (columns from the left, rows from the bottom).

    A new figure each time: plotext keeps limits and scales in a figure from one build to the next.
    """
    columns, lines = canvas_size(width, height)
    figure = _figure_class()
    figure._set_size(width, height)
    monitor = figure.monitor
    monitor.set_size([width, height])
    monitor.set_theme("clear")
    monitor.set_xaxes(True, False)
    monitor.set_yaxes(True, False)
    monitor.draw([0], [0], marker=" ", lines=False)
    monitor.set_xlim(0, columns - 1)
    monitor.set_ylim(0, lines - 1)
    labels = [(label if len(label) <= LABEL_WIDTH else "…").rjust(LABEL_WIDTH) for _, label in y_ticks] or [
        " " * LABEL_WIDTH
    ]
    monitor.set_yticks([float(row) for row, _ in y_ticks] or [0.0], labels)
    monitor.set_xticks(
        [float(column) for column, _ in x_ticks] or [0.0], [label for _, label in x_ticks] or [" "]
    )
    figure._set_sizes()
    figure._build_matrix()
    matrix = monitor.matrix
    rows = ["".join(row) for row in reversed(matrix.marker)]
    rows[-1] = _with_label(rows[-1], x_label)
    return Frame(tuple(rows), matrix.Cols_canvas.start, 0, columns, lines)


def _with_label(row: str, label: str) -> str:
    """`label` at the right end of the tick row when that place is free."""
    room = len(label) + 2
    if len(row) <= room or row[-room:].strip():
        return row
    return f"{row[: -len(label)]}{label}"
