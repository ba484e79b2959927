"""Optimiser and schedule out of a config."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.optim.lr_scheduler import ReduceLROnPlateau

from core.config.schema import Experiment


def build_optimizer(model: nn.Module, experiment: Experiment, flavour: str) -> torch.optim.SGD:
    """SGD over the trainable parameters; `flavour` is fused or default."""
    settings = experiment.optimizer
    return torch.optim.SGD(
        [parameter for parameter in model.parameters() if parameter.requires_grad],
        lr=experiment.learning_rate,
        momentum=settings.momentum,
        weight_decay=settings.weight_decay,
        fused=True if flavour == "fused" else None,
    )


def restore_optimizer(
    optimizer: torch.optim.Optimizer, state: dict[str, Any], *, keep: tuple[str, ...]
) -> None:
    """Load a stored state, but keep the settings named in `keep` (`lr`, `fused`, ...) as they are now."""
    now = [{name: group[name] for name in keep} for group in optimizer.param_groups]
    optimizer.load_state_dict(state)
    for group, settings in zip(optimizer.param_groups, now, strict=True):
        group.update(settings)


def build_scheduler(
    optimizer: torch.optim.Optimizer, experiment: Experiment, mode: str
) -> ReduceLROnPlateau | None:
    """The schedule, stepped once an epoch; `mode` (max or min) is that of the metric it watches."""
    settings = experiment.scheduler
    if settings.name == "none":
        return None
    return ReduceLROnPlateau(
        optimizer, mode="max" if mode == "max" else "min", factor=settings.factor, patience=settings.patience
    )


def learning_rate(optimizer: torch.optim.Optimizer) -> float:
    """The learning rate of the first parameter group."""
    return float(optimizer.param_groups[0]["lr"])
