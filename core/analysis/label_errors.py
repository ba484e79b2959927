"""Labels that are likely wrong: where a confident model disagrees with them."""

from __future__ import annotations

from core.analysis.cases import Case, Cases
from core.analysis.errors import CLASSIFICATION, View

BACKGROUND = "background"


def likely_mistakes(view: View, most: int = 200) -> list[tuple[float, Case]]:
    """Cases by how likely the label is at fault, from 1 down to 0, the likeliest first.

    Three kinds: a confusion (wrong class: the score times the IoU), a box on nothing (object not annotated:
    the score), and, for classification, the probability of the class less that of the label. It is an order
    to look in, no probability (as in confident learning, Northcutt et al., 2021, without its thresholds).
    """
    found: list[tuple[float, Case]] = []
    for case in _first(view.cases(kind="confused"), most):
        score, iou = case.score or 0.0, case.iou or 0.0
        if view.errors.kind == CLASSIFICATION and case.truth is not None:
            own = _probability(view, case.image, case.truth)
            found.append((max(score - own, 0.0), case))
        else:
            found.append((score * iou, case))
    found += [(case.score or 0.0, case) for case in _first(view.cases(kind=BACKGROUND), most)]
    found.sort(key=lambda item: (-item[0], item[1].image))
    return found[:most]


def _first(cases: Cases, most: int) -> list[Case]:
    """The surest: cases of one kind come by falling score."""
    return cases[: 4 * most]


def _probability(view: View, image: int, label: int) -> float:
    likely = dict(view.errors.likeliest(image, len(view.errors.classes)))
    return likely.get(label, 0.0)
