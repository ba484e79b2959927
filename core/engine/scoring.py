"""From a model's outputs to the numbers of a measurement: true means over images, whatever the batches.

torchmetrics computes what is made of right and wrong answers. Answers are gathered on the device and counted
once a split, so that no batch waits for it; ratios are taken in double precision.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from torchmetrics import MetricCollection
from torchmetrics.classification import (
    MulticlassAccuracy,
    MulticlassF1Score,
    MulticlassPrecision,
    MulticlassRecall,
    MulticlassStatScores,
)
from torchmetrics.functional.classification import multiclass_stat_scores

from core.engine.state import Answers
from core.errors import RunFailedError
from core.store.measures import KEPT_CLASSES, KEPT_TOP

TOP_FROM = 5
"""Top-5 accuracy is measured with more classes than this: with as many or fewer it would always be 1."""


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


def correct_answers(batches: Sequence[Answers]) -> int:
    """How many of these answers are right; waits for the device."""
    predicted, labels = (torch.cat(parts) for parts in zip(*batches, strict=True))
    # The number of classes has a part in the true negatives only.
    counts = multiclass_stat_scores(predicted, labels, num_classes=2, average="micro", validate_args=False)
    true_positives, *_ = counts.tolist()
    return int(true_positives)


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


class Scores:
    """Gathers the outputs of one split, batch by batch; `keep` also keeps probabilities."""

    def __init__(self, classes: int, *, keep: bool = True) -> None:
        self._classes = classes
        self._keep = keep
        self._columns: dict[str, list[Tensor]] = {}
        self._top: MulticlassAccuracy | None = None
        self._scores: ClassScores | None = None

    def add(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Add a batch: logits (n, classes), float32, and labels (n,); returns its probabilities."""
        probabilities = logits.softmax(dim=1)
        losses = functional.cross_entropy(logits, labels, reduction="none")
        columns = {"loss": losses, "label": labels}
        if self._classes > TOP_FROM and len(labels):
            if self._top is None:
                top = MulticlassAccuracy(
                    num_classes=self._classes, top_k=TOP_FROM, average="micro", validate_args=False
                )
                self._top = top.to(logits.device)
            self._top.update(logits, labels)
        self._append(columns | self._kept(probabilities))
        return probabilities

    def add_probabilities(self, probabilities: Tensor, labels: Tensor) -> None:
        """The same for probabilities that are a mean over views, which have no loss."""
        self._append({"label": labels} | self._kept(probabilities))

    def metrics(self) -> dict[str, float]:
        """loss, accuracy, accuracy_macro, top5 and f1_macro, as far as known; nothing without images."""
        scores = self._class_scores()
        if scores is None:
            return {}
        found = {}
        if "loss" in self._columns:
            found["loss"] = self._column("loss").double().mean().item()
        found |= {"accuracy": scores.accuracy, "accuracy_macro": scores.accuracy_macro}
        if self._top is not None:
            found["top5"] = self._top.cpu().set_dtype(torch.float64).compute().item()
        return found | {"f1_macro": scores.f1_macro}

    def per_class(self, names: Sequence[str]) -> list[dict[str, Any]]:
        """A row for each class: class, n, correct, accuracy, precision, recall, f1; see `ClassScores`.

        What has no value is None. `accuracy` is the recall.
        """
        scores = self._class_scores()
        if scores is None:
            nothing = {"n": 0, "correct": 0, **dict.fromkeys(("accuracy", "precision", "recall", "f1"))}
            return [{"class": name, **nothing} for name in names]
        return [
            {
                "class": name,
                "n": int(scores.images[label]),
                "correct": int(scores.correct[label]),
                "accuracy": _value(scores.recall[label]),
                "precision": _value(scores.precision[label]),
                "recall": _value(scores.recall[label]),
                "f1": _value(scores.f1[label]),
            }
            for label, name in enumerate(names)
        ]

    def probabilities(self, prefix: str = "") -> dict[str, NDArray[Any]]:
        """What is stored of the probabilities, by key; see `Classification.measure`."""
        names = ("probabilities",) if self._classes <= KEPT_CLASSES else ("top_probabilities", "top_classes")
        return {prefix + name: self._column(name).numpy() for name in names}

    def _kept(self, probabilities: Tensor) -> dict[str, Tensor]:
        columns = {"predicted": probabilities.argmax(dim=1)}
        if self._keep and self._classes <= KEPT_CLASSES:
            columns["probabilities"] = probabilities
        elif self._keep:
            top = probabilities.topk(KEPT_TOP, dim=1)
            columns |= {"top_probabilities": top.values, "top_classes": top.indices.int()}
        return columns

    def _append(self, columns: Mapping[str, Tensor]) -> None:
        self._scores = None
        for name, values in columns.items():
            self._columns.setdefault(name, []).append(values)

    def _column(self, name: str) -> Tensor:
        return torch.cat(self._columns[name]).cpu()

    def _class_scores(self) -> ClassScores | None:
        """Counted once for all that was added; None without images."""
        if self._scores is None and any(len(labels) for labels in self._columns.get("label", ())):
            self._scores = class_scores(self._column("predicted"), self._column("label"), self._classes)
        return self._scores


def _value(value: np.float64) -> float | None:
    return None if np.isnan(value) else float(value)


def require_logits(output: Any, images: int, classes: int) -> Tensor:
    """The model's output when it is (images, classes). Raises RunFailedError when it is something else."""
    if isinstance(output, Tensor) and output.shape == (images, classes):
        return output
    shape = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
    raise RunFailedError(
        f"The network gives {shape} for a batch of {images} images, not ({images}, {classes}): "
        "forward must return one row of class scores an image."
    )
