"""torchvision's classifiers with a head of our own size."""

from __future__ import annotations

from typing import Any

from torch import nn

from core.config.schema import Experiment


def build_classifier(experiment: Experiment, classes: int) -> nn.Module:
    """The network that the experiment names, its classifier made for `classes`. Raises UsageError."""
    from torchvision.models import get_model

    arguments: dict[str, Any] = {**experiment.model_args}
    model: nn.Module = get_model(experiment.model, weights=None, num_classes=classes, **arguments)
    return model
