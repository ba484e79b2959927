"""The matrix by groups of classes (genus: the first word of a name), and which way confusions lean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.analysis.boxes import Ints


@dataclass(frozen=True)
class Grouped:
    """`matrix` (g + 1, g + 1) is the sum of the classes' cells, rows and columns as in the matrix of classes.

    `members` are the classes of each group, `inside` (g,) its confusions among its own classes: the diagonal
    cell counts them as well. `likely_typos` are pairs of names of groups of one class that differ by little.
    """

    names: tuple[str, ...]
    members: tuple[tuple[int, ...], ...]
    matrix: Ints
    inside: Ints
    likely_typos: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Imbalance:
    """Confusions, and the share of them that go to a class with more training objects than the true one.

    `expected` is that share if each confusion went to another class in proportion to its training objects.
    Both are None without confusions or training counts.
    """

    confused: int
    towards_larger: float | None
    expected: float | None


def group_of(name: str, words: int) -> str:
    """The first `words` words of a class's name."""
    return " ".join(name.split()[:words]) or name


def group_members(classes: Sequence[str], words: int) -> dict[str, tuple[int, ...]]:
    """The classes of each group, groups in the order of their first class."""
    found: dict[str, list[int]] = {}
    for place, name in enumerate(classes):
        found.setdefault(group_of(name, words), []).append(place)
    return {name: tuple(places) for name, places in found.items()}


def collapse(matrix: Ints, classes: Sequence[str], words: int) -> Grouped:
    """Sums of blocks of a matrix (classes + 1, classes + 1)."""
    members = group_members(classes, words)
    of_class = np.empty(len(classes) + 1, np.int64)
    for group, places in enumerate(members.values()):
        of_class[list(places)] = group
    of_class[-1] = len(members)
    size = len(members) + 1
    summed = np.zeros((size, size), np.int64)
    np.add.at(summed, (of_class[:, None], of_class[None, :]), matrix)
    right = np.bincount(of_class[:-1], weights=np.diag(matrix)[:-1], minlength=len(members))
    inside = np.diag(summed)[:-1] - right.astype(np.int64)
    return Grouped(
        tuple(members), tuple(members.values()), summed, inside, _typos(list(members), list(members.values()))
    )


def imbalance(matrix: Ints, train: Sequence[int] | None) -> Imbalance:
    """Which way the confusions of a matrix lean; `train` are objects (classes,) trained on."""
    wrong = matrix[:-1, :-1].copy()
    np.fill_diagonal(wrong, 0)
    confused = int(wrong.sum())
    if train is None or not confused:
        return Imbalance(confused, None, None)
    counts = np.asarray(train, np.int64)
    larger = counts[None, :] > counts[:, None]
    others = counts.sum() - counts
    share = np.divide((counts * larger).sum(axis=1), others, out=np.zeros(len(counts)), where=others > 0)
    return Imbalance(
        confused, float(wrong[larger].sum() / confused), float((share * wrong.sum(axis=1)).sum() / confused)
    )


def _typos(names: list[str], members: list[tuple[int, ...]]) -> tuple[tuple[str, str], ...]:
    import difflib

    pairs = []
    for place, name in enumerate(names):
        if len(members[place]) == 1:
            for near in difflib.get_close_matches(name, names, n=3, cutoff=0.7):
                if near != name and (near, name) not in pairs:
                    pairs.append((name, near))
    return tuple(pairs)
