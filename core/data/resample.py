"""Square crops of many sides brought to one size, all images of a batch at once.

Every crop is resized along each axis by a matrix (size, stored) of its own. The weights are those of PIL's
and torchvision's bilinear filter with antialiasing, on the crop cut out: triangles around each output pixel's
centre, as wide as the crop is shrunk (and two pixels wide when it is enlarged, where antialiasing changes
nothing), cut off at the crop's edges and normalised. Values are not rounded to whole grey levels; where the
matrices are multiplied in TF32 they are right to a quarter of one.
"""

from __future__ import annotations

import torch
from torch import Tensor

# All matrices are made beforehand when they take no more than this; else those of a batch each time.
_TABLE_BYTES = 2**22


class Resampler:
    """Resizes crops with sides from `smallest` to `largest` of images of `stored` pixels to `size`."""

    def __init__(self, size: int, stored: int, smallest: int, largest: int, device: torch.device) -> None:
        self.size, self.stored = size, stored
        self._smallest = smallest
        self._table: Tensor | None = None
        counts = torch.arange(stored - smallest + 1, stored - largest, -1)
        self._half = int(counts.sum())
        if 2 * self._half * size * stored * 4 <= _TABLE_BYTES:
            side = torch.arange(smallest, largest + 1).repeat_interleave(counts).repeat(2)
            offset = torch.cat([torch.arange(count) for count in counts.tolist()]).repeat(2)
            flip = torch.arange(2).repeat_interleave(self._half)
            self._table = bilinear_weights(side, offset, flip, size, stored).to(device)
            self._first = (counts.cumsum(0) - counts).to(device)

    def resize(self, images: Tensor, top: Tensor, left: Tensor, side: Tensor, flip: Tensor) -> Tensor:
        """Crops of `images` (n, stored, 3 * stored), float32 -> planes (n, 3, size, size).

        `top`, `left`, `side` (n,) are pixels; the crops whose `flip` is 1 come out mirrored.
        """
        count, size, stored = len(images), self.size, self.stored
        rows = torch.bmm(self._weights(side, top, torch.zeros_like(flip)), images)
        planes = rows.view(count, size, stored, 3).permute(0, 3, 1, 2).reshape(count, 3 * size, stored)
        across = self._weights(side, left, flip)
        return torch.bmm(planes, across.transpose(1, 2)).view(count, 3, size, size)

    def _weights(self, side: Tensor, offset: Tensor, flip: Tensor) -> Tensor:
        if self._table is None:
            return bilinear_weights(side, offset, flip, self.size, self.stored)
        row = self._first.index_select(0, side - self._smallest) + offset + flip * self._half
        return self._table.index_select(0, row)


def bilinear_weights(side: Tensor, offset: Tensor, flip: Tensor, size: int, stored: int) -> Tensor:
    """Matrices (n, size, stored) that resize `side` (n,) pixels from `offset` (n,) on to `size` pixels.

    Those whose `flip` (n,) is 1 also mirror.
    """
    side, flip = side[:, None, None], flip[:, None, None]
    scale = side / size
    centre = (torch.arange(size, device=side.device) + 0.5)[:, None] * scale
    centre = torch.where(flip == 1, side - centre, centre)
    place = (torch.arange(stored, device=side.device) - offset[:, None])[:, None, :]
    weights = ((place + 0.5) - centre).div_(scale.clamp_min(1)).abs_().neg_().add_(1).clamp_min_(0)
    weights *= (place >= 0) & (place < side)
    return weights.div_(weights.sum(dim=2, keepdim=True))
