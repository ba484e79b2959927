"""Networks by the name that a config gives them."""

from __future__ import annotations

from pathlib import Path

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from core.config.names import BLOCKS_MODEL, CLASSIFIERS, MODELS, TINYVGG, is_code, is_detector
from core.config.schema import Experiment
from core.errors import UsageError
from core.models.classifiers import build_classifier
from core.models.tinyvgg import build_tinyvgg
from core.models.user_model import build_own
from core.text import did_you_mean


def build_model(experiment: Experiment, classes: int, *, code: Path | None = None) -> nn.Module:
    """A fresh network on the CPU that maps (N, 3, image_size, image_size) to (N, classes), or a detector.

    Detectors are used through `core.models.detection`. The weights come from torch's global generator. `code`
    is the file to take a network of the user's own from (the run's copy), by default the one that the config
    names. Raises UsageError for an unknown name, images too small for its poolings, arguments that it does
    not take, or faults in the user's code.
    """
    name = experiment.model
    if is_code(name):
        return build_own(experiment, classes, code)
    if name in TINYVGG or name == BLOCKS_MODEL:
        return build_tinyvgg(experiment, classes)
    if name in CLASSIFIERS:
        return build_classifier(experiment, classes)
    if is_detector(name):
        # torchvision's detectors take a while to import.
        from core.models.detectors import build_detector

        return build_detector(experiment, classes)
    raise UsageError(f"There is no model '{name}'{did_you_mean(name, MODELS)}.")


def has_batch_norm(model: nn.Module) -> bool:
    """Whether a batch of one image can fail in training for want of statistics.

    Layers that are in evaluation mode (frozen) need none.
    """
    return any(isinstance(module, _BatchNorm) and module.training for module in model.modules())
