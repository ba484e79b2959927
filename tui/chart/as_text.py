"""Charts of a run as lines of text, for a terminal without the screens, a file or a pipe."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING

from tui.chart.axes import Sticky
from tui.chart.compose import ACCENT, FRAME, MUTED, SERIES_STYLE, TEXT, ChartPicture, Piece, compose
from tui.chart.scatter import RAMP_STYLE, ScatterData, compose_scatter
from tui.chart.view_state import ViewState
from tui.chart.views import beside, chart_names, of_chart
from tui.read.curves import CurveBuilder, Curves
from tui.read.train_measures import MeasuredReader

if TYPE_CHECKING:
    from core.store.metrics import History
    from core.store.paths import RunPaths
    from core.store.records import RunSummary

HEIGHT = 15
"""Lines of a chart below its title."""
NARROWEST = 24
_SERIES = ("bright_blue", "yellow", "green", "bright_yellow", "magenta", "red", "blue", "white")
_RAMP = ("blue", "blue", "cyan", "cyan", "green", "green", "yellow", "yellow")
_NAMED = ("dim", "", "dim", "yellow", "bold")
"""Frame, text, muted, warning, accent: the style numbers of `compose` in a terminal's own colours."""
_ASCII = str.maketrans("│┤└─┬┊╎★•·…", "|++-+::**..")


def text_charts(
    run: RunPaths, summary: RunSummary, history: History, width: int, *, every: bool, ascii_only: bool
) -> Iterator[list[tuple[str, str]]]:
    """Lines of the charts of a run, in pieces of text with the name of a style ("" for none).

    The run's own metric and the loss in training and validation; with `every`, all the charts that the screen
    of the run has. A line is at most `width` cells wide (at least NARROWEST), without spaces at its end.
    """
    width = max(width, NARROWEST)
    measured = MeasuredReader(run)
    measured.read()
    curves = CurveBuilder().update(history, measured.points)
    own = [data.title for data in beside([summary], {run.id: curves}, {}, "epoch", apart=False)]
    names = chart_names([curves], summary.metric) if every else own
    for place, name in enumerate(names):
        if place:
            yield []
        picture = _picture(summary, curves, name, width, "ascii" if ascii_only else "braille")
        for line in _lines(picture, width):
            yield [(text.translate(_ASCII), style) for text, style in line] if ascii_only else line


def _picture(summary: RunSummary, curves: Curves, name: str, width: int, marker: str) -> ChartPicture:
    data = of_chart(summary, curves, name, "epoch", early_stop=summary.early_stop)
    if isinstance(data, ScatterData):
        return compose_scatter(data, Sticky(), width, HEIGHT, marker)
    return compose(data, ViewState(), Sticky(), width, HEIGHT, marker)


def _lines(picture: ChartPicture, width: int) -> Iterator[list[tuple[str, str]]]:
    yield from _headed(picture, width)
    if not (picture.styles == FRAME).any():
        # No axes, just a sentence in the middle.
        yield from (
            [(f"  {text}", _style(MUTED))] for line in picture.chars if (text := "".join(line).strip())
        )
        return
    for chars, numbers in zip(picture.chars, picture.styles.tolist(), strict=True):
        cells = zip(chars.tolist(), numbers, strict=True)
        runs = groupby(cells, key=itemgetter(1))
        yield _styled([("".join(sign for sign, _ in run), number) for number, run in runs])


def _headed(picture: ChartPicture, width: int) -> Iterator[list[tuple[str, str]]]:
    """The title, the legend behind it; what has no room there goes on in further lines."""
    line = _shortened(picture.title, width)
    used = sum(len(text) for text, _ in line)
    for entry in _entries(picture.legend):
        size = sum(len(text) for text, _ in entry)
        if used and used + 2 + size > width:
            yield _styled(line)
            line, used = [], 0
        line += [("  ", TEXT), *entry]
        used += 2 + size
    yield _styled(line)


def _entries(legend: Sequence[Piece]) -> Iterator[list[Piece]]:
    """The legend in parts that stay together: a letter with its label, a star with its value."""
    entry: list[Piece] = []
    for text, number in legend:
        entry.append((text, number))
        if text.endswith("  ") or number == ACCENT:
            yield [*entry[:-1], (text.rstrip(), number)]
            entry = []
    if entry:
        yield entry


def _shortened(pieces: Sequence[Piece], width: int) -> list[Piece]:
    kept: list[Piece] = []
    for text, number in pieces:
        kept.append((text if len(text) <= width else text[: max(width - 1, 0)] + "…", number))
        width -= len(text)
        if width <= 0:
            break
    return kept


def _styled(pieces: Sequence[Piece]) -> list[tuple[str, str]]:
    """The pieces with names of styles instead of numbers, without spaces at the end."""
    kept = list(pieces)
    while kept and not kept[-1][0].rstrip():
        kept.pop()
    if kept:
        kept[-1] = kept[-1][0].rstrip(), kept[-1][1]
    return [(text, _style(number)) for text, number in kept]


def _style(number: int) -> str:
    if number >= RAMP_STYLE:
        return _RAMP[number - RAMP_STYLE]
    return _SERIES[(number - SERIES_STYLE) % len(_SERIES)] if number >= SERIES_STYLE else _NAMED[number]
