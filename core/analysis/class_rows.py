"""What a table says of each class, or each group of classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from core.analysis.boxes import Ints
from core.analysis.coco_ap import ClassPrecision


@dataclass(frozen=True)
class ClassErrors:
    """One class, or group, at the thresholds. `n_train` is None where it is not known.

    ap and ap_50 ignore the score; recall and precision are those of the matrix, None without objects or
    boxes. `confused_with` is the class that its objects are most often taken for, `confused_n` times.
    """

    label: int
    name: str
    n_train: int | None
    n_val: int
    ap: float | None
    ap_50: float | None
    recall: float | None
    precision: float | None
    confused_with: int | None
    confused_n: int


def class_rows(
    names: Sequence[str],
    matrix: Ints,
    there: Ints,
    train: Sequence[int] | None,
    ap: Sequence[ClassPrecision],
) -> list[ClassErrors]:
    """A row for each name: `matrix` (n + 1, n + 1), objects `there` (n,) and trained on, AP."""
    return [
        ClassErrors(
            label,
            name,
            None if train is None else train[label],
            int(there[label]),
            ap[label].ap,
            ap[label].ap_50,
            _ratio(matrix[label, label], matrix[label].sum()),
            _ratio(matrix[label, label], matrix[:, label].sum()),
            *_most_confused(matrix, label),
        )
        for label, name in enumerate(names)
    ]


def _most_confused(matrix: Ints, label: int) -> tuple[int | None, int]:
    others = matrix[label, :-1].copy()
    others[label] = 0
    most = int(others.max(initial=0))
    return (int(others.argmax()), most) if most else (None, 0)


def _ratio(part: int, whole: int) -> float | None:
    return float(part / whole) if whole else None
