"""A light feature pyramid: maps of a backbone brought to one width, each with the coarser ones added."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence

from torch import Tensor, nn
from torch.nn.functional import interpolate


class LightPyramid(nn.Module):
    """Top-down sums as in https://arxiv.org/abs/1612.03144, without its 3x3 convolution after each.

    RPN and RetinaNet's towers begin with one anyway.
    """

    def __init__(self, widths: Sequence[int], out_channels: int) -> None:
        super().__init__()
        self.inner_blocks = nn.ModuleList(nn.Conv2d(width, out_channels, 1) for width in widths)
        for layer in self.inner_blocks.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_uniform_(layer.weight, a=1)
                nn.init.constant_(layer.bias, 0)  # type: ignore[arg-type]  # made with a bias

    def forward(self, maps: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Maps (N, widths[i], h, w), finest first, to maps of `out_channels` by the same names."""
        sums: list[Tensor] = []
        for block, value in zip(reversed(self.inner_blocks), reversed(list(maps.values())), strict=True):
            value = block(value)
            if sums:
                value = value + interpolate(sums[-1], size=value.shape[-2:], mode="nearest")
            sums.append(value)
        return OrderedDict(zip(maps, reversed(sums), strict=True))
