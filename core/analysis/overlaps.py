"""Which predictions overlap which objects, computed once for all thresholds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.analysis.boxes import Detections, Flags, Floats, Ints, Objects

LEAST = 0.1
"""Overlaps below this IoU are nobody's business."""
# Small enough to stay in the processor's cache.
_PAIRS_AT_ONCE = 1 << 16


@dataclass(frozen=True)
class Overlaps:
    """Pairs (k,) of a prediction and an object of the same image with IoU of at least `LEAST`.

    `iou` is intersection over union in float64, for crowds intersection over the prediction's area. `same`
    says that both have the same class. Pairs are in the order of predictions, then objects.
    """

    prediction: Ints
    object: Ints
    iou: Floats
    same: Flags


def overlaps(objects: Objects, found: Detections) -> Overlaps:
    """All overlapping pairs, image by image."""
    counts = np.diff(found.offsets) * np.diff(objects.offsets)
    ends = np.concatenate(([0], np.cumsum(counts)))
    parts: list[tuple[Ints, Ints, Floats]] = []
    first = 0
    while first < found.images:
        last = max(first + 1, int(np.searchsorted(ends, ends[first] + _PAIRS_AT_ONCE, "right")) - 1)
        parts.append(_between(objects, found, counts[first:last], first))
        first = last
    prediction, thing, iou = (
        (np.concatenate(column) for column in zip(*parts, strict=True))
        if parts
        else (
            np.zeros(0, np.int64),
            np.zeros(0, np.int64),
            np.zeros(0),
        )
    )
    return Overlaps(prediction, thing, iou, found.classes[prediction] == objects.classes[thing])


def _between(objects: Objects, found: Detections, counts: Ints, first: int) -> tuple[Ints, Ints, Floats]:
    """Overlapping pairs of the images from `first` on, which have `counts` pairs each."""
    image = np.repeat(np.arange(len(counts)) + first, counts)
    place = np.arange(len(image)) - np.repeat(np.cumsum(counts) - counts, counts)
    across = (objects.offsets[1:] - objects.offsets[:-1])[image]
    prediction = found.offsets[image] + place // np.maximum(across, 1)
    thing = objects.offsets[image] + place % np.maximum(across, 1)
    iou = pair_iou(objects, found, thing, prediction)
    near = iou >= LEAST
    return prediction[near], thing[near], iou[near]


def pair_iou(objects: Objects, found: Detections, thing: Ints, prediction: Ints) -> Floats:
    """IoU (k,) of boxes with objects, row by row; over the prediction's area alone for crowds."""
    a, b = found.boxes[prediction], objects.boxes[thing]
    width = np.minimum(a[:, 2], b[:, 2]) - np.maximum(a[:, 0], b[:, 0])
    height = np.minimum(a[:, 3], b[:, 3]) - np.maximum(a[:, 1], b[:, 1])
    shared = np.maximum(width, 0.0) * np.maximum(height, 0.0)
    own = (a[:, 2] - a[:, 0]) * (a[:, 3] - a[:, 1])
    other = (b[:, 2] - b[:, 0]) * (b[:, 3] - b[:, 1])
    whole = np.where(objects.crowd[thing], own, own + other - shared)
    iou: Floats = np.divide(shared, whole, out=np.zeros_like(shared), where=whole > 0)
    return iou
