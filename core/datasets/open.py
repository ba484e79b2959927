"""From a config's `data` to an opened data set, with everything that is wrong with it said."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from core.config.schema import DataConfig, Experiment
from core.datasets.class_folders.layout import find_folders
from core.datasets.class_folders.scan import Names, Scanned, class_order, classes_of, require_classes, scan
from core.datasets.class_folders.split_folders import Source
from core.datasets.dataset import Dataset, FileList, make_dataset, with_origin
from core.datasets.detect import data_format, has_boxes
from core.datasets.images import fault
from core.datasets.published.arrays import ArraySet, array_folder, read_array_set
from core.datasets.published.catalogue import PUBLISHED
from core.datasets.split import held_out
from core.errors import DataError
from core.text import clean, did_you_mean

_NAMED = 5
Files = list[tuple[str, int]]
Splits = dict[str, dict[str, Files]]


def open_dataset(data: DataConfig) -> Dataset:
    """List the images of `data`, after drawing them when the format is synthetic.

    Images that cannot be read are left out with a note. Raises DataError: a folder is missing (with the path
    tried), no class folders, only one class, a training class without images, a class only outside train,
    folders that can be read in two ways.
    """
    origin = None
    if data.kaggle is not None:
        from core.datasets.kaggle import fetched

        data, origin = fetched(data)
    name = data_format(data)
    if name in PUBLISHED:
        return with_origin(_open_arrays(data, name), origin)
    groups = None
    if name == "synthetic":
        from core.datasets.synthetic.drawn import ensure_synthetic, group_of

        ensure_synthetic(data)
        groups = group_of
    if has_boxes(data):
        from core.datasets.boxes.open_boxes import open_boxed

        return open_boxed(data, "coco" if name == "synthetic" else name, origin)
    return with_origin(_open_folder(data, groups), origin)


def require_root(data: DataConfig) -> None:
    """The quick part of `open_dataset`: raise DataError when its folders or classes are not there.

    Lists folders but no images. A set that is still to be drawn, or to be got from Kaggle, is fine.
    """
    if data.kaggle is not None:
        from core.datasets.kaggle import require_kaggle

        require_kaggle(data.kaggle)
        return
    name = data_format(data)
    if name in PUBLISHED:
        assert data.root is not None
        array_folder(data.root, name)
        return
    if name == "synthetic":
        from core.datasets.synthetic.drawn import drawn_already

        if not drawn_already(data):
            return
    if has_boxes(data):
        from core.datasets.boxes.read_boxes import adapter_of

        adapter_of("coco" if name == "synthetic" else name).places(data, data.root)
        return
    folders = find_folders(data)
    require_classes(folders.train, Names(data.root, [folders.train, folders.val, folders.test]))


def require_data(experiment: Experiment) -> None:
    """`require_root` of the experiment's data, and that they are of the kind that its model learns from.

    Raises DataError, also when no image or no object can be used to train or to validate.
    """
    data = experiment.data
    require_root(data)
    if data.kaggle is not None:
        return
    boxes = has_boxes(data)
    shown = clean(str(data.root or experiment.model))
    if experiment.is_detector and not boxes:
        raise DataError(
            f"{shown} has no boxes, but {experiment.model} is a detector: use a classifier for it."
        )
    if boxes and not experiment.is_detector:
        raise DataError(
            f"{shown} has boxes, but {experiment.model} classifies whole images: use a detector, as "
            "model: fasterrcnn."
        )
    _require_usable(data)


def _require_usable(data: DataConfig) -> None:
    """Raise what `open_dataset` raises when nothing can be used to train or validate; quick when all is well.

    A set that is still to be drawn, or to be got from Kaggle, and the known files of pictures are fine.
    """
    name = data_format(data)
    if name in PUBLISHED:
        return
    if name == "synthetic":
        from core.datasets.synthetic.drawn import drawn_already

        if not drawn_already(data):
            return
    if has_boxes(data):
        from core.datasets.boxes.annotations import RawSplit
        from core.datasets.boxes.read_boxes import adapter_of
        from core.datasets.boxes.usable import objects_at_hand
        from core.datasets.findings import Findings

        adapter, found = adapter_of("coco" if name == "synthetic" else name), Findings()
        places = adapter.places(data, data.root)
        raws: dict[str, RawSplit] = {
            source.split: adapter.read(source, places, data, found) for source in places.sources()
        }
        if found.of("error") or not objects_at_hand(data, places, raws):
            open_dataset(data)
        return
    folders = find_folders(data)
    naming = Names(data.root, [folders.train, folders.val, folders.test])
    found_classes = require_classes(folders.train, naming)
    if data.classes is not None:
        found_classes = {name: found_classes[name] for name in data.classes if name in found_classes}
    for source in (folders.train, folders.val):
        if source is not None and not _has_readable(source, found_classes, naming):
            open_dataset(data)


def _has_readable(source: Source, classes: Mapping[str, str], naming: Names) -> bool:
    """Whether an image of a split can be read; looks at no more than are needed to know."""
    there = classes_of(source, naming)
    for name, folder in classes.items():
        images = scan(source, {name: there.get(name, folder)}, naming).images[name]
        if any(fault(path, size) is None for path, size in images):
            return True
    return False


def _open_folder(data: DataConfig, groups: Callable[[str], str] | None) -> Dataset:
    folders = find_folders(data)
    naming = Names(data.root, [folders.train, folders.val, folders.test])
    all_classes = require_classes(folders.train, naming)
    notes = list(folders.notes)
    train = _readable(scan(folders.train, all_classes, naming), notes)
    counts = {name: len(images) for name, images in train.items()}
    where = f"{clean(str(folders.train.images))} has no such folder"
    names, order_notes = class_order(data, list(all_classes), counts, where)
    notes += order_notes
    classes = {name: all_classes[name] for name in names}
    train = {name: train[name] for name in names}
    _require_images(train, folders.train.shown, notes)

    splits: Splits = {"train": train}
    if folders.val is not None:
        splits["val"] = _other_split("val", folders.val, classes, all_classes, naming, notes)
    if folders.test is not None and not folders.val_is_test:
        splits["test"] = _other_split("test", folders.test, classes, all_classes, naming, notes)
    root = data.root or _common_root(folders.train, folders.val, folders.test)
    relative = {split: relative_files(images, root) for split, images in splits.items()}
    if folders.val_is_test:
        notes.append("validation is the test folder: the best epoch is chosen on it")
    group_names = tuple(groups(name) for name in names) if groups else None
    return _finished(data, root, names, relative, notes, group_names)


def _open_arrays(data: DataConfig, name: str) -> Dataset:
    found = read_array_set(data, name)
    notes = list(found.notes)
    assert data.root is not None
    title = PUBLISHED[name].title
    used = set(found.class_names)
    train = _by_class(found.train, found, used)
    counts = {name: len(images) for name, images in train.items()}
    where = f"{title} has no such class"
    names, order_notes = class_order(data, sorted(found.class_names), counts, where, found.class_names)
    notes += order_notes
    train = {name: train[name] for name in names}
    _require_images(train, clean(str(data.root)), ())
    splits: Splits = {"train": train}
    test = _by_class(found.test, found, set(names))
    splits["val" if data.val == "test" else "test"] = test
    if data.val == "test":
        notes.append(f"validation is the test part of {title}: the best epoch is chosen on it")
    groups = None
    if found.groups is not None:
        group_of = dict(zip(found.class_names, found.groups, strict=True))
        groups = tuple(group_of[name] for name in names)
    return _finished(data, data.root, names, splits, notes, groups, in_file_order=True)


def _finished(
    data: DataConfig,
    root: Path,
    names: tuple[str, ...],
    splits: Splits,
    notes: list[str],
    groups: tuple[str, ...] | None,
    *,
    in_file_order: bool = False,
) -> Dataset:
    """The data set of `splits` (paths relative to `root`), with val held out when there is none."""
    if "val" not in splits:
        _hold_out(splits, data, notes)
    _note_shared(splits, notes)
    labels = {name: index for index, name in enumerate(names)}
    lists = {split: _file_list(images, labels, in_file_order) for split, images in splits.items()}
    return make_dataset(root, names, lists, tuple(notes), groups)


def _by_class(rows: Sequence[tuple[str, int, int]], found: ArraySet, wanted: set[str]) -> dict[str, Files]:
    images: dict[str, Files] = {name: [] for name in found.class_names if name in wanted}
    for path, label, size in rows:
        if found.class_names[label] in images:
            images[found.class_names[label]].append((path, size))
    return images


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


def _require_images(train: Mapping[str, Files], shown: str, notes: Sequence[str]) -> None:
    empty = [name for name, images in train.items() if not images]
    if len(empty) == len(train):
        _refuse_unreadable(shown, notes)
        raise DataError(f"{shown} has no images that can be read: expected {shown}/CLASS/image.jpg.")
    if empty:
        others = f" (and {len(empty) - 1} more)" if len(empty) > 1 else ""
        raise DataError(
            f"Class {empty[0]}{others} has no training images in {shown}: add some, remove the folder, "
            "or name the classes to use in data.classes."
        )


def _refuse_unreadable(shown: str, notes: Sequence[str]) -> None:
    """Raise DataError when there are images, and none of them can be read."""
    told = next((note for note in notes if " unreadable image" in note), "")
    if told:
        raise DataError(f"{shown} has no images that can be read: {told}; put whole files there.")


def _other_split(
    split: str,
    source: Source,
    classes: Mapping[str, str],
    all_classes: Mapping[str, str],
    naming: Names,
    notes: list[str],
) -> dict[str, Files]:
    """Images of val or test for the training classes."""
    there = classes_of(source, naming)
    strange = [name for name in there if name not in all_classes]
    if strange and (source.list is None or there == {name: name for name in there}):
        guess = did_you_mean(strange[0], all_classes)
        raise DataError(f"{source.shown} has a class {strange[0]} that the training folder has not{guess}.")
    wanted = {name: there.get(name, folder) for name, folder in classes.items()}
    before = len(notes)
    images = _readable(scan(source, wanted, naming), notes)
    if not any(images.values()):
        _refuse_unreadable(source.shown, notes[before:])
        raise DataError(f"{source.shown} has no images of the training classes.")
    without = [name for name, found in images.items() if not found]
    if without:
        shown = ", ".join(without[:_NAMED]) + (", ..." if len(without) > _NAMED else "")
        notes.append(f"no {split} images of {shown}")
    return images


def _hold_out(splits: Splits, data: DataConfig, notes: list[str]) -> None:
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


def relative_files(images: Mapping[str, Files], root: Path) -> dict[str, Files]:
    """`images` (by class) with their paths relative to `root`."""
    prefix = os.path.join(root, "")
    return {
        name: [
            (path[len(prefix) :] if path.startswith(prefix) else os.path.relpath(path, root), size)
            for path, size in found
        ]
        for name, found in images.items()
    }


def _common_root(*splits: Source | None) -> Path:
    return Path(os.path.commonpath([split.images for split in splits if split is not None]))


def _file_list(images: Mapping[str, Files], labels: Mapping[str, int], in_file_order: bool) -> FileList:
    rows = [(path, labels[name], size) for name, found in images.items() for path, size in found]
    if in_file_order:
        rows.sort()
    return FileList(*(tuple(column) for column in zip(*rows, strict=True))) if rows else FileList((), (), ())
