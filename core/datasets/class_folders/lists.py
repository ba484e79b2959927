"""List files found beside images: train.csv, val.txt, or one labels.csv for all."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from core.config.schema import SplitName
from core.datasets.class_folders.labels import Listing, finder, joined_list, read_listing
from core.datasets.class_folders.split_folders import (
    PICTURES,
    SPLITS,
    Found,
    Source,
    has_images,
    names_in,
    split_folders,
    split_in,
    split_named,
    subfolders,
)
from core.datasets.tables import cells_of, first_lines
from core.errors import DataError, UnreadableError
from core.text import clean

_LIST_FOLDERS = ("meta", "splits", "split", "lists", "labels", "annotations", "imagesets")
_WHOLE = re.compile(
    r"labels?|annotations?|data|dataset|metadata|index|list|file_?list|all|image_labels|image_class_labels|"
    r"images_labels|_classes"
)
_SUFFIXES = (".csv", ".tsv", ".txt")
_TRIED = 20
_CORNERS = 4
_NUMBER = re.compile(r"-?\d+(\.\d*)?")


def by_lists(base: Path, classes: Found | None) -> Found | None:
    """The splits that lists in `base` name; `classes` are the class folders found there.

    Raises DataError when lists contradict the folders or each other.
    """
    if (images := joined_list(base)) is not None:
        return _by_rows(read_listing(images), base / "images")
    folders = [base, *(base / name for name in subfolders(base) if name.lower() in _LIST_FOLDERS)]
    by_kind: dict[str, list[Path]] = {}
    for path in (path for folder in folders for path in list_files(folder)):
        if kind := list_kind(path):
            by_kind.setdefault(kind, []).append(path)
    if "train" in by_kind:
        return _split_lists(base, by_kind)
    if "whole" not in by_kind:
        return None
    real_classes = classes is not None and not _are_helpers(base, folders)
    try:
        listing = read_listing(one_of(by_kind["whole"], base))
    except UnreadableError:
        raise
    except DataError as error:
        if not real_classes or classes is None:
            raise
        return replace(classes, notes=(*classes.notes, f"the folders are the classes, not a list: {error}"))
    if real_classes and not listing.has_splits and _agrees(base, listing):
        return None
    source = listed(listing.path, _around(base), listing)
    found = _by_rows(listing, source.images)
    if listing.has_splits or split_in(source.images.name) != "train":
        return found
    return replace(found, notes=(*found.notes, *_without_labels(base, ("train",))))


def _by_rows(listing: Listing, images: Path) -> Found:
    """One list for all images, whose rows may name their splits."""
    if not listing.has_splits:
        return Found(Source(images, listing.path), notes=left_out(listing))
    there = {row.split for row in listing.rows}
    parts = {part: Source(images, listing.path, part) for part in SPLITS if part in there}
    if "train" not in parts:
        raise DataError(f"{clean(str(listing.path))} has no rows of the split train.")
    return Found(parts["train"], parts.get("val"), parts.get("test"), left_out(listing))


def list_files(folder: Path) -> list[Path]:
    """The files in `folder` that may be lists, by name."""
    return [
        folder / name
        for name in sorted(names_in(folder))
        if not name.startswith(".") and name.lower().endswith(_SUFFIXES) and os.path.isfile(folder / name)
    ]


def list_kind(path: Path) -> str | None:
    """The split that a list is for, `whole` for one of all images, or None for another file."""
    if _WHOLE.fullmatch(re.sub(r"[\s-]+", "_", path.stem.lower())):
        return "whole"
    return split_named(path.stem)


def one_of(paths: Sequence[Path], folder: Path) -> Path:
    """The only one of `paths`. Raises DataError when there are more."""
    if len(paths) > 1:
        first, second = (clean(os.path.relpath(path, folder)) for path in paths[:2])
        raise DataError(
            f"{clean(str(folder))} has both {first} and {second}: name the one that counts, as data.train: "
            "{images: FOLDER, list: FILE}."
        )
    return paths[0]


def labelled_list(split: SplitName, folder: Path, pictures: Sequence[Path], base: Path) -> Source | None:
    """The images in `folder`, or in `pictures` in it, by the one list for `split` in these or in `base`.

    None where no list, or more than one, gives a class for each.
    """
    found: list[Source] = []
    for place in dict.fromkeys((folder, *pictures, base)):
        for path in list_files(place):
            if split_in(path.stem) != split and (place == base or list_kind(path) != "whole"):
                continue
            try:
                listing = read_listing(path)
                source = listed(path, [folder], listing, split) if listing.labelled else None
            except DataError:
                continue
            found += [source] if source is not None else []
    return found[0] if len(found) == 1 else None


def listed(
    path: Path, folders: Sequence[Path], listing: Listing | None = None, split: SplitName | None = None
) -> Source:
    """The list `path` with the one of `folders`, or a folder in them, that its paths start from.

    A list for one `split` is not about the folders of another.

    Raises DataError when none fits, or two with different images.
    """
    listing = listing or read_listing(path)
    entries = [row.file for row in listing.rows[:_TRIED]]
    tried = list(dict.fromkeys([path.parent, *_within(folders, split)]))
    fits: dict[str, Path] = {}
    for folder in tried:
        find = finder(folder)
        first = find(entries[0])
        if first is not None and all(find(entry) for entry in entries):
            fits.setdefault(os.path.realpath(first), folder)
    if not fits:
        shown = ", ".join(clean(str(folder)) for folder in tried[:3])
        raise DataError(
            f"{clean(str(path))}:{listing.rows[0].line}: there is no {clean(entries[0])} in {shown}: "
            "say where the images are, as data.train: {images: FOLDER, list: FILE}."
        )
    training = [folder for folder in fits.values() if split_in(folder.name) == "train"]
    if len(training) == 1 and all(split_in(folder.name) for folder in fits.values()):
        return Source(training[0], path)  # images of test are often called as those of train
    if len(fits) > 1:
        first_folder, second_folder = list(fits.values())[:2]
        raise DataError(
            f"{clean(str(path))} matches the images in {clean(str(first_folder))} and those in "
            f"{clean(str(second_folder))}: name one, as data.train: {{images: FOLDER, list: FILE}}."
        )
    return Source(next(iter(fits.values())), path)


def _split_lists(base: Path, by_kind: dict[str, list[Path]]) -> Found:
    sources: dict[SplitName, Source] = {}
    notes: list[str] = []
    labelled = False
    for split in (split for split in SPLITS if split in by_kind):
        path = one_of(by_kind[split], base)
        listing = read_listing(path)
        if split == "train":
            labelled = listing.labelled
        elif labelled and not listing.labelled:
            notes.append(f"{clean(path.name)} is left out: it gives no labels")
            continue
        sources[split] = listed(path, _around(base, split), listing, split)
        notes += left_out(listing)
    notes += _without_labels(base, sources)
    return Found(sources["train"], sources.get("val"), sources.get("test"), tuple(notes))


def _without_labels(base: Path, labelled: Collection[str]) -> list[str]:
    """Sentences on folders of splits that have images, but no labels for them."""
    return [
        f"{clean(name)} is left out: no list gives labels for its images"
        for split, name in split_folders(base).items()
        if split not in labelled and has_images(base / name)
    ]


def _agrees(base: Path, listing: Listing) -> bool:
    """Whether a list says the same as the class folders. Raises DataError when it does not."""
    if not listing.labelled or all(row.label in Path(row.file).parts[:-1] for row in listing.rows):
        return True
    raise DataError(
        f"{clean(str(base))} has class folders, and {clean(listing.path.name)} with other labels: name what "
        "counts, as data.train: {images: FOLDER} or {images: FOLDER, list: FILE}."
    )


def _are_helpers(base: Path, folders: Sequence[Path]) -> bool:
    """Whether what look like class folders are only folders of images and lists."""
    rest = [name for name in subfolders(base) if base / name not in folders]
    return sum(name.lower() not in PICTURES and not split_in(name) for name in rest) < 2


def _around(base: Path, split: SplitName | None = None) -> list[Path]:
    """Folders that may hold the images of a list; not those of another split than the list's."""
    names = [name for name in subfolders(base) if name.lower() in PICTURES or split_in(name)]
    return [base, *(base / name for name in names if split is None or split_in(name) in (None, split))]


def _within(folders: Sequence[Path], split: SplitName | None) -> Iterator[Path]:
    for folder in folders:
        yield from _around(folder, split)


def left_out(listing: Listing) -> tuple[str, ...]:
    """Sentences on rows that give no class, or several."""
    reasons = {"no label": listing.unlabelled, "several classes": listing.several}
    name = clean(listing.path.name)
    told = [
        f"{number} row{'s' if number > 1 else ''} of {name} left out: {reason}"
        for reason, number in reasons.items()
        if number
    ]
    if listing.labelled and _may_have_boxes(listing.path):
        told.append(
            f"columns of numbers in {name} are not read: if they are boxes, call the columns "
            "filename,class,xmin,ymin,xmax,ymax"
        )
    return tuple(told)


def _may_have_boxes(path: Path) -> bool:
    """Whether there are columns of numbers for the corners of boxes, by the first lines of a table."""
    rows = [row for _, row in cells_of(path, first_lines(path)) or ()][1:]
    width = min(map(len, rows), default=0)
    numeric = sum(all(_NUMBER.fullmatch(row[index]) for row in rows) for index in range(width))
    return numeric >= _CORNERS
