"""Whether a difference is more than chance: the same images drawn again and again, for both models alike."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.analysis.boxes import Flags, Floats, Ints
from core.analysis.matching import Matcher, Outcome
from core.analysis.scene import Scene

IOUS = tuple(round(0.5 + 0.05 * step, 2) for step in range(10))
CONFIDENCE = 0.95
ROUNDS, LEAST_ROUNDS = 1000, 200
# Boxes times rounds that are looked at in all, so that large sets do not take minutes.
_WORK = 200_000_000
_AT_ONCE = 100
_RECALLS = np.linspace(0.0, 1.0, 101)


@dataclass(frozen=True)
class Interval:
    """A number of both models and the difference second - first, with its interval at `CONFIDENCE`.

    From a paired bootstrap over images (percentiles of `rounds` draws; Efron and Tibshirani, 1993). None
    where there is nothing to measure.
    """

    first: float | None
    second: float | None
    difference: float | None
    low: float | None
    high: float | None
    rounds: int

    @property
    def beyond_chance(self) -> bool:
        """Whether the interval leaves 0 out."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)


def draws(images: int, boxes: int, seed: int) -> NDArray[np.float32]:
    """How often each image is drawn (rounds, images); the first row is every image once."""
    rounds = int(np.clip(_WORK // max(boxes, 1), LEAST_ROUNDS, ROUNDS))
    random = np.random.default_rng(seed)
    weights = np.ones((rounds + 1, images), np.float32)
    if images:
        for row in range(1, rounds + 1):
            weights[row] = np.bincount(random.integers(0, images, images), minlength=images)
    return weights


def drawn_ap(scene: Scene, weights: NDArray[np.float32]) -> Floats:
    """COCO's AP (rounds, classes, 10 IoU thresholds) of each draw, NaN without objects."""
    outcomes = np.stack(
        [
            Matcher(scene.objects, scene.found, scene.pairs, iou, scene.ranking).at(-np.inf).outcome
            for iou in IOUS
        ]
    )
    right, ignored = outcomes == Outcome.CORRECT, outcomes == Outcome.IGNORED
    found = np.full((len(weights), scene.classes, len(IOUS)), np.nan)
    order = np.lexsort((-scene.found.scores, scene.found.classes))
    # What is beyond the hundred best of an image and class is left out at every threshold alike.
    order = order[outcomes[0, order] != Outcome.DROPPED]
    bounds = np.searchsorted(scene.found.classes[order], np.arange(scene.classes + 1))
    normal = ~scene.objects.crowd & ~scene.objects.ignore
    for label in range(scene.classes):
        rows = order[bounds[label] : bounds[label + 1]]
        there = scene.image_of_object[normal & (scene.objects.classes == label)]
        if not len(there):
            continue
        images = scene.image_of_box[rows]
        for first in range(0, len(weights), _AT_ONCE):
            drawn = weights[first : first + _AT_ONCE]
            found[first : first + _AT_ONCE, label] = _class_ap(
                drawn, images, right[:, rows], ignored[:, rows], drawn[:, there].sum(axis=1)
            )
    return found


def interval(first: Floats, second: Floats) -> Interval:
    """From values (rounds + 1,) of both models, the first of all images; NaN rounds are left out."""
    if not len(first) or math.isnan(first[0]) or math.isnan(second[0]):
        return Interval(_number(first[0]), _number(second[0]), None, None, None, 0)
    change = second[1:] - first[1:]
    change = change[np.isfinite(change)]
    edge = (1 - CONFIDENCE) / 2
    low, high = np.quantile(change, (edge, 1 - edge)) if len(change) else (np.nan, np.nan)
    return Interval(
        float(first[0]),
        float(second[0]),
        float(second[0] - first[0]),
        _number(low),
        _number(high),
        len(change),
    )


def mean_over_classes(values: Floats) -> Floats:
    """Means (rounds,) of values (rounds, classes), over the classes that are there."""
    there = np.isfinite(values)
    count = there.sum(axis=1)
    total = np.where(there, values, 0).sum(axis=1)
    means: Floats = np.divide(total, count, out=np.full(len(values), np.nan), where=count > 0)
    return means


def mcnemar(fixed: int, broken: int) -> float:
    """Two-sided p of McNemar's test on pairs that differ: exact binomial, above 2000 pairs chi-square.

    McNemar (1947); the approximation has Edwards' correction for continuity.
    """
    pairs = fixed + broken
    if not pairs:
        return 1.0
    if pairs <= 2000:
        tail = sum(math.comb(pairs, k) for k in range(min(fixed, broken) + 1))
        return min(1.0, float(2 * tail / 2**pairs))
    statistic = max(abs(fixed - broken) - 1, 0) ** 2 / pairs
    return float(math.erfc(math.sqrt(statistic / 2)))


def _class_ap(
    weights: NDArray[np.float32], images: Ints, right: Flags, ignored: Flags, there: Floats
) -> Floats:
    """AP (rounds, thresholds) of one class; boxes by falling score, `there` (rounds,) objects in each draw.

    Only at a right box can precision be highest for its recall, so only there it is looked at.
    """
    drawn = weights[:, images]
    total = np.cumsum(drawn, axis=1, dtype=np.float64)
    found = np.zeros((len(weights), len(right)))
    for place, (hit, out) in enumerate(zip(right, ignored, strict=True)):
        at = np.flatnonzero(hit)
        if not len(at):
            continue
        hits = np.cumsum(drawn[:, at], axis=1, dtype=np.float64)
        counted = total[:, at]
        if out.any():
            counted = counted - np.cumsum(drawn * out, axis=1, dtype=np.float64)[:, at]
        precision = np.divide(hits, counted, out=np.zeros_like(hits), where=counted > 0)
        best = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
        recall = np.divide(hits, there[:, None], out=np.zeros_like(hits), where=there[:, None] > 0)
        reached = np.searchsorted(_RECALLS, recall, side="right")
        steps = np.diff(reached, axis=1, prepend=0)
        found[:, place] = (best * steps).sum(axis=1) / 101
    found[there == 0] = np.nan
    return found


def _number(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
