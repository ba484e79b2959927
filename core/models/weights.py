"""Weights from files: read safely, made to fit, never taken over in silence when they do not."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from core.config.schema import Experiment
from core.errors import CheckpointError
from core.models.class_files import by_names, with_positions
from core.models.classifiers import WITH_AUXILIARIES
from core.models.heads import head_of
from core.models.imagenet import imagenet_file
from core.models.weight_files import read_content, read_weights, state_in, strip_prefixes
from core.models.weights_report import WeightsReport, misfit, unfounded_name
from core.text import clean

__all__ = ["WeightsReport", "load_weights", "read_weights", "strip_prefixes"]

_AUXILIARIES = ("AuxLogits.", "aux1.", "aux2.")


def load_weights(
    model: nn.Module,
    experiment: Experiment,
    classes: int,
    *,
    names: Sequence[str] = (),
    code: Path | None = None,
    log: Callable[[str], None] = lambda line: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> WeightsReport:
    """Put the experiment's starting weights into `model`, if it names any.

    All must fit but the classifier: its outputs are matched by the `names` of the classes where the file says
    its own, and else it stays as it is when the file's is for another number; see
    `core.models.detector_weights` for detectors. `code` as for `build_model`; `log` gets a line before a
    download, `cancelled` is asked while it lasts. Raises CheckpointError for a file that is missing, damaged,
    unsafe or of another network, and for published weights that cannot be had;
    `core.models.imagenet.Cancelled`.
    """
    if experiment.weights == "none":
        return WeightsReport("", "", 0, (), ())
    if experiment.is_detector:
        # torchvision's detectors take a while to import.
        from core.models.detector_weights import load_detector_weights

        return load_detector_weights(model, experiment, classes, names=names, log=log, cancelled=cancelled)
    if experiment.weights == "imagenet":
        file, digest = imagenet_file(experiment.model, log, cancelled)
    else:
        file, digest = Path(experiment.weights), experiment.weights_sha256
    content, sha256 = read_content(file, digest)
    state, notes = state_in(content, file), unfounded_name(file, sha256)
    state = _modernised(experiment.model, state)
    state, said = by_names(model, state, content, experiment, names, code)
    report = _fit(model, state, experiment.model, classes, clean(str(file)), sha256, (*notes, *said))
    return with_positions(report, content, names)


def _fit(
    model: nn.Module,
    state: dict[str, Tensor],
    name: str,
    classes: int,
    source: str,
    sha256: str,
    notes: tuple[str, ...],
) -> WeightsReport:
    # The tensors of a state dict share the model's memory, whatever wraps the model.
    own = strip_prefixes(model.state_dict())
    state = _positions_resized(name, own, state)
    head = head_of(model)
    prefix = None if head is None else next(iter(strip_prefixes({f"{head.prefix}.": torch.empty(0)})))
    matching = {key for key, tensor in own.items() if key in state and state[key].shape == tensor.shape}
    fresh: set[str] = set()
    if prefix is not None:
        of_head = {key for key in own if key.startswith(prefix)}
        fresh = set() if of_head <= matching else of_head
    counters = {key for key in own if key.endswith("num_batches_tracked")}
    missing = [key for key in own if key not in matching | fresh | counters]
    unknown = [key for key in state if key not in own and not _ignored(key, name, prefix)]
    loaded = [key for key in own if key in matching and key not in fresh]
    if missing or unknown or not loaded:
        missing = missing if missing or unknown else list(own)
        raise CheckpointError(misfit(source, name, own, state, len(matching), missing, unknown))
    with torch.no_grad():
        for key in loaded:
            own[key].copy_(state[key])
    if fresh and prefix is not None:
        notes = (*notes, _about_head(prefix, state, own, classes))
    at_random = tuple(key for key in own if key in fresh)
    unused = tuple(key for key in state if key not in own or key in fresh)
    return WeightsReport(source, sha256, len(loaded), at_random, unused, notes)


def _about_head(prefix: str, state: dict[str, Tensor], own: dict[str, Tensor], classes: int) -> str:
    of_head = [state[key] for key in own if key.startswith(prefix) and key in state]
    theirs = {tensor.shape[0] for tensor in of_head if tensor.dim()}
    theirs -= {classes}
    for_others = f": the file's is for {theirs.pop()} classes, not {classes}" if len(theirs) == 1 else ""
    return f"the classifier {prefix.rstrip('.')} starts at random{for_others}"


def _ignored(key: str, name: str, head: str | None) -> bool:
    """Whether the network may lack this tensor of a file: auxiliary classifiers, parts of another head."""
    auxiliary = name in WITH_AUXILIARIES and key.startswith(_AUXILIARIES)
    return auxiliary or (head is not None and key.startswith(head))


def _positions_resized(name: str, own: dict[str, Tensor], state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A vision transformer's position embedding, interpolated to the image size (bicubic, as torchvision)."""
    key = "encoder.pos_embedding"
    if not name.startswith("vit_") or key not in state or key not in own:
        return state
    if state[key].dim() != 3 or state[key].shape == own[key].shape or state[key].shape[1] < 2:
        return state
    from torchvision.models.vision_transformer import interpolate_embeddings

    patch = int(name.rpartition("_")[2])
    side = round((own[key].shape[1] - 1) ** 0.5) * patch
    try:
        return dict(interpolate_embeddings(side, patch, dict(state)))
    except ValueError:
        return state


def _modernised(name: str, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """DenseNet's published files have the names of an older torchvision: norm.1 for norm1."""
    if not name.startswith("densenet"):
        return state
    return {re.sub(r"(denselayer\d+\.(?:norm|conv))\.([12]\.)", r"\1\2", key): state[key] for key in state}
