"""What of a network is trained: everything, only its head, or both parts at their own rates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from core.config.schema import Experiment
from core.errors import UsageError
from core.models.heads import HeadModules, head_modules


@dataclass(frozen=True)
class ParamGroup:
    """Trainable parameters that share a learning rate."""

    name: Literal["all", "head", "back"]
    lr: float
    parameters: tuple[nn.Parameter, ...]


def apply_mode(model: nn.Module, experiment: Experiment) -> tuple[ParamGroup, ...]:
    """Freeze what the experiment's mode does not train; the groups of what it does train.

    full: all; head: head; split: back (back_lr), then head (head_lr). Raises UsageError when the network has
    no classifier to tell apart, or a group would be empty: nothing is ever left untrained unsaid.
    """
    rate = experiment.learning_rate
    if experiment.mode == "full":
        everything = _trainable(list(model.parameters()))
        return (_group("all", rate, everything, experiment),)
    head = _require_head(model, experiment)
    of_head = _trainable(head.parameters())
    ids = {id(parameter) for parameter in of_head}
    rest = [parameter for parameter in model.parameters() if id(parameter) not in ids]
    if experiment.mode == "head":
        for parameter in rest:
            parameter.requires_grad_(False)
        return (_group("head", rate, of_head, experiment),)
    back_lr, head_lr = experiment.back_lr or rate, experiment.head_lr or rate
    return (
        _group("back", back_lr, _trainable(rest), experiment),
        _group("head", head_lr, of_head, experiment),
    )


def set_train_mode(model: nn.Module, experiment: Experiment) -> None:
    """Training mode for what is trained: in mode head, all else keeps its statistics and drops nothing.

    So do the frozen stages of a detector.
    """
    model.train()
    if experiment.mode == "head":
        head = _require_head(model, experiment)
        for child in model.children():
            child.eval()
        for module in (*head.before, *head.modules):
            module.train()
    if experiment.is_detector:
        for module in model.modules():
            own = list(module.parameters(recurse=False))
            if isinstance(module, _BatchNorm) and own and not any(item.requires_grad for item in own):
                module.eval()


def _require_head(model: nn.Module, experiment: Experiment) -> HeadModules:
    head = head_modules(model)
    if head is None:
        raise UsageError(
            f"mode {experiment.mode}: no classifier was found in {experiment.model}: call it `self.head`, "
            "make it an nn.Linear, or use mode: full."
        )
    return head


def _trainable(parameters: list[nn.Parameter]) -> tuple[nn.Parameter, ...]:
    return tuple(parameter for parameter in parameters if parameter.requires_grad)


def _group(
    name: Literal["all", "head", "back"],
    lr: float,
    parameters: tuple[nn.Parameter, ...],
    experiment: Experiment,
) -> ParamGroup:
    if not parameters:
        head = "head" if experiment.is_detector else "classifier"
        part = {"all": "network", "head": head, "back": f"part before the {head}"}[name]
        raise UsageError(
            f"mode {experiment.mode}: the {part} of {experiment.model} has no trainable parameters, so there "
            "is nothing to train: use another mode or network."
        )
    return ParamGroup(name, lr, parameters)
