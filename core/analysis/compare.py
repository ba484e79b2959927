"""Two models on the same images: what the second mends, what it breaks, and whether that is chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from core.analysis.bootstrap import Ranked, drawn_ap, draws, mean_over_classes, ranked
from core.analysis.box_matching import Outcome
from core.analysis.boxes import Flags, Floats, Ints, Objects
from core.analysis.cases import KIND, MISSED
from core.analysis.chance import LEAST_IMAGES, Interval, corrected, interval, mcnemar
from core.analysis.errors import CLASSIFICATION, IOU, Errors, View
from core.analysis.paired import sign_flip
from core.analysis.predictions import BoxPredictions, ClassPredictions
from core.analysis.regroup import in_class_order
from core.analysis.swaps import Swapped, swap_tests
from core.errors import DataError
from core.text import clean

_T = TypeVar("_T", bound=np.generic)
STATES = ("fixed", "broken", "still_wrong", "both_right")


@dataclass(frozen=True)
class Change:
    """An object that at least one model gets wrong. Classes are places among the names.

    `first` and `second` are what became of it (correct, confused, missed), `taken_for` the class that each
    model saw, None when it saw none.
    """

    image: int
    path: str
    object: int
    truth: int
    first: str
    second: str
    taken_for: tuple[int | None, int | None]


class Comparison:
    """`a` and `b` at thresholds, image by image the same; objects are those of `a`.

    Whether a difference is chance is told by exact tests: for classification McNemar's, of accuracy and of
    each class, and a sign-flip test of the mean over classes; for AP the swap of both models' answers, image
    by image. Of the classes, p is corrected for all that are tested (Holm); the rest are on too few images.
    """

    def __init__(self, a: View, b: View, seed: int) -> None:
        self.a = a
        self.b = b
        self._seed = seed
        objects = a.scene.objects
        self._normal = ~objects.crowd & ~objects.ignore
        self._right = (_right(a), _right(b))

    @cached_property
    def counts(self) -> dict[str, int]:
        """Objects that are fixed, broken, still_wrong, both_right."""
        return {state: len(self._of(state)) for state in STATES}

    @cached_property
    def kinds(self) -> dict[str, tuple[int, int]]:
        """How many there are of each kind in both."""
        return {kind: (count, self.b.kinds[kind]) for kind, count in self.a.kinds.items()}

    def changes(self, state: str) -> list[Change]:
        """The objects that are `fixed`, `broken` or `still_wrong`; the largest first."""
        objects = self.a.scene.objects
        rows = self._of(state)
        rows = rows[np.argsort(-objects.area[rows], kind="stable")]
        found = []
        for row in rows.tolist():
            image = int(self.a.scene.image_of_object[row])
            (first, took), (second, takes) = _fate(self.a, row), _fate(self.b, row)
            truth = int(objects.classes[row])
            path = self.a.errors.paths[image]
            found.append(Change(image, path, row, truth, first, second, (took, takes)))
        return found

    @cached_property
    def intervals(self) -> dict[str, Interval]:
        """accuracy and accuracy_macro at the score threshold, or map and map_50, which ignore it."""
        if self.a.errors.kind == CLASSIFICATION:
            hits, there = self._drawn_recall
            images = int(there[0].sum())
            shares = [part.sum(axis=1) / there.sum(axis=1) for part in hits]
            means = [mean_over_classes(_divided(part, there)) for part in hits]
            p = mcnemar(self.counts["fixed"], self.counts["broken"])
            return {
                "accuracy": interval(shares[0], shares[1], images, p),
                "accuracy_macro": interval(means[0], means[1], images, self._macro_p),
            }
        images, tests = int((self.a.scene.objects_in_image > 0).sum()), self._swapped
        every = [mean_over_classes(part.mean(axis=2)) for part in self._drawn_ap]
        half = [mean_over_classes(part[:, :, 0]) for part in self._drawn_ap]
        return {
            "map": interval(every[0], every[1], images, tests.map),
            "map_50": interval(half[0], half[1], images, tests.map_50),
        }

    @cached_property
    def per_class(self) -> list[Interval]:
        """Of each class its AP, or for classification the share of its images that is right."""
        if self.a.errors.kind == CLASSIFICATION:
            hits, there = self._drawn_recall
            first, second = (_divided(part, there) for part in hits)
            tests: Sequence[float | None] = self._class_p
        else:
            first, second = (part.mean(axis=2) for part in self._drawn_ap)
            tests = self._swapped.classes
        return corrected(
            [
                interval(first[:, label], second[:, label], int(self._images_of_class[label]), p)
                for label, p in enumerate(tests)
            ]
        )

    @cached_property
    def _images_of_class(self) -> Ints:
        """On how many images (classes,) a class has objects that count."""
        scene, classes = self.a.scene, len(self.a.errors.classes)
        pairs = scene.image_of_object[self._normal] * classes + scene.objects.classes[self._normal]
        return np.bincount(np.unique(pairs) % classes, minlength=classes)

    @cached_property
    def _swapped(self) -> Swapped:
        tested = np.flatnonzero(self._images_of_class >= LEAST_IMAGES).tolist()
        return swap_tests(*self._ranked, self.a.errors.images, tested, self._seed)

    @cached_property
    def _class_p(self) -> list[float]:
        """McNemar's p of each class."""
        first, second = self._right
        label, count = self.a.scene.objects.classes, len(self.a.errors.classes)
        mended, broken = (
            np.bincount(label[one & ~other], minlength=count).tolist()
            for one, other in ((second, first), (first, second))
        )
        return [mcnemar(*pair) for pair in zip(mended, broken, strict=True)]

    @property
    def _macro_p(self) -> float:
        """Of the mean over classes of the share that is right: an image weighs one by its class's images."""
        first, second = (part.astype(np.float64) for part in self._right)
        label = self.a.scene.objects.classes
        return sign_flip((second - first) / self.a.scene.objects_of_class[label]).p

    @cached_property
    def _weights(self) -> NDArray[np.float32]:
        boxes = max(len(view.scene.found.scores) for view in (self.a, self.b))
        return draws(self.a.errors.images, boxes, self._seed)

    @cached_property
    def _drawn_ap(self) -> tuple[Floats, Floats]:
        first, second = self._ranked
        return drawn_ap(first, self._weights), drawn_ap(second, self._weights)

    @cached_property
    def _ranked(self) -> tuple[list[Ranked], list[Ranked]]:
        return ranked(self.a.scene), ranked(self.b.scene)

    @cached_property
    def _drawn_recall(self) -> tuple[tuple[Floats, Floats], Floats]:
        """Right images and all images (rounds, classes) of each class."""
        label, image = self.a.scene.objects.classes, self.a.scene.image_of_object
        member = np.zeros((self.a.errors.images, len(self.a.errors.classes)), np.float32)
        member[image, label] = 1
        first, second = (
            (self._weights @ (member * np.bincount(image, weights=right)[:, None].astype(np.float32)))
            for right in self._right
        )
        return (first.astype(np.float64), second.astype(np.float64)), (self._weights @ member).astype(
            np.float64
        )

    def _of(self, state: str) -> Ints:
        a, b = self._right
        chosen = {"fixed": ~a & b, "broken": a & ~b, "still_wrong": ~a & ~b, "both_right": a & b}[state]
        return np.flatnonzero(chosen & self._normal)


def compare(
    a: Errors,
    b: Errors,
    *,
    score: float | tuple[float, float] | None = None,
    iou: float = IOU,
    agnostic_nms: float | None = None,
    seed: int = 0,
) -> Comparison:
    """Compare two predictions of the same images at a score threshold, the same or one each.

    With `agnostic_nms` boxes of both are suppressed whatever their class, which changes AP as well.

    Raises DataError when they are of different images, classes, tasks or annotations.
    """
    for what, one, other in (("task", a.kind, b.kind), ("classes", sorted(a.classes), sorted(b.classes))):
        if one != other:
            raise DataError(f"The two predictions cannot be compared: they differ in {what}.")
    if not (a.labelled and b.labelled):
        raise DataError("The two predictions cannot be compared: one has no annotations.")
    b = _in_order_of(_by_names_of(b, a), a)
    first, second = score if isinstance(score, tuple) else (score, score)
    return Comparison(
        a.at(a.score if first is None else first, iou, agnostic_nms=agnostic_nms),
        b.at(b.score if second is None else second, iou, agnostic_nms=agnostic_nms),
        seed,
    )


def _by_names_of(b: Errors, a: Errors) -> Errors:
    """`b` with its classes in the order of `a`: they are matched by name, never by position."""
    if b.classes == a.classes:
        return b
    counts = None
    if b.train_counts is not None:
        known = dict(zip(b.classes, b.train_counts, strict=True))
        counts = [known[name] for name in a.classes]
    return Errors(in_class_order(b.source, a.classes), counts)


def _in_order_of(b: Errors, a: Errors) -> Errors:
    if a.paths != b.paths:
        place = {path: index for index, path in enumerate(b.paths)}
        strange = [path for path in a.paths if path not in place]
        if strange or len(a.paths) != len(b.paths):
            example = f", such as {clean(strange[0])}" if strange else ""
            raise DataError(
                f"The two predictions cannot be compared: they are of different images ({len(a.paths)} and "
                f"{len(b.paths)}{example}); measure both on the same split."
            )
        b = Errors(_reordered(b.source, np.array([place[path] for path in a.paths])), b.train_counts)
    one, other = a.scene.objects, b.scene.objects
    if not (
        np.array_equal(one.offsets, other.offsets)
        and np.array_equal(one.classes, other.classes)
        and np.allclose(one.boxes, other.boxes, atol=0.01)
    ):
        raise DataError("The two predictions cannot be compared: their images are annotated differently.")
    return b


def _reordered(source: BoxPredictions | ClassPredictions, images: Ints) -> BoxPredictions | ClassPredictions:
    origin = replace(source.origin, paths=tuple(source.origin.paths[image] for image in images))
    if isinstance(source, ClassPredictions):
        return ClassPredictions(
            origin,
            _taken(source.labels, images),
            _taken(source.probabilities, images),
            _taken(source.top_probabilities, images),
            _taken(source.top_classes, images),
            {},
        )
    rows, offsets = _rows(source.found.offsets, images)
    found = source.found
    objects, kept = source.objects, np.zeros(0, np.int64)
    if objects is not None:
        kept, starts = _rows(objects.offsets, images)
        objects = Objects(
            starts,
            objects.boxes[kept],
            objects.classes[kept],
            objects.crowd[kept],
            objects.ignore[kept],
            objects.area[kept],
        )
    return replace(
        source,
        origin=origin,
        found=replace(
            found,
            offsets=offsets,
            boxes=found.boxes[rows],
            classes=found.classes[rows],
            scores=found.scores[rows],
        ),
        objects=objects,
        difficult=source.difficult[kept],
        source=source.source[kept],
        sizes=source.sizes[images],
        image_ids=tuple(source.image_ids[image] for image in images) if source.image_ids else (),
    )


def _taken(column: NDArray[_T] | None, images: Ints) -> NDArray[_T] | None:
    return None if column is None else column[images]


def _rows(offsets: Ints, images: Ints) -> tuple[Ints, Ints]:
    counts = np.diff(offsets)[images]
    starts = np.concatenate(([0], np.cumsum(counts))).astype(np.int64)
    rows = np.repeat(offsets[images] - starts[:-1], counts) + np.arange(starts[-1])
    return rows, starts


def _right(view: View) -> Flags:
    by = view.matching.found_by
    right: Flags = by >= 0
    right[right] = view.matching.outcome[by[right]] == Outcome.CORRECT
    return right


def _fate(view: View, row: int) -> tuple[str, int | None]:
    by = int(view.matching.found_by[row])
    if by < 0:
        return MISSED, None
    return KIND[Outcome(int(view.matching.outcome[by]))], int(view.scene.found.classes[by])


def _divided(part: Floats, whole: Floats) -> Floats:
    share: Floats = np.divide(part, whole, out=np.full_like(part, np.nan), where=whole > 0)
    return share
