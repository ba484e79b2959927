"""What does not go together in an experiment, though each value is right by itself."""

from __future__ import annotations

from collections.abc import Iterator

from core.config.data_schema import ARRAY_FORMATS, CLASSES_IN_GROUP, DataConfig, SplitPaths, Synthetic
from core.config.names import BLOCKS_MODEL, CLASSIFIERS, is_code
from core.config.schema import Augment, Experiment
from core.config.yaml12 import Key

Conflict = tuple[tuple[Key, ...], str]


def conflicts(experiment: Experiment) -> list[Conflict]:
    """The keys concerned and a sentence, for each conflict."""
    found = [*_in_data(experiment.data), *_in_augment(experiment.augment, experiment.image_size)]
    if experiment.data.synthetic is not None:
        found += _in_drawing(experiment.data.synthetic)
    return [*found, *_in_model(experiment), *_in_training(experiment), *_in_metrics(experiment)]


def _in_data(data: DataConfig) -> Iterator[Conflict]:
    if data.root is None and (data.train is None or data.format not in ("auto", "folder")):
        yield (("data", "root"),), "must be given: the folder of the data set"
    for split in ("train", "val", "test"):
        if data.format in ARRAY_FORMATS and isinstance(getattr(data, split), SplitPaths):
            text = f"`format: {data.format}` has its own splits: leave data.{split} out"
            yield (("data", split), ("data", "format")), text
    if data.synthetic is not None and data.format not in ("auto", "synthetic"):
        keys = (("data", "synthetic"), ("data", "format"))
        yield keys, f"`synthetic` goes with `format: synthetic`, not with `format: {data.format}`"
    if data.classes is not None and len(data.classes) < 2:
        yield (("data", "classes"),), "at least two classes are needed"
    if data.classes is not None and len(set(data.classes)) < len(data.classes):
        twice = next(name for name in data.classes if data.classes.count(name) > 1)
        yield (("data", "classes"),), f"class '{twice}' is named twice"


def _in_augment(augment: Augment, image_size: int) -> Iterator[Conflict]:
    scale = augment.scale
    low, high = scale if isinstance(scale, tuple) else (scale, scale)
    if scale is not None and augment.pad_crop is not None:
        keys = (("augment", "scale"), ("augment", "pad_crop"))
        yield keys, "scale and pad_crop do not go together: both cut out image_size"
    if low is not None and low < image_size:
        text = f"scale must be at least image_size, got {low} and {image_size}"
        yield (("augment", "scale"), ("image_size",)), text
    if low is not None and high is not None and low > high:
        yield (("augment", "scale"),), f"the smaller side comes first: [{high}, {low}]"
    if augment.test_scale is not None and augment.test_scale < image_size:
        text = f"test_scale must be at least image_size, got {augment.test_scale} and {image_size}"
        yield (("augment", "test_scale"), ("image_size",)), text
    small = [view for view in augment.tta if isinstance(view, int) and view < image_size]
    if small:
        text = f"sides must be at least image_size, got {small[0]} and {image_size}"
        yield (("augment", "tta"), ("image_size",)), text
    twice = [view for view in augment.tta if augment.tta.count(view) > 1]
    if twice:
        yield (("augment", "tta"),), f"{twice[0]} is named twice"


def _in_drawing(drawn: Synthetic) -> Iterator[Conflict]:
    keys = (("data", "synthetic", "classes"), ("data", "synthetic", "groups"))
    most = drawn.groups * CLASSES_IN_GROUP
    if drawn.classes < drawn.groups:
        yield keys, f"fewer classes ({drawn.classes}) than groups ({drawn.groups})"
    elif drawn.classes > most:
        yield keys, f"{drawn.groups} groups hold at most {most} classes, got {drawn.classes}"


def _in_model(experiment: Experiment) -> Iterator[Conflict]:
    model = experiment.model
    if model == BLOCKS_MODEL and not experiment.blocks:
        yield (("blocks",), ("model",)), "model tinyvgg needs blocks: [{channels: 16, convs: 2}, ...]"
    if model != BLOCKS_MODEL and experiment.blocks is not None:
        yield (("blocks",), ("model",)), f"blocks go with model: tinyvgg, not with {model}"
    if experiment.weights == "imagenet" and model not in CLASSIFIERS:
        keys = (("weights",), ("model",))
        what = "your own network" if is_code(model) else model
        yield keys, f"there are no ImageNet weights for {what}; torchvision's classifiers have some"
    if experiment.weights_sha256 is not None and experiment.weights in ("none", "imagenet"):
        yield (("weights_sha256",), ("weights",)), "weights_sha256 goes with a file of weights"
    rates = {"back_lr": experiment.back_lr, "head_lr": experiment.head_lr}
    for key, rate in rates.items():
        if experiment.mode == "split" and rate is None:
            yield ((key,), ("mode",)), f"mode split needs {key}"
        elif experiment.mode != "split" and rate is not None:
            text = f"{key} goes with mode: split; mode {experiment.mode} takes learning_rate"
            yield ((key,), ("mode",)), text


def _in_training(experiment: Experiment) -> Iterator[Conflict]:
    keys: tuple[Key, ...]
    optimizer, schedule = experiment.optimizer, experiment.scheduler
    if optimizer.nesterov and (optimizer.name != "sgd" or optimizer.momentum == 0):
        keys = (("optimizer", "nesterov"), ("optimizer", "name"))
        yield keys, "nesterov goes with sgd and a momentum above 0"
    if schedule.warmup >= experiment.epochs:
        keys = (("scheduler", "warmup"), ("epochs",))
        yield keys, f"warmup must be shorter than epochs, got {schedule.warmup:g} and {experiment.epochs}"
    if schedule.warmup and schedule.name == "onecycle":
        keys = (("scheduler", "warmup"), ("scheduler", "name"))
        yield keys, "onecycle rises by itself: use peak, not warmup"
    if experiment.precision == "float16" and experiment.device == "cpu":
        yield (("precision",), ("device",)), "float16 needs a GPU: use float32 or bfloat16 on the CPU"
    if experiment.gpus is not None and experiment.device in ("cpu", "mps"):
        yield (("gpus",), ("device",)), f"gpus do not go with device: {experiment.device}"
    if experiment.gpus is not None and len(experiment.gpus) != 1:
        yield (("gpus",),), f"a run trains on one GPU: name one, got {len(experiment.gpus)}"


def _in_metrics(experiment: Experiment) -> Iterator[Conflict]:
    watched: list[tuple[Key, str]] = [
        (("metric",), experiment.metric),
        (("scheduler", "metric"), experiment.scheduler.metric),
    ]
    for key, metric in watched:
        if metric == "val/accuracy_tta" and not experiment.augment.tta:
            yield (key, ("augment", "tta")), "val/accuracy_tta is measured only with augment.tta"
        if metric.endswith("_random") and not experiment.measure.random:
            yield (key, ("measure", "random")), f"{metric} is measured only with measure.random: true"
