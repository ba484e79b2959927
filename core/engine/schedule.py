"""Learning rates as a function of the place in training; a schedule that judges a metric is torch's own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch.optim import lr_scheduler

from core.config.schedulers import Position, Scheduler
from core.config.schema import Experiment
from core.metrics import Mode


@dataclass(frozen=True)
class Origin:
    """Where a schedule began: after `epoch` epochs and `step` steps of the next one."""

    epoch: int = 0
    step: int = 0


@dataclass(frozen=True)
class Schedule:
    """The rates of all parameter groups.

    `base` are the rates of the config, one a group. `horizon` is the epoch that the schedule ends at;
    beyond it the last rate is held. `origin` is where a fork starts.
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
        return self.settings.kind.by_horizon or self.warmup > 0

    @property
    def ends(self) -> bool:
        """Whether there is a change that the horizon puts an end to."""
        return self.settings.kind.factor is not None

    def passed(self, epochs_done: int, step_in_epoch: int) -> int:
        """Steps since the origin."""
        origin = self.origin
        return (epochs_done - origin.epoch) * self.steps_per_epoch + step_in_epoch - origin.step

    def rates(self, epochs_done: int, step_in_epoch: int) -> tuple[float, ...] | None:
        """The rates of the step after that place; None when they stay as a judged metric has left them."""
        step, warmup, kind = self.passed(epochs_done, step_in_epoch), self.warmup, self.settings.kind
        rising = step < warmup
        if kind.needs_metric and not rising:
            return None
        part = (step + 1) / warmup if rising else 1.0
        if kind.factor is not None:
            epoch = max(0, min(epochs_done, self.horizon - 1) - self.origin.epoch)
            at = Position(min(step, self.total - 1), self.total, warmup, epoch)
            part *= kind.factor(self.settings, at)
        if kind.to_min_lr and not rising:
            return tuple(_between(self.settings.min_lr, rate, part) for rate in self.base)
        return tuple(rate * part for rate in self.base)

    def watches(self, epochs_done: int) -> bool:
        """Whether a metric is judged at the epoch that ends there: not while the warm-up lasts."""
        return self.passed(epochs_done, 0) > self.warmup


def schedule_of(
    experiment: Experiment, base: tuple[float, ...], steps_per_epoch: int, origin: Origin = Origin()
) -> Schedule:
    """The schedule of a config, whose `epochs` are the horizon."""
    return Schedule(experiment.scheduler, base, steps_per_epoch, experiment.epochs, origin)


def plateau_of(
    optimizer: torch.optim.Optimizer, experiment: Experiment, mode: Mode
) -> lr_scheduler.ReduceLROnPlateau | None:
    """What changes rates by a metric at an epoch's end, if the config asks for it; `mode` is the metric's."""
    settings = experiment.scheduler
    if not settings.kind.needs_metric:
        return None
    make: Any = getattr(lr_scheduler, settings.kind.torch_class)
    judge: lr_scheduler.ReduceLROnPlateau = make(optimizer, mode=mode, **settings.kind.arguments(settings))
    return judge


def _between(low: float, high: float, part: float) -> float:
    low = min(low, high)
    return low + (high - low) * part
