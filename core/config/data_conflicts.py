"""What does not go together in an experiment's `data`."""

from __future__ import annotations

from collections.abc import Iterator

from core.config.data_formats import DATA_FORMATS, FIXED_SPLITS, Task
from core.config.data_schema import (
    CLASSES_IN_GROUP,
    DataConfig,
    SplitPaths,
    Synthetic,
)
from core.config.yaml12 import Key

_LEAST_SIDE = 64
_ROOTLESS = ("auto", *(each.name for each in DATA_FORMATS.values() if each.task and not each.fixed_splits))


def data_conflicts(data: DataConfig, *, detector: bool) -> Iterator[tuple[tuple[Key, ...], str]]:
    """The keys concerned and a sentence, for each conflict; `detector`: the model needs boxes."""
    yield from _of_kind(data, detector)
    if data.root is None and data.kaggle is None and (data.train is None or data.format not in _ROOTLESS):
        yield (("data", "root"),), "must be given: the folder of the data set"
    if data.kaggle is not None and data.root is not None:
        yield (
            (("data", "kaggle"), ("data", "root")),
            "kaggle chooses the folder of the data set: leave data.root out",
        )
    for split in ("train", "val", "test"):
        paths = getattr(data, split)
        if not isinstance(paths, SplitPaths):
            continue
        if data.format in FIXED_SPLITS:
            text = f"`format: {data.format}` has its own splits: leave data.{split} out"
            yield (("data", split), ("data", "format")), text
        elif paths.images is None and paths.annotations is None and paths.list is None:
            yield (("data", split),), "images must be given: a folder"
        elif data.format == "folder" and paths.annotations is not None:
            text = "annotations are for images with boxes, not for `format: folder`"
            yield (("data", split, "annotations"), ("data", "format")), text
        elif data.format == "folder" and paths.images is None:
            yield (("data", split, "images"), ("data", split)), "must be given: the folder of the images"
    if data.synthetic is not None:
        if data.format not in ("auto", "synthetic"):
            keys = (("data", "synthetic"), ("data", "format"))
            yield keys, f"`synthetic` is only used with `format: synthetic`, not with `format: {data.format}`"
        yield from _in_drawing(data.synthetic)
    if data.classes is not None and len(data.classes) < (1 if detector else 2):
        yield (("data", "classes"),), "at least two classes are needed"
    if data.classes is not None and len(set(data.classes)) < len(data.classes):
        twice = next(name for name in data.classes if data.classes.count(name) > 1)
        yield (("data", "classes"),), f"class '{twice}' is named twice"


def _of_kind(data: DataConfig, detector: bool) -> Iterator[tuple[tuple[Key, ...], str]]:
    """A model on data of the other kind, as far as the format tells."""
    keys: tuple[Key, ...] = (("data", "format"), ("model",))
    if data.format == "synthetic" or (data.format == "auto" and data.synthetic is not None):
        boxes = data.synthetic is not None and data.synthetic.boxes
        keys = (("data", "synthetic"), *keys)
        if detector and not boxes:
            yield keys, "a detector needs boxes: synthetic: {boxes: true}"
        elif boxes and not detector:
            yield keys, "pictures with boxes are for detectors: use one, or synthetic: {boxes: false}"
    elif detector and _task(data) == "classification":
        yield keys, f"a detector needs boxes, which `format: {data.format}` does not have"
    elif not detector and _task(data) == "detection":
        yield keys, f"`format: {data.format}` is for detectors: use one, as model: fasterrcnn"


def _task(data: DataConfig) -> Task | None:
    """What images of the format are for, None where that is not known before they are looked at."""
    return DATA_FORMATS[data.format].task if data.format in DATA_FORMATS else None


def _in_drawing(drawn: Synthetic) -> Iterator[tuple[tuple[Key, ...], str]]:
    keys = (("data", "synthetic", "classes"), ("data", "synthetic", "groups"))
    most = drawn.groups * CLASSES_IN_GROUP
    if drawn.boxes and drawn.size < _LEAST_SIDE:
        text = f"pictures with boxes must have at least {_LEAST_SIDE} pixels a side, got {drawn.size}"
        yield (("data", "synthetic", "size"), ("data", "synthetic", "boxes")), text
    if drawn.classes < drawn.groups:
        yield keys, f"fewer classes ({drawn.classes}) than groups ({drawn.groups})"
    elif drawn.classes > most:
        yield keys, f"{drawn.groups} groups hold at most {most} classes, got {drawn.classes}"
