"""A run for people, part by part: facts, checkpoints, measures, classes, jobs, layers."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from core.cli.metric_tables import class_table, main_names, metric_lines, shown
from core.cli.output import table
from core.errors import CheckpointError
from core.humanise import MISSING, age, count, size, state_glyph
from core.store.checkpoints import best_id, choose
from core.store.jobs import JobState, unreadable
from core.store.json_values import mappings_in
from core.store.measures import Measured
from core.store.paths import RunPaths
from core.store.records import Checkpoint, RunSummary
from core.store.usage import run_usage
from core.text import clean
from core.words import ago, best_value, job_progress, run_age, run_state_line, run_time_left

if TYPE_CHECKING:
    from core.analysis.outlook import Outlook

LAYERS = 40
"""More layers than these are only listed on request."""


def fact_lines(
    run: RunPaths, summary: RunSummary, network: Mapping[str, Any] | None, outlook: Outlook | None
) -> list[str]:
    """State, settings in a word, best epoch, whether to train on, disk, network by parts."""
    usage = run_usage(run)
    facts = {
        "run": summary.id + (" (imported, read-only)" if summary.imported else ""),
        "name": summary.name,
        "state": run_state_line(summary),
        "config": f"{summary.config}, {summary.model}" + (f", mode {summary.mode}" if summary.mode else ""),
        "network": _network(network),
        "epoch": f"{summary.epoch}/{summary.epochs}",
        "best": f"{summary.metric} {best_value(summary)}{_without_checkpoint(summary)}",
        "train on?": outlook.sentence if outlook is not None else "",
        "started": ago(run_age(summary)),
        "left": run_time_left(summary),
        "fork of": summary.parent or "",
        "tags": ", ".join(summary.tags),
        "note": summary.note,
        "disk": f"{size(usage.bytes)}, {size(usage.checkpoints)} of it checkpoints",
        "folder": str(run.root),
    }
    lines = [f"{name:9}  {value}" for name, value in facts.items() if value]
    parts = mappings_in((network or {}).get("parts"))
    place = next((at for at, line in enumerate(lines) if line.startswith("network")), None)
    if len(parts) > 1 and place is not None:
        lines[place + 1 : place + 1] = [f"{'':9}  {_counted(part)}" for part in parts]
    return [*lines, *(f"! {problem}" for problem in summary.problems)]


def checkpoint_lines(
    run: RunPaths, summary: RunSummary, checkpoints: Sequence[Checkpoint], jobs: Sequence[JobState]
) -> list[str]:
    """A row a checkpoint; those that a measuring job could not read are marked."""
    if not checkpoints:
        return ["no checkpoints yet"]
    names = main_names(sorted({name for item in checkpoints for name in item.metrics if "/" in name}))
    now = time.time()
    best = summary.best.checkpoint if summary.best else None
    bad = unreadable(jobs)
    rows = [
        (
            item.id,
            str(item.epoch),
            count(item.step),
            *(shown(name, item.metrics.get(name)) for name in names),
            size(item.bytes),
            age(max(0.0, now - item.time)),
            ", ".join(_remarks(item, best, item.id in bad)),
        )
        for item in checkpoints
    ]
    header = ("checkpoint", "epoch", "step", *names, "size", "age", "")
    lines = table(header, rows, "krr" + "r" * len(names) + "rr")
    there = {item.id for item in checkpoints}
    return lines + [f"✗ {name}: {reason}" for name, reason in bad.items() if name in there]


def measure_lines(rows: Sequence[Measured]) -> list[str]:
    """A row for each checkpoint, split and way of measuring; several tables for a detector."""
    if not rows:
        return []
    cells = [((row.checkpoint, row.split, str(row.images)), row.metrics) for row in rows]
    return metric_lines(("measured", "split", "images"), cells, "llr", lambda at: _other(rows[at]))


def class_lines(run: RunPaths, rows: Sequence[Measured]) -> list[str]:
    """Accuracy or precision of each class at the best checkpoint, the worst first when there are many."""
    best = best_id(run)
    if not any(row.checkpoint == best for row in rows):
        try:
            best = choose(run, "best").id
        except CheckpointError:
            return []
    own = [row for row in rows if row.checkpoint == best and row.split == "val" and not row.key]
    return class_table([item for row in own for item in row.per_class], f"class, val at {best}")


def job_lines(jobs: Sequence[JobState]) -> list[str]:
    """A row a job."""
    if not jobs:
        return []
    now = time.time()
    cells = [
        (
            job.name,
            f"{state_glyph(job.state)} {job.state}{f': {job.reason}' if job.reason else ''}",
            job_progress(job),
            age(max(0.0, now - job.created)),
        )
        for job in jobs
    ]
    return table(("job", "state", "done", "age"), cells, "llrr")


def layer_lines(network: Mapping[str, Any] | None, *, every: bool) -> list[str]:
    """Name, kind, output and parameters of each layer; a long list only with `every`."""
    layers = mappings_in((network or {}).get("layers"))
    if not layers:
        return []
    if len(layers) > LAYERS and not every:
        return [f"{len(layers)} layers; --layers lists them"]
    cells = [
        (
            str(layer.get("name")) or "(itself)",
            str(layer.get("type")),
            _shape(layer.get("shape")) or MISSING,
            _count(layer.get("parameters")),
            _count(layer.get("trainable")),
        )
        for layer in layers
    ]
    return table(("layer", "kind", "output", "parameters", "trained"), cells, "llrrr")


def _without_checkpoint(summary: RunSummary) -> str:
    best = summary.best
    return ", whose checkpoint was not kept" if best is not None and best.checkpoint is None else ""


def _network(network: Mapping[str, Any] | None) -> str:
    if network is None or not isinstance(network.get("parameters"), int):
        return ""
    return f"{_count(network['parameters'])} parameters, {_count(network.get('trainable'))} trained"


def _shape(value: object) -> str:
    return "x".join(map(str, value)) if isinstance(value, list) else ""


def _counted(part: Mapping[str, Any]) -> str:
    return f"{part.get('name')}: {_count(part.get('parameters'))}, {_count(part.get('trainable'))} trained"


def _count(value: object) -> str:
    return count(value) if isinstance(value, int) else MISSING


def _remarks(checkpoint: Checkpoint, best: str | None, bad: bool) -> list[str]:
    marks = {
        "★ best": checkpoint.id == best,
        "pinned": checkpoint.pinned,
        "superseded": checkpoint.superseded,
        "within the epoch": checkpoint.mid_epoch,
        "unreadable": bad,
    }
    return [word for word, holds in marks.items() if holds]


def _other(row: Measured) -> str:
    """What is not as the run itself measures."""
    if row.unwritten:
        return row.unwritten
    if not row.key:
        return ""
    data = row.settings.get("data")
    return clean(str(data["root"])) if isinstance(data, dict) and "root" in data else "other settings"
