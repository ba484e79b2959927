"""A picture with true and predicted boxes over it, drawn in line characters with their labels as text.

Needs numpy and Pillow: imported by screens that show pictures, after the first paint.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from PIL import Image
from rich.cells import cell_len
from rich.color import Color as RichColor
from rich.segment import Segment
from rich.style import Style
from textual.binding import Binding, BindingType
from textual.strip import Strip
from textual.widget import Widget

from tui import theme
from tui.cellfit import cut
from tui.widgets.picture import Pixels, mode_of, strips

Box = tuple[float, float, float, float]

LAYERS = ("truth", "predicted", "labels")
_SOLID = "━┃┏┓┗┛"
_DASHED = "┄┆┌┐└┘"
_MOST_ZOOM = 64.0
_FEW = 8
"""With more boxes than this only those of the case have labels, and others where there is room."""


@dataclass(frozen=True)
class Frame:
    """One box over the picture, in its pixels. `truth`: solid, else dashed; `main`: of the case shown."""

    box: Box
    label: str
    truth: bool
    main: bool


Cell = tuple[str, str, bool]
"""Sign, tone and whether the picture shines through."""


class CasePicture(Widget, can_focus=True):
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("plus,equals_sign", "zoom(2.0)", "zoom in", key_display="+"),
        Binding("minus", "zoom(0.5)", "zoom out", key_display="-"),
        Binding("0", "whole", "whole picture"),
        Binding("x", "to_case", "zoom to the boxes"),
        Binding("left,h", "pan(-1, 0)", "Left", show=False),
        Binding("right,l", "pan(1, 0)", "Right", show=False),
        Binding("up,k", "pan(0, -1)", "Up", show=False),
        Binding("down,j", "pan(0, 1)", "Down", show=False),
    ]

    DEFAULT_CSS = "CasePicture { height: 1fr; width: 1fr; }"

    def __init__(self, *, id: str | None = None, empty: str = "") -> None:
        super().__init__(id=id)
        self._image: Image.Image | None = None
        self._whole: tuple[int, int] = (0, 0)
        self._frames: tuple[Frame, ...] = ()
        self._message = ""
        self.empty = empty
        self._drawn = frozenset(LAYERS)
        self._zoom = 1.0
        self._centre: tuple[float, float] | None = None
        self._lines: list[Strip] = []
        self._base: tuple[object, Pixels] | None = None

    def show(
        self,
        image: Image.Image | None,
        size: tuple[int, int],
        frames: Sequence[Frame],
        message: str = "",
        *,
        keep_view: bool = False,
    ) -> None:
        """Draw `frames` over `image`, or over an empty field of `size` under `message` when there is none."""
        self._image, self._frames, self._message = image, tuple(frames), message
        self._whole = image.size if image is not None else size
        if not keep_view:
            self._zoom, self._centre = 1.0, None
        self._draw()

    def clear(self, message: str = "") -> None:
        """Nothing but a sentence."""
        self.show(None, (0, 0), (), message)

    def draw_layers(self, names: frozenset[str]) -> None:
        """Which of truth, predicted, labels and, if given, only (this case's boxes) to draw."""
        self._drawn = names
        self._draw()

    @property
    def zoom_words(self) -> str:
        return f"{self._zoom:g}x" if self._zoom > 1 else ""

    # -- looking around

    def action_zoom(self, factor: float) -> None:
        self._zoom = min(max(self._zoom * factor, 1.0), _MOST_ZOOM)
        if self._centre is None:
            self._centre = self._middle_of_case()
        if self._zoom == 1.0:
            self._centre = None
        self._draw()

    def action_whole(self) -> None:
        self._zoom, self._centre = 1.0, None
        self._draw()

    def action_to_case(self) -> None:
        """The boxes of the case with as much again around them."""
        boxes = [frame.box for frame in self._frames if frame.main]
        scale = self._fit_scale()
        if not boxes or not scale:
            return
        width = max(box[2] for box in boxes) - min(box[0] for box in boxes)
        height = max(box[3] for box in boxes) - min(box[1] for box in boxes)
        fits = min(self.size.width / max(2 * width, 1.0), 2 * self.size.height / max(2 * height, 1.0))
        self._zoom = min(max(fits / scale, 1.0), _MOST_ZOOM)
        self._centre = self._middle_of_case()
        self._draw()

    def action_pan(self, right: int, down: int) -> None:
        if self._zoom <= 1:
            return
        left, top, right_end, bottom = self._region()
        x, y = self._centre or self._middle_of_case()
        self._centre = (
            min(max(x + right * (right_end - left) / 6, 0.0), float(self._whole[0])),
            min(max(y + down * (bottom - top) / 6, 0.0), float(self._whole[1])),
        )
        left, top, right_end, bottom = self._region()
        self._centre = ((left + right_end) / 2, (top + bottom) / 2)
        self._draw()

    def _middle_of_case(self) -> tuple[float, float]:
        boxes = [frame.box for frame in self._frames if frame.main]
        if not boxes:
            return self._whole[0] / 2, self._whole[1] / 2
        return (
            (min(box[0] for box in boxes) + max(box[2] for box in boxes)) / 2,
            (min(box[1] for box in boxes) + max(box[3] for box in boxes)) / 2,
        )

    def _fit_scale(self) -> float:
        """Cells (half a cell high) to a pixel of the picture when all of it is shown."""
        width, height = self._whole
        if not width or not height:
            return 0.0
        return min(self.size.width / width, 2 * self._rows / height)

    @property
    def _rows(self) -> int:
        return max(self.size.height - (1 if self._message else 0), 1)

    def _region(self) -> Box:
        """What of the picture is seen."""
        width, height = self._whole
        scale = self._fit_scale() * self._zoom
        if not scale:
            return 0.0, 0.0, float(width), float(height)
        seen_x, seen_y = min(width, self.size.width / scale), min(height, 2 * self._rows / scale)
        x, y = self._centre or (width / 2, height / 2)
        left = min(max(x - seen_x / 2, 0.0), width - seen_x)
        top = min(max(y - seen_y / 2, 0.0), height - seen_y)
        return left, top, left + seen_x, top + seen_y

    # -- drawing

    def on_resize(self) -> None:
        self._draw()

    def on_show(self) -> None:
        self._draw()

    def on_focus(self) -> None:
        self.refresh()

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._draw()

    def _draw(self) -> None:
        self._lines = []
        width, height = self.size
        if self.is_attached and width > 1 and height > 1:
            text = self._message or ("" if self._whole[0] else self.empty)
            colors = theme.palette(self.app.current_theme)
            if text:
                tone = colors.warning if self._message else colors.muted
                self._lines = [Strip([Segment(cut(f" {text}", width), tone)])]
            if min(self._whole) > 0:
                self._lines += self._picture(colors)
        self.refresh()

    def render_line(self, y: int) -> Strip:
        line = self._lines[y] if y < len(self._lines) else Strip([])
        return line.adjust_cell_length(self.size.width, Style.null()).apply_style(self.rich_style)

    def _picture(self, colors: theme.Palette) -> list[Strip]:
        region = self._region()
        scale = self._fit_scale() * self._zoom
        columns = min(max(round((region[2] - region[0]) * scale), 1), self.size.width)
        rows = min(max(round((region[3] - region[1]) * scale / 2), 1), self._rows)
        mode = mode_of(self.app)
        pixels = None
        if self._image is not None:
            pixels = self._pixels(region, columns, rows, scale)
            lines = strips(pixels, mode, dark=self.app.current_theme.dark)
        else:
            lines = [Strip([Segment("·" * columns, colors.faint)], columns) for _ in range(rows)]
        cells = overlay(self._frames, region, scale, columns, rows, self._drawn)
        by_row: dict[int, dict[int, Cell]] = {}
        for (x, y), cell in cells.items():
            by_row.setdefault(y, {})[x] = cell
        through = pixels if mode == "half" else None
        for y, row in by_row.items():
            lines[y] = self._over(lines[y], row, y, through, colors)
        return lines

    def _pixels(self, region: Box, columns: int, rows: int, scale: float) -> Pixels:
        assert self._image is not None, "only an image has pixels"
        key = (id(self._image), region, columns, rows)
        if self._base is None or self._base[0] != key:
            larger = scale >= 1
            small = self._image.resize(
                (columns, 2 * rows),
                Image.Resampling.NEAREST if larger else Image.Resampling.BILINEAR,
                box=region,
                reducing_gap=None if larger else 2.0,
            )
            self._base = key, np.asarray(small)
        return self._base[1]

    def _over(
        self, line: Strip, row: dict[int, Cell], y: int, pixels: Pixels | None, colors: theme.Palette
    ) -> Strip:
        pieces: list[Segment] = []
        at = 0
        for x in sorted(row):
            sign, tone, through = row[x]
            if x < at:
                continue
            if x > at:
                pieces += line.crop(at, x)
            style = colors.tone(tone.removesuffix("!"))
            style = style + (Style(bold=True) if tone.endswith("!") else Style.null())
            if pixels is not None:
                plain = Style(bgcolor=_background(self.app.current_theme))
                style += _under(pixels, x, y) if through else plain
            pieces.append(Segment(sign, style))
            at = x + cell_len(sign)
        pieces += line.crop(at, line.cell_length)
        return Strip(pieces)


def overlay(
    frames: Sequence[Frame], region: Box, scale: float, columns: int, rows: int, layers: frozenset[str]
) -> dict[tuple[int, int], Cell]:
    """Cells (column, row) that boxes and labels take; those of the case lie on top of the others.

    Where a dashed line runs along a solid one, they take turns; corners of solid ones stay.
    """
    shown = [
        frame
        for frame in frames
        if ("truth" if frame.truth else "predicted") in layers and (frame.main or "only" not in layers)
    ]
    shown.sort(key=lambda frame: (frame.main, not frame.truth))
    cells: dict[tuple[int, int], Cell] = {}
    edges: list[tuple[Frame, tuple[int, int, int, int]]] = []
    for frame in shown:
        place = _place(frame.box, region, scale)
        if place[2] < 0 or place[3] < 0 or place[0] >= columns or place[1] >= rows:
            continue
        edges.append((frame, place))
        for (x, y), sign in _outline(place, _SOLID if frame.truth else _DASHED):
            if 0 <= x < columns and 0 <= y < rows:
                tone = _tone(frame)
                before = cells.get((x, y))
                solid = before is not None and not frame.truth and before[0] in _SOLID
                if solid and before is not None and (before[0] in _SOLID[2:] or (x + y) % 2):
                    continue
                cells[x, y] = sign, tone, True
    if "labels" in layers:
        _label(cells, edges, columns, rows)
    return cells


def _tone(frame: Frame) -> str:
    return ("series0" if frame.truth else "series1") + ("!" if frame.main else "")


def _place(box: Box, region: Box, scale: float) -> tuple[int, int, int, int]:
    """First and last column and row of a box."""
    left, top = math.floor((box[0] - region[0]) * scale), math.floor((box[1] - region[1]) * scale / 2)
    right = max(math.ceil((box[2] - region[0]) * scale) - 1, left)
    bottom = max(math.ceil((box[3] - region[1]) * scale / 2) - 1, top)
    return left, top, right, bottom


def _outline(place: tuple[int, int, int, int], signs: str) -> list[tuple[tuple[int, int], str]]:
    left, top, right, bottom = place
    flat, upright, corners = signs[0], signs[1], signs[2:]
    out = [((x, y), flat) for y in (top, bottom) for x in range(left + 1, right)]
    out += [((x, y), upright) for x in (left, right) for y in range(top + 1, bottom)]
    places = ((left, top), (right, top), (left, bottom), (right, bottom))
    return [*out, *zip(places, corners, strict=True)]


def _label(
    cells: dict[tuple[int, int], Cell],
    edges: Sequence[tuple[Frame, tuple[int, int, int, int]]],
    columns: int,
    rows: int,
) -> None:
    """Labels in the edge of their box: of the truth above, of predictions below; then where there is room."""
    taken: set[tuple[int, int]] = set()
    for frame, (left, top, right, bottom) in reversed(edges):
        text = f" {'T' if frame.truth else 'P'} {frame.label} "
        if not frame.main and len(edges) > _FEW and right - left < 8:
            continue
        text = cut(text, max(columns - max(left, 0) - 1, 0) if frame.main else max(right - left - 1, 4))
        size = cell_len(text)
        if size < 3:
            text = cut(f" {'T' if frame.truth else 'P'} {frame.label} ", columns)
            size = cell_len(text)
        start = min(max(left + 1, 0), max(columns - size, 0))
        order: tuple[int, ...] = (top, top - 1, top + 1) if frame.truth else (bottom, bottom + 1, bottom - 1)
        if frame.main:
            order += (top + 2, bottom - 2, 0, rows - 1)
        for y in order:
            spots = [(x, y) for x in range(start, start + size)]
            if not 0 <= y < rows or any(spot in taken for spot in spots):
                continue
            taken.update(spots)
            x = start
            for sign in text:
                cells[x, y] = sign, _tone(frame), False
                for covered in range(1, cell_len(sign)):
                    cells.pop((x + covered, y), None)
                x += cell_len(sign)
            break


def _under(pixels: Pixels, x: int, y: int) -> Style:
    """The cell's own colour, darkened, so that a line is seen on it."""
    red, green, blue = (pixels[2 * y : 2 * y + 2, x].mean(axis=0) * 0.35).astype(int).tolist()
    return Style(bgcolor=RichColor.from_rgb(red, green, blue))


def _background(current: object) -> RichColor:
    dark = getattr(current, "dark", True)
    return RichColor.from_rgb(17, 20, 23) if dark else RichColor.from_rgb(250, 250, 248)
