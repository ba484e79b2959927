"""All that changes while a model is trained."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import ReduceLROnPlateau

from core.errors import RunFailedError


class NonFiniteLossError(RunFailedError):
    """The training loss is NaN or infinite."""


class RunningSums:
    """Sums over the images of the epoch under way, in double precision.

    On the CPU they are plain numbers at once. On another device they stay there until `read`, so that no step
    waits for it; a loss that was not finite is then found late, but always before anything is saved.
    """

    def __init__(self) -> None:
        self.totals: dict[str, float] = {}
        self.images = 0
        self.seconds = 0.0
        self._pending: dict[str, Tensor] = {}

    def add(self, totals: Mapping[str, Tensor], images: int) -> None:
        """Add one batch's sums."""
        self.images += images
        for name, value in totals.items():
            if value.device.type == "cpu":
                self.totals[name] = self.totals.get(name, 0.0) + value.item()
            else:
                pending = self._pending.get(name)
                wide = value.double() if value.device.type == "cuda" else value.float()
                self._pending[name] = wide if pending is None else pending + wide

    def read(self) -> dict[str, float]:
        """The sums so far; waits for the device."""
        for name, value in self._pending.items():
            self.totals[name] = self.totals.get(name, 0.0) + float(value)
        self._pending.clear()
        return dict(self.totals)

    def means(self) -> dict[str, float]:
        """`train/<name>`: the sums over the number of images."""
        return (
            {f"train/{name}": total / self.images for name, total in self.read().items()}
            if self.images
            else {}
        )

    def as_dict(self) -> dict[str, Any]:
        return {"totals": self.read(), "images": self.images, "seconds": self.seconds}

    def load(self, stored: Mapping[str, Any]) -> None:
        self.totals = {str(name): float(value) for name, value in stored["totals"].items()}
        self.images, self.seconds = int(stored["images"]), float(stored["seconds"])
        self._pending.clear()

    def reset(self) -> None:
        self.__init__()  # type: ignore[misc]


class LossGuard:
    """Finds the first loss that is not finite: at once on the CPU, at `check` elsewhere."""

    def __init__(self) -> None:
        self._first_bad: Tensor | None = None

    def see(self, loss: Tensor, epoch: int, step: int) -> None:
        """Raises NonFiniteLossError for `step` (the one under way, from 1), before the optimiser moves."""
        if loss.device.type == "cpu":
            value = loss.item()
            if not math.isfinite(value):
                raise _not_finite(value, epoch, step)
            return
        self._remember(loss.detach(), step)

    def _remember(self, loss: Tensor, step: int) -> None:
        """Keep the smallest bad step on the loss's device, without waiting for it."""
        bad = torch.where(torch.isfinite(loss), torch.inf, float(step))
        self._first_bad = bad if self._first_bad is None else torch.minimum(self._first_bad, bad)

    def check(self, epoch: int) -> None:
        """Raises NonFiniteLossError when a loss seen since the last check was not finite."""
        if self._first_bad is not None:
            step = float(self._first_bad)
            self._first_bad = None
            if math.isfinite(step):
                raise _not_finite(math.nan, epoch, int(step))


def _not_finite(value: float, epoch: int, step: int) -> NonFiniteLossError:
    return NonFiniteLossError(
        f"The training loss became {value} at epoch {epoch}, step {step}. Lower learning_rate: fork the last "
        "checkpoint, or start anew."
    )


@dataclass(frozen=True)
class BestSoFar:
    """The best value of the run's metric and the epoch that had it."""

    value: float
    epoch: int


@dataclass
class TrainState:
    """Model, optimiser, schedule and counters. `step` counts optimiser steps since the run began.

    `epochs_done` epochs are complete; `step_in_epoch` steps of the next one are.
    """

    model: nn.Module
    optimizer: torch.optim.Optimizer
    scheduler: ReduceLROnPlateau | None
    epochs_done: int = 0
    step: int = 0
    step_in_epoch: int = 0
    best: BestSoFar | None = None
    sums: RunningSums = field(default_factory=RunningSums)
