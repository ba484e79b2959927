"""Two trials of a study get further seeds in pairs until the verdict stands, or the budget of pairs ends."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from core.analysis.paired import Verdict, planned_looks
from core.analysis.study_table import pair, planned_verdict
from core.cli.study_view import StudyView, look, open_study
from core.config.workspace import Workspace
from core.errors import StateError, UsageError
from core.launch.study import StudyRuns, advance
from core.store.locks import Lock, acquire
from core.store.study_plans import Plan, add_plan, driver_lock
from core.store.study_run import StudyRun

POLL = 2.0
_UNDER_WAY = ("missing", "queued", "running")


def plan_of(path: Path, workspace: Workspace, names: tuple[str, str], at_most: int, data: str | None) -> Plan:
    """Write down the plan of two trials, before the first look.

    Raises UsageError when they are one, or when so many pairs can decide nothing; StateError when the two are
    planned with another number already.
    """
    study, _, _ = open_study(path, workspace, data=data, most=None)
    first, second = (study.trial(name).name for name in names)
    if first == second:
        raise UsageError(f"'{first}' cannot be compared with itself: name two trials")
    if not planned_looks(at_most):
        least = next(number for number in range(at_most, 1000) if planned_looks(number))
        raise UsageError(f"--at-most {at_most}: too few pairs to decide anything, the minimum is {least}")
    plan = Plan(first, second, at_most)
    add_plan(workspace, study.name, plan)
    return plan


def until_decided(
    path: Path,
    workspace: Workspace,
    plan: Plan,
    *,
    data: str | None,
    argv: list[str],
    say: Callable[[str], None],
    show: Callable[[StudyView, Verdict], None],
    pause: Callable[[float], None] = time.sleep,
) -> tuple[StudyView, Verdict]:
    """Queue pairs and look at each planned number of them; returns the last view and its verdict.

    So many pairs are under way as the next look needs. Everything is read from the runs each time: called
    again after any end it goes on. Raises StateError when runs fail so that no more pairs can come, or when
    another process does the same already: both would queue the same runs.
    """
    finder = StudyRuns(workspace)
    told: set[str] = set()
    with _alone(workspace, path.stem, plan):
        while True:
            study, plans, added = open_study(path, workspace, data=data, most=None)
            own = [run for run in finder.look(study) if run.trial in plan.pair]
            view = look(study, plans, added, finder)
            cells = {cell.trial: cell for cell in view.table.cells}
            pairs, refused = pair(cells[plan.first], cells[plan.second], study.judge)
            verdict = planned_verdict(pairs, plan.at_most)
            show(view, verdict)
            if verdict.decided or len(pairs) >= plan.at_most:
                return view, verdict
            usable, dead = _seeds(own, plan)
            if refused and any(run.status == "finished" for run in own) and not usable:
                raise StateError(f"{plan.first} and {plan.second} cannot be compared: {refused}")
            target = next((number for number in verdict.looks if number > len(pairs)), plan.at_most)
            if len(usable) < target and len(usable) + dead >= len({run.seed for run in own}):
                raise StateError(
                    f"runs of {dead} seeds have failed: only {len(usable)} of the {target} pairs that the "
                    "next test needs can be had; fix the cause and use --retry"
                )
            wanted = set(usable[:target])
            step = advance(workspace, study, [run for run in own if run.seed in wanted], argv=argv)
            for line in [*step.failures, step.stopped]:
                if line and line not in told:
                    told.add(line)
                    say(line)
            if step.stopped:
                return view, verdict
            pause(POLL)


def _alone(workspace: Workspace, study: str, plan: Plan) -> Lock:
    """The lock of whoever decides a plan. Raises StateError when another process holds it."""
    lock = acquire(driver_lock(workspace, study, plan.pair))
    if lock is None:
        raise StateError(f"{plan.first} and {plan.second} are being decided by another process already")
    return lock


def _seeds(runs: list[StudyRun], plan: Plan) -> tuple[list[int], int]:
    """Seeds that are, or still can become, pairs, in their order; and how many cannot."""
    by_seed: dict[int, list[StudyRun]] = {}
    for run in runs:
        by_seed.setdefault(run.seed, []).append(run)
    both = {seed: pair for seed, pair in by_seed.items() if len(pair) == 2}
    dead = {seed for seed, pair in both.items() if any(run.status == "failed" for run in pair)}
    return [seed for seed in both if seed not in dead], len(dead)
