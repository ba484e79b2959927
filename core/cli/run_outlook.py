"""Whether to train a run on, from its files: the sentence that `show` and the screens give."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from core.analysis.outlook import Chance, Outlook, Schedule, outlook
from core.config.load import read_stored
from core.config.resolve_defaults import learning_rates
from core.config.schema import Experiment
from core.errors import ConfigError, LabError
from core.metrics import COMMONEST, entry, mode_of
from core.store.files import peek_json
from core.store.history import History
from core.store.paths import RunPaths
from core.store.records import RunSummary

_DROP = 0.7


def run_outlook(
    run: RunPaths, history: History, metric: str, total_epochs: int, more: int = 5
) -> Outlook | None:
    """The outlook of a run with this history; None when its config cannot be read."""
    try:
        experiment = read_stored(run.config)
    except (ConfigError, LabError):
        return None
    rows = history.epochs
    return outlook(
        rows,
        metric,
        mode_of(metric),
        schedule=schedule_of(experiment, rows, total_epochs),
        chance=_chance(run, metric),
        more=more,
    )


def outlook_of(run: RunPaths, summary: RunSummary, history: History) -> Outlook | None:
    """The outlook of a run; None before its first epoch has ended."""
    if not summary.metric or not history.epochs:
        return None
    return run_outlook(run, history, summary.metric, summary.epochs)


def outlook_document(found: Outlook | None) -> dict[str, Any] | None:
    """The outlook as JSON has it."""
    if found is None:
        return None
    return {
        "advice": found.advice,
        "sentence": found.sentence,
        "troubles": [vars(trouble) for trouble in found.troubles],
        "projection": None if found.projection is None else vars(found.projection),
    }


def schedule_of(experiment: Experiment, rows: Sequence[Mapping[str, Any]], total_epochs: int) -> Schedule:
    """Where the learning rate stands after these epochs, and how it goes on."""
    rates = [(int(row["epoch"]), float(row["lr"])) for row in rows if math.isfinite(row.get("lr", math.nan))]
    start = rates[0][1] if rates else next(iter(learning_rates(experiment).values()))
    done = int(rows[-1]["epoch"]) if rows else 0
    plan = experiment.scheduler
    drops = [epoch for (_, old), (epoch, new) in pairwise(rates) if new < _DROP * old]
    drop_at = done - done % plan.every + plan.every if "every" in plan.kind.keys else None
    return Schedule(
        name=plan.name,
        start=max((rate for _, rate in rates), default=start),
        now=rates[-1][1] if rates else start,
        left=max(0, (experiment.epochs if plan.kind.by_horizon else total_epochs) - done),
        floor=plan.min_lr,
        drop_at=drop_at,
        since_drop=done - drops[-1] + 1 if drops else None,
    )


def _chance(run: RunPaths, metric: str) -> Chance | None:
    """What always answering the commonest training class reaches on the validation images."""
    known = entry(metric)
    if known is None or known.baseline != COMMONEST or not metric.startswith("val/"):
        return None
    splits = (peek_json(run.split) or {}).get("splits") or {}
    labels = {name: (splits.get(name) or {}).get("labels") or [] for name in ("train", "val")}
    if not labels["train"] or not labels["val"]:
        return None
    commonest = max(set(labels["train"]), key=labels["train"].count)
    return Chance(labels["val"].count(commonest) / len(labels["val"]), len(labels["val"]))
