"""The errors of a predictions file: the worked example, published sets, and what must always hold."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from core.analysis.agnostic_nms import keep_best
from core.analysis.box_matching import Outcome
from core.analysis.boxes import Detections, Objects, detections, image_of, objects
from core.analysis.cases import FALSE_ALARM_KINDS
from core.analysis.errors import Errors
from core.analysis.predictions import BoxPredictions, Origin

pytestmark = pytest.mark.slow

SCORES = (0.0, 0.3, 0.5)


@pytest.fixture
def worked(error_files: ModuleType) -> Errors:
    found: Errors = error_files.boxed(*error_files.example(), train=[5, 3, 1])
    return found


def test_the_worked_example_at_one_half(worked: Errors) -> None:
    view = worked.at(0.5)
    assert view.matrix.tolist() == [[1, 0, 0, 0], [1, 1, 0, 0], [0, 0, 0, 1], [2, 0, 2, 0]]
    assert view.kinds == {
        "correct": 2,
        "confused": 1,
        "ignored": 0,
        "duplicate": 1,
        "extra_label": 1,
        "loose": 1,
        "loose_wrong": 0,
        "background": 1,
        "missed": 1,
    }
    alarms = dict(zip(FALSE_ALARM_KINDS, view.false_alarms.tolist(), strict=True))
    assert alarms["extra_label"] == [1, 0, 0]
    assert alarms["background"] == [0, 0, 1]
    found = view.tide()
    assert found.counts == {"Cls": 2, "Loc": 1, "Both": 0, "Dupe": 1, "Bkg": 1, "Miss": 0}
    assert {name: round(value, 3) for name, value in found.gain.items() if value} == {
        "Cls": 16.502,
        "Loc": 33.333,
    }
    assert round(found.ap, 3) == 50.165


def test_the_worked_example_at_one_quarter(worked: Errors) -> None:
    view = worked.at(0.25)
    assert view.matrix.tolist() == [[1, 0, 0, 0], [0, 2, 0, 0], [0, 0, 0, 1], [3, 0, 2, 0]]
    assert (view.kinds["extra_label"], view.kinds["confused"]) == (2, 0)
    gain = worked.at(0.0).tide().gain
    assert {name: round(value, 3) for name, value in gain.items() if value} == {"Loc": 33.333}


def test_ap_of_the_worked_example_ignores_the_score(worked: Errors) -> None:
    for score in (0.0, 0.5, 0.9):
        ap = worked.at(score).ap
        assert ap is not None
        assert round(ap.summary["map"] or 0, 6) == 0.591914
        assert [row.ap_50 for row in ap.per_class] == [pytest.approx(1), pytest.approx(1), 0]


def test_cases_of_cells(worked: Errors) -> None:
    view = worked.at(0.5)
    (confused,) = view.cases(1, 0)
    assert (confused.kind, confused.score, confused.iou) == ("confused", 0.65, 1.0)
    assert (confused.truth, confused.predicted, confused.object, confused.prediction) == (1, 0, 3, 4)
    assert (confused.objects, confused.boxes, confused.path) == (4, 7, "0.png")
    (missed,) = view.cases(2, 3)
    assert (missed.kind, missed.truth, missed.predicted, missed.score) == ("missed", 2, None, None)
    extra, twice = view.cases(3, 0)
    assert (extra.kind, extra.truth, extra.object, extra.score) == ("extra_label", None, 1, 0.9)
    assert extra.iou == pytest.approx(0.905, abs=1e-3)
    assert (twice.kind, twice.object) == ("duplicate", 0)
    assert [case.kind for case in view.cases(3, None)] == ["extra_label", "duplicate", "loose", "background"]
    assert [case.kind for case in view.cases(None, None, "loose")] == ["loose"]
    assert [case.predicted for case in view.cases((0, 1), (0, 1))] == [0, 1, 0]
    assert len(view.cases()) == 8
    assert [case.iou for case in view.cases(3, None).sorted_by("iou")][:2] == [
        pytest.approx(0.905, abs=1e-3)
    ] * 2


def test_an_image_to_draw(worked: Errors) -> None:
    shown = worked.at(0.5).image(0)
    assert shown.size == (200, 200)
    assert [thing.kind for thing in shown.objects] == ["correct", "correct", "missed", "confused"]
    assert [box.score for box in shown.boxes] == sorted((box.score for box in shown.boxes), reverse=True)
    assert shown.boxes[-1].kind == "dropped"
    assert shown.objects[3].prediction == 4
    assert shown.boxes[0].box == (20, 20, 60, 60)


def test_classes_groups_and_lean(worked: Errors) -> None:
    view = worked.at(0.5)
    first, second, third = view.per_class()
    assert (second.n_train, second.n_val, second.recall, second.precision) == (3, 2, 0.5, 1.0)
    assert (second.confused_with, second.confused_n) == (0, 1)
    assert (third.recall, third.precision, third.confused_with) == (0.0, 0.0, None)
    assert first.precision == 0.25
    grouped = view.grouped(1)
    assert grouped.names == ("Encyonema", "Navicula")
    assert grouped.matrix.tolist() == [[3, 0, 0], [0, 0, 1], [2, 2, 0]]
    assert grouped.inside.tolist() == [1, 0]
    assert view.grouped(2).names == worked.classes
    lean = view.imbalance()
    assert (lean.confused, lean.towards_larger, lean.expected) == (1, 1.0, pytest.approx(5 / 6))


def test_suppression_of_other_classes(worked: Errors) -> None:
    view = worked.at(0.5, agnostic_nms=0.5)
    # p3 (the right one) goes with p4: p2 of the wrong class has the higher score.
    assert view.matrix.tolist() == [[1, 0, 0, 0], [2, 0, 0, 0], [0, 0, 0, 1], [0, 0, 2, 0]]
    assert (view.kinds["extra_label"], view.kinds["duplicate"]) == (0, 0)
    assert [case.prediction for case in view.cases(1, 0)] == [1, 4]
    assert [box.index for box in view.image(0).boxes] == [0, 1, 4, 5, 6]


def test_a_curve_and_its_threshold(worked: Errors) -> None:
    curve = worked.at(0.5).pr_curve(1)
    assert curve.recall.tolist() == [0.5, 1.0]
    assert curve.at == 0
    assert worked.at(0.9).pr_curve(1).at == -1


@pytest.mark.parametrize("name", ["coco_val2014_100", "cartucho_map"])
@pytest.mark.parametrize("score", SCORES)
def test_tide_of_public_sets(name: str, score: float, reference: ModuleType, error_files: ModuleType) -> None:
    wanted = reference.expected(name)["matrix_iou_0_5"][str(score)]
    there, found, names = reference.load(name)
    tide = error_files.boxed(there, found, tuple(names)).at(score).tide()
    assert tide.counts == wanted["tidecv_counts"]
    assert tide.ap == pytest.approx(wanted["tidecv_ap50"], abs=1e-4)
    # A duplicate has the score of a right box there: mending other types, tidecv turns the two round.
    near = 5e-3 if (name, score) == ("coco_val2014_100", 0.0) else 1e-4
    assert tide.gain == pytest.approx(wanted["tidecv_dAP"], abs=near)


@st.composite
def scenes(draw: st.DrawFn) -> tuple[Objects, Detections]:
    """Few places, classes and scores: ties, crowds and difficult objects are the rule."""
    images = draw(st.integers(1, 3))

    def boxes(count: int) -> Any:
        corner = draw(arrays(np.int64, (count, 2), elements=st.integers(0, 3))) * 5.0
        side = draw(arrays(np.int64, (count, 2), elements=st.integers(2, 4))) * 5.0
        return np.concatenate((corner, corner + side), axis=1)

    def column(count: int, kind: Any, elements: Any) -> Any:
        return draw(arrays(kind, count, elements=elements))

    counts = [draw(st.integers(0, 5)) for _ in range(images)]
    guesses = [draw(st.integers(0, 8)) for _ in range(images)]
    rare = st.sampled_from([False, False, False, True])
    there = objects(
        [boxes(count) for count in counts],
        [column(count, np.int64, st.integers(0, 2)) for count in counts],
        crowd=[column(count, np.bool_, rare) for count in counts],
        ignore=[column(count, np.bool_, rare) for count in counts],
    )
    found = detections(
        [boxes(count) for count in guesses],
        [column(count, np.int64, st.integers(0, 2)) for count in guesses],
        [column(count, np.int64, st.integers(1, 5)) / 5 for count in guesses],
    )
    return there, found


thresholds = st.tuples(st.sampled_from([0.0, 0.2, 0.4, 0.6, 1.0]), st.sampled_from([0.2, 0.5, 0.75, 1.0]))


@settings(max_examples=80, deadline=None, database=None, derandomize=True)
@given(scenes(), thresholds)
def test_every_box_is_in_one_cell(scene: tuple[Objects, Detections], at: tuple[float, float]) -> None:
    there, found = scene
    view = _boxed(there, found).at(*at)
    matrix, outcome = view.matrix, view.matching.outcome
    normal = ~there.crowd & ~there.ignore
    kept = (outcome != Outcome.DROPPED) & (outcome != Outcome.IGNORED)
    assert matrix[:-1].sum(axis=1).tolist() == np.bincount(there.classes[normal], minlength=3).tolist()
    assert matrix[:, :-1].sum(axis=0).tolist() == np.bincount(found.classes[kept], minlength=3).tolist()
    assert matrix[-1, -1] == 0
    assert view.false_alarms.sum(axis=0).tolist() == matrix[-1, :-1].tolist()
    assert sum(view.kinds[kind] for kind in FALSE_ALARM_KINDS) == matrix[-1].sum()
    for row in range(4):
        for column in range(4):
            cases = view.cases(row, column)
            assert len(cases) == len(list(cases)) == matrix[row, column]
            assert all((3 if case.truth is None else case.truth) == row for case in cases)
            assert all((3 if case.predicted is None else case.predicted) == column for case in cases)
    grouped = view.grouped(1).matrix
    assert grouped.sum() == matrix.sum()
    for image, surest in enumerate(view.surest()):
        boxes = [box for box in view.image(image).boxes if box.kind != "dropped"]
        assert surest == ((boxes[0].label, boxes[0].score) if boxes else None)


@settings(max_examples=80, deadline=None, database=None, derandomize=True)
@given(scenes(), thresholds)
def test_the_matrix_is_that_of_coco(scene: tuple[Objects, Detections], at: tuple[float, float]) -> None:
    there, found = scene
    score, iou = at
    matrix = _boxed(there, found).at(score, iou).matrix
    for label, (right, wrong, missed) in enumerate(coco_counts(there, found, score, iou)):
        assert matrix[label, label] == right
        assert matrix[:, label].sum() - matrix[label, label] == wrong
        assert matrix[label].sum() - matrix[label, label] == missed


@settings(max_examples=60, deadline=None, database=None, derandomize=True)
@given(scenes(), thresholds)
def test_the_curve_goes_through_the_matrix(
    scene: tuple[Objects, Detections], at: tuple[float, float]
) -> None:
    view = _boxed(*scene).at(*at)
    for row in view.per_class():
        curve = view.pr_curve(row.label)
        if curve.at >= 0 and row.n_val:
            assert curve.recall[curve.at] == pytest.approx(row.recall)
            assert curve.precision[curve.at] == pytest.approx(row.precision)
        else:
            assert not row.recall


@settings(max_examples=60, deadline=None, database=None, derandomize=True)
@given(scenes(), st.sampled_from([0.2, 0.4, 0.6]), st.sampled_from([0.3, 0.5, 0.9]))
def test_suppression_is_one_by_one(scene: tuple[Objects, Detections], score: float, iou: float) -> None:
    _, found = scene
    kept = []
    images = image_of(found.offsets)
    for row in np.argsort(-found.scores, kind="stable").tolist():
        mine = found.boxes[row]
        if all(images[other] != images[row] or overlap(mine, found.boxes[other]) <= iou for other in kept):
            kept.append(row)
    assert keep_best(found, iou).tolist() == sorted(kept)
    above = found.scores[kept] >= score
    assert [row for row in kept if found.scores[row] >= score] == np.array(kept, int)[above].tolist()


def coco_counts(there: Objects, found: Detections, score: float, iou: float) -> list[list[int]]:
    """TP, FP and FN of pycocotools for each class, with predictions of at least `score`."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    class Evaluator(COCOeval):  # type: ignore[misc]  # the package has no types
        """Honours `ignore`, which the original overwrites by `iscrowd`."""

        def _prepare(self) -> None:
            super()._prepare()
            for items in self._gts.values():
                for item in items:
                    item["ignore"] = int(item["difficult"] or item["iscrowd"])

    truth, guesses = COCO(), COCO()
    images = [{"id": index + 1, "width": 100, "height": 100} for index in range(found.images)]
    categories = [{"id": index + 1, "name": str(index)} for index in range(3)]
    places = image_of(there.offsets)
    annotations = [
        {
            "id": row + 1,
            "image_id": int(places[row]) + 1,
            "category_id": int(there.classes[row]) + 1,
            "bbox": wide(there.boxes[row]),
            "area": float(there.area[row]),
            "iscrowd": int(there.crowd[row]),
            "difficult": int(there.ignore[row]),
        }
        for row in range(len(there.classes))
    ]
    places = image_of(found.offsets)
    kept = np.flatnonzero(found.scores >= score).tolist()
    results = [
        {
            "id": row + 1,
            "image_id": int(places[row]) + 1,
            "category_id": int(found.classes[row]) + 1,
            "bbox": wide(found.boxes[row]),
            "area": 1.0,
            "iscrowd": 0,
            "score": float(found.scores[row]),
        }
        for row in kept
    ]
    for file, items in ((truth, annotations), (guesses, results)):
        file.dataset = {"images": images, "categories": categories, "annotations": items}
        with contextlib.redirect_stdout(io.StringIO()):
            file.createIndex()
    evaluator = Evaluator(truth, guesses, "bbox")
    evaluator.params.iouThrs = np.array([iou])
    evaluator.params.areaRng, evaluator.params.areaRngLbl = [[0, 1e10]], ["all"]
    with contextlib.redirect_stdout(io.StringIO()):
        evaluator.evaluate()
    counts = [[0, 0, 0] for _ in range(3)]
    for image in filter(None, evaluator.evalImgs):
        matched, out = image["dtMatches"][0] > 0, image["dtIgnore"][0].astype(bool)
        normal = ~np.asarray(image["gtIgnore"], bool)
        row = counts[image["category_id"] - 1]
        row[0] += int((matched & ~out).sum())
        row[1] += int((~matched & ~out).sum())
        row[2] += int((normal & (image["gtMatches"][0] == 0)).sum())
    return counts


def wide(box: Any) -> list[float]:
    x1, y1, x2, y2 = box.tolist()
    return [x1, y1, x2 - x1, y2 - y1]


def overlap(a: Any, b: Any) -> float:
    width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    both = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1])
    return float(width * height / (both - width * height))


def _boxed(there: Objects, found: Detections) -> Errors:
    paths = tuple(f"{index}.png" for index in range(found.images))
    origin = Origin(Path("x"), "", "", Path("/"), paths, ("a one", "a two", "b"))
    sizes = np.full((found.images, 2), 40)
    return Errors(
        BoxPredictions(origin, found, there, sizes, (), (), there.ignore, there.classes, 0.0, 0.5, 100)
    )


def test_classification_takes_the_same_way(error_files: ModuleType) -> None:
    errors = error_files.classified(
        [0, 1, 1, 2], [[0.9, 0.05, 0.05], [0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.3, 0.3, 0.4]], train=[9, 3, 1]
    )
    view = errors.at(errors.score)
    assert view.matrix.tolist() == [[1, 0, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]]
    (case,) = view.cases(1, 0)
    assert (case.path, case.score) == ("1.png", pytest.approx(0.7))
    assert view.image(1).boxes[0].box is None
    assert errors.summary == {"accuracy": 0.75, "accuracy_macro": pytest.approx(5 / 6)}
    assert errors.ap is None
    assert view.per_class()[1].recall == 0.5
    assert view.imbalance().towards_larger == 1.0
    # A probability below the threshold is no answer.
    assert errors.at(0.5).matrix[2].tolist() == [0, 0, 0, 1]
    assert errors.likeliest(1, 2) == [(0, pytest.approx(0.7)), (1, pytest.approx(0.2))]


def test_new_images_have_no_truth(error_files: ModuleType) -> None:
    errors = error_files.classified(None, [[0.9, 0.05, 0.05]])
    assert not errors.labelled
    assert errors.summary == {}
    assert errors.at(0.0).matrix[-1].tolist() == [1, 0, 0, 0]
    assert errors.at(0.0).image(0).objects == ()


def test_counts_of_boxes_per_image(worked: Errors) -> None:
    counts = worked.at(0.5).counts([0.25, 0.5, 0.9])
    assert counts.objects.tolist() == [4]
    assert counts.boxes.tolist() == [[8], [7], [2]]


def test_a_random_grid_is_the_same_each_time(error_files: ModuleType) -> None:
    view = error_files.boxed(*error_files.crowded(3)).at(0.0)
    for right in (True, False):
        sample = view.sample(right, 3, seed=1)
        assert list(sample) == list(view.sample(right, 3, seed=1))
        assert all((case.kind == "correct") == right for case in sample)


def test_many_labels_on_one_object_are_told_from_duplicates() -> None:
    """68 classes, suppressed only within a class: eight extra labels and one duplicate on each object."""
    random = np.random.default_rng(0)
    boxes = [[[20.0, 20.0, 120.0, 120.0]] for _ in range(437)]
    labels = random.integers(0, 68, 437)
    there = objects(boxes, [[label] for label in labels])
    jitter = random.normal(0, 3, (437, 10, 4))
    others = np.array(
        [[label, *random.choice(np.delete(np.arange(68), label), 8, False), label] for label in labels]
    )
    scores = np.sort(random.random((437, 10)), axis=1)[:, ::-1] * 0.5 + 0.5
    found = detections(list(np.array(boxes) + jitter), list(others), list(scores))
    errors = _many(there, found, 437)
    before, after = errors.at(0.5), errors.at(0.5, agnostic_nms=0.5)
    assert (before.kinds["correct"], before.kinds["duplicate"]) == (437, 437)
    assert before.kinds["extra_label"] == 437 * 8
    assert (after.kinds["correct"], after.kinds["duplicate"], after.kinds["extra_label"]) == (437, 0, 0)
    assert before.matrix[:-1, -1].sum() == after.matrix[:-1, -1].sum() == 0
    assert before.suppression == {}
    changes = {kind: (count, after.kinds[kind]) for kind, count in before.kinds.items()}
    assert after.suppression == {"boxes": (4370, 437), **changes}


def _many(there: Objects, found: Detections, images: int) -> Errors:
    paths = tuple(f"{index}.png" for index in range(images))
    origin = Origin(
        Path("x"), "", "", Path("/"), paths, tuple(f"G{index // 3} s{index}" for index in range(68))
    )
    sizes = np.full((images, 2), 200)
    return Errors(
        BoxPredictions(origin, found, there, sizes, (), (), there.ignore, there.classes, 0.0, 0.5, 100)
    )
