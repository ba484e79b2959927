"""Stages of a detector's backbone, and how many of them are trained."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import nn

from core.config.schema import Experiment

_DEFAULT = 3
_DEFAULTS = {"ssd300_vgg16": 4, "ssdlite320_mobilenet_v3_large": 6}
Stage = Sequence[nn.Module]


def freeze_stages(model: nn.Module, experiment: Experiment) -> None:
    """Train the `trainable_layers` uppermost stages of the backbone only; the pyramid always is.

    Absent: all without weights, else torchvision's numbers, 3 for most; small networks have no use for
    frozen stages and train all.
    """
    all_stages = backbone_stages(model)
    trained = experiment.trainable_layers
    if trained is None:
        whole = experiment.weights == "none" or experiment.model in ("fasterrcnn_small", "retinanet_small")
        trained = len(all_stages) if whole else _DEFAULTS.get(experiment.model, _DEFAULT)
    for stage in all_stages[: max(0, len(all_stages) - trained)]:
        for module in stage:
            for parameter in module.parameters():
                parameter.requires_grad_(False)


def backbone_stages(model: Any) -> list[Stage]:
    """The stages from the input on: what lies between two halvings of the image's resolution, or so.

    Each network of torchvision has those that its own `trainable_backbone_layers` counts.
    """
    backbone = model.backbone
    body = getattr(backbone, "body", None)
    if body is None:
        return _of_ssd(backbone)
    if hasattr(body, "layer4"):
        return [(body.conv1, body.bn1), (body.layer1,), (body.layer2,), (body.layer3,), (body.layer4,)]
    children = list(body.children())
    if not hasattr(body, "items"):
        return [(child,) for child in children]
    return _of_mobilenet(children)


def _of_mobilenet(blocks: list[nn.Module]) -> list[Stage]:
    """A stage begins with a block that halves the resolution; a plain last convolution is one by itself."""
    starts = [0, *(n for n, block in enumerate(blocks) if getattr(block, "_is_cn", False))]
    if not hasattr(blocks[-1], "_is_cn"):
        starts.append(len(blocks) - 1)
    return [blocks[start:end] for start, end in zip(starts, [*starts[1:], len(blocks)], strict=True)]


def _of_ssd(backbone: Any) -> list[Stage]:
    if hasattr(backbone, "scale_weight"):
        blocks = list(backbone.features.children())
        starts = [0, *(n for n, block in enumerate(blocks) if isinstance(block, nn.MaxPool2d))]
        stages: list[Stage] = [
            blocks[start:end] for start, end in zip(starts, [*starts[1:], len(blocks)], strict=True)
        ]
        # The fifth group of convolutions stands before the layers that SSD adds.
        return [*stages, list(backbone.extra[0].children())[:-1]]
    low, high = (list(part.children()) for part in backbone.features)
    stages = _of_mobilenet([*low[:-1], nn.Identity()])[:-1]
    return [*stages, [low[-1], *high[:-1]], [high[-1]]]
