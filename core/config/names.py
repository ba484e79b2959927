"""The names that configs use: networks, metrics, well-known statistics. Free of torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from core import metrics

TINYVGG = (
    "tinyvgg_v0",
    "tinyvgg_v1",
    "tinyvgg_v2",
    "tinyvgg_v3",
    "tinyvgg_v4",
    "tinyvgg_a",
    "tinyvgg_b",
    "tinyvgg_c",
    "tinyvgg_d",
    "tinyvgg_e",
)
BLOCKS_MODEL = "tinyvgg"
"""The network that `blocks` describes."""
CLASSIFIERS: tuple[str, ...] = (
    "alexnet",
    "convnext_base",
    "convnext_large",
    "convnext_small",
    "convnext_tiny",
    "densenet121",
    "densenet161",
    "densenet169",
    "densenet201",
    "efficientnet_b0",
    "efficientnet_b1",
    "efficientnet_b2",
    "efficientnet_b3",
    "efficientnet_b4",
    "efficientnet_b5",
    "efficientnet_b6",
    "efficientnet_b7",
    "efficientnet_v2_l",
    "efficientnet_v2_m",
    "efficientnet_v2_s",
    "googlenet",
    "inception_v3",
    "maxvit_t",
    "mnasnet0_5",
    "mnasnet0_75",
    "mnasnet1_0",
    "mnasnet1_3",
    "mobilenet_v2",
    "mobilenet_v3_large",
    "mobilenet_v3_small",
    "regnet_x_16gf",
    "regnet_x_1_6gf",
    "regnet_x_32gf",
    "regnet_x_3_2gf",
    "regnet_x_400mf",
    "regnet_x_800mf",
    "regnet_x_8gf",
    "regnet_y_128gf",
    "regnet_y_16gf",
    "regnet_y_1_6gf",
    "regnet_y_32gf",
    "regnet_y_3_2gf",
    "regnet_y_400mf",
    "regnet_y_800mf",
    "regnet_y_8gf",
    "resnet101",
    "resnet152",
    "resnet18",
    "resnet34",
    "resnet50",
    "resnext101_32x8d",
    "resnext101_64x4d",
    "resnext50_32x4d",
    "shufflenet_v2_x0_5",
    "shufflenet_v2_x1_0",
    "shufflenet_v2_x1_5",
    "shufflenet_v2_x2_0",
    "squeezenet1_0",
    "squeezenet1_1",
    "swin_b",
    "swin_s",
    "swin_t",
    "swin_v2_b",
    "swin_v2_s",
    "swin_v2_t",
    "vgg11",
    "vgg11_bn",
    "vgg13",
    "vgg13_bn",
    "vgg16",
    "vgg16_bn",
    "vgg19",
    "vgg19_bn",
    "vit_b_16",
    "vit_b_32",
    "vit_h_14",
    "vit_l_16",
    "vit_l_32",
    "wide_resnet101_2",
    "wide_resnet50_2",
)
"""torchvision's classifiers."""
SMALL_DETECTORS = ("fasterrcnn_small", "retinanet_small", "fasterrcnn_mobilenet_v2")
"""Detectors for CPUs and small images, without COCO weights."""
DETECTORS: tuple[str, ...] = (
    "fasterrcnn",
    "retinanet",
    *SMALL_DETECTORS,
    "fasterrcnn_mobilenet_v3_large_320_fpn",
    "fasterrcnn_mobilenet_v3_large_fpn",
    "fasterrcnn_resnet50_fpn",
    "fasterrcnn_resnet50_fpn_v2",
    "fcos_resnet50_fpn",
    "retinanet_resnet50_fpn",
    "retinanet_resnet50_fpn_v2",
    "ssd300_vgg16",
    "ssdlite320_mobilenet_v3_large",
)
"""Detectors: `fasterrcnn` and `retinanet` are torchvision's on ResNet-50 with a feature pyramid."""
OTHER_DETECTORS = ("keypointrcnn", "maskrcnn")
"""How the names of torchvision's detectors begin that need more than boxes."""
MODELS: tuple[str, ...] = (*TINYVGG, BLOCKS_MODEL, *CLASSIFIERS, *DETECTORS)
STATISTICS = {
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "cifar10": ((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)),
    "cifar100": ((0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762)),
    "mnist": ((0.1307,) * 3, (0.3081,) * 3),
    "fashionmnist": ((0.2860,) * 3, (0.3530,) * 3),
}
"""Channel mean and standard deviation of well-known sets, pixels in 0..1."""
if TYPE_CHECKING:
    MetricChoice = str
else:
    MetricChoice = Literal[("auto", *metrics.SELECTABLE)]
SSDLITE = "ssdlite320_mobilenet_v3_large"
MODEL_STATISTICS = {
    "ssd300_vgg16": ((0.48235, 0.45882, 0.40784), (1 / 255,) * 3),
    SSDLITE: ((0.5,) * 3, (0.5,) * 3),
}
"""Mean and deviation that torchvision's networks were trained with, where they are not ImageNet's."""
MODEL_SIDES = {
    **dict.fromkeys(SMALL_DETECTORS, (240, 320)),
    "ssd300_vgg16": (300, 400),
    SSDLITE: (320, 427),
    "fasterrcnn_mobilenet_v3_large_320_fpn": (320, 640),
}
"""Shorter and longest side of the images that detectors were made for, where it is not 800 and 1333."""


def is_detector(model: str) -> bool:
    """Whether a model finds boxes; all others, and the user's own, classify whole images."""
    return model in DETECTORS


def is_code(model: str) -> bool:
    """Whether a model's name is a function of the user's own: `net.py:build`."""
    path, colon, function = model.rpartition(":")
    return bool(colon) and path.endswith(".py") and function.isidentifier()
