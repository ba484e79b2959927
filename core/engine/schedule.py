"""Learning rates as a function of the place in training; only plateau has a state, which is torch's.

Formulas: cosine is SGDR without restarts (Loshchilov and Hutter, 2017), onecycle that of Smith and Topin
(2018) with cosine annealing, from a 25th of the peak and down to a 10,000th of that, as in torch.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch.optim.lr_scheduler import ReduceLROnPlateau

from core.config.schema import Experiment, Scheduler

_START = 1 / 25
_END = _START / 10_000


@dataclass(frozen=True)
class Origin:
    """Where a schedule began: after `epoch` epochs and `step` steps of the next one."""

    epoch: int = 0
    step: int = 0


@dataclass(frozen=True)
class Schedule:
    """The rates of all parameter groups.

    `base` are the rates of the config, one a group. `horizon` is the epoch that cosine and onecycle end at;
    beyond it the last rate is held, that of step too. `origin` is where a fork starts.
    """

    settings: Scheduler
    base: tuple[float, ...]
    steps_per_epoch: int
    horizon: int
    origin: Origin = Origin()

    @property
    def total(self) -> int:
        """Steps from the origin to the horizon, at least 1."""
        return max(1, (self.horizon - self.origin.epoch) * self.steps_per_epoch - self.origin.step)

    @property
    def warmup(self) -> int:
        """Steps of the warm-up."""
        return min(round(self.settings.warmup * self.steps_per_epoch), self.total)

    @property
    def every_step(self) -> bool:
        """Whether rates change within an epoch."""
        return self.settings.name in ("cosine", "onecycle") or self.warmup > 0

    @property
    def ends(self) -> bool:
        """Whether there is a change that the horizon puts an end to."""
        return self.settings.name in ("step", "cosine", "onecycle")

    def passed(self, epochs_done: int, step_in_epoch: int) -> int:
        """Steps since the origin."""
        origin = self.origin
        return (epochs_done - origin.epoch) * self.steps_per_epoch + step_in_epoch - origin.step

    def rates(self, epochs_done: int, step_in_epoch: int) -> tuple[float, ...] | None:
        """The rates of the step after that place; None when they stay as plateau has left them."""
        step = self.passed(epochs_done, step_in_epoch)
        warmup = self.warmup
        rising = step < warmup
        name = self.settings.name
        if name == "plateau" and not rising:
            return None
        part = (step + 1) / warmup if rising else 1.0
        if name == "step":
            epoch = min(epochs_done, self.horizon - 1) - self.origin.epoch
            part *= self.settings.factor ** (max(0, epoch) // self.settings.every)
        elif name == "onecycle":
            part = _onecycle(min(step, self.total - 1), self.total, self.settings.peak)
        elif name == "cosine" and not rising:
            place = min(step, self.total - 1) - warmup
            part = (1 + math.cos(math.pi * place / max(1, self.total - warmup))) / 2
            return tuple(_between(self.settings.min_lr, rate, part) for rate in self.base)
        return tuple(rate * part for rate in self.base)

    def watches(self, epochs_done: int) -> bool:
        """Whether plateau judges the epoch that ends there: not while the warm-up lasts."""
        return self.passed(epochs_done, 0) > self.warmup


def schedule_of(
    experiment: Experiment, base: tuple[float, ...], steps_per_epoch: int, origin: Origin = Origin()
) -> Schedule:
    """The schedule of a config, whose `epochs` are the horizon."""
    return Schedule(experiment.scheduler, base, steps_per_epoch, experiment.epochs, origin)


def plateau_of(
    optimizer: torch.optim.Optimizer, experiment: Experiment, mode: str
) -> ReduceLROnPlateau | None:
    """What lowers rates at an epoch's end, when the config asks for it; `mode` is the watched metric's."""
    settings = experiment.scheduler
    if settings.name != "plateau":
        return None
    return ReduceLROnPlateau(
        optimizer,
        mode="max" if mode == "max" else "min",
        factor=settings.factor,
        patience=settings.patience,
        min_lr=settings.min_lr,
    )


def _between(low: float, high: float, part: float) -> float:
    low = min(low, high)
    return low + (high - low) * part


def _onecycle(step: int, total: int, peak: float) -> float:
    """Share of the highest rate at `step` (from 0) of `total`, which rises for the share `peak` of them."""
    if total == 1:
        return 1.0
    top = peak * total - 1
    if step <= top:
        return _anneal(_START, 1.0, step / top if top > 0 else 1.0)
    return _anneal(1.0, _END, (step - top) / (total - 1 - top))


def _anneal(start: float, end: float, part: float) -> float:
    return end + (start - end) / 2 * (math.cos(math.pi * part) + 1)
