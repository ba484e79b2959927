"""Labels that are likely wrong: where a confident model disagrees with them."""

from __future__ import annotations

from dataclasses import replace

from core.analysis.cases import Case, Cases
from core.analysis.errors import CLASSIFICATION, View

BACKGROUND = "background"


SURE = 0.5
"""Doubts below it are none: a model that is not sure says nothing about labels."""


def likely_mistakes(view: View, most: int = 200) -> list[Case]:
    """Cases whose label is likely at fault, with their `doubt` from 1 down to `SURE`, the greatest first.

    Three kinds: a confusion (wrong class: the score times the IoU), a box on nothing (object not annotated:
    the score), and, for classification, the probability of the class less that of the label. It is an order
    to look in, no probability (as in confident learning, Northcutt et al., 2021, with one threshold).
    """
    found: list[Case] = []
    for case in _first(view.cases(kind="confused"), most):
        score, iou = case.score or 0.0, case.iou or 0.0
        if view.errors.kind == CLASSIFICATION and case.truth is not None:
            own = _probability(view, case.image, case.truth)
            found.append(replace(case, doubt=max(score - own, 0.0)))
        else:
            found.append(replace(case, doubt=score * iou))
    found += [replace(case, doubt=case.score) for case in _first(view.cases(kind=BACKGROUND), most)]
    sure = [case for case in found if _doubt(case) >= SURE]
    return sorted(sure, key=lambda case: (-_doubt(case), case.image))[:most]


def _doubt(case: Case) -> float:
    return case.doubt or 0.0


def _first(cases: Cases, most: int) -> list[Case]:
    """The surest: cases of one kind come by falling score."""
    return cases[: 4 * most]


def _probability(view: View, image: int, label: int) -> float:
    likely = dict(view.errors.likeliest(image, len(view.errors.classes)))
    return likely.get(label, 0.0)
