"""The user's own network: a function in a Python file."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from core.config.schema import Experiment
from core.errors import UsageError


def build_own(experiment: Experiment, classes: int, code: Path | None) -> nn.Module:
    """What `build(num_classes=classes, **model_args)` of the file returns. Raises UsageError."""
    raise UsageError(f"{experiment.model}: networks of your own cannot be built yet.")
