"""Saved predictions as COCO's files of results and annotations (https://cocodataset.org/#format-data)."""

from __future__ import annotations

from typing import Any

import numpy as np

from core.analysis.boxes import Floats, image_of
from core.analysis.predictions import BoxPredictions


def image_numbers(source: BoxPredictions) -> list[int]:
    """The images' ids in the source where all are whole numbers, else 1, 2, ... in the file's order."""
    ids = source.image_ids
    if len(ids) == len(source.origin.paths) and all(name.isdecimal() for name in ids):
        numbers = [int(name) for name in ids]
        if len(set(numbers)) == len(numbers):
            return numbers
    return list(range(1, len(source.origin.paths) + 1))


def category_numbers(source: BoxPredictions) -> list[int]:
    """The classes' ids in the source, else 1, 2, ..."""
    if len(source.category_ids) == len(source.origin.class_names):
        return list(source.category_ids)
    return list(range(1, len(source.origin.class_names) + 1))


def coco_results(source: BoxPredictions) -> list[dict[str, Any]]:
    """One record a box: image_id, category_id, bbox (x, y, width, height) and score."""
    images, labels = image_numbers(source), category_numbers(source)
    found = source.found
    rows = zip(
        image_of(found.offsets).tolist(),
        found.classes.tolist(),
        sized(found.boxes),
        found.written(found.scores),
        strict=True,
    )
    return [
        {"image_id": images[image], "category_id": labels[label], "bbox": box, "score": score}
        for image, label, box, score in rows
    ]


def coco_truth(source: BoxPredictions) -> dict[str, Any]:
    """Images, annotations (ids from 1) and categories that `coco_results` speaks of."""
    images, labels = image_numbers(source), category_numbers(source)
    document: dict[str, Any] = {
        "images": [
            {"id": number, "file_name": path, "width": int(width), "height": int(height)}
            for number, path, (width, height) in zip(images, source.origin.paths, source.sizes, strict=True)
        ],
        "annotations": [],
        "categories": [
            {"id": number, "name": name}
            for number, name in zip(labels, source.origin.class_names, strict=True)
        ],
    }
    there = source.objects
    if there is not None:
        places = image_of(there.offsets).tolist()
        document["annotations"] = [
            {
                "id": row + 1,
                "image_id": images[places[row]],
                "category_id": labels[int(there.classes[row])],
                "bbox": box,
                "area": float(there.area[row]),
                "iscrowd": int(there.crowd[row]),
                "ignore": int(there.ignore[row]),
            }
            for row, box in enumerate(sized(there.boxes))
        ]
    return document


def sized(boxes: Floats) -> list[list[float]]:
    """x1, y1, x2, y2 -> x, y, width, height, to a millionth of a pixel."""
    whole = np.concatenate((boxes[:, :2], boxes[:, 2:] - boxes[:, :2]), axis=1)
    found: list[list[float]] = np.round(whole, 6).tolist()
    return found
