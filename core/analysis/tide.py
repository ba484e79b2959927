"""TIDE's error types and what each costs (Bolya et al., ECCV 2020).

Counts are those of tidecv 1.0.1 where nothing is a crowd or difficult: what lies on such an object is left
out here, as in COCO's AP, and counts as an error there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.analysis.box_matching import Matching, Outcome
from core.analysis.boxes import Flags, Ints
from core.analysis.overlaps import LEAST
from core.analysis.scene import Scene

TYPES = ("Cls", "Loc", "Both", "Dupe", "Bkg", "Miss")
MOST_PER_IMAGE = 100


@dataclass(frozen=True)
class Tide:
    """How many errors of each type there are, and `gain`: the points of AP (0..100) that mending it alone
    would bring. Gains do not add up: an error may hide another.

    `ap` is the mean AP (0..100) at the IoU threshold over the boxes above the score threshold. The mean is
    that of tidecv: classes without objects that something was found of count as 0.
    """

    counts: dict[str, int]
    gain: dict[str, float]
    ap: float


def tide(scene: Scene, matching: Matching) -> Tide:
    """Types and gains at a matching's thresholds; the background threshold is `LEAST`."""
    outcome = matching.outcome
    kept = (outcome != Outcome.DROPPED) & _within(scene)
    kept &= outcome != Outcome.IGNORED
    right = kept & (outcome == Outcome.CORRECT)
    kind = _types(matching, kept & ~right)
    normal = ~scene.objects.crowd & ~scene.objects.ignore
    used = np.zeros(len(normal), np.bool_)
    used[matching.partner[right]] = True
    target = np.full(len(outcome), -1, np.int64)
    target[kind == 0] = matching.other_object[kind == 0]
    target[kind == 1] = matching.same_object[kind == 1]
    mendable = target >= 0
    usable = np.zeros(len(normal), np.bool_)
    usable[target[mendable]] = True
    missed = normal & ~used & ~usable
    counts = {name: int((kind == place).sum()) for place, name in enumerate(TYPES[:-1])}
    counts["Miss"] = int(missed.sum())

    by_score = np.empty(len(outcome), np.int64)
    by_score[scene.ranking.rank] = np.arange(len(outcome))
    there = np.bincount(scene.objects.classes[normal], minlength=scene.classes)
    base = _mean_ap(scene.found.classes, by_score, right, kept, there)
    best = _best_for_object(scene, target, used)
    gain = {}
    for place, name in enumerate(TYPES[:-1]):
        of_type = kind == place
        mended = of_type & best
        labels = scene.found.classes.copy()
        labels[mended] = scene.objects.classes[target[mended]]
        value = _mean_ap(labels, by_score, right | mended, kept & (~of_type | mended), there)
        gain[name] = max(value - base, 0.0)
    found = there - np.bincount(scene.objects.classes[missed], minlength=scene.classes)
    value = _mean_ap(scene.found.classes, by_score, right, kept, found)
    gain["Miss"] = max(value - base, 0.0)
    return Tide(counts, gain, base)


def _types(matching: Matching, wrong: Flags) -> Ints:
    """The place of each wrong prediction's type among `TYPES`, -1 for all others."""
    same, other, iou = matching.same_iou, matching.other_iou, matching.iou
    kind: Ints = np.select(
        [
            ~wrong,
            (same >= LEAST) & (same <= iou),
            other >= iou,
            same >= iou,
            np.maximum(same, other) <= LEAST,
        ],
        [-1, 1, 0, 3, 4],
        2,
    )
    return kind


def _within(scene: Scene) -> Flags:
    """The best `MOST_PER_IMAGE` boxes of each image."""
    image, offsets = scene.image_of_box, scene.found.offsets
    within = np.ones(len(image), np.bool_)
    if np.diff(offsets).max(initial=0) > MOST_PER_IMAGE:
        order = np.lexsort((scene.ranking.rank, image))
        within[order] = np.arange(len(order)) - offsets[image[order]] < MOST_PER_IMAGE
    return within


def _best_for_object(scene: Scene, target: Ints, used: Flags) -> Flags:
    """Predictions that would find their `target`: the best one of it by score, if nothing has it yet."""
    best = np.zeros(len(target), np.bool_)
    chosen = np.flatnonzero(target >= 0)
    chosen = chosen[~used[target[chosen]]]
    order = chosen[np.argsort(-scene.found.scores[chosen], kind="stable")]
    _, first = np.unique(target[order], return_index=True)
    best[order[first]] = True
    return best


def _mean_ap(labels: Ints, by_score: Ints, right: Flags, kept: Flags, there: Ints) -> float:
    """The mean over classes of average precision at 101 recalls, in points of 100."""
    order = by_score[kept[by_score]]
    # A stable sort of short integers is a radix sort.
    order = order[np.argsort(labels[order].astype(np.int16), kind="stable")]
    found = np.bincount(labels[order], minlength=len(there))
    ends = np.cumsum(found)
    values = []
    for label in np.flatnonzero((there > 0) | (found > 0)).tolist():
        rows = order[ends[label] - found[label] : ends[label]]
        values.append(interpolated_ap(right[rows], int(there[label])))
    return 100 * float(np.mean(values)) if values else 0.0


def interpolated_ap(right: Flags, there: int) -> float:
    """Average precision at 101 recalls of predictions by falling score; 0 when there is nothing to find."""
    if there == 0 or not len(right):
        return 0.0
    hits = np.cumsum(right)
    recall = hits / there
    precision = hits / np.arange(1, len(right) + 1)
    best = np.maximum.accumulate(precision[::-1])[::-1]
    place = np.searchsorted(recall, np.arange(101) / 100, side="left")
    return float(np.append(best, 0.0)[np.minimum(place, len(best))].sum() / 101)
