"""What looks wrong in annotations and detections that were imported, with the evidence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from core.analysis.boxes import Floats, Ints, image_of
from core.datasets.findings import Findings, count, some

_SHARE = 1.5
"""Boxes that end below this many pixels are shares of the image."""
_MOST_OUTSIDE = 0.25
_LEAST = 4
_SLACK = 1.0


def doubt_boxes(found: Findings, name: str, corners: Floats, offsets: Ints, sizes: Ints) -> None:
    """Warn of boxes (n, 4) that are likely no x, y, width, height in pixels; sizes (images, 2)."""
    if len(corners) < _LEAST:
        return
    room = sizes[image_of(offsets)].astype(np.float64)
    if corners.max() <= _SHARE < room.min():
        found.warn(name, f"its boxes end at {corners.max():.3g}: the values look like fractions, not pixels")
        return
    outside = (corners[:, 2:] > room + _SLACK).any(axis=1)
    # As written; were they corners, width and height would be the far one.
    far = corners[:, 2:] - corners[:, :2]
    fits = ((far >= corners[:, :2]) & (far <= room + _SLACK)).all(axis=1)
    if outside.mean() > _MOST_OUTSIDE and fits.all():
        found.warn(
            name,
            f"{int(outside.sum())} of {len(corners)} boxes reach beyond their image, none would as "
            "x1, y1, x2, y2: results have x, y, width, height",
        )


def doubt_names(found: Findings, file: str, what: str, names: Sequence[str]) -> None:
    """Warn of a name that several classes or images have."""
    twice = [name for name, times in Counter(names).items() if times > 1]
    if twice:
        found.warn(file, f"{count(len(twice), what)} given more than once: {some(twice, 3)}")


def doubt_copies(found: Findings, file: str, corners: Floats, labels: Ints, offsets: Ints) -> None:
    """Warn of annotations that are exact copies: one box cannot find both."""
    if not len(corners):
        return
    rows = np.column_stack((image_of(offsets), labels, corners))
    copies = len(rows) - len(np.unique(rows, axis=0))
    if copies:
        are = "is an exact copy" if copies == 1 else "are exact copies"
        found.warn(file, f"{count(copies, 'annotation')} {are} of another: a box finds only one of them")
