"""A report of runs: settings that differ, results, curves, errors, data."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

from core import humanise
from core.cli.config_runs import setting_text
from core.cli.estimate_lines import best_estimates
from core.cli.metric_tables import shown
from core.cli.report.blocks import Block, Bullets, Report, Section, Source, Table, Text
from core.cli.report.case_section import case_section
from core.cli.report.data_section import data_section
from core.cli.report.figures import Line, curves
from core.cli.run_outlook import run_outlook
from core.config.fields import field_specs
from core.config.load import changed_fields, read_stored
from core.config.schema import Experiment
from core.store.catalogue import summarise
from core.store.checkpoints import list_checkpoints
from core.store.history import History
from core.store.paths import RunPaths
from core.store.records import Checkpoint, RunSummary
from core.store.restore import read_run_history
from core.words import run_state_line

_MAX_METRICS = 10


@dataclass(frozen=True)
class Reported:
    """A run with all that its report is made of."""

    run: RunPaths
    summary: RunSummary
    experiment: Experiment
    history: History
    checkpoint: Checkpoint | None

    @property
    def label(self) -> str:
        return self.summary.label

    def source(self, command: str) -> Source:
        """`command` about this run, with the checkpoint behind its best value."""
        kept = self.checkpoint
        return Source(command, kept.id if kept else "", kept.sha256 if kept else "")


def read_run(run: RunPaths) -> Reported:
    """Everything about a run. Raises ConfigError or UnreadableError when its config cannot be read."""
    summary = summarise(run)
    best = summary.best.checkpoint if summary.best else None
    kept = {checkpoint.id: checkpoint for checkpoint in list_checkpoints(run)}
    return Reported(
        run,
        summary,
        read_stored(run.config),
        read_run_history(run, steps=False),
        kept.get(best or ""),
    )


def run_report(runs: Sequence[RunPaths], *, cases: int = 12, title: str = "") -> Report:
    """The report of one or more runs. Raises ConfigError or UnreadableError."""
    told = [read_run(run) for run in runs]
    names = _unlike(told)
    sections = [
        Section("Results", tuple(_results(told, names))),
        Section("Settings", tuple(_settings(told, names))),
        Section("Curves", tuple(_curves(told, names))),
    ]
    for one, name in zip(told, names, strict=True):
        sections += case_section(one.run, one.label if len(told) == 1 else name, cases)
    sections += data_section(told[0].run)
    ended = max((one.summary.ended or one.summary.created for one in told), default=0.0)
    facts = (
        f"{len(told)} run{'s' if len(told) > 1 else ''}: {', '.join(one.summary.id for one in told)}",
        f"as of {time.strftime('%Y-%m-%d %H:%M UTC', time.gmtime(ended))}",
        f"made by: labtui report {' '.join(one.summary.id for one in told)}",
    )
    return Report(title or _title(names), facts, tuple(sections))


def _title(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:3])}{' and more' if len(names) > 3 else ''}"


def _unlike(told: Sequence[Reported]) -> list[str]:
    """Names that tell the runs apart."""
    labels = [one.label for one in told]
    return [
        label if labels.count(label) == 1 else f"{label} ({one.summary.id[-4:]})"
        for one, label in zip(told, labels, strict=True)
    ]


def _results(told: Sequence[Reported], names: Sequence[str]) -> list[Block]:
    metrics = list(dict.fromkeys(one.summary.metric for one in told))
    others = _other_metrics(told, metrics)
    rows: list[tuple[str, ...]] = []
    where: list[tuple[str, ...]] = []
    for one, name in zip(told, names, strict=True):
        best = one.summary.best
        at = next((row for row in one.history.epochs if best and row["epoch"] == best.epoch), {})
        minutes = math.fsum(row.get("time/epoch", 0.0) for row in one.history.epochs) / 60
        rows.append(
            (
                name,
                shown(one.summary.metric, best.value if best else None),
                str(best.epoch) if best else humanise.MISSING,
                shown(one.summary.metric, one.summary.last.get(one.summary.metric)),
                *(shown(key, at.get(key)) for key in others),
                f"{one.summary.epoch}/{one.summary.epochs}",
                f"{minutes:.1f}",
                run_state_line(one.summary),
            )
        )
        kept = one.checkpoint
        where.append(
            (
                name,
                kept.id if kept else "not kept",
                kept.sha256 if kept else "",
                f"labtui measure {one.summary.id} --at {kept.id if kept else 'best'}",
            )
        )
    metric = metrics[0] if len(metrics) == 1 else "metric"
    header = ("run", f"best {metric}", "at epoch", "last", *others, "epochs", "minutes", "state")
    blocks: list[Block] = [Table(header, tuple(rows), frozenset(range(1, 6 + len(others))))]
    if len(metrics) > 1:
        blocks.append(Text(f"The runs are judged by different metrics: {', '.join(metrics)}.", warn=True))
    outlooks = [
        f"{name}: {found.sentence}"
        for one, name in zip(told, names, strict=True)
        if (found := run_outlook(one.run, one.history, one.summary.metric, one.summary.epochs)) is not None
    ]
    blocks += [*_intervals(told, names), Bullets(tuple(outlooks))]
    blocks.append(
        Table(
            ("run", "checkpoint", "sha256", "command that measures it again"),
            tuple(where),
            folded="Where the numbers come from",
        )
    )
    return blocks


def _intervals(told: Sequence[Reported], names: Sequence[str]) -> list[Block]:
    """What stands beside the best measures: intervals over images, and what guessing reaches."""
    rows: list[tuple[str, ...]] = []
    share = ""
    for one, name in zip(told, names, strict=True):
        for _, found in best_estimates(one.run):
            share = f"{found.confidence:.0%}"
            rows += [
                (
                    name,
                    metric,
                    shown(metric, value.value),
                    humanise.MISSING
                    if value.low is None
                    else f"{shown(metric, value.low)} to {shown(metric, value.high)}",
                    shown(metric, value.baseline),
                )
                for metric, value in found.metrics.items()
            ]
    if not rows:
        return []
    header = ("run", "metric", "value", f"{share} over images", "chance level")
    note = "Intervals are about other images like these, not about other seeds."
    return [Table(header, tuple(rows), frozenset({2, 3, 4})), Text(note)]


def _other_metrics(told: Sequence[Reported], metrics: Sequence[str]) -> list[str]:
    """Validation metrics that stand beside, without terms of the loss and numbers by size."""
    names = dict.fromkeys(name for one in told for name in one.summary.last if name.startswith("val/"))
    left = ("loss_", "map_small", "map_medium", "map_large", "mar_")
    kept = [n for n in names if n not in metrics and not n.rsplit("/", 1)[-1].startswith(left)]
    return kept[:_MAX_METRICS]


def _settings(told: Sequence[Reported], names: Sequence[str]) -> list[Block]:
    keys = [spec.key for spec in field_specs()]
    values = {key: [setting_text(one.experiment, key) for one in told] for key in keys}
    differ = [key for key in keys if len(set(values[key])) > 1]
    changed = {key for one in told[1:] for key in changed_fields(told[0].experiment, one.experiment).result}
    blocks: list[Block] = []
    if len(told) > 1:
        if differ:
            rows = tuple(
                (key, *(value or "none" for value in values[key]), "" if _is_result(key, changed) else "no")
                for key in differ
            )
            blocks.append(Table(("differs", *names, "changes numbers"), rows))
        else:
            blocks.append(Text("All settings are the same."))
    same = tuple((key, values[key][0] or "none") for key in keys if key not in differ)
    title = "All settings" if len(told) == 1 else "Settings that all share"
    blocks.append(Table(("key", "value"), same, folded=title))
    return blocks


def _is_result(key: str, changed: set[str]) -> bool:
    return any(key == other or key.startswith(f"{other}.") for other in changed)


def _curves(told: Sequence[Reported], names: Sequence[str]) -> list[Block]:
    metrics = list(dict.fromkeys(one.summary.metric for one in told))
    panels: list[tuple[str, list[Line]]] = []
    for metric in metrics:
        leaf = metric.partition("/")[2]
        panels.append((leaf, _panel(told, names, (metric, f"train/{leaf}"))))
    panels.append(("loss", _panel(told, names, ("val/loss", "train/loss"))))
    panels.append(("learning rate", _panel(told, names, ("lr",))))
    figures = curves("curves", panels)
    if not figures:
        return [Text("No epoch has ended yet.")]
    return [Text("Solid: validation, dashed: training; a star is the best epoch."), *figures]


def _panel(told: Sequence[Reported], names: Sequence[str], metrics: Sequence[str]) -> list[Line]:
    lines = []
    for color, (one, name) in enumerate(zip(told, names, strict=True)):
        for place, metric in enumerate(metrics):
            points = [
                (row["epoch"], row[metric])
                for row in one.history.epochs
                if math.isfinite(row.get(metric, math.nan))
            ]
            if not points:
                continue
            best = one.summary.best
            mark = (best.epoch, best.value) if best and metric == one.summary.metric else None
            label = f"{name}{' train' if place else ''}"
            x, y = zip(*points, strict=True)
            lines.append(Line(label, x, y, dashed=place > 0, color=color, mark=mark))
    return lines
