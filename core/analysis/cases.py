"""Single cases: a prediction or a missed object with what became of it, and an image with all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np

from core.analysis.box_matching import Matching, Outcome
from core.analysis.boxes import Floats, Ints
from core.analysis.overlaps import pair_iou
from core.analysis.scene import Scene

Box = tuple[float, float, float, float]

KIND = {
    Outcome.DROPPED: "dropped",
    Outcome.CORRECT: "correct",
    Outcome.CONFUSED: "confused",
    Outcome.IGNORED: "ignored",
    Outcome.DUPLICATE: "duplicate",
    Outcome.EXTRA_LABEL: "extra_label",
    Outcome.LOOSE: "loose",
    Outcome.LOOSE_WRONG: "loose_wrong",
    Outcome.BACKGROUND: "background",
}
"""The word for each outcome of a prediction."""
FALSE_ALARM_KINDS = ("duplicate", "extra_label", "loose", "loose_wrong", "background")
MISSED = "missed"
_BY_KIND = {word: outcome for outcome, word in KIND.items()}
_NEAR_SAME = (Outcome.DUPLICATE, Outcome.LOOSE)
_NEAR_OTHER = (Outcome.EXTRA_LABEL, Outcome.LOOSE_WRONG)


@dataclass(frozen=True)
class Case:
    """A prediction, or a missed object. Classes are places among the names.

    `truth` is None for a false alarm, `predicted` and `score` None for a missed object. `object` is the
    object it is paired with, or, of a false alarm, the one it lies on; `iou` the overlap with that one, 0 for
    background. `prediction` is its place among all stored boxes. `objects` that count and `boxes` above the
    threshold are in the image. `doubt`: how sure the model is that the label is wrong, where that was asked.
    """

    image: int
    path: str
    truth: int | None
    predicted: int | None
    score: float | None
    iou: float | None
    kind: str
    object: int | None
    prediction: int | None
    objects: int
    boxes: int
    doubt: float | None = None


@dataclass(frozen=True)
class ShownObject:
    """An annotated object in an image; `kind` is correct, confused, missed, crowd or ignored."""

    index: int
    label: int
    box: Box | None
    kind: str
    prediction: int | None


@dataclass(frozen=True)
class ShownBox:
    """A prediction in an image; `kind` as in a case, or dropped below the threshold. `object`: see Case."""

    index: int
    label: int
    score: float
    box: Box | None
    kind: str
    object: int | None
    iou: float


@dataclass(frozen=True)
class Shown:
    """All there is to draw of an image; size is width and height in pixels, None where it is not known.

    Boxes are by falling score.
    """

    image: int
    path: str
    size: tuple[int, int] | None
    objects: tuple[ShownObject, ...]
    boxes: tuple[ShownBox, ...]


def case_of_object(shown: Shown, row: int) -> Case | None:
    """What became of an annotated object of an image, as a case; None when it is not in the image."""
    annotated = next((item for item in shown.objects if item.index == row), None)
    if annotated is None:
        return None
    box = next((item for item in shown.boxes if item.index == annotated.prediction), None)
    return Case(
        shown.image,
        shown.path,
        annotated.label,
        None if box is None else box.label,
        None if box is None else box.score,
        None if box is None else box.iou,
        annotated.kind,
        annotated.index,
        None if box is None else box.index,
        sum(item.kind not in ("crowd", "ignored") for item in shown.objects),
        sum(item.kind != KIND[Outcome.DROPPED] for item in shown.boxes),
    )


class Cases(Sequence[Case]):
    """Cases in order, each made when it is asked for: predictions (places in the scene), then misses."""

    def __init__(
        self, scene: Scene, matching: Matching, paths: Sequence[str], predictions: Ints, missed: Ints
    ) -> None:
        self._scene = scene
        self._matching = matching
        self._paths = paths
        images = np.concatenate((scene.image_of_box[predictions], scene.image_of_object[missed]))
        self._images = images
        self._predictions = np.concatenate((predictions, np.full(len(missed), -1, np.int64)))
        thing, iou = nearest_object(scene, matching, predictions)
        self._things = np.concatenate((thing, missed))
        self._iou = np.concatenate((iou, np.full(len(missed), np.nan)))

    def __len__(self) -> int:
        return len(self._images)

    @overload
    def __getitem__(self, at: int) -> Case: ...
    @overload
    def __getitem__(self, at: slice) -> list[Case]: ...
    def __getitem__(self, at: int | slice) -> Case | list[Case]:
        if isinstance(at, slice):
            return [self._case(place) for place in range(*at.indices(len(self)))]
        if not -len(self) <= at < len(self):
            raise IndexError(at)
        return self._case(at % len(self))

    def sorted_by(self, key: str) -> Cases:
        """The same by falling `score`, `iou`, `area`, number of `objects` or `boxes`, or by rising `image`.

        Raises KeyError for another key.
        """
        order = np.argsort(self._columns()[key], kind="stable")
        chosen = object.__new__(Cases)
        chosen._scene, chosen._matching, chosen._paths = self._scene, self._matching, self._paths
        chosen._images, chosen._predictions = self._images[order], self._predictions[order]
        chosen._things, chosen._iou = self._things[order], self._iou[order]
        return chosen

    def _columns(self) -> dict[str, Floats]:
        scene, missed = self._scene, self._predictions < 0
        scores = np.concatenate((scene.found.scores, [-1.0]))[self._predictions]
        sizes = np.append(_areas(scene.found.boxes), 0.0)[self._predictions]
        if missed.any():
            sizes[missed] = scene.objects.area[self._things[missed]]
        return {
            "score": -scores,
            "iou": -np.nan_to_num(self._iou, nan=-1.0),
            "area": -sizes,
            "objects": -scene.objects_in_image[self._images].astype(np.float64),
            "boxes": -self._matching_boxes()[self._images].astype(np.float64),
            "image": self._images.astype(np.float64),
        }

    def _matching_boxes(self) -> Ints:
        return boxes_in_image(self._scene, self._matching)

    def _case(self, at: int) -> Case:
        scene, matching = self._scene, self._matching
        image, prediction, thing = int(self._images[at]), int(self._predictions[at]), int(self._things[at])
        first, last = scene.found.offsets[image], scene.found.offsets[image + 1]
        boxes = int((matching.outcome[first:last] != Outcome.DROPPED).sum())
        objects = int(scene.objects_in_image[image])
        label = int(scene.objects.classes[thing]) if thing >= 0 else None
        if prediction < 0:
            return Case(
                image, self._paths[image], label, None, None, None, MISSED, thing, None, objects, boxes
            )
        outcome = Outcome(int(matching.outcome[prediction]))
        paired = outcome in (Outcome.CORRECT, Outcome.CONFUSED)
        return Case(
            image,
            self._paths[image],
            label if paired else None,
            int(scene.found.classes[prediction]),
            float(scene.found.scores[prediction]),
            float(self._iou[at]),
            KIND[outcome],
            thing if thing >= 0 else None,
            int(scene.index[prediction]),
            objects,
            boxes,
        )


def select(
    scene: Scene,
    matching: Matching,
    paths: Sequence[str],
    rows: Ints | None,
    columns: Ints | None,
    kind: str | None,
) -> Cases:
    """The cases in the cells of `rows` and `columns` (None: all), and of one `kind`.

    The row after the last class holds the false alarms, the column after it the missed objects. Predictions
    come by falling score, then missed objects by falling area. Ignored predictions are in no cell: they come
    only when their kind is asked for. Raises KeyError for a kind that there is not.
    """
    none = scene.classes
    outcome = matching.outcome
    if kind == MISSED:
        chosen = np.zeros(len(outcome), np.bool_)
    elif kind is not None:
        chosen = outcome == _BY_KIND[kind]
    else:
        chosen = (outcome != Outcome.DROPPED) & (outcome != Outcome.IGNORED)
    if rows is not None:
        paired = (outcome == Outcome.CORRECT) | (outcome == Outcome.CONFUSED)
        truth = np.full(len(outcome), none, np.int64)
        truth[paired] = scene.objects.classes[matching.partner[paired]]
        chosen &= np.isin(truth, rows)
    if columns is not None:
        chosen &= np.isin(scene.found.classes, columns)
    predictions = np.flatnonzero(chosen)
    predictions = predictions[np.argsort(-scene.found.scores[predictions], kind="stable")]
    missed = np.zeros(0, np.int64)
    if kind in (None, MISSED) and (columns is None or none in columns):
        lost = matching.missed & ~scene.objects.crowd & ~scene.objects.ignore
        if rows is not None:
            lost &= np.isin(scene.objects.classes, rows)
        missed = np.flatnonzero(lost)
        missed = missed[np.argsort(-scene.objects.area[missed], kind="stable")]
    return Cases(scene, matching, paths, predictions, missed)


def boxes_in_image(scene: Scene, matching: Matching) -> Ints:
    """Boxes (images,) above the threshold."""
    kept = matching.outcome != Outcome.DROPPED
    return np.bincount(scene.image_of_box[kept], minlength=scene.found.images).astype(np.int64)


def surest_in_image(scene: Scene, matching: Matching) -> tuple[Ints, Floats]:
    """Class and score (images,) of the surest box above the threshold, the first on ties; -1 without one."""
    kept = np.flatnonzero(matching.outcome != Outcome.DROPPED)
    image = scene.image_of_box[kept]
    order = np.lexsort((-scene.found.scores[kept], image))
    kept, image = kept[order], image[order]
    images, first = np.unique(image, return_index=True)
    labels, scores = np.full(scene.found.images, -1, np.int64), np.full(scene.found.images, -1.0)
    labels[images] = scene.found.classes[kept[first]]
    scores[images] = scene.found.scores[kept[first]]
    return labels, scores


def nearest_object(scene: Scene, matching: Matching, predictions: Ints) -> tuple[Ints, Floats]:
    """The object (k,) that each prediction is paired with or lies on, -1 for none, and the IoU with it."""
    outcome = matching.outcome[predictions]
    thing = matching.partner[predictions].copy()
    same, other = np.isin(outcome, _NEAR_SAME), np.isin(outcome, _NEAR_OTHER)
    thing[same] = matching.same_object[predictions[same]]
    thing[other] = matching.other_object[predictions[other]]
    iou = np.zeros(len(predictions))
    there = thing >= 0
    iou[there] = pair_iou(scene.objects, scene.found, thing[there], predictions[there])
    return thing, iou


def show_image(
    scene: Scene,
    matching: Matching,
    image: int,
    path: str,
    size: tuple[int, int] | None,
    *,
    boxes: bool,
) -> Shown:
    """One image with all objects and predictions; without `boxes` they have none (classification)."""
    first, last = (int(scene.found.offsets[place]) for place in (image, image + 1))
    rows = np.arange(first, last)
    rows = rows[np.argsort(-scene.found.scores[rows], kind="stable")]
    thing, iou = nearest_object(scene, matching, rows)
    shown = tuple(
        ShownBox(
            int(scene.index[row]),
            int(scene.found.classes[row]),
            float(scene.found.scores[row]),
            _box(scene.found.boxes[row]) if boxes else None,
            KIND[Outcome(int(matching.outcome[row]))],
            int(thing[place]) if thing[place] >= 0 else None,
            float(iou[place]),
        )
        for place, row in enumerate(rows.tolist())
    )
    first, last = (int(scene.objects.offsets[place]) for place in (image, image + 1))
    objects = tuple(
        ShownObject(
            row,
            int(scene.objects.classes[row]),
            _box(scene.objects.boxes[row]) if boxes else None,
            _object_kind(scene, matching, row),
            int(scene.index[matching.found_by[row]]) if matching.found_by[row] >= 0 else None,
        )
        for row in range(first, last)
    )
    return Shown(image, path, size, objects, shown)


def _object_kind(scene: Scene, matching: Matching, row: int) -> str:
    if scene.objects.crowd[row]:
        return "crowd"
    if scene.objects.ignore[row]:
        return "ignored"
    by = int(matching.found_by[row])
    return MISSED if by < 0 else KIND[Outcome(int(matching.outcome[by]))]


def _box(corners: Floats) -> Box:
    x1, y1, x2, y2 = corners.tolist()
    return x1, y1, x2, y2


def _areas(boxes: Floats) -> Floats:
    areas: Floats = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    return areas
