"""Names of tensors in files of detectors and classifiers, and which of them depend on the classes."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor, nn

_RENAMED: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], str]], ...] = (
    (re.compile(r"^(rpn\.head\.conv)\.(weight|bias)$"), lambda m: f"{m[1]}.0.0.{m[2]}"),
    (re.compile(r"^(backbone\.fpn\.\w+_blocks\.\d+)\.(weight|bias)$"), lambda m: f"{m[1]}.0.{m[2]}"),
    (
        re.compile(r"^(head\.\w+_head\.conv)\.([0246])\.(weight|bias)$"),
        lambda m: f"{m[1]}.{int(m[2]) // 2}.0.{m[3]}",
    ),
)
"""Names of torchvision before 0.13, which its published files still have, and what they are now."""


def modernised(own: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """`state` of a detector by the names of `own`, the network's."""
    names = {}
    for key in state:
        renamed = (pattern.sub(new, key) for pattern, new in _RENAMED)
        names[key] = key if key in own else next((name for name in renamed if name in own), key)
    return {names[key]: tensor for key, tensor in state.items()}


def _predictor(model: Any, own: Mapping[str, Tensor]) -> list[str]:
    """The tensors whose size depends on the number of classes, the weight of the scores first."""
    if hasattr(model, "roi_heads"):
        return [key for key in own if key.startswith("roi_heads.box_predictor.")]
    # SSDlite has a convolution and its normalisation before each of them.
    last = r"^head\.classification_head\.(cls_logits|module_list\.\d+(\.1)?)\.(weight|bias)$"
    return [key for key in own if re.match(last, key)]


def _outputs(model: Any, own: Mapping[str, Tensor], classes: int, key: str, rows: int) -> int:
    """Classes, without background, of a predictor with `rows` outputs in place of those that `own` has."""
    each = own[key].shape[0] // (classes + int(model.first_label))
    return rows // each - int(model.first_label)


def fresh_predictor(
    model: nn.Module, own: Mapping[str, Tensor], state: Mapping[str, Tensor], classes: int, *, coco: bool
) -> tuple[set[str], tuple[str, ...]]:
    """What starts at random though the file is a detector's, and why."""
    predictor = _predictor(model, own)
    fits = all(key in state and state[key].shape == own[key].shape for key in predictor)
    if fits and not coco:
        return set(), ()
    where = predictor[0].rpartition(".")[0].replace(".cls_score", "")
    reason = ""
    first = state.get(predictor[0])
    if coco:
        reason = ": COCO's classes are others"
    elif first is not None and first.shape[1:] == own[predictor[0]].shape[1:]:
        theirs = _outputs(model, own, classes, predictor[0], first.shape[0])
        reason = f": the file's is for {theirs} classes, not {classes}"
    return set(predictor), (f"the predictor {where} starts at random{reason}",)


def without_unused_class(
    model: Any, own: Mapping[str, Tensor], state: dict[str, Tensor], content: Any, classes: int
) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """RetinaNet as some train it, with a class 0 that no object has: left out, where the file says so.

    The file is taken for one of those when it is a checkpoint with `model_state_dict` and `scores` and has
    just one class more.
    """
    keys = set(content) if isinstance(content, Mapping) else set()
    predictor = _predictor(model, own)
    first = state.get(predictor[0])
    if model.first_label or first is None or not {"model_state_dict", "scores"} <= keys:
        return state, ()
    if first.shape[0] * classes != own[predictor[0]].shape[0] * (classes + 1):
        return state, ()
    cut = {
        key: state[key].view(-1, classes + 1, *state[key].shape[1:])[:, 1:].flatten(0, 1)
        for key in predictor
        if key in state
    }
    return {**state, **cut}, ("class 0 of the file, which no object has, is left out",)


def backbone_keys(model: Any, own: Mapping[str, Tensor]) -> dict[str, str]:
    """For each tensor of the backbone that classifiers have too, its name there."""
    names = {}
    body = getattr(model.backbone, "body", None)
    prefix = "" if hasattr(body, "layer4") else "features."
    pooled = len(getattr(model.backbone, "features", ()))
    for key in own:
        if key.startswith("backbone.body.") and not isinstance(body, nn.ModuleList):
            names[key] = prefix + key.removeprefix("backbone.body.")
        elif hasattr(model.backbone, "scale_weight"):
            found = re.fullmatch(r"backbone\.(features|extra\.0)\.(\d+)\.(weight|bias)", key)
            if found is not None:
                number = int(found[2]) + (pooled if found[1] != "features" else 0)
                names[key] = f"features.{number}.{found[3]}"
    return names
