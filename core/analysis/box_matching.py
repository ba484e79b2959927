"""Which prediction found which object, and what kind of error every other one is.

Two passes. First the same class, exactly as COCOeval matches: predictions by falling score, each takes the
free object of its class with the highest IoU. Then, among what is left, any class. So a wrong class with a
higher score never takes an object from the right one, and the diagonal of the confusion matrix is COCO's
true positives.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from core.analysis.boxes import Detections, Flags, Floats, Ints, Objects, image_of
from core.analysis.overlaps import LEAST, Overlaps

MOST_PER_CLASS = 100
"""Predictions of one class in one image that count, as in COCO."""


class Outcome(IntEnum):
    """What became of a prediction. From `DUPLICATE` on it is a false alarm."""

    DROPPED = 0
    CORRECT = 1
    CONFUSED = 2
    IGNORED = 3
    DUPLICATE = 4
    EXTRA_LABEL = 5
    LOOSE = 6
    LOOSE_WRONG = 7
    BACKGROUND = 8


FALSE_ALARMS = tuple(kind for kind in Outcome if kind >= Outcome.DUPLICATE)


@dataclass(frozen=True)
class Matching:
    """The outcome (n,) of each prediction at a score and an IoU threshold.

    `partner` (n,) is the object that a correct, confused or ignored prediction has, else -1; `found_by` (m,)
    the prediction that found an object (correct or confused), else -1. `same_iou`, `other_iou` (n,) are the
    best IoU with an object of the same and of another class, 0 when there is none of `LEAST` or more;
    `same_object`, `other_object` (n,) name it, or -1.
    """

    score: float
    iou: float
    outcome: Ints
    partner: Ints
    found_by: Ints
    same_iou: Floats
    other_iou: Floats
    same_object: Ints
    other_object: Ints

    @property
    def missed(self) -> Flags:
        """Objects (m,) that nothing found; crowds and ignored ones included, which count as neither."""
        return self.found_by < 0


class Ranking:
    """What no threshold changes: pairs by preference, ranks of predictions, the best overlap of each.

    `pairs` are grouped by prediction, the most wanted object first: the highest IoU, on ties the later one.
    """

    def __init__(self, objects: Objects, found: Detections, pairs: Overlaps) -> None:
        order = np.lexsort((-pairs.object, -pairs.iou, pairs.prediction))
        self.objects = objects
        self.scores = found.scores
        self.pairs = Overlaps(
            pairs.prediction[order], pairs.object[order], pairs.iou[order], pairs.same[order]
        )
        self.normal = (~objects.crowd & ~objects.ignore)[self.pairs.object]
        by_rank = np.argsort(-found.scores, kind="stable")
        self.rank = np.empty(len(found.scores), np.int64)
        self.rank[by_rank] = np.arange(len(found.scores))
        self.within = _within_limit(found, self.rank)
        self.same = _best(self.pairs, self.pairs.same & self.normal, len(found.scores))
        self.other = _best(self.pairs, ~self.pairs.same & self.normal, len(found.scores))


class Matcher:
    """Matches at one IoU threshold; all that does not depend on the score threshold is done once.

    COCO's matching goes by falling score, so what it finds at a score threshold is the beginning of what it
    finds without one: only the second pass has to be repeated. Matchers of the same boxes can share a
    `ranking`. Raises ValueError for an IoU below `LEAST`.
    """

    def __init__(
        self,
        objects: Objects,
        found: Detections,
        pairs: Overlaps,
        iou: float,
        ranking: Ranking | None = None,
    ) -> None:
        if iou < LEAST:
            raise ValueError(f"the IoU threshold must be at least {LEAST}, got {iou}")
        ranking = ranking or Ranking(objects, found, pairs)
        pairs, normal = ranking.pairs, ranking.normal
        self.iou = iou
        self._found = found
        self._scores = found.scores
        self._rank = ranking.rank
        self._within = ranking.within
        least = min(iou, 1 - 1e-10)
        near = (pairs.iou >= least) & self._within[pairs.prediction]
        self._partner, self._found_by = self._assigned(
            *_chosen(pairs, near & pairs.same & normal), len(objects.classes)
        )
        self._correct = self._partner >= 0
        self._ignored = _ignore(objects, pairs, near & pairs.same & ~normal, self._rank, self._partner)
        self._others = _chosen(pairs, near & ~pairs.same & normal)
        self._same, self._other = ranking.same, ranking.other
        (same, _), (other, _) = self._same, self._other
        self._alarm = np.select(
            [same >= least, other >= least, same >= LEAST, other >= LEAST],
            [int(kind) for kind in FALSE_ALARMS[:-1]],
            int(Outcome.BACKGROUND),
        )

    def at(self, score: float) -> Matching:
        """The outcome for a score of at least `score`; ties go to the earlier one and the later object."""
        kept = self._within & (self._scores >= self._found.least(score))
        partner = np.where(kept, self._partner, -1)
        found_by = self._found_by.copy()
        lost = np.flatnonzero(found_by >= 0)
        found_by[lost[~kept[found_by[lost]]]] = -1
        prediction, thing = self._others
        free = (kept & (partner < 0))[prediction] & (found_by < 0)[thing]
        confused, taken_by = self._assigned(prediction[free], thing[free], len(found_by))
        partner = np.maximum(partner, confused)
        found_by = np.maximum(found_by, taken_by)
        outcome = self._alarm.copy()
        outcome[confused >= 0] = Outcome.CONFUSED
        outcome[self._correct] = Outcome.CORRECT
        outcome[self._ignored] = Outcome.IGNORED
        outcome[~kept] = Outcome.DROPPED
        (same, same_object), (other, other_object) = self._same, self._other
        return Matching(score, self.iou, outcome, partner, found_by, same, other, same_object, other_object)

    def _assigned(self, prediction: Ints, thing: Ints, objects: int) -> tuple[Ints, Ints]:
        """The object of each prediction and the prediction of each object, -1 for none.

        Each prediction, by falling score, takes its first free object; `prediction` and `thing` are grouped
        by prediction, the most wanted object first. Done for all at once: every prediction asks for its next
        object, an object keeps who has the best score, the others go on (deferred acceptance, Gale and
        Shapley 1962). As all objects prefer alike, the outcome is that of going through them one by one.
        """
        partner = np.full(len(self._scores), -1, np.int64)
        found_by = np.full(objects, -1, np.int64)
        if not len(prediction):
            return partner, found_by
        start = np.flatnonzero(np.diff(prediction, prepend=-1))
        end = np.append(start[1:], len(prediction))
        asking = prediction[start]
        rank = self._rank[asking]
        who = np.empty(len(self._scores) + 1, np.int64)
        who[rank] = np.arange(len(asking))
        nobody = len(self._scores)
        holder = np.full(objects, nobody, np.int64)
        at = start.copy()
        active = np.arange(len(asking))
        while len(active):
            wanted = thing[at[active]]
            before = holder[wanted]
            np.minimum.at(holder, wanted, rank[active])
            refused = active[holder[wanted] != rank[active]]
            robbed = np.unique(before[(before != holder[wanted]) & (before != nobody)])
            active = np.concatenate((refused, who[robbed]))
            at[active] += 1
            active = active[at[active] < end[active]]
        settled = np.flatnonzero(at < end)
        partner[asking[settled]] = thing[at[settled]]
        found_by[thing[at[settled]]] = asking[settled]
        return partner, found_by


def confusion(objects: Objects, found: Detections, matching: Matching, classes: int) -> Ints:
    """The matrix (classes + 1, classes + 1): rows truth, columns prediction.

    The last column counts missed objects, the last row false alarms, the last cell is 0. A row's sum is the
    number of objects of the class, a column's the predictions of the class that were kept and not ignored.
    """
    truth = np.full(len(matching.outcome), classes, np.int64)
    paired = (matching.outcome == Outcome.CORRECT) | (matching.outcome == Outcome.CONFUSED)
    truth[paired] = objects.classes[matching.partner[paired]]
    counted = (matching.outcome != Outcome.DROPPED) & (matching.outcome != Outcome.IGNORED)
    cells = truth[counted] * (classes + 1) + found.classes[counted]
    lost = matching.missed & ~objects.crowd & ~objects.ignore
    cells = np.concatenate((cells, objects.classes[lost] * (classes + 1) + classes))
    matrix = np.bincount(cells, minlength=(classes + 1) ** 2)
    return matrix.reshape(classes + 1, classes + 1)


def _within_limit(found: Detections, rank: Ints) -> Flags:
    """The best `MOST_PER_CLASS` of each image and class."""
    if np.diff(found.offsets).max(initial=0) <= MOST_PER_CLASS:
        return np.ones(len(rank), np.bool_)
    image = image_of(found.offsets)
    order = np.lexsort((rank, found.classes, image))
    fresh = np.ones(len(order), np.bool_)
    fresh[1:] = (np.diff(image[order]) != 0) | (np.diff(found.classes[order]) != 0)
    starts = np.flatnonzero(fresh)
    place = np.arange(len(order)) - np.repeat(starts, np.diff(np.append(starts, len(order))))
    within = np.empty(len(order), np.bool_)
    within[order] = place < MOST_PER_CLASS
    return within


def _chosen(pairs: Overlaps, allowed: Flags) -> tuple[Ints, Ints]:
    """Predictions and objects of the `allowed` pairs, in their order."""
    return pairs.prediction[allowed], pairs.object[allowed]


def _ignore(objects: Objects, pairs: Overlaps, allowed: Flags, rank: Ints, partner: Ints) -> Flags:
    """Predictions without a partner that lie on an ignored object (once each) or a crowd (any number)."""
    open_pairs = allowed & (partner < 0)[pairs.prediction]
    ignored = np.zeros(len(partner), np.bool_)
    order = np.flatnonzero(open_pairs)
    order = order[np.lexsort((-pairs.object[order], -pairs.iou[order], rank[pairs.prediction[order]]))]
    used: set[int] = set()
    # Ignored objects are few: one by one is quick enough and reads as the rule does.
    for pair in order.tolist():
        prediction, thing = int(pairs.prediction[pair]), int(pairs.object[pair])
        if ignored[prediction] or thing in used:
            continue
        ignored[prediction] = True
        partner[prediction] = thing
        if not objects.crowd[thing]:
            used.add(thing)
    return ignored


def _best(pairs: Overlaps, allowed: Flags, predictions: int) -> tuple[Floats, Ints]:
    """The highest IoU of each prediction among `allowed` pairs, and the (later) object it is with."""
    iou = np.zeros(predictions)
    thing = np.full(predictions, -1, np.int64)
    # Backwards, so that the first pair of a prediction has the last word.
    order = np.flatnonzero(allowed)[::-1]
    iou[pairs.prediction[order]] = pairs.iou[order]
    thing[pairs.prediction[order]] = pairs.object[order]
    return iou, thing
