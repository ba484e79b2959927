"""A checkpoint made to fit another list of classes: outputs, averages and momentum are matched by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from core.config.names import is_code
from core.config.schema import Experiment
from core.errors import CheckpointError
from core.models.class_axes import (
    Axes,
    ClassMatch,
    class_axes,
    keeps_outputs,
    listed,
    match_classes,
    rearranged,
)
from core.models.registry import build_model
from core.models.weights import strip_prefixes
from core.text import clean


@dataclass(frozen=True)
class Outputs:
    """What the outputs of a run's network stand for: its `classes` in order; `code` as for `build_model`."""

    experiment: Experiment
    classes: tuple[str, ...]
    code: Path | None = None

    def axes(self, model: nn.Module) -> Axes:
        """The dimensions by class of the network's tensors."""

        def build(experiment: Experiment, classes: int) -> nn.Module:
            return build_model(experiment, classes, code=self.code)

        return class_axes(model, self.experiment, len(self.classes), build)


def matched(
    content: Mapping[str, Any],
    file: Path,
    model: nn.Module,
    outputs: Outputs,
    *,
    optimizer: torch.optim.Optimizer | None = None,
    partly: bool = False,
) -> tuple[Mapping[str, Any], tuple[str, ...]]:
    """`content` of a checkpoint for the network `model`, whose outputs are by `outputs`; and notes on it.

    The same classes in another order are rearranged. With `partly` others start as `model` has them, without
    momentum; else they are refused. Raises CheckpointError when the weights cannot be made to fit.
    """
    match = match_classes(_classes(content), outputs.classes)
    if match.same or not match.old:
        return content, ()
    if not partly and not match.reordered:
        raise CheckpointError(f"{clean(str(file))} was trained on other classes: {_difference(match)}.")
    own = model.state_dict()
    stored = content["model"] if content["model"].keys() == own.keys() else strip_prefixes(content["model"])
    axes = outputs.axes(model)
    if not axes:
        raise CheckpointError(
            f"{clean(str(file))} has its classes in another order, and which outputs of "
            f"{outputs.experiment.model} stand for which class cannot be determined: "
            "start a new run with these classes."
        )
    fresh = strip_prefixes(own)

    def fit(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {
            name: rearranged(value, fresh[name].detach().cpu(), axes[name], match) if name in axes else value
            for name, value in state.items()
        }

    try:
        found = {**content, "model": fit(stored)}
        average = content.get("ema")
        if average is not None:
            found["ema"] = {**average, "model": fit(strip_prefixes(average["model"]))}
        if optimizer is not None:
            found["optimizer"] = _momentum(content["optimizer"], stored, model, optimizer, axes, match)
    except ValueError as error:
        raise CheckpointError(f"{clean(str(file))} does not fit these classes: {error}.") from error
    if is_code(outputs.experiment.model) and match.reordered:
        _require_same_outputs(model, stored, found["model"], match, outputs, file)
    return found, match.notes("the checkpoint")


def _momentum(
    stored: Mapping[str, Any],
    weights: Mapping[str, Tensor],
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    axes: Axes,
    match: ClassMatch,
) -> Mapping[str, Any]:
    """The optimiser's state with the rows of classes moved; those of new classes are 0."""
    names = {id(value): name for name, value in model.named_parameters()}
    parameters = [value for group in optimizer.param_groups for value in group["params"]]
    numbers = [number for group in stored["param_groups"] for number in group["params"]]
    if len(parameters) != len(numbers):
        return stored
    state = dict(stored["state"])
    for number, parameter in zip(numbers, parameters, strict=True):
        name = next(iter(strip_prefixes({names[id(parameter)]: parameter})))
        if name in axes and number in state:
            zeros = torch.zeros(parameter.shape)
            state[number] = {
                key: rearranged(value, zeros, axes[name], match)
                if isinstance(value, Tensor) and value.dim() and value.shape == weights[name].shape
                else value
                for key, value in state[number].items()
            }
    return {**stored, "state": state}


def _require_same_outputs(
    model: nn.Module,
    old: Mapping[str, Tensor],
    new: Mapping[str, Tensor],
    match: ClassMatch,
    outputs: Outputs,
    file: Path,
) -> None:
    own = {name: value.detach().clone() for name, value in model.state_dict().items()}
    try:
        same = keeps_outputs(model, old, new, match, outputs.experiment.side)
    except (RuntimeError, TypeError, IndexError, KeyError) as error:
        raise CheckpointError(
            f"{clean(str(file))} does not fit this model: {clean(str(error))[:200]}"
        ) from error
    finally:
        model.load_state_dict(own)
    if not same:
        raise CheckpointError(
            f"{clean(str(file))} has the same classes in another order, and {outputs.experiment.model} does "
            "not give the same outputs once they are rearranged: keep the order, or start a new run."
        )


def _classes(content: Mapping[str, Any]) -> tuple[str, ...]:
    data = content.get("data")
    names = data.get("classes") if isinstance(data, Mapping) else None
    return tuple(map(str, names)) if isinstance(names, list | tuple) else ()


def _difference(match: ClassMatch) -> str:
    words = [f"it does not know {listed(match.anew)}"] if match.anew else []
    return "; ".join([*words, *([f"only it knows {listed(match.gone)}"] if match.gone else [])])
