"""A report of a study: its table, verdicts, what matters, curves with their band over seeds."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence

from core import humanise
from core.analysis.study_table import Cell
from core.cli.report.blocks import Block, Bullets, Report, Section, Source, Table, Text
from core.cli.report.case_section import case_section
from core.cli.report.data_section import data_section
from core.cli.report.figures import Line, curves
from core.cli.study_text import effect_lines, header, notes, progress_line, rows
from core.cli.study_view import StudyView
from core.config.workspace import Workspace
from core.launch.study import StudyRuns
from core.metrics import rank
from core.store.catalogue import summarise
from core.store.checkpoints import list_checkpoints
from core.store.paths import RunPaths

_MAX_CURVES = 8


def study_report(view: StudyView, finder: StudyRuns, workspace: Workspace, *, cases: int = 12) -> Report:
    """The report of a study as it stands; cases are those of the best run of its best trial."""
    sections = [
        Section("Results", tuple(_results(view))),
        Section("Curves", tuple(_curves(view, finder))),
        Section("Runs", tuple(_runs(view, workspace))),
    ]
    best = next((cell for cell in view.table.cells if cell.counted), None)
    if best is not None:
        judge, mode = view.table.judge, view.table.mode
        top = max(best.counted, key=lambda run: (rank(run.value(judge) or 0.0, mode), -run.seed))
        folder = RunPaths(workspace.runs / top.id)
        sections += case_section(folder, f"{best.trial}, seed {top.seed}", cases)
        sections += data_section(folder)
    facts = (
        progress_line(view),
        f"as of {time.strftime('%Y-%m-%d %H:%M UTC', time.gmtime(_ended(view, workspace)))}",
        f"made by: labtui report {view.study.name}",
    )
    return Report(f"Study {view.study.name}", facts, tuple(sections))


def _ended(view: StudyView, workspace: Workspace) -> float:
    times = []
    for run in view.runs:
        if run.id:
            summary = summarise(RunPaths(workspace.runs / run.id))
            times.append(summary.ended or summary.created)
    return max(times, default=0.0)


def _results(view: StudyView) -> list[Block]:
    titles = header(view)
    table = Table(
        tuple(titles),
        tuple(map(tuple, rows(view))),
        frozenset(range(1, len(titles) - 1)),
        Source(f"labtui study {view.study.name} --table"),
    )
    blocks: list[Block] = [table]
    if effects := effect_lines(view):
        blocks += [Text("What matters:"), Bullets(tuple(effects))]
    return [*blocks, Bullets(tuple(notes(view)))]


def _curves(view: StudyView, finder: StudyRuns) -> list[Block]:
    lines = [
        line
        for color, cell in enumerate(view.table.cells[:_MAX_CURVES])
        if (line := band(cell, finder, view.table.metric, view.table.epochs, color)) is not None
    ]
    left = sum(bool(cell.runs) for cell in view.table.cells) - len(lines)
    title = "Mean over seeds; the band reaches from the lowest to the highest seed."
    if left > 0:
        title += f" The first {len(lines)} trials of the table."
    figures = curves("curves", [(view.table.metric, lines)])
    return [Text(title), *figures] if figures else [Text("No epoch has ended yet.")]


def band(cell: Cell, finder: StudyRuns, metric: str, epochs: int, color: int) -> Line | None:
    """Mean and range over the seeds of a trial at each epoch that all of its runs have reached."""
    series = [
        by_epoch
        for run in cell.runs
        if run.id and (by_epoch := _by_epoch(finder.history(run.id).epochs, metric, epochs))
    ]
    if not series:
        return None
    shared = sorted(set.intersection(*(set(one) for one in series)))
    if not shared:
        return None
    columns = [[one[epoch] for one in series] for epoch in shared]
    mean = [math.fsum(values) / len(values) for values in columns]
    if len(series) == 1:
        return Line(cell.trial, shared, mean, color=color)
    low, high = [min(values) for values in columns], [max(values) for values in columns]
    return Line(f"{cell.trial} (n = {len(series)})", shared, mean, color=color, low=low, high=high)


def _by_epoch(epochs: Sequence[Mapping[str, float]], metric: str, most: int) -> dict[int, float]:
    return {
        int(row["epoch"]): row[metric]
        for row in epochs
        if row["epoch"] <= most and math.isfinite(row.get(metric, math.nan))
    }


def _runs(view: StudyView, workspace: Workspace) -> list[Block]:
    table = view.table
    body: list[tuple[str, ...]] = []
    for cell in table.cells:
        for run in cell.runs:
            if not run.id:
                body.append((cell.trial, str(run.seed), run.status, "", "", "", "", "", ""))
                continue
            kept = {item.epoch: item for item in list_checkpoints(RunPaths(workspace.runs / run.id))}
            at = kept.get(run.best_epoch)
            body.append(
                (
                    cell.trial,
                    str(run.seed),
                    run.status,
                    humanise.number(table.metric, run.best),
                    str(run.best_epoch) if run.best_epoch else "",
                    humanise.number(table.metric, run.last),
                    run.id,
                    at.id if at else "",
                    at.sha256 if at else "",
                )
            )
    titles = ("trial", "seed", "state", "best", "at epoch", "last", "run", "checkpoint", "sha256")
    return [Table(titles, tuple(body), frozenset({1, 3, 4, 5}), folded=f"All {len(body)} runs")]
