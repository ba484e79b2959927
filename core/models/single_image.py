"""Whether a network can train on one image at a time."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from core.config.schema import Experiment
from core.models.summary import in_evaluation


def fails_alone(model: nn.Module, experiment: Experiment) -> bool:
    """Whether a training batch of one image ends in torch's "Expected more than 1 value per channel".

    That is where batch normalisation in training mode gets maps of one cell. Found out by one square image,
    in evaluation mode, on the model's device; its statistics and torch's generators stay as they were.
    """
    single = False

    def look(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        nonlocal single
        single = single or inputs[0].numel() == inputs[0].shape[1]

    layers = [module for module in model.modules() if isinstance(module, _BatchNorm) and module.training]
    hooks = [layer.register_forward_pre_hook(look) for layer in layers]
    if not hooks:
        return False
    side = experiment.sides[0] if experiment.is_detector else experiment.side
    image = torch.zeros(1, 3, side, side, device=next(model.parameters()).device)
    try:
        with in_evaluation(model), torch.no_grad():
            if experiment.is_detector:
                from core.models.detection import trace_detector

                trace_detector(model, image)
            else:
                model(image)
    finally:
        for hook in hooks:
            hook.remove()
    return single
