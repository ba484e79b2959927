"""What settings come to: the metric behind `auto`, the channel statistics behind an absent `normalize`."""

from __future__ import annotations

from typing import Literal

from core.config.names import STATISTICS
from core.config.schema import Experiment


def metric_mode(name: str) -> Literal["max", "min"]:
    """Whether more or less of a metric is better: losses fall, all else rises."""
    return "min" if "loss" in name.rsplit("/", 1)[-1] else "max"


def resolve_metric(experiment: Experiment) -> str:
    """The metric that says which epoch is best."""
    return "val/accuracy" if experiment.metric == "auto" else experiment.metric


def resolve_scheduler_metric(experiment: Experiment) -> str:
    """The metric that the plateau schedule watches."""
    metric = experiment.scheduler.metric
    return resolve_metric(experiment) if metric == "auto" else metric


def resolve_normalize(
    experiment: Experiment,
) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    """Mean and standard deviation of the channels, pixels in 0..1: as given, or well-known ones.

    With pretrained weights they are ImageNet's, which torchvision's weights were trained with; else those of
    the data's format, else CIFAR-10's.
    """
    given, known = experiment.normalize, "imagenet"
    if experiment.weights == "none" or experiment.model.startswith("tinyvgg"):
        known = experiment.data.format
    mean, std = STATISTICS.get(known, STATISTICS["cifar10"])
    return given.mean or mean, given.std or std
