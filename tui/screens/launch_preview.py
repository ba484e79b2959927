"""What a run of these settings would be, in a few lines, without opening an image."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from core import humanise
from core.config.workspace import Workspace
from core.errors import ConfigError, LabError
from tui.screens.launch_form import Fields, faults_by_field

if TYPE_CHECKING:
    from core.config.load import Loaded
    from core.config.schema import Experiment
    from core.datasets.outline import Outline
    from core.launch.queue import QueueView


@dataclass(frozen=True)
class Forecast:
    """Lines for the form's right side, what is wrong (or nothing), and the data as far as it is known."""

    lines: tuple[str, ...] = ()
    problem: str = ""
    data: Outline | None = None


@dataclass(frozen=True)
class Preview:
    """What the form would start. `faults` are sentences by field; `general` are those of no field.

    `loaded` is what the settings say, None while they do not go together; `said` are the lines about the last
    settings that did.
    """

    forecast: Forecast = field(default_factory=Forecast)
    faults: Mapping[str, str] = field(default_factory=dict)
    general: tuple[str, ...] = ()
    place: str = ""
    loaded: Loaded | None = None
    said: tuple[str, ...] = ()

    @property
    def experiment(self) -> Experiment | None:
        """The experiment that the settings say."""
        return None if self.loaded is None else self.loaded.experiment

    @property
    def possible(self) -> bool:
        return not self.faults and not self.general


def previewed(
    path: Path,
    overrides: Sequence[str],
    changed: Sequence[tuple[str, str, str]],
    fields: Fields,
    workspace: Workspace,
    queue: QueueView,
    before: Preview,
) -> Preview:
    """What a start of the config in `path` with `overrides` would be; `changed` is (key, in the file, now).

    With faults, what was said `before` stays, and is said to be older.
    """
    from core.config.load import load_experiment

    try:
        loaded = load_experiment(path, overrides, workspace=workspace)
    except ConfigError as error:
        faults, general = faults_by_field(error.problems, fields)
        return Preview(_earlier(changed, before), faults, general, said=before.said)
    except LabError as error:
        return Preview(_earlier(changed, before), general=(str(error),), said=before.said)
    forecast = describe(loaded.experiment, changed)
    said = forecast.lines[len(_changes(changed)) :]
    problems = (forecast.problem,) if forecast.problem else ()
    return Preview(forecast, {}, problems, place(loaded.experiment, queue), loaded, said)


def describe(experiment: Experiment, changed: Sequence[tuple[str, str, str]]) -> Forecast:
    """The forecast from config and data; `changed` is (key, in the file, now)."""
    lines = [*_changes(changed), ""]
    problem, data = "", None
    try:
        data = _outline(experiment)
        lines += _data(experiment, data)
    except LabError as error:
        problem = str(error)
    return Forecast((*lines, "", *_training(experiment)), problem, data)


def _changes(changed: Sequence[tuple[str, str, str]]) -> list[str]:
    if not changed:
        return ["as in the file"]
    lines = [f"  {key}: {before or '–'} → {now or '–'}" for key, before, now in changed]
    return [f"changed from the file ({len(changed)})", *lines]


def _earlier(changed: Sequence[tuple[str, str, str]], before: Preview) -> Forecast:
    """The changes, and below them what was said of the last settings that went together."""
    earlier = ("", "with the last settings that were right:", *before.said) if before.said else ()
    return Forecast((*_changes(changed), *earlier))


def network(experiment: Experiment, forecast: Forecast, workspace: Workspace) -> Forecast:
    """Lines about the network and the disk. May start a process that loads torch: seconds, once."""
    from core.launch.preview import describe as describe_network

    told = describe_network(experiment, len(forecast.data.classes) if forecast.data else 10)
    if told.get("error"):
        return Forecast(problem=str(told["error"]))
    lines = [f"network: {parameters(told)}"]
    parts = told.get("parts", ())
    lines += [f"  {part['name']}: {parameters(part)}" for part in parts if len(parts) > 1]
    return Forecast((*lines, *_disk(experiment, forecast, int(told["checkpoint_bytes"]), workspace)))


def parameters(part: object) -> str:
    """`154 218 parameters, all trained`, or how many of them are."""
    assert isinstance(part, dict), "a network and its parts are mappings"
    count, trainable = int(part["parameters"]), int(part["trainable"])
    trained = "all" if trainable == count else "none" if not trainable else humanise.count(trainable)
    return f"{humanise.count(count)} parameters, {trained} trained"


def place(experiment: Experiment, queue: QueueView) -> str:
    """Where a start would go now: a slot that is free, or why it would wait. Asks the GPUs: some ms."""
    from core.launch.slots import Board, Need, busy_slots

    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    need = Need(experiment.device, experiment.gpus or (), visible)
    board = Board()
    try:
        busy = {slot.path for slot, is_busy in busy_slots() if is_busy}
        free = [slot for slot in board.options(need) if slot.path not in busy]
        before = len(queue.works())
    except LabError as error:
        return f"✗ {error}"
    if free and not before:
        slot = free[0]
        return f"starts at once on {f'GPU {slot.gpu.label} ({slot.gpu.name})' if slot.gpu else slot.name}"
    others = f", {before} before it" if before else ""
    return f"{board.reason(need)}{others}" if not free else f"waits for its turn{others}"


def _disk(experiment: Experiment, forecast: Forecast, checkpoint: int, workspace: Workspace) -> list[str]:
    from core.launch.preview import disk_estimate, free_space, predictions_bytes

    predictions = predictions_bytes(experiment, forecast.data) if forecast.data else 0
    needed = disk_estimate(experiment, checkpoint, predictions)
    free = free_space(workspace)
    of = "" if free is None else f" of {humanise.size(free)} free"
    short = ": not enough, checkpoint.keep saves space" if free is not None and needed > free else ""
    return [f"checkpoint: ≈ {humanise.size(checkpoint)}", f"disk: ≈ {humanise.size(needed)}{of}{short}"]


def _outline(experiment: Experiment) -> Outline:
    from core.datasets.outline import outline

    return outline(experiment.data)


def _data(experiment: Experiment, data: Outline) -> list[str]:
    count = humanise.count
    classes = f"in {len(data.classes)} class{'es' * (len(data.classes) != 1)}"
    if data.drawn:
        what = "pictures with boxes" if experiment.is_detector else "pictures"
        return [f"data: {count(data.train)} {what} {classes}, drawn when training starts"]
    lines = [f"data: {data.where}"]
    if data.objects is None:
        lines.append(f"  {count(data.train)} training images {classes}")
    else:
        lines.append(f"  {count(data.train)} training images")
        held = ", including those held out" if data.held_out else ""
        lines.append(f"  {count(data.objects)} objects {classes}{held}")
    if data.held_out:
        lines.append(f"  {count(data.val)} more held out for validation")
    elif data.val_is_test:
        lines.append(f"  {count(data.val)} to validate: the test images; the best epoch is chosen on them")
    else:
        lines.append(f"  {count(data.val)} to validate")
    if data.test:
        lines.append(f"  {count(data.test)} test images, measured at the end")
    steps = math.ceil(data.train / experiment.batch)
    return [*lines, f"  {count(steps)} step{'s' * (steps != 1)} an epoch with batch {experiment.batch}"]


def _training(experiment: Experiment) -> list[str]:
    stop, count = experiment.early_stop, humanise.count
    epochs = f"at most {experiment.epochs}" if stop else str(experiment.epochs)
    lines = [f"{experiment.model}: {epochs} epochs, {_rate(experiment)}"]
    if experiment.is_detector:
        short, long = experiment.sides
        lines.append(f"  short side of the images {count(short)} pixels, long side at most {count(long)}")
    if stop:
        lines.append(f"  stops early after {stop.patience} epochs without improvement")
    checkpoint = experiment.checkpoint
    saved = math.ceil(experiment.epochs / checkpoint.every)
    kept = f", keeps the newest {checkpoint.keep} and the best" if checkpoint.keep != "all" else ""
    kept = kept or " and the best" * (checkpoint.every > 1)
    lines.append(f"saves {saved} checkpoint{'s' * (saved > 1)}{kept}; device {experiment.device}")
    return lines


def _rate(experiment: Experiment) -> str:
    """The learning rate over the epochs, in words."""
    from core.config.resolve_defaults import learning_rates

    schedule = experiment.scheduler
    rate = f"learning rate {humanise.learning_rates(learning_rates(experiment))}"
    warmup = f", rising over the first {schedule.warmup:g} epochs" if schedule.warmup else ""
    return rate + warmup + schedule.kind.words(schedule)
