"""Anchors, made once for each size of images, float32 whatever the features are."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torchvision.models.detection.anchor_utils import AnchorGenerator, DefaultBoxGenerator
from torchvision.models.detection.image_list import ImageList

_KEPT = 16
_Key = tuple[tuple[int, ...], ...]


class KeptAnchors(AnchorGenerator):  # type: ignore[misc]
    """torchvision's anchors, the last sizes of images kept."""

    def __init__(self, sizes: Sequence[Sequence[float]], aspect_ratios: Sequence[Sequence[float]]) -> None:
        super().__init__(tuple(map(tuple, sizes)), tuple(map(tuple, aspect_ratios)))
        self._kept: dict[tuple[torch.device, _Key], Tensor] = {}

    def forward(self, image_list: ImageList, feature_maps: list[Tensor]) -> list[Tensor]:
        """Anchors (n, 4) for each image, maps in order, corners in pixels."""
        shapes = [tuple(value.shape[-2:]) for value in (image_list.tensors, *feature_maps)]
        key = (feature_maps[0].device, tuple(shapes))
        anchors = self._kept.get(key)
        if anchors is None:
            if len(self._kept) >= _KEPT:
                self._kept.clear()
            # Tensors made in inference mode could not take part in a later training step.
            with torch.inference_mode(False):
                one = ImageList(image_list.tensors, image_list.image_sizes[:1])
                anchors = super().forward(one, [_blank(value) for value in feature_maps])[0]
            self._kept[key] = anchors
        return [anchors] * len(image_list.image_sizes)


class FloatBoxes(DefaultBoxGenerator):  # type: ignore[misc]
    """The default boxes of SSD."""

    def forward(self, image_list: ImageList, feature_maps: list[Tensor]) -> list[Tensor]:
        """Default boxes (n, 4) for each image, corners in pixels."""
        boxes: list[Tensor] = super().forward(image_list, [_blank(value) for value in feature_maps])
        return boxes


def kept(generator: AnchorGenerator | DefaultBoxGenerator) -> KeptAnchors | FloatBoxes:
    """The same anchors as `generator` makes."""
    if isinstance(generator, AnchorGenerator):
        return KeptAnchors(generator.sizes, generator.aspect_ratios)
    boxes = FloatBoxes(
        generator.aspect_ratios, scales=generator.scales, steps=generator.steps, clip=generator.clip
    )
    return boxes


def _blank(value: Tensor) -> Tensor:
    """Of the shape and device of `value`, float32, without memory of its own."""
    return torch.zeros((), device=value.device).expand(value.shape)
