"""Facts about a run as words."""

from __future__ import annotations

import time

from core.humanise import MISSING, age, eta, number, state_glyph
from core.store.records import ACTIVE, RunSummary


def state_words(summary: RunSummary) -> str:
    """`● running`, `✓ finished early`, `✗ failed: disk full, epoch 7`."""
    reason = f": {summary.reason}" if summary.reason else ""
    early = " early" if summary.early_stop is not None else ""
    return f"{state_glyph(summary.state)} {summary.state}{early}{reason}"


def best_words(summary: RunSummary) -> str:
    """`0.8076@12`, or a dash."""
    best = summary.best
    return MISSING if best is None else f"{number(best.metric, best.value)}@{best.epoch}"


def time_left(summary: RunSummary) -> str:
    """How long an active run still takes by its pace; a dash for others."""
    if summary.state not in ACTIVE or summary.seconds_per_epoch is None:
        return MISSING
    return eta((summary.epochs - summary.epoch) * summary.seconds_per_epoch)


def started_words(summary: RunSummary, now: float | None = None) -> str:
    """`3 m` ago; the creation counts until the run has started."""
    since = summary.started if summary.started is not None else summary.created
    return age(max(0.0, (time.time() if now is None else now) - since))
