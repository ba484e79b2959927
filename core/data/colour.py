"""Colour jitter of whole batches with factors of its own for every image.

Formulas are those of torchvision.transforms.functional (adjust_brightness, adjust_contrast,
adjust_saturation, adjust_hue) on float tensors; images are planes (3, n, height, width) in 0..1.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

_RED, _GREEN, _BLUE = 0.2989, 0.587, 0.114


def jitter(planes: Tensor, factors: Tensor, sequence: Sequence[int]) -> Tensor:
    """Apply brightness (0), contrast (1), saturation (2) and hue (3) in the order of `sequence`.

    `factors` is (n, 4): three factors, 1 for no change, and the hue shift in turns, 0 for no change.
    """
    for which in sequence:
        factor = factors[:, which].view(-1, 1, 1)
        planes = _OPERATIONS[which](planes, factor)
    return planes


def brightness(planes: Tensor, factor: Tensor) -> Tensor:
    return (planes * factor).clamp_(0, 1)


def contrast(planes: Tensor, factor: Tensor) -> Tensor:
    mean = _grey(planes).mean(dim=(1, 2), keepdim=True)
    return (planes * factor).add_(mean * (1 - factor)).clamp_(0, 1)


def saturation(planes: Tensor, factor: Tensor) -> Tensor:
    return (planes * factor).add_(_grey(planes).mul_(1 - factor)).clamp_(0, 1)


def hue(planes: Tensor, shift: Tensor) -> Tensor:
    """Turn the hue of HSV by `shift` turns; value and chroma stay.

    From HSV back to RGB by channel = V - C * clamp(min(k, 4 - k), 0, 1), k = (n + 6 H) mod 6, n = 5, 3, 1 for
    red, green, blue.
    """
    red, green, blue = planes
    value = planes.amax(dim=0)
    chroma = value - planes.amin(dim=0)
    divisor = torch.where(chroma == 0, 1.0, chroma)
    sector = torch.where(
        value == red,
        (green - blue) / divisor,
        torch.where(value == green, (blue - red) / divisor + 2, (red - green) / divisor + 4),
    )
    sector += shift * 6
    out = torch.empty_like(planes)
    for channel, phase in enumerate((5.0, 3.0, 1.0)):
        k = (sector + phase).remainder_(6)
        weight = torch.minimum(k, 4 - k).clamp_(0, 1)
        torch.addcmul(value, weight, chroma, value=-1, out=out[channel])
    return out


def _grey(planes: Tensor) -> Tensor:
    grey = planes[0] * _RED
    return grey.add_(planes[1], alpha=_GREEN).add_(planes[2], alpha=_BLUE)


_OPERATIONS = (brightness, contrast, saturation, hue)
