"""Charts of a run on stdout: for `--plot`. What draws them is handed to the command line at its start."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol

from core.cli.output import StyledLine, out_styled
from core.errors import UsageError

if TYPE_CHECKING:
    from core.store.metrics import History
    from core.store.paths import RunPaths
    from core.store.records import RunSummary

_WIDTH = 80
"""Cells of a line where stdout is no terminal."""


class DrawCharts(Protocol):
    """Draws a run in lines of at most `width` cells: charts of its metric and the loss, or `every` chart."""

    def __call__(
        self,
        run: RunPaths,
        summary: RunSummary,
        history: History,
        width: int,
        *,
        every: bool,
        ascii_only: bool,
    ) -> Iterable[StyledLine]: ...


def print_charts(draw: DrawCharts | None, run: RunPaths, history: History, *, every: bool = False) -> None:
    """Print the charts of a run; within its first epoch, step by step.

    `history` may lack the steps. Raises UsageError where nothing was handed in that draws.
    """
    if draw is None:
        raise UsageError("--plot: charts are drawn by `labtui` only; the command line alone cannot")
    from core.store.catalogue import summarise
    from core.store.metrics import read_history

    if not history.epochs:
        history = read_history(run.metrics)
    width = shutil.get_terminal_size((_WIDTH, 24)).columns
    out_styled(draw(run, summarise(run), history, width, every=every, ascii_only=not _takes_dots()))


def _takes_dots() -> bool:
    """Whether the encoding of stdout has braille and lines."""
    try:
        "⣿┤★".encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
