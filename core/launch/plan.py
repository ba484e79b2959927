"""What a resume would do, in a sentence, before anything is touched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from core import humanise
from core.config.workspace import Workspace
from core.errors import CheckpointError, StateError, UsageError
from core.launch.model_files import changed_code
from core.launch.preview import disk_estimate
from core.store.catalogue import summarise
from core.store.changes import require_lists
from core.store.checkpoints import list_checkpoints, look_up, newest_good, verify
from core.store.files import read_json
from core.store.metrics import read_history
from core.store.paths import RunPaths
from core.store.records import ACTIVE, Checkpoint, RunSummary
from core.store.runs import requests
from core.store.state import derive_state
from core.text import clean

if TYPE_CHECKING:
    from core.config.load import Changes
    from core.config.schema import Experiment


@dataclass(frozen=True)
class ResumePlan:
    """`start` is None when training begins anew because nothing was saved yet."""

    start: Checkpoint | None
    total_epochs: int
    forks: bool
    changes: Changes
    experiment: Experiment
    config_name: str
    sentence: str


def plan_resume(
    run: RunPaths,
    *,
    start: str = "last",
    total: int | None = None,
    more: int | None = None,
    overrides: Sequence[str] = (),
    fork: bool = False,
) -> ResumePlan:
    """Check a resume or fork and say what it will do.

    `total` is the epoch to end at, `more` counts from the chosen checkpoint; with neither, the run's old goal
    holds. Raises StateError (it runs; nothing left to do; imported), CheckpointError (damaged, unknown),
    ConfigError, UsageError.
    """
    from core.config.load import apply_overrides, changed_fields, read_stored

    if total is not None and more is not None:
        raise UsageError("give either --epochs or --more, not both")
    if (more is not None and more < 1) or (total is not None and total < 1):
        raise UsageError("the number of epochs has to be 1 or more")
    spec = read_json(run.spec) or {}
    if spec.get("imported") is True:
        raise StateError(_imported(run))
    stored = read_stored(run.config)
    wanted = apply_overrides(stored, overrides, workspace=Workspace(run.root.parents[1]))
    changes = changed_fields(stored, wanted)
    new_code = changed_code(run, wanted.model)
    if new_code and "model" not in changes.result and any(item.startswith("model=") for item in overrides):
        changes = replace(changes, result=(*changes.result, "model"))
    if "epochs" in changes.operational and total is None and more is None:
        total = wanted.epochs
    forks = fork or bool(changes.result)
    others = [key for key in changes.operational if key != "epochs"]
    if others and not forks:
        keys = ", ".join(others)
        raise UsageError(f"{keys}: fixed when the run was made; add --fork to change it in a copy")
    if {"weights", "weights_sha256"} & set(changes.result):
        raise UsageError(
            "weights: a fork continues with its checkpoint's weights; to start with others, start a new run"
        )
    summary = summarise(run)
    if summary.state in ACTIVE and not forks:
        raise StateError(f"run {run.id} is {summary.state}: stop it first, or fork it")
    open_end = start == "last" and total is None and more is None
    if summary.early_stop is not None and open_end and not forks:
        raise StateError(
            f"run {run.id} finished early at epoch {summary.early_stop} of {_old_goal(run)}, as it no longer "
            "improved: use --more N for further epochs"
        )
    if not any(key == "data" or key.startswith("data.") for key in changes.result):
        require_lists(run)
    checkpoint, note = _checkpoint(run, start, forks)
    done = 0 if checkpoint is None else completed_epochs(checkpoint)
    goal = total if total is not None else done + more if more is not None else _old_goal(run)
    if goal <= done:
        state = "finished" if derive_state(run).state == "finished" else "done"
        raise StateError(
            f"run {run.id} is already {state} at epoch {done} of {goal}: nothing to do;"
            f" use --more N for further epochs"
        )
    notes = [note]
    if new_code and "model" not in changes.result:
        notes.append(_kept_code(new_code, wanted.model, checkpoint))
    if not forks:
        notes.append(_schedule_note(stored, goal))
    experiment = wanted.model_copy(update={"epochs": goal})
    return ResumePlan(
        start=checkpoint,
        total_epochs=goal,
        forks=forks,
        changes=changes,
        experiment=experiment,
        config_name=str(spec.get("config", "run")),
        sentence="; ".join(
            filter(
                None,
                [_sentence(run, summary, checkpoint, goal, changes if forks else None, experiment), *notes],
            )
        ),
    )


def _kept_code(name: str, model: str, checkpoint: Checkpoint | None) -> str:
    """That a run goes on with the network it was made with, and how to take the one of today."""
    way = "a new run takes that" if checkpoint is None else f"--set model={clean(model)} forks with that"
    return f"uses its own copy of {name}; the file has changed since: {way}"


def _schedule_note(stored: Experiment, goal: int) -> str:
    """That learning rates stay where the schedule has brought them; empty when it does not end before."""
    if not stored.scheduler.kind.by_horizon or goal <= stored.epochs:
        return ""
    return (
        f"its {stored.scheduler.name} schedule ends at epoch {stored.epochs}, so the learning rate stays "
        "where it is then: --fork gives the further epochs a schedule of their own"
    )


def completed_epochs(checkpoint: Checkpoint) -> int:
    """Whole epochs behind a checkpoint."""
    return checkpoint.epoch - 1 if checkpoint.mid_epoch else checkpoint.epoch


def _imported(run: RunPaths) -> str:
    """Why a run that was trained elsewhere cannot go on, with the file to start from instead."""
    every = list_checkpoints(run)
    file = every[-1].file if every else "FILE"
    return f"run {run.id} is imported, read-only: start a new run with weights: {file}"


def _old_goal(run: RunPaths) -> int:
    asked = requests(run)
    if asked and asked[-1].problem:
        raise StateError(f"{asked[-1].problem}: give the last epoch of run {run.id} with --epochs N")
    return asked[-1].total_epochs if asked else 0


def _checkpoint(run: RunPaths, start: str, forks: bool) -> tuple[Checkpoint | None, str]:
    """Where to start, and what is to be said of it."""
    if start == "last" and not list_checkpoints(run):
        if forks:
            raise CheckpointError(f"run {run.id} has no checkpoint yet: nothing to fork from")
        return None, ""
    found = look_up(run, start)
    chosen = found.checkpoint
    problem = verify(chosen)
    if problem:
        good = newest_good(run)
        way_out = f"--from {good.id} is the newest usable one" if good else "no other one is usable"
        raise CheckpointError(f"{problem.removesuffix('.')}; {way_out}")
    return chosen, found.note


def _rates_at(run: RunPaths, checkpoint: Checkpoint | None, last: Mapping[str, Any]) -> dict[str, float]:
    """The learning rates of the last epoch before a checkpoint, on its own way there; `last` is the run's."""
    row = last
    if checkpoint is not None:
        done = completed_epochs(checkpoint)
        epochs, _ = read_history(run.metrics, steps=False).line_to(checkpoint.attempt, done, checkpoint.step)
        row = {**last, **epochs[-1]} if epochs else last
    parts = {name.removeprefix("lr/"): float(row[name]) for name in row if name.startswith("lr/")}
    return parts or ({"all": float(row["lr"])} if "lr" in row else {})


def _sentence(
    run: RunPaths,
    summary: RunSummary,
    checkpoint: Checkpoint | None,
    goal: int,
    fork_changes: Changes | None,
    experiment: Experiment,
) -> str:
    done = 0 if checkpoint is None else completed_epochs(checkpoint)
    from core.config.resolve_defaults import learning_rates

    rates = learning_rates(experiment)
    if fork_changes is None:
        rates = _rates_at(run, checkpoint, summary.last) or rates
    where = f"epoch {done + 1}"
    if checkpoint is not None and checkpoint.mid_epoch:
        where = f"step {checkpoint.step + 1} in epoch {checkpoint.epoch}"
    if checkpoint is None:
        verb = "nothing was saved yet: starts again"
    elif fork_changes is None:
        verb = "continues"
    else:
        verb = f"forks {summary.label} from {checkpoint.id}"
    parts = [f"{verb} at {where} with lr {humanise.learning_rates(rates)} until epoch {goal}"]
    if summary.seconds_per_epoch:
        parts.append(humanise.eta(summary.seconds_per_epoch * (goal - done)))
    kept = list_checkpoints(run)
    if kept:
        parts.append(f"+ {humanise.size(disk_estimate(experiment, kept[-1].bytes, 0, goal - done))}")
    if fork_changes is not None and fork_changes.result:
        parts.append("changed: " + ", ".join(fork_changes.result))
    return "; ".join(parts)
