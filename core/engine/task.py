"""What the loop has to know about a kind of training; classification is one, detection another."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from core.config.schema import Experiment
from core.engine.checkpoint import DataKey
from core.engine.state import Answers
from core.errors import DataError


@dataclass(frozen=True)
class StepOutcome:
    """One training batch: the loss to go down (mean over its images), their number, and sums for the record.

    `totals` maps names (`loss`) to sums over the images; the epoch's `train/<name>` is the sum of them over
    the number of images. `parts` are the terms that the loss is made of, where there are several; `answers`
    make `train/accuracy`, where there is one answer an image.
    """

    loss: Tensor
    images: int
    totals: Mapping[str, Tensor]
    parts: Mapping[str, Tensor] = field(default_factory=dict)
    answers: Answers | None = None


@dataclass(frozen=True)
class Measurement:
    """A split measured without randomness: metrics by bare name, rows by class, arrays of predictions."""

    images: int
    metrics: Mapping[str, float]
    per_class: Sequence[Mapping[str, Any]] = ()
    predictions: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)


class Task(Protocol):
    """A model's data, loss and measures.

    `quiet` are beginnings of metric names that a line of the log has no room for.
    """

    device: torch.device
    steps_per_epoch: int
    images_per_epoch: int
    splits: tuple[str, ...]
    quiet: tuple[str, ...]

    @property
    def key(self) -> DataKey:
        """What a checkpoint's place within an epoch depends on."""
        ...

    def batches(self, epoch: int, first: int) -> Iterator[Any]:
        """Batches of `epoch` (from 1) from step `first` (from 0) on; a function of (seed, epoch, step)."""
        ...

    def step(self, model: nn.Module, batch: Any) -> StepOutcome:
        """Forward pass and loss of one training batch."""
        ...

    def measure(self, model: nn.Module, split: str, *, extras: bool = False) -> Measurement:
        """Measure `model` on a split, in evaluation mode; touches no global random generator.

        May raise `core.data.cache.Cancelled` when the task is asked to stop. `extras` adds what the config
        asks for beside the plain measures.
        """
        ...

    def predict(
        self, model: nn.Module, root: Path, paths: Sequence[str], *, extras: bool = False
    ) -> dict[str, NDArray[Any]]:
        """What `model` says of images that have no annotations, by the keys of `measure`'s predictions.

        `paths` are relative to `root`. Raises DataError naming an image that cannot be read.
        """
        ...

    def settings(self, split: str, *, extras: bool = False) -> dict[str, Any]:
        """What `measure` does to the images: the settings of its Measurement."""
        ...


SINGLE_LEFT_OUT = "note: 1 image left out per epoch: a last batch of one has no batch statistics"


def require_company(experiment: Experiment, images: int, alone: Callable[[], bool]) -> None:
    """Raises DataError when every batch has one image and the network fails on those (`alone`)."""
    if min(experiment.batch, images) == 1 and alone():
        what = "batch: 1" if experiment.batch == 1 else "one training image"
        raise DataError(
            f"{experiment.model} cannot train with {what}: batch normalisation has a single value there. "
            "Use a batch of 2 or more images, larger images, or mode: head."
        )
