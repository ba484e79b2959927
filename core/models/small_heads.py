"""Light heads for small detectors: Faster R-CNN's and RetinaNet's on a pyramid of few channels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn
from torchvision.models.detection import RetinaNet
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor
from torchvision.models.detection.generalized_rcnn import GeneralizedRCNN
from torchvision.models.detection.retinanet import RetinaNetHead
from torchvision.models.detection.roi_heads import RoIHeads
from torchvision.models.detection.rpn import RegionProposalNetwork, RPNHead
from torchvision.models.detection.transform import GeneralizedRCNNTransform

from core.models.roi_pool import PyramidPool

SCALES = (1.5, 2.3)
RATIOS = (0.5, 1.0, 2.0)
_POOLED = 5


def anchors(
    strides: Sequence[int], scales: Sequence[float] = SCALES, ratios: Sequence[float] = RATIOS
) -> AnchorGenerator:
    """Anchors of `scales` times the stride and `ratios`, height over width, at each level."""
    sizes = tuple(tuple(round(scale * stride) for scale in scales) for stride in strides)
    return AnchorGenerator(sizes, (tuple(ratios),) * len(strides))


def small_rcnn(
    backbone: Any,
    strides: Mapping[str, int],
    outputs: int,
    *,
    hidden: int = 128,
    scales: Sequence[float] = SCALES,
    ratios: Sequence[float] = RATIOS,
) -> GeneralizedRCNN:
    """Faster R-CNN with few proposals on maps of `strides` by name; `outputs` counts the background.

    A box of 56 pixels is pooled from stride 8, none from maps that are pooled themselves. Thresholds are
    torchvision's.
    """
    channels = backbone.out_channels
    generator = anchors(tuple(strides.values()), scales, ratios)
    rpn = RegionProposalNetwork(
        generator,
        RPNHead(channels, generator.num_anchors_per_location()[0]),
        fg_iou_thresh=0.7,
        bg_iou_thresh=0.3,
        batch_size_per_image=128,
        positive_fraction=0.5,
        pre_nms_top_n={"training": 200, "testing": 200},
        post_nms_top_n={"training": 100, "testing": 100},
        nms_thresh=0.7,
    )
    own = {name: stride for name, stride in strides.items() if not name.startswith("pool")}
    heads = RoIHeads(
        PyramidPool(own, _POOLED, canonical_scale=56, canonical_level=3),
        nn.Sequential(nn.Flatten(1), nn.Linear(channels * _POOLED**2, hidden), nn.ReLU(inplace=True)),
        FastRCNNPredictor(hidden, outputs),
        fg_iou_thresh=0.5,
        bg_iou_thresh=0.5,
        batch_size_per_image=64,
        positive_fraction=0.25,
        bbox_reg_weights=None,
        score_thresh=0.05,
        nms_thresh=0.5,
        detections_per_img=100,
    )
    return GeneralizedRCNN(backbone, rpn, heads, _transform())


def small_retinanet(
    backbone: Any,
    strides: Mapping[str, int],
    outputs: int,
    *,
    convs: int = 1,
    scales: Sequence[float] = SCALES,
    ratios: Sequence[float] = RATIOS,
) -> RetinaNet:
    """RetinaNet whose towers have `convs` convolutions, which keep the scale of what passes through them.

    torchvision starts towers of any width with a deviation of 0.01: with 64 channels instead of 256 the
    signal, and the backbone's gradient, all but vanish.
    """
    channels = backbone.out_channels
    generator = anchors(tuple(strides.values()), scales, ratios)
    head = RetinaNetHead(channels, generator.num_anchors_per_location()[0], outputs)
    head.classification_head.conv = _tower(channels, convs)
    head.regression_head.conv = _tower(channels, convs)
    return RetinaNet(backbone, outputs, anchor_generator=generator, head=head)


def _tower(channels: int, convs: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for _ in range(convs):
        layer = nn.Conv2d(channels, channels, 3, padding=1)
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        nn.init.constant_(layer.bias, 0)  # type: ignore[arg-type]  # made with a bias
        # torchvision's heads take the names of a flat tower for old ones, and rename them on loading.
        layers.append(nn.Sequential(layer, nn.ReLU(inplace=True)))
    return nn.Sequential(*layers)


def _transform() -> GeneralizedRCNNTransform:
    """A stand-in until the detector gets its own."""
    return GeneralizedRCNNTransform(1, 1, [0.0] * 3, [1.0] * 3)
