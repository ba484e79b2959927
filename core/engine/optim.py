"""Optimisers out of a config."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from core.config.optimizers import OPTIMIZERS
from core.config.schema import Experiment
from core.models.modes import ParamGroup

# Settings that many methods have, and those that choose an implementation: they vary with torch's version.
_SHARED_SETTINGS = frozenset(
    {
        *("params", "lr", "initial_lr", "name", "eps", "weight_decay", "decoupled_weight_decay"),
        *("fused", "foreach", "capturable", "maximize", "differentiable"),
    }
)


def build_optimizer(
    groups: Sequence[ParamGroup], experiment: Experiment, flavour: str
) -> torch.optim.Optimizer:
    """The config's optimiser over the groups, each with its learning rate; `flavour` is fused or default."""
    kind = experiment.optimizer.kind
    parameters = [{"params": list(group.parameters), "lr": group.lr, "name": group.name} for group in groups]
    arguments = kind.torch_arguments(experiment.optimizer)
    if kind.fused:
        arguments["fused"] = True if flavour == "fused" else None
    optimizer: torch.optim.Optimizer = getattr(torch.optim, kind.torch_class)(parameters, **arguments)
    return optimizer


def restore_optimizer(
    optimizer: torch.optim.Optimizer, state: Mapping[str, Any], *, keep: Sequence[str]
) -> None:
    """Load a stored state, but keep the settings named in `keep` (`lr`, `fused`, ...) as they are now.

    The state takes the memory layout of the weights, whatever it was stored in. Raises ValueError when the
    groups do not match.
    """
    stored = state["param_groups"]
    if len(stored) == len(optimizer.param_groups):
        # torch places the state by the settings that it is given, so those of now have to be in it before.
        stored = [
            {**group, **{name: now[name] for name in keep if name in now}}
            for group, now in zip(stored, optimizer.param_groups, strict=True)
        ]
    optimizer.load_state_dict({**state, "param_groups": stored})
    _take_layout(optimizer)


@torch.no_grad()
def _take_layout(optimizer: torch.optim.Optimizer) -> None:
    """Lay each tensor of the state out in memory as its weight is: fused kernels walk both alike."""
    for parameter, state in optimizer.state.items():
        for name, value in state.items():
            if not isinstance(value, torch.Tensor) or value.shape != parameter.shape:
                continue
            if value.stride() != parameter.stride():
                state[name] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)


def misfit(optimizer: torch.optim.Optimizer, state: Mapping[str, Any]) -> str | None:
    """Why a stored state means nothing to this optimiser, or None: other method, or other parameters."""
    stored = state["param_groups"]
    if any(_method(group) != _method(optimizer.param_groups[0]) for group in stored):
        return "it is another method"
    held = {name for values in state["state"].values() for name, value in values.items() if value is not None}
    if not held <= _state_names(optimizer):
        return "it is another method"
    sizes = [len(group["params"]) for group in stored]
    if sizes != [len(group["params"]) for group in optimizer.param_groups]:
        return "other parameters are trained"
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    numbers = [number for group in stored for number in group["params"]]
    for number, parameter in zip(numbers, parameters, strict=True):
        for value in state["state"].get(number, {}).values():
            if isinstance(value, torch.Tensor) and value.dim() and value.shape != parameter.shape:
                return "other parameters are trained"
    return None


def set_rates(optimizer: torch.optim.Optimizer, rates: Sequence[float]) -> None:
    """Set the learning rate of each group."""
    for group, rate in zip(optimizer.param_groups, rates, strict=True):
        group["lr"] = rate


def rate_record(optimizer: torch.optim.Optimizer) -> dict[str, float]:
    """Learning rates for a metric record: `lr` of the first group; of several also `lr/<group>`."""
    groups = optimizer.param_groups
    rates = {"lr": float(groups[0]["lr"])}
    if len(groups) > 1:
        rates |= {f"lr/{group['name']}": float(group["lr"]) for group in groups}
    return rates


def _method(group: Mapping[str, Any]) -> frozenset[str]:
    """The settings that only this method, and those whose state means the same (Adam, AdamW), have."""
    return frozenset(group) - _SHARED_SETTINGS


def _state_names(optimizer: torch.optim.Optimizer) -> frozenset[str]:
    """What the optimiser may keep for a parameter."""
    name = type(optimizer).__name__
    kinds = [kind for kind in OPTIMIZERS.values() if kind.torch_class == name]
    return frozenset(part for kind in kinds for part in (*kind.state, *kind.counters))
