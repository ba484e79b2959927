"""A detector of about a million weights, for CPUs, small images and small objects."""

from __future__ import annotations

from collections import OrderedDict

from torch import Tensor, nn
from torch.nn import functional
from torchvision.models.detection import FasterRCNN, RetinaNet
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor
from torchvision.ops import FeaturePyramidNetwork, MultiScaleRoIAlign

_STRIDES = (8, 16, 32)
# Two sizes a level, half an octave apart, so that objects of 12 to 110 pixels meet an anchor of theirs.
_SIZES = tuple((round(1.5 * stride), round(2.3 * stride)) for stride in _STRIDES)
_RATIOS = (0.5, 1.0, 2.0)
_LEVELS = ["0", "1", "2"]
_POOLED = 5


class SmallBackbone(nn.Module):
    """Residual blocks at strides 4 to 32 and a feature pyramid over strides 8, 16 and 32.

    Maps float images (N, 3, H, W) to maps `0`, `1`, `2` of `out_channels` channels.
    """

    def __init__(self, width: int = 32, out_channels: int = 64) -> None:
        super().__init__()
        self.out_channels = out_channels
        self.body = nn.ModuleList(
            [
                nn.Sequential(_conv(3, width // 2, 2), _conv(width // 2, width, 2), _Residual(width)),
                nn.Sequential(_conv(width, 2 * width, 2), _Residual(2 * width)),
                nn.Sequential(_conv(2 * width, 4 * width, 2), _Residual(4 * width)),
                nn.Sequential(_conv(4 * width, 4 * width, 2), _Residual(4 * width)),
            ]
        )
        self.fpn = FeaturePyramidNetwork([2 * width, 4 * width, 4 * width], out_channels)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        maps: OrderedDict[str, Tensor] = OrderedDict()
        stem, *stages = self.body
        value = stem(images)
        for level, stage in zip(_LEVELS, stages, strict=True):
            value = stage(value)
            maps[level] = value
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


def anchors() -> AnchorGenerator:
    """Two sizes and three aspect ratios (height over width) at each level."""
    return AnchorGenerator(_SIZES, (_RATIOS,) * len(_SIZES))


def fasterrcnn_small(outputs: int, *, hidden: int = 128, **settings: object) -> FasterRCNN:
    """Faster R-CNN on the small backbone; `outputs` counts the background."""
    backbone = SmallBackbone()
    values: dict[str, object] = {
        "rpn_pre_nms_top_n_train": 400,
        "rpn_post_nms_top_n_train": 200,
        "rpn_pre_nms_top_n_test": 400,
        "rpn_post_nms_top_n_test": 200,
        "rpn_batch_size_per_image": 128,
        "box_batch_size_per_image": 64,
    }
    pool = MultiScaleRoIAlign(
        _LEVELS, output_size=_POOLED, sampling_ratio=1, canonical_scale=56, canonical_level=3
    )
    head = nn.Sequential(
        nn.Flatten(1), nn.Linear(backbone.out_channels * _POOLED**2, hidden), nn.ReLU(inplace=True)
    )
    return FasterRCNN(
        backbone,
        rpn_anchor_generator=anchors(),
        box_roi_pool=pool,
        box_head=head,
        box_predictor=FastRCNNPredictor(hidden, outputs),
        **{**values, **settings},
    )


def retinanet_small(outputs: int, **settings: object) -> RetinaNet:
    """RetinaNet on the small backbone; `outputs` are the classes, without background."""
    model = RetinaNet(SmallBackbone(), outputs, anchor_generator=anchors(), **settings)
    return model
