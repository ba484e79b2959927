"""Images that are in two splits: by name, and by content under another name."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path

from core.datasets.findings import count, some

_HEAD = 1 << 14
_Key = tuple[int, bytes]
Files = Sequence[tuple[str, int]]
"""Paths below the root, and bytes."""
Filed = tuple[str, int, str]
"""A path below the root, bytes, and the class of the image, empty where images have none."""


def shared_images(root: Path, splits: Mapping[str, Files]) -> list[str]:
    """A sentence for each split that has images of the training images, with a few of them.

    Only files of equal size are read: their beginnings, then whole those that begin alike.
    """
    notes = []
    train = {path for path, _ in splits["train"]}
    others = {split: images for split, images in splits.items() if split != "train"}
    sizes = {size for images in others.values() for path, size in images if path not in train}
    heads: dict[_Key, list[str]] = {}
    for path, size in splits["train"]:
        if size in sizes:
            heads.setdefault(_head(root, size, path), []).append(path)
    whole: dict[str, bytes] = {}
    for split, images in others.items():
        same = [path for path, _ in images if path in train]
        if same:
            verb = "is" if len(same) == 1 else "are"
            text = f"{count(len(same), 'image')} {verb} in both train and {split}"
            notes.append(f"leak: {text}: {some(same)}")
        twins = []
        for path, size in images:
            if path in train or size not in sizes:
                continue
            alike = heads.get(_head(root, size, path), []) if heads else []
            twin = next((other for other in alike if _same(root, path, other, whole)), None)
            if twin is not None:
                twins.append(f"{path} = {twin}")
        if twins:
            verb = "has" if len(twins) == 1 else "have"
            text = f"{count(len(twins), 'image')} of {split} {verb} the content of a training image"
            notes.append(f"leak: {text}: {some(twins)}")
    return notes


def repeated_images(root: Path, splits: Mapping[str, Sequence[Filed]]) -> list[str]:
    """Sentences on images with the content of another: under two classes anywhere, or twice in one split.

    Reads as `shared_images` does.
    """
    in_two: list[str] = []
    copies: dict[str, list[str]] = {split: [] for split in splits}
    for group in _same_contents(root, [(split, *row) for split, files in splits.items() for row in files]):
        by_class = {name: path for _, name, path in reversed(group)}
        if len(by_class) > 1:
            in_two.append(" = ".join(sorted(by_class.values())))
            continue
        for split in splits:
            first, *others = sorted({path for other, _, path in group if other == split}) or [""]
            copies[split] += [f"{path} = {first}" for path in others]
    told = []
    if in_two:
        verb = "is" if len(in_two) == 1 else "are"
        told.append(f"{count(len(in_two), 'image')} {verb} in two classes: {some(in_two)}")
    for split, pairs in copies.items():
        if pairs:
            verb = "is a copy of another" if len(pairs) == 1 else "are copies of others"
            told.append(f"{count(len(pairs), f'{split} image')} {verb}: {some(pairs)}")
    return told


def _same_contents(
    root: Path, rows: Sequence[tuple[str, str, int, str]]
) -> Iterable[list[tuple[str, str, str]]]:
    """Files of one content, two or more: split, class and path; `rows` are split, path, bytes and class."""
    by_size: dict[int, list[tuple[str, str, str]]] = {}
    for split, path, size, name in rows:
        by_size.setdefault(size, []).append((split, name, path))
    for size, alike in by_size.items():
        for head, same in _grouped(alike, partial(_head, root, size)):
            if size <= _HEAD or head[0] < 0:
                yield same
            else:
                for _, whole in _grouped(same, lambda path: (0, content_digest(os.path.join(root, path)))):
                    yield whole


def _grouped(
    rows: Sequence[tuple[str, str, str]], key: Callable[[str], _Key]
) -> Iterable[tuple[_Key, list[tuple[str, str, str]]]]:
    """Rows by the `key` of their path, where there are two paths of one."""
    groups: dict[_Key, list[tuple[str, str, str]]] = {}
    if len({path for _, _, path in rows}) > 1:
        for row in rows:
            groups.setdefault(key(row[2]), []).append(row)
    return [(key, group) for key, group in groups.items() if len({path for _, _, path in group}) > 1]


def content_digest(path: str) -> bytes:
    """sha256 of a file's bytes; of its name where it cannot be read, so that it equals no other."""
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    except OSError:
        return hashlib.sha256(os.fsencode(path)).digest()


def _head(root: Path, size: int, path: str) -> _Key:
    try:
        with open(os.path.join(root, path), "rb") as file:
            return size, hashlib.sha256(file.read(_HEAD)).digest()
    except OSError:
        return -1, os.fsencode(path)


def _same(root: Path, one: str, other: str, known: dict[str, bytes]) -> bool:
    for path in (one, other):
        if path not in known:
            known[path] = content_digest(os.path.join(root, path))
    return known[one] == known[other]
