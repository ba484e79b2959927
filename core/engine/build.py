"""A run's network: on its device, in its memory layout, from the run's own copy of the user's code."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from core.config.names import is_code
from core.config.schema import Experiment
from core.engine.resolve import Resolved
from core.models.registry import build_model
from core.store.paths import RunPaths


def build(run: RunPaths, experiment: Experiment, classes: int, resolved: Resolved) -> nn.Module:
    """A fresh network, weights from torch's global generator. Raises UsageError."""
    model = build_model(experiment, classes, code=code_file(run, experiment))
    layout = torch.channels_last if resolved.memory_format == "channels_last" else torch.contiguous_format
    return model.to(torch.device(resolved.device)).to(memory_format=layout)


def code_file(run: RunPaths, experiment: Experiment) -> Path | None:
    """The run's copy of the file that the config's model names; None for a network of labtui's."""
    if not is_code(experiment.model):
        return None
    return run.code / Path(experiment.model.rpartition(":")[0]).name
