"""Pictures of the screens for these pages: `python docs/pictures.py WORKSPACE FILE.png 160x50 RUN KEY...`.

Opens the screens on a workspace without a terminal, puts the cursor on RUN (its name or a part of it),
presses the keys (Textual's names; `wait` lets a second pass) and draws what is there, cell by cell.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont
from rich.color import Color
from rich.segment import Segment

sys.path.insert(0, str(Path(__file__).parents[1]))
FONTS = Path("/usr/share/fonts/truetype/dejavu")
WIDTH, HEIGHT, POINTS = 8, 17, 13
COLOURS = 128


async def seen(workspace: Path, size: tuple[int, int], run: str, keys: list[str]) -> list[list[Segment]]:
    """The lines of the screen after the keys."""
    os.environ["COLORTERM"] = "truecolor"
    from core.config.workspace import Workspace
    from tui.app import LabApp

    app = LabApp(Workspace(workspace))
    async with app.run_test(size=size) as pilot:
        await quiet(app, pilot)
        for at, summary in enumerate(app.snapshot.runs):
            if run in summary.label or run in summary.id:
                await pilot.press(*["down"] * at)
                break
        else:
            raise SystemExit(f"there is no run {run} in {workspace}")
        for key in keys:
            await (pilot.pause(1.0) if key == "wait" else pilot.press(key))
            await quiet(app, pilot)
        return [list(strip) for strip in app.screen._compositor.render_strips()]


async def quiet(app: Any, pilot: Any) -> None:
    """Wait until nothing is read or computed any more."""
    await pilot.pause(0.3)
    while app.workers and any(worker.is_running for worker in app.workers if worker.group == "newest"):
        await pilot.pause(0.05)
    await pilot.pause(0.3)


def drawn(lines: list[list[Segment]]) -> Image.Image:
    """The cells as a picture: half blocks and dots as rectangles, all else with a font."""
    columns = max(sum(segment.cell_length for segment in line) for line in lines)
    picture = Image.new("RGB", (columns * WIDTH, len(lines) * HEIGHT), (17, 20, 23))
    draw = ImageDraw.Draw(picture)
    plain = ImageFont.truetype(str(FONTS / "DejaVuSansMono.ttf"), POINTS)
    bold = ImageFont.truetype(str(FONTS / "DejaVuSansMono-Bold.ttf"), POINTS)
    for row, line in enumerate(lines):
        x, y = 0, row * HEIGHT
        for text, style, _ in line:
            front = rgb(style.color if style else None, (224, 224, 224))
            back = rgb(style.bgcolor if style else None, (17, 20, 23))
            if style and style.reverse:
                front, back = back, front
            for sign in text:
                width = WIDTH * max(Segment(sign).cell_length, 1)
                draw.rectangle((x, y, x + width - 1, y + HEIGHT - 1), fill=back)
                if sign == "▀":
                    draw.rectangle((x, y, x + width - 1, y + HEIGHT // 2), fill=front)
                elif sign == "█":
                    draw.rectangle((x, y, x + width - 1, y + HEIGHT - 1), fill=front)
                elif "\u2800" <= sign <= "\u28ff":
                    for column, dot in dots(sign):
                        left, top = x + 1 + 4 * column, y + 2 + 4 * dot
                        draw.rectangle((left, top, left + 1, top + 1), fill=front)
                elif sign != " ":
                    draw.text((x, y), sign, fill=front, font=bold if style and style.bold else plain)
                x += width
    return picture


def dots(sign: str) -> list[tuple[int, int]]:
    """Column (0, 1) and line (0 to 3) of the dots of a Braille sign; few fonts have them."""
    order = ((0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (0, 3), (1, 3))
    return [place for bit, place in enumerate(order) if (ord(sign) - 0x2800) >> bit & 1]


def rgb(color: Color | None, otherwise: tuple[int, int, int]) -> tuple[int, int, int]:
    """A colour's parts."""
    if color is None or color.is_default:
        return otherwise
    red, green, blue = color.get_truecolor()
    return red, green, blue


def main() -> None:
    workspace, file, size, run, *keys = sys.argv[1:]
    columns, _, rows = size.partition("x")
    picture = drawn(asyncio.run(seen(Path(workspace), (int(columns), int(rows)), run, keys)))
    picture.quantize(COLOURS, dither=Image.Dither.NONE).save(file, optimize=True)
    print(f"{file}: {picture.width} x {picture.height}, {Path(file).stat().st_size // 1000} kB")


if __name__ == "__main__":
    main()
