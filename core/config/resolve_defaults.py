"""What settings come to: the metric behind `auto`, the channel statistics behind an absent `normalize`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.config.names import MODEL_SIDES, MODEL_STATISTICS, SMALL_DETECTORS, STATISTICS, is_detector
from core.config.schema import Experiment

_STAGES = 5
"""Stages of a detector's backbone."""


def resolve_metric(experiment: Experiment) -> str:
    """The metric that says which epoch is best."""
    if experiment.metric != "auto":
        return experiment.metric
    return "val/map" if experiment.is_detector else "val/accuracy"


def other_defaults(value: Mapping[str, Any]) -> Mapping[str, Any]:
    """What holds where neither file nor command line say anything, for detectors and drawn boxes.

    `value` is all that they do say.
    """
    model, data = value.get("model"), value.get("data")
    drawn = data.get("synthetic") if isinstance(data, Mapping) else None
    boxes = isinstance(drawn, Mapping) and drawn.get("boxes") in (True, "on", "yes")
    synthetic = {"synthetic": {"size": 160}} if boxes else {}
    if not isinstance(model, str) or not is_detector(model):
        return {"data": synthetic} if boxes else {}
    least, most = MODEL_SIDES.get(model, (800, 1333))
    return {
        "batch": 4,
        "learning_rate": 0.005,
        "weights": "none" if model in SMALL_DETECTORS else "coco",
        "image_size": {"min": least, "max": most},
        **({"data": {"order": "frequency", **synthetic}} if isinstance(data, Mapping) else {}),
    }


def learning_rates(experiment: Experiment) -> dict[str, float]:
    """The learning rate at the start of each part that has its own: back and head in mode split, else all."""
    if experiment.mode == "split" and experiment.back_lr and experiment.head_lr:
        return {"back": experiment.back_lr, "head": experiment.head_lr}
    return {"all": experiment.learning_rate}


def random_words(experiment: Experiment) -> str:
    """What to know of a fresh start whose mode takes for granted that there are pretrained weights.

    Empty when there are, or when all is trained alike.
    """
    if experiment.weights != "none":
        return ""
    if experiment.mode == "head":
        return (
            "mode head with weights none: everything but the head is random and stays so; "
            "give weights, or mode full"
        )
    if experiment.mode == "split":
        return (
            "mode split with weights none: what back_lr trains is random, not pretrained; give weights, or "
            "mode full"
        )
    if experiment.trainable_layers is not None and experiment.trainable_layers < _STAGES:
        return (
            f"trainable_layers {experiment.trainable_layers} with weights none: the stages below are random "
            "and stay so; give weights, or leave trainable_layers out"
        )
    return ""


def resolve_scheduler_metric(experiment: Experiment) -> str:
    """The metric that the plateau schedule watches."""
    metric = experiment.scheduler.metric
    return resolve_metric(experiment) if metric == "auto" else metric


def resolve_normalize(
    experiment: Experiment,
) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    """Mean and standard deviation of the channels, pixels in 0..1: as given, or well-known ones.

    With pretrained weights, and for all detectors, they are those that torchvision's weights were trained
    with, ImageNet's for nearly all; else those of the data's format, else CIFAR-10's.
    """
    given, known = experiment.normalize, "imagenet"
    if experiment.model in MODEL_STATISTICS:
        mean, std = MODEL_STATISTICS[experiment.model]
        return given.mean or mean, given.std or std
    plain = experiment.weights == "none" or experiment.model.startswith("tinyvgg")
    if plain and not experiment.is_detector:
        known = experiment.data.format
    mean, std = STATISTICS.get(known, STATISTICS["cifar10"])
    return given.mean or mean, given.std or std
