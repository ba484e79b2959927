"""Which task a model is trained and measured with: the one place that knows all of them."""

from __future__ import annotations

from collections.abc import Callable

from core.config.schema import Experiment
from core.datasets.dataset import Dataset
from core.engine.classification import Classification
from core.engine.resolve import Resolved
from core.engine.task import Task
from core.errors import DataError
from core.text import clean


def make_task(
    experiment: Experiment,
    dataset: Dataset,
    resolved: Resolved,
    *,
    batch_norm: bool,
    alone: Callable[[], bool] = lambda: False,
    cancelled: Callable[[], bool],
    training: bool = True,
) -> Task:
    """The task of the experiment's model; see `Classification` and `Detection` for what is raised.

    `batch_norm` says whether the model normalises by batch statistics, `alone` whether it fails in training
    on a batch of one image; asked only where there would be one. Raises DataError also when the data are of
    the other kind than the model.
    """
    if dataset.splits and (dataset.kind == "detection") != experiment.is_detector:
        wants, has = ("boxes", "none") if experiment.is_detector else ("one class an image", "boxes")
        raise DataError(
            f"{experiment.model} learns from images with {wants}, and {clean(str(dataset.root))} has {has}: "
            "choose other data or another model."
        )
    if experiment.is_detector:
        # Here, because it brings torchvision's detectors and COCO's evaluator along.
        from core.engine.detection import Detection

        return Detection(experiment, dataset, resolved, alone=alone, cancelled=cancelled, training=training)
    return Classification(
        experiment,
        dataset,
        resolved,
        batch_norm=batch_norm,
        alone=alone,
        cancelled=cancelled,
        training=training,
    )
