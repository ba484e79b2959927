"""Where in a widget a picture goes, once or several times, and which part of it is seen there."""

from __future__ import annotations

from dataclasses import dataclass

from tui.widgets.picture_boxes import Box

MOST_ZOOM = 64.0
_FAR_MORE = 0.75


@dataclass(frozen=True)
class PictureArea:
    """Cells in which a picture is drawn; with `titled` there is a line of its own above them."""

    left: int
    top: int
    columns: int
    rows: int
    titled: bool


def picture_areas(count: int, width: int, height: int, picture: tuple[int, int]) -> tuple[PictureArea, ...]:
    """Room for one picture (width, height) `count` times in `width` x `height` cells.

    Several stand side by side with a column between them, or, where that shows far more, one above the other.
    They are of one size, so that the same part of the picture is seen in all. One has no title.
    """
    if count <= 1:
        return (PictureArea(0, 0, max(width, 1), max(height, 1), False),)
    beside = (max((width - count + 1) // count, 1), max(height - 1, 1))
    above = (max(width, 1), max(height // count - 1, 1))
    if fit_scale(*beside, picture) >= _FAR_MORE * fit_scale(*above, picture):
        return tuple(PictureArea(number * (beside[0] + 1), 1, *beside, True) for number in range(count))
    return tuple(PictureArea(0, number * (above[1] + 1) + 1, *above, True) for number in range(count))


def fit_scale(columns: int, rows: int, picture: tuple[int, int]) -> float:
    """Cells (half a cell high) to a pixel when all of a picture is shown; 0 for one without size."""
    width, height = picture
    if width < 1 or height < 1:
        return 0.0
    return min(columns / width, 2 * rows / height)


def seen(
    area: PictureArea, picture: tuple[int, int], scale: float, centre: tuple[float, float] | None
) -> Box:
    """The part of a picture that an area shows at so many cells to a pixel, round `centre` (None: middle)."""
    width, height = picture
    if not scale:
        return 0.0, 0.0, float(width), float(height)
    seen_x, seen_y = min(width, area.columns / scale), min(height, 2 * area.rows / scale)
    x, y = centre or (width / 2, height / 2)
    left = min(max(x - seen_x / 2, 0.0), width - seen_x)
    top = min(max(y - seen_y / 2, 0.0), height - seen_y)
    return left, top, left + seen_x, top + seen_y
