"""Predictions of any tool as a COCO file of results (https://cocodataset.org/#format-results)."""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.datasets.boxes.coco_file import TWICE, as_integer, as_number, read_json_file
from core.datasets.findings import Findings, count, some
from core.errors import DataError
from core.text import clean

_LISTS = ("annotations", "predictions", "results")
_NUMBERS = {int, float}
_COUNTED = {"image_id", "category_id", "bbox", "score"}
_FARTHEST = 1e9
"""No image has pixels beyond; NaN is below no number."""
_SHOWN = 3
_NONE = ""


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
    path: Path,
    image_ids: Sequence[str],
    category_ids: Sequence[int],
    found: Findings | None = None,
    names: Sequence[str] = (),
) -> Results:
    """The predictions in `path` for images with `image_ids` and classes with `category_ids`, both in order.

    Where ids of images are the `names` of their files, as some tools write them, these count. A prediction
    without a usable box or score is dropped, and told in `found`. Raises DataError, with how many and
    examples, when predictions are of other images or classes than the annotations, or none has a box.
    """
    found = found if found is not None else Findings()
    records = _records(path)
    shown, name = clean(str(path)), os.path.basename(path)
    images, labels = _column(records, "image_id"), _column(records, "category_id")
    image_at = _places(images, {identity: index for index, identity in enumerate(image_ids)}, _image)
    if None in image_at.values() and names:
        by_name = _by_name(names)
        named = _places(images, by_name, _image)
        if None not in named.values():
            image_at = named
            found.warn(name, "names images by file, not by id: accepted")
    label_at = _places(labels, {str(number): index for index, number in enumerate(category_ids)}, _category)
    _require_known(shown, images, labels, image_at, label_at, category_ids)
    boxes, scores = _numbers(records)
    twice = np.array([bool(_COUNTED & set(record.get(TWICE, ()))) for record in records], np.bool_)
    whole = (np.abs(boxes) < _FARTHEST).all(axis=1) & np.isfinite(scores)
    boxes[~whole] = 0
    corners = np.concatenate((boxes[:, :2], boxes[:, :2] + boxes[:, 2:]), axis=1)
    turned = whole & (boxes[:, 2:] < 0).any(axis=1)
    _tell(found, name, ~whole, "no box or no score, dropped")
    _tell(found, name, twice & whole, "a key that is written twice, dropped")
    whole &= ~twice
    _tell(found, name, turned, "a negative width or height, dropped")
    good = np.flatnonzero(whole & ~turned)
    if len(records) and not len(good):
        raise DataError(
            f"{shown}: no prediction in it has a box and a score: results have bbox (x, y, width, height) "
            "and score; masks alone cannot be used."
        )
    outside = whole & ((scores < 0) | (scores > 1))
    _tell(found, name, outside, "a score outside the range 0 to 1")
    image = np.array([image_at[value] for value in images], np.int64)[good]
    label = np.array([label_at[value] for value in labels], np.int64)[good]
    order = np.argsort(image, kind="stable")
    counts = np.bincount(image, minlength=len(image_ids))
    return Results(
        np.concatenate(([0], np.cumsum(counts))).astype(np.int64),
        corners[good][order],
        label[order],
        scores[good][order],
    )


def _records(path: Path) -> list[dict[str, Any]]:
    """The list of predictions, also where it stands in a mapping."""
    document = read_json_file(path)
    shown = clean(str(path))
    if isinstance(document, dict):
        lists = [document[key] for key in _LISTS if isinstance(document.get(key), list)]
        if any("score" in record for part in lists for record in part[:1] if isinstance(record, dict)):
            document = lists[0]
        elif "images" in document:
            raise DataError(f"{shown} is a file of annotations: give the file of predictions second.")
    if not isinstance(document, list):
        raise DataError(f"{shown} is not a file of results: expected a list of predictions.")
    wrong = next((number for number, item in enumerate(document, 1) if not isinstance(item, dict)), None)
    if wrong is not None:
        raise DataError(f"{shown}: prediction {wrong} is not a mapping.")
    return document


def _numbers(records: list[dict[str, Any]]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Boxes (n, 4) as written and scores (n,), NaN for what is none."""
    boxes: list[Any] = [record.get("bbox") for record in records]
    scores: list[Any] = [record.get("score") for record in records]
    plain = set(map(type, scores)) <= _NUMBERS and set(map(type, boxes)) <= {list}
    if plain and set(map(len, boxes)) <= {4}:
        whole = list(chain.from_iterable(boxes))
        if set(map(type, whole)) <= _NUMBERS:
            try:
                return np.array(whole, np.float64).reshape(-1, 4), np.array(scores, np.float64)
            except OverflowError:
                pass
    nothing = [float("nan")] * 4
    fours = [
        [_number(value) for value in box] if isinstance(box, list) and len(box) == 4 else nothing
        for box in boxes
    ]
    return np.array(fours, np.float64).reshape(-1, 4), np.array([_number(value) for value in scores])


def _number(value: object) -> float:
    number = as_number(value)
    return number[0] if number is not None else float("nan")


def _column(records: list[dict[str, Any]], key: str) -> list[Hashable]:
    """One value of each record, lists and mappings as text."""
    values = [record.get(key) for record in records]
    if set(map(type, values)) & {list, dict}:
        return [repr(value) if isinstance(value, list | dict) else value for value in values]
    return values


def _places(
    values: Iterable[Hashable], known: Mapping[str, int], spelt: Callable[[object], str]
) -> dict[Hashable, int | None]:
    """Where each value that occurs stands among the `known`, None for a stranger."""
    return {value: known.get(spelt(value)) for value in dict.fromkeys(values)}


def _image(value: object) -> str:
    number = as_integer(value)
    return str(number.value) if number is not None else clean(str(value).strip())


def _category(value: object) -> str:
    number = as_integer(value)
    return str(number.value) if number is not None else _NONE


def _by_name(names: Sequence[str]) -> dict[str, int]:
    """Images by their file names, with and without folder and ending; what several share names none."""
    found: dict[str, int | None] = {}
    for index, name in enumerate(names):
        base = os.path.basename(name)
        for word in {_image(part) for part in (name, base, os.path.splitext(base)[0])}:
            found[word] = index if word not in found else None
    return {word: index for word, index in found.items() if index is not None}


def _require_known(
    shown: str,
    images: Sequence[Hashable],
    labels: Sequence[Hashable],
    image_at: Mapping[Hashable, int | None],
    label_at: Mapping[Hashable, int | None],
    category_ids: Sequence[int],
) -> None:
    parts = []
    strange = [value for value in images if image_at[value] is None]
    if strange:
        ids = some(dict.fromkeys(_said(value) for value in strange), _SHOWN)
        parts.append(
            f"{count(len(strange), 'prediction')} of images that are not in the annotations (id {ids})"
        )
    other = [value for value in labels if label_at[value] is None]
    if other:
        ids = some(dict.fromkeys(_said(value) for value in other), _SHOWN)
        parts.append(f"{count(len(other), 'prediction')} of classes that are not in them (id {ids})")
    if parts:
        hint = "is it for the same data set?"
        if not strange and 0 in other and min(category_ids, default=0) == 1:
            hint = "its classes seem to count from 0, those of the annotations count from 1."
        raise DataError(f"{shown} has {' and '.join(parts)}: {hint}")


def _said(value: object) -> str:
    return "none" if value is None else clean(str(value))[:40]


def _tell(found: Findings, name: str, chosen: NDArray[np.bool_], what: str) -> None:
    """One sentence on all predictions that have the same fault."""
    numbers = (np.flatnonzero(chosen) + 1).tolist()
    if numbers:
        has = "has" if len(numbers) == 1 else "have"
        said = some(map(str, numbers), _SHOWN)
        found.warn(name, f"prediction{'s' if len(numbers) > 1 else ''} {said} {has} {what}")
