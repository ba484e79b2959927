"""The errors in a predictions file, of either task, at thresholds that can be moved without the model.

Classification takes the same way: every image has one object and one prediction, the likeliest class with
its probability, which coincide. So a wrong class is a confusion, and a probability below the score threshold
a miss.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np

from core.analysis.agnostic_nms import keep_best
from core.analysis.box_matching import Matching, Outcome, confusion
from core.analysis.boxes import Detections, Floats, Ints, Objects
from core.analysis.cases import (
    FALSE_ALARM_KINDS,
    KIND,
    MISSED,
    Cases,
    Shown,
    boxes_in_image,
    select,
    show_image,
    surest_in_image,
)
from core.analysis.class_groups import Grouped, Imbalance, collapse, group_members, imbalance
from core.analysis.class_rows import ClassErrors, class_rows
from core.analysis.coco_ap import ClassPrecision, Precision
from core.analysis.curves import Curve, box_curve, curve
from core.analysis.predictions import BoxPredictions, ClassPredictions, read_predictions
from core.analysis.regroup import regrouped
from core.analysis.scene import Scene
from core.analysis.tide import Tide, interpolated_ap, tide

DETECTION, CLASSIFICATION = "detection", "classification"
SCORE = {DETECTION: 0.5, CLASSIFICATION: 0.0}
"""The score threshold to begin with."""
IOU = 0.5
Which = int | Collection[int] | None


@dataclass(frozen=True)
class ImageCounts:
    """Objects (images,) that count and boxes (thresholds, images) at score thresholds."""

    objects: Ints
    thresholds: tuple[float, ...]
    boxes: Ints


def open_errors(file: Path, train_counts: Sequence[int] | None = None) -> Errors:
    """The errors in a predictions file; `train_counts` are objects (classes,) in training, where known.

    Raises DataError when the file is missing, damaged, or was written by a newer labtui.
    """
    return Errors(read_predictions(file), train_counts)


class Errors:
    """All that a predictions file knows, whatever the thresholds.

    `labelled` is False for predictions of new images: then there is no truth, and all is a false alarm.
    `root` and `paths` say where the images lay when they were measured, `opening` how they are opened; sizes
    (images, 2) are width and height, None for classification. No box below the score `floor` was kept.
    """

    def __init__(
        self, source: BoxPredictions | ClassPredictions, train_counts: Sequence[int] | None = None
    ) -> None:
        self.source = source
        self.classes = source.origin.class_names
        self.paths = source.origin.paths
        self.root = source.origin.root
        self.opening = source.origin.opening
        self.images = len(self.paths)
        boxes = isinstance(source, BoxPredictions)
        self.kind: Literal["detection", "classification"] = "detection" if boxes else "classification"
        self.labelled = (source.objects if isinstance(source, BoxPredictions) else source.labels) is not None
        self.sizes = source.sizes if isinstance(source, BoxPredictions) else None
        self.floor = source.score_floor if isinstance(source, BoxPredictions) else 0.0
        self.score = SCORE[self.kind]
        right = train_counts is not None and len(train_counts) == len(self.classes)
        self.train_counts = tuple(map(int, train_counts)) if train_counts is not None and right else None
        self.scene = Scene(*_as_boxes(source), len(self.classes))
        self._suppressed: dict[float, Scene] = {}
        self._kept: dict[float, Ints] = {}
        self._in_groups: dict[int, Errors] = {}

    def at(self, score: float, iou: float = IOU, *, agnostic_nms: float | None = None) -> View:
        """What is right and wrong at a score (never below `floor`) and an IoU threshold (0.1 to 1).

        With `agnostic_nms`, as if each box had been dropped whose IoU with a better one, of whatever class,
        is above it.
        Raises ValueError for an IoU below 0.1.
        """
        return View(self, self._scene(agnostic_nms), max(score, self.floor), iou, agnostic_nms)

    @property
    def ap(self) -> Precision | None:
        """COCO's numbers over all scores, slow at first; None for classification and without truth."""
        return self.scene.precision if self.kind == DETECTION and self.labelled else None

    @cached_property
    def per_class_ap(self) -> tuple[ClassPrecision, ...]:
        """AP of each class; for classification of its probability in all images (one against the rest)."""
        if self.ap is not None:
            return self.ap.per_class
        nothing = ClassPrecision(0, None, None, None, None)
        if not self.labelled:
            return (nothing,) * len(self.classes)
        return tuple(self._one_against_rest(label) for label in range(len(self.classes)))

    @property
    def summary(self) -> dict[str, float | None]:
        """The numbers of the whole file: COCO's twelve, or accuracy, accuracy_macro, top5."""
        if self.ap is not None:
            return self.ap.summary
        if not self.labelled or not self.images:
            return {}
        truth, guess = self.scene.objects.classes, self.scene.found.classes
        there = self.scene.objects_of_class
        hits = np.bincount(truth[truth == guess], minlength=len(self.classes))
        found = {
            "accuracy": float((truth == guess).mean()),
            "accuracy_macro": float((hits[there > 0] / there[there > 0]).mean()),
        }
        if len(self.classes) > 5:
            top = [label in [c for c, _ in self.likeliest(i, 5)] for i, label in enumerate(truth.tolist())]
            found["top5"] = float(np.mean(top))
        return dict(found)

    def in_groups(self, words: int) -> Errors:
        """The errors with groups, by the first `words` words of the names, as the classes.

        Objects and boxes are matched anew and AP is that of the groups; kept after the first call.
        """
        found = self._in_groups.get(words)
        if found is None:
            source, of_class = regrouped(self.source, words)
            found = self._in_groups[words] = Errors(source)
            if self.kind == DETECTION:
                found.scene = self.scene.relabelled(of_class, len(found.classes))
            found._kept = self._kept
        train = self.train_counts
        found.train_counts = None if train is None else self._of_groups(train, words)
        return found

    def _of_groups(self, counts: Sequence[int], words: int) -> tuple[int, ...]:
        members = group_members(self.classes, words).values()
        return tuple(int(sum(counts[label] for label in labels)) for labels in members)

    def likeliest(self, image: int, most: int = 5) -> list[tuple[int, float]]:
        """The likeliest classes of an image with their probabilities; empty for boxes."""
        if isinstance(self.source, BoxPredictions):
            return []
        whole, top = self.source.probabilities, self.source.top_probabilities
        if whole is not None:
            order = np.argsort(-whole[image], kind="stable")[:most]
            return [(int(label), float(whole[image, label])) for label in order]
        assert top is not None
        assert self.source.top_classes is not None
        rows = zip(self.source.top_classes[image, :most], top[image, :most], strict=True)
        return [(int(label), float(value)) for label, value in rows]

    def class_scores(self, label: int) -> Floats:
        """The probability (images,) of a class, 0 where it is not among the likeliest kept."""
        if isinstance(self.source, BoxPredictions):
            raise ValueError("boxes have scores of their own")
        whole, top = self.source.probabilities, self.source.top_probabilities
        if whole is not None:
            return whole[:, label].astype(np.float64)
        assert top is not None
        assert self.source.top_classes is not None
        found: Floats = np.where(self.source.top_classes == label, top, 0).max(axis=1).astype(np.float64)
        return found

    def _rows(self, matrix: Ints, ap: Sequence[ClassPrecision]) -> list[ClassErrors]:
        return class_rows(self.classes, matrix, self.scene.objects_of_class, self.train_counts, ap)

    def _one_against_rest(self, label: int) -> ClassPrecision:
        there = int(self.scene.objects_of_class[label])
        if not there:
            return ClassPrecision(0, None, None, None, None)
        order = np.argsort(-self.class_scores(label), kind="stable")
        value = interpolated_ap(self.scene.objects.classes[order] == label, there)
        return ClassPrecision(there, value, None, None, None)

    def _scene(self, agnostic_nms: float | None) -> Scene:
        if agnostic_nms is None or self.kind == CLASSIFICATION:
            return self.scene
        found = self._suppressed.get(agnostic_nms)
        if found is None:
            # Suppression knows no classes, so groups share what it leaves.
            kept = self._kept.get(agnostic_nms)
            if kept is None:
                kept = keep_best(self.scene.found, agnostic_nms)
                self._kept.clear()
                self._kept[agnostic_nms] = kept
            found = self.scene.without(kept)
            self._suppressed = {agnostic_nms: found}
        return found


class View:
    """The errors at thresholds. All but the matching is computed when it is asked for."""

    def __init__(
        self, errors: Errors, scene: Scene, score: float, iou: float, agnostic_nms: float | None
    ) -> None:
        self.errors = errors
        self.scene = scene
        self.score = score
        self.iou = iou
        self.agnostic_nms = agnostic_nms
        self.matching: Matching = scene.matcher(iou).at(score)

    @cached_property
    def matrix(self) -> Ints:
        """ImageCounts (n + 1, n + 1): rows truth, columns prediction; the last ones false alarms, missed."""
        return confusion(self.scene.objects, self.scene.found, self.matching, len(self.errors.classes))

    @cached_property
    def kinds(self) -> dict[str, int]:
        """How many predictions of each kind there are, and objects missed."""
        counts = np.bincount(self.matching.outcome, minlength=len(KIND))
        kinds = {word: int(counts[outcome]) for outcome, word in KIND.items() if outcome != Outcome.DROPPED}
        return {**kinds, MISSED: int(self.matrix[:-1, -1].sum())}

    @cached_property
    def suppression(self) -> dict[str, tuple[int, int]]:
        """Before and after class-agnostic suppression: `boxes` above the threshold, then each of `kinds`.

        Empty without it.
        """
        if self.scene is self.errors.scene:
            return {}
        before = View(self.errors, self.errors.scene, self.score, self.iou, None)
        found = {kind: (count, self.kinds[kind]) for kind, count in before.kinds.items()}
        boxes = [
            sum(count for kind, count in view.kinds.items() if kind != MISSED) for view in (before, self)
        ]
        return {"boxes": (boxes[0], boxes[1]), **found}

    @cached_property
    def false_alarms(self) -> Ints:
        """False alarms (5, classes): rows in the order of `FALSE_ALARM_KINDS`."""
        classes = len(self.errors.classes)
        chosen = self.matching.outcome >= Outcome.DUPLICATE
        kind = self.matching.outcome[chosen] - int(Outcome.DUPLICATE)
        cells = kind * classes + self.scene.found.classes[chosen]
        counts = np.bincount(cells, minlength=len(FALSE_ALARM_KINDS) * classes)
        return counts.reshape(len(FALSE_ALARM_KINDS), classes)

    def cases(self, row: Which = None, column: Which = None, kind: str | None = None) -> Cases:
        """The cases of a cell; a row and a column may be several (a group), None is all of them.

        Predictions by falling score, then missed objects by falling area. With `kind` only those of it.
        """
        return select(self.scene, self.matching, self.errors.paths, _places(row), _places(column), kind)

    def image(self, index: int) -> Shown:
        """What there is to draw of an image."""
        sizes = self.errors.sizes
        size = None if sizes is None else (int(sizes[index, 0]), int(sizes[index, 1]))
        boxes = self.errors.kind == DETECTION
        return show_image(self.scene, self.matching, index, self.errors.paths[index], size, boxes=boxes)

    @property
    def ap(self) -> Precision | None:
        """COCO's numbers, which ignore the score threshold, but not the suppression."""
        return self.errors.ap and self.scene.precision

    @property
    def per_class_ap(self) -> tuple[ClassPrecision, ...]:
        """AP of each class, of the boxes that suppression leaves."""
        return self.errors.per_class_ap if self.agnostic_nms is None or self.ap is None else self.ap.per_class

    def per_class(self) -> list[ClassErrors]:
        """A row a class, in the order of the classes."""
        return self.errors._rows(self.matrix, self.per_class_ap)

    def in_groups(self, words: int = 1) -> View:
        """The same thresholds with groups as classes, matched anew: slow at first."""
        anew = self.errors.in_groups(words)
        return View(anew, anew._scene(self.agnostic_nms), self.score, self.iou, self.agnostic_nms)

    def per_group(self, words: int = 1) -> list[ClassErrors]:
        """A row a group, in the order of `grouped`; `label` and `confused_with` are places among them.

        AP is that of groups matched anew, so that a box of a sister class is right; recall and precision are
        those of the classes' matrix collapsed.
        """
        anew = self.in_groups(words)
        return anew.errors._rows(self.grouped(words).matrix, anew.per_class_ap)

    def tide(self) -> Tide:
        """TIDE's types with what mending each would bring."""
        return tide(self.scene, self.matching)

    def counts(self, thresholds: Sequence[float] | None = None) -> ImageCounts:
        """Objects and boxes of each image, at `thresholds` (default: this one) of the score."""
        wanted = tuple(thresholds) if thresholds is not None else (self.score,)
        scene, images = self.scene, self.scene.found.images
        rows = [
            boxes_in_image(scene, self.matching)
            if score == self.score
            else np.bincount(
                scene.image_of_box[scene.found.scores >= scene.found.least(score)], minlength=images
            )
            for score in wanted
        ]
        return ImageCounts(
            scene.objects_in_image, wanted, np.array(rows, np.int64).reshape(len(wanted), images)
        )

    def surest(self) -> list[tuple[int, float] | None]:
        """Class and score of each image's surest box, or likeliest class; None where there is none."""
        labels, scores = surest_in_image(self.scene, self.matching)
        pairs = zip(labels.tolist(), scores.tolist(), strict=True)
        return [(label, score) if label >= 0 else None for label, score in pairs]

    def pr_curve(self, label: int | None = None) -> Curve:
        """Precision against recall of a class, None: of all together."""
        if self.errors.kind == DETECTION or label is None:
            return box_curve(self.scene, label, self.iou, self.score)
        truth = self.scene.objects.classes == label
        return curve(
            self.errors.class_scores(label), truth, int(truth.sum()), self.scene.found.least(self.score)
        )

    def grouped(self, words: int = 1) -> Grouped:
        """The matrix by the first or the first two words of the names."""
        return collapse(self.matrix, self.errors.classes, words)

    def imbalance(self) -> Imbalance:
        """Whether confusions lean towards classes with more training objects."""
        return imbalance(self.matrix, self.errors.train_counts)

    def sample(self, right: bool, most: int, seed: int = 0) -> Cases:
        """Up to `most` random predictions that are correct, or confused or false alarms."""
        outcome = self.matching.outcome
        wrong = (outcome == Outcome.CONFUSED) | (outcome >= Outcome.DUPLICATE)
        chosen = np.flatnonzero(outcome == Outcome.CORRECT if right else wrong)
        order = np.random.default_rng(seed).permutation(len(chosen))[:most]
        none = np.zeros(0, np.int64)
        return Cases(self.scene, self.matching, self.errors.paths, chosen[order], none)


def _as_boxes(source: BoxPredictions | ClassPredictions) -> tuple[Objects, Detections]:
    """Both tasks as boxes: of classification, each image has one object and one box, which coincide."""
    if isinstance(source, BoxPredictions):
        if source.objects is not None:
            return source.objects, source.found
        return _objects_of(np.zeros(source.found.images, np.int64), np.zeros(0, np.int64)), source.found
    images = len(source.origin.paths)
    whole, top = source.probabilities, source.top_probabilities
    if whole is not None:
        guess, scores = whole.argmax(axis=1).astype(np.int64), whole.max(axis=1, initial=0)
    else:
        assert top is not None
        assert source.top_classes is not None
        guess, scores = source.top_classes[:, 0], top[:, 0]
    each = np.ones(images, np.int64)
    unit = np.tile([0.0, 0.0, 1.0, 1.0], (images, 1))
    there = source.labels is not None
    truth = _objects_of(
        each if there else each * 0, np.zeros(0, np.int64) if source.labels is None else source.labels
    )
    return truth, Detections(
        np.arange(images + 1), unit, guess, scores.astype(np.float64), scores.dtype == np.float32
    )


def _objects_of(counts: Ints, classes: Ints) -> Objects:
    offsets = np.concatenate(([0], np.cumsum(counts))).astype(np.int64)
    none = np.zeros(len(classes), np.bool_)
    boxes = np.tile([0.0, 0.0, 1.0, 1.0], (len(classes), 1))
    return Objects(offsets, boxes, classes, none, none, np.ones(len(classes)))


def _places(which: Which) -> Ints | None:
    if which is None:
        return None
    return np.array([which] if isinstance(which, int | np.integer) else sorted(which), np.int64)
