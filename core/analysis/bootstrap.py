"""How far a number may be off: the same images drawn again and again, for both models alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.analysis.box_matching import Matcher, Outcome
from core.analysis.boxes import Flags, Floats, Ints
from core.analysis.scene import Scene

IOUS = tuple(round(0.5 + 0.05 * step, 2) for step in range(10))
CONFIDENCE = 0.95
ROUNDS, LEAST_ROUNDS = 1000, 200
# Boxes times rounds that are looked at in all, so that large sets do not take minutes.
_WORK = 200_000_000
_CELLS = 500_000
_RECALLS = np.linspace(0.0, 1.0, 101)


def draws(images: int, boxes: int, seed: int) -> NDArray[np.float32]:
    """How often each image is drawn (rounds, images); the first row is every image once."""
    rounds = int(np.clip(_WORK // max(boxes, 1), LEAST_ROUNDS, ROUNDS))
    random = np.random.default_rng(seed)
    weights = np.ones((rounds + 1, images), np.float32)
    if images:
        for row in range(1, rounds + 1):
            weights[row] = np.bincount(random.integers(0, images, images), minlength=images)
    return weights


@dataclass(frozen=True)
class Ranked:
    """The boxes of one class that AP looks at, by falling score; those of one score by image.

    scores, images (k,): score and image of each box; right, ignored (10, k): at each IoU threshold whether it
    found an object, or lies on one that does not count; objects (m,): the images of the objects that count.
    """

    scores: Floats
    images: Ints
    right: Flags
    ignored: Flags
    objects: Ints


def ranked(scene: Scene) -> list[Ranked]:
    """The boxes of each class."""
    outcomes = np.stack(
        [
            Matcher(scene.objects, scene.found, scene.pairs, iou, scene.ranking).at(-np.inf).outcome
            for iou in IOUS
        ]
    )
    right, ignored = outcomes == Outcome.CORRECT, outcomes == Outcome.IGNORED
    order = np.lexsort((-scene.found.scores, scene.found.classes))
    # What is beyond the hundred best of an image and class is left out at every threshold alike.
    order = order[outcomes[0, order] != Outcome.DROPPED]
    bounds = np.searchsorted(scene.found.classes[order], np.arange(scene.classes + 1))
    normal = ~scene.objects.crowd & ~scene.objects.ignore
    found = []
    for label in range(scene.classes):
        rows = order[bounds[label] : bounds[label + 1]]
        there = scene.image_of_object[normal & (scene.objects.classes == label)]
        images = scene.image_of_box[rows]
        found.append(Ranked(scene.found.scores[rows], images, right[:, rows], ignored[:, rows], there))
    return found


def drawn_ap(classes: Sequence[Ranked], weights: NDArray[np.float32]) -> Floats:
    """COCO's AP (rounds, classes, 10 IoU thresholds) of each draw, NaN without objects."""
    found = np.full((len(weights), len(classes), len(IOUS)), np.nan)
    of_image = np.ascontiguousarray(weights.T)
    for label, boxes in enumerate(classes):
        if not len(boxes.objects):
            continue
        weighing = Weighing(boxes.right, boxes.ignored)
        for rows in weighing.lots(len(weights)):
            drawn = of_image[:, rows]
            there = drawn[boxes.objects].sum(axis=0)
            found[rows, label] = weighing.ap(drawn[boxes.images], there).T
    return found


def mean_over_classes(values: Floats) -> Floats:
    """Means (rounds,) of values (rounds, classes), over the classes that are there."""
    there = np.isfinite(values)
    count = there.sum(axis=1)
    total = np.where(there, values, 0).sum(axis=1)
    means: Floats = np.divide(total, count, out=np.full(len(values), np.nan), where=count > 0)
    return means


class Weighing:
    """AP of one class whose boxes, by falling score, count more or less often.

    right, ignored (thresholds, k): whether a box found an object, or lies on one that does not count. Only at
    a right box can precision be highest for its recall, so only there it is looked at.
    """

    def __init__(self, right: Flags, ignored: Flags) -> None:
        counts = right.sum(axis=1)
        # A row a threshold, filled up with the place of a box that is never there.
        self._hits = np.full((len(right), max(int(counts.max(initial=0)), 1)), right.shape[1])
        for row, flags in zip(self._hits, right, strict=True):
            at = np.flatnonzero(flags)
            row[: len(at)] = at
        # What comes after the last right box changes nothing.
        self._boxes = int(self._hits[self._hits < right.shape[1]].max(initial=-1)) + 1
        self._hits = np.minimum(self._hits, self._boxes)
        self._ignored = ignored[:, : self._boxes]

    def lots(self, rounds: int) -> list[slice]:
        """Rounds in lots that stay small in memory."""
        cells = self._hits.size + self._boxes
        step = int(np.clip(_CELLS // cells, 1, rounds or 1))
        return [slice(first, min(first + step, rounds)) for first in range(0, rounds, step)]

    def ap(self, drawn: NDArray[np.float32], there: NDArray[np.floating]) -> Floats:
        """AP (thresholds, rounds): how often each box (k, rounds) and how many objects (rounds,) are there.

        NaN without objects.
        """
        padded = np.zeros((self._boxes + 1, drawn.shape[1]), np.float32)
        padded[:-1] = drawn[: self._boxes]
        right = np.cumsum(padded[self._hits], axis=1, dtype=np.float64)
        total = np.cumsum(padded, axis=0, dtype=np.float64)
        counted = total[self._hits]
        for place, out in enumerate(self._ignored):
            if out.any():
                less = np.cumsum(padded[:-1] * out[:, None], axis=0, dtype=np.float64)
                counted[place] -= np.concatenate((less, less[-1:]))[self._hits[place]]
        precision = np.divide(right, counted, out=np.zeros_like(right), where=counted > 0)
        precision[self._hits == self._boxes] = 0
        best = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
        steps = np.diff(_reached(right, there), axis=1, prepend=0)
        found: Floats = np.einsum("thr,thr->tr", best, steps) / len(_RECALLS)
        found[:, there == 0] = np.nan
        return found


def _reached(right: Floats, there: NDArray[np.floating]) -> Floats:
    """How many of COCO's recalls (thresholds, hits, rounds) are reached with so many objects found."""
    most = int(there.max(initial=0))
    each, kind = np.unique(there, return_inverse=True)
    share = np.arange(most + 1) / np.maximum(each, 1)[:, None]
    table = np.searchsorted(_RECALLS, share.ravel(), side="right").astype(np.float64)
    places = right.astype(np.int64) + (kind * (most + 1))
    reached: Floats = table[np.minimum(places, len(table) - 1)]
    return reached
