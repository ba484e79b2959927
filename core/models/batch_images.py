"""Images of a detector: normalised, padded into one batch. Takes the place of torchvision's transform."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate
from torchvision.models.detection.image_list import ImageList

Boxes = Mapping[str, Tensor]


class BatchImages(nn.Module):
    """Images keep their size: they come at the one that the network sees, and pixels are resized only once.

    The batch is padded at the right and below with the mean colour, to a multiple of `divisor`. `fixed`
    (height, width) is for networks that take one size only: for them images are resized here.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        mean: Sequence[float],
        std: Sequence[float],
        *,
        divisor: int = 32,
        fixed: tuple[int, int] | None = None,
    ) -> None:
        super().__init__()
        self.divisor = divisor
        self.fixed = fixed
        self.register_buffer("mean", torch.tensor(mean).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(3, 1, 1), persistent=False)

    def forward(
        self, images: Sequence[Tensor] | Tensor, targets: Sequence[Boxes] | None = None
    ) -> tuple[ImageList, list[dict[str, Tensor]] | None]:
        """A batch of float images (3, h, w) in 0..1, a list or one tensor, and their boxes in its pixels."""
        sizes = [(int(image.shape[-2]), int(image.shape[-1])) for image in images]
        if self.fixed is not None:
            images = [_resized(image, self.fixed) for image in images]
        shown = [(int(image.shape[-2]), int(image.shape[-1])) for image in images]
        given = None
        if targets is not None:
            given = [
                {**target, "boxes": _scaled(target["boxes"], old, new)}
                for target, old, new in zip(targets, sizes, shown, strict=True)
            ]
        return ImageList(self._batch(images, shown), shown), given

    def postprocess(
        self,
        found: list[dict[str, Tensor]],
        shown: Sequence[tuple[int, int]],
        sizes: Sequence[tuple[int, int]],
    ) -> list[dict[str, Tensor]]:
        """The boxes found in images of sizes `shown`, in pixels of the images as they were given."""
        return [
            {**one, "boxes": _scaled(one["boxes"], old, new)}
            for one, old, new in zip(found, shown, sizes, strict=True)
        ]

    def _batch(self, images: Sequence[Tensor] | Tensor, sizes: Sequence[tuple[int, int]]) -> Tensor:
        height, width = (self._padded(max(side)) for side in zip(*sizes, strict=True))
        if all(size == (height, width) for size in sizes):
            whole = images if isinstance(images, Tensor) else torch.stack(list(images))
            return (whole - self.mean) / self.std
        first = images[0]
        batch = torch.zeros(len(sizes), 3, height, width, dtype=first.dtype, device=first.device)
        if isinstance(images, Tensor):
            batch[..., : sizes[0][0], : sizes[0][1]] = (images - self.mean) / self.std
            return batch
        for place, image, (h, w) in zip(batch, images, sizes, strict=True):
            place[:, :h, :w] = (image - self.mean) / self.std
        return batch

    def _padded(self, side: int) -> int:
        return -(-side // self.divisor) * self.divisor


def _resized(image: Tensor, size: tuple[int, int]) -> Tensor:
    if tuple(image.shape[-2:]) == size:
        return image
    return interpolate(image[None], size=size, mode="bilinear", align_corners=False)[0]


def _scaled(boxes: Tensor, old: tuple[int, int], new: tuple[int, int]) -> Tensor:
    if old == new:
        return boxes
    down, across = new[0] / old[0], new[1] / old[1]
    return boxes * boxes.new_tensor([across, down, across, down])
