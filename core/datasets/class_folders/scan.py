"""The format `folder`: images in class folders at any depth, or in lists that name their classes."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from core.config.schema import DataConfig
from core.datasets.class_folders.class_names import class_names_in, named
from core.datasets.class_folders.labels import Listing, Row, finder, read_listing
from core.datasets.class_folders.split_folders import (
    Source,
    class_folders,
    has_loose_images,
    links_back,
    names_in,
    part_folder,
    subfolders,
)
from core.datasets.images import is_image_name, unread_words
from core.datasets.names import spelled, visible
from core.datasets.walk import NOT_FOLLOWED, files_in, is_text, not_text
from core.errors import DataError
from core.reading import as_on_disk, exists, is_file
from core.reading import shown as shown_path
from core.text import clean, did_you_mean


@dataclass
class Scanned:
    """Images of one split by class name: paths (as given, not relative) and sizes, sorted by path."""

    images: dict[str, list[tuple[str, int]]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


class Names:
    """Class names of labels in lists: the labels themselves, or the names in classes.txt for numbers.

    `folders` are the names of the class folders of all splits.
    """

    def __init__(self, root: Path | None, sources: Sequence[Source | None]) -> None:
        given = [source for source in sources if source is not None]
        lists = [source for source in given if labelled(source)]
        self.folders = [subfolders(source.images) for source in given if not labelled(source)]
        labels = dict.fromkeys(row.label or "" for source in lists for row in rows_of(source))
        self._of: Mapping[str, str] = {label: label for label in labels}
        places = [root, *(folder for s in lists if s.list for folder in (s.list.parent, s.images))]
        files = [folder / "classes.txt" for folder in dict.fromkeys(places) if folder is not None]
        file = next((file for file in files if exists(file)), None)
        if not labels or not all(label.isdecimal() for label in labels):
            return
        train = sources[0] if sources else None
        folders = _by_number(class_folders(train.images)) if train and not labelled(train) else {}
        if all(int(label) in folders for label in labels):
            self._of = {label: folders[int(label)] for label in labels}
        elif file is not None and (names := class_names_in(file)) is not None:
            self._of = named(list(labels), names, lists[0].shown)

    def __call__(self, label: str | None) -> str:
        return self._of[label or ""]


def _by_number(names: Collection[str]) -> dict[int, str]:
    """Class folders by the numbers that they are called: 7 is `00007`; nothing where one is no number."""
    numbers = {int(name): name for name in names if name.isdecimal()}
    return numbers if len(numbers) == len(names) else {}


def labelled(source: Source) -> bool:
    """Whether the classes come from a list."""
    return source.list is not None and _listing(source).labelled


def rows_of(source: Source) -> list[Row]:
    """The rows of a source's list that are of its split."""
    return [row for row in _listing(source).rows if source.part in (None, row.split)]


def classes_of(source: Source, names: Names) -> dict[str, str]:
    """Class name to folder name (or, in a list with labels, to itself), in the order of names."""
    if not labelled(source):
        return class_folders(source.images, names.folders)
    found = dict.fromkeys(names(row.label) for row in rows_of(source))
    numbers = all(name.isdecimal() for name in found)
    return {name: name for name in sorted(found, key=lambda name: (int(name) if numbers else 0, name))}


def require_classes(source: Source, names: Names) -> dict[str, str]:
    """`classes_of` the training images. Raises DataError for fewer than two."""
    found = classes_of(source, names)
    if not found:
        shown = clean(str(source.images))
        loose = has_loose_images(source.images)
        what = "images but no class folders" if loose else "no class folders"
        raise DataError(f"{shown} has {what}: expected {shown}/CLASS/image.jpg.")
    if len(found) == 1:
        shown = source.shown if labelled(source) else clean(str(source.images))
        raise DataError(f"{shown} has only one class ({next(iter(found))}): at least two are needed.")
    return found


def scan(source: Source, classes: Mapping[str, str], names: Names | None = None) -> Scanned:
    """The images of `source` for `classes` (name to folder name); with a list, only those it names."""
    if source.list is not None:
        return _from_list(source, classes, names or Names(None, [source]))
    scanned = Scanned()
    outside = 0
    others: list[str] = []
    told = [f"{shown_path(name)} {NOT_FOLLOWED}" for name in links_back(source.images)]
    unwritten: list[str] = []
    for shown, name in classes.items():
        base: Path | None = source.images / name
        if source.part is not None and base is not None:
            outside += sum(map(is_image_name, names_in(base)))
            base = part_folder(base, source.part)
        images: list[tuple[str, int]] = []
        if base is not None and base.is_dir():
            for path, size in _files(base, told):
                if not is_image_name(os.path.basename(path)):
                    others += [path] if not os.path.basename(path).startswith(".") else []
                elif is_text(path):
                    images.append((path, size))
                else:
                    unwritten.append(os.path.relpath(path, source.images))
        scanned.images[shown] = sorted(images)
    scanned.notes += told
    if unwritten:
        scanned.notes.append(not_text(unwritten))
    if others:
        where = "in class folders that"
        text = _count(len(others), "file", f"{where} is not an image", f"{where} are no images")
        scanned.notes.append(f"{text}{unread_words(others)}")
    if outside and source.part == "train":
        scanned.notes.append(_count(outside, "image", "next to the folders train, val and test", ""))
    loose = [name for name in names_in(source.images) if is_image_name(name)] if source.part is None else []
    if loose:
        shown = clean(str(source.images))
        scanned.notes.append(_count(len(loose), "image", f"outside class folders, in {shown}", ""))
    return scanned


def class_order(
    data: DataConfig,
    classes: Sequence[str],
    counts: Mapping[str, int],
    where: str,
    in_file: Sequence[str] | None = None,
) -> tuple[tuple[str, ...], list[str]]:
    """The classes to use, in order, and notes. Raises DataError for names that are not there.

    `where` is what has the classes, for people; `in_file` their order there, for formats that have one.
    """
    if data.classes is not None:
        wanted: Sequence[str] = [_as_class(name, classes) for name in data.classes]
        for name in wanted:
            if name not in classes:
                guess = did_you_mean(name, classes)
                raise DataError(f"data.classes names '{name}', but {where}{guess}.")
        left_out = [name for name in classes if name not in wanted]
        return tuple(wanted), [_left_out_classes(left_out)] if left_out else []
    if data.order == "frequency":
        return tuple(sorted(classes, key=lambda name: (-counts[name], name))), []
    if data.order == "file":
        if in_file is not None:
            return tuple(in_file), []
        return _from_file((data.root or Path()) / "classes.txt", list(classes)), []
    return tuple(classes), []


def _as_class(name: str, classes: Sequence[str]) -> str:
    """How a name in the config is written in the set, where only white space or accents tell it apart."""
    return next((each for each in (visible(name), spelled(name)) if each in classes), spelled(name))


def _listing(source: Source) -> Listing:
    assert source.list is not None
    return read_listing(source.list)


def _from_file(file: Path, names: list[str]) -> tuple[str, ...]:
    shown = clean(str(file))
    found = class_names_in(file)
    if found is None:
        raise DataError(f"data.order is file, but {shown} cannot be read: one class name a line.")
    wanted = found.written if sorted(found.written) == sorted(names) else found.names
    if sorted(wanted) != sorted(names):
        odd = sorted(set(wanted) ^ set(names)) or [name for name in wanted if wanted.count(name) > 1]
        raise DataError(f"{shown} does not name each class folder once: see '{odd[0]}'.")
    return wanted


def _from_list(source: Source, classes: Mapping[str, str], names: Names) -> Scanned:
    shown, with_labels = source.shown, labelled(source)
    by_folder = {name: shown_name for shown_name, name in classes.items()}
    known = set(subfolders(source.images))
    scanned = Scanned({name: [] for name in classes})
    find, prefix = finder(source.images), os.path.join(source.images, "")
    found: dict[str, str] = {}
    for row in rows_of(source):
        entry = as_on_disk(os.path.join(prefix, row.file)).removeprefix(prefix)
        parts = Path(entry).parts
        if with_labels:
            name: str | None = names(row.label)
            fits = bool(parts) and ".." not in parts and not os.path.isabs(entry)
        else:
            fits = len(parts) > 1 and ".." not in parts and not os.path.isabs(entry) and parts[0] in known
            name = by_folder.get(parts[0]) if fits else None
        if not fits:
            wanted = "the path of an image in " + clean(str(source.images)) if with_labels else "CLASS/image"
            raise DataError(f"{shown}:{row.line}: expected {wanted}, got '{clean(entry)}'.")
        path = find(entry)
        if path is None:
            there = clean(os.path.join(source.images, entry))
            raise DataError(f"{shown}:{row.line}: {there} does not exist.")
        path = os.path.normpath(path)
        if name not in scanned.images or found.get(path) == name:
            continue
        if path in found:
            raise DataError(f"{shown}:{row.line}: {clean(path)} is labelled {name} and {found[path]}.")
        found[path] = name
        scanned.images[name].append((path, os.stat(path).st_size))
    for images in scanned.images.values():
        images.sort()
    return scanned


def _files(folder: Path, told: list[str]) -> Iterator[tuple[str, int]]:
    """Files below `folder` with their sizes.

    What is named like an image and is no file (a named pipe, a dead link) comes too, to be told of.
    """
    for entry in files_in(folder, _is_hidden, told):
        if is_file(entry):
            yield entry.path, entry.stat().st_size
        elif is_image_name(entry.name):
            yield entry.path, 0


def _is_hidden(name: str) -> bool:
    return name.startswith(".")


def _count(number: int, thing: str, one: str, more: str) -> str:
    if number == 1:
        return f"1 {thing} {one} left out"
    return f"{number} {thing}s {more or one} left out"


def _left_out_classes(names: list[str]) -> str:
    shown = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
    return f"{len(names)} class{'es' if len(names) > 1 else ''} left out, not in data.classes: {shown}"
