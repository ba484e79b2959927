"""Checks and repairs that the objects of one image need, whatever format they came in."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace

from core.datasets.boxes.annotations import Corners, RawBox, RawImage
from core.datasets.findings import Findings, Why
from core.datasets.image_header import Look

_BEYOND = 0.01  # of the side: how far boxes in shares may reach out and still be meant
_SCALED = 0.01
_ROUNDING = 0.01
_FLOATS = struct.Struct("4f")


@dataclass(frozen=True, slots=True)
class Kept:
    """An object in pixels of the upright image, inside it and never empty; what it was comes along."""

    box: RawBox
    corners: Corners
    area: float


def mend(image: RawImage, look: Look, found: Findings) -> list[Kept]:
    """The objects of `image` that can be used; what was changed or dropped goes to `found`.

    Corners that are swapped are put right and boxes clipped to the image; what is not finite, empty or
    outside is dropped, and so is the second of two boxes of one class with the same corners.
    """
    turn = _turning(image, look, found)
    width, height = look.size
    kept: list[Kept] = []
    for box in image.boxes:
        changes = [box.mended] if box.mended else []
        corners = _finite(image, box, found)
        if corners is None:
            continue
        if image.relative:
            if _far_out(corners):
                text = f"{box.where} has coordinates outside 0 to 1 ({_shown(corners)})"
                found.drop(image.file, text, box.line, why=Why.SHARES)
                continue
            corners = (corners[0] * width, corners[1] * height, corners[2] * width, corners[3] * height)
        elif turn != 1:
            corners = upright(corners, turn, look.stored)
        left, top, right, bottom = corners
        if right < left or bottom < top:
            left, right = min(left, right), max(left, right)
            top, bottom = min(top, bottom), max(top, bottom)
            changes.append("corners swapped")
        if right == left or bottom == top:
            side = "width" if right == left else "height"
            found.drop(image.file, f"{box.where} has zero {side}", box.line, why=Why.NO_AREA)
            continue
        inside = (max(left, 0.0), max(top, 0.0), min(right, float(width)), min(bottom, float(height)))
        if not _has_area(inside):
            text = f"{box.where} lies outside the image of {width} x {height} ({_shown(corners)})"
            found.drop(image.file, text, box.line, why=Why.OUTSIDE)
            continue
        if _reaches_out((left, top, right, bottom), width, height):
            changes.append(f"clipped to the image of {width} x {height}")
        kept.append(_kept(image, box, inside, changes, found))
    return list(_once(image, kept, found))


def without_look(image: RawImage) -> int:
    """How many objects of an image that cannot be read could be used, as far as the annotation tells."""
    stated = image.size if image.size and min(image.size) > 0 else (1 << 30, 1 << 30)
    return len(mend(image, Look(size=stated, stored=stated), Findings()))


def upright(corners: Corners, turn: int, stored: tuple[int, int]) -> Corners:
    """Corners in the pixels of a file of size `stored`, moved to where its EXIF orientation turns them."""
    left, top, right, bottom = corners
    (x1, y1), (x2, y2) = (_turned(x, y, turn, *stored) for x, y in ((left, top), (right, bottom)))
    return min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)


def _turned(x: float, y: float, turn: int, width: int, height: int) -> tuple[float, float]:
    """A point after the turn that EXIF orientation `turn` asks for (https://exiftool.org/TagNames/EXIF.html)."""
    return {
        1: (x, y),
        2: (width - x, y),
        3: (width - x, height - y),
        4: (x, height - y),
        5: (y, x),
        6: (height - y, x),
        7: (height - y, width - x),
        8: (y, width - x),
    }[turn]


def _turning(image: RawImage, look: Look, found: Findings) -> int:
    """The EXIF orientation to apply to the corners, 1 when they are those of the upright image already."""
    stated = image.size
    if stated is None or image.relative:
        return 1
    shown = f"{stated[0]} x {stated[1]}"
    if min(stated) <= 0:
        found.warn(image.file, f"the size is given as {shown}; the image's real size is used")
        return 1
    if stated == look.size:
        if look.turn != 1:
            found.note(image.file, f"{image.path} is rotated, as its EXIF data say")
        return 1
    really = f"{look.size[0]} x {look.size[1]}"
    if stated == look.stored:
        if _needs(image, look.size) and not _needs(image, look.stored):
            text = (
                f"{image.path} is {really} when rotated as its EXIF data say, not {shown}; the boxes fit that"
            )
            found.warn(image.file, text)
            return 1
        text = f"{image.path} is {really} when rotated as its EXIF data say, not {shown}"
        found.warn(image.file, f"{text}; the boxes are rotated with it")
        return look.turn
    if stated == (look.size[1], look.size[0]):
        found.warn(image.file, f"width and height are swapped: {image.path} is {really}, not {shown}")
        return 1
    across, down = look.size[0] / stated[0], look.size[1] / stated[1]
    text = f"{image.path} is {really}, not {shown}; the image's real size is used"
    if abs(across / down - 1) < _SCALED:
        text += f": the boxes may be meant for a picture {_factor(across)}"
    found.warn(image.file, text)
    return 1


def _needs(image: RawImage, size: tuple[int, int]) -> bool:
    """Whether the boxes fit an image of `size`, and not the one turned by a quarter."""
    fits = all(max(b.corners[0::2]) <= size[0] and max(b.corners[1::2]) <= size[1] for b in image.boxes)
    other = all(max(b.corners[0::2]) <= size[1] and max(b.corners[1::2]) <= size[0] for b in image.boxes)
    return fits and not other


def _factor(scale: float) -> str:
    return f"{1 / scale:.3g} times as large" if scale < 1 else f"{scale:.3g} times smaller"


def _finite(image: RawImage, box: RawBox, found: Findings) -> Corners | None:
    if all(map(math.isfinite, box.corners)):
        return box.corners
    text = f"{box.where} has a coordinate that is not a number"
    found.drop(image.file, text, box.line, why=Why.NUMBERS)
    return None


def _far_out(corners: Corners) -> bool:
    return min(corners) < -_BEYOND or max(corners) > 1 + _BEYOND


def _reaches_out(corners: Corners, width: int, height: int) -> bool:
    """Whether a box passes the edge by more than rounding in its file explains."""
    left, top, right, bottom = corners
    across, down = max(_ROUNDING, width * 1e-5), max(_ROUNDING, height * 1e-5)
    return left < -across or top < -down or right > width + across or bottom > height + down


def _has_area(corners: Corners) -> bool:
    """Whether there is a box left once corners are stored as float32."""
    left, top, right, bottom = corners
    if right <= left or bottom <= top:
        return False
    left, top, right, bottom = _FLOATS.unpack(_FLOATS.pack(left, top, right, bottom))
    return bool(right > left and bottom > top)


def _kept(image: RawImage, box: RawBox, inside: Corners, changes: list[str], found: Findings) -> Kept:
    own = (inside[2] - inside[0]) * (inside[3] - inside[1])
    given = box.area
    use_given = given is not None and math.isfinite(given) and given > 0 and not changes
    if changes:
        found.warn(image.file, f"{box.where}: {', '.join(changes)}", box.line)
        box = replace(box, mended=", ".join(changes))
    return Kept(box, inside, given if use_given and given else own)


def _once(image: RawImage, kept: list[Kept], found: Findings) -> Iterator[Kept]:
    """`kept` without exact copies; counts the objects that were changed."""
    seen: dict[Corners, list[Kept]] = {}
    for item in kept:
        same = [] if item.box.crowd else seen.setdefault(item.corners, [])
        if any(other.box.name == item.box.name for other in same):
            text = f"{item.box.where} is a duplicate of {same[0].box.where}"
            found.drop(image.file, text, item.box.line, why=Why.DUPLICATE)
            continue
        if same:
            text = f"{item.box.where}, {item.box.name}, has the same corners as {same[0].box.where}"
            found.warn(
                image.file, f"{text}, {same[0].box.name}: a duplicate of another class, kept", item.box.line
            )
        same.append(item)
        if item.box.mended:
            found.repair(image.file, item.box.where, item.box.line)
        yield item


def _shown(corners: Corners) -> str:
    return ", ".join(f"{value:g}" for value in corners)
