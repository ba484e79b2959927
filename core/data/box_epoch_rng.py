"""Random numbers of a detector's training epoch as a pure function of (seed, epoch)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from core.data.augment import Jitter
from core.data.epoch_rng import draw_colour, generator
from core.errors import DataError


@dataclass(frozen=True)
class BoxAugmentation:
    """Random changes of training pictures with boxes, in this order.

    `scale` (low, high): the picture is resized by a factor whose logarithm is uniform between theirs, as
    enlarging and shrinking are alike; `across` and `over`: mirrored left to right, top down, every second
    one; `jitter`: colours.
    """

    scale: tuple[float, float] | None = None
    across: bool = False
    over: bool = False
    jitter: Jitter | None = None

    def __post_init__(self) -> None:
        if self.scale is not None and not 0 < self.scale[0] <= self.scale[1]:
            raise DataError(f"augment.scale_jitter {list(self.scale)}: expected [low, high], both above 0.")


@dataclass(frozen=True)
class BoxDraws:
    """All draws of one epoch, by place in its order (n pictures), on the CPU.

    order: indices (n,); scale: factors (n,) float64, or None; across, over: booleans (n,); factors (n, 4) and
    sequence (steps, 4) of colours as `core.data.epoch_rng.EpochDraws` has them, or None.
    """

    order: Tensor
    scale: Tensor | None
    across: Tensor
    over: Tensor
    factors: Tensor | None
    sequence: Tensor | None


def draw_box_epoch(count: int, steps: int, augmentation: BoxAugmentation, seed: int, epoch: int) -> BoxDraws:
    """The draws of `epoch` (from 1) over `count` pictures."""
    scale = None
    if augmentation.scale is not None:
        low, high = torch.tensor(augmentation.scale, dtype=torch.float64).log()
        draw = torch.rand(count, generator=generator(seed, epoch, "scale"), dtype=torch.float64)
        scale = (low + (high - low) * draw).exp()
    factors, sequence = draw_colour(count, steps, augmentation.jitter, seed, epoch)
    return BoxDraws(
        order=torch.randperm(count, generator=generator(seed, epoch, "order")),
        scale=scale,
        across=_coins(count, augmentation.across, seed, epoch, "flip"),
        over=_coins(count, augmentation.over, seed, epoch, "vflip"),
        factors=factors,
        sequence=sequence,
    )


def _coins(count: int, wanted: bool, seed: int, epoch: int, stream: str) -> Tensor:
    if not wanted:
        return torch.zeros(count, dtype=torch.bool)
    return torch.randint(0, 2, (count,), generator=generator(seed, epoch, stream)).bool()
