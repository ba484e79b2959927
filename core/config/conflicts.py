"""What does not go together in an experiment, though each value is right by itself."""

from __future__ import annotations

from collections.abc import Iterator

from core.config.schema import CLASSES_IN_GROUP, Augment, DataConfig, Experiment, Synthetic
from core.config.yaml12 import Key

Conflict = tuple[tuple[Key, ...], str]


def conflicts(experiment: Experiment) -> list[Conflict]:
    """The keys concerned and a sentence, for each conflict."""
    found = [*_in_data(experiment.data), *_in_augment(experiment.augment, experiment.image_size)]
    if experiment.data.synthetic is not None:
        found += _in_drawing(experiment.data.synthetic)
    return found


def _in_data(data: DataConfig) -> Iterator[Conflict]:
    if data.root is None and (data.train is None or data.format == "synthetic"):
        yield (("data", "root"),), "must be given: the folder of the data set"
    if data.synthetic is not None and data.format == "folder":
        keys = (("data", "synthetic"), ("data", "format"))
        yield keys, "`synthetic` goes with `format: synthetic`, not with `format: folder`"
    if data.classes is not None and len(data.classes) < 2:
        yield (("data", "classes"),), "at least two classes are needed"
    if data.classes is not None and len(set(data.classes)) < len(data.classes):
        twice = next(name for name in data.classes if data.classes.count(name) > 1)
        yield (("data", "classes"),), f"class '{twice}' is named twice"


def _in_augment(augment: Augment, image_size: int) -> Iterator[Conflict]:
    if augment.scale is not None and augment.pad_crop is not None:
        keys = (("augment", "scale"), ("augment", "pad_crop"))
        yield keys, "scale and pad_crop do not go together: both cut out image_size"
    if augment.scale is not None and augment.scale < image_size:
        text = f"scale must be at least image_size, got {augment.scale} and {image_size}"
        yield (("augment", "scale"), ("image_size",)), text


def _in_drawing(drawn: Synthetic) -> Iterator[Conflict]:
    keys = (("data", "synthetic", "classes"), ("data", "synthetic", "groups"))
    most = drawn.groups * CLASSES_IN_GROUP
    if drawn.classes < drawn.groups:
        yield keys, f"fewer classes ({drawn.classes}) than groups ({drawn.groups})"
    elif drawn.classes > most:
        yield keys, f"{drawn.groups} groups hold at most {most} classes, got {drawn.classes}"
