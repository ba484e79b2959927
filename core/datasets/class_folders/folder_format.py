"""The format `folder`: class folders, or lists that name the classes of images."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from core.config.schema import DataConfig
from core.datasets.check import Check, check_images
from core.datasets.class_folders.layout import SplitFolders, find_folders
from core.datasets.class_folders.scan import Names, Scanned, class_order, classes_of, require_classes, scan
from core.datasets.class_folders.split_folders import Source
from core.datasets.class_images import (
    ClassImages,
    Files,
    Splits,
    as_dataset,
    counted_outline,
    hold_out,
    refuse_unreadable,
    relative_files,
    require_images,
)
from core.datasets.dataset import Dataset
from core.datasets.depth import Opening, depth_words, opening_of
from core.datasets.format import Format
from core.datasets.images import fault, glance
from core.datasets.left_out import note as left_out_note
from core.datasets.outline import Outline
from core.datasets.unlisted import unlisted_images
from core.errors import DataError
from core.text import clean, did_you_mean

_NAMED = 5


@dataclass(frozen=True)
class FolderFormat:
    """Class folders. `group_of` gives the group of a class, for sets that have groups."""

    group_of: Callable[[str], str] | None = None

    def detect(self, path: Path) -> bool:
        """Never: what looks like nothing else is taken for class folders."""
        return False

    def has_boxes(self, data: DataConfig) -> bool:
        return False

    def require(self, data: DataConfig) -> None:
        folders = find_folders(data)
        require_classes(folders.train, _names(data, folders))

    def require_usable(self, data: DataConfig) -> None:
        folders = find_folders(data)
        naming = _names(data, folders)
        classes = require_classes(folders.train, naming)
        if data.classes is not None:
            classes = {name: classes[name] for name in data.classes if name in classes}
        limit = Opening(max_megapixels=data.max_megapixels)
        for source in (folders.train, folders.val):
            if source is not None and not _has_readable(source, classes, naming, limit):
                self.open(data)

    def outline(self, data: DataConfig) -> Outline:
        folders = find_folders(data)
        naming = _names(data, folders)
        folder_of = require_classes(folders.train, naming)
        images = {name: len(files) for name, files in scan(folders.train, folder_of, naming).images.items()}
        names, _ = class_order(data, list(folder_of), images, _no_such(folders))
        classes = {name: folder_of[name] for name in names}
        sizes = [
            sum(map(len, scan(source, classes, naming).images.values())) if source is not None else 0
            for source in (folders.val, folders.test)
        ]
        counts = [images[name] for name in names]
        where = clean(str(data.root or folders.train.images))
        val = sizes[0] if folders.val else None
        return counted_outline(data, names, counts, val, sizes[1], folders.val_is_test, where)

    def open(self, data: DataConfig) -> Dataset:
        return self._opened(data)[0]

    def check(self, data: DataConfig, *, deep: bool = False) -> Check:
        return check_images(*self._opened(data), "folder", deep)

    def _opened(self, data: DataConfig) -> tuple[Dataset, dict[str, str]]:
        """The data set, and why each image that is left out of it cannot be read."""
        folders = find_folders(data)
        naming = _names(data, folders)
        all_classes = require_classes(folders.train, naming)
        looked = _Looked(Opening(max_megapixels=data.max_megapixels), list(folders.notes))
        notes = looked.notes
        train = _readable(scan(folders.train, all_classes, naming), looked)
        counts = {name: len(images) for name, images in train.items()}
        names, order_notes = class_order(data, list(all_classes), counts, _no_such(folders))
        notes += order_notes
        classes = {name: all_classes[name] for name in names}
        train = {name: train[name] for name in names}
        require_images(train, folders.train.shown, notes)
        splits: Splits = {"train": train}
        if folders.val is not None:
            splits["val"] = _other_split("val", folders.val, classes, all_classes, naming, looked)
        if folders.test is not None and not folders.val_is_test:
            splits["test"] = _other_split("test", folders.test, classes, all_classes, naming, looked)
        root = data.root or _common_root(folders)
        relative = {split: relative_files(images, root) for split, images in splits.items()}
        if folders.val_is_test:
            notes.append("validation is the test folder: the best epoch is chosen on it")
        groups = tuple(map(self.group_of, names)) if self.group_of else None
        opening = opening_of(root, looked.deep, data.max_megapixels)
        if looked.deep:
            notes.append(depth_words(looked.deep, opening))
        faults = {os.path.relpath(path, root): reason for path, reason in looked.faults.items()}
        if folders.train.list is not None and data.classes is None:
            listed = [path for part in relative.values() for files in part.values() for path, _ in files]
            notes += filter(None, [unlisted_images(root, [*listed, *faults])])
        return as_dataset(data, root, names, relative, notes, groups, opening=opening), faults

    def read(self, data: DataConfig) -> ClassImages:
        folders = find_folders(data)
        naming = _names(data, folders)
        problems: list[str] = []
        try:
            classes = require_classes(folders.train, naming)
        except DataError as error:
            classes = classes_of(folders.train, naming)
            if not classes:
                raise
            problems.append(str(error).rstrip("."))
        train = scan(folders.train, classes, naming).images
        counts = {name: len(images) for name, images in train.items()}
        names, order_notes = class_order(data, list(classes), counts, _no_such(folders))
        notes = [*folders.notes, *order_notes]
        splits: Splits = {}
        sources: dict[str, Source | None] = {
            "train": folders.train,
            "val": folders.val,
            "test": folders.test,
        }
        for split, source in sources.items():
            if source is None or (split == "test" and folders.val_is_test):
                continue
            folder_of = classes_of(source, naming)
            strange = [name for name in folder_of if name not in classes]
            if strange:
                problems.append(
                    f"{source.shown} has a class {strange[0]}, which the training folder does not have"
                )
            scanned = scan(source, {name: folder_of.get(name, classes[name]) for name in names}, naming)
            splits[split] = scanned.images
            notes += scanned.notes
        if not any(images for part in splits.values() for images in part.values()):
            shown = folders.train.shown
            raise DataError(f"{shown} has no images: expected {shown}/CLASS/image.jpg.")
        if folders.val_is_test:
            notes.append("validation is the test folder: the best epoch is chosen on it")
        root = data.root or _common_root(folders)
        splits = {split: relative_files(images, root) for split, images in splits.items()}
        if "val" not in splits:
            hold_out(splits, data, notes)
        return ClassImages(
            "folder", root, names, splits, tuple(problems), tuple(notes), max_megapixels=data.max_megapixels
        )


FORMATS: dict[str, Format] = {"folder": FolderFormat()}


def _names(data: DataConfig, folders: SplitFolders) -> Names:
    return Names(data.root, [folders.train, folders.val, folders.test])


def _no_such(folders: SplitFolders) -> str:
    return f"{clean(str(folders.train.images))} has no such folder"


def _common_root(folders: SplitFolders) -> Path:
    sources = [source for source in (folders.train, folders.val, folders.test) if source is not None]
    return Path(os.path.commonpath([source.images for source in sources]))


def _has_readable(source: Source, classes: Mapping[str, str], naming: Names, limit: Opening) -> bool:
    """Whether an image of a split can be read; looks at no more than are needed to know."""
    folder_of = classes_of(source, naming)
    for name, folder in classes.items():
        images = scan(source, {name: folder_of.get(name, folder)}, naming).images[name]
        if any(fault(path, size, limit) is None for path, size in images):
            return True
    return False


@dataclass
class _Looked:
    """What was seen of the images so far: sentences, paths of more than 8 bits a pixel, faults by path."""

    limit: Opening
    notes: list[str]
    deep: list[str] = field(default_factory=list)
    faults: dict[str, str] = field(default_factory=dict)


def _readable(scanned: Scanned, looked: _Looked) -> dict[str, Files]:
    """The images that can be read; the others are named in the notes."""
    kept: dict[str, Files] = {}
    faults: dict[str, str] = {}
    for name, images in scanned.images.items():
        kept[name] = []
        for path, size in images:
            seen = glance(path, size, looked.limit)
            if seen.fault is None:
                kept[name].append((path, size))
            else:
                faults[path] = seen.fault
            if seen.deep:
                looked.deep.append(path)
    looked.notes += scanned.notes
    if faults:
        looked.notes.append(left_out_note(faults))
        looked.faults |= faults
    return kept


def _other_split(
    split: str,
    source: Source,
    classes: Mapping[str, str],
    all_classes: Mapping[str, str],
    naming: Names,
    looked: _Looked,
) -> dict[str, Files]:
    """Images of val or test for the training classes."""
    folder_of = classes_of(source, naming)
    strange = [name for name in folder_of if name not in all_classes]
    if strange and (source.list is None or folder_of == {name: name for name in folder_of}):
        guess = did_you_mean(strange[0], all_classes)
        raise DataError(
            f"{source.shown} has a class {strange[0]}, which the training folder does not have{guess}."
        )
    notes = looked.notes
    before = len(notes)
    chosen = {name: folder_of.get(name, folder) for name, folder in classes.items()}
    images = _readable(scan(source, chosen, naming), looked)
    if not any(images.values()):
        refuse_unreadable(source.shown, notes[before:])
        raise DataError(f"{source.shown} has no images of the training classes.")
    without = [name for name, files in images.items() if not files]
    if without:
        shown = ", ".join(without[:_NAMED]) + (", ..." if len(without) > _NAMED else "")
        notes.append(f"no {split} images of {shown}")
    return images
