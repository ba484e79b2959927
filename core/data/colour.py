"""Colour jitter of whole batches with factors of its own for every image.

Formulas are those of torchvision.transforms.functional (adjust_brightness, adjust_contrast,
adjust_saturation, adjust_hue) on float tensors; images are planes (3, n, height, width) in 0..1.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

_RED, _GREEN, _BLUE = 0.2989, 0.587, 0.114
_TINY = 1e-12


def jitter(planes: Tensor, factors: Tensor, sequence: Sequence[int]) -> Tensor:
    """Apply brightness (0), contrast (1), saturation (2) and hue (3) in the order of `sequence`, in place.

    `factors` is (n, 4): three factors, 1 for no change, and the hue shift in turns, 0 for no change.
    """
    for which in sequence:
        _OPERATIONS[which](planes, factors[:, which].view(-1, 1, 1))
    return planes


def brightness(planes: Tensor, factor: Tensor) -> Tensor:
    """Blend with black."""
    return planes.mul_(factor).clamp_(0, 1)


def contrast(planes: Tensor, factor: Tensor) -> Tensor:
    """Blend with the mean grey of each image."""
    mean = _grey(planes).mean(dim=(1, 2), keepdim=True)
    return planes.mul_(factor).add_(mean.mul_(1 - factor)).clamp_(0, 1)


def saturation(planes: Tensor, factor: Tensor) -> Tensor:
    """Blend with the grey of each pixel."""
    grey = _grey(planes)
    return planes.mul_(factor).add_(grey.mul_(1 - factor)).clamp_(0, 1)


def hue(planes: Tensor, shift: Tensor) -> Tensor:
    """Turn the hue of HSV by `shift` turns; value and chroma stay.

    From HSV back to RGB by channel = V - C * clamp(min(k, 4 - k), 0, 1), k = (n + 6 H) mod 6, n = 5, 3, 1 for
    red, green, blue.
    """
    red, green, blue = planes
    value = torch.maximum(torch.maximum(red, green), blue)
    chroma = value - torch.minimum(torch.minimum(red, green), blue)
    # Sixths of a turn times chroma; where chroma is 0 this is 0 too, so any divisor will do.
    # `lerp` with weights 0 (the channel is the largest) and 1 is exact, and much faster than `where`.
    sector = torch.add(red - green, chroma, alpha=4)
    sector = torch.lerp(torch.add(blue - red, chroma, alpha=2), sector, (value - green).sign_())
    sector = torch.lerp(green - blue, sector, (value - red).sign_())
    turn = sector.div_(chroma.clamp_min(_TINY).mul_(6)).add_(shift + 1)
    for channel, phase in enumerate((5 / 6, 3 / 6, 1 / 6)):
        # With t the fraction of a turn, min(k, 4 - k) is 2 - 6 |t - 1/3|.
        weight = (turn + phase).frac_().sub_(1 / 3).abs_().mul_(-6).add_(2).clamp_(0, 1)
        torch.addcmul(value, weight, chroma, value=-1, out=planes[channel])
    return planes


def _grey(planes: Tensor) -> Tensor:
    grey = planes[0] * _RED
    return grey.add_(planes[1], alpha=_GREEN).add_(planes[2], alpha=_BLUE)


_OPERATIONS = (brightness, contrast, saturation, hue)
