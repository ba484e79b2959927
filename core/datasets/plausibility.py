"""What looks wrong only when many objects are seen together: told with its evidence, never changed.

One rule for annotations of a data set and for predictions that are imported.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.config.schema import DataConfig
from core.datasets.boxes.annotations import Corners, RawImage
from core.datasets.findings import Findings, count, some
from core.datasets.image_header import Look

SizedBox = tuple[Corners, tuple[int, int]]
"""The corners of a box as written, and width and height of its image."""
_MAX_FRACTION = 1.5
"""Numbers up to it are fractions of a side, rounded or reaching out a little: no object is that small."""
_MIN_BOXES = 3
"""Fewer boxes say nothing about the order of their numbers."""
_MIN_OUTSIDE = 0.2
"""The part of the boxes that has to lie outside their images."""
_EDGE = 1.0
_READ_AS = {
    "xyxy": "x1, y1, x2, y2",
    "cxcywh": "centre x, centre y, width, height",
    "yxhw": "y, x, height, width",
    "yxyx": "y1, x1, y2, x2",
}
_FAR = 2.0
_BEYOND = 1.1
"""So many times the side of an image ends what rounding and generous boxes explain."""
_FEWEST = 10
_TOUCH = 0.1
_MIN_TOUCHED = 0.05


class Doubt(NamedTuple):
    """What boxes may be instead of x, y, width, height in pixels; `outside` of them lie outside so.

    `largest` is the largest of their numbers; for `scaled`, how many times the side of its image the farthest
    box reaches.
    """

    kind: Literal["fractions", "xyxy", "cxcywh", "yxhw", "yxyx", "scaled"]
    outside: int
    largest: float


def doubt_of(boxes: NDArray[Any], sizes: NDArray[Any]) -> Doubt | None:
    """What `boxes` (n, 4), as x, y, width, height, in images of `sizes` (n, 2) may be instead.

    Fractions: no number is above 1.5. Corners, centres, or x and y in turn: a fifth or more reach beyond
    their images as they are taken, none of all would otherwise. Scaled: half reach beyond by far in any case.
    """
    if not len(boxes):
        return None
    first, last, largest = boxes[:, :2], boxes[:, 2:], float(boxes.max())
    outside = int((first + last > sizes + _EDGE).any(axis=1).sum())
    if _are_fractions(largest, sizes):
        return Doubt("fractions", outside, largest)
    if len(boxes) < _MIN_BOXES or not outside or outside < _MIN_OUTSIDE * len(boxes):
        return None
    if ((last >= first) & (last <= sizes + _EDGE)).all():
        return Doubt("xyxy", outside, largest)
    inside = (first >= last / 2 - _EDGE) & (first <= sizes - last / 2 + _EDGE)
    if (inside & (last > 0) & (last <= sizes + _EDGE)).all():
        return Doubt("cxcywh", outside, largest)
    turned = sizes[:, ::-1] + _EDGE
    if (first + last <= turned).all():
        return Doubt("yxhw", outside, largest)
    if ((last >= first) & (last <= turned)).all():
        return Doubt("yxyx", outside, largest)
    reach = ((first + last) / sizes).max(axis=1)
    far, most = int((reach > _BEYOND).sum()), float(reach.max())
    return Doubt("scaled", far, most) if most >= _FAR and 2 * far >= len(boxes) else None


def sized_boxes(images: Iterable[tuple[RawImage, Look]]) -> list[SizedBox]:
    """The boxes in pixels of images whose size is as their annotation says."""
    return [
        (box.corners, look.size)
        for image, look in images
        if not image.relative and (image.size is None or image.size == look.size)
        for box in image.boxes
        if not box.crowd and all(abs(value) < 1e9 for value in box.corners)
    ]


def suspect_corners(data: DataConfig, boxes: Sequence[SizedBox], found: Findings) -> None:
    """Warn of corners (xmin, ymin, xmax, ymax) that seem to mean something else."""
    _corners_or_sizes(boxes, found)
    if boxes:
        corners, sizes = _arrays(boxes)
        if _are_fractions(float(corners.max()), sizes):
            found.warn("", _fraction_words(float(corners.max())))
    _counted_from(data, boxes, found)


def suspect_xywh(data: DataConfig, boxes: Sequence[SizedBox], found: Findings) -> None:
    """Warn of COCO boxes that are likely no x, y, width, height; not where the config says what they are."""
    if data.boxes != "auto" or not boxes:
        return
    corners, sizes = _arrays(boxes)
    doubt = doubt_of(np.concatenate((corners[:, :2], corners[:, 2:] - corners[:, :2]), axis=1), sizes)
    if doubt is not None and doubt.kind == "fractions":
        found.warn("", _fraction_words(doubt.largest))
    elif doubt is not None and doubt.kind == "scaled":
        found.warn("", f"{_far_words(doubt, len(boxes))}: are they for these images, as they are now?")
    elif doubt is not None and doubt.kind in ("yxhw", "yxyx"):
        shown = f"{doubt.outside} of {count(len(boxes), 'box', 'boxes')} reach outside their images"
        found.warn("", f"boxes may be {_READ_AS[doubt.kind]}: {shown}, none would so; write x before y")
    elif doubt is not None:
        shown = (
            f"{doubt.outside} of {count(len(boxes), 'box', 'boxes')} would reach outside their images as xywh"
        )
        found.warn(
            "",
            f"boxes may be {doubt.kind}, not xywh: {shown}, none as {doubt.kind}; "
            f"set data.boxes to {doubt.kind}",
        )


def suspect_table(data: DataConfig, boxes: Sequence[SizedBox], found: Findings) -> None:
    """Warn of boxes of a table that seem to mean something else; not where the config says what they are."""
    if data.boxes == "auto":
        _corners_or_sizes(boxes, found)
        suspect_xywh(data, boxes, found)


def suspect_results(
    found: Findings,
    file: str,
    corners: NDArray[Any],
    offsets: NDArray[Any],
    sizes: NDArray[Any],
    what: str = "results",
) -> None:
    """Warn of boxes (n, 4) of an imported file that are likely no x, y, width, height; sizes (images, 2)."""
    room = sizes[np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))]
    doubt = doubt_of(np.concatenate((corners[:, :2], corners[:, 2:] - corners[:, :2]), axis=1), room)
    if doubt is None:
        return
    if doubt.kind == "fractions":
        found.warn(file, f"its boxes end at {corners.max():.3g}: they look like fractions, not pixels")
        return
    if doubt.kind == "scaled":
        found.warn(file, f"{_far_words(doubt, len(corners))}: they may be for images of another size")
        return
    found.warn(
        file,
        f"{doubt.outside} of {len(corners)} boxes reach outside their image, none would as "
        f"{_READ_AS[doubt.kind]}: {what} have x, y, width, height",
    )


def suspect_strangers(
    found: Findings,
    file: str,
    boxes: tuple[NDArray[Any], NDArray[Any]],
    objects: tuple[NDArray[Any], NDArray[Any]],
) -> None:
    """Warn of predicted boxes that hardly touch an object, whatever their classes.

    Both are corners (n, 4) and offsets by image. Too few of them say nothing.
    """
    touched = judged = predicted = 0
    for image in range(len(objects[1]) - 1):
        there = objects[0][objects[1][image] : objects[1][image + 1]]
        made = boxes[0][boxes[1][image] : boxes[1][image + 1]]
        if len(there) and len(made):
            judged, predicted = judged + len(there), predicted + len(made)
            touched += int((_overlaps(there, made).max(axis=1) >= _TOUCH).sum())
    if min(judged, predicted) >= _FEWEST and touched < _MIN_TOUCHED * judged:
        found.warn(
            file,
            f"its boxes touch {touched} of {count(judged, 'object')} in the same images: are they for these "
            "images, in their pixels, as x, y, width, height?",
        )


def _overlaps(one: NDArray[Any], other: NDArray[Any]) -> NDArray[np.float64]:
    """IoU (n, m) of corners (n, 4) and (m, 4)."""
    low = np.maximum(one[:, None, :2], other[None, :, :2])
    high = np.minimum(one[:, None, 2:], other[None, :, 2:])
    both = np.clip(high - low, 0, None).prod(axis=2)
    area = (one[:, 2:] - one[:, :2]).prod(axis=1)[:, None] + (other[:, 2:] - other[:, :2]).prod(axis=1)
    iou: NDArray[np.float64] = both / np.maximum(area - both, 1e-9)
    return iou


def _far_words(doubt: Doubt, boxes: int) -> str:
    times = f"up to {doubt.largest:.3g} times its side"
    return f"{doubt.outside} of {count(boxes, 'box', 'boxes')} reach far outside their image, {times}"


def suspect_twins(found: Findings, file: str, what: str, names: Sequence[str]) -> None:
    """Warn of a name that several classes or images have."""
    twice = [name for name, times in Counter(names).items() if times > 1]
    if twice:
        found.warn(file, f"{count(len(twice), what)} given more than once: {some(twice, 3)}")


def suspect_copies(
    found: Findings, file: str, corners: NDArray[Any], labels: NDArray[Any], offsets: NDArray[Any]
) -> None:
    """Warn of annotations that are exact copies: one box cannot find both."""
    if not len(corners):
        return
    image = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    rows = np.column_stack((image, labels, corners))
    copies = len(rows) - len(np.unique(rows, axis=0))
    if copies:
        are = "is an exact copy" if copies == 1 else "are exact copies"
        found.warn(
            file,
            f"{count(copies, 'annotation')} {are} of another: a predicted box can match only one of them",
        )


def _are_fractions(largest: float, sizes: NDArray[Any]) -> bool:
    return bool(largest <= _MAX_FRACTION < sizes.min())


def _fraction_words(largest: float) -> str:
    limit = 1 if largest <= 1 else _MAX_FRACTION
    return f"boxes may be fractions of width and height, not pixels: no number is above {limit:g}"


def _arrays(boxes: Sequence[SizedBox]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Corners (n, 4) and sizes (n, 2)."""
    corners = np.array([corners for corners, _ in boxes], np.float64)
    return corners, np.array([size for _, size in boxes], np.float64)


def _corners_or_sizes(boxes: Sequence[SizedBox], found: Findings) -> None:
    """xmax and ymax that hold width and height: often less than xmin and ymin, and fitting as sizes."""
    odd = [corners for corners, _ in boxes if corners[2] <= corners[0] or corners[3] <= corners[1]]
    if len(odd) < 2 or len(odd) < _MIN_OUTSIDE * len(boxes):
        return
    fits = all(
        corners[2] > 0
        and corners[3] > 0
        and corners[0] + corners[2] <= size[0] + _EDGE
        and corners[1] + corners[3] <= size[1] + _EDGE
        for corners, size in boxes
    )
    if fits:
        some_of = f"{len(odd)} of {count(len(boxes), 'box', 'boxes')}"
        found.warn(
            "", f"xmax and ymax may hold width and height: in {some_of} they are less than xmin and ymin"
        )


def _counted_from(data: DataConfig, boxes: Sequence[SizedBox], found: Findings) -> None:
    """The evidence on whether corners count pixels from 0 or from 1."""
    if not boxes:
        return
    shift = 1 if data.one_based else 0
    lows = [value + shift for corners, _ in boxes for value in corners[:2]]
    zeros = sum(value == 0 for value in lows)
    ones = sum(value == 1 for value in lows)
    full = sum(corners[2] == size[0] or corners[3] == size[1] for corners, size in boxes)
    evidence = (
        f"the smallest is {min(lows):g}, {count(zeros, 'is', 'are')} 0, {count(ones, 'is', 'are')} 1, "
        f"{count(full, 'box reaches', 'boxes reach')} the full width or height"
    )
    said = "read as counted from 1" if data.one_based else "read as written"
    if data.one_based and zeros:
        found.warn("", f"corners are {said}, but some are 0: {evidence}; set data.one_based to false")
    elif not data.one_based and not zeros and ones and full:
        found.note(
            "", f"corners are {said}, but may count from 1: {evidence}; then set data.one_based to true"
        )
    else:
        found.note("", f"corners are {said}: {evidence}")
