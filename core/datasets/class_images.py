"""Images with a class each, listed by split and class: the way from a format's files to a data set."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from core.config.schema import DataConfig
from core.datasets.dataset import Dataset, FileList, make_dataset
from core.datasets.depth import PLAIN, Opening
from core.datasets.images import UNREAD
from core.datasets.outline import Outline
from core.datasets.split import held_out, held_out_count
from core.errors import DataError

Files = list[tuple[str, int]]
"""Paths, and bytes."""
Splits = dict[str, dict[str, Files]]
"""Files by split and class."""


@dataclass(frozen=True)
class ClassImages:
    """What can be counted of such a set: `splits` as training has them, paths below `root`.

    `problems` keep it from being trained on. `title` stands for the format of pictures inside files of many.
    """

    format: str
    root: Path
    class_names: Sequence[str]
    splits: Splits
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    title: str = ""
    max_megapixels: float = PLAIN.max_megapixels


def as_dataset(
    data: DataConfig,
    root: Path,
    names: tuple[str, ...],
    splits: Splits,
    notes: list[str],
    groups: tuple[str, ...] | None,
    *,
    in_file_order: bool = False,
    opening: Opening = PLAIN,
) -> Dataset:
    """The data set of `splits` (paths relative to `root`), with val held out when there is none."""
    if "val" not in splits and not hold_out(splits, data, notes):
        raise DataError("Every class has a single image: nothing can be held out for validation.")
    _note_shared(splits, notes)
    labels = {name: index for index, name in enumerate(names)}
    lists = {split: _file_list(images, labels, in_file_order) for split, images in splits.items()}
    return make_dataset(root, names, lists, tuple(notes), groups, opening=opening)


def hold_out(splits: Splits, data: DataConfig, notes: list[str]) -> bool:
    """Move a part of `splits["train"]` to `splits["val"]`; False where nothing can be."""
    train = splits["train"]
    paths = {name: [path for path, _ in images] for name, images in train.items()}
    chosen = held_out(paths, data.split.ratio, data.split.seed, stratify=data.split.stratify)
    if not chosen:
        return False
    splits["train"] = {
        name: [item for item in images if item[0] not in chosen] for name, images in train.items()
    }
    splits["val"] = {name: [item for item in images if item[0] in chosen] for name, images in train.items()}
    notes.append(f"{len(chosen)} training images held out for validation (seed {data.split.seed})")
    return True


def counted_outline(
    data: DataConfig,
    names: tuple[str, ...],
    counts: Sequence[int],
    val: int | None,
    test: int,
    val_is_test: bool,
    where: str,
) -> Outline:
    """The outline of a set with `counts` training images of each class; `val` None: held out of them."""
    train, is_held_out = sum(counts), val is None
    if val is None:
        val = held_out_count(counts, data.split.ratio, stratify=data.split.stratify)
        train -= val
    return Outline(names, train, val, 0 if val_is_test else test, val_is_test, is_held_out, False, where)


def require_images(train: Mapping[str, Files], shown: str, notes: Sequence[str]) -> None:
    """Raise DataError for a training class without images, or when none can be read."""
    empty = [name for name, images in train.items() if not images]
    if len(empty) == len(train):
        refuse_unreadable(shown, notes)
        told = next((f" ({note})" for note in notes if UNREAD in note), "")
        raise DataError(f"{shown} has no images that can be read{told}: expected {shown}/CLASS/image.jpg.")
    if empty:
        others = f" (and {len(empty) - 1} more)" if len(empty) > 1 else ""
        raise DataError(
            f"Class {empty[0]}{others} has no training images in {shown}: add some, remove the folder, "
            "or name the classes to use in data.classes."
        )


def refuse_unreadable(shown: str, notes: Sequence[str]) -> None:
    """Raise DataError when there are images, and none of them can be read."""
    told = next((note for note in notes if " unreadable image" in note), "")
    if told:
        raise DataError(f"{shown} has no images that can be read: {told}; put complete files there.")


def relative_files(images: Mapping[str, Files], root: Path) -> dict[str, Files]:
    """`images` (by class) with their paths relative to `root`."""
    prefix = os.path.join(root, "")
    return {
        name: [
            (path[len(prefix) :] if path.startswith(prefix) else os.path.relpath(path, root), size)
            for path, size in files
        ]
        for name, files in images.items()
    }


def _note_shared(splits: Splits, notes: list[str]) -> None:
    """Say how many training images are measured too."""
    train = {path for images in splits["train"].values() for path, _ in images}
    for split, by_class in splits.items():
        shared = (
            sum(path in train for images in by_class.values() for path, _ in images)
            if split != "train"
            else 0
        )
        if shared:
            notes.append(f"{shared} image{'s are' if shared > 1 else ' is'} in both train and {split}")


def _file_list(images: Mapping[str, Files], labels: Mapping[str, int], in_file_order: bool) -> FileList:
    rows = [(path, labels[name], size) for name, files in images.items() for path, size in files]
    if in_file_order:
        rows.sort()
    return FileList(*(tuple(column) for column in zip(*rows, strict=True))) if rows else FileList((), (), ())
