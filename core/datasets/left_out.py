"""A data set without the pictures that turned out to be unusable when they were decoded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from core.datasets.dataset import Dataset, FileList, fingerprint
from core.datasets.findings import count, some
from core.errors import DataError
from core.text import clean


def without(dataset: Dataset, reasons: Mapping[str, str]) -> Dataset:
    """`dataset` without the pictures whose paths `reasons` has, and a note that names them.

    Raises DataError when a split, or a class that had training images or objects, has nothing left.
    """
    splits, boxes = {}, None if dataset.boxes is None else dict(dataset.boxes)
    for name, files in dataset.splits.items():
        kept = [index for index, path in enumerate(files.paths) if path not in reasons]
        if files.paths and not kept:
            raise DataError(f"{_root(dataset)}: none of the {name} images can be read: {_first(reasons)}.")
        splits[name] = FileList(
            tuple(files.paths[index] for index in kept),
            tuple(files.labels[index] for index in kept),
            tuple(files.sizes[index] for index in kept),
        )
        if boxes is not None:
            boxes[name] = boxes[name].select(kept)
    left = replace(
        dataset,
        splits=splits,
        boxes=boxes,
        fingerprint=fingerprint(dataset.class_names, splits, boxes),
        notes=(*dataset.notes, note(reasons)),
    )
    for name, before, after in zip(
        dataset.class_names, dataset.counts("train"), left.counts("train"), strict=True
    ):
        if before and not after:
            raise DataError(
                f"{_root(dataset)}: no training image of the class {name} can be read: {_first(reasons)}."
            )
    return left


def note(reasons: Mapping[str, str]) -> str:
    """The sentence on pictures that were left out."""
    named = some(f"{clean(path)} ({reason})" for path, reason in reasons.items())
    return f"{count(len(reasons), 'unreadable image')} left out: {named}"


def _root(dataset: Dataset) -> str:
    return clean(str(dataset.root))


def _first(reasons: Mapping[str, str]) -> str:
    path, reason = next(iter(reasons.items()))
    return f"{clean(path)} ({reason})"
