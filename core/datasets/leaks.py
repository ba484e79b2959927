"""Images that are in two splits: by name, and by content under another name."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

from core.datasets.boxed import Seen
from core.datasets.findings import count, some

_HEAD = 1 << 16
_Key = tuple[int, bytes]


def shared_images(root: Path, splits: Mapping[str, tuple[Seen, ...]]) -> list[str]:
    """A sentence for each split that has images of the training images, with a few of them.

    Only files of equal size are read: their beginnings, then whole those that begin alike.
    """
    notes = []
    train = {seen.raw.path for seen in splits["train"]}
    others = {split: images for split, images in splits.items() if split != "train"}
    sizes = {seen.look.bytes for images in others.values() for seen in images if seen.raw.path not in train}
    heads: dict[_Key, list[str]] = {}
    for seen in splits["train"]:
        if seen.look.bytes in sizes:
            heads.setdefault(_head(root, seen), []).append(seen.raw.path)
    whole: dict[str, bytes] = {}
    for split, images in others.items():
        same = [seen.raw.path for seen in images if seen.raw.path in train]
        if same:
            verb = "is" if len(same) == 1 else "are"
            text = f"{count(len(same), 'image')} {verb} in both train and {split}"
            notes.append(f"leak: {text}: {some(same)}")
        twins = []
        for seen in images:
            if seen.raw.path in train or seen.look.bytes not in sizes:
                continue
            alike = heads.get(_head(root, seen), []) if heads else []
            twin = next((path for path in alike if _same(root, seen.raw.path, path, whole)), None)
            if twin is not None:
                twins.append(f"{seen.raw.path} = {twin}")
        if twins:
            verb = "has" if len(twins) == 1 else "have"
            text = f"{count(len(twins), 'image')} of {split} {verb} the content of a training image"
            notes.append(f"leak: {text}: {some(twins)}")
    return notes


def _head(root: Path, seen: Seen) -> _Key:
    try:
        with open(os.path.join(root, seen.raw.path), "rb") as file:
            return seen.look.bytes, hashlib.sha256(file.read(_HEAD)).digest()
    except OSError:
        return -1, os.fsencode(seen.raw.path)


def _same(root: Path, one: str, other: str, known: dict[str, bytes]) -> bool:
    return _digest(root, one, known) == _digest(root, other, known)


def _digest(root: Path, path: str, known: dict[str, bytes]) -> bytes:
    if path not in known:
        try:
            with open(os.path.join(root, path), "rb") as file:
                known[path] = hashlib.file_digest(file, "sha256").digest()
        except OSError:
            known[path] = os.fsencode(path)
    return known[path]
