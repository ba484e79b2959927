"""Finding folders of images and of annotations beside each other, for all formats with boxes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

from core.config.schema import DataConfig, SplitPaths
from core.datasets.boxes.annotations import BoxPlaces, BoxSource
from core.datasets.class_folders.split_folders import (
    SPLITS,
    names_in,
    no_root,
    no_test_images,
    require_folder,
    subfolders,
)
from core.datasets.images import SUFFIXES
from core.datasets.walk import files_in, is_junk
from core.text import clean

IMAGE_FOLDERS = (
    "jpegimages",
    "images",
    "image",
    "imgs",
    "img",
    "pictures",
    "photos",
    "jpg",
    "jpeg",
    "png",
    "data",
)
ANNOTATION_FOLDERS = ("annotations", "annotation", "xmls", "xml", "labels", "label", "anns", "bboxes")
_DEPTH = 3
_LOOKED_AT = 5000
_FEW = 8


def has(folder: Path, *endings: str) -> bool:
    """Whether there is a file with one of these endings below `folder`, among the first few thousand."""
    names = (entry.name for entry in islice(files_in(folder), _LOOKED_AT))
    return any(name.lower().endswith(endings) and not is_junk(name) for name in names)


def has_directly(folder: Path, *endings: str) -> bool:
    """Whether there is a file with one of these endings right in `folder`."""
    return any(name.lower().endswith(endings) and not is_junk(name) for name in names_in(folder))


def images_near(folder: Path, *, but: Path | None = None) -> Path | None:
    """The folder with images: one in `folder` of a usual name, else `folder` itself, else the only one."""
    inside = [folder / name for name in subfolders(folder) if folder / name != but]
    usual = [path for path in inside if path.name.lower() in IMAGE_FOLDERS and has(path, *SUFFIXES)]
    if usual:
        return min(usual, key=lambda path: IMAGE_FOLDERS.index(path.name.lower()))
    if has_directly(folder, *SUFFIXES):
        return folder
    with_images = [path for path in inside if has(path, *SUFFIXES)] if len(inside) <= _FEW else []
    return with_images[0] if len(with_images) == 1 else None


def annotations_near(folder: Path, ending: str) -> Path | None:
    """The folder with annotation files: one of a usual name, else `folder` itself, else the only one."""
    inside = [folder / name for name in subfolders(folder)]
    usual = [path for path in inside if path.name.lower() in ANNOTATION_FOLDERS and has(path, ending)]
    if usual:
        return min(usual, key=lambda path: ANNOTATION_FOLDERS.index(path.name.lower()))
    if has_directly(folder, ending):
        return folder
    with_files = [path for path in inside if has_directly(path, ending)] if len(inside) <= _FEW else []
    return with_files[0] if len(with_files) == 1 else None


def bases(root: Path) -> Iterator[Path]:
    """`root`, then the one folder inside it, and so on: archives often unpack into a folder of their own."""
    base = root
    for _ in range(_DEPTH + 1):
        yield base
        inner = [
            name for name in subfolders(base) if name.lower() not in (*IMAGE_FOLDERS, *ANNOTATION_FOLDERS)
        ]
        if len(inner) != 1:
            return
        base = base / inner[0]


def given(
    data: DataConfig,
    root: Path | None,
    complete: Callable[[BoxSource, Path | None], BoxSource],
    found: Callable[[Path], BoxPlaces],
) -> BoxPlaces:
    """The splits as the config names them, each made whole by `complete`; without any, as `found` finds them.

    Raises DataError when data.val is test and there is none.
    """
    if root is not None:
        require_folder(root if root.is_dir() or not root.exists() else root.parent)
    named = {
        split: complete(BoxSource(split, paths.images, paths.annotations, paths.list), root)
        for split in SPLITS
        if isinstance(paths := getattr(data, split), SplitPaths)
    }
    if "train" not in named:
        if root is None:
            raise no_root()
        places = found(root)
        train, val, test, base = places.train, places.val, places.test, places.root
        notes, names = places.notes, places.names
    else:
        train, val, test, notes, names = named["train"], None, None, (), None
        base = root if root is not None and root.is_dir() else common_root(*named.values())
    val, test = named.get("val", val), named.get("test", test)
    if data.val == "test":
        if test is None:
            shown = clean(str(root)) if root is not None else "the config"
            raise no_test_images(f"{shown} names no test images", "their folder")
        val = replace(test, split="val")
    sources = [source for source in (train, val, test) if source is not None]
    if not all(inside(base, path) for source in sources for path in folders_of(source)):
        base = common_root(*sources)
    return BoxPlaces(base, train, val, test, data.val == "test", names, notes)


def folders_of(source: BoxSource) -> Iterator[Path]:
    """The folders of images of a split."""
    for part in (source, *source.more):
        if part.images is not None:
            yield part.images


def inside(base: Path, path: Path) -> bool:
    """Whether `path` is `base` or lies below it, as written."""
    return path == base or base in path.parents


def common_root(*sources: BoxSource) -> Path:
    """The nearest folder that holds the images of all splits."""
    return Path(os.path.commonpath([path for source in sources for path in folders_of(source)]))
