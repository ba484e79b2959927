"""The shortest useful answer for each new image: its likeliest classes, or its surest boxes."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

TOP = 5
"""How many classes or boxes of an image are listed."""


def top_classes(arrays: Mapping[str, NDArray[Any]], names: Sequence[str]) -> list[dict[str, Any]]:
    """For each image `{"top": [{"class", "probability"}]}`, by the mean over views where there are such."""
    prefix = "tta_" if any(name.startswith("tta_") for name in arrays) else ""
    if f"{prefix}probabilities" in arrays:
        values = arrays[f"{prefix}probabilities"]
        order = np.argsort(-values, axis=1, kind="stable")[:, :TOP]
        chosen = np.take_along_axis(values, order, axis=1)
    else:
        order = arrays[f"{prefix}top_classes"][:, :TOP]
        chosen = arrays[f"{prefix}top_probabilities"][:, :TOP]
    return [
        {
            "top": [
                {"class": names[place], "probability": float(value)}
                for place, value in zip(row.tolist(), chances.tolist(), strict=True)
            ]
        }
        for row, chances in zip(order, chosen, strict=True)
    ]


def top_boxes(arrays: Mapping[str, NDArray[Any]], names: Sequence[str]) -> list[dict[str, Any]]:
    """For each image `{"found": n, "top": [{"class", "score", "box": [x1, y1, x2, y2]}]}`."""
    offsets = arrays["image_offsets"].tolist()
    return [
        {
            "found": end - start,
            "top": [
                {
                    "class": names[int(arrays["labels"][row])],
                    "score": float(arrays["scores"][row]),
                    "box": [round(float(edge), 2) for edge in arrays["boxes"][row]],
                }
                for row in range(start, min(end, start + TOP))
            ],
        }
        for start, end in itertools.pairwise(offsets)
    ]
