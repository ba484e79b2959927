"""A detector's loss on images that it is not trained on: the same number each time, and nothing moves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd
from torchvision.ops import StochasticDepth

from core.models.detectors import detector_losses

_SEED = 20_250_401
_STILL = (_BatchNorm, _DropoutNd, StochasticDepth)


def mean_losses(
    model: nn.Module, pairs: Iterable[tuple[Tensor, Mapping[str, Tensor]]], device: torch.device
) -> dict[str, float]:
    """`loss` and `loss_<term>`: means over images (3, height, width) of the loss of each by itself.

    A target is {"boxes", "labels"}. torchvision's detectors have a loss only in training mode, where they
    sample anchors and proposals at random: every image gets the same seed, in a generator set back after it.
    So the numbers depend neither on the batch nor on what was measured before.
    """
    sums: dict[str, float] = {}
    count = 0
    with _measured_loss(model, device), torch.no_grad():
        for image, target in pairs:
            torch.manual_seed(_SEED)
            terms = detector_losses(model, [image], [dict(target)])
            for name, value in terms.items():
                sums[name] = sums.get(name, 0.0) + float(value)
            count += 1
    means = {f"loss_{name}": total / count for name, total in sums.items()}
    return {"loss": sum(means.values()), **means} if count else {}


@contextmanager
def _measured_loss(model: nn.Module, device: torch.device) -> Iterator[None]:
    """Training mode without batch statistics and dropout; modes and random generators are set back."""
    modes = [(module, module.training) for module in model.modules()]
    model.train()
    for module in model.modules():
        if isinstance(module, _STILL):
            module.eval()
    try:
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            yield
    finally:
        for module, training in modes:
            module.training = training
