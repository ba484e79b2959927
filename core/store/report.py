"""The documents that `--json` prints about runs: fields may be added, never renamed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from core.store import files
from core.store.checkpoints import list_checkpoints
from core.store.metrics import encode_value, read_history
from core.store.paths import RunPaths
from core.store.records import Checkpoint, Record, RunSummary
from core.store.summary import summarise
from core.text import clean


def show_document(run: RunPaths) -> dict[str, Any]:
    """`{"id", "name", "state", "reason", "epoch", "epochs", "best", "parent", "checkpoints", ...}`."""
    parent = (files.read_json(run.spec) or {}).get("parent")
    start = parent.get("checkpoint") if isinstance(parent, dict) else None
    return {
        **summary_document(summarise(run)),
        "parent_checkpoint": clean(start) if isinstance(start, str) else None,
        "checkpoints": [checkpoint_document(checkpoint) for checkpoint in list_checkpoints(run)],
    }


def list_document(runs: Iterable[RunPaths | RunSummary]) -> list[dict[str, Any]]:
    """The same of many runs, without their checkpoints."""
    return [summary_document(summarise(run) if isinstance(run, RunPaths) else run) for run in runs]


def metrics_document(run: RunPaths) -> dict[str, Any]:
    """`{"id", "epochs": [{"epoch", ...}], "steps": [{"step", "epoch", ...}], "superseded": n}`.

    Current records only; NaN and infinities are the strings "NaN", "Infinity" and "-Infinity". `final` holds
    what was measured once at the end.
    """
    history = read_history(run.metrics)
    return {
        "id": run.id,
        "epochs": [_row(row, "epoch", "step") for row in history.epochs],
        "steps": [_row(row, "step", "epoch") for row in history.steps],
        "superseded": history.superseded_count,
        "final": [_row(row, "epoch", "step") for row in history.finals],
    }


def summary_document(summary: RunSummary) -> dict[str, Any]:
    """One run of `ls`."""
    best = summary.best
    return {
        "id": summary.id,
        "name": summary.name,
        "state": summary.state,
        "reason": summary.reason,
        "epoch": summary.epoch,
        "epochs": summary.epochs,
        "best": best
        and {
            "metric": best.metric,
            "value": encode_value(best.value),
            "epoch": best.epoch,
            "checkpoint": best.checkpoint,
        },
        "parent": summary.parent,
        "config": summary.config,
        "model": summary.model,
        "created": summary.created,
        "started": summary.started,
        "ended": summary.ended,
        "last": _encoded(summary.last),
        "tags": list(summary.tags),
        "note": summary.note,
    }


def checkpoint_document(checkpoint: Checkpoint) -> dict[str, Any]:
    """One checkpoint of `show`; `file` is its absolute path."""
    return {
        "id": checkpoint.id,
        "epoch": checkpoint.epoch,
        "step": checkpoint.step,
        "file": str(checkpoint.file),
        "bytes": checkpoint.bytes,
        "sha256": checkpoint.sha256,
        "metrics": _encoded(checkpoint.metrics),
        "pinned": checkpoint.pinned,
        "mid_epoch": checkpoint.mid_epoch,
        "superseded": checkpoint.superseded,
        "time": checkpoint.time,
    }


def _row(row: Record, first: str, second: str) -> Record:
    return {first: row[first], second: row[second], **_encoded(row)}


def _encoded(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: encode_value(value) for name, value in values.items()}
