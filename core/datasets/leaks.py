"""Images that are in two splits: by name, and by content under another name."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

from core.datasets.boxed import Seen
from core.datasets.findings import count, some

_CHUNK = 1 << 16


def shared_images(root: Path, splits: Mapping[str, tuple[Seen, ...]]) -> list[str]:
    """A sentence for each split that has images of the training images, with a few of them.

    Only files of equal size are compared, first by their beginnings, then whole.
    """
    notes = []
    train = {seen.raw.path for seen in splits["train"]}
    sizes: dict[int, list[str]] = {}
    for seen in splits["train"]:
        sizes.setdefault(seen.look.bytes, []).append(seen.raw.path)
    digests: dict[tuple[str, bool], bytes] = {}
    for split, images in splits.items():
        if split == "train":
            continue
        same = [seen.raw.path for seen in images if seen.raw.path in train]
        if same:
            verb = "is" if len(same) == 1 else "are"
            text = f"{count(len(same), 'image')} {verb} in both train and {split}"
            notes.append(f"leak: {text}: {some(same)}")
        twins = []
        for seen in images:
            path = seen.raw.path
            if path in train:
                continue
            alike = sizes.get(seen.look.bytes, [])
            twin = next((other for other in alike if _equal(root, path, other, digests)), None)
            if twin is not None:
                twins.append(f"{path} = {twin}")
        if twins:
            verb = "has" if len(twins) == 1 else "have"
            text = f"{count(len(twins), 'image')} of {split} {verb} the content of a training image"
            notes.append(f"leak: {text}: {some(twins)}")
    return notes


def _equal(root: Path, one: str, other: str, known: dict[tuple[str, bool], bytes]) -> bool:
    return all(
        _digest(root, one, whole, known) == _digest(root, other, whole, known) for whole in (False, True)
    )


def _digest(root: Path, path: str, whole: bool, known: dict[tuple[str, bool], bytes]) -> bytes:
    key = (path, whole)
    if key not in known:
        try:
            with open(os.path.join(root, path), "rb") as file:
                known[key] = (
                    hashlib.file_digest(file, "sha256").digest()
                    if whole
                    else hashlib.sha256(file.read(_CHUNK)).digest()
                )
        except OSError:
            known[key] = path.encode("utf-8", "surrogateescape")
    return known[key]
