"""The documents that `--json` prints about runs: fields may be added, never renamed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from core.store import attempts, files
from core.store.checkpoints import list_checkpoints
from core.store.estimates import estimates_document, read_estimates
from core.store.jobs import JobState, list_jobs, unreadable
from core.store.json_values import mapping_of, text_or_none
from core.store.measures import Measured, measures
from core.store.metrics import encode_value
from core.store.paths import RunPaths
from core.store.records import Checkpoint, Record, RunSummary
from core.store.restore import read_run_history
from core.store.summary import summarise
from core.store.usage import run_usage
from core.text import clean


def show_document(run: RunPaths) -> dict[str, Any]:
    """`{"id", "name", "state", "reason", "epoch", "epochs", "best", "parent", "checkpoints", ...}`.

    `early_stop` is the epoch at which training ended before its goal, or null; `finished_at` that at which a
    run had finished before it failed to go on; `model_summary` the network's
    layers and parameters as model.json has them; `slot` and `gpu` those of the newest attempt; `unreadable`
    of a checkpoint says why it could not be measured.
    """
    spec = files.peek_json(run.spec) or {}
    summary = summarise(run)
    latest = attempts.read_attempt(run, max(attempts.numbers(run), default=0))
    usage, found = run_usage(run), list_jobs(run)
    damaged = unreadable(found)
    return {
        **summary_document(summary),
        "parent_checkpoint": text_or_none(mapping_of(spec.get("parent")).get("checkpoint")),
        "slot": latest.slot,
        "gpu": dict(latest.gpu) or None,
        "checkpoints": [
            {**checkpoint_document(checkpoint), "unreadable": damaged.get(checkpoint.id)}
            for checkpoint in list_checkpoints(run)
        ],
        "measures": [
            {
                **measure_document(row),
                "intervals": estimates_document(read_estimates(run, row.stem, row.sha256)),
            }
            for row in measures(run)
        ],
        "jobs": [job_document(job) for job in found],
        "model_summary": model_summary(run),
        "disk": {"bytes": usage.bytes, "checkpoints_bytes": usage.checkpoints},
    }


def model_summary(run: RunPaths) -> dict[str, Any] | None:
    """What model.json says of the network, with its text cleaned; None before the first attempt."""
    content = files.peek_json(run.model)
    return None if content is None else cleaned(content)


def measure_document(row: Measured) -> dict[str, Any]:
    """One measure row of `show`."""
    return {
        "checkpoint": row.checkpoint,
        "split": row.split,
        "metrics": _encoded(row.metrics),
        "images": row.images,
        "settings": cleaned(row.settings),
        "key": row.key,
    }


def job_document(job: JobState) -> dict[str, Any]:
    """One job of `show`."""
    return {
        "name": job.name,
        "kind": job.kind,
        "number": job.number,
        "state": job.state,
        "reason": job.reason,
        "done": job.done,
        "total": job.total,
        "now": job.now,
        "created": job.created,
        "started": job.started,
        "ended": job.ended,
        "slot": job.slot,
    }


def list_document(runs: Iterable[RunPaths | RunSummary]) -> list[dict[str, Any]]:
    """The same of many runs, without their checkpoints."""
    return [summary_document(summarise(run) if isinstance(run, RunPaths) else run) for run in runs]


def metrics_document(run: RunPaths) -> dict[str, Any]:
    """`{"id", "epochs": [{"epoch", ...}], "steps": [{"step", "epoch", ...}], "superseded": n}`.

    Current records only; NaN and infinities are the strings "NaN", "Infinity" and "-Infinity". `final` holds
    what was measured once at the end; `note` says which epochs are not from metrics.jsonl.
    """
    history = read_run_history(run)
    return {
        "id": run.id,
        "epochs": [_row(row, "epoch", "step") for row in history.epochs],
        "steps": [_row(row, "step", "epoch") for row in history.steps],
        "superseded": history.superseded_count,
        "final": [_row(row, "epoch", "step") for row in history.finals],
        "note": history.note,
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
        "archived": summary.archived,
        "imported": summary.imported,
        "early_stop": summary.early_stop,
        "finished_at": summary.finished_at,
        "mode": summary.mode,
        "problems": list(summary.problems),
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


def cleaned(value: Any) -> Any:
    """JSON from a file with its text made harmless."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, Mapping):
        return {clean(str(key)): cleaned(item) for key, item in value.items()}
    return [cleaned(item) for item in value] if isinstance(value, list | tuple) else value
