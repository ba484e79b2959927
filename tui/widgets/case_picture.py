"""A picture with true and predicted boxes over it, once, or twice beside itself with other boxes in each.

Needs numpy and Pillow: imported by screens that show pictures, after the first paint.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from PIL import Image
from rich.cells import cell_len
from rich.color import Color as RichColor
from rich.segment import Segment
from rich.style import Style
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from tui import theme
from tui.cell_text import crop, cut, fit
from tui.widgets.picture import Pixels, mode_of, strips
from tui.widgets.picture_areas import MOST_ZOOM, PictureArea, fit_scale, picture_areas, seen
from tui.widgets.picture_boxes import LAYERS, Box, BoxOutline, Cell, overlay


@dataclass(frozen=True)
class Side:
    """The picture with some boxes, under a caption where there are several sides."""

    outlines: tuple[BoxOutline, ...]
    caption: str = ""


class CasePicture(Widget, can_focus=True):
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "list", "boxes", key_display="⏎", tooltip="go through the list of boxes"),
        Binding("plus,equals_sign", "zoom(2.0)", "zoom in", key_display="+"),
        Binding("minus", "zoom(0.5)", "zoom out", key_display="-"),
        Binding("0", "whole", "whole picture"),
        Binding("x", "to_case", "zoom to the boxes"),
        Binding("left,h", "pan(-1, 0)", "move", show=False, key_display="←↑↓→"),
        Binding("right,l", "pan(1, 0)", "Right", show=False),
        Binding("up,k", "pan(0, -1)", "Up", show=False),
        Binding("down,j", "pan(0, 1)", "Down", show=False),
    ]

    DEFAULT_CSS = "CasePicture { height: 1fr; width: 1fr; }"

    class ListWanted(Message):
        """The boxes are to be gone through one by one."""

    class DetailWanted(Message):
        """More pixels are seen than the reduced picture has."""

    def __init__(self, *, id: str | None = None, empty: str = "") -> None:
        super().__init__(id=id)
        self._image: Image.Image | None = None
        self._whole: tuple[int, int] = (0, 0)
        self._sides: tuple[Side, ...] = (Side(()),)
        self._message = ""
        self.empty = empty
        self.has_list: Callable[[], bool] = bool
        self._drawn = frozenset(LAYERS)
        self._marked = ""
        self._zoom = 1.0
        self._centre: tuple[float, float] | None = None
        self._lines: list[Strip] = []
        self._base: tuple[object, Pixels] | None = None

    def show(
        self,
        image: Image.Image | None,
        size: tuple[int, int],
        sides: Sequence[Side],
        message: str = "",
        *,
        keep_view: bool = False,
    ) -> None:
        """Draw `sides` over `image`, or over an empty field under `message` when there is none.

        `size` (width, height) is what boxes refer to; the image may have fewer pixels.
        """
        self._image, self._sides, self._message = image, tuple(sides), message
        self._whole = size
        self._marked = ""
        if not keep_view:
            self._zoom, self._centre = 1.0, None
        self._draw()

    def show_sides(self, sides: Sequence[Side]) -> None:
        """The same picture with other boxes, or another number of times."""
        self._sides = tuple(sides)
        self._draw()

    def refine(self, image: Image.Image) -> None:
        """The same picture with more pixels."""
        self._image = image
        self._draw()

    def clear(self, message: str = "") -> None:
        """Nothing but a sentence."""
        self.show(None, (0, 0), (Side(()),), message)

    def draw_layers(self, names: frozenset[str]) -> None:
        """Which of truth, predicted, labels and, if given, only (this case's boxes) to draw."""
        self._drawn = names
        self._draw()

    def mark(self, key: str) -> None:
        """Draw the box of this name above all others; empty: none. It is brought into view."""
        self._marked = key
        box = next(
            (outline.box for side in self._sides for outline in side.outlines if outline.key == key), None
        )
        if box is not None and self._zoom > 1:
            left, top, right, bottom = self._region()
            if box[0] < left or box[1] < top or box[2] > right or box[3] > bottom:
                self._centre = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
        self._draw()

    @property
    def zoom_words(self) -> str:
        return f"{self._zoom:g}x" if self._zoom > 1 else ""

    # -- looking around

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action in ("list", "to_case"):
            return any(side.outlines for side in self._sides) and (action != "list" or self.has_list())
        return True

    def action_list(self) -> None:
        self.post_message(self.ListWanted())

    def action_zoom(self, factor: float) -> None:
        self._zoom = min(max(self._zoom * factor, 1.0), MOST_ZOOM)
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
        boxes, scale = self._boxes_of_case(), self._fit_scale()
        if not boxes or not scale:
            return
        area = self._areas[0]
        width = max(box[2] for box in boxes) - min(box[0] for box in boxes)
        height = max(box[3] for box in boxes) - min(box[1] for box in boxes)
        fits = min(area.columns / max(2 * width, 1.0), 2 * area.rows / max(2 * height, 1.0))
        self._zoom = min(max(fits / scale, 1.0), MOST_ZOOM)
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

    def _boxes_of_case(self) -> list[Box]:
        """The marked box, else those of the case."""
        outlines = [outline for side in self._sides for outline in side.outlines]
        marked = [outline.box for outline in outlines if self._marked and outline.key == self._marked]
        return marked or [outline.box for outline in outlines if outline.main]

    def _middle_of_case(self) -> tuple[float, float]:
        boxes = self._boxes_of_case()
        if not boxes:
            return self._whole[0] / 2, self._whole[1] / 2
        return (
            (min(box[0] for box in boxes) + max(box[2] for box in boxes)) / 2,
            (min(box[1] for box in boxes) + max(box[3] for box in boxes)) / 2,
        )

    @property
    def _areas(self) -> tuple[PictureArea, ...]:
        height = max(self.size.height - (1 if self._message else 0), 1)
        return picture_areas(len(self._sides), self.size.width, height, self._whole)

    def _fit_scale(self) -> float:
        area = self._areas[0]
        return fit_scale(area.columns, area.rows, self._whole)

    def _region(self) -> Box:
        """What of the picture is seen."""
        return seen(self._areas[0], self._whole, self._fit_scale() * self._zoom, self._centre)

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
                self._lines += self._pictures(colors)
        self.refresh()

    def render_line(self, y: int) -> Strip:
        line = self._lines[y] if y < len(self._lines) else Strip([])
        return crop(line, self.size.width).apply_style(self.visual_style.rich_style)

    def _pictures(self, colors: theme.Palette) -> list[Strip]:
        """The lines of all sides."""
        places = self._areas
        blocks = []
        for side, area in zip(self._sides, places, strict=True):
            lines = self._picture(side, area, colors)
            if area.titled:
                lines.insert(0, Strip([Segment(fit(f" {side.caption}", area.columns), colors.strong)]))
            lines += [Strip([])] * (area.rows + area.titled - len(lines))
            blocks.append([crop(line, area.columns) for line in lines])
        if len(places) == 1 or places[1].left == 0:
            return [line for lines in blocks for line in lines]
        between = Strip([Segment("│", colors.faint)], 1)
        joined = []
        for row in zip(*blocks, strict=True):
            parts = [row[0]]
            for line in row[1:]:
                parts += [between, line]
            joined.append(Strip.join(parts))
        return joined

    def _picture(self, side: Side, area: PictureArea, colors: theme.Palette) -> list[Strip]:
        region = self._region()
        scale = self._fit_scale() * self._zoom
        columns = min(max(round((region[2] - region[0]) * scale), 1), area.columns)
        rows = min(max(round((region[3] - region[1]) * scale / 2), 1), area.rows)
        mode = mode_of(self.app)
        pixels = None
        if self._image is not None:
            pixels = self._pixels(region, columns, rows, scale)
            lines = strips(pixels, mode, dark=self.app.current_theme.dark)
        else:
            lines = [Strip([Segment("·" * columns, colors.faint)], columns) for _ in range(rows)]
        cells = overlay(side.outlines, region, scale, columns, rows, self._drawn, self._marked)
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
            share = self._image.width / self._whole[0], self._image.height / self._whole[1]
            larger = scale >= share[0]
            if larger and share[0] < 1:
                self.post_message(self.DetailWanted())
            small = self._image.resize(
                (columns, 2 * rows),
                Image.Resampling.NEAREST if larger else Image.Resampling.BILINEAR,
                box=(region[0] * share[0], region[1] * share[1], region[2] * share[0], region[3] * share[1]),
                reducing_gap=None if larger else 2.0,
            )
            self._base = key, np.asarray(small)
        return self._base[1]

    def _over(
        self, line: Strip, row: dict[int, Cell], y: int, pixels: Pixels | None, colors: theme.Palette
    ) -> Strip:
        drawn: list[tuple[int, int, Segment]] = []
        at = 0
        for x in sorted(row):
            sign, tone, through = row[x]
            if x < at:
                continue
            style = colors.tone(tone.removesuffix("!"))
            style = style + (Style(bold=True) if tone.endswith("!") else Style.null())
            if pixels is not None:
                plain = Style(bgcolor=_background(self.app.current_theme))
                style += _under(pixels, x, y) if through else plain
            at = x + cell_len(sign)
            drawn.append((x, at, Segment(sign, style)))
        # Cut once at all ends: a strip is gone through for every cut by itself.
        ends = sorted({end for *both, _ in drawn for end in both if end > 0} | {line.cell_length})
        parts = dict(zip([0, *ends], line.divide(ends), strict=False))
        pieces: list[Segment] = []
        at = 0
        for start, stop, segment in drawn:
            if start > at:
                pieces += parts[at]
            pieces.append(segment)
            at = stop
        if at < line.cell_length:
            pieces += parts[at]
        return Strip(pieces)


def _under(pixels: Pixels, x: int, y: int) -> Style:
    """The cell's own colour, darkened, so that a line is seen on it."""
    red, green, blue = (pixels[2 * y : 2 * y + 2, x].mean(axis=0) * 0.35).astype(int).tolist()
    return Style(bgcolor=RichColor.from_rgb(red, green, blue))


def _background(current: object) -> RichColor:
    dark = getattr(current, "dark", True)
    return RichColor.from_rgb(17, 20, 23) if dark else RichColor.from_rgb(250, 250, 248)
