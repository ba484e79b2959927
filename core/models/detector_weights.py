"""Starting weights of detectors: COCO's, a whole detector's file, or a classifier's for the backbone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.models import get_model_weights
from torchvision.ops import FrozenBatchNorm2d

from core.config.schema import Experiment
from core.errors import CheckpointError, UsageError
from core.models.class_files import by_names, with_positions
from core.models.detector_names import backbone_keys, fresh_predictor, modernised, without_unused_class
from core.models.detectors import full_name
from core.models.imagenet import hub_file
from core.models.weight_files import read_content, some, state_in, strip_prefixes
from core.models.weights_report import WeightsReport, misfit, unfounded_name
from core.text import clean

BACKBONES = {
    "fasterrcnn_mobilenet_v2": ("mobilenet_v2", "IMAGENET1K_V1"),
    "fasterrcnn_mobilenet_v3_large_320_fpn": ("mobilenet_v3_large", "IMAGENET1K_V1"),
    "fasterrcnn_mobilenet_v3_large_fpn": ("mobilenet_v3_large", "IMAGENET1K_V1"),
    "fasterrcnn_resnet50_fpn": ("resnet50", "IMAGENET1K_V1"),
    "fasterrcnn_resnet50_fpn_v2": ("resnet50", "IMAGENET1K_V1"),
    "fcos_resnet50_fpn": ("resnet50", "IMAGENET1K_V1"),
    "retinanet_resnet50_fpn": ("resnet50", "IMAGENET1K_V1"),
    "retinanet_resnet50_fpn_v2": ("resnet50", "IMAGENET1K_V1"),
    "ssd300_vgg16": ("vgg16", "IMAGENET1K_FEATURES"),
}
"""The classifier whose ImageNet weights a backbone takes, and which of them: those that torchvision takes."""
_EPS = 1e-5
_CLASSIFIER_EPS = {"mobilenet_v3_large": 1e-3}
_WAY_OUT = "give another file (weights: FILE), or start without (weights: none)"


def load_detector_weights(
    model: nn.Module,
    experiment: Experiment,
    classes: int,
    *,
    names: Sequence[str] = (),
    log: Callable[[str], None] = lambda line: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> WeightsReport:
    """Put the experiment's starting weights into the detector `model`, built for `classes`.

    A detector's file must fit in all but the last layer for classes: that is matched by their `names` where
    the file says its own; else it starts at random when it is for another number, and for COCO's always. A
    classifier's, and `imagenet`, fill the backbone; pyramid and heads start at random. Raises as
    `core.models.weights.load_weights`; UsageError where there are none.
    """
    name = full_name(experiment.model)
    coco = experiment.weights == "coco"
    if coco:
        file, digest = hub_file(_coco_url(name), f"COCO weights of {name}", log, cancelled, way_out=_WAY_OUT)
    elif experiment.weights == "imagenet":
        what = f"ImageNet weights for {name}'s backbone"
        file, digest = hub_file(_backbone_url(name), what, log, cancelled, way_out=_WAY_OUT)
    else:
        file, digest = Path(experiment.weights), experiment.weights_sha256
    content, sha256 = read_content(file, digest)
    state = state_in(content, file)
    # The tensors of a state dict share the model's memory, whatever wraps the model.
    own = strip_prefixes(model.state_dict())
    source, notes = clean(str(file)), unfounded_name(file, sha256)
    if any(key.startswith("backbone.") for key in state):
        state = modernised(own, state)
        state, more = without_unused_class(model, own, state, content, classes)
        if not coco:
            state, said = by_names(model, state, content, experiment, names, None)
            more = (*more, *said)
        fresh, reason = fresh_predictor(model, own, state, classes, coco=coco)
        wanted, whole = {key: key for key in own if key not in fresh}, True
        eps = _EPS if any(map(_counts, state)) else None
        notes = (*notes, *more, *reason)
    else:
        wanted, whole = backbone_keys(model, own), False
        fresh = set(own) - set(wanted)
        eps = _CLASSIFIER_EPS.get(BACKBONES.get(name, ("",))[0], _EPS)
        notes = (*notes, *_about_backbone(experiment))
    _require_fit(source, experiment.model, own, state, wanted, whole=whole)
    with torch.no_grad():
        for key, theirs in wanted.items():
            if theirs in state:
                own[key].copy_(state[theirs])
    if eps is not None:
        _fold(model, eps)
    used = set(wanted.values())
    report = WeightsReport(
        source,
        sha256,
        sum(theirs in state for theirs in wanted.values()),
        tuple(key for key in own if key in fresh),
        tuple(key for key in state if key not in used),
        notes,
    )
    return with_positions(report, content, names)


def _coco_url(name: str) -> str:
    try:
        return str(get_model_weights(name).DEFAULT.url)
    except ValueError as error:
        raise UsageError(f"There are no COCO weights for {name}: use weights: none.") from error


def _backbone_url(name: str) -> str:
    if name not in BACKBONES:
        raise UsageError(f"There are no ImageNet weights for {name}: use weights: none.")
    classifier, which = BACKBONES[name]
    return str(get_model_weights(classifier)[which].url)


def _about_backbone(experiment: Experiment) -> tuple[str, ...]:
    note = "the file is a classifier's: it fills the backbone, feature pyramid and heads start at random"
    if experiment.mode != "head":
        return (note,)
    return (
        note,
        "mode: head leaves the feature pyramid as it starts, at random; mode: full with trainable_layers: 0 "
        "trains it with the heads",
    )


def _require_fit(
    source: str,
    name: str,
    own: Mapping[str, Tensor],
    state: Mapping[str, Tensor],
    wanted: Mapping[str, str],
    *,
    whole: bool,
) -> None:
    """Refuse a file that lacks what is wanted, or, if it should be a `whole` detector, has more."""
    theirs = {key: state[old] for key, old in wanted.items() if old in state}
    matching = [key for key, tensor in theirs.items() if tensor.shape == own[key].shape]
    if not matching:
        raise CheckpointError(
            f"weights: {source} holds neither {name} nor a classifier that fits its backbone: it "
            f"has {some(tuple(map(clean, state)))}. Give another file, or weights: none."
        )
    missing = [key for key in wanted if key not in matching and not _counts(key)]
    unknown = [key for key in state if whole and key not in own and not _counts(key)]
    if missing or unknown:
        part = {key: own[key] for key in wanted}
        raise CheckpointError(misfit(source, name, part, theirs, len(matching), missing, unknown))


def _counts(key: str) -> bool:
    """Whether a tensor only counts batches, which fixed normalisation does not."""
    return key.endswith("num_batches_tracked")


def _fold(model: Any, eps: float) -> None:
    """Keep what a normalisation with `eps` computed where the network's own, frozen, has another."""
    for module in model.backbone.modules():
        if isinstance(module, FrozenBatchNorm2d):
            module.running_var += eps - module.eps
