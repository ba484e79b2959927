"""Pooling of boxes from a pyramid, against torchvision's."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torchvision.ops import MultiScaleRoIAlign

from core.models.roi_pool import PyramidPool

STRIDES = {"0": 8, "1": 16, "2": 32}
SIZE = (160, 192)


def pyramid(channels: int = 6) -> dict[str, Tensor]:
    random = torch.Generator().manual_seed(1)
    return {
        name: torch.randn(2, channels, SIZE[0] // stride, SIZE[1] // stride, generator=random)
        .contiguous(memory_format=torch.channels_last)
        .requires_grad_()
        for name, stride in STRIDES.items()
    }


def boxes() -> list[Tensor]:
    """Of all sizes, some at or beyond the borders, some without any area."""
    random = torch.Generator().manual_seed(2)
    corner = torch.rand(2, 40, 2, generator=random) * torch.tensor([190.0, 158.0]) - 10
    side = torch.rand(2, 40, 2, generator=random) ** 2 * 150
    whole = torch.tensor([[0.0, 0, 192, 160], [0, 0, 0.5, 0.5], [191, 159, 192, 160], [100, 50, 230, 210]])
    first, second = torch.cat([corner, corner + side], 2)
    return [torch.cat([first, whole]), second[:7]]


@pytest.mark.parametrize("samples", [1, 2])
@pytest.mark.parametrize("size", [5, 7])
def test_values_and_gradients_are_torchvisions(samples: int, size: int) -> None:
    theirs = MultiScaleRoIAlign(list(STRIDES), size, samples, canonical_scale=56, canonical_level=3)
    own = PyramidPool(STRIDES, size, samples, canonical_scale=56, canonical_level=3)
    one, other = pyramid(), pyramid()
    expected = theirs(one, boxes(), [SIZE] * 2)
    given = own(other, boxes(), [SIZE] * 2).permute(0, 3, 1, 2)
    assert torch.allclose(given, expected, atol=2e-5)
    weight = torch.randn(expected.shape, generator=torch.Generator().manual_seed(3))
    torch.autograd.backward((expected * weight).sum())
    torch.autograd.backward((given * weight).sum())
    for name in STRIDES:
        gradient, right = other[name].grad, one[name].grad
        assert gradient is not None
        assert right is not None
        assert torch.allclose(gradient, right, atol=2e-4)


def test_no_boxes() -> None:
    pooled = PyramidPool(STRIDES, 5)(pyramid(), [torch.zeros(0, 4), torch.zeros(0, 4)], [SIZE] * 2)
    assert pooled.shape == (0, 5, 5, 6)


def test_only_one_image_has_boxes() -> None:
    pool = PyramidPool(STRIDES, 5, canonical_scale=56, canonical_level=3)
    maps = pyramid()
    box = torch.tensor([[20.0, 20, 60, 70]])
    second = pool({name: value[1:] for name, value in maps.items()}, [box], [SIZE])
    assert torch.allclose(pool(maps, [torch.zeros(0, 4), box], [SIZE] * 2), second, atol=1e-6)
