"""Which settings have no effect with the others as they are.

Settings come as text by dotted key, as the launch form and `form_values` have them, whole and perhaps wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from core.config.data_formats import FIXED_SPLITS, readers_of
from core.config.names import BLOCKS_MODEL, is_detector
from core.config.optimizers import OPTIMIZERS
from core.config.schedulers import SCHEDULERS
from core.text import any_of

Values = Mapping[str, str]

DETECTOR_SETTINGS = ("augment.vflip", "augment.scale_jitter", "trainable_layers")
"""Settings that only detectors have, beside all of `predict`."""
CLASSIFIER_SETTINGS = (
    *("augment.pad_crop", "augment.scale", "augment.test_scale", "augment.tta"),
    *("label_smoothing", "measure.random"),
)
"""Settings that only classifiers have."""
KNOWN_WEIGHTS = ("none", "imagenet", "coco")
"""What `weights` may be besides a file."""
DEVICES_WITHOUT_CHOICE = ("cpu", "mps")
"""Devices of which a machine has one."""
NO_EFFECT = {
    "workers": "images are decoded once into a cache",
    "prefetch": "batches are cut out of a cache",
}
"""Settings of other tools that are accepted so that their configs work, and why they do nothing."""
_BOX_SETTINGS: Mapping[str, tuple[str, ...]] = {
    f"data.{key}": readers_of(key) for key in ("empty", "difficult", "one_based", "boxes")
}
"""Settings of data with boxes, by the formats that they say something about."""
_DRAWN_BOX_SETTINGS = ("data.synthetic.most", "data.synthetic.empty")
_OPTIMIZER_NAMES = {
    f"optimizer.{key}": tuple(name for name, other in OPTIMIZERS.items() if key in other.settings)
    for kind in OPTIMIZERS.values()
    for key in kind.settings
}
_SCHEDULER_NAMES = {
    f"scheduler.{key}": tuple(name for name, other in SCHEDULERS.items() if key in other.keys)
    for kind in SCHEDULERS.values()
    for key in kind.keys
}


def unused(values: Values) -> dict[str, str]:
    """Keys of settings without effect, with the reason: `only used with mode: split`."""
    reasons = {}
    for key in values:
        for prefix, rule in _RULES:
            if key.startswith(prefix) and (reason := rule(key, values)):
                reasons[key] = reason
                break
    return reasons


def only_for(key: str) -> str:
    """What ends the help of a setting that not everything reads, or nothing: ` Only for sgd.`"""
    if key in NO_EFFECT:
        return f" Accepted for compatibility, no effect: {NO_EFFECT[key]}."
    readers, every = _OPTIMIZER_NAMES.get(key, ()), tuple(OPTIMIZERS)
    if key in _SCHEDULER_NAMES:
        readers, every = _SCHEDULER_NAMES[key], tuple(SCHEDULERS)
    others = [name for name in every if name not in readers]
    if not readers or not others:
        return ""
    if len(others) == 1 < len(readers):
        return f" Not for {others[0]}."
    return f" Only for {any_of(readers, 'and')}."


def _only_with(key: str, names: Sequence[str] = ()) -> str:
    value = any_of(names)
    return f"only used with {key}: {value}" if value else f"only used with {key}"


def _data(key: str, values: Values) -> str:
    kind = values.get("data.format", "auto")
    drawn = kind == "synthetic" or (kind == "auto" and _any_set(values, "data.synthetic."))
    if key.startswith("data.synthetic.") and not drawn:
        return _only_with("data.format", ["synthetic"])
    if key in _DRAWN_BOX_SETTINGS and values.get("data.synthetic.boxes") != "true":
        return _only_with("data.synthetic.boxes")
    if key in _BOX_SETTINGS and not _finds_boxes(values):
        return "only used with a detector: classifiers use no boxes"
    if key in _BOX_SETTINGS and kind not in ("auto", *_BOX_SETTINGS[key]):
        return _only_with("data.format", _BOX_SETTINGS[key])
    if key in ("data.train", "data.test") and kind in (*FIXED_SPLITS, "synthetic"):
        return f"data.format: {kind} has its own"
    if key.startswith("data.split.") and values.get("data.val"):
        return "data.val says what is held out"
    return ""


def _any_set(values: Values, prefix: str) -> bool:
    """With the format found by itself, a drawn set is one whose settings are there."""
    return any(value for key, value in values.items() if key.startswith(prefix))


def _model(key: str, values: Values) -> str:
    if key == "blocks" and values.get("model") != BLOCKS_MODEL:
        return _only_with("model", [BLOCKS_MODEL])
    if key == "weights_sha256" and values.get("weights", "none") in ("", *KNOWN_WEIGHTS):
        return "only used with a file of weights"
    if key == "trainable_layers" and values.get("mode") == "head":
        return "mode: head trains no stage"
    return ""


def _task(key: str, values: Values) -> str:
    """What only detectors have, or only classifiers."""
    boxes = _finds_boxes(values)
    if boxes and key in CLASSIFIER_SETTINGS:
        return "only used with a classifier: detectors have none"
    if not boxes and (key in DETECTOR_SETTINGS or key.startswith("predict.")):
        return "only used with a detector"
    return ""


def _finds_boxes(values: Values) -> bool:
    return is_detector(values.get("model", ""))


def _rates(key: str, values: Values) -> str:
    split = values.get("mode") == "split"
    if key in ("back_lr", "head_lr") and not split:
        return _only_with("mode", ["split"])
    return "mode: split uses back_lr and head_lr" if key == "learning_rate" and split else ""


def _named(key: str, values: Values) -> str:
    """What not every optimiser or schedule reads."""
    section = key.partition(".")[0]
    default, readers = {
        "optimizer": (next(iter(OPTIMIZERS)), _OPTIMIZER_NAMES),
        "scheduler": (next(iter(SCHEDULERS)), _SCHEDULER_NAMES),
    }[section]
    names = readers.get(key, ())
    name = values.get(f"{section}.name", default)
    return "" if not names or name in names else _only_with(f"{section}.name", names)


def _early_stop(key: str, values: Values) -> str:
    patience = values.get("early_stop.patience", "")
    return _only_with("early_stop.patience") if key == "early_stop.min_delta" and not patience else ""


def _augment(key: str, values: Values) -> str:
    if key == "augment.pad_crop" and values.get("augment.scale"):
        return "augment.scale already crops"
    if key == "augment.scale" and values.get("augment.pad_crop"):
        return "augment.pad_crop already crops"
    return ""


def _never(key: str, _: Values) -> str:
    return f"accepted for compatibility: {NO_EFFECT[key]}"


def _running(key: str, values: Values) -> str:
    device = values.get("device", "auto")
    if key == "gpus" and device in DEVICES_WITHOUT_CHOICE:
        return f"device: {device} has none"
    if key in ("log.project", "log.entity") and values.get("log.wandb", "off") == "off":
        return _only_with("log.wandb")
    return ""


_RULES: tuple[tuple[str, Callable[[str, Values], str]], ...] = (
    ("data.", _data),
    ("blocks", _model),
    ("predict.", _task),
    ("trainable_layers", _task),
    ("trainable_layers", _model),
    ("label_smoothing", _task),
    ("measure.random", _task),
    ("augment.", _task),
    ("weights_sha256", _model),
    ("learning_rate", _rates),
    ("back_lr", _rates),
    ("head_lr", _rates),
    ("optimizer.", _named),
    ("scheduler.", _named),
    ("early_stop.", _early_stop),
    ("augment.", _augment),
    ("gpus", _running),
    *((key, _never) for key in NO_EFFECT),
    ("log.", _running),
)
