"""Images that are the same, or nearly: equal files, and pictures that look alike."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.analysis.image_records import Records
from core.analysis.pairs import Integers, equal_pairs, groups_of

BANDS = 8
"""Bands of 16 bits that hashes of 128 are cut into: two that differ in fewer bits than there are bands have
one in common, so only images that share a band are compared."""
MOST_BITS = BANDS - 1
ALIKE = 0.985
"""Least correlation of the grey pictures of 16 x 16 of near duplicates."""
_FLAT = 4.0
"""Below this standard deviation of the small picture only nearly equal grey counts, as noise correlates with
nothing."""
_EQUAL_GREY = 3.0
_MOST_PAIRS = 20_000_000


@dataclass(frozen=True)
class Twins:
    """Groups of records (their places, rising) that are equal, and groups that are equal or look alike and
    are not all equal. `cut`: there were too many look-alikes to compare them all.
    """

    equal: tuple[Integers, ...]
    near: tuple[Integers, ...]
    cut: bool = False


def find_twins(records: Records) -> Twins:
    """The duplicates among `records` (n,); those of images that cannot be read are left out."""
    good = np.flatnonzero(records["fault"] == b"")
    content = np.unique(records["content"][good], return_inverse=True)[1].reshape(-1)
    one, other = _joined(list(equal_pairs(content, _MOST_PAIRS)))
    equal = groups_of(len(good), one, other) if len(one) else []
    # Of equal images one stands for all, so that a set of copies costs nothing.
    _, first = np.unique(content, return_index=True)
    stand = np.sort(first).astype(np.int64)
    pairs, cut = _near(records[good][stand])
    near: list[Integers] = []
    if len(pairs[0]):
        every = np.concatenate((stand[pairs[0]], one)), np.concatenate((stand[pairs[1]], other))
        grouped = groups_of(len(good), *every)
        near = [part for part in grouped if len(np.unique(content[part])) > 1]
    return Twins(tuple(good[part] for part in equal), tuple(good[part] for part in near), cut)


def _near(records: Records) -> tuple[tuple[Integers, Integers], bool]:
    """Pairs of records that look alike; and whether there were too many to compare."""
    found: list[tuple[Integers, Integers]] = []
    hashes = np.ascontiguousarray(records["hash"])
    bands = hashes.view("<u2").reshape(len(records), BANDS)
    small = records["thumb"].astype(np.float32)
    spread = small.std(axis=1)
    scaled = (small - small.mean(axis=1, keepdims=True)) / np.maximum(spread, 1e-6)[:, None]
    flat = spread < _FLAT
    cut = False
    for band in range(BANDS):
        seen = 0
        for one, other in equal_pairs(bands[:, band], _MOST_PAIRS):
            seen += len(one)
            bits = np.bitwise_count(hashes[one] ^ hashes[other]).sum(axis=1)
            close = bits <= MOST_BITS
            one, other = one[close], other[close]
            alike = _alike(one, other, small, scaled, flat)
            found.append((one[alike], other[alike]))
        cut = cut or seen >= _MOST_PAIRS
    one, other = _joined(found)
    return (np.minimum(one, other), np.maximum(one, other)), cut


def _alike(
    one: Integers,
    other: Integers,
    small: NDArray[np.float32],
    scaled: NDArray[np.float32],
    flat: NDArray[np.bool_],
) -> NDArray[np.bool_]:
    correlation = np.einsum("ij,ij->i", scaled[one], scaled[other]) / small.shape[1]
    distance = np.abs(small[one] - small[other]).mean(axis=1)
    either = flat[one] | flat[other]
    alike: NDArray[np.bool_] = np.where(either, distance < _EQUAL_GREY, correlation >= ALIKE)
    return alike


def _joined(parts: list[tuple[Integers, Integers]]) -> tuple[Integers, Integers]:
    if not parts:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    one, other = zip(*parts, strict=True)
    return np.concatenate(one), np.concatenate(other)
