"""What torchmetrics makes of right and wrong answers; a module of its own, as torchmetrics is long to load.

Nothing imports it before a split is measured: a trainer's first step does not wait for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchmetrics import MetricCollection
from torchmetrics.classification import (
    MulticlassAccuracy,
    MulticlassF1Score,
    MulticlassPrecision,
    MulticlassRecall,
    MulticlassStatScores,
)


class _ByClass(MulticlassStatScores):
    """Counts of each class in place of torchmetrics' confusion matrix: that of 20,000 classes takes 3 GB."""

    def update(self, preds: Tensor, target: Tensor) -> None:
        """Add predicted and true classes (n,)."""
        hits, named, present = (
            torch.bincount(labels, minlength=self.num_classes or 0)
            for labels in (target[preds == target], preds, target)
        )
        self._update_state(hits, named - hits, len(target) - named - present + hits, present - hits)


class _Precision(_ByClass, MulticlassPrecision):
    pass


class _Recall(_ByClass, MulticlassRecall):
    pass


class _F1(_ByClass, MulticlassF1Score):
    pass


@dataclass(frozen=True)
class ClassScores:
    """What the answers of a split come to; arrays (classes,), NaN where a class gives no value.

    `recall` is NaN without images of the class, `precision` where no image was taken for it, `f1` where both
    hold. `accuracy_macro` is the mean of `recall` (balanced accuracy), `f1_macro` that of `f1`. `correct` and
    `images` are counts.
    """

    accuracy: float
    accuracy_macro: float
    f1_macro: float
    precision: NDArray[np.float64]
    recall: NDArray[np.float64]
    f1: NDArray[np.float64]
    correct: NDArray[np.int64]
    images: NDArray[np.int64]


def class_scores(predicted: Tensor, labels: Tensor, classes: int) -> ClassScores:
    """Score predicted and true classes (n,) of at least one image, both on the CPU."""
    plain: dict[str, Any] = {"num_classes": classes, "validate_args": False}
    collection = MetricCollection(
        {
            "accuracy": MulticlassAccuracy(average="micro", **plain),
            "precision": _Precision(average="none", **plain),
            "recall": _Recall(average="none", **plain),
            "f1": _F1(average="none", **plain),
            "f1_macro": _F1(average="macro", **plain),
        },
        compute_groups=[["accuracy"], ["precision", "recall", "f1", "f1_macro"]],
    )
    collection.update(predicted, labels)
    counts: Any = collection["recall"]
    hits, missed, alarms = (part.numpy().copy() for part in (counts.tp, counts.fn, counts.fp))
    for metric in collection.values(copy_state=False):
        metric.set_dtype(torch.float64)
    values = {name: value.numpy() for name, value in collection.compute().items()}
    images, named = hits + missed, hits + alarms
    recall = np.where(images > 0, values["recall"], np.nan)
    return ClassScores(
        accuracy=float(values["accuracy"]),
        # torchmetrics' own mean takes in classes without images that an image was taken for.
        accuracy_macro=float(np.mean(recall[images > 0])),
        f1_macro=float(values["f1_macro"]),
        precision=np.where(named > 0, values["precision"], np.nan),
        recall=recall,
        f1=np.where(images + named > 0, values["f1"], np.nan),
        correct=hits,
        images=images,
    )


def top_accuracy(classes: int, top: int, device: torch.device) -> MulticlassAccuracy:
    """Accuracy of the `top` most probable classes, counted on `device` batch by batch."""
    metric = MulticlassAccuracy(num_classes=classes, top_k=top, average="micro", validate_args=False)
    return metric.to(device)
