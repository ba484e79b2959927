"""The format `folder`: one folder for each class, images inside at any depth."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from core.config.schema import DataConfig, SplitPaths
from core.datasets.images import is_image_name
from core.errors import DataError
from core.text import clean, did_you_mean

_TRAIN = ("train", "training")
_VAL = ("val", "valid", "validation")
_TEST = ("test", "testing")
_NO_CLASS = frozenset({"__MACOSX", "__pycache__", "lost+found"})


@dataclass(frozen=True)
class SplitFolders:
    """Where each split lies; `val` is None when a part of train is to be held out."""

    train: SplitPaths
    val: SplitPaths | None
    test: SplitPaths | None
    val_is_test: bool


@dataclass
class Scanned:
    """Images of one split by class name: paths (as given, not relative) and sizes, sorted by path."""

    images: dict[str, list[tuple[str, int]]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def find_folders(data: DataConfig) -> SplitFolders:
    """The folders of train, val and test: as the config names them, else found in `data.root`.

    Without a train folder, `root` itself holds the class folders. Raises DataError with the path tried.
    """
    root = data.root
    if root is not None:
        require_folder(root)
    train = data.train or _inside(root, _TRAIN)
    if train is None and root is not None:
        inner = _only_child_with_train(root)
        if inner is not None:
            raise DataError(f"{clean(str(root))} has no class folders; did you mean {clean(str(inner))}?")
        train = SplitPaths(images=root)
    if train is None:
        raise DataError("data.root must be given: the folder of the data set.")
    test = data.test or _inside(root, _TEST)
    val = _inside(root, _VAL) if data.val is None else test if data.val == "test" else data.val
    if data.val == "test" and test is None:
        where = f"{clean(str(root))} has no folder test" if root is not None else "data.test is not given"
        raise DataError(
            f"data.val is test, but {where}: name the folder in data.test, or set data.val to null "
            "to hold a part of the training images out."
        )
    if root is not None and train.images == root:
        others = [split for split in (val, test) if split is not None]
        if others:
            other = clean(str(others[0].images))
            raise DataError(f"{clean(str(root))} has {other} but no folder train: name it in data.train.")
    folders = SplitFolders(train, val, test, val_is_test=val is not None and val == test)
    for split in (train, val, test):
        if split is not None:
            require_folder(split.images)
    return folders


def require_folder(folder: Path) -> None:
    """Raise DataError, with the absolute path, unless `folder` is one that can be listed."""
    shown = clean(str(folder))
    if not folder.exists():
        nearest = next(parent for parent in folder.parents if parent.exists())
        hint = did_you_mean(folder.name, _names(nearest)) if nearest == folder.parent else ""
        raise DataError(f"{shown} does not exist{hint}: correct the path in the config, or give --data.")
    if not folder.is_dir():
        raise DataError(f"{shown} is not a folder.")
    if not os.access(folder, os.R_OK | os.X_OK):
        raise DataError(f"{shown} may not be read: change its permissions.")


def class_folders(folder: Path) -> dict[str, str]:
    """Class name (cleaned) to folder name, sorted by name. Raises DataError when two names look the same."""
    found: dict[str, str] = {}
    for name in sorted(_names(folder)):
        if name.startswith(".") or name in _NO_CLASS or not os.path.isdir(folder / name):
            continue
        shown = clean(name)
        if shown in found:
            raise DataError(f"{clean(str(folder))} has two class folders that read {shown!r}: rename one.")
        found[shown] = name
    return found


def require_classes(folder: Path) -> dict[str, str]:
    """`class_folders` of a training folder. Raises DataError for fewer than two."""
    found = class_folders(folder)
    shown = clean(str(folder))
    if not found:
        loose = any(is_image_name(name) for name in _names(folder))
        what = "images but no class folders" if loose else "no class folders"
        raise DataError(f"{shown} has {what}: expected {shown}/CLASS/image.jpg.")
    if len(found) == 1:
        raise DataError(f"{shown} has only one class ({next(iter(found))}): at least two are needed.")
    return found


def scan(split: SplitPaths, classes: Mapping[str, str]) -> Scanned:
    """The images of `split` for `classes` (name to folder name); with a list file, only those it names."""
    scanned = _listed(split, classes) if split.list is not None else Scanned()
    if split.list is None:
        other = 0
        for shown, name in classes.items():
            images: list[tuple[str, int]] = []
            base = os.path.join(split.images, name)
            if os.path.isdir(base):
                for path, size in _walk(base):
                    if is_image_name(os.path.basename(path)) and _encodable(path):
                        images.append((path, size))
                    elif not os.path.basename(path).startswith("."):
                        other += 1
            scanned.images[shown] = sorted(images)
        if other:
            scanned.notes.append(
                _count(other, "file", "in class folders that is no image", "that are no images")
            )
    loose = [name for name in _names(split.images) if is_image_name(name)] if split.list is None else []
    if loose:
        shown = clean(str(split.images))
        scanned.notes.append(_count(len(loose), "image", f"outside class folders, in {shown}", ""))
    return scanned


def class_order(
    data: DataConfig, folders: Mapping[str, str], counts: Mapping[str, int], train: Path
) -> tuple[tuple[str, ...], list[str]]:
    """The classes to use, in order, and notes. Raises DataError for names that are not there."""
    names = list(folders)
    if data.classes is not None:
        wanted: Sequence[str] = [clean(name) for name in data.classes]
        for name in wanted:
            if name not in folders:
                guess = did_you_mean(name, names)
                raise DataError(
                    f"data.classes names '{name}', but {clean(str(train))} has no such folder{guess}."
                )
        left_out = [name for name in names if name not in wanted]
        return tuple(wanted), [_left_out_classes(left_out)] if left_out else []
    if data.order == "frequency":
        return tuple(sorted(names, key=lambda name: (-counts[name], name))), []
    if data.order == "file":
        return _from_file((data.root or train) / "classes.txt", names), []
    return tuple(names), []


def _from_file(file: Path, names: list[str]) -> tuple[str, ...]:
    shown = clean(str(file))
    try:
        lines = [clean(line.strip()) for line in file.read_text(encoding="utf-8-sig").splitlines()]
    except (OSError, UnicodeDecodeError):
        raise DataError(f"data.order is file, but {shown} cannot be read: one class name a line.") from None
    wanted = [line for line in lines if line]
    if sorted(wanted) != sorted(names):
        odd = sorted(set(wanted) ^ set(names)) or [name for name in wanted if wanted.count(name) > 1]
        raise DataError(f"{shown} does not name each class folder once: see '{odd[0]}'.")
    return tuple(wanted)


def _listed(split: SplitPaths, classes: Mapping[str, str]) -> Scanned:
    file = split.list
    assert file is not None
    shown_file = clean(str(file))
    by_folder = {name: shown for shown, name in classes.items()}
    known = set(class_folders(split.images).values())
    scanned = Scanned({shown: [] for shown in classes})
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        said = getattr(error, "strerror", None) or "not UTF-8 text"
        raise DataError(f"{shown_file} cannot be read: {said}.") from None
    seen: set[str] = set()
    for number, line in enumerate(lines, 1):
        entry = line.strip()
        if not entry or entry.startswith("#") or entry in seen:
            continue
        seen.add(entry)
        parts = Path(entry).parts
        path = os.path.join(split.images, entry)
        if os.path.isabs(entry) or ".." in parts or len(parts) < 2 or parts[0] not in known:
            raise DataError(f"{shown_file}:{number}: expected CLASS/image, got '{clean(entry)}'.")
        try:
            size = os.stat(path).st_size
        except OSError:
            raise DataError(f"{shown_file}:{number}: {clean(path)} does not exist.") from None
        if parts[0] in by_folder:
            scanned.images[by_folder[parts[0]]].append((path, size))
    for images in scanned.images.values():
        images.sort()
    return scanned


def _walk(folder: str) -> Iterator[tuple[str, int]]:
    """Files below `folder` with their sizes; linked folders below it are not followed."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                if not entry.name.startswith("."):
                    yield from _walk(entry.path)
            elif entry.is_file():
                yield entry.path, entry.stat().st_size


def _inside(root: Path | None, names: Sequence[str]) -> SplitPaths | None:
    if root is None:
        return None
    return next((SplitPaths(images=root / name) for name in names if (root / name).is_dir()), None)


def _only_child_with_train(root: Path) -> Path | None:
    folders = list(class_folders(root).values())
    inner = root / folders[0] if len(folders) == 1 else None
    return inner if inner is not None and _inside(inner, _TRAIN) else None


def _names(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _encodable(path: str) -> bool:
    return not any("\ud800" <= sign <= "\udfff" for sign in path)


def _count(number: int, thing: str, one: str, more: str) -> str:
    if number == 1:
        return f"1 {thing} {one} left out"
    return f"{number} {thing}s {more or one} left out"


def _left_out_classes(names: list[str]) -> str:
    shown = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
    return f"{len(names)} class{'es' if len(names) > 1 else ''} left out, not in data.classes: {shown}"
