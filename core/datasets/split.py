"""Holding a validation part out of the training images."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence

from core.config.schema import Split


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


def held_out_images(
    classes: Mapping[str, Collection[str]], counts: Mapping[str, int], split: Split
) -> frozenset[str]:
    """The paths to hold out of images (path to the classes of its objects) when they have several each.

    Stratified by each image's rarest class, of the `counts` objects of all; those without objects are a group
    of their own.
    """
    groups: dict[str, list[str]] = {}
    for path, names in classes.items():
        rarest = min(names, key=lambda name: (counts[name], name), default="")
        groups.setdefault(rarest, []).append(path)
    return held_out(groups, split.ratio, split.seed, stratify=split.stratify)


def held_out_count(counts: Sequence[int], ratio: float, *, stratify: bool = True) -> int:
    """How many images `held_out` takes of classes with `counts` images."""
    if stratify:
        return sum(_share(count, ratio) for count in counts)
    free = sum(max(0, count - 1) for count in counts)
    return min(free, max(1, round(sum(counts) * ratio)))


def _first(paths: Sequence[str], ratio: float, seed: int) -> list[str]:
    return sorted(paths, key=_by(seed))[: _share(len(paths), ratio)]


def _share(count: int, ratio: float) -> int:
    return min(max(1, round(count * ratio)), count - 1) if count > 1 else 0


def _by(seed: int) -> Callable[[str], bytes]:
    return lambda path: _rank(path, seed)


def _rank(path: str, seed: int) -> bytes:
    return hashlib.blake2b(f"{seed}\0{path}".encode(), digest_size=16).digest()
