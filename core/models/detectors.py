"""Detectors by name, built for the experiment's classes: torchvision's and small ones."""

from __future__ import annotations

import re
from collections.abc import Mapping
from inspect import signature
from typing import Any

from torch import nn
from torchvision.models.detection import FCOS, FasterRCNN, RetinaNet
from torchvision.models.detection.ssd import SSD
from torchvision.ops import FrozenBatchNorm2d

from core.config.resolve_defaults import resolve_normalize
from core.config.schema import Experiment, Predict
from core.errors import UsageError
from core.models.anchors import kept
from core.models.batch_images import BatchImages
from core.models.detection import first_label
from core.models.mobile import fasterrcnn_mobilenet_v2
from core.models.small import fasterrcnn_small, retinanet_small
from core.models.stages import freeze_stages
from core.text import clean, did_you_mean

ALIASES = {"fasterrcnn": "fasterrcnn_resnet50_fpn", "retinanet": "retinanet_resnet50_fpn"}
OWN = {
    "fasterrcnn_small": fasterrcnn_small,
    "retinanet_small": retinanet_small,
    "fasterrcnn_mobilenet_v2": fasterrcnn_mobilenet_v2,
}
FAMILIES = {"fasterrcnn": FasterRCNN, "retinanet": RetinaNet, "fcos": FCOS, "ssd": SSD}
"""torchvision's networks by the beginning of a name."""
FROZEN_NORM = (
    "fasterrcnn_mobilenet_v2",
    "fasterrcnn_mobilenet_v3_large_320_fpn",
    "fasterrcnn_mobilenet_v3_large_fpn",
    "fasterrcnn_resnet50_fpn",
    "fcos_resnet50_fpn",
    "retinanet_resnet50_fpn",
)
"""Networks whose backbone keeps its statistics as they came, once it has weights from elsewhere."""
NO_EPS = ("fasterrcnn_resnet50_fpn", "retinanet_resnet50_fpn")
"""Of these, the ones whose COCO weights were trained without an epsilon in the normalisation."""
_TAKEN = {
    "num_classes": "the data say how many classes there are",
    "weights": "use the key weights",
    "weights_backbone": "use the key weights",
    "progress": "it changes nothing",
    "trainable_backbone_layers": "use the key trainable_layers",
    "min_size": "use the key image_size",
    "max_size": "use the key image_size",
    "image_mean": "use the key normalize",
    "image_std": "use the key normalize",
    "score_thresh": "use the key predict.score_floor",
    "box_score_thresh": "use the key predict.score_floor",
    "nms_thresh": "use the key predict.nms_iou",
    "box_nms_thresh": "use the key predict.nms_iou",
    "detections_per_img": "use the key predict.max_det",
    "box_detections_per_img": "use the key predict.max_det",
}


def full_name(name: str) -> str:
    """A detector's name at torchvision, where it has one there."""
    return ALIASES.get(name, name)


def build_detector(experiment: Experiment, classes: int) -> nn.Module:
    """The detector that the experiment names; use it through `core.models.detection`.

    Nothing is loaded and modes are not applied, but stages that `trainable_layers` leaves out are frozen.
    Raises UsageError for `model_args` that it does not take.
    """
    name = full_name(experiment.model)
    for key, why in _TAKEN.items():
        if key in experiment.model_args:
            raise UsageError(f"model_args: {key} cannot be given to {experiment.model}: {why}.")
    model = _made(experiment, name, classes + first_label(name))
    _prepare(model, experiment, name)
    freeze_stages(model, experiment)
    return model


def _prepare(model: Any, experiment: Experiment, name: str) -> None:
    """Everything that is not a weight: normalisation, anchors, which boxes are kept."""
    model.first_label = first_label(name)
    old = model.transform
    mean, std = resolve_normalize(experiment)
    fixed = getattr(old, "fixed_size", None)
    model.transform = BatchImages(
        mean, std, divisor=1 if fixed else 32, fixed=None if fixed is None else (fixed[1], fixed[0])
    )
    holder = model.rpn if hasattr(model, "rpn") else model
    holder.anchor_generator = kept(holder.anchor_generator)
    if experiment.weights != "none" and name in FROZEN_NORM:
        _freeze_norms(model.backbone.body, 0.0 if name in NO_EPS else 1e-5)
    _set_predict(model, experiment.predict)
    _keep_float(model)


def _made(experiment: Experiment, name: str, outputs: int) -> nn.Module:
    """The network as its maker builds it, `outputs` classes with the background where that counts."""
    from torchvision.models import get_model

    arguments: Mapping[str, Any] = experiment.model_args
    try:
        made: nn.Module
        if name in OWN:
            made = OWN[name](outputs, **arguments)
        else:
            _require_known(experiment.model, name, arguments)
            made = get_model(name, weights=None, weights_backbone=None, num_classes=outputs, **arguments)
    except (TypeError, ValueError, AttributeError, ZeroDivisionError, AssertionError) as error:
        unknown = re.search(r"unexpected keyword argument '(\w+)'", str(error))
        what = f"does not accept '{unknown[1]}'" if unknown else f"rejects them: {clean(str(error))}"
        raise UsageError(f"model_args: {experiment.model} {what}.") from error
    return made


def _require_known(shown: str, name: str, arguments: Mapping[str, Any]) -> None:
    """torchvision's makers let unknown arguments pass in silence."""
    family = next(kind for start, kind in FAMILIES.items() if name.startswith(start))
    numbers = [
        word
        for word, parameter in signature(family.__init__).parameters.items()
        if isinstance(parameter.default, (int, float)) and word not in _TAKEN
    ]
    for word in arguments:
        if word not in numbers:
            raise UsageError(f"model_args: {shown} does not accept '{word}'{did_you_mean(word, numbers)}.")


def _set_predict(model: Any, predict: Predict) -> None:
    holder = model.roi_heads if hasattr(model, "roi_heads") else model
    holder.score_thresh = predict.score_floor
    holder.nms_thresh = predict.nms_iou
    holder.detections_per_img = predict.max_det


def _freeze_norms(module: nn.Module, eps: float) -> None:
    """Replace batch normalisation by one with fixed statistics and weights, names unchanged."""
    for name, child in module.named_children():
        if isinstance(child, nn.BatchNorm2d):
            setattr(module, name, FrozenBatchNorm2d(child.num_features, eps))
        else:
            _freeze_norms(child, eps)


def _keep_float(model: Any) -> None:
    """Boxes are made of float32 outputs under autocast too: halves know no pixels beyond 256."""
    rcnn = hasattr(model, "roi_heads")
    for head in (model.rpn.head, model.roi_heads.box_predictor) if rcnn else (model.head,):
        head.register_forward_hook(_as_float)


def _as_float(_: nn.Module, __: Any, output: Any) -> Any:
    if isinstance(output, dict):
        return {name: value.float() for name, value in output.items()}
    return tuple([v.float() for v in value] if isinstance(value, list) else value.float() for value in output)
