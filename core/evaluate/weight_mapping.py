"""Weights under foreign names put into our networks: by their order and shapes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from core.errors import CheckpointError
from core.models.weights import strip_prefixes

_COUNTER = "num_batches_tracked"
_KINDS = ("weight", "bias", "running_mean", "running_var")


def fit_weights(weights: Mapping[str, Tensor], model: nn.Module, file: str) -> dict[str, Tensor]:
    """`weights` under the names of `model`: the nth tensor is its nth, where kind and shape agree.

    Prefixes of wrappers are removed; counters that old files lack start at 0. Raises CheckpointError that
    names the first place where shapes differ.
    """
    theirs = strip_prefixes(weights)
    ours = model.state_dict()
    if theirs.keys() == ours.keys() and all(
        theirs[name].shape == value.shape for name, value in ours.items()
    ):
        return dict(theirs)
    mine = [(name, value) for name, value in ours.items() if not name.endswith(_COUNTER)]
    found = [(name, value) for name, value in theirs.items() if not name.endswith(_COUNTER)]
    fitted = dict(ours)
    for (name, value), (other, given) in zip(mine, found, strict=False):
        if value.shape != given.shape or not _same_kind(name, other):
            raise CheckpointError(
                f"{file} does not fit: its {other} has shape {_shape(given)}, where this model has "
                f"{name} of shape {_shape(value)}."
            )
        fitted[name] = given
    if len(mine) != len(found):
        raise CheckpointError(
            f"{file} does not fit: it holds {len(found)} tensors, where this model has {len(mine)}"
            f"{_first_beyond(mine, found)}."
        )
    counters = [value for name, value in theirs.items() if name.endswith(_COUNTER)]
    places = [name for name in ours if name.endswith(_COUNTER)]
    if len(counters) == len(places):
        fitted.update(zip(places, counters, strict=True))
    return fitted


def fit_momentum(stored: Mapping[str, Any] | None, model: nn.Module) -> tuple[dict[int, Any], float | None]:
    """Momentum by the number of the parameter and the learning rate, as far as they can be taken over.

    `stored` is an optimiser's state_dict. Nothing is returned that does not fit all parameters.
    """
    if stored is None:
        return {}, None
    groups = stored.get("param_groups")
    group = groups[0] if isinstance(groups, list) and groups and isinstance(groups[0], Mapping) else {}
    rate = group.get("lr")
    rate = float(rate) if isinstance(rate, int | float) and not isinstance(rate, bool) else None
    state, numbers = stored.get("state"), group.get("params")
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if not isinstance(state, Mapping) or not isinstance(numbers, list) or len(numbers) != len(parameters):
        return {}, rate
    momentum: dict[int, Any] = {}
    for place, (number, parameter) in enumerate(zip(numbers, parameters, strict=True)):
        kept = state.get(number)
        buffer = kept.get("momentum_buffer") if isinstance(kept, Mapping) else None
        if not isinstance(buffer, Tensor) or buffer.shape != parameter.shape:
            return {}, rate
        momentum[place] = {"momentum_buffer": buffer}
    return momentum, rate


def _same_kind(ours: str, theirs: str) -> bool:
    """Whether the last words agree; unusual ones say nothing."""
    word = theirs.rpartition(".")[2]
    return word not in _KINDS or word == ours.rpartition(".")[2]


def _shape(value: Tensor) -> str:
    return "x".join(map(str, value.shape)) or "1"


def _first_beyond(mine: list[tuple[str, Tensor]], found: list[tuple[str, Tensor]]) -> str:
    longer, whose = (
        (mine, "the model continues with") if len(mine) > len(found) else (found, "it continues with")
    )
    name, value = longer[min(len(mine), len(found))]
    return f" ({whose} {name} of shape {_shape(value)})"
