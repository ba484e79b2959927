"""What a network consists of: its layers, their outputs and parameters, what of them is trained."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from core.models.heads import head_modules


@dataclass(frozen=True)
class Layer:
    """A module with parameters of its own or without children; `shape` is its output's for one image.

    The shape is empty where the module is not called or gives no tensor. A parameter that several modules
    share counts for the first of them.
    """

    name: str
    type: str
    shape: tuple[int, ...]
    parameters: int
    trainable: int


@dataclass(frozen=True)
class Part:
    """The parameters of the backbone or of the head."""

    name: str
    parameters: int
    trainable: int


@dataclass(frozen=True)
class ModelSummary:
    """`parts` and `layers` each add up to `parameters`; `state_bytes` are those of the state dict."""

    layers: tuple[Layer, ...]
    parts: tuple[Part, ...]
    parameters: int
    trainable: int
    state_bytes: int
    state_tensors: int

    def as_json(self) -> dict[str, Any]:
        """Parameters, parts and layers as plain values."""
        return {
            "parameters": self.parameters,
            "trainable": self.trainable,
            "parts": [asdict(part) for part in self.parts],
            "layers": [{**asdict(layer), "shape": list(layer.shape)} for layer in self.layers],
        }


def summarise_model(model: nn.Module, size: int | tuple[int, int]) -> ModelSummary:
    """Send one blank image through `model` and note what each layer gives; the model stays as it is.

    `size` is the side of square images, or (height, width) for a detector, whose layers are noted at the
    finest map that they see. Works on the meta device too. Raises what the network raises for such an image.
    """
    shapes = _output_shapes(model, size)
    seen: set[int] = set()
    layers = []
    for name, module in model.named_modules():
        own = [item for item in module.parameters(recurse=False) if id(item) not in seen]
        seen.update(map(id, own))
        if own or next(module.children(), None) is None:
            layers.append(Layer(name, type(module).__name__, shapes.get(name, ()), *_counts(own)))
    everything = list(model.parameters())
    state = [item for item in model.state_dict().values() if isinstance(item, Tensor)]
    return ModelSummary(
        layers=tuple(layers),
        parts=_parts(model, everything),
        parameters=_counts(everything)[0],
        trainable=_counts(everything)[1],
        state_bytes=sum(item.numel() * item.element_size() for item in state),
        state_tensors=len(state),
    )


def _parts(model: nn.Module, everything: list[nn.Parameter]) -> tuple[Part, ...]:
    head = head_modules(model)
    of_head = [] if head is None else head.parameters()
    ids = {id(item) for item in of_head}
    back = Part("backbone", *_counts([item for item in everything if id(item) not in ids]))
    return (back, Part("head", *_counts(of_head))) if head else (back,)


def _counts(parameters: list[nn.Parameter]) -> tuple[int, int]:
    """All numbers, and the trainable ones."""
    return (
        sum(item.numel() for item in parameters),
        sum(item.numel() for item in parameters if item.requires_grad),
    )


def _output_shapes(model: nn.Module, size: int | tuple[int, int]) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {}
    hooks = []
    for name, module in model.named_modules():

        def note(_: nn.Module, __: Any, output: Any, name: str = name) -> None:
            if isinstance(output, Tensor):
                shapes.setdefault(name, tuple(output.shape[1:]))

        hooks.append(module.register_forward_hook(note))
    first = next(model.parameters(), None)
    device = torch.device("cpu") if first is None else first.device
    try:
        with in_evaluation(model), torch.no_grad():
            if isinstance(size, int):
                model(torch.zeros(1, 3, size, size, device=device))
            else:
                # torchvision's detectors take a while to import.
                from core.models.detection import trace_detector

                trace_detector(model, torch.zeros(1, 3, *size, device=device))
    finally:
        for hook in hooks:
            hook.remove()
    return shapes


@contextmanager
def in_evaluation(model: nn.Module) -> Iterator[None]:
    """`model` in evaluation mode for a while, generators and each module's mode kept."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        for module, training in modes:
            module.training = training
