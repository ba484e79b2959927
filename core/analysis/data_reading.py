"""From a config's `data` to the table that its statistics are made of."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from core.analysis.data_table import DataTable, Fault, Objects, with_headers
from core.config.schema import DataConfig
from core.datasets.boxes.open_boxes import classes_of, split_images
from core.datasets.boxes.read_boxes import Boxed, Seen
from core.datasets.class_images import ClassImages
from core.datasets.depth import Opening, is_deep, opening_of, spread
from core.datasets.format import data_format, format_of
from core.datasets.image_header import Look, look_at
from core.datasets.pictures import is_member, member_file, read_pictures
from core.errors import DataError
from core.text import clean

HEADERS_AT_ONCE = 3000
"""Up to so many images in class folders their headers are read at once; of more, in the job."""


def read_table(data: DataConfig) -> DataTable:
    """The images and objects of `data`, in the splits that training would use.

    What only keeps the set from being trained on (one class, no objects, a class that train has not) is in
    `problems`. Raises DataError when there is nothing to count.
    """
    if data.kaggle is not None:
        from core.datasets.kaggle import fetched

        data, _ = fetched(data)
    images = format_of(data_format(data)).read(data)
    return _of_boxed(data, images) if isinstance(images, Boxed) else _of_classes(images)


# -- images with boxes


def _of_boxed(data: DataConfig, boxed: Boxed) -> DataTable:
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
        boxed.opening,
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


def _of_classes(images: ClassImages) -> DataTable:
    table = _without_headers(images)
    if any(is_member(path) for path in table.paths[:1]):
        looks = {file: _look_inside(images, file) for file in dict.fromkeys(map(member_file, table.paths))}
        return with_headers(table, [looks[member_file(path)] for path in table.paths])
    if len(table) > HEADERS_AT_ONCE:
        return replace(
            table, opening=_opening(images, {path: _look(images, path) for path in spread(table.paths)})
        )
    looks = {path: _look(images, path) for path in dict.fromkeys(table.paths)}
    filled = with_headers(table, [looks[path] for path in table.paths])
    return replace(filled, opening=_opening(images, looks))


def _look(images: ClassImages, path: str) -> Look:
    return look_at(os.path.join(images.root, path), Opening(max_megapixels=images.max_megapixels))


def _opening(images: ClassImages, looks: Mapping[str, Look]) -> Opening:
    """How the images are opened, as far as those that were looked at say."""
    deep = [path for path, look in looks.items() if is_deep(look.mode) and not look.fault]
    return opening_of(images.root, deep, images.max_megapixels)


def _look_inside(images: ClassImages, file: str) -> Look:
    """How the pictures in a file of many look; all are alike."""
    _, height, width, channels = read_pictures(images.root / file).pixels.shape
    return Look(size=(width, height), mode="RGB" if channels == 3 else "L", format=images.title)


def _without_headers(images: ClassImages) -> DataTable:
    label = {cls: index for index, cls in enumerate(images.class_names)}
    rows = sorted(
        (number, path, label[cls])
        for number, part in enumerate(images.splits.values())
        for cls, files in part.items()
        for path, _ in files
    )
    size = len(rows)
    return DataTable(
        images.format,
        images.root,
        tuple(map(clean, images.class_names)),
        tuple(images.splits),
        tuple(path for _, path, _ in rows),
        np.array([number for number, _, _ in rows], np.int64),
        np.array([index for _, _, index in rows], np.int64),
        np.zeros((size, 2), np.int32),
        np.full(size, "", "U12"),
        np.full(size, "", "U12"),
        problems=images.problems,
        notes=images.notes,
    )
