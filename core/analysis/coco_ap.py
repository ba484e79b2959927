"""COCO's average precision and recall, from the one evaluator that training, measuring and screens share.

The numbers are those of pycocotools' COCOeval for boxes (Lin et al., 2014): 101 recall points, ten thresholds
.50:.05:.95, 100 detections an image and class. They are computed by `faster_coco_eval`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.analysis.boxes import Detections, Objects, image_of
from core.metrics import COCO

MAX_DETECTIONS = (1, 10, 100)
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
        return Precision(dict.fromkeys(COCO), (row,) * classes, empty, empty)
    evaluator = _evaluated(objects, found, counts)
    # Axes: IoU, recall, class, area, number of detections.
    precision = np.asarray(evaluator.eval["precision"])
    recall = np.asarray(evaluator.eval["recall"])
    curves = precision[:, :, :, _ALL_AREAS, -1]
    return Precision(
        {name: _number(value) for name, value in zip(COCO, evaluator.stats[:12], strict=True)},
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


def _evaluated(objects: Objects, found: Detections, counts: NDArray[np.int64]) -> Any:
    """An evaluator that has the results of all classes; `counts` (classes,) are the objects that count.

    It takes one class at a time, so that never more than one has its boxes in the dictionaries it needs.
    Classes without objects have no precision and are left out.
    """
    from faster_coco_eval.core.faster_eval_api import COCOeval_faster

    class Evaluator(COCOeval_faster):  # type: ignore[misc]  # the package has no types
        """COCOeval of one class, which honours `ignore` beside `iscrowd`: the original overwrites it."""

        def take(self, part: _OfClass) -> None:
            self.part = part
            self.params.imgIds, self.params.catIds = list(part.overlaps), [1]

        def _prepare(self) -> None:
            for data, records in (
                (self.gt_dataset, self.part.annotations()),
                (self.dt_dataset, self.part.guesses()),
            ):
                data.clean()
                for record in records:
                    data.append(record["image_id"], 1, record)

        def computeIoU(self, image: int, _: int) -> Any:
            return self.part.overlaps[image]

    evaluator = Evaluator(None, None, "bbox", print_function=_say_nothing, extra_calc=False)
    settings = evaluator.params
    shape = [len(settings.iouThrs), len(settings.recThrs), len(counts), len(settings.areaRng)]
    shape.append(len(MAX_DETECTIONS))
    precision, scores = np.full(shape, -1.0), np.full(shape, -1.0)
    recall = np.full((shape[0], *shape[2:]), -1.0)
    for label, part in _by_class(objects, found, counts):
        evaluator.take(part)
        evaluator.evaluate()
        evaluator.accumulate()
        for whole, name in ((precision, "precision"), (scores, "scores")):
            whole[:, :, label] = np.asarray(evaluator.eval[name])[:, :, 0]
        recall[:, label] = np.asarray(evaluator.eval["recall"])[:, 0]
    evaluator.eval = {"precision": precision, "recall": recall, "scores": scores}
    evaluator.summarize()
    return evaluator


@dataclass(frozen=True)
class _OfClass:
    """The objects and boxes of one class, images numbered from 1.

    `overlaps` are the IoU (boxes, objects) in each image, empty where there is either none.
    """

    object_image: NDArray[np.int64]
    area: NDArray[np.float64]
    crowd: NDArray[np.bool_]
    ignore: NDArray[np.bool_]
    box_image: NDArray[np.int64]
    box_area: NDArray[np.float64]
    scores: NDArray[np.float64]
    overlaps: Mapping[int, Any]

    # Ids count from 1: COCOeval takes id 0 for "not matched".
    def annotations(self) -> Iterator[dict[str, Any]]:
        columns = (self.object_image, self.area, self.crowd, self.ignore | self.crowd)
        for number, (image, area, crowd, ignore) in enumerate(_rows(*columns), 1):
            yield {
                "id": number,
                "image_id": image,
                "category_id": 1,
                "area": area,
                "iscrowd": int(crowd),
                "ignore": int(ignore),
            }

    def guesses(self) -> Iterator[dict[str, Any]]:
        columns = (self.box_image, self.box_area, self.scores)
        for number, (image, area, score) in enumerate(_rows(*columns), 1):
            yield {"id": number, "image_id": image, "category_id": 1, "area": area, "score": score}


def _rows(*columns: NDArray[Any]) -> Iterator[tuple[Any, ...]]:
    return zip(*(column.tolist() for column in columns), strict=True)


def _by_class(
    objects: Objects, found: Detections, counts: NDArray[np.int64]
) -> Iterator[tuple[int, _OfClass]]:
    there, boxes = _sized(objects.boxes), _sized(found.boxes)
    object_image, box_image = image_of(objects.offsets), image_of(found.offsets)
    by_label = np.argsort(objects.classes, kind="stable")
    ends = np.searchsorted(objects.classes[by_label], np.arange(len(counts) + 1))
    # Boxes by class, image and falling score, the earlier first on ties: so COCOeval takes them.
    order = np.lexsort((-found.scores, box_image, found.classes))
    order = order[_among_best(found.classes[order], box_image[order])]
    box_ends = np.searchsorted(found.classes[order], np.arange(len(counts) + 1))
    for label in np.flatnonzero(counts).tolist():
        things, rows = by_label[ends[label] : ends[label + 1]], order[box_ends[label] : box_ends[label + 1]]
        numbers, object_numbers = _numbered(box_image[rows], object_image[things])
        yield (
            label,
            _OfClass(
                object_numbers,
                objects.area[things],
                objects.crowd[things],
                objects.ignore[things],
                numbers,
                boxes[rows, 2] * boxes[rows, 3],
                found.scores[rows],
                _overlaps(boxes[rows], numbers, there[things], object_numbers, objects.crowd[things]),
            ),
        )


def _among_best(labels: NDArray[np.int64], images: NDArray[np.int64]) -> NDArray[np.bool_]:
    """The first hundred of each class and image, which lie together."""
    fresh = np.ones(len(labels), np.bool_)
    fresh[1:] = (np.diff(labels) != 0) | (np.diff(images) != 0)
    return _place(fresh) < MAX_DETECTIONS[-1]


def _place(fresh: NDArray[np.bool_]) -> NDArray[np.int64]:
    """How many rows after the last `fresh` one each row is."""
    starts = np.flatnonzero(fresh)
    place: NDArray[np.int64] = np.arange(len(fresh)) - np.repeat(
        starts, np.diff(np.append(starts, len(fresh)))
    )
    return place


def _numbered(
    images: NDArray[np.int64], with_objects: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Numbers from 1 of the images of boxes and of objects of one class.

    Images without an object have nothing to match: up to a hundred boxes of those that follow on each other
    count as one image, which changes neither their order nor what they are, and saves most of the work.
    """
    matched = np.isin(images, with_objects)
    fresh = np.ones(len(images), np.bool_)
    fresh[1:] = (np.diff(matched) != 0) | (matched[1:] & (np.diff(images) != 0))
    fresh |= ~matched & (_place(fresh) % MAX_DETECTIONS[-1] == 0)
    numbers = np.cumsum(fresh, dtype=np.int64)
    known = dict(zip(images[matched].tolist(), numbers[matched].tolist(), strict=True))
    last = int(numbers[-1]) if len(numbers) else 0
    of_objects = []
    for image in with_objects.tolist():
        if image not in known:
            last += 1
            known[image] = last
        of_objects.append(known[image])
    return numbers, np.array(of_objects, np.int64)


def _overlaps(
    boxes: NDArray[np.float64],
    box_numbers: NDArray[np.int64],
    things: NDArray[np.float64],
    thing_numbers: NDArray[np.int64],
    crowd: NDArray[np.bool_],
) -> dict[int, Any]:
    from faster_coco_eval.core.mask import iou

    numbers = np.union1d(box_numbers, thing_numbers)
    sides = [
        (np.searchsorted(column, numbers), np.searchsorted(column, numbers, "right"))
        for column in (box_numbers, np.sort(thing_numbers))
    ]
    order = np.argsort(thing_numbers, kind="stable")
    found: dict[int, Any] = {}
    for place, number in enumerate(numbers.tolist()):
        rows, columns = (slice(int(first[place]), int(last[place])) for first, last in sides)
        found[number] = []
        if rows.start < rows.stop and columns.start < columns.stop:
            chosen = order[columns]
            found[number] = iou(boxes[rows], things[chosen], crowd[chosen].astype(int).tolist())
    return found


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
