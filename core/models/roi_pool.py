"""RoIAlign over a whole feature pyramid as one sparse product, several times as fast on CPUs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding_bag


class PyramidPool(nn.Module):
    """Means of bilinear samples of features in `size` x `size` bins of each box.

    The numbers are those of `torchvision.ops.MultiScaleRoIAlign` (`samples` is its `sampling_ratio`), but
    come as float32 (boxes, size, size, channels). `strides` names the maps, finest first. A box is pooled
    from the map that fits its area: one of `canonical_scale` pixels a side from stride 2**`canonical_level`
    (eq. 1 of https://arxiv.org/abs/1612.03144).
    """

    def __init__(
        self,
        strides: Mapping[str, int],
        size: int,
        samples: int = 1,
        *,
        canonical_scale: float = 224,
        canonical_level: int = 4,
    ) -> None:
        super().__init__()
        self.strides = dict(strides)
        self.size = size
        self.samples = samples
        self.canonical_scale = canonical_scale
        self.canonical_level = canonical_level

    def forward(
        self, features: Mapping[str, Tensor], boxes: Sequence[Tensor], image_sizes: Sequence[tuple[int, int]]
    ) -> Tensor:
        """Pool `boxes` (k, 4) of each image, in pixels, from maps (N, channels, h, w) by name."""
        maps = [features[name] for name in self.strides]
        # Each place of each map of each image is a row; a sample is a weighted sum of four rows.
        table = torch.cat([value.permute(0, 2, 3, 1).flatten(0, 2) for value in maps]).float()
        rows, weights = self._samples([value.shape for value in maps], boxes)
        pooled: Tensor = embedding_bag(rows, table, mode="sum", per_sample_weights=weights)
        return pooled.view(-1, self.size, self.size, pooled.shape[1])

    def _samples(self, shapes: Sequence[torch.Size], boxes: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Rows of the table and their weights, (boxes * bins, 4 * samples in a bin) each."""
        corners = torch.cat(list(boxes)).float()
        device = corners.device
        level = self._level(corners)
        sides = torch.tensor([shape[2:] for shape in shapes], device=device)[level]
        counts = [shape[0] * shape[2] * shape[3] for shape in shapes]
        starts = torch.tensor([sum(counts[:index]) for index in range(len(counts))], device=device)
        image = torch.cat([torch.full((len(own),), index, device=device) for index, own in enumerate(boxes)])
        first = starts[level] + image * sides.prod(1)
        stride = torch.tensor(list(self.strides.values()), dtype=torch.float32, device=device)[level, None]
        scaled = corners / stride
        y, y_weights = self._axis(scaled[:, 1::2], sides[:, :1])
        x, x_weights = self._axis(scaled[:, 0::2], sides[:, 1:])
        # (boxes, bin y, bin x, sample y, sample x, corner y, corner x)
        y = y * sides[:, 1, None, None, None] + first[:, None, None, None]
        rows = y[:, :, None, :, None, :, None] + x[:, None, :, None, :, None, :]
        weights = y_weights[:, :, None, :, None, :, None] * x_weights[:, None, :, None, :, None, :]
        bins = len(corners) * self.size**2
        each = (2 * self.samples) ** 2
        return rows.reshape(bins, each), weights.reshape(bins, each) / self.samples**2

    def _level(self, corners: Tensor) -> Tensor:
        """The number of the map that each box is pooled from."""
        area = (corners[:, 2:] - corners[:, :2]).clamp(min=1e-3).prod(1)
        level = torch.floor(self.canonical_level + 0.5 * torch.log2(area / self.canonical_scale**2) + 1e-6)
        finest = next(iter(self.strides.values())).bit_length() - 1
        return (level - finest).clamp(0, len(self.strides) - 1).long()

    def _axis(self, ends: Tensor, side: Tensor) -> tuple[Tensor, Tensor]:
        """The two places beside each sample of one axis and their weights, (boxes, size, samples, 2) each.

        `ends` (boxes, 2) are in units of the map, which has `side` (boxes, 1) places.
        """
        steps = self.size * self.samples
        share = (torch.arange(steps, device=ends.device) + 0.5) / steps
        at = ends[:, :1] + (ends[:, 1:] - ends[:, :1]).clamp(min=1) * share
        inside = (at >= -1) & (at <= side)
        at = at.clamp(min=0)
        low = torch.minimum(at.floor().long(), side - 1)
        high = torch.minimum(low + 1, side - 1)
        far = torch.where(low < high, at - low, 0)
        weights = torch.stack((1 - far, far), -1) * inside[..., None]
        shape = (len(ends), self.size, self.samples, 2)
        return torch.stack((low, high), -1).view(shape), weights.view(shape)
