"""torchvision's classifiers, built for the experiment's classes and image size."""

from __future__ import annotations

import re
from pathlib import Path
from types import MethodType
from typing import Any

from torch import nn

from core.config.schema import Experiment
from core.errors import UsageError
from core.text import clean

MIN_SIZES = {
    "alexnet": 63,
    "convnext": 32,
    "densenet": 29,
    "inception_v3": 75,
    "squeezenet1_0": 21,
    "squeezenet1_1": 17,
    "vgg": 32,
}
"""Smallest image that leaves something after the poolings, by the beginning of the name; others take 16."""
WITH_AUXILIARIES = ("googlenet", "inception_v3")
_WINDOWS = 7
_TAKEN = {
    "num_classes": "the data say how many classes there are",
    "weights": "use the key weights",
    "pretrained": "use the key weights",
    "progress": "it changes nothing",
    "image_size": "use the key image_size",
    "input_size": "use the key image_size",
    "aux_logits": "auxiliary classifiers are not trained",
    "init_weights": "weights are always initialised",
}


def build_classifier(experiment: Experiment, classes: int) -> nn.Module:
    """The network that the experiment names, its classifier made for `classes`; no auxiliary classifiers.

    Raises UsageError for an image size or `model_args` that it does not take.
    """
    from torchvision.models import get_model

    name, size = experiment.model, experiment.side
    _require_size(name, size)
    for key, why in _TAKEN.items():
        if key in experiment.model_args:
            raise UsageError(f"model_args: {key} cannot be given to {name}: {why}.")
    arguments: dict[str, Any] = dict(experiment.model_args)
    if name.startswith("vit_"):
        arguments["image_size"] = size
    elif name == "maxvit_t":
        arguments["input_size"] = (size, size)
    elif name in WITH_AUXILIARIES:
        # Inception's own initialisation takes seconds.
        arguments |= {"aux_logits": False, "init_weights": experiment.weights == "none"}
        arguments.setdefault("transform_input", _expects_other_range(experiment))
    try:
        model: nn.Module = get_model(name, weights=None, num_classes=classes, **arguments)
    except (TypeError, ValueError, AttributeError, ZeroDivisionError) as error:
        unknown = re.search(r"unexpected keyword argument '(\w+)'", str(error))
        what = (
            f"{name} does not accept '{unknown[1]}'"
            if unknown
            else f"{name} rejects them: {clean(str(error))}"
        )
        raise UsageError(f"model_args: {what}; see torchvision's page of this network.") from error
    if name.startswith("mnasnet"):
        # Its own loader refuses state dicts that have lost torch's version mark, as in plain mappings.
        model._load_from_state_dict = MethodType(nn.Module._load_from_state_dict, model)  # type: ignore[method-assign]
    return model


def min_size(name: str) -> int:
    """The smallest side in pixels that passes through the network `name`."""
    return next((least for start, least in MIN_SIZES.items() if name.startswith(start)), 16)


def size_step(name: str) -> int:
    """What the side must be a multiple of: the patches of vit, the windows of maxvit; 1 for all others."""
    if name.startswith("vit_"):
        return int(name.rpartition("_")[2])
    return 32 * _WINDOWS if name == "maxvit_t" else 1


def _require_size(name: str, size: int) -> None:
    least, step = min_size(name), size_step(name)
    if size < least:
        raise UsageError(f"{name} needs images of at least {least} pixels: image_size is {size}.")
    if size % step:
        near = max(step, round(size / step) * step)
        raise UsageError(
            f"{name} cuts images into patches: image_size must be a multiple of {step}, such as {near}; "
            f"it is {size}."
        )


def _expects_other_range(experiment: Experiment) -> bool:
    """Whether the weights were trained on pixels in -1 to 1, which the network then makes itself."""
    if experiment.weights == "imagenet":
        return True
    file = experiment.weights.name if isinstance(experiment.weights, Path) else ""
    return file.startswith(("googlenet-", "inception_v3_google-"))
