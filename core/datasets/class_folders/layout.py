"""Where the splits of a data set lie: folders and lists as the config names them, else found by name."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from core.config.schema import DataConfig, SplitName, SplitPaths
from core.datasets.class_folders.labels import read_listing
from core.datasets.class_folders.lists import (
    by_lists,
    labelled_list,
    left_out,
    list_files,
    list_kind,
    listed,
    one_of,
)
from core.datasets.class_folders.split_folders import (
    PICTURES,
    SPLITS,
    Found,
    Source,
    has_images,
    has_loose_images,
    is_flat,
    no_root,
    no_test_images,
    require_folder,
    split_folders,
    split_in,
    split_word,
    subfolders,
)
from core.datasets.findings import some
from core.errors import DataError, UnreadableError
from core.text import clean

_DEPTH = 3


@dataclass(frozen=True)
class SplitFolders:
    """Where each split lies; `val` is None when a part of train is to be held out."""

    train: Source
    val: Source | None
    test: Source | None
    val_is_test: bool
    notes: tuple[str, ...] = ()


def find_folders(data: DataConfig) -> SplitFolders:
    """The places of train, val and test: as the config names them, else found in `data.root`.

    Without a train folder, `root` itself holds the class folders. Raises DataError with the path tried, or
    with what can be read in two ways.
    """
    root = data.root
    train, test = _given(data.train), _given(data.test)
    val: Source | None = None
    notes: tuple[str, ...] = ()
    if root is not None:
        require_folder(root)
        if train is None:
            found = look(root)
            train, val, test, notes = found.train, found.val, test or found.test, found.notes
        else:
            there = split_folders(root, ignore=train.images)
            val = Source(root / there["val"]) if "val" in there else None
            test = test or (Source(root / there["test"]) if "test" in there else None)
    if train is None:
        raise no_root()
    if data.val is not None:
        val = test if data.val == "test" else _given(data.val)
    if data.val == "test" and test is None:
        where = f"{clean(str(root))} has no folder test" if root is not None else "data.test is not given"
        raise no_test_images(where, "the folder")
    if root is not None and train == Source(root):
        others = [split for split in (val, test) if split is not None]
        if others and (name := split_folders(root).get("train")) is not None:
            where = clean(str(root / name))
            what = "images" if has_images(root / name) else "no images"
            raise DataError(
                f"{where} has {what}, but no class folders, no list of their classes and no boxes in a known "
                f"form: put them in {where}/CLASS, or write {where}/labels.csv (file,label)."
            )
        if others:
            raise DataError(
                f"{clean(str(root))} has {others[0].shown} but no folder train: name it in data.train."
            )
    for split in (train, val, test):
        if split is not None:
            require_folder(split.images)
    return SplitFolders(train, val, test, val is not None and val == test, notes)


def look(root: Path) -> Found:
    """The splits in `root` or in the one folder inside it. Raises DataError for what reads in two ways."""
    base = root
    for _ in range(_DEPTH + 1):
        found = _by_folders(base) or by_lists(base, _by_classes(base)) or _by_parts(base) or _by_classes(base)
        if found is not None:
            where = clean(os.path.relpath(base, root))
            notes = (f"the data set is in {where}", *found.notes) if base != root else found.notes
            return replace(found, notes=notes)
        inner = _only_folder(base)
        if inner is None:
            break
        base = inner
    there = {split: Source(root / name) for split, name in split_folders(root).items()}
    return Found(Source(root), there.get("val"), there.get("test"))


def has_class_folders(root: Path) -> bool:
    """Whether folders in `root`, or in its folder train, look like two classes or more with images."""
    base: Path | None = root
    while base is not None:
        try:
            train = split_folders(base).get("train")
        except DataError:
            return False
        folder = _unwrapped(base / train) if train is not None else base
        names = [name for name in subfolders(folder) if name.lower() not in PICTURES and not split_in(name)]
        with_images = (name for name in names if has_images(folder / name))
        if len(list(islice(with_images, 2))) > 1:
            return True
        base = _only_folder(base) if train is None else None
    return False


def has_classes(root: Path) -> bool:
    """Whether a list or folders in `root` name the classes of its images."""
    try:
        listed = look(root).train.list is not None
    except UnreadableError:
        return True
    except DataError:
        return False
    return listed or has_class_folders(root)


def _given(split: SplitPaths | None) -> Source | None:
    if split is not None and split.images is None:
        raise DataError(
            f"{clean(str(split.annotations or split.list))} has no folder of images: give it too."
        )
    return Source(split.images, split.list) if split is not None and split.images is not None else None


def _by_folders(base: Path) -> Found | None:
    """train/CLASS, val/CLASS, test/CLASS under any of their names, or train/labels.csv beside its images."""
    folders = split_folders(base)
    if "train" not in folders:
        return None
    sources: dict[SplitName, Source] = {}
    notes: list[str] = []
    used: list[Path] = []
    for split, name in folders.items():
        inner = _unwrapped(base / name)
        if split != "train" and not has_images(inner):
            notes.append(f"{clean(name)} is left out: it has no images")
            continue
        lists = [path for path in list_files(inner) if list_kind(path) in ("whole", split)]
        pictures = _pictures_alone(inner)
        if subfolders(inner) and not pictures:
            sources[split] = Source(inner)
        elif lists:
            listing = read_listing(one_of(lists, inner))
            sources[split] = listed(listing.path, [inner, base], listing, split)
            notes += left_out(listing)
        elif split == "train":
            return None
        elif (source := labelled_list(split, inner, pictures, base)) is not None:
            sources[split] = source
            notes += left_out(read_listing(source.list)) if source.list is not None else []
            used += [source.list] if source.list is not None else []
        elif split == "test" or pictures:
            notes.append(f"{clean(name)} is left out: its images have no class folders")
        else:
            sources[split] = Source(inner)
    strange = [name for name in subfolders(base) if name not in folders.values() and has_images(base / name)]
    if strange:
        notes.append(f"{some(strange)} left out: not one of the splits")
    others = [path for path in list_files(base) if path not in used]
    unused = [clean(path.name) for path in others if list_kind(path) is not None]
    if unused:
        notes.append(f"{', '.join(unused)} not used: the folders name the classes")
    return Found(sources["train"], sources.get("val"), sources.get("test"), tuple(notes))


def _pictures_alone(folder: Path) -> list[Path]:
    """The folders in `folder` when all of them hold images rather than classes: `images`, flat."""
    inside = [folder / name for name in subfolders(folder)]
    return inside if all(path.name.lower() in PICTURES and is_flat(path) for path in inside) else []


def _by_parts(base: Path) -> Found | None:
    """CLASS/train, CLASS/val, CLASS/test."""
    parts = {name: {split_word(inner) for inner in subfolders(base / name)} for name in subfolders(base)}
    inside = [name for name in parts if "train" in parts[name]]
    if len(parts) < 2 or not inside:
        return None
    shown = clean(str(base))
    without = [name for name in parts if name not in inside]
    if without:
        if any({"val", "test"} & parts[name] for name in inside):
            raise DataError(
                f"{shown}/{clean(inside[0])} has a folder train, but {shown}/{clean(without[0])} has none: "
                "give every class one, or name the data set in data.root."
            )
        return None
    if not all(is_flat(folder) for name in inside for folder in _part_folders(base / name)):
        raise DataError(
            f"{shown} has a folder train in each of {clean(inside[0])} and {clean(inside[1])}, "
            "with folders in it: if they are data sets, name one in data.root."
        )
    there = {part for found in parts.values() for part in found}
    by_part = {part: Source(base, None, part) for part in SPLITS if part in there}
    return Found(by_part["train"], by_part.get("val"), by_part.get("test"))


def _part_folders(folder: Path) -> list[Path]:
    return [folder / name for name in subfolders(folder) if split_word(name) == "train"]


def _by_classes(base: Path) -> Found | None:
    """Class folders, at least two of them with images."""
    names = subfolders(base)
    if len(names) < 2 or split_folders(base):
        return None
    return Found(Source(base)) if sum(has_images(base / name) for name in names) > 1 else None


def _only_folder(base: Path) -> Path | None:
    """The one folder that has the images, in a folder that has none itself."""
    if has_loose_images(base):
        return None
    names = [name for name in subfolders(base) if has_images(base / name)]
    if len(names) != 1:
        return None
    inner = base / names[0]
    return inner if subfolders(inner) or list_files(inner) else None


def _unwrapped(folder: Path) -> Path:
    """`folder`, or the single folder inside it that has the class folders (`train/train`, `train/images`)."""
    for _ in range(_DEPTH):
        names = subfolders(folder)
        if len(names) != 1 or has_loose_images(folder) or not subfolders(folder / names[0]):
            break
        folder = folder / names[0]
    return folder
