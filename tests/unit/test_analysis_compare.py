"""Two models on the same images: what differs, and whether that is chance."""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest

from core.analysis.bootstrap import drawn_ap, draws, ranked
from core.analysis.chance import mcnemar
from core.analysis.coco_ap import average_precision
from core.analysis.compare import compare
from core.analysis.errors import Errors
from core.analysis.predictions import BoxPredictions
from core.errors import DataError


@pytest.mark.parametrize("name", ["coco_val2014_100", "cartucho_map", "fcev_small"])
def test_the_bootstrap_measures_as_coco_does(
    name: str, reference: ModuleType, error_files: ModuleType
) -> None:
    there, found, names = reference.load(name)
    scene = error_files.boxed(there, found, tuple(names)).scene
    (values,) = drawn_ap(ranked(scene), draws(found.images, 10**9, 0)[:1])
    wanted = average_precision(there, found, len(names))
    assert np.nanmean(values) == pytest.approx(wanted.summary["map"], abs=1e-9)
    assert np.nanmean(values[:, 0]) == pytest.approx(wanted.summary["map_50"], abs=1e-9)
    for row, aps in zip(wanted.per_class, values, strict=True):
        assert (row.ap is None) == bool(np.isnan(aps).all())
        if row.ap is not None:
            assert aps.mean() == pytest.approx(row.ap, abs=1e-9)


def test_a_drawn_set_is_measured_as_if_it_were_copied(error_files: ModuleType) -> None:
    there, found = error_files.crowded(5, images=6)
    weights = np.array([[2, 0, 1, 0, 3, 0]], np.float32)
    images = np.repeat(np.arange(6), weights[0].astype(int))
    copied = error_files.crowded(5, images=6)
    rows = [np.arange(copied[1].offsets[i], copied[1].offsets[i + 1]) for i in images]
    things = [np.arange(copied[0].offsets[i], copied[0].offsets[i + 1]) for i in images]
    # Ties of score between images are ordered by image: without them the copies' order is the same.
    unique = found.scores - np.arange(len(found.scores)) * 1e-6
    found = replace(found, scores=unique)
    row, thing = np.concatenate(rows), np.concatenate(things)
    new_found = replace(
        found,
        offsets=np.cumsum([0, *map(len, rows)]),
        boxes=found.boxes[row],
        classes=found.classes[row],
        scores=found.scores[row],
    )
    new_there = replace(
        there,
        offsets=np.cumsum([0, *map(len, things)]),
        boxes=there.boxes[thing],
        classes=there.classes[thing],
        crowd=there.crowd[thing],
        ignore=there.ignore[thing],
        area=there.area[thing],
    )
    (drawn,) = drawn_ap(ranked(error_files.boxed(there, found).scene), weights)
    wanted = average_precision(new_there, new_found, 3)
    for aps, row_ in zip(drawn, wanted.per_class, strict=True):
        if row_.ap is None:
            assert np.isnan(aps).all()
        else:
            # A copied box stands after its twin: between the two, precision may differ at single recalls.
            assert aps.mean() == pytest.approx(row_.ap, abs=0.06)


def test_the_same_predictions_differ_in_nothing(error_files: ModuleType) -> None:
    errors = error_files.boxed(*error_files.crowded(1, images=8))
    found = compare(errors, errors, score=0.2)
    assert found.counts["fixed"] == found.counts["broken"] == 0
    assert found.counts["still_wrong"] + found.counts["both_right"] == errors.scene.objects_of_class.sum()
    for value in found.intervals.values():
        # No two draws differ: that there is no spread is no interval.
        assert (value.difference, value.low, value.high) == (0.0, None, None)
        assert (value.p, value.words) == (1.0, "may be chance")


def test_what_is_fixed_and_broken(error_files: ModuleType) -> None:
    there, found = error_files.example()
    # The second model sees p5 as B, and no longer finds g1.
    labels, scores = found.classes.copy(), found.scores.copy()
    labels[4], scores[[0, 3]] = 1, 0.01
    other = error_files.boxed(there, replace(found, classes=labels, scores=scores))
    result = compare(error_files.boxed(there, found), other, score=0.5)
    assert result.counts == {"fixed": 1, "broken": 1, "still_wrong": 1, "both_right": 1}
    (fixed,) = result.changes("fixed")
    assert (fixed.object, fixed.truth, fixed.first, fixed.second) == (3, 1, "confused", "correct")
    assert fixed.taken_for == (0, 1)
    (broken,) = result.changes("broken")
    assert (broken.object, broken.first, broken.second) == (0, "correct", "missed")
    assert broken.taken_for == (0, None)
    assert result.kinds["missed"] == (1, 2)


def test_suppression_acts_on_both(error_files: ModuleType) -> None:
    there, found = error_files.example()
    # Of the pair on g2 the first model is surer of A, the second of B, which is right.
    scores = found.scores.copy()
    scores[2] = 0.92
    errors = error_files.boxed(there, found)
    other = error_files.boxed(there, replace(found, scores=scores))
    assert compare(errors, other, score=0.5).counts["fixed"] == 0
    result = compare(errors, other, score=0.5, agnostic_nms=0.5)
    assert result.a.agnostic_nms == result.b.agnostic_nms == 0.5
    (fixed,) = result.changes("fixed")
    assert (fixed.object, fixed.first, fixed.second) == (1, "confused", "correct")
    assert result.kinds["duplicate"] == (0, 0)
    assert result.intervals["map"].first == pytest.approx(errors.at(0.5, agnostic_nms=0.5).ap.summary["map"])


def test_classification_has_mcnemar(error_files: ModuleType) -> None:
    random = np.random.default_rng(0)
    labels = random.integers(0, 3, 200)
    sure = np.eye(3)[labels] * 0.8 + 0.1
    wrong = np.eye(3)[(labels + 1) % 3] * 0.8 + 0.1
    first = np.where((np.arange(200) < 60)[:, None], wrong, sure)
    second = np.where(((np.arange(200) >= 50) & (np.arange(200) < 65))[:, None], wrong, sure)
    found = compare(error_files.classified(labels, first), error_files.classified(labels, second))
    assert found.counts == {"fixed": 50, "broken": 5, "still_wrong": 10, "both_right": 135}
    value = found.intervals["accuracy"]
    assert value.p == value.corrected == pytest.approx(mcnemar(50, 5))
    assert (value.first, value.second) == (pytest.approx(0.7), pytest.approx(0.925))
    assert value.low is not None
    assert value.high is not None
    assert 0.1 < value.low < 0.225 < value.high < 0.35
    assert value.beyond_chance
    assert len(found.per_class) == 3


@pytest.mark.parametrize(
    ("fixed", "broken", "p"),
    [(0, 0, 1.0), (1, 0, 1.0), (5, 0, 0.0625), (10, 2, 0.03857421875), (3, 3, 1.0), (1200, 1000, 2.2e-5)],
)
def test_mcnemar(fixed: int, broken: int, p: float) -> None:
    assert mcnemar(fixed, broken) == pytest.approx(p, rel=0.02)
    assert mcnemar(broken, fixed) == mcnemar(fixed, broken)


def test_images_in_another_order_are_the_same_images(error_files: ModuleType) -> None:
    errors: Errors = error_files.boxed(*error_files.crowded(2, images=5))
    source = errors.source
    assert isinstance(source, BoxPredictions)
    assert source.objects is not None
    order = [3, 1, 4, 0, 2]
    rows = np.concatenate([np.arange(source.found.offsets[i], source.found.offsets[i + 1]) for i in order])
    things = np.concatenate(
        [np.arange(source.objects.offsets[i], source.objects.offsets[i + 1]) for i in order]
    )
    there, found = source.objects, source.found
    turned = replace(
        source,
        origin=replace(source.origin, paths=tuple(source.origin.paths[i] for i in order)),
        found=replace(
            found,
            offsets=np.cumsum([0, *np.diff(found.offsets)[order]]),
            boxes=found.boxes[rows],
            classes=found.classes[rows],
            scores=found.scores[rows],
        ),
        objects=replace(
            there,
            offsets=np.cumsum([0, *np.diff(there.offsets)[order]]),
            boxes=there.boxes[things],
            classes=there.classes[things],
            crowd=there.crowd[things],
            ignore=there.ignore[things],
            area=there.area[things],
        ),
        sizes=source.sizes[order],
    )
    result = compare(errors, Errors(turned), score=0.2)
    assert result.counts["fixed"] == result.counts["broken"] == 0
    assert result.a.matrix.tolist() == result.b.matrix.tolist()


@pytest.mark.parametrize("order", [[2, 0, 1], [1, 0, 2]], ids=["turned", "swapped"])
def test_classes_in_another_order_are_the_same_classes(error_files: ModuleType, order: list[int]) -> None:
    there, found = error_files.crowded(4, images=6)
    names = ("one", "two", "three")
    place = np.argsort(order)
    shuffled = tuple(names[at] for at in order)
    errors = error_files.boxed(there, found, names)
    other = error_files.boxed(
        replace(there, classes=place[there.classes]), replace(found, classes=place[found.classes]), shuffled
    )
    assert other.classes != errors.classes
    result = compare(errors, other, score=0.2)
    assert result.counts["fixed"] == result.counts["broken"] == 0
    assert result.a.matrix.tolist() == result.b.matrix.tolist()
    scores = np.array([[0.6, 0.3, 0.1], [0.2, 0.1, 0.7], [0.3, 0.4, 0.3]])
    first = error_files.classified([0, 2, 0], scores.tolist(), names)
    second = error_files.classified(place[[0, 2, 0]].tolist(), scores[:, order].tolist(), shuffled)
    same = compare(first, second)
    assert (same.counts["both_right"], same.counts["still_wrong"]) == (2, 1)
    assert [item.taken_for for item in same.changes("still_wrong")] == [(1, 1)]


def test_what_cannot_be_compared(error_files: ModuleType) -> None:
    there, found = error_files.crowded(2, images=4)
    errors = error_files.boxed(there, found)
    fewer = error_files.boxed(*error_files.crowded(2, images=3))
    with pytest.raises(DataError, match=r"different images \(4 and 3, such as 3\.png\)"):
        compare(errors, fewer)
    with pytest.raises(DataError, match="differ in classes"):
        compare(errors, error_files.boxed(there, found, ("a", "b", "c")))
    with pytest.raises(DataError, match="differ in task"):
        compare(errors, error_files.classified([0], [[1, 0, 0]]))
    moved = error_files.boxed(replace(there, classes=(there.classes + 1) % 3), found)
    with pytest.raises(DataError, match="annotated differently"):
        compare(errors, moved)
