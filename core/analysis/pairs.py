"""Pairs of rows that have a value in common, and groups that such pairs make."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]


def equal_pairs(values: NDArray[np.generic], most: int | None = None) -> Iterator[tuple[Integers, Integers]]:
    """All pairs (i, j) of places in `values` (n,) with the same value, block by block, each once.

    With `most`, it ends after the block in which so many pairs are reached.
    """
    order = np.argsort(values, kind="stable").astype(np.int64)
    ranked = values[order]
    places = np.arange(len(order))
    step, found = 0, 0
    while True:
        step += 1
        places = places[places + step < len(order)]
        places = places[ranked[places] == ranked[places + step]]
        if not len(places) or (most is not None and found >= most):
            return
        found += len(places)
        yield order[places], order[places + step]


def groups_of(size: int, one: Integers, other: Integers) -> list[Integers]:
    """Sets of rows (of 0 to size - 1) that the pairs (one[k], other[k]) join, those with two or more.

    Each set is sorted; sets come in the order of their first rows.
    """
    label = np.arange(size, dtype=np.int64)
    while True:
        low = np.minimum(label[one], label[other])
        before = label.copy()
        np.minimum.at(label, one, low)
        np.minimum.at(label, other, low)
        label = label[label]
        if np.array_equal(label, before):
            break
    involved = np.unique(np.concatenate((one, other)))
    order = involved[np.argsort(label[involved], kind="stable")]
    cuts = np.flatnonzero(np.diff(label[order])) + 1
    return [part for part in np.split(order, cuts) if len(part) > 1]
