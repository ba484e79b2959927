"""From images and objects that were read to a data set: class map, splits, arrays."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from core.config.schema import DataConfig
from core.datasets.boxes.box_arrays import Boxes
from core.datasets.boxes.read_boxes import Boxed, Seen, objects_by_class, raise_errors, read_boxed
from core.datasets.class_folders.scan import class_order
from core.datasets.dataset import Dataset, FileList, make_dataset
from core.datasets.depth import depth_words
from core.datasets.findings import count, some
from core.datasets.leaks import shared_images
from core.datasets.split import held_out_images
from core.errors import DataError
from core.text import clean

Images = tuple[Seen, ...]
TOO_FEW = "There are too few images to hold some out for validation: name validation images in data.val"


def open_boxed(data: DataConfig, name: str) -> Dataset:
    """The data set with boxes of `data`, whose format is `name`.

    Raises DataError: nothing can be read, no object in any file, a class only outside train, no images left.
    """
    boxed = read_boxed(data, name)
    raise_errors(boxed.found)
    names, notes = classes_of(data, boxed)
    parts = split_images(data, boxed, names)
    splits = parts.images
    lost = stripped(boxed, names)
    told = [say_stripped(lost)] if lost else []
    if boxed.deep:
        notes = [depth_words(boxed.deep, boxed.opening), *notes]
    notes = [*boxed.places.notes, *_summary(boxed), *told, *notes, *parts.notes, *parts.leaks]
    if "val" not in splits:
        raise DataError(f"{TOO_FEW}.")
    for split in ("train", "val"):
        _require_usable(data, split, splits[split], names, boxed)
    lists = {split: _file_list(images) for split, images in splits.items()}
    boxes = {split: boxes_of(images, names) for split, images in splits.items()}
    ids = boxed.raws["train"].ids
    groups = boxed.raws["train"].groups
    return make_dataset(
        boxed.places.root,
        names,
        lists,
        tuple(notes),
        tuple(groups[name] for name in names) if all(name in groups for name in names) else None,
        boxes,
        tuple(ids[name] for name in names) if all(name in ids for name in names) else None,
        opening=boxed.opening,
    )


def classes_of(data: DataConfig, boxed: Boxed) -> tuple[tuple[str, ...], list[str]]:
    """The classes to use, in order, and notes. Raises DataError for names that are not there."""
    declared = boxed.raws["train"].names
    where = f"{clean(str(boxed.places.root))} has no such class"
    counts = boxed.counts
    names, notes = class_order(data, sorted(counts), counts, where, declared)
    if not names:
        raise DataError(f"{clean(str(boxed.places.root))} has no classes.")
    unused = [name for name in names if not counts[name]]
    if unused:
        notes.append(f"no training objects of {some(unused)}")
    return names, notes


@dataclass(frozen=True)
class Parts:
    """The images of each split, sentences on them, and such on images that are in two splits."""

    images: Mapping[str, Images]
    notes: tuple[str, ...]
    leaks: tuple[str, ...]


def split_images(data: DataConfig, boxed: Boxed, names: Sequence[str]) -> Parts:
    """The images of each split that can be used; val is held out where there is none, if there are enough.

    Images that lost all objects of the classes `names` are left out: they are none without objects. Raises
    DataError for a split without images, for training and validation images without an object.
    """
    notes: list[str] = []
    wanted = set(names)
    splits = {
        split: tuple(seen for seen in images if seen.readable and not seen.is_stripped(wanted))
        for split, images in boxed.splits.items()
    }
    if data.empty == "drop":
        for split, images in splits.items():
            full = tuple(seen for seen in images if any(item.box.name in wanted for item in seen.kept))
            if len(full) < len(images):
                notes.append(f"{count(len(images) - len(full), 'image')} of {split} without objects left out")
            splits[split] = full
    for split, images in splits.items():
        _require_usable(data, split, images, wanted, boxed)
    if "val" not in splits:
        _hold_out(splits, data, wanted, notes)
    elif boxed.places.val_is_test:
        notes.append("validation is the test images: the best epoch is chosen on them")
    for split, images in splits.items():
        there = objects_by_class(images)
        without = [name for name in names if not there[name]]
        if split != "train" and without:
            notes.append(f"no {split} objects of {some(without)}")
    files = {split: [(seen.raw.path, seen.look.bytes) for seen in images] for split, images in splits.items()}
    return Parts(splits, tuple(notes), tuple(shared_images(boxed.places.root, files)))


def stripped(boxed: Boxed, names: Sequence[str]) -> tuple[str, ...]:
    """The paths of images that lost all their objects of the classes `names`."""
    wanted = set(names)
    return tuple(seen.raw.path for seen in boxed.images if seen.is_stripped(wanted))


def say_stripped(paths: Sequence[str]) -> str:
    """One sentence on images that lost all their objects."""
    lost = f"{count(len(paths), 'image')} lost all {'its' if len(paths) == 1 else 'their'} objects"
    verb = "is" if len(paths) == 1 else "are"
    return f"{lost} and {verb} left out, not treated as empty: {some(paths, 20)}"


def _require_usable(
    data: DataConfig, split: str, images: Images, wanted: Collection[str], boxed: Boxed
) -> None:
    """Raise DataError for a split without images, or with none that has an object to learn or measure."""
    where = clean(str(boxed.places.root))
    if not images:
        raise DataError(f"{where} has no {split} images that can be used.")
    kept = [item.box for seen in images for item in seen.kept]
    kept = [box for box in kept if box.name in wanted and not box.crowd]
    if split == "test" or any(data.difficult == "keep" or not box.difficult for box in kept):
        return
    of = f" of the classes in data.classes, {some(sorted(wanted))}," if data.classes is not None else ""
    text = f"{where}: none of {count(len(images), f'{split} image')} has an object{of}"
    if kept:
        raise DataError(f"{text} that is not difficult: set data.difficult to keep, or add others.")
    if split == "val" and "val" not in boxed.splits:
        raise DataError(f"{text}: too few have one to hold some out: name images with objects in data.val.")
    raise DataError(f"{text}: name images with objects in data.{split}.")


def boxes_of(images: Images, names: Sequence[str]) -> Boxes:
    """The objects of `images` as arrays; those of other classes than `names` are left out."""
    label = {name: index for index, name in enumerate(names)}
    kept = [[item for item in seen.kept if item.box.name in label] for seen in images]
    flat = [item for items in kept for item in items]
    return Boxes(
        offsets=np.concatenate(([0], np.cumsum([len(items) for items in kept], dtype=np.int64))).astype(
            np.int64
        ),
        corners=np.array([item.corners for item in flat], np.float32).reshape(-1, 4),
        labels=np.array([label[item.box.name] for item in flat], np.int64),
        crowd=np.array([item.box.crowd for item in flat], np.bool_),
        difficult=np.array([item.box.difficult for item in flat], np.bool_),
        area=np.array([item.area for item in flat], np.float32),
        source=np.array([item.box.source for item in flat], np.int64),
        sizes=np.array([seen.look.size for seen in images], np.int32).reshape(-1, 2),
        image_ids=tuple(clean(seen.raw.id) for seen in images),
    )


def _hold_out(splits: dict[str, Images], data: DataConfig, wanted: set[str], notes: list[str]) -> None:
    train = splits["train"]
    classes = {
        seen.raw.path: {item.box.name for item in seen.kept if not item.box.crowd} & wanted for seen in train
    }
    chosen = held_out_images(classes, objects_by_class(train), data.split)
    if not chosen:
        return
    splits["train"] = tuple(seen for seen in train if seen.raw.path not in chosen)
    splits["val"] = tuple(seen for seen in train if seen.raw.path in chosen)
    notes.append(f"{count(len(chosen), 'training image')} held out for validation (seed {data.split.seed})")


def _file_list(images: Images) -> FileList:
    return FileList(
        tuple(seen.raw.path for seen in images),
        (-1,) * len(images),
        tuple(seen.look.bytes for seen in images),
    )


def _summary(boxed: Boxed) -> list[str]:
    """Sentences on what was changed or left out."""
    found, warnings = boxed.found, boxed.found.of("warning")
    notes = []
    unreadable = [seen.raw.path for seen in boxed.images if not seen.readable]
    if unreadable:
        notes.append(f"{count(len(unreadable), 'unreadable image')} left out: {some(unreadable)}")
    empty = sum(seen.readable and not seen.kept and not seen.is_stripped() for seen in boxed.images)
    if empty:
        notes.append(f"{count(empty, 'image')} without objects")
    if warnings:
        notes.append(
            f"{count(found.repaired, 'object')} repaired, {found.dropped} dropped, "
            f"{count(len(warnings), 'warning')}, first {warnings[0]} (`labtui data check` lists them)"
        )
    return notes
