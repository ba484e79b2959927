"""From a config's `data` to the table that its statistics are made of."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from core.analysis.data_table import DataTable, Fault, Objects, with_headers
from core.config.schema import DataConfig
from core.datasets.boxes.open_boxes import classes_of, split_images
from core.datasets.boxes.read_boxes import Boxed, Seen, read_boxed
from core.datasets.class_folders.layout import find_folders
from core.datasets.class_folders.scan import Names, class_order, require_classes, scan
from core.datasets.class_folders.scan import classes_of as folder_classes
from core.datasets.class_folders.split_folders import Source
from core.datasets.detect import data_format, has_boxes
from core.datasets.image_header import Look, look_at
from core.datasets.open import relative_files
from core.datasets.pictures import member_file, read_pictures
from core.datasets.published.arrays import read_array_set
from core.datasets.published.catalogue import PUBLISHED
from core.datasets.split import held_out
from core.errors import DataError
from core.text import clean

HEADERS_AT_ONCE = 3000
"""Up to so many images in class folders their headers are read at once; of more, in the job."""
Images = list[tuple[str, int]]
Parts = dict[str, dict[str, Images]]


def read_table(data: DataConfig) -> DataTable:
    """The images and objects of `data`, in the splits that training would use.

    What only keeps the set from being trained on (one class, no objects, a class that train has not) is in
    `problems`. Raises DataError when there is nothing to count.
    """
    if data.kaggle is not None:
        from core.datasets.kaggle import fetched

        data, _ = fetched(data)
    name = data_format(data)
    if name in PUBLISHED:
        return _of_arrays(data, name)
    if name == "synthetic":
        from core.datasets.synthetic.drawn import ensure_synthetic

        ensure_synthetic(data)
    if has_boxes(data):
        return _of_boxed(data, "coco" if name == "synthetic" else name)
    return _of_folders(data)


# -- images with boxes


def _of_boxed(data: DataConfig, name: str) -> DataTable:
    boxed = read_boxed(data, name)
    problems = [str(item) for item in boxed.found.of("error")]
    names, notes = boxed.names, list(boxed.places.notes)
    parts = {
        split: tuple(seen for seen in images if seen.readable and not seen.is_stripped())
        for split, images in boxed.splits.items()
    }
    if not problems:
        try:
            names, more = classes_of(data, boxed)
            chosen = split_images(data, boxed, names)
            parts = dict(chosen.images)
            notes += [*more, *chosen.notes]
        except DataError as error:
            problems.append(str(error).rstrip("."))
    else:
        # What other splits have and train has not is counted all the same.
        there = {box.name for raw in boxed.raws.values() for image in raw.images for box in image.boxes}
        names = (*names, *sorted(there - set(names)))
    if not any(parts.values()) and not any(boxed.splits.values()):
        raise DataError(f"{clean(str(boxed.places.root))} has no images with annotations.")
    return _table_of(boxed, names, parts, problems, notes)


def _table_of(
    boxed: Boxed,
    names: Sequence[str],
    parts: dict[str, tuple[Seen, ...]],
    problems: list[str],
    notes: list[str],
) -> DataTable:
    rows = [(number, seen) for number, images in enumerate(parts.values()) for seen in images]
    label = {name: index for index, name in enumerate(names)}
    kept = [[item for item in seen.kept if item.box.name in label] for _, seen in rows]
    flat = [item for items in kept for item in items]
    objects = Objects(
        image=np.repeat(np.arange(len(rows)), [len(items) for items in kept]).astype(np.int64),
        corners=np.array([item.corners for item in flat], np.float64).reshape(-1, 4),
        labels=np.array([label[item.box.name] for item in flat], np.int64),
        crowd=np.array([item.box.crowd for item in flat], np.bool_),
        difficult=np.array([item.box.difficult for item in flat], np.bool_),
        area=np.array([item.area for item in flat], np.float64),
        repeats=np.array([_repeats(seen) for _, seen in rows], np.int64),
    )
    splits = tuple(parts)
    return DataTable(
        boxed.format,
        boxed.places.root,
        tuple(map(clean, names)),
        splits,
        tuple(seen.raw.path for _, seen in rows),
        np.array([number for number, _ in rows], np.int64),
        np.full(len(rows), -1, np.int64),
        np.array([seen.look.size for _, seen in rows], np.int32).reshape(-1, 2),
        np.array([seen.look.mode for _, seen in rows], np.str_),
        np.array([seen.look.format for _, seen in rows], np.str_),
        objects,
        _faults(boxed, names),
        np.array([row for row, (_, seen) in enumerate(rows) if seen.look.damage], np.int64),
        tuple(problems),
        tuple(notes),
    )


def _faults(boxed: Boxed, names: Sequence[str]) -> tuple[Fault, ...]:
    """The images that are not used, each once, with why."""
    found: dict[str, Fault] = {}
    wanted = set(names)
    for split, images in boxed.splits.items():
        for seen in images:
            path = seen.raw.path
            if not seen.readable:
                found[path] = Fault(path, split, seen.look.fault)
            elif seen.is_stripped(wanted):
                found[path] = Fault(
                    path, split, "none of its objects can be used (`labtui data check` says why)"
                )
        for path in boxed.raws[split].left_out:
            found.setdefault(path, Fault(path, split, "its annotation file cannot be read"))
    return tuple(found.values())


def _repeats(seen: Seen) -> int:
    """Objects of an image that are exact copies of others of their class."""
    boxes = [(box.name, box.corners) for box in seen.raw.boxes if not box.crowd]
    return len(boxes) - len(set(boxes))


# -- images with a class each


def _of_folders(data: DataConfig) -> DataTable:
    folders = find_folders(data)
    naming = Names(data.root, [folders.train, folders.val, folders.test])
    problems: list[str] = []
    try:
        found = require_classes(folders.train, naming)
    except DataError as error:
        found = folder_classes(folders.train, naming)
        if not found:
            raise
        problems.append(str(error).rstrip("."))
    counts = {name: len(images) for name, images in scan(folders.train, found, naming).images.items()}
    names, notes = class_order(
        data, list(found), counts, f"{clean(str(folders.train.images))} has no such folder"
    )
    notes = [*folders.notes, *notes]
    splits: Parts = {}
    sources: dict[str, Source | None] = {"train": folders.train, "val": folders.val, "test": folders.test}
    for split, source in sources.items():
        if source is None or (split == "test" and folders.val_is_test):
            continue
        there = folder_classes(source, naming)
        strange = [name for name in there if name not in found]
        if strange:
            problems.append(f"{source.shown} has a class {strange[0]} that the training folder has not")
        wanted = {name: there.get(name, found[name]) for name in names}
        scanned = scan(source, wanted, naming)
        splits[split] = scanned.images
        notes += scanned.notes
    if not any(images for part in splits.values() for images in part.values()):
        shown = folders.train.shown
        raise DataError(f"{shown} has no images: expected {shown}/CLASS/image.jpg.")
    if folders.val_is_test:
        notes.append("validation is the test folder: the best epoch is chosen on it")
    root = data.root or Path(
        os.path.commonpath([source.images for source in sources.values() if source is not None])
    )
    splits = {split: relative_files(images, root) for split, images in splits.items()}
    if "val" not in splits:
        splits = _held_out(splits, data, notes)
    table = _plain("folder", root, names, splits, tuple(problems), tuple(notes))
    if len(table) > HEADERS_AT_ONCE:
        return table
    looks = {path: look_at(os.path.join(root, path)) for path in dict.fromkeys(table.paths)}
    return with_headers(table, [looks[path] for path in table.paths])


def _held_out(splits: Parts, data: DataConfig, notes: list[str]) -> Parts:
    """`splits` with a part of train as val, as training takes it."""
    train = splits["train"]
    paths = {name: [path for path, _ in images] for name, images in train.items()}
    chosen = held_out(paths, data.split.ratio, data.split.seed, stratify=data.split.stratify)
    if not chosen:
        return splits
    notes.append(f"{len(chosen)} training images held out for validation (seed {data.split.seed})")
    parts = {
        split: {name: [i for i in images if (i[0] in chosen) == inside] for name, images in train.items()}
        for split, inside in (("train", False), ("val", True))
    }
    return {**parts, **{split: images for split, images in splits.items() if split != "train"}}


def _of_arrays(data: DataConfig, name: str) -> DataTable:
    found = read_array_set(data, name)
    assert data.root is not None
    train = dict.fromkeys(found.class_names, 0)
    for _, label, _ in found.train:
        train[found.class_names[label]] += 1
    where = f"{PUBLISHED[name].title} has no such class"
    names, notes = class_order(data, sorted(found.class_names), train, where, found.class_names)
    splits: Parts = {}
    for split, rows in (("train", found.train), ("val" if data.val == "test" else "test", found.test)):
        images: dict[str, Images] = {cls: [] for cls in names}
        for path, label, size in rows:
            if found.class_names[label] in images:
                images[found.class_names[label]].append((path, size))
        splits[split] = images
    notes = [*found.notes, *notes]
    if "val" not in splits:
        splits = _held_out(splits, data, notes)
    table = _plain(name, data.root, names, splits, (), tuple(notes))
    shapes = {
        file: read_pictures(data.root / file).pixels.shape
        for file in dict.fromkeys(map(member_file, table.paths))
    }
    looks = {
        file: Look(
            size=(shape[2], shape[1]), mode="RGB" if shape[3] == 3 else "L", format=PUBLISHED[name].title
        )
        for file, shape in shapes.items()
    }
    return with_headers(table, [looks[member_file(path)] for path in table.paths])


def _plain(
    name: str,
    root: Path,
    names: Sequence[str],
    splits: Parts,
    problems: tuple[str, ...],
    notes: tuple[str, ...],
) -> DataTable:
    label = {cls: index for index, cls in enumerate(names)}
    rows = sorted(
        (number, path, label[cls])
        for number, part in enumerate(splits.values())
        for cls, images in part.items()
        for path, _ in images
    )
    size = len(rows)
    return DataTable(
        name,
        root,
        tuple(map(clean, names)),
        tuple(splits),
        tuple(path for _, path, _ in rows),
        np.array([number for number, _, _ in rows], np.int64),
        np.array([index for _, _, index in rows], np.int64),
        np.zeros((size, 2), np.int32),
        np.full(size, "", "U12"),
        np.full(size, "", "U12"),
        problems=problems,
        notes=notes,
    )
