"""Charts for reports, by matplotlib (extra `plots`): the same bytes each time, letters as paths."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from core.cli.report.blocks import Figure, Source
from core.errors import UsageError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe and Ito's colours, dark enough for white paper and light enough for black.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C6BB1", "#7F7F7F")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
_INK = "#010203"
"""Becomes the page's own colour of text."""
_CJK = (
    "Noto Sans CJK KR",
    "NanumGothic",
    "NanumBarunGothic",
    "UnDotum",
    "Malgun Gothic",
    "Apple SD Gothic Neo",
)
_MAX_LEGEND = 12


@dataclass(frozen=True)
class Line:
    """One curve; `low` and `high` are a band about it; `mark` is a point to be marked (x, y)."""

    label: str
    x: Sequence[float]
    y: Sequence[float]
    dashed: bool = False
    color: int = 0
    low: Sequence[float] | None = None
    high: Sequence[float] | None = None
    mark: tuple[float, float] | None = None


def require_plots() -> None:
    """Raises UsageError, which says how to install it, where matplotlib is absent."""
    import importlib.util

    if importlib.util.find_spec("matplotlib") is None:
        raise UsageError("charts in files need the extra package plots: pip install 'labtui[plots]'")


def curves(
    name: str, panels: Sequence[tuple[str, Sequence[Line]]], source: Source | None = None
) -> list[Figure]:
    """A chart over epochs for each panel (title, lines) that has any points, called `name`-1 and so on."""
    return [
        _figure(f"{name}-{number}", label, (5.4, 3.2), partial(_lines, lines=lines), source)
        for number, (label, lines) in enumerate(panels, 1)
        if any(len(line.x) for line in lines)
    ]


def matrix(
    name: str,
    values: Sequence[Sequence[int]],
    rows: Sequence[str],
    columns: Sequence[str],
    title: str,
    source: Source | None,
) -> Figure:
    """A confusion matrix: counts in cells, shaded by row share."""
    side = min(4 + 0.34 * max(len(rows), len(columns)), 14)

    def draw(axis: Axes) -> None:
        totals = [max(sum(row), 1) for row in values]
        shares = [[value / total for value in row] for row, total in zip(values, totals, strict=True)]
        axis.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
        axis.set_xticks(
            range(len(columns)), [_cut(word) for word in columns], rotation=60, ha="right", fontsize=8
        )
        axis.set_yticks(range(len(rows)), [_cut(word) for word in rows], fontsize=8)
        axis.set_xlabel("predicted")
        axis.set_ylabel("true")
        axis.spines[:].set_visible(False)
        if len(rows) <= 30:
            for y, row in enumerate(values):
                for x, value in enumerate(row):
                    if value:
                        tone = "#FFFFFF" if shares[y][x] > 0.5 else "#202020"
                        axis.text(x, y, str(value), ha="center", va="center", fontsize=7, color=tone)

    return _figure(name, title, (side * 1.15, side), draw, source)


def bars(
    name: str,
    labels: Sequence[str],
    parts: Sequence[tuple[str, Sequence[float]]],
    title: str,
    source: Source | None = None,
) -> Figure:
    """Horizontal bars, first label on top; `parts` (of a split each) lie end to end."""

    def draw(axis: Axes) -> None:
        left = [0.0] * len(labels)
        for number, (part, values) in enumerate(parts):
            axis.barh(
                range(len(labels)),
                values,
                left=left,
                label=part,
                color=COLOURS[number % len(COLOURS)],
                height=0.8,
            )
            left = [a + b for a, b in zip(left, values, strict=True)]
        axis.set_yticks(range(len(labels)), [_cut(label) for label in labels], fontsize=8)
        axis.invert_yaxis()
        axis.margins(y=0.01)
        if len(parts) > 1:
            axis.legend(fontsize=8, frameon=False)

    return _figure(name, title, (8, 1 + 0.24 * len(labels)), draw, source)


def _lines(axis: Axes, lines: Sequence[Line]) -> None:
    for line in lines:
        color = COLOURS[line.color % len(COLOURS)]
        few = len(line.x) <= 30
        axis.plot(
            line.x,
            line.y,
            color=color,
            linestyle="--" if line.dashed else "-",
            linewidth=1.4,
            marker=MARKERS[line.color % len(MARKERS)] if few else None,
            markersize=3,
            label=line.label,
        )
        if line.low is not None and line.high is not None:
            axis.fill_between(line.x, line.low, line.high, color=color, alpha=0.18, linewidth=0)
        if line.mark is not None:
            axis.plot(*line.mark, marker="*", markersize=10, color=color, linestyle="")
    axis.set_xlabel("epoch", fontsize=8)
    axis.locator_params(axis="x", integer=True)
    axis.tick_params(labelsize=8)
    axis.grid(alpha=0.25, linewidth=0.6)
    axis.spines[["top", "right"]].set_visible(False)
    if 1 < len(lines) <= _MAX_LEGEND:
        axis.legend(fontsize=7, frameon=False)


def _figure(
    name: str, title: str, size: tuple[float, float], draw: Callable[[Axes], None], source: Source | None
) -> Figure:
    require_plots()
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import font_manager
    from matplotlib.figure import Figure as Canvas

    known = {font.name for font in font_manager.fontManager.ttflist}
    style = {
        "svg.fonttype": "path",
        "svg.hashsalt": name,
        # A family that is not installed would be complained of at each letter.
        "font.family": ["DejaVu Sans", *(family for family in _CJK if family in known)][:2],
        "text.color": _INK,
        "axes.labelcolor": _INK,
        "axes.edgecolor": _INK,
        "xtick.color": _INK,
        "ytick.color": _INK,
        "text.parse_math": False,
    }
    with mpl.rc_context(style):
        canvas = Canvas(figsize=size, layout="constrained")
        draw(canvas.add_subplot())
        svg = io.StringIO()
        canvas.savefig(svg, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
        png = io.BytesIO()
        canvas.savefig(png, format="png", dpi=110, facecolor="white", metadata={"Software": None})
    return Figure(name, title, svg.getvalue().replace(_INK, "currentColor"), png.getvalue(), source)


def _cut(text: str, width: int = 28) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"
