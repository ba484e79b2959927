"""What a detector is used for: the loss terms of images with boxes, and the boxes in images.

The only place that knows which number a network gives the first class.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.models.detection.fcos import FCOS
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.ssd import SSD
from torchvision.ops import box_iou

Images = Sequence[Tensor] | Tensor
Targets = Sequence[Mapping[str, Tensor]]
Found = list[dict[str, Tensor]]

_WITH_BACKGROUND = ("fasterrcnn", "ssd")


def first_label(name: str) -> int:
    """The number that the network `name` gives the first class: 1 where 0 is the background, else 0."""
    return int(name.startswith(_WITH_BACKGROUND))


def detector_losses(model: nn.Module, images: Images, targets: Targets) -> dict[str, Tensor]:
    """The loss terms of a batch, scalars, means over its images; their sum is what training brings down.

    `images` are float (3, h, w) in 0..1, or one tensor of them; `targets` hold boxes (k, 4), corners in
    pixels, and labels (k,) from 0; k may be 0. Terms: classifier, box_reg, objectness, rpn_box_reg of Faster
    R-CNN, classification and bbox_regression of the others, FCOS's bbox_ctrness too. Works in evaluation
    mode as well: BatchNorm then uses its statistics and leaves them alone. Sampling of anchors and proposals
    draws from torch's global generator.
    """
    batch, given = _prepared(model, images, targets)
    return _losses(model, batch, _features(model, batch), given)


def detector_predict(model: nn.Module, images: Images) -> Found:
    """Boxes (k, 4), labels (k,) from 0 and scores (k,) of each image, best first; the model evaluates."""
    batch, _ = _prepared(model, images, None)
    return _boxes(model, batch, _features(model, batch), images)


def detector_measure(model: nn.Module, images: Images, targets: Targets) -> tuple[dict[str, Tensor], Found]:
    """`detector_losses` and `detector_predict` with one pass through the backbone; the model evaluates."""
    batch, given = _prepared(model, images, targets)
    features = _features(model, batch)
    return _losses(model, batch, features, given), _boxes(model, batch, features, images)


def trace_detector(model: nn.Module, image: Tensor) -> None:
    """Send a batch (1, 3, h, w) through all layers with weights, without looking at values: also on meta."""
    detector: Any = model
    batch, _ = detector.transform(image)
    features = detector.backbone(batch.tensors)
    maps = list(features.values())
    if not _is_rcnn(detector):
        detector.head(maps)
        return
    detector.rpn.head(maps)
    heads = detector.roi_heads
    pool = heads.box_roi_pool
    channels = maps[0].shape[1]
    size = getattr(pool, "output_size", None)
    shape = (1, channels, *size) if size is not None else (1, pool.size, pool.size, channels)
    heads.box_predictor(heads.box_head(maps[0].new_zeros(shape)))


def _is_rcnn(model: nn.Module) -> bool:
    return hasattr(model, "roi_heads")


def _prepared(model: Any, images: Images, targets: Targets | None) -> tuple[ImageList, Any]:
    if targets is not None and model.first_label:
        targets = [{**target, "labels": target["labels"] + model.first_label} for target in targets]
    prepared: tuple[ImageList, Any] = model.transform(images, targets)
    return prepared


def _features(model: Any, batch: ImageList) -> dict[str, Tensor]:
    features: dict[str, Tensor] = model.backbone(batch.tensors)
    return features


def _losses(
    model: Any, batch: ImageList, features: dict[str, Tensor], targets: list[dict[str, Tensor]]
) -> dict[str, Tensor]:
    if _is_rcnn(model):
        with _training_branch(model):
            proposals, of_rpn = model.rpn(batch, features, targets)
            proposals = _at_least_one(proposals, targets, batch.image_sizes)
            _, of_heads = model.roi_heads(features, proposals, batch.image_sizes, targets)
        return {name.removeprefix("loss_"): term for name, term in {**of_heads, **of_rpn}.items()}
    maps = list(features.values())
    outputs, anchors = model.head(maps), model.anchor_generator(batch, maps)
    rest: tuple[Any, ...] = ()
    if isinstance(model, SSD):
        rest = ([_ssd_matches(model, *pair) for pair in zip(targets, anchors, strict=True)],)
    elif isinstance(model, FCOS):
        rest = ([value.shape[-2] * value.shape[-1] for value in maps],)
    terms: dict[str, Tensor] = model.compute_loss(targets, outputs, anchors, *rest)
    return terms


def _boxes(model: Any, batch: ImageList, features: dict[str, Tensor], images: Images) -> Found:
    shown = batch.image_sizes
    if _is_rcnn(model):
        proposals, _ = model.rpn(batch, features)
        found, _ = model.roi_heads(features, proposals, shown)
    else:
        maps = list(features.values())
        outputs, anchors = model.head(maps), model.anchor_generator(batch, maps)
        if not isinstance(model, SSD):
            outputs, anchors = _by_level(maps, outputs, anchors)
        found = model.postprocess_detections(outputs, anchors, shown)
    sizes = [(int(image.shape[-2]), int(image.shape[-1])) for image in images]
    boxes: Found = model.transform.postprocess(found, shown, sizes)
    return [{**one, "labels": one["labels"] - model.first_label} for one in boxes]


def _by_level(
    maps: list[Tensor], outputs: dict[str, Tensor], anchors: list[Tensor]
) -> tuple[dict[str, list[Tensor]], list[list[Tensor]]]:
    """Outputs (N, n, ...) and anchors (n, 4) cut into those of each map."""
    places = [value.shape[-2] * value.shape[-1] for value in maps]
    each = len(anchors[0]) // sum(places)
    counts = [count * each for count in places]
    parts = {name: list(torch.split(value, counts, dim=1)) for name, value in outputs.items()}
    return parts, [list(torch.split(own, counts)) for own in anchors]


def _ssd_matches(model: Any, target: Mapping[str, Tensor], anchors: Tensor) -> Tensor:
    boxes = target["boxes"]
    if not len(boxes):
        return torch.full((len(anchors),), -1, dtype=torch.int64, device=anchors.device)
    matches: Tensor = model.proposal_matcher(box_iou(boxes, anchors))
    return matches


def _at_least_one(
    proposals: list[Tensor], targets: Targets, sizes: Sequence[tuple[int, int]]
) -> list[Tensor]:
    """The whole image where there is nothing else to sample, which would make the loss 0 / 0."""
    return [
        own if len(own) or len(target["boxes"]) else own.new_tensor([[0, 0, width, height]])
        for own, target, (height, width) in zip(proposals, targets, sizes, strict=True)
    ]


@contextmanager
def _training_branch(model: Any) -> Iterator[None]:
    """RPN and RoI heads compute losses; the layers in them stay in the mode in which they are."""
    parts: tuple[nn.Module, ...] = (model.rpn, model.roi_heads)
    before = [part.training for part in parts]
    for part in parts:
        part.training = True
    try:
        yield
    finally:
        for part, training in zip(parts, before, strict=True):
            part.training = training
