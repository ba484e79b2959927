"""A data set as arrays for its statistics: every image of every split, told by headers and annotations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.datasets.depth import PLAIN, Opening
from core.datasets.image_header import Look

Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Fault:
    """An image that cannot be used, and so is in no figure but this."""

    path: str
    split: str
    reason: str


@dataclass(frozen=True, eq=False)
class Objects:
    """All m objects, crowds included: `image` (m,) the row of their image, `corners` (m, 4) float64 x1, y1,
    x2, y2 in pixels of the upright image, `labels` (m,), `crowd`, `difficult` (m,) bool, `area` (m,) float64
    in square pixels, of the mask where the annotation gives one.

    `repeats` (images,): objects that were left out, being exact copies of others in their image.
    """

    image: Integers
    corners: NDArray[np.float64]
    labels: Integers
    crowd: NDArray[np.bool_]
    difficult: NDArray[np.bool_]
    area: NDArray[np.float64]
    repeats: Integers

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def sides(self) -> NDArray[np.float64]:
        """Width and height, (m, 2)."""
        return self.corners[:, 2:] - self.corners[:, :2]

    @property
    def box_area(self) -> NDArray[np.float64]:
        """Width times height, (m,)."""
        area: NDArray[np.float64] = self.sides.prod(axis=1)
        return area


@dataclass(frozen=True, eq=False)
class DataTable:
    """n images that can be read; one that is in two splits has two rows.

    `split` (n,) is an index into `splits`, `labels` (n,) into `classes` (-1: the objects have classes).
    `sizes` (n, 2): width and height, 0 where the header has not been read yet; `modes` and `kinds` are
    Pillow's words, empty likewise. `problems` are sentences on what keeps the set from being trained on,
    `notes` on what is unusual. `opening` is how the pictures are opened. `objects` is None where images as a
    whole have classes.
    """

    format: str
    root: Path
    classes: tuple[str, ...]
    splits: tuple[str, ...]
    paths: tuple[str, ...]
    split: Integers
    labels: Integers
    sizes: NDArray[np.int32]
    modes: NDArray[np.str_]
    kinds: NDArray[np.str_]
    objects: Objects | None = None
    faults: tuple[Fault, ...] = ()
    damaged: Integers = field(default_factory=lambda: np.zeros(0, np.int64))
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    opening: Opening = PLAIN

    def __len__(self) -> int:
        return len(self.paths)

    @property
    def has_headers(self) -> bool:
        """Whether size and mode of every image are known."""
        return not len(self) or bool((self.sizes[:, 0] > 0).all())


def with_headers(table: DataTable, looks: Sequence[Look | None]) -> DataTable:
    """`table` with what the headers of its images say (None: not read); those with a fault become faults."""
    sizes, modes, kinds = table.sizes.copy(), table.modes.astype("U12"), table.kinds.astype("U12")
    good = np.ones(len(table), np.bool_)
    faults, damaged = [], set(table.damaged.tolist())
    for row, look in enumerate(looks):
        if look is None:
            continue
        if look.fault:
            good[row] = False
            faults.append(Fault(table.paths[row], table.splits[table.split[row]], look.fault))
            continue
        sizes[row], modes[row], kinds[row] = look.size, look.mode, look.format
        if look.damage:
            damaged.add(row)
    found = replace(
        table,
        sizes=sizes,
        modes=modes,
        kinds=kinds,
        faults=(*table.faults, *faults),
        damaged=np.array(sorted(damaged), np.int64),
    )
    return found if good.all() else select(found, good)


def of_split(table: DataTable, split: str) -> DataTable:
    """The images of one split alone."""
    number = table.splits.index(split)
    found = select(table, table.split == number)
    return replace(
        found,
        splits=(split,),
        split=np.zeros(len(found), np.int64),
        faults=tuple(fault for fault in table.faults if fault.split == split),
    )


def select(table: DataTable, good: NDArray[np.bool_]) -> DataTable:
    """The rows where `good` (n,) holds, and their objects."""
    kept, places = np.flatnonzero(good), np.cumsum(good) - 1
    objects = table.objects
    if objects is not None:
        there = good[objects.image]
        objects = Objects(
            places[objects.image[there]],
            objects.corners[there],
            objects.labels[there],
            objects.crowd[there],
            objects.difficult[there],
            objects.area[there],
            objects.repeats[kept],
        )
    return replace(
        table,
        paths=tuple(table.paths[row] for row in kept.tolist()),
        split=table.split[kept],
        labels=table.labels[kept],
        sizes=table.sizes[kept],
        modes=table.modes[kept],
        kinds=table.kinds[kept],
        objects=objects,
        damaged=places[table.damaged[good[table.damaged]]],
    )
