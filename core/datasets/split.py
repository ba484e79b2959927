"""Holding a validation part out of the training images."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence


def held_out(
    images: Mapping[str, Sequence[str]], ratio: float, seed: int, *, stratify: bool = True
) -> frozenset[str]:
    """The paths to hold out of `images` (paths by class, relative to the root).

    Each path gets a place in line by a hash of it and `seed`, so the choice depends on neither the order nor
    the machine, and files added later leave the others where they are. Stratified: the share `ratio` of
    every class, rounded, at least one of a class with two or more images. Never all images of a class.
    """
    if stratify:
        return frozenset(path for paths in images.values() for path in _first(paths, ratio, seed))
    free = [path for paths in images.values() for path in sorted(paths, key=_by(seed))[:-1]]
    everything = sum(map(len, images.values()))
    return frozenset(sorted(free, key=_by(seed))[: max(1, round(everything * ratio))])


def _first(paths: Sequence[str], ratio: float, seed: int) -> list[str]:
    if len(paths) < 2:
        return []
    count = min(max(1, round(len(paths) * ratio)), len(paths) - 1)
    return sorted(paths, key=_by(seed))[:count]


def _by(seed: int) -> Callable[[str], bytes]:
    return lambda path: _rank(path, seed)


def _rank(path: str, seed: int) -> bytes:
    return hashlib.blake2b(f"{seed}\0{path}".encode(), digest_size=16).digest()
