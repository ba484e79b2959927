"""Outputs of weights from files, matched to the classes of the data by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from core.config.schema import Experiment
from core.models.class_axes import class_axes, match_classes, names_in, rearranged
from core.models.weight_files import strip_prefixes
from core.models.weights_report import WeightsReport


def by_names(
    model: nn.Module,
    state: dict[str, Tensor],
    content: Any,
    experiment: Experiment,
    classes: Sequence[str],
    code: Path | None,
) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """`state` with the outputs of the network's own `classes`, if they are named, and notes on what was done.

    Classes that the file does not know have what `model` holds. Untouched where the file names no classes, or
    not as many as it has outputs.
    """
    # The registry's networks import this room's loaders.
    from core.models.registry import build_model

    names = names_in(content)
    if not classes:
        return state, ()
    match = match_classes(names or classes, classes)
    if match.same:
        return state, ()
    axes = class_axes(
        model, experiment, len(classes), lambda wish, number: build_model(wish, number, code=code)
    )
    own = strip_prefixes(model.state_dict())
    found = dict(state)
    try:
        for name in axes:
            if name in state:
                found[name] = rearranged(state[name], own[name].detach().cpu(), axes[name], match)
    except (ValueError, IndexError):
        return state, (
            f"the file names {len(match.old)} classes, but has another number of outputs: not matched",
        )
    return found, match.notes("the file")


def with_positions(report: WeightsReport, content: Any, classes: Sequence[str]) -> WeightsReport:
    """`report`, with a note where outputs for named `classes` were taken by position for want of names."""
    if not classes or report.fresh or not report.loaded or names_in(content) is not None:
        return report
    note = (
        "the file does not name its classes: its outputs are assumed to be those of the data, in their order"
    )
    return replace(report, notes=(*report.notes, note))
