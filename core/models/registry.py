"""Models by the name that a config gives them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from core.errors import UsageError
from core.models.tinyvgg import tinyvgg_a, tinyvgg_v4
from core.text import did_you_mean


@dataclass(frozen=True)
class ModelEntry:
    """How to build a model, and the smallest square image that passes through it."""

    build: Callable[[int, int], nn.Module]
    min_image_size: int


MODELS: dict[str, ModelEntry] = {
    "tinyvgg_v4": ModelEntry(tinyvgg_v4, 32),
    "tinyvgg_a": ModelEntry(tinyvgg_a, 32),
}


def build_model(name: str, *, classes: int, image_size: int) -> nn.Module:
    """A fresh model on the CPU with weights from torch's global generator.

    Raises UsageError for an unknown name or for images too small for its poolings.
    """
    entry = MODELS.get(name)
    if entry is None:
        raise UsageError(
            f"There is no model '{name}'{did_you_mean(name, MODELS)}: use one of {', '.join(MODELS)}."
        )
    if image_size < entry.min_image_size:
        raise UsageError(
            f"{name} needs images of at least {entry.min_image_size} pixels: image_size is {image_size}."
        )
    return entry.build(classes, image_size)


def parameter_count(model: nn.Module) -> int:
    """The number of trainable numbers."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)


def has_batch_norm(model: nn.Module) -> bool:
    """Whether a batch of one image can fail in training for want of statistics."""
    return any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in model.modules())
