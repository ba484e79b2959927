"""What the numbers on a line of a YOLO label file mean: a box, a polygon, a box with keypoints, a prediction.

https://docs.ultralytics.com/datasets/: `class cx cy w h` (detect), `class x1 y1 x2 y2 ...` (segment, obb),
`class cx cy w h px py [visibility] ...` (pose); a confidence and a track id may follow
where they are predictions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from core.datasets.boxes.annotations import Corners

_BOX = 4
_LEAST_POLYGON = 6
_VISIBILITIES = (0.0, 1.0, 2.0)
_SLACK = 0.01
_FEWEST = 3
"""Lines without which nothing is concluded about keypoints that data.yaml does not mention."""


class Reading(NamedTuple):
    """The corners of a line in shares; with `extra`, numbers behind them that are left aside, in words."""

    corners: Corners | None
    extra: str = ""


@dataclass(frozen=True)
class Layout:
    """How all lines of a set are read. `keypoints`: how many, and the numbers of each; `found`: not given by
    data.yaml, but seen in the lines. `doubtful`: they may as well be polygons. `scored`: polygons have a
    confidence behind them.
    """

    keypoints: tuple[int, int] | None = None
    found: bool = False
    doubtful: bool = False
    scored: bool = False

    def read(self, values: Sequence[float]) -> Reading:
        """The corners of the box that `values`, all numbers behind the class, stand for."""
        size = len(values)
        if self.keypoints is not None:
            points = self.keypoints[0] * self.keypoints[1]
            if size in (_BOX, _BOX + points):
                return Reading(_box(values))
            extra = _extra(values[_BOX + points :]) or _extra(values[_BOX:])
            return Reading(_box(values), extra) if extra else Reading(None)
        if size == _BOX:
            return Reading(_box(values))
        if size == _BOX + 1 or (size == _BOX + 2 and _is_track(values[-1]) and values[-1] > 1):
            extra = _extra(values[_BOX:])
            return Reading(_box(values), extra) if extra else Reading(None)
        if size >= _LEAST_POLYGON and size % 2 == 0:
            return Reading(_around(values))
        if self.scored and size > _LEAST_POLYGON and 0 <= values[-1] <= 1:
            return Reading(_around(values[:-1]), "a confidence")
        return Reading(None)

    @property
    def expected(self) -> str:
        """The number of columns that lines should have, in words."""
        if self.keypoints is None:
            return "5: class cx cy w h"
        number, each = self.keypoints
        return f"5, or {5 + number * each} with {number} keypoints of {each} numbers"


def layout_of(lines: Sequence[Sequence[float]], keypoints: tuple[int, int] | None) -> Layout:
    """The layout of some lines by their numbers (without the class); `keypoints` as data.yaml gives them.

    Keypoints that it does not give are found where all lines have the same count of numbers, the first four
    are a box in the image with all points in it, and no polygon looks like that.
    """
    if keypoints is not None:
        return Layout(keypoints)
    sizes = {len(values) for values in lines}
    if len(sizes) == 1 and len(lines) >= _FEWEST and (size := sizes.pop()) > _BOX + 1:
        for each in (3, 2):
            number, rest = divmod(size - _BOX, each)
            if rest or not number or not all(_fits(values, each) for values in lines):
                continue
            strange = sum(map(_is_no_polygon, lines))  # triangles may be long and thin
            if each == 3 or strange * 2 >= len(lines) or (strange and size > _LEAST_POLYGON):
                return Layout((number, each), found=True)
            return Layout(doubtful=True)
    odd = [len(values) > _LEAST_POLYGON and len(values) % 2 == 1 for values in lines]
    return Layout(scored=len(lines) >= _FEWEST and all(odd))


def _box(values: Sequence[float]) -> Corners:
    across, down = values[:2]
    half_width, half_height = (side / 2 if side > 0 or math.isnan(side) else 0.0 for side in values[2:_BOX])
    return across - half_width, down - half_height, across + half_width, down + half_height


def _around(values: Sequence[float]) -> Corners:
    return min(values[0::2]), min(values[1::2]), max(values[0::2]), max(values[1::2])


def _extra(values: Sequence[float]) -> str:
    """What one or two numbers behind a box are: a confidence, a track id, or both."""
    if len(values) == 1 and 0 <= values[0] <= 1:
        return "a confidence"
    if len(values) == 1 and _is_track(values[0]):
        return "a track id"
    both = len(values) == 2 and 0 <= values[0] <= 1 and _is_track(values[1])
    return "a confidence and a track id" if both else ""


def _is_track(value: float) -> bool:
    return value >= 0 and math.isfinite(value) and value == int(value)


def _fits(values: Sequence[float], each: int) -> bool:
    """Whether the first four numbers are a box in the image and the rest points in it; 0, 0 is no point."""
    left, top, right, bottom = _box(values)
    if not (left >= -_SLACK and top >= -_SLACK and right <= 1 + _SLACK and bottom <= 1 + _SLACK):
        return False
    points = [tuple(values[at : at + each]) for at in range(_BOX, len(values), each)]
    seen = [point for point in points if point[0] or point[1]]
    return all(point[2] in _VISIBILITIES for point in points if each == 3) and all(
        left - _SLACK <= x <= right + _SLACK and top - _SLACK <= y <= bottom + _SLACK for x, y, *_ in seen
    )


def _is_no_polygon(values: Sequence[float]) -> bool:
    """Whether the second point lies farther from all others than they from each other: width and height."""
    left, top, right, bottom = _around([*values[:2], *values[_BOX:]])
    x, y = values[2:_BOX]
    away = max(left - x, x - right, top - y, y - bottom)
    return away > max(right - left, bottom - top)
