"""From a model's outputs to the numbers of a measurement: true means over images, whatever the batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from core.errors import RunFailedError

TOP_FROM = 5
"""Top-5 accuracy is measured with more classes than this: with as many or fewer it would always be 1."""
KEPT_CLASSES = 1000
"""With more classes than this, only the highest probabilities of an image are kept."""
KEPT_TOP = 20
"""How many of them."""


class Scores:
    """Gathers the outputs of one split, batch by batch; `keep` also keeps probabilities."""

    def __init__(self, classes: int, *, keep: bool = True) -> None:
        self._classes = classes
        self._keep = keep
        self._columns: dict[str, list[Tensor]] = {}

    def add(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Add a batch: logits (n, classes), float32, and labels (n,); returns its probabilities."""
        probabilities = logits.softmax(dim=1)
        losses = functional.cross_entropy(logits, labels, reduction="none")
        columns = {"loss": losses, "label": labels}
        if self._classes > TOP_FROM:
            columns["top5"] = (logits.topk(TOP_FROM, dim=1).indices == labels[:, None]).any(dim=1)
        self._append(columns | self._kept(probabilities))
        return probabilities

    def add_probabilities(self, probabilities: Tensor, labels: Tensor) -> None:
        """The same for probabilities that are a mean over views, which have no loss."""
        self._append({"label": labels} | self._kept(probabilities))

    def metrics(self) -> dict[str, float]:
        """loss, accuracy, accuracy_macro (mean over the classes that have images), top5, as far as known."""
        correct = self._correct()
        found = {}
        if "loss" in self._columns:
            found["loss"] = self._column("loss").double().mean().item()
        found["accuracy"] = int(correct.sum()) / len(correct)
        hits, counts = self._by_class(correct)
        found["accuracy_macro"] = float(np.mean([hit / n for hit, n in zip(hits, counts, strict=True) if n]))
        if "top5" in self._columns:
            found["top5"] = int(self._column("top5").sum()) / len(correct)
        return found

    def per_class(self, names: Sequence[str]) -> list[dict[str, Any]]:
        """A row for each class: class, n, correct, accuracy (None without images)."""
        hits, counts = self._by_class(self._correct())
        return [
            {"class": name, "n": n, "correct": hit, "accuracy": hit / n if n else None}
            for name, hit, n in zip(names, hits, counts, strict=True)
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
        for name, values in columns.items():
            self._columns.setdefault(name, []).append(values)

    def _column(self, name: str) -> Tensor:
        return torch.cat(self._columns[name]).cpu()

    def _correct(self) -> Tensor:
        return self._column("predicted") == self._column("label")

    def _by_class(self, correct: Tensor) -> tuple[list[int], list[int]]:
        labels = self._column("label")
        hits = torch.bincount(labels[correct], minlength=self._classes)
        return hits.tolist(), torch.bincount(labels, minlength=self._classes).tolist()


def require_logits(output: Any, images: int, classes: int) -> Tensor:
    """The model's output when it is (images, classes). Raises RunFailedError when it is something else."""
    if isinstance(output, Tensor) and output.shape == (images, classes):
        return output
    shape = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
    raise RunFailedError(
        f"The network gives {shape} for a batch of {images} images, not ({images}, {classes}): "
        "forward must return one row of class scores an image."
    )
