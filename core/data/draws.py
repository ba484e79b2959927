"""Random numbers of an epoch as a pure function of (seed, epoch): nothing has to be restored on resume."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import torch
from torch import Tensor

from core.data.augment import Augmentation


@dataclass(frozen=True)
class EpochDraws:
    """All draws of one epoch, by place in its order (n images). Tables are on the CPU.

    order: image indices (n,); top, left: crop offsets in pixels (n,); flip: 0 or 1 (n,);
    factors: brightness, contrast, saturation factor and hue shift (n, 4), or None; sequence: for every step
    the order of those four (steps, 4), or None.
    """

    order: Tensor
    top: Tensor
    left: Tensor
    flip: Tensor
    factors: Tensor | None
    sequence: Tensor | None


def generator(seed: int, epoch: int, stream: str) -> torch.Generator:
    """A CPU generator for one purpose in one epoch, independent of all others."""
    digest = hashlib.sha256(f"{seed}/{epoch}/{stream}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "little") >> 1)


def draw_epoch(
    count: int, steps: int, stored_size: int, augmentation: Augmentation, seed: int, epoch: int
) -> EpochDraws:
    """The draws of `epoch` (from 1) over `count` images stored as squares of `stored_size` pixels."""
    low, high = augmentation.offsets(stored_size)
    crop = generator(seed, epoch, "crop")
    factors = sequence = None
    if augmentation.jitter is not None:
        colour = generator(seed, epoch, "colour")
        width = torch.tensor(augmentation.jitter.widths)
        factors = (torch.rand(count, 4, generator=colour) * 2 - 1) * width
        factors[:, :3] += 1
        factors[:, :3].clamp_(min=0)
        sequence = torch.rand(steps, 4, generator=colour).argsort(dim=1)
    return EpochDraws(
        order=torch.randperm(count, generator=generator(seed, epoch, "order")),
        top=torch.randint(low, high + 1, (count,), generator=crop),
        left=torch.randint(low, high + 1, (count,), generator=crop),
        flip=(
            torch.randint(0, 2, (count,), generator=generator(seed, epoch, "flip"))
            if augmentation.flip
            else torch.zeros(count, dtype=torch.int64)
        ),
        factors=factors,
        sequence=sequence,
    )
