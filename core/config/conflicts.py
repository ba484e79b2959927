"""What does not go together in an experiment, though each value is right by itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pydantic import BaseModel

from core import metrics
from core.config.data_conflicts import data_conflicts
from core.config.field_types import ImageSize
from core.config.names import BLOCKS_MODEL, CLASSIFIERS, SMALL_DETECTORS, SSDLITE, is_code
from core.config.optimizers import OPTIMIZERS
from core.config.relevance import (
    CLASSIFIER_SETTINGS,
    DETECTOR_SETTINGS,
    DEVICES_WITHOUT_CHOICE,
    KNOWN_WEIGHTS,
)
from core.config.schema import Augment, Experiment, Predict
from core.config.yaml12 import Key
from core.text import any_of

Conflict = tuple[tuple[Key, ...], str]


def conflicts(experiment: Experiment) -> list[Conflict]:
    """The keys concerned and a sentence, for each conflict."""
    kind = _in_detector(experiment) if experiment.is_detector else _in_classifier(experiment)
    return [
        *data_conflicts(experiment.data, detector=experiment.is_detector),
        *_in_size(experiment),
        *_in_augment(experiment.augment, experiment.image_size),
        *kind,
        *_in_model(experiment),
        *_in_training(experiment),
        *_in_metrics(experiment),
    ]


def _in_size(experiment: Experiment) -> Iterator[Conflict]:
    size, keys = experiment.image_size, (("image_size",), ("model",))
    if experiment.is_detector and not isinstance(size, ImageSize):
        yield (
            keys,
            f"{experiment.model} keeps the shape of its images: image_size is {{min: {size}, max: ...}}",
        )
    if not experiment.is_detector and isinstance(size, ImageSize):
        what = "your own network" if is_code(experiment.model) else experiment.model
        yield keys, f"{what} needs square images: image_size is one number"
    if isinstance(size, ImageSize) and size.min > size.max:
        both: tuple[Key, ...] = (("image_size", "min"), ("image_size", "max"))
        yield both, f"min must be at most max, got {size.min} and {size.max}"


def _in_augment(augment: Augment, size: int | ImageSize) -> Iterator[Conflict]:
    scale = augment.scale
    low, high = scale if isinstance(scale, tuple) else (scale, scale)
    if scale is not None and augment.pad_crop is not None:
        keys = (("augment", "scale"), ("augment", "pad_crop"))
        yield keys, "scale and pad_crop cannot be combined: both cut out image_size"
    if low is not None and high is not None and low > high:
        yield (("augment", "scale"),), f"the smaller side comes first: [{high}, {low}]"
    twice = [view for view in augment.tta if augment.tta.count(view) > 1]
    if twice:
        yield (("augment", "tta"),), f"{twice[0]} is named twice"
    jitter = augment.scale_jitter
    if jitter is not None and jitter[0] > jitter[1]:
        yield (("augment", "scale_jitter"),), f"the smaller factor comes first: [{jitter[1]}, {jitter[0]}]"
    if isinstance(size, ImageSize):
        return
    if low is not None and low < size:
        text = f"scale must be at least image_size, got {low} and {size}"
        yield (("augment", "scale"), ("image_size",)), text
    if augment.test_scale is not None and augment.test_scale < size:
        text = f"test_scale must be at least image_size, got {augment.test_scale} and {size}"
        yield (("augment", "test_scale"), ("image_size",)), text
    small = [view for view in augment.tta if isinstance(view, int) and view < size]
    if small:
        text = f"sides must be at least image_size, got {small[0]} and {size}"
        yield (("augment", "tta"), ("image_size",)), text


def _path(key: str) -> Key:
    return tuple(key.split("."))


def _given(experiment: Experiment, keys: Sequence[str]) -> Iterator[str]:
    """Those of the dotted `keys` that are not at their default."""
    for key in keys:
        *sections, name = key.split(".")
        holder: BaseModel = experiment
        for section in sections:
            holder = getattr(holder, section)
        if getattr(holder, name) != type(holder).model_fields[name].default:
            yield key


def _in_detector(experiment: Experiment) -> Iterator[Conflict]:
    """What detectors do not have."""
    for key in _given(experiment, CLASSIFIER_SETTINGS):
        hint = ": use scale_jitter" if key == "augment.scale" else ""
        name = key.removeprefix("augment.")
        yield (_path(key), ("model",)), f"{name} is for classifiers, not for detectors{hint}"
    if experiment.weights == "imagenet" and experiment.model in SMALL_DETECTORS[:2]:
        yield (("weights",), ("model",)), f"there are no ImageNet weights for {experiment.model}: use none"
    if experiment.weights == "imagenet" and experiment.model == SSDLITE:
        yield (("weights",), ("model",)), f"there are no ImageNet weights for {SSDLITE}: use coco or none"
    if experiment.weights == "coco" and experiment.model in SMALL_DETECTORS:
        text = f"there are no COCO weights for {experiment.model}: use none or a file of weights"
        yield (("weights",), ("model",)), text


def _in_classifier(experiment: Experiment) -> Iterator[Conflict]:
    """What only detectors have."""
    for key in _given(experiment, DETECTOR_SETTINGS):
        name = key.removeprefix("augment.")
        text = f"{name} is for detectors, not for classifiers"
        if key == "trainable_layers":
            text = f"{name} is for detectors; a classifier has mode: head or split"
        yield (_path(key), ("model",)), text
    if experiment.predict != Predict():
        yield (
            (("predict",), ("model",)),
            "predict is for detectors: a classifier has one answer for each image",
        )
    if experiment.weights == "coco":
        yield (("weights",), ("model",)), "COCO weights are for detectors: use imagenet or none"
    elif experiment.weights == "imagenet" and experiment.model not in CLASSIFIERS:
        what = "your own network" if is_code(experiment.model) else experiment.model
        text = f"there are no ImageNet weights for {what}; torchvision's classifiers have some"
        yield (("weights",), ("model",)), text


def _in_model(experiment: Experiment) -> Iterator[Conflict]:
    model = experiment.model
    if model == BLOCKS_MODEL and not experiment.blocks:
        yield (("blocks",), ("model",)), "model tinyvgg needs blocks: [{channels: 16, convs: 2}, ...]"
    if model != BLOCKS_MODEL and experiment.blocks is not None:
        yield (("blocks",), ("model",)), f"blocks are only used with model: tinyvgg, not with {model}"
    if experiment.weights_sha256 is not None and experiment.weights in KNOWN_WEIGHTS:
        yield (("weights_sha256",), ("weights",)), "weights_sha256 is only used with a file of weights"
    rates = {"back_lr": experiment.back_lr, "head_lr": experiment.head_lr}
    for key, rate in rates.items():
        if experiment.mode == "split" and rate is None:
            yield ((key,), ("mode",)), f"mode split needs {key}"
        elif experiment.mode != "split" and rate is not None:
            text = f"{key} is only used with mode: split; mode {experiment.mode} uses learning_rate"
            yield ((key,), ("mode",)), text


def _in_training(experiment: Experiment) -> Iterator[Conflict]:
    keys: tuple[Key, ...]
    optimizer, schedule = experiment.optimizer, experiment.scheduler
    with_nesterov = [name for name, kind in OPTIMIZERS.items() if "nesterov" in kind.settings]
    if optimizer.nesterov and (optimizer.name not in with_nesterov or optimizer.momentum == 0):
        keys = (("optimizer", "nesterov"), ("optimizer", "name"))
        yield keys, f"nesterov needs {any_of(with_nesterov)} and a momentum above 0"
    if schedule.warmup >= experiment.epochs:
        keys = (("scheduler", "warmup"), ("epochs",))
        yield keys, f"warmup must be shorter than epochs, got {schedule.warmup:g} and {experiment.epochs}"
    if schedule.warmup and schedule.kind.own_rise:
        keys = (("scheduler", "warmup"), ("scheduler", "name"))
        yield keys, f"{schedule.name} already starts with a rise: use {schedule.kind.own_rise}, not warmup"
    if experiment.precision == "float16" and experiment.device == "cpu":
        yield (("precision",), ("device",)), "float16 needs a GPU: use float32 or bfloat16 on the CPU"
    if experiment.gpus is not None and experiment.device in DEVICES_WITHOUT_CHOICE:
        yield (("gpus",), ("device",)), f"gpus cannot be combined with device: {experiment.device}"
    if experiment.gpus is not None and len(experiment.gpus) != 1:
        yield (("gpus",),), f"a run trains on one GPU: name one, got {len(experiment.gpus)}"


def _in_metrics(experiment: Experiment) -> Iterator[Conflict]:
    watched: list[tuple[Key, str]] = [
        (("metric",), experiment.metric),
        (("scheduler", "metric"), experiment.scheduler.metric),
    ]
    for key, metric in watched:
        if not metrics.fits(metric, "detection" if experiment.is_detector else "classification"):
            what = "detectors" if experiment.is_detector else "classifiers"
            yield (key, ("model",)), f"{what} are not measured by {metric}: auto works with every model"
        elif metric == "val/accuracy_tta" and not experiment.augment.tta:
            yield (key, ("augment", "tta")), "val/accuracy_tta is measured only with augment.tta"
        elif metric.endswith("_random") and not experiment.measure.random:
            yield (key, ("measure", "random")), f"{metric} is measured only with measure.random: true"
