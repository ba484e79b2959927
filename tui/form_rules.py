"""Which settings count for nothing with the others as they are, and what a setting can be stepped through."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import combinations
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from core.config.fields import FieldSpec

Values = Mapping[str, str]

_ARRAYS = ("cifar10", "cifar100", "mnist", "fashionmnist")
_SCHEDULES = {
    "metric": ("plateau",),
    "factor": ("plateau", "step"),
    "patience": ("plateau",),
    "every": ("step",),
    "min_lr": ("plateau", "cosine"),
    "peak": ("onecycle",),
    "warmup": ("none", "plateau", "step", "cosine"),
}
_OF_BOXES = {
    "data.empty": ("voc", "diatom", "coco", "yolo", "synthetic"),
    "data.difficult": ("voc", "diatom"),
    "data.one_based": ("voc", "diatom"),
    "data.boxes": ("coco",),
}
"""Settings of data with boxes, by the formats that they say something about."""
_OF_OBJECTS = ("data.synthetic.most", "data.synthetic.empty")
_OF_DETECTORS = ("trainable_layers", "augment.vflip", "augment.scale_jitter")
_OF_CLASSIFIERS = (
    *("augment.pad_crop", "augment.scale", "augment.test_scale", "augment.tta"),
    *("label_smoothing", "measure.random"),
)
_SUBSETS_OF = 3
"""Lists of at most so many words can be stepped through."""


def unused(values: Values) -> dict[str, str]:
    """Keys of settings that have no say, with the setting that decides it: `only used with mode: split`."""
    found = {}
    for key in values:
        for prefix, rule in _RULES:
            if key.startswith(prefix) and (reason := rule(key, values)):
                found[key] = reason
                break
    return found


def steps(spec: FieldSpec) -> tuple[str, ...]:
    """The values that the arrow keys go through; nothing for settings that are typed."""
    if spec.kind == "boolean":
        return ("true", "false")
    if spec.kind == "list":
        if not 0 < len(spec.choices) <= _SUBSETS_OF:
            return ()
        least = 0 if spec.optional or not spec.default else 1
        return tuple(
            f"[{', '.join(words)}]"
            for size in range(least, len(spec.choices) + 1)
            for words in combinations(spec.choices, size)
        )
    return (*([""] if spec.optional and spec.choices else []), *spec.choices)


def _data(key: str, values: Values) -> str:
    kind = values.get("data.format", "auto")
    drawn = kind == "synthetic" or any(_is_set(values, "data.synthetic.", kind))
    if key.startswith("data.synthetic.") and not drawn:
        return "goes with data.format: synthetic"
    if key in _OF_OBJECTS and values.get("data.synthetic.boxes") != "true":
        return "goes with data.synthetic.boxes"
    if key in _OF_BOXES and not _finds_boxes(values):
        return "goes with a detector: classifiers take no boxes"
    if key in _OF_BOXES and kind not in ("auto", *_OF_BOXES[key]):
        return f"goes with data.format: {' or '.join(_OF_BOXES[key])}"
    if key in ("data.train", "data.test") and kind in (*_ARRAYS, "synthetic"):
        return f"data.format: {kind} has its own"
    if key.startswith("data.split.") and values.get("data.val"):
        return "data.val says what is held out"
    return ""


def _is_set(values: Values, prefix: str, kind: str) -> list[bool]:
    """With the format found by itself, a drawn set is one whose settings are there."""
    return [bool(value) and kind == "auto" for key, value in values.items() if key.startswith(prefix)]


def _model(key: str, values: Values) -> str:
    if key == "blocks" and values.get("model") != "tinyvgg":
        return "only used with model: tinyvgg"
    if key == "weights_sha256" and values.get("weights", "none") in ("", "none", "imagenet", "coco"):
        return "goes with a file of weights"
    if key == "trainable_layers" and values.get("mode") == "head":
        return "mode: head trains no stage"
    return ""


def _kind(key: str, values: Values) -> str:
    """What only detectors have, or only classifiers."""
    boxes = _finds_boxes(values)
    if boxes and key in _OF_CLASSIFIERS:
        return "goes with a classifier: detectors have none"
    if not boxes and (key in _OF_DETECTORS or key.startswith("predict.")):
        return "goes with a detector"
    return ""


def _finds_boxes(values: Values) -> bool:
    from core.config.names import is_detector

    return is_detector(values.get("model", ""))


def _rates(key: str, values: Values) -> str:
    split = values.get("mode") == "split"
    if key in ("back_lr", "head_lr") and not split:
        return "only used with mode: split"
    return "mode: split takes back_lr and head_lr" if key == "learning_rate" and split else ""


def _optimizer(key: str, values: Values) -> str:
    name = values.get("optimizer.name", "sgd")
    if key in ("optimizer.momentum", "optimizer.nesterov") and name != "sgd":
        return "goes with optimizer.name: sgd"
    if key in ("optimizer.beta1", "optimizer.beta2") and name == "sgd":
        return "goes with optimizer.name: adam or adamw"
    return ""


def _scheduler(key: str, values: Values) -> str:
    names = _SCHEDULES.get(key.rpartition(".")[2], ())
    if not names or values.get("scheduler.name", "none") in names:
        return ""
    *most, last = names
    return (
        f"only used with scheduler.name: {', '.join(most)} or {last}"
        if most
        else f"only used with scheduler.name: {last}"
    )


def _early_stop(key: str, values: Values) -> str:
    patience = values.get("early_stop.patience", "")
    return "goes with early_stop.patience" if key == "early_stop.min_delta" and not patience else ""


def _augment(key: str, values: Values) -> str:
    if key == "augment.pad_crop" and values.get("augment.scale"):
        return "augment.scale cuts out already"
    if key == "augment.scale" and values.get("augment.pad_crop"):
        return "augment.pad_crop cuts out already"
    return ""


def _running(key: str, values: Values) -> str:
    device = values.get("device", "auto")
    if key == "gpus" and device in ("cpu", "mps"):
        return f"device: {device} has none"
    if key in ("log.project", "log.entity") and values.get("log.wandb", "off") == "off":
        return "goes with log.wandb"
    return ""


_RULES: tuple[tuple[str, Callable[[str, Values], str]], ...] = (
    ("data.", _data),
    ("blocks", _model),
    ("predict.", _kind),
    ("trainable_layers", _kind),
    ("trainable_layers", _model),
    ("label_smoothing", _kind),
    ("measure.random", _kind),
    ("augment.", _kind),
    ("weights_sha256", _model),
    ("learning_rate", _rates),
    ("back_lr", _rates),
    ("head_lr", _rates),
    ("optimizer.", _optimizer),
    ("scheduler.", _scheduler),
    ("early_stop.", _early_stop),
    ("augment.", _augment),
    ("gpus", _running),
    ("log.", _running),
)
