"""The screen of errors without its widgets: thresholds, ways through it, and what is chosen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from core.analysis.boxes import objects
from core.analysis.errors import Errors
from core.analysis.prediction_files import PredictionSet
from core.store.paths import RunPaths
from core.store.records import RunSummary
from tui.errors.judgements import Judgements
from tui.errors.model import CaseQuery, ErrorsModel, compute, find_cases
from tui.errors.source import Opened
from tui.widgets.matrix_counts import MatrixCell

VAL = PredictionSet(Path("a01-e0001-val.npz"), "a01-e0001", "val")
OTHER = PredictionSet(Path("a01-e0002-val.npz"), "a01-e0002", "val")


@pytest.fixture
def model(summary: Callable[..., RunSummary], error_files: ModuleType) -> ErrorsModel:
    """Of the worked example, at the matrix."""
    return looking_at(summary, error_files.boxed(*error_files.example()))


def looking_at(summary: Callable[..., RunSummary], errors: Errors) -> ErrorsModel:
    made = ErrorsModel(summary(), RunPaths(Path("/nowhere")))
    made.open(VAL)
    assert made.take_opened(opened(VAL, errors))
    recompute(made)
    return made


def opened(source: PredictionSet, errors: Errors) -> Opened:
    run = RunPaths(Path("/nowhere"))
    return Opened(source, errors, Judgements(run, source, {}), errors.root)


def recompute(model: ErrorsModel) -> None:
    assert model.errors is not None
    assert model.take_computed(compute(model.errors, model.thresholds, model.group_words))


def listed(model: ErrorsModel, sorting: str = "rank") -> list[tuple[str, float | None]]:
    assert model.view is not None
    assert model.query is not None
    return [(case.kind, case.score) for case in find_cases(model.view, model.query, sorting)]


def new_images(error_files: ModuleType) -> Errors:
    there, found = error_files.example()
    source = error_files.boxed(there, found).source
    return Errors(replace(source, objects=None))


# -- thresholds


@pytest.mark.parametrize(
    ("begin", "floor", "steps", "end"),
    [
        (0.5, 0.0, 1, 0.55),
        (0.5, 0.0, -3, 0.35),
        (0.5, 0.0, 20, 0.95),
        (0.5, 0.0, -20, 0.0),
        (0.07, 0.07, 1, 0.1),
        (0.1, 0.07, -1, 0.07),
    ],
)
def test_the_score_moves_on_a_grid_and_not_below_what_was_kept(
    model: ErrorsModel, begin: float, floor: float, steps: int, end: float
) -> None:
    assert model.errors is not None
    model.errors.floor = floor
    model.thresholds = replace(model.thresholds, score=begin)
    assert model.move_score(steps) is (begin != end)
    assert model.thresholds.score == pytest.approx(end)
    assert not model.move_score(0)


def test_iou_and_suppression_go_round(model: ErrorsModel) -> None:
    seen = []
    for _ in range(3):
        assert model.next_iou()
        seen.append(model.thresholds.iou)
    assert seen == [0.2, 0.75, 0.5]
    assert model.toggle_nms()
    assert model.thresholds.nms == 0.5
    recompute(model)
    assert model.view is not None
    assert model.view.agnostic_nms == 0.5
    assert model.toggle_nms()
    assert model.thresholds.nms is None


def test_nothing_moves_before_a_file_is_open(summary: Callable[..., RunSummary]) -> None:
    made = ErrorsModel(summary(), RunPaths(Path("/nowhere")))
    assert not made.move_score(1)
    assert (made.is_gallery, made.has_boxes, made.has_truth, list(made.names)) == (False, True, False, [])
    assert made.way_back == "out"


def test_a_file_begins_at_its_own_score(summary: Callable[..., RunSummary], error_files: ModuleType) -> None:
    guesses = [[0.9, 0.05, 0.05], [0.2, 0.7, 0.1]]
    made = looking_at(summary, error_files.classified([0, 2], guesses))
    assert made.thresholds.score == 0.0
    assert not made.has_boxes
    made.open(OTHER)
    assert (made.view, made.errors, made.has_truth) == (None, None, False)
    assert made.take_opened(opened(OTHER, error_files.boxed(*error_files.example())))
    assert made.thresholds.score == 0.5


def test_what_comes_too_late_is_not_taken(model: ErrorsModel, error_files: ModuleType) -> None:
    errors = error_files.boxed(*error_files.example())
    before = model.view
    assert not model.take_opened(opened(OTHER, errors))
    assert not model.take_computed(compute(errors, model.thresholds, 0))
    assert not model.take_train_counts(errors, (1, 2, 3))
    assert model.errors is not None
    assert not model.take_train_counts(model.errors, (1, 2))
    assert model.view is before
    assert model.take_train_counts(model.errors, (1, 2, 3))
    assert model.errors.train_counts == (1, 2, 3)


# -- what is chosen


def test_a_cell_asks_for_its_cases(model: ErrorsModel) -> None:
    query = model.cell_query(MatrixCell(1, 0))
    assert query == CaseQuery((1,), (0,), None, "Encyonema ventricosum → Encyonema silesiacum")
    assert model.cell_query(MatrixCell(2, None)) == CaseQuery(
        (2,), (3,), None, "Navicula reichardtiana missed"
    )
    alarms = model.cell_query(MatrixCell(None, 2, "background"))
    assert alarms is not None
    assert (alarms.rows, alarms.columns, alarms.kind, alarms.mixed) == ((3,), (2,), "background", False)
    every = model.cell_query(MatrixCell(None, 2))
    assert every is not None
    assert every.mixed
    assert model.cell_query(None) is None


def test_a_cell_of_groups_asks_for_all_their_classes(model: ErrorsModel) -> None:
    model.group_by(1)
    recompute(model)
    assert list(model.names) == ["Encyonema", "Navicula"]
    query = model.cell_query(MatrixCell(0, 0))
    assert query is not None
    assert (query.rows, query.columns, query.mixed) == ((0, 1), (0, 1), True)
    assert model.group_members(MatrixCell(0, 1)) == {0, 1}
    assert model.group_members(MatrixCell(None, 1)) == {2}
    assert model.group_members(MatrixCell(None, None)) is None
    model.group_by(0)
    recompute(model)
    assert model.group_members(MatrixCell(0, 1)) is None
    assert len(model.names) == 3


def test_what_was_chosen_elsewhere_stays_when_the_matrix_changes(model: ErrorsModel) -> None:
    model.query = model.cell_query(MatrixCell(1, 0))
    assert not model.chosen_elsewhere
    model.query = CaseQuery(None, None, "background", "background", mixed=True, free=True)
    assert model.chosen_elsewhere
    before = listed(model)
    model.move_score(-5)
    recompute(model)
    assert model.chosen_elsewhere
    assert {kind for kind, _ in listed(model)} == {"background"}
    assert len(listed(model)) >= len(before) > 0
    assert model.take_opened(opened(VAL, model.errors)) if model.errors is not None else False
    assert model.query is None


def test_cases_come_in_the_order_that_is_asked_for(model: ErrorsModel) -> None:
    model.query = CaseQuery(None, None, None, "0.png", mixed=True, image=0, free=True)
    scores = [score for _, score in listed(model, "rank") if score is not None]
    assert scores == sorted(scores, reverse=True)
    assert sorted(listed(model, "iou"), key=str) == sorted(listed(model, "rank"), key=str)
    model.query = replace(model.query, image=1)
    assert listed(model) == []


def test_curves_of_all_classes_one_after_the_other(model: ErrorsModel) -> None:
    seen: list[int | None] = []
    for by in (1, 1, 1, 1, -1):
        model.step_class(by)
        seen.append(model.curve_class)
    assert seen == [0, 1, 2, None, 2]
    model.group_by(1)
    assert model.curve_class is None


# -- ways through the screen


@pytest.mark.parametrize(
    ("tab", "step", "origin", "back"),
    [
        ("kinds", "matrix", "matrix", "matrix tab"),
        ("ab", "picture", "ab", "matrix tab"),
        ("matrix", "matrix", "matrix", "out"),
        ("matrix", "cases", "matrix", "origin"),
        ("matrix", "cases", "kinds", "origin"),
        ("matrix", "picture", "matrix", "cases"),
        ("matrix", "picture", "kinds", "cases"),
        ("matrix", "picture", "boxes", "origin"),
        ("matrix", "picture", "ab", "origin"),
    ],
)
def test_ways_back(model: ErrorsModel, tab: str, step: str, origin: str, back: str) -> None:
    model.tab, model.step, model.origin = tab, step, origin
    assert model.way_back == back
    assert model.on_picture is (tab == "matrix" and step == "picture")
    assert model.on_list is (tab == "matrix" and step != "matrix")
    assert model.on_matrix is (tab == step == "matrix")


def test_tabs_go_round(model: ErrorsModel) -> None:
    assert (model.next_tab(1), model.next_tab(-1)) == ("kinds", "ab")
    model.tab = "ab"
    assert (model.next_tab(1), model.next_tab(-1)) == ("matrix", "boxes")


def test_new_images_are_a_gallery(summary: Callable[..., RunSummary], error_files: ModuleType) -> None:
    made = looking_at(summary, new_images(error_files))
    made.step, made.origin = "picture", "matrix"
    assert (made.is_gallery, made.has_truth, made.listing, made.way_back) == (True, False, "images", "origin")
    made.origin = "ab"
    assert made.listing == "images"


def test_two_models_are_a_pair_only_on_the_way_from_their_tab(model: ErrorsModel) -> None:
    other: Any = SimpleNamespace(source=OTHER, label="other")
    compared: Any = SimpleNamespace(other=other, view=model.view, second=object(), captions=("A", "B"))
    assert not model.take_compared(compared), "nothing was chosen to compare with"
    model.compare_with(other)
    assert model.take_compared(compared)
    assert (model.compares, model.pair, model.listing) == (False, None, "cases")
    model.origin = "ab"
    assert model.compares
    assert model.pair is not None
    assert model.pair.captions == ("A", "B")
    assert model.listing == "changes"
    recompute(model)
    assert not model.take_compared(compared), "that was another view"
    model.compare_with(SimpleNamespace(source=OTHER, label="third"))  # type: ignore[arg-type]
    assert (model.compared, model.pair) == (None, None)


def test_images_without_objects_are_looked_at_like_others(
    summary: Callable[..., RunSummary], error_files: ModuleType
) -> None:
    _, found = error_files.example()
    made = looking_at(summary, error_files.boxed(objects([[]], [[]]), found))
    assert made.has_truth
    made.query = made.cell_query(MatrixCell(None, 0))
    assert {kind for kind, _ in listed(made)} == {"background"}
