"""Groups matched anew: a separate number from the matrix of classes collapsed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from core.analysis.coco_ap import average_precision
from core.analysis.errors import Errors
from core.analysis.predictions import ClassPredictions, Origin

NAMES = ("Navicula a", "Achnanthes", "Navicula b", "Navicula c", "Achnanthes x")
GROUP = np.array([0, 1, 0, 0, 1])


@pytest.fixture
def example(error_files: ModuleType) -> Errors:
    found: Errors = error_files.boxed(*error_files.example(), train=[40, 7, 5])
    return found


def test_the_worked_example_by_genus(example: Errors) -> None:
    view = example.at(0.5)
    rows = view.per_group(1)
    assert [(row.name, row.n_train, row.n_val) for row in rows] == [
        ("Encyonema", 47, 3),
        ("Navicula", 5, 1),
    ]
    # The collapsed matrix: three correct with two false alarms, one missed with two.
    assert [(row.recall, row.precision) for row in rows] == [(1.0, 0.6), (0.0, 0.0)]
    # By falling score p1, p2, p3, p4, p5, p8: p1, p2, p5 find the three objects, p3 a second time.
    best = np.array([1] * 67 + [0.6] * 34)
    assert rows[0].ap_50 == pytest.approx(best.mean())
    assert (rows[1].ap, rows[1].ap_50) == (0.0, 0.0)
    assert rows[0].ap_50 != view.per_class()[0].ap_50


@pytest.mark.parametrize("seed", range(8))
def test_groups_are_relabelled_and_evaluated_anew(error_files: ModuleType, seed: int) -> None:
    there, found = error_files.crowded(seed, images=5, classes=len(NAMES))
    errors: Errors = error_files.boxed(there, found, NAMES)
    relabelled = error_files.boxed(
        replace(there, classes=GROUP[there.classes]),
        replace(found, classes=GROUP[found.classes]),
        ("Navicula", "Achnanthes"),
    )
    for nms in (None, 0.3):
        view, plain = errors.at(0.3, agnostic_nms=nms), relabelled.at(0.3, agnostic_nms=nms)
        anew = view.in_groups(1)
        assert anew.matrix.tolist() == plain.matrix.tolist()
        assert anew.matching.outcome.tolist() == plain.matching.outcome.tolist()
        assert anew.ap is not None
        assert anew.ap.summary == plain.ap.summary
        wanted = average_precision(plain.scene.objects, plain.scene.found, 2)
        assert [row.ap for row in view.per_group(1)] == [row.ap for row in wanted.per_class]
        grouped = view.grouped(1)
        assert [row.n_val for row in view.per_group(1)] == grouped.matrix[:-1].sum(axis=1).tolist()


def test_probabilities_of_a_group_are_summed(error_files: ModuleType) -> None:
    table = [[0.3, 0.4, 0.3, 0.0, 0.0], [0.3, 0.2, 0.0, 0.0, 0.5], [0.1, 0.3, 0.2, 0.15, 0.25]]
    errors: Errors = error_files.classified([2, 3, 1], table, NAMES)
    anew = errors.in_groups(1)
    assert anew.class_scores(0) == pytest.approx([0.6, 0.3, 0.45])
    assert anew.summary["accuracy"] == pytest.approx(2 / 3)
    assert errors.summary["accuracy"] == pytest.approx(1 / 3)
    first, second = errors.at(0.0).per_group(1)
    # Of the first group's images one is ahead of all others, the other behind.
    assert first.ap == pytest.approx((51 * 1 + 50 * 2 / 3) / 101)
    assert second.ap == pytest.approx(0.5)
    assert (first.recall, second.recall) == (0.0, 1.0)


def test_only_the_highest_probabilities_may_be_kept() -> None:
    origin = Origin(Path("x"), "", "", Path("x"), ("a", "b"), NAMES)
    top = np.array([[0.5, 0.4], [0.6, 0.3]], np.float32)
    errors = Errors(
        ClassPredictions(origin, np.array([0, 1]), None, top, np.array([[1, 0], [2, 3]]), {}), None
    )
    assert errors.in_groups(1).class_scores(0) == pytest.approx([0.4, 0.9])
    assert errors.in_groups(1).class_scores(1) == pytest.approx([0.5, 0.0])


def test_training_counts_that_come_later(example: Errors) -> None:
    example.train_counts = None
    assert [row.n_train for row in example.at(0.5).per_group(1)] == [None, None]
    example.train_counts = (1, 2, 3)
    assert [row.n_train for row in example.at(0.5).per_group(1)] == [3, 3]
    assert [row.n_train for row in example.at(0.5).per_group(2)] == [1, 2, 3]
