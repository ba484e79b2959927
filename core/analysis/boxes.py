"""Ragged arrays of boxes: the objects of all images, and what a model found in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]
_T = TypeVar("_T", bound=np.generic)


@dataclass(frozen=True)
class Objects:
    """The annotated objects of all images; those of image i are rows `offsets[i]` to `offsets[i + 1]`.

    boxes (n, 4) are x1, y1, x2, y2 in continuous pixels of the upright image; classes (n,) count from 0
    without background. `crowd` marks regions that hold many objects, `ignore` single objects that count
    neither as found nor as missed (VOC's difficult). area (n,) in square pixels decides small, medium, large.
    """

    offsets: Ints
    boxes: Floats
    classes: Ints
    crowd: Flags
    ignore: Flags
    area: Floats

    @property
    def images(self) -> int:
        return len(self.offsets) - 1


@dataclass(frozen=True)
class Detections:
    """Boxes a model found, laid out as `Objects`; scores (n,) in 0..1, any order within an image.

    `single` says that the scores were stored as float32.
    """

    offsets: Ints
    boxes: Floats
    classes: Ints
    scores: Floats
    single: bool = False

    @property
    def images(self) -> int:
        return len(self.offsets) - 1

    def least(self, score: float) -> float:
        """A score threshold in the precision of the scores: 0.7 stored as float32 is 0.69999999."""
        return float(np.float32(score)) if self.single else float(score)

    def written(self, scores: Floats) -> list[float]:
        """Scores with the fewest digits that tell them from their neighbours in their precision."""
        exact = scores.astype(np.float32).astype(np.str_).astype(np.float64) if self.single else scores
        found: list[float] = exact.tolist()
        return found


def objects(
    boxes: Sequence[object],
    classes: Sequence[object],
    *,
    crowd: Sequence[object] | None = None,
    ignore: Sequence[object] | None = None,
    area: Sequence[object] | None = None,
) -> Objects:
    """Objects from one array an image: boxes (k, 4), classes (k,) and, where there are any, flags and areas.

    The area is that of the box unless given. Raises ValueError when lengths do not agree.
    """
    offsets, flat, labels = _joined(boxes, classes)
    size = (flat[:, 2] - flat[:, 0]) * (flat[:, 3] - flat[:, 1])
    return Objects(
        offsets,
        flat,
        labels,
        _flat(crowd, np.zeros(len(flat), np.bool_)),
        _flat(ignore, np.zeros(len(flat), np.bool_)),
        _flat(area, size),
    )


def detections(boxes: Sequence[object], classes: Sequence[object], scores: Sequence[object]) -> Detections:
    """Detections from one array an image: boxes (k, 4), classes (k,), scores (k,).

    Raises ValueError when lengths do not agree.
    """
    offsets, flat, labels = _joined(boxes, classes)
    return Detections(offsets, flat, labels, _flat(scores, np.zeros(len(flat))))


def image_of(offsets: Ints) -> Ints:
    """The image (n,) of every row."""
    return np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))


def _joined(boxes: Sequence[object], classes: Sequence[object]) -> tuple[Ints, Floats, Ints]:
    parts = [np.asarray(part, np.float64).reshape(-1, 4) for part in boxes]
    labels = [np.asarray(part, np.int64).reshape(-1) for part in classes]
    if [len(part) for part in parts] != [len(part) for part in labels]:
        raise ValueError("boxes and classes of an image differ in number")
    offsets = np.concatenate(([0], np.cumsum([len(part) for part in parts], dtype=np.int64))).astype(np.int64)
    flat = np.concatenate([np.zeros((0, 4)), *parts])
    return offsets, flat, np.concatenate([np.zeros(0, np.int64), *labels])


def _flat(parts: Sequence[object] | None, default: NDArray[_T]) -> NDArray[_T]:
    if parts is None:
        return default
    joined = np.concatenate([default[:0], *(np.asarray(part, default.dtype).reshape(-1) for part in parts)])
    if len(joined) != len(default):
        raise ValueError("flags, areas or scores differ in number from the boxes")
    return joined
