"""Schedules of the learning rate: which settings each reads, its formula, and what else it needs.

To add one, add an entry to `SCHEDULERS`, and a field to `Scheduler` for each setting that is new.
Formulas: cosine is SGDR without restarts (Loshchilov and Hutter, 2017), onecycle that of Smith and Topin
(2018) with cosine annealing, from a 25th of the peak and down to a 10,000th of that, as in torch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from dataclasses import field as attribute
from typing import TYPE_CHECKING, Any, Literal

from core import humanise
from core.config.field_types import Section, field
from core.config.names import MetricChoice

_START = 1 / 25
_END = _START / 10_000


@dataclass(frozen=True)
class Position:
    """How far a schedule has come: `step` and `epoch` from 0, not beyond the end of the `total` steps."""

    step: int
    total: int
    warmup: int
    epoch: int


@dataclass(frozen=True)
class SchedulerKind:
    """One schedule.

    `does` completes "plateau ..." for the help; `settings` are the keys of `scheduler` that it reads besides
    `warmup`; `words` follow "learning rate 1e-2". `factor` is what the learning rate is multiplied by, absent
    where it stays; with `to_min_lr` the factor goes from `min_lr` to the rate instead of from 0.
    `by_horizon`: its course goes over all epochs, step by step. `own_rise` is the setting of a rise of its
    own, which leaves no room for a warm-up. `torch_class`, in torch.optim.lr_scheduler, judges a metric at an
    epoch's end with `torch_arguments` (its arguments by setting), and its state is in every checkpoint; the
    others have none.
    """

    does: str
    settings: tuple[str, ...] = ()
    words: Callable[[Scheduler], str] = lambda _: ""
    factor: Callable[[Scheduler, Position], float] | None = None
    to_min_lr: bool = False
    by_horizon: bool = False
    own_rise: str = ""
    torch_class: str = ""
    torch_arguments: Mapping[str, str] = attribute(default_factory=dict)

    @property
    def needs_metric(self) -> bool:
        """Whether it judges a metric."""
        return bool(self.torch_class)

    @property
    def changes(self) -> bool:
        """Whether it changes the learning rate at all."""
        return self.factor is not None or self.needs_metric

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys of `scheduler` that it reads."""
        return self.settings if self.own_rise else (*self.settings, "warmup")

    def arguments(self, settings: Scheduler) -> dict[str, Any]:
        """The arguments of its class in torch, without optimiser and mode."""
        return {argument: getattr(settings, key) for argument, key in self.torch_arguments.items()}


def _staircase(settings: Scheduler, at: Position) -> float:
    return settings.factor ** (at.epoch // settings.every)


def _cosine(settings: Scheduler, at: Position) -> float:
    done = max(0, at.step - at.warmup)
    return (1 + math.cos(math.pi * done / max(1, at.total - at.warmup))) / 2


def _onecycle(settings: Scheduler, at: Position) -> float:
    """Fraction of the highest rate, which it reaches after the fraction `peak` of all steps."""
    if at.total == 1:
        return 1.0
    top = settings.peak * at.total - 1
    if at.step <= top:
        return _anneal(_START, 1.0, at.step / top if top > 0 else 1.0)
    return _anneal(1.0, _END, (at.step - top) / (at.total - 1 - top))


def _anneal(start: float, end: float, part: float) -> float:
    return end + (start - end) / 2 * (math.cos(math.pi * part) + 1)


SCHEDULERS: Mapping[str, SchedulerKind] = {
    "none": SchedulerKind("keeps the rate"),
    "plateau": SchedulerKind(
        "lowers it when the metric stops improving",
        ("metric", "factor", "patience", "min_lr"),
        words=lambda s: f", times {s.factor:g} after {s.patience} epochs without improvement",
        torch_class="ReduceLROnPlateau",
        torch_arguments={"factor": "factor", "patience": "patience", "min_lr": "min_lr"},
    ),
    "step": SchedulerKind(
        "lowers it at fixed epochs",
        ("factor", "every"),
        words=lambda s: f", times {s.factor:g} every {s.every} epochs",
        factor=_staircase,
    ),
    "cosine": SchedulerKind(
        "lowers it along a cosine to the end",
        ("min_lr",),
        words=lambda s: f", falling along a cosine to {humanise.learning_rate(s.min_lr)}",
        factor=_cosine,
        to_min_lr=True,
        by_horizon=True,
    ),
    "onecycle": SchedulerKind(
        "raises it first and leaves momentum as it is",
        ("peak",),
        words=lambda s: f" at its peak, reached after {s.peak * 100:.0f} % of the epochs",
        factor=_onecycle,
        by_horizon=True,
        own_rise="peak",
    ),
}
"""Every schedule by its name in configs; the first is the default."""

if TYPE_CHECKING:
    SchedulerName = str
else:
    SchedulerName = Literal[tuple(SCHEDULERS)]


class Scheduler(Section):
    """How the learning rate changes."""

    name: SchedulerName = field(
        next(iter(SCHEDULERS)),
        description=f"{'; '.join(f'{name} {kind.does}' for name, kind in SCHEDULERS.items())}.",
    )
    metric: MetricChoice = field("auto")
    """The metric that is watched; auto is the run's metric."""
    factor: float = field(0.1, gt=0, lt=1)
    """The learning rate is multiplied by this."""
    patience: int = field(3, ge=0)
    """Epochs without improvement before the learning rate is lowered."""
    every: int = field(10, ge=1)
    """Epochs between two drops."""
    min_lr: float = field(0.0, ge=0)
    """Learning rate at the end, or the lowest that it reaches."""
    peak: float = field(0.3, gt=0, lt=1)
    """Fraction of the epochs in which it rises to learning_rate."""
    warmup: float = field(0.0, ge=0)
    """Epochs in which the learning rate rises linearly from 0 at the start; fractions are fine."""

    @property
    def kind(self) -> SchedulerKind:
        """Its entry in the table."""
        return SCHEDULERS[self.name]
