"""Small VGG-style classifiers for small square images.

Layouts A to E follow the VGG paper (Simonyan and Zisserman, 2015, table 1) at an eighth of its width, with
batch normalisation after every convolution; v0 to v3 have none, v4 has. Weights start from torch's default
initialisation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from core.config.names import BLOCKS_MODEL
from core.config.schema import Block, Experiment
from core.errors import UsageError
from core.text import did_you_mean

_ARGUMENTS = ("batch_norm", "hidden", "dropout")


@dataclass(frozen=True)
class Plan:
    """A network before it knows its classes and image size; `hidden` are the widths of the linear layers."""

    blocks: tuple[Block, ...]
    hidden: tuple[int, ...]
    batch_norm: bool = True
    dropout: float = 0.5


class TinyVgg(nn.Module):
    """Blocks of (convolution, batch norm if any, ReLU) x n with 2x2 max pooling, then linear layers.

    Maps float images (N, 3, image_size, image_size) to logits (N, classes).
    """

    def __init__(self, plan: Plan, *, classes: int, image_size: int) -> None:
        super().__init__()
        blocks: list[nn.Module] = []
        width = 3
        for block in plan.blocks:
            blocks.append(_block(width, block, plan.batch_norm))
            width = block.channels
        self.features = nn.Sequential(*blocks)
        width *= (image_size // 2 ** len(plan.blocks)) ** 2
        layers: list[nn.Module] = [nn.Flatten()]
        for hidden in plan.hidden:
            layers += [nn.Linear(width, hidden), nn.ReLU(inplace=True), nn.Dropout(plan.dropout)]
            width = hidden
        self.classifier = nn.Sequential(*layers, nn.Linear(width, classes))

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.classifier(self.features(images))
        return logits


def build_tinyvgg(experiment: Experiment, classes: int) -> TinyVgg:
    """The preset or the network of `blocks` that the experiment names, changed by its `model_args`.

    Raises UsageError when the poolings leave nothing of the image, or for arguments that it does not take.
    """
    name, size = experiment.model, experiment.side
    if name == BLOCKS_MODEL:
        plan = Plan(tuple(experiment.blocks or ()), (256, 256))
    else:
        plan = PRESETS[name]
    plan = _changed(plan, name, experiment.model_args)
    least = 2 ** len(plan.blocks)
    if size < least:
        raise UsageError(
            f"{name} halves its images {len(plan.blocks)} times, so image_size must be at least {least}: "
            f"it is {size}."
        )
    return TinyVgg(plan, classes=classes, image_size=size)


def _changed(plan: Plan, name: str, arguments: Mapping[str, Any]) -> Plan:
    for key in arguments:
        if key not in _ARGUMENTS:
            raise UsageError(
                f"model_args: {name} does not accept '{key}'{did_you_mean(key, _ARGUMENTS)}: "
                f"it accepts {', '.join(_ARGUMENTS)}."
            )
    batch_norm = arguments.get("batch_norm", plan.batch_norm)
    dropout = arguments.get("dropout", plan.dropout)
    hidden = arguments.get("hidden", plan.hidden)
    if not isinstance(batch_norm, bool):
        raise UsageError(f"model_args: batch_norm must be true or false, not {batch_norm!r}.")
    if isinstance(dropout, bool) or not isinstance(dropout, (int, float)) or not 0 <= dropout < 1:
        raise UsageError(f"model_args: dropout must be a number from 0 to below 1, not {dropout!r}.")
    widths = hidden if isinstance(hidden, (list, tuple)) else (hidden, hidden)
    if not all(isinstance(width, int) and not isinstance(width, bool) and width > 0 for width in widths):
        raise UsageError(
            "model_args: hidden must be the width of the two hidden linear layers, or a list of widths, "
            f"not {hidden!r}."
        )
    return Plan(plan.blocks, tuple(widths), batch_norm, float(dropout))


def _block(width: int, block: Block, batch_norm: bool) -> nn.Sequential:
    layers: list[nn.Module] = []
    for number in range(1, block.convs + 1):
        side = 1 if block.one_by_one and number == block.convs else 3
        layers.append(nn.Conv2d(width, block.channels, side, padding=side // 2))
        if batch_norm:
            layers.append(nn.BatchNorm2d(block.channels))
        layers.append(nn.ReLU(inplace=True))
        width = block.channels
    layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers)


def _plain(blocks: int) -> Plan:
    """The first `blocks` blocks of v4, without batch normalisation."""
    return Plan(_v_blocks(blocks), (256, 256), batch_norm=False)


def _v_blocks(count: int) -> tuple[Block, ...]:
    return tuple(Block(channels=16 * 2**index, convs=2) for index in range(count))


def _vgg(convs: Sequence[int], *, one_by_one: bool = False) -> Plan:
    """VGG at an eighth of its width; `one_by_one`: the third convolution of a block is 1x1 (VGG-C)."""
    widths = (8, 16, 32, 64, 64)
    return Plan(
        tuple(
            Block(channels=width, convs=count, one_by_one=one_by_one and count == 3)
            for width, count in zip(widths, convs, strict=True)
        ),
        (64, 64),
    )


PRESETS: dict[str, Plan] = {
    "tinyvgg_v0": _plain(2),
    "tinyvgg_v1": _plain(3),
    "tinyvgg_v2": _plain(4),
    "tinyvgg_v3": _plain(5),
    "tinyvgg_v4": Plan(_v_blocks(5), (256, 256)),
    "tinyvgg_a": _vgg((1, 1, 2, 2, 2)),
    "tinyvgg_b": _vgg((2, 2, 2, 2, 2)),
    "tinyvgg_c": _vgg((2, 2, 3, 3, 3), one_by_one=True),
    "tinyvgg_d": _vgg((2, 2, 3, 3, 3)),
    "tinyvgg_e": _vgg((2, 2, 4, 4, 4)),
}
