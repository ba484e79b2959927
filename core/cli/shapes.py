"""The documents that `--json` prints, and the same facts as words."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from core.humanise import MISSING, age, eta, number, state_glyph
from core.store.records import ACTIVE, Checkpoint, RunSummary


def run_document(summary: RunSummary) -> dict[str, Any]:
    """One run without its checkpoints, as in the list of `ls`."""
    best = summary.best
    return {
        "id": summary.id,
        "name": summary.name,
        "state": summary.state,
        "reason": summary.reason,
        "epoch": summary.epoch,
        "epochs": summary.epochs,
        "best": None
        if best is None
        else {
            "metric": best.metric,
            "value": best.value,
            "epoch": best.epoch,
            "checkpoint": best.checkpoint,
        },
        "parent": summary.parent,
        "config": summary.config,
        "model": summary.model,
        "created": summary.created,
        "tags": list(summary.tags),
    }


def checkpoint_document(checkpoint: Checkpoint) -> dict[str, Any]:
    """One checkpoint of `show`."""
    return {
        "id": checkpoint.id,
        "epoch": checkpoint.epoch,
        "step": checkpoint.step,
        "file": str(checkpoint.file),
        "bytes": checkpoint.bytes,
        "sha256": checkpoint.sha256,
        "metrics": dict(checkpoint.metrics),
        "pinned": checkpoint.pinned,
    }


def state_words(summary: RunSummary) -> str:
    """`● running`, `✗ failed: disk full, epoch 7`."""
    reason = f": {summary.reason}" if summary.reason else ""
    return f"{state_glyph(summary.state)} {summary.state}{reason}"


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


def numbers_line(values: Mapping[str, Any]) -> str:
    """`train/loss 1.234  val/accuracy 0.5123`, from one metric record."""
    words = []
    for name, value in values.items():
        if "/" in name and isinstance(value, int | float) and not name.startswith("time/"):
            words.append(f"{name} {number(name, float(value))}")
    return "  ".join(words)
