"""Pictures in a terminal, two pixels a character, and as one PNG file."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from core.store.outputs import new_file

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

_GAP = 2
_LEAST = 8
_IN_A_ROW = 4
_TILE = 96
_MARGIN = 8
_LINE = 16
_PAPER = (24, 24, 24)
_INK = (220, 220, 220)


@dataclass(frozen=True)
class Mosaic:
    """Pictures (n, height, width, 3), `columns` in a row, each with a title, which may be empty."""

    pixels: NDArray[np.uint8]
    titles: tuple[str, ...]
    columns: int

    def rows(self) -> list[range]:
        """The pictures of each row."""
        return [
            range(start, min(start + self.columns, len(self.pixels)))
            for start in range(0, len(self.pixels), self.columns)
        ]


def draw(mosaic: Mosaic, stream: TextIO, width: int) -> None:
    """Write the pictures to a terminal of `width` columns: the upper half block has two pixels."""
    from rich.console import Console
    from rich.segment import Segment, Segments
    from rich.text import Text

    from core.cli.half_blocks import half_block_lines

    console = Console(file=stream, width=width, force_terminal=True, highlight=False)
    side = tile_side(mosaic, width)
    for row in mosaic.rows():
        tiles = [half_block_lines(_small(mosaic.pixels[index], side)) for index in row]
        for line in range(len(tiles[0])):
            parts: list[Segment] = []
            for tile in tiles:
                parts += [*tile[line], Segment(" " * _GAP)]
            console.print(Segments([*parts[:-1], Segment("\n")]), end="")
        names = [mosaic.titles[index] for index in row]
        if any(names):
            text = Text()
            for name in names:
                cell = Text(name)
                cell.truncate(side, overflow="ellipsis", pad=True)
                text.append_text(cell).append(" " * _GAP)
            text.rstrip()
            console.print(text, no_wrap=True, overflow="crop")


def tile_side(mosaic: Mosaic, width: int) -> int:
    """Characters that a picture gets across: what fits, no more than its pixels, at least 8."""
    fits = (width + _GAP) // min(mosaic.columns, len(mosaic.pixels)) - _GAP
    return max(_LEAST, min(fits, int(mosaic.pixels.shape[2])))


def columns_for(count: int, width: int) -> int:
    """Pictures in a row for `count` in `width` characters: large ones rather than many."""
    return max(1, min(count, _IN_A_ROW, (width + _GAP) // (2 * _LEAST + _GAP)))


def save(mosaic: Mosaic, file: Path) -> None:
    """Write the pictures with their titles as a PNG. Raises FileExistsError."""
    from PIL import Image, ImageDraw, ImageFont

    height, width = mosaic.pixels.shape[1:3]
    zoom = max(1, math.ceil(_TILE / max(height, width)))
    tile = (width * zoom, height * zoom)
    line = _LINE if any(mosaic.titles) else 0
    rows = mosaic.rows()
    step = (tile[0] + _MARGIN, tile[1] + line + _MARGIN)
    columns = min(mosaic.columns, len(mosaic.pixels))
    sheet = Image.new("RGB", (columns * step[0] + _MARGIN, len(rows) * step[1] + _MARGIN), _PAPER)
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=_LINE - 4)
    for y, row in enumerate(rows):
        for x, index in enumerate(row):
            corner = (_MARGIN + x * step[0], _MARGIN + y * step[1])
            picture = Image.fromarray(mosaic.pixels[index]).resize(tile, Image.Resampling.NEAREST)
            sheet.paste(picture, corner)
            name = _fitting(mosaic.titles[index], tile[0], pen, font)
            pen.text((corner[0], corner[1] + tile[1] + 1), name, fill=_INK, font=font)
    with new_file(file) as out:
        sheet.save(out, format="PNG")


def _fitting(title: str, width: int, pen: object, font: object) -> str:
    from PIL import ImageDraw

    assert isinstance(pen, ImageDraw.ImageDraw)
    short = title
    while short and pen.textlength(short, font=font) > width:  # type: ignore[arg-type]
        short = short[:-2].rstrip() + "…" if len(short) > 2 else ""
    return short


def _small(pixels: NDArray[np.uint8], width: int) -> NDArray[np.uint8]:
    """A picture `width` pixels across with an even number of lines."""
    import numpy as np
    from PIL import Image

    tall, wide = pixels.shape[:2]
    lines = max(2, 2 * round(tall * width / wide / 2))
    image: Image.Image = Image.fromarray(pixels)
    if (wide, tall) != (width, lines):
        image = image.resize((width, lines), Image.Resampling.BOX)
    return np.asarray(image)


def as_mosaic(pixels: NDArray[np.uint8], titles: Sequence[str], columns: int) -> Mosaic:
    """A mosaic of arrays as the samples' file has them."""
    return Mosaic(pixels, tuple(map(str, titles)), max(1, columns))
