"""A light feature pyramid: maps of a backbone brought to one width, each with the coarser ones added."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence

from torch import Tensor, nn
from torch.nn.functional import interpolate, max_pool2d


class LightPyramid(nn.Module):
    """Top-down sums as in https://arxiv.org/abs/1612.03144, without its 3x3 convolution after each.

    RPN and RetinaNet's towers begin with one anyway. For large objects follow `pooled` more maps, `pool1` and
    so on, each every second place of the one before.
    """

    def __init__(self, widths: Sequence[int], out_channels: int, pooled: int) -> None:
        super().__init__()
        self.pooled = pooled
        self.inner_blocks = nn.ModuleList(nn.Conv2d(width, out_channels, 1) for width in widths)
        for layer in self.inner_blocks.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_uniform_(layer.weight, a=1)
                nn.init.constant_(layer.bias, 0)  # type: ignore[arg-type]  # made with a bias

    def forward(self, maps: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Maps (N, widths[i], h, w), finest first, to `out_channels` by the same names, then pooled ones."""
        sums: list[Tensor] = []
        for block, value in zip(reversed(self.inner_blocks), reversed(list(maps.values())), strict=True):
            value = block(value)
            if sums:
                value = value + interpolate(sums[-1], size=value.shape[-2:], mode="nearest")
            sums.append(value)
        pyramid = OrderedDict(zip(maps, reversed(sums), strict=True))
        coarsest = sums[0]
        for number in range(1, self.pooled + 1):
            coarsest = max_pool2d(coarsest, 1, 2)
            pyramid[f"pool{number}"] = coarsest
        return pyramid
