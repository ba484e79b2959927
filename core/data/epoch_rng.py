"""Random numbers of an epoch as a pure function of (seed, epoch): nothing has to be restored on resume."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from core.data.augment import Augmentation, Jitter

MEASURING = 0
"""The epoch whose draws measuring under random changes uses: training never reaches it, epochs begin at 1."""

_TRIES = 10


@dataclass(frozen=True)
class EpochDraws:
    """All draws of one epoch, by place in its order (n images). Tables are on the CPU.

    order: image indices (n,); top, left: crop offsets in pixels (n,); side: crop sides in pixels (n,), None
    when all are the network's; flip: 0 or 1 (n,); factors: brightness, contrast, saturation factor and hue
    shift (n, 4), or None; sequence: for every step the order of those four (steps, 4), or None.
    """

    order: Tensor
    top: Tensor
    left: Tensor
    side: Tensor | None
    flip: Tensor
    factors: Tensor | None
    sequence: Tensor | None

    def to(self, device: torch.device) -> EpochDraws:
        """The same where the pixels are; `sequence` is read on the CPU and stays."""
        return replace(
            self,
            order=self.order.to(device),
            top=self.top.to(device),
            left=self.left.to(device),
            side=None if self.side is None else self.side.to(device),
            flip=self.flip.to(device),
            factors=None if self.factors is None else self.factors.to(device),
        )


def generator(seed: int, epoch: int, stream: str) -> torch.Generator:
    """A CPU generator for one purpose in one epoch, independent of all others."""
    digest = hashlib.sha256(f"{seed}/{epoch}/{stream}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "little") >> 1)


def draw_epoch(
    count: int,
    steps: int,
    stored: int,
    augmentation: Augmentation,
    seed: int,
    epoch: int,
    shapes: Tensor | None = None,
) -> EpochDraws:
    """The draws of `epoch` over `count` images stored as squares of `stored` pixels.

    Epochs count from 1; `MEASURING` keeps the images in their order. With `shapes` (count, 2), widths and
    heights, the images are whole, with `stored` pixels as their shorter side.
    """
    crop = generator(seed, epoch, "crop")
    order = (
        torch.arange(count)
        if epoch == MEASURING
        else torch.randperm(count, generator=generator(seed, epoch, "order"))
    )
    side = None
    if shapes is not None:
        top, left, side = _crops(shapes[order].long(), augmentation, crop)
    elif augmentation.sides is None:
        low, high = augmentation.offsets(stored)
        top = torch.randint(low, high + 1, (count,), generator=crop)
        left = torch.randint(low, high + 1, (count,), generator=crop)
    else:
        side = _sides(count, stored, augmentation, crop)
        places = torch.rand(2, count, generator=crop, dtype=torch.float64)
        top, left = (places * (stored - side + 1)).long()
    factors, sequence = draw_colour(count, steps, augmentation.jitter, seed, epoch)
    return EpochDraws(
        order=order,
        top=top,
        left=left,
        side=side,
        flip=(
            torch.randint(0, 2, (count,), generator=generator(seed, epoch, "flip"))
            if augmentation.flip
            else torch.zeros(count, dtype=torch.int64)
        ),
        factors=factors,
        sequence=sequence,
    )


def draw_colour(
    count: int, steps: int, jitter: Jitter | None, seed: int, epoch: int
) -> tuple[Tensor, Tensor] | tuple[None, None]:
    """Colour factors (count, 4) and orders (steps, 4) of an epoch, as `EpochDraws` has them."""
    if jitter is None:
        return None, None
    colour = generator(seed, epoch, "colour")
    width = torch.tensor(jitter.widths)
    factors = (torch.rand(count, 4, generator=colour) * 2 - 1) * width
    factors[:, :3] += 1
    factors[:, :3].clamp_(min=0)
    return factors, torch.rand(steps, 4, generator=colour).argsort(dim=1)


def side_range(stored: int, augmentation: Augmentation, *, shapes: bool = False) -> tuple[int, int]:
    """Smallest and largest side of what multi-scale cropping cuts out of squares of `stored` pixels.

    With `shapes`, out of images that have those as their shorter side.
    """
    assert augmentation.sides is not None
    small, large = augmentation.sides
    low, high = round(stored * augmentation.size / large), round(stored * augmentation.size / small)
    return low, stored if shapes else high


def _crops(
    shapes: Tensor, augmentation: Augmentation, crop: torch.Generator
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Top, left and side (n,) of crops of images with `shapes` (n, 2), widths and heights.

    As torchvision's RandomCrop.get_params and RandomResizedCrop.get_params: there a side is drawn up to ten
    times until the crop fits, and then it is the largest square in the middle.
    """
    width, height = shapes.unbind(1)
    places = torch.rand(2, len(shapes), generator=crop, dtype=torch.float64)
    if augmentation.sides is None:
        low, _ = augmentation.offsets(0)
        room = shapes - 2 * low - augmentation.size + 1
        return low + (places[0] * room[:, 1]).long(), low + (places[1] * room[:, 0]).long(), None
    share = _shares((_TRIES, len(shapes)), augmentation, crop)
    tried = (share * (width * height)).sqrt().round().long()
    short = torch.minimum(width, height)
    fits = (tried > 0) & (tried <= short)
    found = fits.any(dim=0)
    side = torch.where(found, tried.gather(0, fits.int().argmax(dim=0)[None])[0], short)
    top = torch.where(found, (places[0] * (height - side + 1)).long(), (height - side) // 2)
    left = torch.where(found, (places[1] * (width - side + 1)).long(), (width - side) // 2)
    return top, left, side


def _shares(shape: tuple[int, ...], augmentation: Augmentation, crop: torch.Generator) -> Tensor:
    """Shares of an image's area, uniform between the two that Smax and Smin stand for."""
    assert augmentation.sides is not None
    small, large = augmentation.sides
    low, high = (augmentation.size / large) ** 2, (augmentation.size / small) ** 2
    return low + (high - low) * torch.rand(shape, generator=crop, dtype=torch.float64)


def _sides(count: int, stored: int, augmentation: Augmentation, crop: torch.Generator) -> Tensor:
    """Sides (count,) whose area is uniform between the two that Smax and Smin stand for."""
    return (stored * _shares((count,), augmentation, crop).sqrt()).round().long().clamp_(1, stored)
