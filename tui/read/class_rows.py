"""How well each class is known, as a measurement tells it: right answers, or precision of boxes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from core.store.json_values import number_of
from core.text import clean

SCORES = ("ap", "ap_50", "ap_75", "recall")
"""What is known of a class of boxes."""


@dataclass(frozen=True)
class ClassRow:
    """`images` and `correct` are counts; for boxes, `images` counts objects and `scores` is by SCORES.

    A score is None where it says nothing, as without objects.
    """

    place: int
    name: str
    images: int
    correct: int
    scores: Mapping[str, float | None] = field(default_factory=dict)

    @property
    def accuracy(self) -> float | None:
        """Share of right answers, for boxes AP; None for a class without images or objects."""
        if self.scores:
            return self.scores["ap"]
        return self.correct / self.images if self.images else None


SORTS: dict[str, Callable[[ClassRow], Any]] = {
    "worst": lambda row: (row.accuracy is None, row.accuracy or 0.0, -row.images, row.place),
    "best": lambda row: (row.accuracy is None, -(row.accuracy or 0.0), -row.images, row.place),
    "images": lambda row: (-row.images, row.place),
    "name": lambda row: (row.name.lower(), row.place),
    "class order": lambda row: row.place,
}
"""Orders of rows; those of which nothing is known come last."""


@dataclass(frozen=True)
class Means:
    """`micro` is over all images, `macro` the mean of the `classes` of which something is known.

    For boxes `macro` is mAP and `at_50` the same at an IoU of 0.5; `count` is of images or objects.
    """

    micro: float | None
    macro: float | None
    classes: int
    count: int
    at_50: float | None = None
    boxes: bool = False


def class_rows(per_class: Iterable[Any]) -> list[ClassRow]:
    """Rows of a measurement as it was written; what is no row is left out."""
    rows = []
    for place, item in enumerate(per_class):
        if not isinstance(item, dict):
            continue
        count, correct = item.get("n"), item.get("correct")
        if not isinstance(count, int) or isinstance(count, bool) or count < 0:
            continue
        name = clean(str(item.get("class")))
        if "ap" in item:
            scores = {key: _score(item.get(key)) if count else None for key in SCORES}
            rows.append(ClassRow(place, name, count, 0, scores))
        elif isinstance(correct, int) and 0 <= correct <= count:
            rows.append(ClassRow(place, name, count, correct))
    return rows


def averages(rows: Sequence[ClassRow]) -> Means:
    """What the classes come to together."""
    count = sum(row.images for row in rows)
    boxes = any(row.scores for row in rows)
    known = [row.accuracy for row in rows if row.accuracy is not None]
    at_50 = [value for row in rows if (value := row.scores.get("ap_50")) is not None]
    return Means(
        micro=None if boxes or not count else sum(row.correct for row in rows) / count,
        macro=_mean(known),
        classes=len(known),
        count=count,
        at_50=_mean(at_50),
        boxes=boxes,
    )


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _score(value: object) -> float | None:
    """A number from 0 to 1; -1, as some tools write it, stands for nothing."""
    number = number_of(value)
    return number if number is not None and 0 <= number <= 1 else None
