"""A moving average of the weights, which is measured in their place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn


class Ema:
    """Exponential moving average of a model's weights and running statistics; counters are copied.

    At update n the decay is min(decay, (1 + n) / (10 + n)), as in TensorFlow's ExponentialMovingAverage, so
    that the random weights of the start are soon forgotten.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self._decay = decay
        self.restart(model)

    def restart(self, model: nn.Module) -> None:
        """Begin with the weights as they are."""
        self.updates = 0
        self._average = {name: value.detach().clone() for name, value in model.state_dict().items()}

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Take in the weights after one step."""
        self.updates += 1
        decay = min(self._decay, (1 + self.updates) / (10 + self.updates))
        averages, currents = [], []
        for name, value in model.state_dict().items():
            average = self._average[name]
            if average.is_floating_point():
                averages.append(average)
                currents.append(value)
            else:
                average.copy_(value)
        # An average that equals the weight stays as it is to the bit: frozen parts do not drift.
        torch._foreach_lerp_(averages, currents, 1 - decay)

    @contextmanager
    def applied(self, model: nn.Module) -> Iterator[None]:
        """Within it, `model` has the averages; after it its own weights again."""
        own = {name: value.detach().clone() for name, value in model.state_dict().items()}
        _copy(self._average, model)
        try:
            yield
        finally:
            _copy(own, model)

    def as_dict(self) -> dict[str, Any]:
        """`updates` and `model`, the averages by name."""
        return {"updates": self.updates, "model": dict(self._average)}

    def load(self, stored: Mapping[str, Any]) -> None:
        """Go on from `as_dict`. Raises KeyError and RuntimeError when it belongs to another model."""
        averages = stored["model"]
        for name, value in self._average.items():
            value.copy_(averages[name])
        self.updates = int(stored["updates"])


@torch.no_grad()
def _copy(state: Mapping[str, Tensor], model: nn.Module) -> None:
    for name, value in model.state_dict().items():
        value.copy_(state[name])
