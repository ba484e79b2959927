"""Detectors of about a million weights, for CPUs, small images and small objects."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from torch import Tensor, nn
from torch.nn import functional
from torchvision.models.detection import RetinaNet
from torchvision.models.detection.generalized_rcnn import GeneralizedRCNN

from core.models.pyramid import LightPyramid
from core.models.small_heads import small_rcnn, small_retinanet

STRIDES = {"0": 8, "1": 16, "2": 32, "pool1": 64}


class SmallBackbone(nn.Module):
    """Convolutions down to strides 4, 8, 16 and 32, residual from 8 on, and a pyramid from 8 to 64.

    Maps float images (N, 3, H, W) to maps by the names of STRIDES, of `out_channels` channels.
    """

    def __init__(self, width: int = 24, out_channels: int = 64) -> None:
        super().__init__()
        self.out_channels = out_channels
        widths = [2 * width, 4 * width, 6 * width]
        self.body = nn.ModuleList([nn.Sequential(_conv(3, width // 2, 2), _conv(width // 2, width, 2))])
        for before, after in zip([width, *widths], widths, strict=False):
            self.body.append(nn.Sequential(_conv(before, after, 2), _Residual(after)))
        self.fpn = LightPyramid(widths, out_channels, pooled=1)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        maps: OrderedDict[str, Tensor] = OrderedDict()
        stem, *stages = self.body
        value = stem(images)
        for level, stage in enumerate(stages):
            value = stage(value)
            maps[str(level)] = value
        pyramid: dict[str, Tensor] = self.fpn(maps)
        return pyramid


class _Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = _conv(width, width, 1)
        self.second = nn.Sequential(nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width))

    def forward(self, value: Tensor) -> Tensor:
        return functional.relu(value + self.second(self.first(value)))


def _conv(width: int, out: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(width, out, 3, stride, 1, bias=False), nn.BatchNorm2d(out), nn.ReLU(inplace=True)
    )


def fasterrcnn_small(outputs: int, *, width: int = 24, channels: int = 64, **heads: Any) -> GeneralizedRCNN:
    """Faster R-CNN on the small backbone; `outputs` counts the background."""
    return small_rcnn(SmallBackbone(width, channels), STRIDES, outputs, **heads)


def retinanet_small(outputs: int, *, width: int = 24, channels: int = 64, **heads: Any) -> RetinaNet:
    """RetinaNet on the small backbone; `outputs` are the classes."""
    return small_retinanet(SmallBackbone(width, channels), STRIDES, outputs, **heads)
