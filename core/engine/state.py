"""All that changes while a model is trained."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import ReduceLROnPlateau

from core.engine.early_stop import Patience
from core.engine.ema import Ema
from core.engine.schedule import Schedule
from core.errors import RunFailedError
from core.metrics import Mode, is_better

_ADVICE = "Lower learning_rate: fork the last checkpoint, or start again."
_FIRST_EPOCH = "Lower learning_rate and start again."
"""Before the end of the first epoch there is no checkpoint to fork."""


class NonFiniteLossError(RunFailedError):
    """The training loss is NaN or infinite."""


class Answers(NamedTuple):
    """Predicted and true classes (n,) of a batch, on its device."""

    predicted: Tensor
    labels: Tensor


class _Totals:
    """Named sums in double precision: plain numbers at once on the CPU, on another device only when read."""

    def __init__(self) -> None:
        self.known: dict[str, float] = {}
        self._pending: dict[str, Tensor] = {}

    def add(self, name: str, value: Tensor) -> None:
        if value.device.type == "cpu":
            self.known[name] = self.known.get(name, 0.0) + value.item()
            return
        pending = self._pending.get(name)
        wide = value.double() if value.device.type == "cuda" else value.float()
        self._pending[name] = wide if pending is None else pending + wide

    def read(self) -> dict[str, float]:
        for name, value in self._pending.items():
            self.known[name] = self.known.get(name, 0.0) + float(value)
        self._pending.clear()
        return dict(self.known)

    def load(self, stored: Mapping[str, Any]) -> None:
        self.known = {str(name): float(value) for name, value in stored.items()}
        self._pending.clear()


class RunningSums:
    """Sums over the images of the epoch under way, in double precision.

    On the CPU they are plain numbers at once. On another device they stay there until `read`, so that no step
    waits for it; a loss that was not finite is then found late, but always before anything is saved. Answers
    are gathered, and counted by `read`: a few times a second instead of at every step.
    """

    def __init__(self) -> None:
        self.images = 0
        self.seconds = 0.0
        self._totals = _Totals()
        self._norms = _Totals()
        self._answers: list[Answers] = []

    def add(self, totals: Mapping[str, Tensor], images: int, answers: Answers | None = None) -> None:
        """Add one batch's sums."""
        self.images += images
        if answers is not None:
            self._answers.append(answers)
        for name, value in totals.items():
            self._totals.add(name, value)

    def add_norm(self, norm: Tensor) -> None:
        """Add one step's gradient norm; one that is not finite does not count."""
        finite = torch.isfinite(norm)
        self._norms.add("sum", torch.where(finite, norm, 0.0))
        self._norms.add("steps", finite)

    def read(self) -> dict[str, float]:
        """The sums over images so far; waits for the device."""
        totals = self._totals.read()
        if self._answers:
            from core.engine.scoring import correct_answers

            known = self._totals.known
            known["accuracy"] = known.get("accuracy", 0.0) + correct_answers(self._answers)
            self._answers.clear()
            totals = dict(known)
        return totals

    def means(self) -> dict[str, float]:
        """`train/<name>`: the sums over the number of images."""
        return (
            {f"train/{name}": total / self.images for name, total in self.read().items()}
            if self.images
            else {}
        )

    def norm(self) -> dict[str, float]:
        """`grad_norm`: the mean over the epoch's steps of the gradient's norm before clipping, if known."""
        norms = self._norms.read()
        return {"grad_norm": norms["sum"] / norms["steps"]} if norms.get("steps") else {}

    def as_dict(self) -> dict[str, Any]:
        return {
            "totals": self.read(),
            "images": self.images,
            "seconds": self.seconds,
            "norms": self._norms.read(),
        }

    def load(self, stored: Mapping[str, Any]) -> None:
        self._totals.load(stored["totals"])
        self._answers.clear()
        self._norms.load(stored.get("norms", {}))
        self.images, self.seconds = int(stored["images"]), float(stored["seconds"])

    def reset(self) -> None:
        self.__init__()  # type: ignore[misc]


class LossGuard:
    """Finds the first loss that is not finite: at once on the CPU, at `check` elsewhere."""

    def __init__(self) -> None:
        self._first_bad: Tensor | None = None
        self._names: tuple[str, ...] = ()

    def see(self, loss: Tensor, epoch: int, step: int, parts: Mapping[str, Tensor] | None = None) -> None:
        """Raises NonFiniteLossError for `step` (the one under way, from 1), before the optimiser moves.

        `parts` are the terms that the loss is the sum of, if there are several.
        """
        parts = parts or {}
        if loss.device.type == "cpu":
            value = loss.item()
            if not math.isfinite(value):
                bad = [name for name, part in parts.items() if not math.isfinite(part.item())]
                raise _not_finite(value, epoch, step, bad)
            return
        self._names = tuple(parts)
        self._remember(torch.stack([loss.detach().float(), *(part.float() for part in parts.values())]), step)

    def _remember(self, losses: Tensor, step: int) -> None:
        """Keep the smallest bad step of each on the losses' device, without waiting for it."""
        bad = torch.where(torch.isfinite(losses), torch.inf, float(step))
        self._first_bad = bad if self._first_bad is None else torch.minimum(self._first_bad, bad)

    def check(self, epoch: int) -> None:
        """Raises NonFiniteLossError when a loss seen since the last check was not finite."""
        if self._first_bad is not None:
            step, *parts = self._first_bad.tolist()
            self._first_bad = None
            if math.isfinite(step):
                bad = [name for name, part in zip(self._names, parts, strict=True) if part == step]
                raise _not_finite(math.nan, epoch, int(step), bad)


def _not_finite(value: float, epoch: int, step: int, parts: Sequence[str]) -> NonFiniteLossError:
    """`parts` are the terms of the loss that are at fault, by their metric names."""
    terms = f" (in {', '.join(name.removeprefix('loss_') for name in parts)})" if parts else ""
    return NonFiniteLossError(
        f"The training loss became {value} at epoch {epoch}, step {step}{terms}. "
        f"{_ADVICE if epoch > 1 else _FIRST_EPOCH}"
    )


@dataclass(frozen=True)
class BestSoFar:
    """The best value of the run's metric and the epoch that had it."""

    value: float
    epoch: int


@dataclass
class TrainState:
    """Model, optimiser, schedule and counters. `step` counts optimiser steps since the run began.

    `epochs_done` epochs are complete; `step_in_epoch` steps of the next one are. `plateau`, `clip_norm`,
    `ema`, `scaler` and `patience` are None when the config asks for no such thing.
    """

    model: nn.Module
    optimizer: torch.optim.Optimizer
    schedule: Schedule
    plateau: ReduceLROnPlateau | None = None
    clip_norm: float | None = None
    ema: Ema | None = None
    scaler: torch.amp.GradScaler | None = None
    patience: Patience | None = None
    epochs_done: int = 0
    step: int = 0
    step_in_epoch: int = 0
    best: BestSoFar | None = None
    sums: RunningSums = field(default_factory=RunningSums)

    @property
    def ends_early(self) -> bool:
        """Whether patience is spent."""
        return self.patience is not None and self.patience.spent

    def judge(self, value: float, epoch: int, mode: Mode) -> None:
        """Hold an epoch's value of the run's metric against patience and the best one so far."""
        if self.patience is not None:
            self.patience.see(value)
        if is_better(value, None if self.best is None else self.best.value, mode):
            self.best = BestSoFar(value, epoch)

    @contextmanager
    def measured(self) -> Iterator[nn.Module]:
        """Within it, the model as it is measured: with averaged weights where there are such."""
        with nullcontext() if self.ema is None else self.ema.applied(self.model):
            yield self.model

    def require_finite(self) -> None:
        """Raises NonFiniteLossError when a trained weight is not finite: it is not worth saving."""
        weights = [weight for group in self.optimizer.param_groups for weight in group["params"]]
        if not bool(torch.stack([torch.isfinite(weight).all() for weight in weights]).all()):
            raise NonFiniteLossError(
                f"The weights became infinite or NaN by epoch {self.epochs_done + 1}, step {self.step}. "
                f"{_ADVICE if self.epochs_done else _FIRST_EPOCH}"
            )
