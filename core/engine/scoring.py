"""From a model's outputs to the numbers of a measurement: true means over images, whatever the batches.

torchmetrics computes what is made of right and wrong answers (`class_scores`). Answers are gathered on the
device and counted once a split, so that no batch waits for it; ratios are taken in double precision.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from core.engine.state import Answers
from core.errors import RunFailedError
from core.store.measures import KEPT_CLASSES, KEPT_TOP

if TYPE_CHECKING:
    from torchmetrics.classification import MulticlassAccuracy

    from core.engine.class_scores import ClassScores

TOP_FROM = 5
"""Top-5 accuracy is measured with more classes than this: with as many or fewer it would always be 1."""


def correct_answers(batches: Sequence[Answers]) -> int:
    """How many of these answers are right; waits for the device."""
    predicted, labels = (torch.cat(parts) for parts in zip(*batches, strict=True))
    return int((predicted == labels).sum())


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
                from core.engine.class_scores import top_accuracy

                self._top = top_accuracy(self._classes, TOP_FROM, logits.device)
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
            from core.engine.class_scores import class_scores

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
