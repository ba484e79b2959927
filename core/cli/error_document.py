"""What `labtui errors --json` prints."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from core.analysis.bootstrap import CONFIDENCE
from core.analysis.caps import cap_notes
from core.analysis.cases import FALSE_ALARM_KINDS, Case
from core.analysis.chance import Interval
from core.analysis.class_rows import ClassErrors
from core.analysis.compare import Change, Comparison
from core.analysis.errors import View
from core.analysis.predictions import BoxPredictions
from core.metrics import HEADLINE_AP
from core.store.judgements import Judgement
from core.text import clean


def errors_document(view: View) -> dict[str, Any]:
    """All but the cases. Rows of the matrix are truth, columns predictions, in the order of the classes.

    For classification `ap` is all null, and the accuracies stand in `summary`.
    """
    errors, summary, found = view.errors, view.ap.summary if view.ap else view.errors.summary, view.tide()
    lean = view.imbalance()
    return {
        "kind": errors.kind,
        "images": errors.images,
        "labelled": errors.labelled,
        "root": clean(str(errors.root)),
        "classes": list(errors.classes),
        "score": view.score,
        "iou": view.iou,
        "agnostic_nms": view.agnostic_nms,
        "score_floor": errors.floor,
        "before_nms": {name: before for name, (before, _) in view.suppression.items()} or None,
        "matrix": view.matrix[:-1, :-1].tolist(),
        "missed": view.matrix[:-1, -1].tolist(),
        "false_alarm": view.matrix[-1, :-1].tolist(),
        "kinds": {kind: view.kinds[kind] for kind in FALSE_ALARM_KINDS},
        "totals": {kind: view.kinds[kind] for kind in ("correct", "confused", "missed", "ignored")},
        "tide": {"counts": found.counts, "gain": found.gain, "ap": found.ap},
        "ap": {name: summary.get(name) for name in HEADLINE_AP},
        "summary": dict(summary),
        "notes": list(cap_notes(errors.source)) if isinstance(errors.source, BoxPredictions) else [],
        "imbalance": {
            "confused": lean.confused,
            "towards_larger": lean.towards_larger,
            "expected": lean.expected,
        },
        "per_class": _rows(view.per_class(), errors.classes, "class"),
    }


def _rows(found: Iterable[ClassErrors], names: tuple[str, ...], what: str) -> list[dict[str, Any]]:
    return [
        {
            what: row.name,
            "n_train": row.n_train,
            "n_val": row.n_val,
            "ap": row.ap,
            "ap_50": row.ap_50,
            "recall": row.recall,
            "precision": row.precision,
            "confused_with": None if row.confused_with is None else names[row.confused_with],
            "confused_n": row.confused_n,
        }
        for row in found
    ]


def group_document(view: View, words: int) -> dict[str, Any]:
    """The matrix by groups; `inside` are confusions within a group, which its diagonal cell counts too.

    `ap`, `summary` and the AP in `per_group` are of groups matched anew, for classification of probabilities
    summed; recall and precision are those of the matrix.
    """
    classes, grouped, anew = view.errors.classes, view.grouped(words), view.in_groups(words)
    summary = anew.ap.summary if anew.ap else anew.errors.summary
    return {
        "names": list(grouped.names),
        "members": [[classes[label] for label in labels] for labels in grouped.members],
        "matrix": grouped.matrix[:-1, :-1].tolist(),
        "missed": grouped.matrix[:-1, -1].tolist(),
        "false_alarm": grouped.matrix[-1, :-1].tolist(),
        "inside": grouped.inside.tolist(),
        "likely_typos": [list(pair) for pair in grouped.likely_typos],
        "ap": {name: summary.get(name) for name in HEADLINE_AP},
        "summary": dict(summary),
        "per_group": _rows(view.per_group(words), grouped.names, "group"),
    }


def case_documents(view: View, cases: Iterable[Case]) -> list[dict[str, Any]]:
    """Cases with the names of their classes; boxes are x1, y1, x2, y2, null for classification."""
    names, boxes = view.errors.classes, view.errors.kind == "detection"
    scene = view.errors.scene
    return [
        {
            "image": clean(case.path),
            "truth": None if case.truth is None else names[case.truth],
            "prediction": None if case.predicted is None else names[case.predicted],
            "score": None if case.score is None else scene.found.written(np.array([case.score]))[0],
            "iou": case.iou,
            "kind": case.kind,
            "truth_box": _box(scene.objects.boxes, case.object) if boxes else None,
            "prediction_box": _box(scene.found.boxes, case.prediction) if boxes else None,
            "objects": case.objects,
            "boxes": case.boxes,
            **({} if case.doubt is None else {"doubt": case.doubt}),
        }
        for case in cases
    ]


def compare_document(found: Comparison, most: int) -> dict[str, Any]:
    """Counts, intervals of second - first, and the first `most` objects of each state."""
    names = found.a.errors.classes
    return {
        "scores": [found.a.score, found.b.score],
        "iou": found.a.iou,
        "agnostic_nms": found.a.agnostic_nms,
        "counts": found.counts,
        "kinds": {kind: list(pair) for kind, pair in found.kinds.items()},
        "mcnemar_p": found.intervals["accuracy"].p if "accuracy" in found.intervals else None,
        "confidence": CONFIDENCE,
        "intervals": {name: interval_document(value) for name, value in found.intervals.items()},
        "per_class": [
            {"class": name, **interval_document(value)}
            for name, value in zip(names, found.per_class, strict=True)
        ],
        **{
            state: [_change(item, names) for item in found.changes(state)[:most]]
            for state in ("fixed", "broken", "still_wrong")
        },
    }


def interval_document(value: Interval) -> dict[str, Any]:
    return {
        "first": value.first,
        "second": value.second,
        "difference": value.difference,
        "low": value.low,
        "high": value.high,
        "rounds": value.rounds,
        "images": value.images,
        "p": value.p,
        "p_corrected": value.corrected,
        "verdict": value.verdict,
        "beyond_chance": value.beyond_chance,
    }


def judgement_document(item: Judgement) -> dict[str, Any]:
    """One judgement as `--judged --json` has it."""
    return dict(vars(item))


def _change(item: Change, names: tuple[str, ...]) -> dict[str, Any]:
    took = [None if label is None else names[label] for label in item.taken_for]
    return {
        "image": clean(item.path),
        "truth": names[item.truth],
        "first": item.first,
        "second": item.second,
        "first_prediction": took[0],
        "second_prediction": took[1],
    }


def _box(boxes: Any, row: int | None) -> list[float] | None:
    return None if row is None else [round(float(value), 3) for value in boxes[row]]
