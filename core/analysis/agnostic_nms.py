"""Class-agnostic suppression of boxes that lie on a better one: a what-if on saved boxes."""

from __future__ import annotations

import numpy as np

from core.analysis.boxes import Detections, Ints

# Images of which all boxes are compared at once.
_IMAGES_AT_ONCE = 256


def keep_best(found: Detections, iou: float) -> Ints:
    """Rising places of the boxes that non-maximum suppression over all classes together leaves.

    By falling score (the earlier one first on ties), a box goes when its IoU with a kept one of its image is
    above `iou`, as in torchvision's nms. What remains above a score threshold does not depend on the boxes
    below it, so this is done once for all thresholds.
    """
    counts = np.diff(found.offsets)
    kept = np.zeros(len(found.scores), np.bool_)
    # Images with about as many boxes go together, so that little is padded.
    by_count = np.argsort(counts, kind="stable")
    by_count = by_count[counts[by_count] > 0]
    for first in range(0, len(by_count), _IMAGES_AT_ONCE):
        _keep(found, by_count[first : first + _IMAGES_AT_ONCE], kept, iou)
    return np.flatnonzero(kept)


def _keep(found: Detections, images: Ints, kept: np.ndarray, iou: float) -> None:
    counts = found.offsets[images + 1] - found.offsets[images]
    most = int(counts.max())
    place = np.arange(most)
    there = place < counts[:, None]
    row = np.where(there, found.offsets[images][:, None] + place, 0)
    score = np.where(there, found.scores[row], -np.inf)
    order = np.argsort(-score, axis=1, kind="stable")
    row = np.take_along_axis(row, order, axis=1)
    alive = np.take_along_axis(there, order, axis=1)
    x1, y1, x2, y2 = np.moveaxis(found.boxes[row], -1, 0)
    area = (x2 - x1) * (y2 - y1)
    for at in range(most - 1):
        if not alive[:, at].any():
            continue
        later = slice(at + 1, most)
        width = np.minimum(x2[:, later], x2[:, at, None]) - np.maximum(x1[:, later], x1[:, at, None])
        height = np.minimum(y2[:, later], y2[:, at, None]) - np.maximum(y1[:, later], y1[:, at, None])
        shared = np.maximum(width, 0.0) * np.maximum(height, 0.0)
        beaten = shared > iou * (area[:, later] + area[:, at, None] - shared)
        alive[:, later] &= ~(beaten & alive[:, at, None])
    kept[row[alive]] = True
