"""COCO's average precision and recall, from the one evaluator that training, measuring and screens share.

The numbers are those of pycocotools' COCOeval for boxes (Lin et al., 2014): 101 recall points, ten thresholds
.50:.05:.95, 100 detections an image and class. They are computed by `faster_coco_eval`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.analysis.boxes import Detections, Objects, image_of

MAX_DETECTIONS = (1, 10, 100)
SUMMARY = (
    "map",
    "map_50",
    "map_75",
    "map_small",
    "map_medium",
    "map_large",
    "mar_1",
    "mar_10",
    "mar_100",
    "mar_small",
    "mar_medium",
    "mar_large",
)
"""The twelve numbers in COCO's order."""
_ALL_AREAS = 0
_IOU_50, _IOU_75 = 0, 5


@dataclass(frozen=True)
class ClassPrecision:
    """One class: its objects (crowds and ignored ones not counted) and its numbers, None without objects."""

    objects: int
    ap: float | None
    ap_50: float | None
    ap_75: float | None
    ar_100: float | None


@dataclass(frozen=True)
class Precision:
    """The twelve numbers by name (None where no object is of that size) and one row a class.

    `curves` (10 IoU thresholds, 101 recalls, classes) is the precision at each recall, -1 without objects;
    `scores` has the same shape and says at which score a recall is reached.
    """

    summary: dict[str, float | None]
    per_class: tuple[ClassPrecision, ...]
    curves: NDArray[np.float64]
    scores: NDArray[np.float64]


def average_precision(objects: Objects, found: Detections, classes: int) -> Precision:
    """COCO's numbers for boxes: None for classes without objects, 0 for those without predictions.

    Raises ValueError when the two do not speak of the same images, or of classes beyond `classes`.
    """
    if objects.images != found.images:
        raise ValueError(f"objects of {objects.images} images, detections of {found.images}")
    if any(len(part) and not 0 <= part.min() <= part.max() < classes for part in _labels(objects, found)):
        raise ValueError(f"a class beyond the {classes} there are")
    counts = np.bincount(objects.classes[~objects.crowd & ~objects.ignore], minlength=classes)
    if not counts.any():
        empty = np.full((10, 101, classes), -1.0)
        row = ClassPrecision(0, None, None, None, None)
        return Precision(dict.fromkeys(SUMMARY), (row,) * classes, empty, empty)
    evaluator = _evaluator(objects, found, classes)
    evaluator.evaluate()
    evaluator.accumulate()
    evaluator.summarize()
    # Axes: IoU, recall, class, area, number of detections.
    precision = np.asarray(evaluator.eval["precision"])
    recall = np.asarray(evaluator.eval["recall"])
    curves = precision[:, :, :, _ALL_AREAS, -1]
    return Precision(
        {name: _number(value) for name, value in zip(SUMMARY, evaluator.stats[:12], strict=True)},
        tuple(
            ClassPrecision(
                int(counts[index]),
                _mean(curves[:, :, index]),
                _mean(curves[_IOU_50, :, index]),
                _mean(curves[_IOU_75, :, index]),
                _mean(recall[:, index, _ALL_AREAS, -1]),
            )
            for index in range(classes)
        ),
        curves,
        np.asarray(evaluator.eval["scores"])[:, :, :, _ALL_AREAS, -1],
    )


def _labels(objects: Objects, found: Detections) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    return objects.classes, found.classes


def _evaluator(objects: Objects, found: Detections, classes: int) -> Any:
    from faster_coco_eval import COCO
    from faster_coco_eval.core.faster_eval_api import COCOeval_faster

    class Evaluator(COCOeval_faster):  # type: ignore[misc]  # the package has no types
        """COCOeval that honours `ignore` beside `iscrowd`, which the original overwrites."""

        def _prepare(self) -> None:
            super()._prepare()
            for number in np.flatnonzero(objects.ignore):
                truth.anns[int(number) + 1]["ignore"] = 1

    images = [{"id": index, "width": 1, "height": 1} for index in range(1, objects.images + 1)]
    categories = [{"id": index, "name": str(index)} for index in range(1, classes + 1)]
    truth = COCO({"images": images, "categories": categories, "annotations": _annotations(objects)})
    guesses = COCO({"images": images, "categories": categories, "annotations": _guesses(found)})
    quiet = {"print_function": _say_nothing, "extra_calc": False}
    return Evaluator(truth, guesses, "bbox", **quiet)


def _annotations(objects: Objects) -> list[dict[str, Any]]:
    # Ids count from 1: COCOeval takes id 0 for "not matched".
    boxes = _sized(objects.boxes)
    columns = zip(
        image_of(objects.offsets).tolist(),
        objects.classes.tolist(),
        boxes.tolist(),
        objects.area.tolist(),
        objects.crowd.tolist(),
        strict=True,
    )
    return [
        {
            "id": number,
            "image_id": image + 1,
            "category_id": label + 1,
            "bbox": box,
            "area": area,
            "iscrowd": int(crowd),
        }
        for number, (image, label, box, area, crowd) in enumerate(columns, 1)
    ]


def _guesses(found: Detections) -> list[dict[str, Any]]:
    boxes = _sized(found.boxes)
    columns = zip(
        image_of(found.offsets).tolist(),
        found.classes.tolist(),
        boxes.tolist(),
        found.scores.tolist(),
        strict=True,
    )
    return [
        {
            "id": number,
            "image_id": image + 1,
            "category_id": label + 1,
            "bbox": box,
            "area": box[2] * box[3],
            "iscrowd": 0,
            "score": score,
        }
        for number, (image, label, box, score) in enumerate(columns, 1)
    ]


def _sized(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    """x1, y1, x2, y2 -> x1, y1, width, height."""
    return np.concatenate((boxes[:, :2], boxes[:, 2:] - boxes[:, :2]), axis=1)


def _mean(values: NDArray[np.float64]) -> float | None:
    there = values[values > -1]
    return float(there.mean()) if len(there) else None


def _number(value: float) -> float | None:
    return None if value < 0 else float(value)


def _say_nothing(*_: object) -> None:
    return None
