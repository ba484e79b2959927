"""Cases and matrices as pictures: truth with solid lines, predictions with dashed ones, both with labels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from core.analysis.boxes import Ints
from core.analysis.cases import Case, Shown
from core.analysis.errors import DETECTION, View
from core.analysis.fonts import Fonts
from core.colours import NOT_WRONG, rgb
from core.datasets.pictures import open_picture
from core.errors import DataError
from core.text import clean, middle_cut

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

TRUTH, PREDICTION, RIGHT, WRONG = (rgb(role) for role in ("truth", "predicted", "right", "wrong"))
_LONGEST = 1600
_SHORTEST = 480
_DASH = 8
_LINE, _BOLD = 3, 5


def draw_case(view: View, case: Case, root: Path | None = None, *, only: bool = False) -> Image:
    """The image of a case with its boxes, under a line on what is wrong; `only` the boxes of this case.

    `root` replaces the folder in which the images lay. An image that is missing or damaged is drawn as grey.
    """
    shown = view.image(case.image)
    picture, problem = _picture(view, shown, root)
    scale = min(_LONGEST / max(picture.size), max(1.0, _SHORTEST / max(picture.size)))
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    from PIL import Image as images
    from PIL import ImageDraw

    picture = picture.resize(size, images.Resampling.LANCZOS if scale < 1 else images.Resampling.NEAREST)
    fonts = Fonts(max(13, min(size) // 45))
    draw = ImageDraw.Draw(picture)
    names = view.errors.classes
    for mark in sorted(_marks(shown, case, names), key=lambda mark: mark.main):
        if mark.main or not only:
            box = tuple(value * scale for value in mark.box)
            _outline(draw, box, mark.colour, dashed=mark.dashed, width=_BOLD if mark.main else _LINE)
            corner = box[0], box[3 if mark.dashed else 1]
            _label(draw, corner, mark.text, mark.colour, fonts, above=not mark.dashed)
    return _titled(picture, [case_words(view, case), *([problem] if problem else [])], fonts)


@dataclass(frozen=True)
class _Mark:
    """A box to draw, in pixels of the image; `main`: of the case, drawn over all others."""

    box: tuple[float, float, float, float]
    text: str
    colour: tuple[int, int, int]
    dashed: bool
    main: bool


def _marks(shown: Shown, case: Case, names: Sequence[str]) -> Iterator[_Mark]:
    for thing in shown.objects:
        if thing.box is not None:
            mine = thing.index == case.object
            colour = WRONG if mine and case.kind == "missed" else TRUTH
            yield _Mark(thing.box, f"T {names[thing.label]}", colour, False, mine)
    for found in shown.boxes:
        if found.box is not None and found.kind != "dropped":
            mine = found.index == case.prediction
            colour = WRONG if mine and case.kind not in NOT_WRONG else PREDICTION
            yield _Mark(found.box, f"P {names[found.label]} {found.score:.2f}", colour, True, mine)


def case_words(view: View, case: Case) -> str:
    """One line on a case."""
    names = view.errors.classes
    parts = [clean(case.path), case.kind.replace("_", " ")]
    if case.truth is not None:
        parts.append(f"truth {names[case.truth]}")
    if case.predicted is not None:
        parts.append(f"prediction {names[case.predicted]} {case.score or 0:.2f}")
    if case.iou and view.errors.kind == DETECTION:
        parts.append(f"IoU {case.iou:.2f}")
    return ", ".join(parts)


def draw_matrix(matrix: Ints, names: list[str] | tuple[str, ...], title: str = "") -> Image:
    """A matrix (n + 1, n + 1) as a heat map with counts: green right, orange wrong, shaded by their log."""
    from PIL import Image as images
    from PIL import ImageDraw

    count = len(names)
    cell = 34 if count <= 24 else 22
    fonts, small = Fonts(14 if cell > 30 else 11), Fonts(13 if cell > 30 else 9)
    rows, columns = [*names, "false alarm"], [*names, "missed"]
    rows, columns = ([middle_cut(name, 32) for name in part] for part in (rows, columns))
    left = 12 + int(max(fonts.length(name) for name in rows))
    top = 48 + int(max(fonts.length(name) for name in columns))
    side = cell * (count + 1)
    picture = images.new("RGB", (left + side + 12, top + side + 12), "white")
    draw = ImageDraw.Draw(picture)
    fonts.write(draw, (8, 6), f"{title}  rows truth, columns prediction".strip())
    strongest = np.log1p(max(int(matrix.max(initial=1)), 1))
    for column, name in enumerate(columns):
        turned = images.new("RGBA", (int(fonts.length(name)) + 4, cell), (255, 255, 255, 0))
        fonts.write(ImageDraw.Draw(turned), (0, (cell - fonts.height) // 2), name)
        turned = turned.rotate(90, expand=True)
        picture.paste(turned, (left + column * cell, top - turned.height - 4), turned)
    for row, name in enumerate(rows):
        fonts.write(draw, (6, top + row * cell + (cell - fonts.height) // 2), name)
        for column in range(count + 1):
            value = int(matrix[row, column])
            x, y = left + column * cell, top + row * cell
            hue = RIGHT if row == column else WRONG
            share = 0.0 if not value else 0.15 + 0.85 * np.log1p(value) / strongest
            shade = tuple(round(255 + (part - 255) * share) for part in hue)
            draw.rectangle((x, y, x + cell, y + cell), fill=shade, outline=(225, 225, 225))
            if value:
                ink = "white" if share > 0.75 else "black"
                text = str(value)
                place = x + (cell - small.length(text)) / 2, y + (cell - small.height) / 2
                small.write(draw, place, text, ink)
    return picture


def _picture(view: View, shown: Shown, root: Path | None) -> tuple[Image, str]:
    from PIL import Image as images

    try:
        return open_picture(root or view.errors.root, shown.path, view.errors.opening), ""
    except DataError as error:
        return images.new("RGB", shown.size or (320, 240), (128, 128, 128)), str(error)


def _outline(
    draw: ImageDraw, box: tuple[float, ...], colour: tuple[int, int, int], *, dashed: bool, width: int
) -> None:
    x1, y1, x2, y2 = box
    if not dashed:
        draw.rectangle((x1, y1, max(x1, x2), max(y1, y2)), outline=colour, width=width)
        return
    for start, end in (
        ((x1, y1), (x2, y1)),
        ((x2, y1), (x2, y2)),
        ((x2, y2), (x1, y2)),
        ((x1, y2), (x1, y1)),
    ):
        length = max(abs(end[0] - start[0]), abs(end[1] - start[1]))
        for at in np.arange(0, length, 2 * _DASH):
            part = [at / length, min(1.0, (at + _DASH) / length)]
            points = [
                (start[0] + (end[0] - start[0]) * share, start[1] + (end[1] - start[1]) * share)
                for share in part
            ]
            draw.line(points, fill=colour, width=width)


def _label(
    draw: ImageDraw,
    corner: tuple[float, float],
    text: str,
    colour: tuple[int, int, int],
    fonts: Fonts,
    *,
    above: bool,
) -> None:
    width, height = draw.im.size
    right, bottom = fonts.length(text), fonts.height
    x = min(max(corner[0], 0), max(width - right - 6, 0))
    y = corner[1] - bottom - 4 if above else corner[1]
    y = min(max(y, 0), max(height - bottom - 4, 0))
    draw.rectangle((x, y, x + right + 6, y + bottom + 4), fill=colour)
    fonts.write(draw, (x + 3, y + 1), text)


def _titled(picture: Image, lines: list[str], fonts: Fonts) -> Image:
    from PIL import Image as images
    from PIL import ImageDraw

    lines = [part for line in lines for part in _wrapped(line, picture.width - 12, fonts)]
    step = fonts.height + 5
    canvas = images.new("RGB", (picture.width, picture.height + step * len(lines) + 6), "white")
    draw = ImageDraw.Draw(canvas)
    for row, line in enumerate(lines):
        fonts.write(draw, (6, 4 + row * step), line)
    canvas.paste(picture, (0, step * len(lines) + 6))
    return canvas


def _wrapped(line: str, width: int, fonts: Fonts) -> list[str]:
    """The line in parts of at most `width` pixels, broken after commas where it has some."""
    parts: list[str] = []
    for piece in line.split(", "):
        if parts and fonts.length(f"{parts[-1]}, {piece}") <= width:
            parts[-1] = f"{parts[-1]}, {piece}"
        else:
            parts.append(piece)
    return parts
