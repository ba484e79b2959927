"""How far a measured number may be off for other images, and what it takes no model to reach."""

from __future__ import annotations

from collections.abc import Sequence

from core.cli.output import table
from core.errors import CheckpointError
from core.humanise import MISSING, number
from core.store.checkpoints import choose
from core.store.estimates import Estimates, read_estimates
from core.store.measures import Measured, measures
from core.store.paths import RunPaths


def estimates_of(run: RunPaths, row: Measured) -> Estimates | None:
    """What is stored beside a measure row."""
    return read_estimates(run, row.stem, row.sha256)


def best_estimates(run: RunPaths) -> list[tuple[str, Estimates]]:
    """Those of the best checkpoint on val, under the run's id; none where none are stored."""
    best = _chosen(run, "best")
    rows = [row for row in measures(run) if (row.checkpoint, row.split, row.key) == (best, "val", "")]
    return [(run.id, found) for row in rows if (found := estimates_of(run, row)) is not None]


def show_lines(run: RunPaths, rows: Sequence[Measured]) -> list[str]:
    """Those of the best and the last checkpoint."""
    wanted = dict.fromkeys(name for name in (_chosen(run, "best"), _chosen(run, "last")) if name)
    found = [
        (f"{row.checkpoint} {row.split}", stored)
        for name in wanted
        for row in rows
        if row.checkpoint == name and not row.key and (stored := estimates_of(run, row)) is not None
    ]
    return estimate_lines(found)


def estimate_lines(found: Sequence[tuple[str, Estimates]]) -> list[str]:
    """A row for each metric of each measure, and what the interval speaks of."""
    if not found:
        return []
    cells = [
        (
            name if place == 0 else "",
            metric,
            number(metric, value.value),
            MISSING
            if value.low is None or value.high is None
            else f"{number(metric, value.low)} to {number(metric, value.high)}",
            number(metric, value.baseline),
        )
        for name, stored in found
        for place, (metric, value) in enumerate(stored.metrics.items())
    ]
    first = found[0][1]
    header = ("over images", "metric", "value", f"{first.confidence:.0%} interval", "baseline")
    said = (
        f"intervals over images ({first.draws} bootstrap draws, bias removed): "
        "another seed may differ by more; baseline: the most common class of training, or chance"
    )
    return [*table(header, cells, "llrrr"), said]


def _chosen(run: RunPaths, word: str) -> str:
    try:
        return choose(run, word).id
    except CheckpointError:
        return ""
