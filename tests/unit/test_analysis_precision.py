"""Average precision against published values."""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from core.analysis.boxes import Detections, Objects, detections, image_of, objects
from core.analysis.coco_ap import average_precision
from core.metrics import COCO


@pytest.mark.parametrize("name", ["coco_val2014_100", "cartucho_map"])
def test_the_twelve_numbers_are_the_published_ones(name: str, reference: ModuleType) -> None:
    expected = reference.expected(name)
    there, found, names = reference.load(name)
    result = average_precision(there, found, len(names))
    assert list(result.summary.values()) == pytest.approx(expected["stats12"], abs=1e-6)
    assert tuple(result.summary) == COCO
    for label, row in zip(names, result.per_class, strict=True):
        if label in expected["per_class"]:
            wanted = expected["per_class"][label]
            assert (row.ap, row.ap_50, row.ap_75, row.ar_100) == (
                pytest.approx(wanted["ap"], abs=1e-6),
                pytest.approx(wanted["ap50"], abs=1e-6),
                pytest.approx(wanted["ap75"], abs=1e-6),
                pytest.approx(wanted["ar100"], abs=1e-6),
            )
            assert row.objects == wanted["n_gt"]


@pytest.mark.parametrize("seed", range(12))
def test_the_numbers_are_those_of_the_evaluator_used_plainly(error_files: ModuleType, seed: int) -> None:
    """Ties, crowds, classes without objects, images without any, more than a hundred boxes of a class."""
    there, found = error_files.crowded(seed, images=1 + seed % 9, classes=1 + seed % 5)
    there = replace(there, ignore=np.zeros(len(there.classes), bool))
    if seed % 3 == 0:
        random = np.random.default_rng(seed)
        counts = random.integers(0, 400, found.images)
        corner = random.integers(0, 4, (counts.sum(), 2)) * 5.0
        found = Detections(
            np.concatenate(([0], np.cumsum(counts))),
            np.concatenate((corner, corner + random.integers(2, 5, corner.shape) * 5.0), axis=1),
            random.integers(0, 1 + seed % 5, len(corner)),
            random.integers(1, 6, len(corner)) / 5,
        )
    result = average_precision(there, found, 6)
    stats, precision, scores = plain(there, found, 6)
    assert [-1 if value is None else value for value in result.summary.values()] == stats
    assert np.array_equal(result.curves, precision)
    assert np.array_equal(result.scores[precision > -1], scores[precision > -1])


def plain(there: Objects, found: Detections, classes: int) -> tuple[list[float], Any, Any]:
    """COCO's twelve numbers, precision and scores (IoU, recall, class), from files as users write them."""
    from faster_coco_eval import COCO
    from faster_coco_eval.core.faster_eval_api import COCOeval_faster

    def side(part: Objects | Detections) -> list[dict[str, Any]]:
        sized = np.concatenate((part.boxes[:, :2], part.boxes[:, 2:] - part.boxes[:, :2]), axis=1)
        return [
            {"id": row + 1, "image_id": int(image) + 1, "category_id": int(part.classes[row]) + 1}
            | {"bbox": sized[row].tolist(), "area": float(sized[row, 2] * sized[row, 3]), "iscrowd": 0}
            for row, image in enumerate(image_of(part.offsets))
        ]

    truth, guesses = side(there), side(found)
    for row, item in enumerate(truth):
        item |= {"iscrowd": int(there.crowd[row]), "area": float(there.area[row])}
    for row, item in enumerate(guesses):
        item["score"] = float(found.scores[row])
    about = {
        "images": [{"id": number, "width": 1, "height": 1} for number in range(1, there.images + 1)],
        "categories": [{"id": number, "name": str(number)} for number in range(1, classes + 1)],
    }
    sides = [COCO({**about, "annotations": items}) for items in (truth, guesses)]
    evaluator = COCOeval_faster(*sides, "bbox", print_function=lambda *_: None, extra_calc=False)
    evaluator.run()
    curves = [np.asarray(evaluator.eval[name])[:, :, :, 0, -1] for name in ("precision", "scores")]
    return evaluator.stats[:12].tolist(), *curves


def test_the_small_set_of_the_evaluator(reference: ModuleType) -> None:
    there, found, names = reference.load("fcev_small")
    assert average_precision(there, found, len(names)).summary["map"] == pytest.approx(0.6947194719, abs=1e-9)


def test_the_four_images_of_torchmetrics(reference: ModuleType) -> None:
    images = reference.document("torchmetrics_4img/data.json")["images"]
    there = objects(
        [[item["box"] for item in image["gt"]] for image in images],
        [[item["label"] for item in image["gt"]] for image in images],
    )
    found = detections(
        [[item["box"] for item in image["pred"]] for image in images],
        [[item["label"] for item in image["pred"]] for image in images],
        [[item["score"] for item in image["pred"]] for image in images],
    )
    classes = 1 + max(int(there.classes.max()), int(found.classes.max()))
    published = [0.637, 0.859, 0.761, 0.622, 0.800, 0.635, 0.432, 0.652, 0.652, 0.673, 0.800, 0.633]
    result = average_precision(there, found, classes)
    assert list(result.summary.values()) == pytest.approx(published, abs=1e-3)


def test_a_class_that_is_not_in_val_is_neither_zero_nor_in_the_mean() -> None:
    there = objects([[[0, 0, 10, 10], [20, 20, 30, 30]]], [[0, 1]])
    found = detections([[[0, 0, 10, 10], [50, 50, 60, 60]]], [[0, 2]], [[0.9, 0.8]])
    result = average_precision(there, found, 3)
    assert [row.ap for row in result.per_class] == [pytest.approx(1.0), 0.0, None]
    assert [row.objects for row in result.per_class] == [1, 1, 0]
    assert result.summary["map"] == pytest.approx(0.5)
    assert result.summary["map_medium"] is None


def test_without_objects_there_is_no_number() -> None:
    result = average_precision(
        objects([[], []], [[], []]), detections([[[0, 0, 1, 1]], []], [[1], []], [[0.5], []]), 2
    )
    assert set(result.summary.values()) == {None}
    assert [row.ap for row in result.per_class] == [None, None]


def test_without_detections_it_is_zero() -> None:
    result = average_precision(objects([[[0, 0, 10, 10]]], [[0]]), detections([[]], [[]], [[]]), 1)
    assert result.summary["map"] == 0.0
    assert result.per_class[0].ar_100 == 0.0


def test_a_difficult_object_is_neither_missed_nor_a_false_alarm() -> None:
    boxes = [[[0, 0, 10, 10], [20, 20, 30, 30]]]
    found = detections([[[20, 20, 30, 30], [0, 0, 10, 10]]], [[0, 0]], [[0.9, 0.8]])
    difficult = average_precision(objects(boxes, [[0, 0]], ignore=[[False, True]]), found, 1)
    assert difficult.summary["map"] == pytest.approx(1.0)
    assert difficult.per_class[0].objects == 1
    # IoU 0.82 with the difficult one: a false alarm from 0.85 on, nothing below.
    near = detections([[[21, 20, 31, 30], [0, 0, 10, 10]]], [[0, 0]], [[0.9, 0.8]])
    loose = average_precision(objects(boxes, [[0, 0]], ignore=[[False, True]]), near, 1)
    assert loose.summary["map"] == pytest.approx((7 * 1.0 + 3 * 0.5) / 10)
    missed = average_precision(
        objects(boxes, [[0, 0]], ignore=[[True, False]]), detections([[boxes[0][1]]], [[0]], [[0.5]]), 1
    )
    assert missed.summary["map"] == missed.summary["mar_100"] == pytest.approx(1.0)
    nothing = average_precision(objects(boxes, [[0, 0]], ignore=[[True, True]]), found, 1)
    assert nothing.summary["map"] is None


def test_the_first_object_counts_though_others_number_from_zero() -> None:
    there = objects([[[0, 0, 10, 10]]], [[0]])
    found = detections([[[0, 0, 10, 10]]], [[0]], [[0.9]])
    assert average_precision(there, found, 1).summary["map"] == pytest.approx(1.0)


def test_disagreement_about_images_and_classes_is_refused() -> None:
    one, two = objects([[]], [[]]), detections([[], []], [[], []], [[], []])
    with pytest.raises(ValueError, match="objects of 1 images, detections of 2"):
        average_precision(one, two, 1)
    with pytest.raises(ValueError, match="beyond the 1"):
        average_precision(one, detections([[[0, 0, 1, 1]]], [[1]], [[0.5]]), 1)
