"""Text for the screens: free of markup, made to fit a number of cells (wide characters counted as two)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual.content import Content
from textual.strip import Strip

from core import humanise
from core.cli.cells import cut as cut
from core.cli.cells import fit as fit
from core.text import clean, number_start

_JOINER = "\u200d"
_UNITS = {
    "": 1.0,
    "k": 1e3,
    "M": 1e6,
    "G": 1e9,
    "T": 1e12,
    "B": 1.0,
    "kB": 1e3,
    "MB": 1e6,
    "GB": 1e9,
    "%": 1.0,
}
_UNITS |= {"s": 1.0, "ms": 1e-3, "m": 60.0, "h": 3600.0, "d": 86400.0}
_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?"
_PART = re.compile(rf"\s*({_NUMBER})\s*(ms|kB|MB|GB|[kMGTBsmhd%]|)")


def plain(text: str) -> Content:
    """Text for titles, buttons and lists, which would otherwise be read as markup."""
    return Content(text)


def shown_path(path: Path) -> str:
    """`path` with the home folder as `~`, fit to be shown."""
    try:
        return clean(f"~/{path.relative_to(path.home())}") if path != path.home() else "~"
    except (ValueError, RuntimeError):
        return clean(str(path))


def crop(strip: Strip, width: int, style: Style | None = None) -> Strip:
    """`strip` in exactly `width` cells; a number that does not fit is left out for an ellipsis."""
    style = Style.null() if style is None else style
    if strip.cell_length <= width:
        return strip.adjust_cell_length(width, style)
    kept = strip.crop(0, width)
    start = number_start(strip.text, len(kept.text))
    if start is None:
        return kept
    left = strip.crop(0, cell_len(strip.text[:start]))
    return Strip([*left, Segment("…", style)]).adjust_cell_length(width, style)


def told_apart(names: Sequence[str], width: int) -> list[str]:
    """Names in at most `width` cells each, cut in what they have in common, so that they still differ."""
    letters = [len(set(column)) == 1 for column in zip(*names, strict=False)]
    same = letters.index(False) if False in letters else len(letters)
    same = same if len(set(names)) > 1 else 0
    return [name if cell_len(name) <= width else _without_start(name, same, width) for name in names]


def _without_start(name: str, same: int, width: int) -> str:
    room = width - 1 - cell_len(name[same:])
    if 0 < room < cell_len(name[:same]):
        return f"{set_cell_size(name[:same], room).rstrip()}…{name[same:]}"
    return cut(f"…{name[same:]}" if same else name, width, middle=True)


def number_said(text: str) -> float | None:
    """The number that a cell says, to order by: `0.80@3`, `1 028`, `12.4 MB`, `1 h 12 m`; None for words."""
    text = text.replace(humanise.THIN_SPACE, "").partition("@")[0].partition("±")[0].strip()
    if text == "now":
        return 0.0
    total, at = 0.0, 0
    while at < len(text):
        part = _PART.match(text, at)
        if part is None:
            return None
        total, at = total + float(part[1]) * _UNITS[part[2]], part.end()
    return total if text else None


def progress(done: int, total: int, width: int) -> str:
    """A bar such as `▓▓▓░░░`."""
    filled = round(width * min(max(done / total, 0.0), 1.0)) if total > 0 else 0
    return "▓" * filled + "░" * (width - filled)


def signs(text: str) -> list[tuple[str, int]]:
    """What of `text` takes cells together, each with its width: a letter with its marks, a joined emoji."""
    cells: list[tuple[str, int]] = []
    for letter in text:
        before, size = cells[-1] if cells else ("", 0)
        if before and (cell_len(letter) == 0 or before.endswith(_JOINER)):
            cells[-1] = f"{before}{letter}", max(cell_len(before + letter), size)
        elif cell_len(letter):
            cells.append((letter, cell_len(letter)))
    return cells
