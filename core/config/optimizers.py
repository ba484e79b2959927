"""Optimisers: what each is called, which settings it reads and what a checkpoint holds of it.

To add one, add an entry to `OPTIMIZERS`, and a field to `Optimizer` for each setting that is new.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from core.config.field_types import Section, Switch, field


@dataclass(frozen=True)
class OptimizerKind:
    """One optimiser.

    `torch_class` is the name of its class in torch.optim. `arguments` gives the setting behind each argument
    of that class, or the two settings behind a pair. `state` names the tensors of a parameter's own size
    that are kept for it, `counters` the single numbers; `state_with` is the setting without which (at 0)
    nothing is kept. `fused`: torch has it fused; `fused_in_float16`: that is right where gradients overflow.
    """

    torch_class: str
    arguments: Mapping[str, str | tuple[str, ...]]
    state: tuple[str, ...]
    counters: tuple[str, ...] = ()
    state_with: str = ""
    fused: bool = True
    fused_in_float16: bool = True

    @property
    def settings(self) -> tuple[str, ...]:
        """The keys of `optimizer` that it reads."""
        values = self.arguments.values()
        return tuple(key for value in values for key in ((value,) if isinstance(value, str) else value))

    def torch_arguments(self, settings: Optimizer) -> dict[str, Any]:
        """The arguments of its class in torch.optim, without learning rates."""
        return {
            argument: getattr(settings, key)
            if isinstance(key, str)
            else tuple(getattr(settings, part) for part in key)
            for argument, key in self.arguments.items()
        }

    def kept_tensors(self, settings: Optimizer) -> tuple[int, int]:
        """How many tensors of its own size, and how many numbers, a checkpoint holds for each parameter."""
        if self.state_with and not getattr(settings, self.state_with):
            return 0, 0
        return len(self.state), len(self.counters)


_ADAM: Mapping[str, str | tuple[str, ...]] = {"betas": ("beta1", "beta2"), "weight_decay": "weight_decay"}
_MOMENTS = ("exp_avg", "exp_avg_sq")

OPTIMIZERS: Mapping[str, OptimizerKind] = {
    "sgd": OptimizerKind(
        "SGD",
        {"momentum": "momentum", "nesterov": "nesterov", "weight_decay": "weight_decay"},
        state=("momentum_buffer",),
        state_with="momentum",
        # torch's fused SGD spoils its momentum where the gradients of a step overflow (torch 2.14).
        fused_in_float16=False,
    ),
    "adam": OptimizerKind("Adam", _ADAM, state=_MOMENTS, counters=("step",)),
    "adamw": OptimizerKind("AdamW", _ADAM, state=_MOMENTS, counters=("step",)),
}
"""Every optimiser by its name in configs; the first is the default."""

if TYPE_CHECKING:
    OptimizerName = str
else:
    OptimizerName = Literal[tuple(OPTIMIZERS)]


class Optimizer(Section):
    """How weights are updated."""

    name: OptimizerName = field(next(iter(OPTIMIZERS)))
    """The optimiser."""
    momentum: float = field(0.9, ge=0, lt=1)
    """Momentum."""
    nesterov: Switch = field(False)
    """Nesterov's momentum."""
    beta1: float = field(0.9, ge=0, lt=1)
    """Decay rate of the moving average of the gradient."""
    beta2: float = field(0.999, ge=0, lt=1)
    """Decay rate of the moving average of the squared gradient."""
    weight_decay: float = field(0.0, ge=0, lt=1)
    """Weight decay: an L2 penalty, decoupled for AdamW."""

    @property
    def kind(self) -> OptimizerKind:
        """Its entry in the table."""
        return OPTIMIZERS[self.name]
