"""Small heads on torchvision's MobileNetV2, whose ImageNet weights weigh 14 MB."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torchvision.models import mobilenet_v2
from torchvision.models._utils import IntermediateLayerGetter
from torchvision.models.detection.generalized_rcnn import GeneralizedRCNN

from core.models.pyramid import LightPyramid
from core.models.small_heads import small_rcnn

STRIDES = {"0": 8, "1": 16, "pool1": 32, "pool2": 64}
_LAST = {8: 6, 16: 13}
"""The last block at each stride."""


class MobileBackbone(nn.Module):
    """MobileNetV2 down to stride 16, and a pyramid from 8 to 64.

    Maps float images (N, 3, H, W) to maps by the names of STRIDES, of `out_channels` channels.
    """

    def __init__(self, out_channels: int = 64) -> None:
        super().__init__()
        self.out_channels = out_channels
        features = mobilenet_v2(weights=None).features
        names = {str(last): str(number) for number, last in enumerate(_LAST.values())}
        self.body = IntermediateLayerGetter(features, return_layers=names)
        widths = [features[last].out_channels for last in _LAST.values()]
        self.fpn = LightPyramid(widths, out_channels, pooled=2)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        pyramid: dict[str, Tensor] = self.fpn(self.body(images))
        return pyramid


def fasterrcnn_mobilenet_v2(outputs: int, *, channels: int = 64, **heads: Any) -> GeneralizedRCNN:
    """Faster R-CNN on MobileNetV2; `outputs` counts the background."""
    return small_rcnn(MobileBackbone(channels), STRIDES, outputs, **heads)
