"""Idx files of any set with the names that MNIST's have: EMNIST, KMNIST, one's own."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from core.datasets.class_folders.split_folders import has_loose_images, names_in, subfolders
from core.datasets.findings import some
from core.datasets.pictures import read_idx
from core.datasets.published.catalogue import Published
from core.errors import DataError
from core.reading import is_regular, shown

IDX = "idx"
_NAME = re.compile(
    r"(?P<set>.*?)[-_.]?(?P<split>train|t10k|test)[-_.]?(?P<kind>images|labels)[-_.]idx[13][-_.]u?byte(?:\.gz)?",
    re.IGNORECASE,
)
_DEPTH = 2
_FEW = 8


def is_idx_set(root: Path) -> bool:
    """Whether there are idx files of training pictures and of their labels in `root`, by their names."""
    return any({("train", "images"), ("train", "labels")} <= files.keys() for files in _sets(root).values())


def idx_files(root: Path) -> tuple[Published, Path]:
    """The files of the one set in `root`, and that folder; its classes are called by their numbers.

    Raises DataError when there is none, or more than one.
    """
    whole = {
        name: files
        for name, files in _sets(root).items()
        if {("train", "images"), ("train", "labels")} <= files.keys()
    }
    if len(whole) > 1:
        raise DataError(
            f"{shown(root)} holds the idx files of several sets, {some(sorted(whole))}: put those of one "
            "into a folder of its own."
        )
    if not whole:
        raise DataError(
            f"{shown(root)} has no idx files of training pictures and labels: expected "
            "train-images-idx3-ubyte and train-labels-idx1-ubyte."
        )
    (files,) = whole.values()
    train = files["train", "images"]
    labels = {train: files["train", "labels"]}
    test: tuple[str, ...] = ()
    for word in ("t10k", "test"):
        if (word, "images") in files and (word, "labels") in files:
            test = (files[word, "images"],)
            labels[test[0]] = files[word, "labels"]
    numbers = [int(number) for file in labels.values() for number in set(read_idx(root / file, 1).tolist())]
    names = tuple(map(str, range(max(numbers, default=-1) + 1)))
    return Published("idx files", ".", (train,), test, {}, {}, (), classes=names, labels=labels), root


def _sets(root: Path) -> dict[str, dict[tuple[str, str], str]]:
    """By what is before `train`: the files for each split and kind, as paths below `root`."""
    found: dict[str, dict[tuple[str, str], str]] = {}
    for folder in _folders(root, _DEPTH):
        for name in sorted(names_in(folder)):
            match = _NAME.fullmatch(name)
            if match is None or not is_regular(folder / name):
                continue
            key = match["split"].lower(), match["kind"].lower()
            found.setdefault(match["set"], {}).setdefault(key, os.path.relpath(folder / name, root))
    return found


def _folders(root: Path, depth: int) -> Iterator[Path]:
    """`root` and some folders in it, those with image files passed over."""
    if has_loose_images(root):
        return
    yield root
    names = subfolders(root) if depth else []
    for name in names[:_FEW]:
        yield from _folders(root / name, depth - 1)
