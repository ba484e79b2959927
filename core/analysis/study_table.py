"""The table of a study: each trial by itself, then what is said of two of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from core.analysis.main_effects import MainEffect, Result, main_effects
from core.analysis.paired import LEVEL, Verdict, paired_verdict
from core.metrics import Mode, rank
from core.store.study_run import StudyRun


@dataclass(frozen=True)
class Spread:
    """Mean and standard deviation (n - 1; None for one value) of `n` runs."""

    mean: float
    sd: float | None
    n: int


@dataclass(frozen=True)
class Cell:
    """One trial. `value`, `best`, `last`, `columns` and `minutes` are over the runs that count, None without.

    They come from its own runs alone. `notes` say what does not count, and why; `open` runs are
    not at their end yet.
    """

    trial: str
    levels: Mapping[str, str]
    runs: tuple[StudyRun, ...]
    counted: tuple[StudyRun, ...]
    value: Spread | None
    best: Spread | None
    last: Spread | None
    columns: Mapping[str, Spread]
    minutes: float | None
    notes: tuple[str, ...]
    open: int


@dataclass(frozen=True)
class Versus:
    """A trial against the baseline: mean of the paired differences and the verdict, or why there is none."""

    trial: str
    verdict: Verdict | None
    seeds: tuple[int, ...]
    refused: str = ""


@dataclass(frozen=True)
class StudyTable:
    """Cells, best first, then those without a value; `versus` by trial, corrected over all of them."""

    metric: str
    mode: Mode
    judge: str
    epochs: int
    cells: tuple[Cell, ...]
    baseline: str
    versus: Mapping[str, Versus]
    effects: tuple[MainEffect, ...]
    notes: tuple[str, ...] = field(default=())


def study_table(
    trials: Sequence[tuple[str, Mapping[str, str]]],
    runs: Sequence[StudyRun],
    *,
    metric: str,
    mode: Mode,
    judge: str,
    epochs: int,
    factors: Sequence[str] = (),
    one_split: bool = True,
    baseline: str = "",
    plans: Mapping[frozenset[str], int] | None = None,
) -> StudyTable:
    """The table of `trials` (name, levels). `baseline` is the trial compared with; by default the best.

    `one_split`: all runs were to be validated on the same images; else each seed has its own. `plans` are
    pairs of trials whose seeds were added until a verdict, with the number of pairs that was the limit.
    """
    cells = [
        _cell(name, levels, [run for run in runs if run.trial == name], judge, epochs, one_split)
        for name, levels in trials
    ]
    cells.sort(key=lambda cell: math.inf if cell.value is None else -rank(cell.value.mean, mode))
    valued = [cell for cell in cells if cell.value is not None]
    base = next((cell for cell in cells if cell.trial == baseline), None) or (valued[0] if valued else None)
    versus = _versus(cells, base, judge, plans or {})
    results = [
        Result(cell.levels, run.seed, value)
        for cell in cells
        for run in cell.counted
        if (value := run.value(judge)) is not None
    ]
    alike = len({run.images for cell in cells for run in cell.counted}) <= 1 or not one_split
    effects = main_effects(results, factors, mode=mode) if alike else ()
    return StudyTable(
        metric, mode, judge, epochs, tuple(cells), base.trial if base else "", versus, effects, _notes(cells)
    )


def spread(values: Sequence[float]) -> Spread | None:
    """Mean, standard deviation and number of `values`; None for none."""
    if not values:
        return None
    mean = math.fsum(values) / len(values)
    if len(values) == 1:
        return Spread(mean, None, 1)
    return Spread(
        mean, math.sqrt(math.fsum((v - mean) ** 2 for v in values) / (len(values) - 1)), len(values)
    )


def _cell(
    name: str,
    levels: Mapping[str, str],
    runs: Sequence[StudyRun],
    judge: str,
    epochs: int,
    one_split: bool,
) -> Cell:
    counted: list[StudyRun] = []
    notes: list[str] = []
    for run in runs:
        if run.status == "failed":
            notes.append(f"seed {run.seed}: {run.reason or 'failed'}")
        elif run.status == "lost":
            notes.append(f"seed {run.seed} was lost at epoch {run.epoch}")
        elif run.status == "stopped":
            notes.append(f"seed {run.seed} was stopped at epoch {run.epoch} of {epochs}: not averaged")
        elif run.status == "short" and not (run.early and judge == "best"):
            how = "ended early" if run.early else "ended"
            notes.append(f"seed {run.seed} {how} at epoch {run.epoch} of {epochs}: not averaged")
        elif run.status in ("finished", "short"):
            if run.value(judge) is None:
                notes.append(f"seed {run.seed} has no finite value of the metric")
            else:
                counted.append(run)
            if run.early:
                notes.append(f"seed {run.seed} stopped early at epoch {run.epoch}, by its early_stop")
    if one_split and len({run.images for run in counted}) > 1:
        notes.append("its runs were validated on different images: not averaged")
        counted = []
    elif len({repr(sorted(run.measured.items())) for run in counted}) > 1:
        notes.append("its runs were measured in different ways: not averaged")
        counted = []
    values = [value for run in counted if (value := run.value(judge)) is not None]
    names = dict.fromkeys(name for run in counted for name in run.columns)
    columns = {
        name: made
        for name in names
        if (made := spread([run.columns[name] for run in counted if name in run.columns])) is not None
    }
    return Cell(
        trial=name,
        levels=levels,
        runs=tuple(runs),
        counted=tuple(counted),
        value=spread(values),
        best=spread([run.best for run in counted if run.best is not None]),
        last=spread([run.last for run in counted if run.last is not None]),
        columns=columns,
        minutes=math.fsum(run.minutes for run in counted) / len(counted) if counted else None,
        notes=tuple(notes),
        open=sum(run.status in ("missing", "queued", "running") for run in runs),
    )


def _versus(
    cells: Sequence[Cell], base: Cell | None, judge: str, plans: Mapping[frozenset[str], int]
) -> dict[str, Versus]:
    if base is None or base.value is None:
        return {}
    found: dict[str, Versus] = {}
    pairs: dict[str, list[tuple[int, float, float]]] = {}
    for cell in cells:
        if cell is base or cell.value is None:
            continue
        shared, refused = pair(cell, base, judge)
        most = plans.get(frozenset((cell.trial, base.trial)))
        if refused:
            found[cell.trial] = Versus(cell.trial, None, (), refused)
        elif most is not None:
            verdict = planned_verdict(shared, most)
            found[cell.trial] = Versus(cell.trial, verdict, tuple(seed for seed, _, _ in shared))
        else:
            pairs[cell.trial] = shared
    differences = {name: [a - b for _, a, b in shared] for name, shared in pairs.items()}
    for name, verdict in corrected(differences).items():
        found[name] = Versus(name, verdict, tuple(seed for seed, _, _ in pairs[name]))
    return found


def planned_verdict(pairs: Sequence[tuple[int, float, float]], at_most: int) -> Verdict:
    """The verdict on pairs (seed, first, second) that were added one by one, up to `at_most` of them."""
    return paired_verdict([a - b for _, a, b in pairs][:at_most], at_most=at_most)


def corrected(differences: Mapping[str, Sequence[float]], level: float = LEVEL) -> dict[str, Verdict]:
    """A verdict on each list of differences, all of them together false at most at `level` (Holm 1979).

    From the smallest p on, each has to reach `level` divided by the number of those still left.
    """
    first = {name: paired_verdict(values, level=level) for name, values in differences.items()}
    order = sorted(first, key=lambda name: first[name].test.p if first[name].test else 1.0)  # type: ignore[union-attr]
    made: dict[str, Verdict] = {}
    share = level / max(len(order), 1)
    open_still = True
    for place, name in enumerate(order):
        if open_still:
            share = level / (len(order) - place)
        made[name] = paired_verdict(differences[name], level=share)
        open_still = open_still and made[name].decided
    return {name: made[name] for name in differences}


def pair(cell: Cell, base: Cell, judge: str) -> tuple[list[tuple[int, float, float]], str]:
    """Seeds that both have, with the value of each: (seed, cell, base). Else why they do not compare."""
    theirs = {run.seed: run for run in base.counted}
    pairs: list[tuple[int, float, float]] = []
    other = 0
    for run in cell.counted:
        partner = theirs.get(run.seed)
        if partner is None:
            continue
        if partner.images != run.images or dict(partner.measured) != dict(run.measured):
            other += 1
            continue
        a, b = run.value(judge), partner.value(judge)
        if a is not None and b is not None:
            pairs.append((run.seed, a, b))
    if pairs:
        return sorted(pairs), ""
    if other:
        return [], "other validation images, or measured in another way: no difference is shown"
    return [], "no seed in common"


def _notes(cells: Sequence[Cell]) -> tuple[str, ...]:
    notes = []
    counted = [run for cell in cells for run in cell.counted]
    if len({run.images for run in counted}) > 1:
        notes.append("runs were validated on different images: trials compare only where these are the same")
    lacking = {cell.trial: {run.seed for run in cell.counted} for cell in cells if cell.counted}
    if len({frozenset(seeds) for seeds in lacking.values()}) > 1:
        notes.append("seeds differ between trials: only seeds that two trials share are compared")
    return tuple(notes)
