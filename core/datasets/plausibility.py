"""What looks wrong only when many objects are seen together: told with its evidence, never changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from core.config.schema import DataConfig
from core.datasets.boxes.annotations import Corners, RawImage
from core.datasets.findings import Findings, count
from core.datasets.image_header import Look
from core.datasets.names import near_misses, said_of

Looked = Sequence[tuple[RawImage, Look]]
_SHARE = 0.2
_EDGE = 1.0
_SHARES = "boxes may be shares of width and height, not pixels: no number is above 1"
_Box = tuple[Corners, tuple[int, int]]


def suspect(data: DataConfig, name: str, counts: Mapping[str, int], images: Looked, found: Findings) -> None:
    """Look for class names that are nearly the same and coordinates that seem to mean something else.

    `counts`: training objects of each class; `images`: those that can be read.
    """
    for group in near_misses(counts):
        found.warn("", f"class names differ little: {said_of(group, counts)}; they are kept apart")
    boxes = [
        (box.corners, look.size)
        for image, look in images
        if image.size is None or image.size == look.size
        for box in image.boxes
        if not box.crowd and not image.relative and all(abs(value) < 1e9 for value in box.corners)
    ]
    if name in ("voc", "diatom"):
        _corners_or_sizes(boxes, found)
        if boxes and all(max(corners) <= 1 < min(size) for corners, size in boxes):
            found.warn("", _SHARES)
        _counted_from(data, boxes, found)
    if name == "coco" and data.boxes == "auto":
        _other_than_xywh(boxes, found)


def _corners_or_sizes(boxes: Sequence[_Box], found: Findings) -> None:
    """xmax and ymax that hold width and height: often less than xmin and ymin, and fitting as sizes."""
    odd = [corners for corners, _ in boxes if corners[2] <= corners[0] or corners[3] <= corners[1]]
    if len(odd) < 2 or len(odd) < _SHARE * len(boxes):
        return
    fits = all(
        corners[2] > 0
        and corners[3] > 0
        and corners[0] + corners[2] <= size[0] + _EDGE
        and corners[1] + corners[3] <= size[1] + _EDGE
        for corners, size in boxes
    )
    if fits:
        share = f"{len(odd)} of {count(len(boxes), 'box', 'boxes')}"
        found.warn(
            "", f"xmax and ymax may hold width and height: in {share} they are less than xmin and ymin"
        )


def _counted_from(data: DataConfig, boxes: Sequence[_Box], found: Findings) -> None:
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
    said = "taken as counted from 1" if data.one_based else "taken as written"
    if data.one_based and zeros:
        found.warn("", f"corners are {said}, but some are 0: {evidence}; set data.one_based to false")
    elif not data.one_based and not zeros and ones and full:
        found.note(
            "", f"corners are {said}, but may count from 1: {evidence}; then set data.one_based to true"
        )
    else:
        found.note("", f"corners are {said}: {evidence}")


def _other_than_xywh(boxes: Sequence[_Box], found: Findings) -> None:
    """COCO boxes that fit their images better as corners, centres or shares than as x, y, width, height."""
    given = [
        ((corners[0], corners[1], corners[2] - corners[0], corners[3] - corners[1]), size)
        for corners, size in boxes
    ]
    if not given:
        return
    out = sum(not _as_xywh(four, size) for four, size in given)
    shown = f"{out} of {count(len(given), 'box', 'boxes')} reach beyond their images as xywh"
    shares = sum(max(four) <= 1 and min(size) > 1 for four, size in given)
    if shares == len(given):
        found.warn("", _SHARES)
    elif out and out >= _SHARE * len(given):
        if all(_as_xyxy(four, size) for four, size in given):
            found.warn("", f"boxes may be xyxy, not xywh: {shown}, none as xyxy; set data.boxes to xyxy")
        elif all(_as_cxcywh(four, size) for four, size in given):
            found.warn(
                "", f"boxes may be cxcywh, not xywh: {shown}, none as cxcywh; set data.boxes to cxcywh"
            )


def _as_xywh(four: Corners, size: tuple[int, int]) -> bool:
    return four[0] + four[2] <= size[0] + _EDGE and four[1] + four[3] <= size[1] + _EDGE


def _as_xyxy(four: Corners, size: tuple[int, int]) -> bool:
    fits = four[2] <= size[0] + _EDGE and four[3] <= size[1] + _EDGE
    return fits and four[2] > four[0] and four[3] > four[1]


def _as_cxcywh(four: Corners, size: tuple[int, int]) -> bool:
    return all(
        0 < side <= whole + _EDGE and side / 2 - _EDGE <= centre <= whole - side / 2 + _EDGE
        for centre, side, whole in zip(four[:2], four[2:], size, strict=True)
    )
