"""Images that are in two splits: by name, and by content under another name."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from core.datasets.findings import count, some

_HEAD = 1 << 16
_Key = tuple[int, bytes]
Files = Sequence[tuple[str, int]]
"""Paths below the root, and bytes."""


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
            heads.setdefault(_head(root, path, size), []).append(path)
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
            alike = heads.get(_head(root, path, size), []) if heads else []
            twin = next((other for other in alike if _same(root, path, other, whole)), None)
            if twin is not None:
                twins.append(f"{path} = {twin}")
        if twins:
            verb = "has" if len(twins) == 1 else "have"
            text = f"{count(len(twins), 'image')} of {split} {verb} the content of a training image"
            notes.append(f"leak: {text}: {some(twins)}")
    return notes


def content_digest(path: str) -> bytes:
    """sha256 of a file's bytes; of its name where it cannot be read, so that it equals no other."""
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    except OSError:
        return hashlib.sha256(os.fsencode(path)).digest()


def _head(root: Path, path: str, size: int) -> _Key:
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
