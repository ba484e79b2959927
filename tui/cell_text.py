"""Text for the screens: free of markup, made to fit a number of cells (wide characters counted as two)."""

from __future__ import annotations

from pathlib import Path

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.content import Content
from textual.strip import Strip

from core.cli.cells import cut as cut
from core.cli.cells import fit as fit
from core.text import clean, number_start

_JOINER = "\u200d"


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
