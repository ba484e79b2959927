"""Predictions of any tool as a COCO file of results (https://cocodataset.org/#format-results)."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.datasets.coco_file import as_integer, as_number, read_json_file
from core.datasets.findings import Findings, count, some
from core.errors import DataError
from core.text import clean


@dataclass(frozen=True, eq=False)
class Results:
    """Boxes found; those of image i are rows `offsets[i]:offsets[i + 1]`, in the file's order.

    corners (n, 4) float64 x1, y1, x2, y2 in pixels, labels (n,) int64 0-based, scores (n,) float64.
    """

    offsets: NDArray[np.int64]
    corners: NDArray[np.float64]
    labels: NDArray[np.int64]
    scores: NDArray[np.float64]


def read_results(
    path: Path, image_ids: Sequence[str], category_ids: Sequence[int], found: Findings | None = None
) -> Results:
    """The predictions in `path` for images with `image_ids` and classes with `category_ids`, both in order.

    A prediction without a usable box or score is dropped, and told in `found`. Raises DataError, with how
    many and examples, when predictions are of other images or classes than the annotations.
    """
    found = found if found is not None else Findings()
    records = read_json_file(path)
    shown = clean(str(path))
    if not isinstance(records, list):
        raise DataError(f"{shown} is no file of results: expected a list of predictions.")
    image_at = {identity: index for index, identity in enumerate(image_ids)}
    label_at = {identity: index for index, identity in enumerate(category_ids)}
    _require_known(shown, records, image_at, label_at)
    rows: list[list[tuple[tuple[float, ...], int, float]]] = [[] for _ in image_ids]
    name = os.path.basename(path)
    for number, record in enumerate(records, 1):
        box = record.get("bbox")
        four = [as_number(value) for value in box] if isinstance(box, list) and len(box) == 4 else [None]
        score = as_number(record.get("score"))
        if score is None or any(value is None or not np.isfinite(value[0]) for value in (*four, score)):
            found.drop(name, f"prediction {number} has no box or no score")
            continue
        x, y, width, height = (value[0] for value in four if value is not None)
        label = label_at[_category(record)]
        rows[image_at[_image(record)]].append(((x, y, x + width, y + height), label, score[0]))
    flat = [row for image in rows for row in image]
    offsets = np.concatenate(([0], np.cumsum([len(image) for image in rows], dtype=np.int64)))
    return Results(
        offsets.astype(np.int64),
        np.array([row[0] for row in flat], np.float64).reshape(-1, 4),
        np.array([row[1] for row in flat], np.int64),
        np.array([row[2] for row in flat]),
    )


def _require_known(
    shown: str, records: list[Any], images: Mapping[str, int], labels: Mapping[int, int]
) -> None:
    wrong = [number for number, record in enumerate(records, 1) if not isinstance(record, dict)]
    if wrong:
        raise DataError(f"{shown}: prediction {wrong[0]} is no mapping.")
    parts = []
    strange = [_image(record) for record in records if _image(record) not in images]
    if strange:
        ids = some(dict.fromkeys(strange), 3)
        parts.append(
            f"{count(len(strange), 'prediction')} of images that the annotations have not (id {ids})"
        )
    other = [record.get("category_id") for record in records if _category(record) not in labels]
    if other:
        ids = some(dict.fromkeys(clean(str(value)) for value in other), 3)
        parts.append(f"{count(len(other), 'prediction')} of classes that they have not (id {ids})")
    if parts:
        raise DataError(f"{shown} has {' and '.join(parts)}: is it of the same data set?")


def _image(record: Mapping[str, Any]) -> str:
    number = as_integer(record.get("image_id"))
    return str(number.value) if number is not None else clean(str(record.get("image_id")).strip())


def _category(record: Mapping[str, Any]) -> int:
    number = as_integer(record.get("category_id"))
    return number.value if number is not None else -1
