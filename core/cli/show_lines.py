"""A run for people, part by part: facts, checkpoints, measures, classes, jobs, layers."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from core.cli.job_words import progress_words
from core.cli.output import table
from core.cli.words import best_words, started_words, state_words, time_left
from core.errors import CheckpointError
from core.humanise import MISSING, age, count, number, size, state_glyph
from core.store.checkpoints import choose
from core.store.jobs import JobState, unreadable
from core.store.measures import Measured
from core.store.paths import RunPaths
from core.store.records import ACTIVE, Checkpoint, RunSummary
from core.store.usage import run_usage
from core.text import clean, middle_cut

LAYERS = 40
"""More layers than these are only listed on request."""
_CLASSES = 30
_NAME = 40


def fact_lines(run: RunPaths, summary: RunSummary, network: Mapping[str, Any] | None) -> list[str]:
    """State, settings in a word, best epoch, disk, network by parts."""
    usage = run_usage(run)
    facts = {
        "run": summary.id + (" (imported, read-only)" if summary.imported else ""),
        "name": summary.name,
        "state": state_words(summary),
        "config": f"{summary.config}, {summary.model}" + (f", mode {summary.mode}" if summary.mode else ""),
        "network": _network(network),
        "epoch": f"{summary.epoch}/{summary.epochs}",
        "best": f"{summary.metric} {best_words(summary)}",
        "started": f"{started_words(summary)} ago",
        "left": time_left(summary) if summary.state in ACTIVE else "",
        "fork of": summary.parent or "",
        "tags": ", ".join(summary.tags),
        "note": summary.note,
        "disk": f"{size(usage.bytes)}, {size(usage.checkpoints)} of it checkpoints",
        "folder": str(run.root),
    }
    lines = [f"{name:8}  {value}" for name, value in facts.items() if value]
    parts = [part for part in (network or {}).get("parts") or [] if isinstance(part, Mapping)]
    if len(parts) > 1:
        place = next(at for at, line in enumerate(lines) if line.startswith("network"))
        lines[place + 1 : place + 1] = [f"{'':8}  {_counted(part)}" for part in parts]
    return lines


def checkpoint_lines(
    run: RunPaths, summary: RunSummary, checkpoints: Sequence[Checkpoint], jobs: Sequence[JobState]
) -> list[str]:
    """A row a checkpoint; those that a measuring job could not read are marked."""
    if not checkpoints:
        return ["no checkpoints yet"]
    names = sorted({name for item in checkpoints for name in item.metrics if "/" in name})
    now = time.time()
    best = summary.best.checkpoint if summary.best else None
    bad = unreadable(jobs)
    rows = [
        (
            item.id,
            str(item.epoch),
            count(item.step),
            *(number(name, item.metrics[name]) if name in item.metrics else MISSING for name in names),
            size(item.bytes),
            age(max(0.0, now - item.time)),
            ", ".join(_remarks(item, best, item.id in bad)),
        )
        for item in checkpoints
    ]
    header = ("checkpoint", "epoch", "step", *names, "size", "age", "")
    lines = table(header, rows, "lrr" + "r" * len(names) + "rr")
    there = {item.id for item in checkpoints}
    return lines + [f"✗ {name}: {reason}" for name, reason in bad.items() if name in there]


def measure_lines(rows: Sequence[Measured]) -> list[str]:
    """A row for each checkpoint, split and way of measuring."""
    if not rows:
        return []
    names = list(dict.fromkeys(name for row in rows for name in row.metrics))
    cells = [
        (
            row.checkpoint,
            row.split,
            str(row.images),
            *(number(name, row.metrics[name]) if name in row.metrics else MISSING for name in names),
            _other(row),
        )
        for row in rows
    ]
    return table(("measured", "split", "images", *names, ""), cells, "llr" + "r" * len(names))


def class_lines(run: RunPaths, rows: Sequence[Measured]) -> list[str]:
    """Accuracy of each class at the best checkpoint, the worst first when there are many."""
    try:
        best = choose(run, "best")
    except CheckpointError:
        return []
    own = [row for row in rows if row.checkpoint == best.id and row.split == "val" and not row.key]
    found = [item for row in own for item in row.per_class if isinstance(item, dict)]
    if not found:
        return []
    shown = found
    if len(found) > _CLASSES:
        shown = sorted(found, key=lambda item: (item.get("accuracy") is None, item.get("accuracy")))
        shown = shown[:_CLASSES]
    cells = [
        (
            middle_cut(clean(str(item.get("class"))), _NAME),
            str(item.get("n")),
            str(item.get("correct")),
            number("accuracy", item.get("accuracy")),
        )
        for item in shown
    ]
    lines = table((f"class, val at {best.id}", "images", "right", "accuracy"), cells, "lrrr")
    left = len(found) - len(shown)
    return [*lines, f"and {left} more, all better"] if left else lines


def job_lines(jobs: Sequence[JobState]) -> list[str]:
    """A row a job."""
    if not jobs:
        return []
    now = time.time()
    cells = [
        (
            job.name,
            f"{state_glyph(job.state)} {job.state}{f': {job.reason}' if job.reason else ''}",
            progress_words(job),
            age(max(0.0, now - job.created)),
        )
        for job in jobs
    ]
    return table(("job", "state", "done", "age"), cells, "llrr")


def layer_lines(network: Mapping[str, Any] | None, *, every: bool) -> list[str]:
    """Name, kind, output and parameters of each layer; a long list only with `every`."""
    layers = _mappings((network or {}).get("layers"))
    if not layers:
        return []
    if len(layers) > LAYERS and not every:
        return [f"{len(layers)} layers; --layers lists them"]
    cells = [
        (
            str(layer.get("name")) or "(itself)",
            str(layer.get("type")),
            "x".join(map(str, layer.get("shape") or ())) or MISSING,
            _count(layer.get("parameters")),
            _count(layer.get("trainable")),
        )
        for layer in layers
    ]
    return table(("layer", "kind", "output", "parameters", "trained"), cells, "llrrr")


def _network(network: Mapping[str, Any] | None) -> str:
    if network is None or not isinstance(network.get("parameters"), int):
        return ""
    return f"{_count(network['parameters'])} parameters, {_count(network.get('trainable'))} trained"


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
    if not row.key:
        return ""
    data = row.settings.get("data")
    return clean(str(data["root"])) if isinstance(data, dict) and "root" in data else "other settings"


def _mappings(value: object) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []
