"""What has ended since the last look, in a sentence a run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from core import humanise
from core.words import best_value

if TYPE_CHECKING:
    from core.store.records import RunSummary

_ENDED = ("finished", "failed", "lost")
_MOST = 3
"""Runs that are told one by one."""


def endings(before: Sequence[RunSummary], after: Sequence[RunSummary]) -> list[tuple[RunSummary, str]]:
    """Runs that were active and have ended of themselves, each with its sentence; who stops one knows it."""
    from core.store.records import ACTIVE

    active = {run.id for run in before if run.state in ACTIVE}
    return [(run, _sentence(run)) for run in after if run.id in active and run.state in _ENDED]


def told(ended: Sequence[tuple[RunSummary, str]]) -> list[tuple[str, bool]]:
    """Sentences, and whether they are bad news; of many runs, how many there are."""
    if len(ended) <= _MOST:
        return [(words, run.state != "finished") for run, words in ended]
    failed = sum(run.state != "finished" for run, _ in ended)
    words = f"{humanise.count(len(ended))} runs have ended"
    return [(f"{words}, {humanise.count(failed)} of them failed" if failed else words, bool(failed))]


def _sentence(run: RunSummary) -> str:
    glyph = humanise.state_glyph(run.state)
    if run.state != "finished":
        where = f" at epoch {run.epoch} of {run.epochs}"
        return f"{glyph} {run.label} {run.state}{where}{f': {run.reason}' if run.reason else ''}"
    best = f", {run.best.metric} {best_value(run)}" if run.best is not None else ""
    return f"{glyph} {run.label} finished after {run.epoch} epoch{'s' * (run.epoch != 1)}{best}"
