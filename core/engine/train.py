"""One attempt of a run, from its request to its result."""

from __future__ import annotations

import contextlib
import time

import torch
from torch import nn

from core.config.load import read_stored
from core.config.resolve_defaults import random_words
from core.config.schema import Experiment
from core.data.cache import Cancelled
from core.datasets.dataset import Dataset, read_dataset, store_dataset
from core.datasets.left_out import without
from core.datasets.moved import label_note, located
from core.datasets.open import open_dataset
from core.download import Cancelled as WeightsCancelled
from core.engine.attempt_goal import Goal, read_goal, require_metrics
from core.engine.build import build, code_file
from core.engine.class_match import Outputs
from core.engine.describe import model_document
from core.engine.failure import Place, write_failure
from core.engine.initial_state import make_state, restore_state
from core.engine.intervals import write_chosen_intervals
from core.engine.log import log
from core.engine.loop import Loop, LoopSettings
from core.engine.resolve import Resolved, resolve
from core.engine.rng import seed_all
from core.engine.state import TrainState
from core.engine.stop import StopFlag
from core.engine.task import Task
from core.engine.tasks import make_task
from core.engine.test_split import measure_test, test_outstanding
from core.errors import LabError, PicturesError
from core.models.modes import ParamGroup, apply_mode, set_train_mode
from core.models.registry import has_batch_norm
from core.models.single_image import fails_alone
from core.models.weights import load_weights
from core.store.attempts import read_attempt, write_result
from core.store.checkpoints import list_checkpoints
from core.store.files import read_json, reserve, write_json
from core.store.image_roots import save_root
from core.store.metrics import MetricsWriter
from core.store.paths import RunPaths
from core.store.version import code_version


def train_run(run: RunPaths, attempt: int, stop: StopFlag) -> str:
    """Carry out one attempt; returns `finished` or `stopped`, having written result.json as its last act.

    The caller holds the run's train.lock. Raises what went wrong after writing it to error.json: LabError
    with a sentence for people, or any other exception.
    """
    place = Place()
    kept = reserve(run.attempt(attempt).error)
    try:
        finished = _train(run, attempt, stop, place)
        status = "finished" if finished else "stopped"
        early = place.early_stop if finished else None
        write_result(run.attempt(attempt), status, epoch=place.epochs_done, step=place.step, early_stop=early)
    except Exception as error:
        write_failure(run, attempt, error, place, kept)
        raise
    finally:
        if kept is not None:
            kept.release()
    log(f"{status} after epoch {place.epochs_done}, step {place.step}")
    return status


def _train(run: RunPaths, attempt: int, stop: StopFlag, place: Place) -> bool:
    spec = read_json(run.spec) or {}
    experiment = read_stored(run.config)
    goal = read_goal(run, attempt, spec, experiment)
    stop.marker = run.stop_marker(goal.request.number)
    place.start_at(goal.epochs_done, goal.start.step if goal.start else 0, goal.total_epochs)
    dataset = _dataset(run, experiment)
    done = goal.epochs_done >= goal.total_epochs
    if done and not test_outstanding(run, dataset):
        log(f"already finished at epoch {goal.epochs_done}, nothing to do")
        return True
    require_metrics(experiment, dataset, goal)
    resolved = resolve(run, experiment, read_attempt(run, attempt).slot)
    seed_all(experiment.seed)
    try:
        model, groups = _network(run, experiment, dataset.class_names, resolved, goal, stop)
    except WeightsCancelled:
        log("stopped while weights were fetched: nothing was trained, so there is nothing to save")
        return False
    try:
        dataset, task = _task(run, experiment, dataset, resolved, goal, model, stop)
    except Cancelled:
        log("stopped while the images were being decoded: nothing was trained, so there is nothing to save")
        return False
    state = make_state(model, groups, experiment, resolved, goal, task.steps_per_epoch)
    place.state = state
    outputs = Outputs(experiment, dataset.class_names, code_file(run, experiment))
    restore_state(run, goal, state, task, outputs)
    _tell(experiment, dataset, resolved, task, state, goal)
    with MetricsWriter(run.metrics) as metrics:
        if not done:
            _note_resume(run, metrics, goal, state)
            loop = Loop(run, task, state, metrics, resolved, _settings(run, experiment, goal, task), stop)
            if not loop.run(saved=goal.start is not None):
                return False
            if place.early_stop is not None:
                log(
                    f"early_stop: {goal.metric} has not improved since epoch {place.early_stop['best_epoch']}"
                )
        try:
            measure_test(run, dataset, task, state, metrics, attempt, outputs)
        except Cancelled:
            log("stopped before the test images were measured: a resume measures them")
            return False
    write_chosen_intervals(run)
    return True


def _network(
    run: RunPaths,
    experiment: Experiment,
    classes: tuple[str, ...],
    resolved: Resolved,
    goal: Goal,
    stop: StopFlag,
) -> tuple[nn.Module, tuple[ParamGroup, ...]]:
    """The network in training mode, pretrained weights loaded on a fresh start, and what of it is trained.

    Leaves its description in the run folder.
    """
    model = build(run, experiment, len(classes), resolved)
    if goal.start is None:
        code = code_file(run, experiment)
        report = load_weights(
            model, experiment, len(classes), names=classes, code=code, log=log, cancelled=stop
        )
        for line in report.lines():
            log(line)
        if words := random_words(experiment):
            log(f"note: {words}")
    groups = apply_mode(model, experiment)
    set_train_mode(model, experiment)
    if not run.model.exists():
        write_json(run.model, model_document(experiment, model))
    return model, groups


def _settings(run: RunPaths, experiment: Experiment, goal: Goal, task: Task) -> LoopSettings:
    return LoopSettings(
        total_epochs=goal.total_epochs,
        attempt=goal.attempt,
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
        train_mode=lambda model: set_train_mode(model, experiment),
        keep=experiment.checkpoint.keep,
        start=goal.start.id if goal.start else None,
    )


def _task(
    run: RunPaths,
    experiment: Experiment,
    dataset: Dataset,
    resolved: Resolved,
    goal: Goal,
    model: nn.Module,
    stop: StopFlag,
) -> tuple[Dataset, Task]:
    """The task with its images loaded, and the data set that it learns from.

    Pictures that cannot be decoded are left out of the run's stored lists as long as nothing was trained on
    them; later they are an error.
    """
    norm = has_batch_norm(model)
    while True:
        try:
            task = make_task(
                experiment,
                dataset,
                resolved,
                batch_norm=norm,
                alone=lambda: fails_alone(model, experiment),
                cancelled=stop,
            )
            return dataset, task
        except PicturesError as error:
            if goal.start is not None or list_checkpoints(run):
                raise
            reasons = {path: bad.reason for path, bad in error.errors.items()}
            dataset = without(dataset, reasons)
            log(f"note: {dataset.notes[-1]}")
            store_dataset(run, dataset)


def _dataset(run: RunPaths, experiment: Experiment) -> Dataset:
    """The run's stored data set; found on disk and stored by the first attempt."""
    stored = read_dataset(run)
    if stored is not None:
        found, moved = located(run, stored)
        for note in (moved, label_note(run, stored, found.root, experiment.data)):
            if note:
                log(f"note: {note}")
        if moved:
            with contextlib.suppress(OSError, LabError):
                save_root(run, stored.root, found.root)
        return found
    dataset = open_dataset(experiment.data)
    for note in dataset.notes:
        log(f"note: {note}")
    store_dataset(run, dataset)
    return dataset


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
    task: Task,
    state: TrainState,
    goal: Goal,
) -> None:
    sizes = ", ".join(f"{split} {len(files.paths)}" for split, files in dataset.splits.items())
    log(f"data: {dataset.root}  {len(dataset.class_names)} classes  {sizes}")
    trained = ", ".join(
        f"{group['name']} {sum(weight.numel() for weight in group['params']):,} at lr {group['lr']:g}"
        for group in state.optimizer.param_groups
    )
    log(f"model: {experiment.model}, mode {experiment.mode}, trained parameters: {trained}")
    log(
        f"device {resolved.device}, threads {resolved.threads}, {resolved.memory_format}, "
        f"{resolved.precision}, {resolved.optimizer} {experiment.optimizer.name}"
    )
    log(
        f"epochs {goal.epochs_done} to {goal.total_epochs}, {task.steps_per_epoch} steps each, "
        f"batch {experiment.batch}, seed {experiment.seed}, best by {goal.metric} ({goal.mode})"
    )
