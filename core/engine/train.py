"""One attempt of a run, from its request to its result."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import torch

from core.config.fields import metric_mode, resolve_metric, resolve_scheduler_metric
from core.config.load import parse_experiment
from core.config.schema import Experiment
from core.data.cache import Cancelled
from core.datasets.dataset import Dataset, from_stored, require_unchanged, stored_split
from core.datasets.open import open_dataset
from core.engine.checkpoint import restore, restore_fork
from core.engine.classification import Classification, build_classifier
from core.engine.failure import Place, write_failure
from core.engine.final import measure_test, test_outstanding
from core.engine.log import log
from core.engine.loop import Loop, LoopSettings
from core.engine.optim import build_optimizer, build_scheduler, learning_rate
from core.engine.resolve import Resolved, resolve
from core.engine.rng import seed_all
from core.engine.state import TrainState
from core.engine.stop import StopFlag
from core.errors import CheckpointError, DataError, StateError
from core.models.registry import has_batch_norm, parameter_count
from core.store.attempts import read_attempt, write_result
from core.store.checkpoints import choose
from core.store.files import read_json, write_json
from core.store.metrics import MetricsWriter
from core.store.paths import RunPaths
from core.store.records import Checkpoint, Request
from core.store.runs import requests
from core.store.version import code_version


@dataclass(frozen=True)
class Goal:
    """What an attempt is to do. `metric` is what best means, `plateau` what the schedule watches."""

    request: Request
    attempt: int
    start: Checkpoint | None
    fork: bool
    metric: str
    mode: str
    plateau: str

    @property
    def epochs_done(self) -> int:
        """Complete epochs of the start checkpoint."""
        return 0 if self.start is None else self.start.epoch - self.start.mid_epoch


def train_run(run: RunPaths, attempt: int, stop: StopFlag) -> str:
    """Carry out one attempt; returns `finished` or `stopped`, having written result.json as its last act.

    The caller holds the run's train.lock. Raises what went wrong after writing it to error.json: LabError
    with a sentence for people, or any other exception.
    """
    place = Place()
    try:
        finished = _train(run, attempt, stop, place)
        status = "finished" if finished else "stopped"
        write_result(run.attempt(attempt), status, epoch=place.epochs_done, step=place.step)
    except Exception as error:
        write_failure(run, attempt, error, place)
        raise
    log(f"{status} after epoch {place.epochs_done}, step {place.step}")
    return status


def _train(run: RunPaths, attempt: int, stop: StopFlag, place: Place) -> bool:
    spec = read_json(run.spec) or {}
    experiment = parse_experiment(run.config.read_text(encoding="utf-8"), run.config)
    goal = _goal(run, attempt, spec, experiment)
    stop.marker = run.stop_marker(goal.request.number)
    place.start_at(goal.epochs_done, goal.start.step if goal.start else 0)
    dataset = _dataset(run, experiment)
    done = goal.epochs_done >= goal.request.total_epochs
    if done and not test_outstanding(run, dataset):
        log(f"already finished at epoch {goal.epochs_done}, nothing to do")
        return True
    resolved = resolve(run, experiment)
    seed_all(experiment.seed)
    model = build_classifier(experiment, len(dataset.class_names), resolved)
    try:
        task = Classification(experiment, dataset, resolved, batch_norm=has_batch_norm(model), cancelled=stop)
    except Cancelled:
        log("stopped while the images were being decoded: nothing was trained, so there is nothing to save")
        return False
    if (
        "val" not in task.splits
        and goal.plateau.startswith("val/")
        and experiment.scheduler.name == "plateau"
    ):
        raise DataError(f"scheduler plateau watches {goal.plateau}, but the data have no validation images.")
    optimizer = build_optimizer(model, experiment, resolved.optimizer)
    mode = metric_mode(goal.plateau)
    state = TrainState(model, optimizer, build_scheduler(optimizer, experiment, mode))
    place.state = state
    if goal.start is not None:
        _restore(run, goal, goal.start, state, task)
    _tell(experiment, dataset, resolved, task, state, goal)
    settings = LoopSettings(
        total_epochs=goal.request.total_epochs,
        attempt=attempt,
        metric=goal.metric,
        metric_mode=goal.mode,
        plateau_metric=goal.plateau,
        checkpoint_every=experiment.checkpoint.every,
        measure_every=experiment.measure.every,
        measure_splits=experiment.measure.splits,
        about={
            "run": run.id,
            "model": experiment.model,
            "labtui": code_version()["version"] or "",
            "torch": str(torch.__version__),
        },
        key=task.key,
    )
    with MetricsWriter(run.metrics) as metrics:
        if not done:
            _note_resume(run, metrics, goal, state)
            loop = Loop(run, task, state, metrics, resolved, settings, stop)
            if not loop.run(saved=goal.start is not None):
                return False
        try:
            measure_test(run, dataset, task, state, metrics, attempt)
        except Cancelled:
            log("stopped before the test images were measured: a resume does just that")
            return False
    return True


def _goal(run: RunPaths, attempt: int, spec: dict[str, Any], experiment: Experiment) -> Goal:
    number = read_attempt(run, attempt).request
    request = next((item for item in requests(run) if item.number == number), None)
    if request is None:
        raise StateError(f"Attempt {attempt} of run {run.id} names request {number}, which cannot be read.")
    start = None if request.start is None else choose(run, request.start)
    metric = spec.get("metric")
    if not isinstance(metric, str):
        metric = resolve_metric(experiment)
    return Goal(
        request=request,
        attempt=attempt,
        start=start,
        fork=start is not None and start.attempt == 0 and spec.get("parent") is not None,
        metric=metric,
        mode=metric_mode(metric),
        plateau=resolve_scheduler_metric(experiment),
    )


def _dataset(run: RunPaths, experiment: Experiment) -> Dataset:
    """The run's stored file lists; found on disk and stored by the first attempt."""
    stored = read_json(run.split)
    if stored is not None:
        dataset = from_stored(stored)
        require_unchanged(dataset)
        return dataset
    dataset = open_dataset(experiment.data)
    for note in dataset.notes:
        log(f"note: {note}")
    write_json(run.split, stored_split(dataset))
    return dataset


def _restore(run: RunPaths, goal: Goal, start: Checkpoint, state: TrainState, task: Classification) -> None:
    if not goal.fork:
        restore(run, start, state, task.key, task.device)
        if state.step_in_epoch >= task.steps_per_epoch:
            raise CheckpointError(
                f"{start.file} stands beyond its epoch's last step: the data shrank; start a new run."
            )
        log(f"resume from {start.id}: epoch {state.epochs_done}, step {state.step}")
        return
    kept = restore_fork(run, start, state, task.key, task.device)
    lr = learning_rate(state.optimizer)
    log(f"fork from {start.id}: epoch {state.epochs_done}, step {state.step}, lr {lr:g}")
    if not kept:
        log(f"note: epoch {state.epochs_done + 1} starts over: data, batch or seed differ from the parent's")


def _note_resume(run: RunPaths, metrics: MetricsWriter, goal: Goal, state: TrainState) -> None:
    """Tell readers where this attempt takes over, before its first row."""
    if goal.start is None and (goal.attempt == 1 or run.metrics.stat().st_size == 0):
        return
    metrics.write(
        {
            "resume": goal.start.id if goal.start else None,
            "attempt": goal.attempt,
            "epoch": state.epochs_done,
            "step": state.step,
            "t": time.time(),
        }
    )


def _tell(
    experiment: Experiment,
    dataset: Dataset,
    resolved: Resolved,
    task: Classification,
    state: TrainState,
    goal: Goal,
) -> None:
    sizes = ", ".join(f"{split} {len(files.paths)}" for split, files in dataset.splits.items())
    log(f"data: {dataset.root}  {len(dataset.class_names)} classes  {sizes}")
    log(f"model: {experiment.model}, {parameter_count(state.model):,} parameters")
    log(
        f"device {resolved.device}, threads {resolved.threads}, {resolved.memory_format}, "
        f"{resolved.precision}, {resolved.optimizer} {experiment.optimizer.name}, "
        f"lr {learning_rate(state.optimizer):g}"
    )
    log(
        f"epochs {goal.epochs_done} to {goal.request.total_epochs}, {task.steps_per_epoch} steps each, "
        f"batch {experiment.batch}, seed {experiment.seed}, best by {goal.metric} ({goal.mode})"
    )
