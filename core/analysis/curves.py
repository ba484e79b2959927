"""Precision against recall of single classes, with the threshold in use."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.analysis.box_matching import Outcome
from core.analysis.boxes import Flags, Floats
from core.analysis.scene import Scene


@dataclass(frozen=True)
class Curve:
    """Recall, precision and score (k,) after each prediction by falling score.

    `envelope` (k,) is the highest precision at that recall or a higher one, which AP is taken from. `at` is
    the place of the last prediction at or above the score threshold, -1 when there is none. `objects` can be
    found; without any, recall is 0.
    """

    recall: Floats
    precision: Floats
    scores: Floats
    envelope: Floats
    at: int
    objects: int


def box_curve(scene: Scene, label: int | None, iou: float, score: float) -> Curve:
    """The curve of a class of boxes (None: of all together) at an IoU threshold.

    What a score threshold leaves is the beginning of it: its point `at` is the matrix's precision and recall.
    """
    outcome = scene.matcher(iou).at(-np.inf).outcome
    chosen = (outcome != Outcome.DROPPED) & (outcome != Outcome.IGNORED)
    if label is not None:
        chosen &= scene.found.classes == label
    counts = scene.objects_of_class
    there = int(counts.sum() if label is None else counts[label])
    return curve(
        scene.found.scores[chosen], outcome[chosen] == Outcome.CORRECT, there, scene.found.least(score)
    )


def curve(scores: Floats, right: Flags, there: int, score: float) -> Curve:
    """The curve of predictions (k,) in any order, of which some are right; `there` are to be found."""
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(right[order])
    precision = hits / np.arange(1, len(order) + 1)
    return Curve(
        hits / there if there else np.zeros(len(order)),
        precision,
        scores[order],
        np.maximum.accumulate(precision[::-1])[::-1],
        int((scores >= score).sum()) - 1,
        there,
    )
