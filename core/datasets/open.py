"""From a config's `data` to an opened data set, with everything that is wrong with it said."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from core.config.schema import DataConfig, SplitPaths
from core.datasets.dataset import Dataset, FileList, make_dataset
from core.datasets.folder import (
    Scanned,
    class_folders,
    class_order,
    find_folders,
    require_classes,
    scan,
)
from core.datasets.images import fault
from core.datasets.split import held_out
from core.errors import DataError
from core.text import clean, did_you_mean

_NAMED = 5
Files = list[tuple[str, int]]


def open_dataset(data: DataConfig) -> Dataset:
    """List the images of `data`, after drawing them when the format is synthetic.

    Images that cannot be read are left out with a note. Raises DataError: a folder is missing (with the path
    tried), no class folders, only one class, a training class without images, a class only outside train.
    """
    groups = None
    if is_synthetic(data):
        from core.datasets.synthetic import ensure_synthetic, group_of

        ensure_synthetic(data)
        groups = group_of
    folders = find_folders(data)
    all_classes = require_classes(folders.train.images)
    notes: list[str] = []
    train = _readable(scan(folders.train, all_classes), notes)
    counts = {name: len(images) for name, images in train.items()}
    names, order_notes = class_order(data, all_classes, counts, folders.train.images)
    notes += order_notes
    classes = {name: all_classes[name] for name in names}
    train = {name: train[name] for name in names}
    _require_images(train, folders.train)

    splits: dict[str, dict[str, Files]] = {"train": train}
    if folders.val is not None:
        splits["val"] = _other_split("val", folders.val, classes, all_classes, notes)
    if folders.test is not None and not folders.val_is_test:
        splits["test"] = _other_split("test", folders.test, classes, all_classes, notes)
    root = data.root or _common_root(folders.train, folders.val, folders.test)
    relative = {split: _relative(images, root) for split, images in splits.items()}
    if folders.val is None:
        _hold_out(relative, data, notes)
    elif folders.val_is_test:
        notes.append("validation is the test folder: the best epoch is chosen on it")
    _note_shared(relative, notes)
    labels = {name: index for index, name in enumerate(names)}
    lists = {split: _file_list(images, labels) for split, images in relative.items()}
    group_names = tuple(groups(name) for name in names) if groups else None
    return make_dataset(root, names, lists, tuple(notes), group_names)


def require_root(data: DataConfig) -> None:
    """The quick part of `open_dataset`: raise DataError when its folders or classes are not there.

    Lists folders but no images. A synthetic set that is still to be drawn is fine.
    """
    if is_synthetic(data):
        from core.datasets.synthetic import drawn_already

        if not drawn_already(data):
            return
    folders = find_folders(data)
    require_classes(folders.train.images)


def is_synthetic(data: DataConfig) -> bool:
    """Whether labtui draws the pictures itself."""
    return data.format == "synthetic" or (data.format == "auto" and data.synthetic is not None)


def _readable(scanned: Scanned, notes: list[str]) -> dict[str, Files]:
    """The images that can be read; the others are named in `notes`."""
    kept: dict[str, Files] = {}
    faults: list[str] = []
    for name, images in scanned.images.items():
        kept[name] = []
        for path, size in images:
            reason = fault(path, size)
            if reason is None:
                kept[name].append((path, size))
            else:
                faults.append(f"{clean(path)} ({reason})")
    notes += scanned.notes
    if faults:
        shown = ", ".join(faults[:_NAMED]) + (", ..." if len(faults) > _NAMED else "")
        notes.append(f"{len(faults)} unreadable image{'s' if len(faults) > 1 else ''} left out: {shown}")
    return kept


def _require_images(train: Mapping[str, Files], split: SplitPaths) -> None:
    shown = clean(str(split.list or split.images))
    empty = [name for name, images in train.items() if not images]
    if len(empty) == len(train):
        raise DataError(f"{shown} has no images that can be read: expected {shown}/CLASS/image.jpg.")
    if empty:
        others = f" (and {len(empty) - 1} more)" if len(empty) > 1 else ""
        raise DataError(
            f"Class {empty[0]}{others} has no training images in {shown}: add some, remove the folder, "
            "or name the classes to use in data.classes."
        )


def _other_split(
    split: str,
    paths: SplitPaths,
    classes: Mapping[str, str],
    all_classes: Mapping[str, str],
    notes: list[str],
) -> dict[str, Files]:
    """Images of val or test for the training classes."""
    there = class_folders(paths.images)
    strange = [name for name in there if name not in all_classes]
    if strange and paths.list is None:
        guess = did_you_mean(strange[0], all_classes)
        raise DataError(
            f"{clean(str(paths.images))} has a class {strange[0]} that the training folder has not{guess}."
        )
    images = _readable(
        scan(paths, {name: there.get(name, folder) for name, folder in classes.items()}), notes
    )
    if not any(images.values()):
        raise DataError(f"{clean(str(paths.list or paths.images))} has no images of the training classes.")
    without = [name for name, found in images.items() if not found]
    if without:
        shown = ", ".join(without[:_NAMED]) + (", ..." if len(without) > _NAMED else "")
        notes.append(f"no {split} images of {shown}")
    return images


def _hold_out(splits: dict[str, dict[str, Files]], data: DataConfig, notes: list[str]) -> None:
    """Move a part of `splits["train"]` to `splits["val"]`."""
    train = splits["train"]
    paths = {name: [path for path, _ in images] for name, images in train.items()}
    chosen = held_out(paths, data.split.ratio, data.split.seed, stratify=data.split.stratify)
    if not chosen:
        raise DataError("Every class has a single image: nothing can be held out for validation.")
    splits["train"] = {
        name: [item for item in images if item[0] not in chosen] for name, images in train.items()
    }
    splits["val"] = {name: [item for item in images if item[0] in chosen] for name, images in train.items()}
    notes.append(f"{len(chosen)} training images held out for validation (seed {data.split.seed})")


def _note_shared(splits: Mapping[str, dict[str, Files]], notes: list[str]) -> None:
    """Say how many training images are measured too."""
    train = {path for images in splits["train"].values() for path, _ in images}
    for split, found in splits.items():
        shared = (
            sum(path in train for images in found.values() for path, _ in images) if split != "train" else 0
        )
        if shared:
            notes.append(f"{shared} image{'s are' if shared > 1 else ' is'} in both train and {split}")


def _relative(images: Mapping[str, Files], root: Path) -> dict[str, Files]:
    prefix = os.path.join(root, "")
    return {
        name: [
            (path[len(prefix) :] if path.startswith(prefix) else os.path.relpath(path, root), size)
            for path, size in found
        ]
        for name, found in images.items()
    }


def _common_root(*splits: SplitPaths | None) -> Path:
    return Path(os.path.commonpath([split.images for split in splits if split is not None]))


def _file_list(images: Mapping[str, Files], labels: Mapping[str, int]) -> FileList:
    rows = [(path, labels[name], size) for name, found in images.items() for path, size in found]
    return FileList(*(tuple(column) for column in zip(*rows, strict=True))) if rows else FileList((), (), ())
