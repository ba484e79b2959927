"""The state that an attempt starts with: fresh, or out of a checkpoint."""

from __future__ import annotations

from torch import nn

from core.config.schema import Experiment
from core.engine.amp import make_scaler
from core.engine.attempt_goal import Goal
from core.engine.checkpoint import restore, restore_fork
from core.engine.class_match import Outputs
from core.engine.early_stop import Patience
from core.engine.ema import Ema
from core.engine.log import log
from core.engine.optim import build_optimizer, rate_record
from core.engine.optimizer_step import follow_schedule
from core.engine.resolve import Resolved
from core.engine.schedule import plateau_of, schedule_of
from core.engine.state import TrainState
from core.engine.task import Task
from core.errors import CheckpointError
from core.metrics import mode_of
from core.models.modes import ParamGroup
from core.store.paths import RunPaths
from core.store.records import Checkpoint


def make_state(
    model: nn.Module,
    groups: tuple[ParamGroup, ...],
    experiment: Experiment,
    resolved: Resolved,
    goal: Goal,
    steps_per_epoch: int,
) -> TrainState:
    """Optimiser, schedule and all else that the config asks for, around a model."""
    optimizer = build_optimizer(groups, experiment, resolved.optimizer)
    stop = experiment.early_stop
    return TrainState(
        model,
        optimizer,
        schedule_of(experiment, tuple(group.lr for group in groups), steps_per_epoch),
        plateau=plateau_of(optimizer, experiment, mode_of(goal.plateau)),
        clip_norm=experiment.clip_norm,
        ema=None if experiment.ema is None else Ema(model, experiment.ema),
        scaler=make_scaler(resolved),
        patience=None if stop is None else Patience(stop, goal.mode),
    )


def restore_state(run: RunPaths, goal: Goal, state: TrainState, task: Task, outputs: Outputs) -> None:
    """Continue from the goal's start checkpoint, if it has one. Raises CheckpointError."""
    if goal.fork and goal.start is not None:
        _fork(run, goal.start, state, task, outputs)
    elif goal.start is not None:
        _resume(run, goal, goal.start, state, task)
    follow_schedule(state)
    horizon = state.schedule.horizon
    if state.schedule.ends and goal.total_epochs > horizon:
        log(
            f"note: the schedule ends at epoch {horizon} and the learning rate stays constant after it: fork "
            "the run for a new schedule"
        )


def _resume(run: RunPaths, goal: Goal, start: Checkpoint, state: TrainState, task: Task) -> None:
    restore(run, start, state, task.key, task.device)
    if state.step_in_epoch > task.steps_per_epoch:
        raise CheckpointError(
            f"{start.file} is beyond its epoch's last step: the data set became smaller; start a new run."
        )
    log(f"resume from {start.id}: epoch {state.epochs_done}, step {state.step}")
    if goal.asked_anew and state.patience is not None and state.patience.spent:
        state.patience.renew()
        log("note: the run had ended early; more epochs were requested, so early_stop starts counting again")


def _fork(run: RunPaths, start: Checkpoint, state: TrainState, task: Task, outputs: Outputs) -> None:
    notes = restore_fork(run, start, state, task.key, task.device, outputs)
    follow_schedule(state)
    rates = "  ".join(f"{name} {rate:g}" for name, rate in rate_record(state.optimizer).items())
    log(f"fork from {start.id}: epoch {state.epochs_done}, step {state.step}, {rates}")
    for note in notes:
        log(f"note: {note}")
