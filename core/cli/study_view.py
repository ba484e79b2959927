"""A study with its runs and its table, as command line and screens show it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from core.analysis.study_table import StudyTable, study_table
from core.config.study import Study, load_study
from core.config.study_file import MANY
from core.config.workspace import Workspace
from core.launch.study import StudyRuns
from core.store.study_plans import Plan, read_plans
from core.store.study_run import StudyRun


@dataclass(frozen=True)
class StudyView:
    """What there is of a study at one moment. `runs` are in the study's order, seeds of plans behind."""

    study: Study
    plans: tuple[Plan, ...]
    runs: tuple[StudyRun, ...]
    table: StudyTable

    def count(self, *statuses: str) -> int:
        """How many runs are in one of these states."""
        return sum(run.status in statuses for run in self.runs)

    @property
    def left(self) -> float | None:
        """Seconds until the last run ends, as many side by side as train now; None before any has a pace."""
        paces = [run.seconds_per_epoch for run in self.runs if run.seconds_per_epoch]
        if not paces:
            return None
        mean = math.fsum(paces) / len(paces)
        todo = [run for run in self.runs if run.status in ("queued", "running", "missing")]
        side_by_side = max(1, sum(run.status == "running" for run in todo))
        return (
            math.fsum((self.study.epochs - run.epoch) * (run.seconds_per_epoch or mean) for run in todo)
            / side_by_side
        )


def open_study(
    path: Path, workspace: Workspace, *, data: str | None = None, most: int | None = MANY
) -> tuple[Study, tuple[Plan, ...], frozenset[tuple[str, int]]]:
    """The study in a file, with the seeds that its plans may add, which are named as the third part.

    Raises ConfigError with all problems.
    """
    study = load_study(path, workspace=workspace, data=data, most=most)
    plans = tuple(
        plan
        for plan in read_plans(workspace, study.name)
        if plan.pair <= {trial.name for trial in study.trials}
    )
    if not plans:
        return study, (), frozenset()
    shared = {plan: planned_seeds(study, plan) for plan in plans}
    more: dict[str, tuple[int, ...]] = {}
    for plan, seeds in shared.items():
        for name in plan.pair:
            more[name] = tuple(dict.fromkeys((*more.get(name, ()), *seeds)))
    own = {(trial.name, seed) for trial in study.trials for seed in trial.seeds}
    study = load_study(path, workspace=workspace, data=data, most=None, more_seeds=more)
    added = {(trial.name, seed) for trial in study.trials for seed in trial.seeds} - own
    return study, plans, frozenset(added)


def planned_seeds(study: Study, plan: Plan) -> tuple[int, ...]:
    """The seeds of both trials of a plan, at most as many as it allows: the file's, then the next ones."""
    first, second = (study.trial(name).seeds for name in (plan.first, plan.second))
    seeds = [seed for seed in first if seed in second]
    seeds += [seed for seed in (*first, *second) if seed not in seeds]
    following = max((*first, *second), default=-1) + 1
    seeds += range(following, following + max(0, plan.at_most - len(seeds)))
    return tuple(dict.fromkeys(seeds))[: plan.at_most]


def look(
    study: Study,
    plans: tuple[Plan, ...],
    added: frozenset[tuple[str, int]],
    finder: StudyRuns,
    *,
    baseline: str = "",
) -> StudyView:
    """The study as it stands."""
    runs = runs_of(study, added, finder)
    return StudyView(study, plans, runs, table_of(study, plans, runs, baseline))


def runs_of(study: Study, added: frozenset[tuple[str, int]], finder: StudyRuns) -> tuple[StudyRun, ...]:
    """Its runs now. Those that a plan may add are left out as long as they do not exist."""
    return tuple(
        run for run in finder.look(study) if run.status != "missing" or (run.trial, run.seed) not in added
    )


def table_of(
    study: Study, plans: tuple[Plan, ...], runs: tuple[StudyRun, ...], baseline: str = ""
) -> StudyTable:
    """The table of these runs."""
    return study_table(
        [(trial.name, trial.levels) for trial in study.trials],
        runs,
        metric=study.metric,
        mode=study.mode,
        judge=study.judge,
        epochs=study.epochs,
        factors=study.factors,
        one_split="data.split.seed" not in study.vary,
        baseline=baseline,
        plans={plan.pair: plan.at_most for plan in plans},
    )
