"""Faults found by the schema, in words: what was expected, what stands there, which key was meant."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterator
from functools import cache
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from core.config.schema import Experiment
from core.config.yaml12 import Key, Tree, dotted, leaves
from core.errors import Problem
from core.text import clean, nearest

MUST_BE_GIVEN = "must be given"
_WITH_VALUE = (
    "auto_or_count",
    "test_or_folder",
    "scale",
    "views",
    "jitter",
    "keep",
    "weights",
    "digest",
    "gpus",
    "kaggle",
)
# What other trainers call our keys.
_SYNONYMS = {
    "batch_size": "batch",
    "batchsize": "batch",
    "bs": "batch",
    "epoch": "epochs",
    "num_epochs": "epochs",
    "max_epochs": "epochs",
    "n_epochs": "epochs",
    "total_epochs": "epochs",
    "lr": "learning_rate",
    "lr0": "learning_rate",
    "base_lr": "learning_rate",
    "learningrate": "learning_rate",
    "worker": "workers",
    "num_workers": "workers",
    "n_workers": "workers",
    "prefetch_factor": "prefetch",
    "imgsz": "image_size",
    "img_size": "image_size",
    "input_size": "image_size",
    "arch": "model",
    "architecture": "model",
    "network": "model",
    "dataset": "data",
    "data_dir": "data.root",
    "data_root": "data.root",
    "path": "data.root",
    "optim": "optimizer",
    "optimiser": "optimizer",
    "wd": "optimizer.weight_decay",
    "lr_scheduler": "scheduler",
    "schedule": "scheduler",
    "augmentation": "augment",
    "augmentations": "augment",
    "transforms": "augment",
    "flip": "augment.hflip",
    "horizontal_flip": "augment.hflip",
    "fliplr": "augment.hflip",
    "jitter": "augment.color_jitter",
    "colour_jitter": "augment.color_jitter",
    "colorjitter": "augment.color_jitter",
    "random_seed": "seed",
    "num_threads": "threads",
    "normalise": "normalize",
    "normalization": "normalize",
    "val_split": "data.split.ratio",
    "validation_split": "data.split.ratio",
    "val_ratio": "data.split.ratio",
    "validation": "data.val",
    "valid": "data.val",
    "class_names": "data.classes",
    "names": "data.classes",
    "checkpoints": "checkpoint",
    "save_every": "checkpoint.every",
    "keep": "checkpoint.keep",
    "backbone_lr": "back_lr",
    "smoothing": "label_smoothing",
    "clip": "clip_norm",
    "grad_clip": "clip_norm",
    "clip_grad_norm": "clip_norm",
    "max_grad_norm": "clip_norm",
    "ema_decay": "ema",
    "amp": "precision",
    "fp16": "precision",
    "mixed_precision": "precision",
    "pretrained": "weights",
    "early_stopping": "early_stop",
    "betas": "optimizer.beta1",
    "lr_min": "scheduler.min_lr",
    "eta_min": "scheduler.min_lr",
    "gamma": "scheduler.factor",
    "step_size": "scheduler.every",
    "pct_start": "scheduler.peak",
    "warmup_epochs": "scheduler.warmup",
    "gpu": "gpus",
    "devices": "gpus",
    "wandb": "log.wandb",
    "tensorboard": "log.tensorboard",
    "test_time_augmentation": "augment.tta",
    "multi_scale": "augment.scale",
    "vertical_flip": "augment.vflip",
    "flipud": "augment.vflip",
    "min_size": "image_size",
    "max_size": "image_size",
    "trainable_backbone_layers": "trainable_layers",
    "frozen_layers": "trainable_layers",
    "box_score_thresh": "predict.score_floor",
    "score_thresh": "predict.score_floor",
    "score_threshold": "predict.score_floor",
    "box_nms_thresh": "predict.nms_iou",
    "nms_thresh": "predict.nms_iou",
    "nms": "predict.nms_iou",
    "detections_per_img": "predict.max_det",
    "box_detections_per_img": "predict.max_det",
    "max_detections": "predict.max_det",
}


def schema_problems(error: ValidationError, tree: Tree) -> list[Problem]:
    """One problem for each fault of `error`, at its place in `tree`."""
    problems = []
    for detail in error.errors(include_url=False, include_context=True):
        key = _real_key(detail["loc"], tree.value)
        if detail["type"] == "extra_forbidden":
            problems += _unknown(key, detail["input"], tree)
        else:
            problems.append(problem_at(tree, key, _sentence(detail)))
    return problems


def problem_at(tree: Tree, key: Key, text: str) -> Problem:
    """A problem at the line of `key`, or of the nearest key above it."""
    place = tree.place(key)
    if place is None:
        return Problem(None, 0, dotted(key), text)
    at_whole = len(key) > 0 and place == tree.places.get(()) and key[:1] not in tree.places
    return Problem(place.file, 0 if at_whole else place.line, dotted(key), text)


def show(value: Any) -> str:
    """A value as it would be typed, short, for `got ...`."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, (list, tuple)):
        return "a list"
    if isinstance(value, float) and not math.isfinite(value):
        return ".nan" if math.isnan(value) else f"{'-' if value < 0 else ''}.inf"
    text = clean(str(value))
    text = text if len(text) <= 60 else f"{text[:59]}…"
    return f"'{text}'" if isinstance(value, str) else text


def _real_key(loc: tuple[int | str, ...], value: Any) -> Key:
    """`loc` without the names that pydantic adds for the members of a union."""
    key: list[str | int] = []
    for part in loc:
        inside = (isinstance(value, dict) and (part in value or part in _words())) or isinstance(value, list)
        if key and not inside:
            continue
        key.append(part)
        try:
            value = value[part]
        except (KeyError, IndexError, TypeError):
            value = None
    return tuple(key)


def _sentence(detail: ErrorDetails) -> str:
    kind, value, limits = detail["type"], detail["input"], detail.get("ctx", {})
    got = f"got {show(value)}"
    if kind == "missing":
        return MUST_BE_GIVEN
    if kind.startswith(("float_", "decimal_")):
        return f"expected a number, {got}"
    if kind.startswith("int_"):
        return f"expected a whole number, {got}"
    if kind.startswith("bool_"):
        return f"expected true or false, {got}"
    if kind in ("string_type", "is_instance_of", "path_type"):
        return f"expected {'a path' if kind != 'string_type' else 'text'}, {got}"
    if kind in ("model_type", "model_attributes_type", "dict_type"):
        return f"expected a mapping (`key: value`), {got}"
    if kind == "tuple_type":
        return f"expected a list, {got}"
    if kind == "finite_number":
        return f"must be a finite number, {got}"
    bounds = {
        "greater_than": "above",
        "greater_than_equal": "at least",
        "less_than": "below",
        "less_than_equal": "at most",
    }
    if kind in bounds:
        limit = next(iter(limits.values()))
        return f"must be {bounds[kind]} {limit:g}, {got}"
    if kind == "literal_error":
        return _choice(str(limits["expected"]), value)
    if kind in _WITH_VALUE:
        return f"{detail['msg']}, {got}"
    return detail["msg"][:1].lower() + clean(detail["msg"][1:])


def _choice(expected: str, value: Any) -> str:
    choices = [word.strip("' ") for word in expected.replace(" or ", ", ").split(",")]
    close = difflib.get_close_matches(value, choices, n=1, cutoff=0.7) if isinstance(value, str) else []
    hint = f" (did you mean '{close[0]}'?)" if close else ""
    return f"expected {' or '.join(choices)}, got {show(value)}{hint}"


def _unknown(key: Key, value: Any, tree: Tree) -> list[Problem]:
    """Problems for a key that the schema does not have; the leaves of an unknown section each get a guess."""
    guess = guess_key(key)
    if isinstance(value, dict) and value and not (guess and _children(guess) and _fits(value, guess)):
        inner = [((*key, *path), guess_key((*key, *path))) for path, _ in leaves(value)]
        if any(found for _, found in inner):
            return [problem_at(tree, path, _unknown_text(path, found)) for path, found in inner]
    return [problem_at(tree, key, _unknown_text(key, guess))]


def _fits(value: dict[str, Any], section: str) -> bool:
    return any(f"{section}.{word}" in _schema_keys() for word in value)


def _unknown_text(key: Key, guess: str | None) -> str:
    if guess:
        return f"unknown key (did you mean '{guess}'?)"
    section = next(
        (key[:end] for end in range(len(key) - 1, -1, -1) if not end or dotted(key[:end]) in _schema_keys()),
        (),
    )
    known = ", ".join(child.rsplit(".", 1)[-1] for child in _children(dotted(section)))
    return f"unknown key; {'known in ' + dotted(section) if section else 'known'}: {known}"


def guess_key(key: Key) -> str | None:
    """The dotted key that `key` was probably meant to be, or None."""
    word = str(key[-1]).lower().replace("-", "_")
    parent = dotted(tuple(part for part in key[:-1] if isinstance(part, str)))
    siblings = {child.rsplit(".", 1)[-1]: child for child in _children(parent)}
    if word in siblings:
        return siblings[word]
    if word in _SYNONYMS:
        return _SYNONYMS[word]
    same_leaf = [known for known in _schema_keys() if known.rsplit(".", 1)[-1] == word]
    if same_leaf and word not in ("name", "seed", "every", "metric", "size"):
        return same_leaf[0]
    if guess := nearest(word, siblings):
        return siblings[guess]
    by_leaf = _SYNONYMS | {known.rsplit(".", 1)[-1]: known for known in reversed(_schema_keys())}
    close = difflib.get_close_matches(word, by_leaf, n=1, cutoff=0.8)
    return by_leaf[close[0]] if close else None


def _children(section: str) -> list[str]:
    prefix = f"{section}." if section else ""
    return [k for k in _schema_keys() if k.startswith(prefix) and "." not in k[len(prefix) :]]


@cache
def _schema_keys() -> tuple[str, ...]:
    return tuple(_walk(Experiment, ""))


@cache
def _words() -> frozenset[str]:
    return frozenset(word for key in _schema_keys() for word in key.split("."))


def _walk(model: type[BaseModel], prefix: str) -> Iterator[str]:
    for name, info in model.model_fields.items():
        yield prefix + name
        section = section_of(info.annotation) or items_of(info.annotation)
        if section:
            yield from _walk(section, f"{prefix}{name}.")


def section_of(annotation: Any) -> type[BaseModel] | None:
    """The model in a field's annotation (`Split`, `ColorJitter | None`), or None for a plain value."""
    for part in (annotation, *(inner for member in get_args(annotation) for inner in _bare(member))):
        if isinstance(part, type) and issubclass(part, BaseModel):
            return part
    return None


def _bare(member: Any) -> tuple[Any, ...]:
    """A member of a union, and what it annotates."""
    return (member, get_args(member)[0]) if get_origin(member) is Annotated else (member,)


def items_of(annotation: Any) -> type[BaseModel] | None:
    """The model that a field has a list of (`tuple[Block, ...]`), or None."""
    if get_origin(annotation) is tuple:
        return section_of(get_args(annotation)[0])
    return next(filter(None, map(items_of, get_args(annotation))), None)
