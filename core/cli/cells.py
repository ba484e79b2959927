"""Text measured in the cells of a terminal: wide characters are two, marks none."""

from __future__ import annotations

import functools
import unicodedata

from core import humanise
from core.text import middle_cut, number_start

_WIDE = frozenset("WF")
_NOTHING = frozenset({"Mn", "Me", "Mc", "Cf"})


@functools.lru_cache(maxsize=8192)
def cell_len(text: str) -> int:
    """The cells that `text` takes; rich is loaded only where letters do not take one each."""
    if text.isascii() or not any(map(_is_odd, text)):
        return len(text)
    from rich.cells import cell_len as measured

    return measured(text)


def _is_odd(letter: str) -> bool:
    return unicodedata.east_asian_width(letter) in _WIDE or unicodedata.category(letter) in _NOTHING


def cut(text: str, width: int, *, middle: bool = False) -> str:
    """`text` in at most `width` cells, with an ellipsis at the end or, for names, in the middle.

    No number is cut: a count is put in thousands or millions, any other is left out.
    """
    if width <= 0:
        return ""
    size = cell_len(text)
    if size <= width:
        return text
    if not middle and (short := humanise.short_count(text.strip(), width)):
        return short
    if not middle:
        kept = _start(text, width - 1).rstrip() if size != len(text) else text[: width - 1]
        start = number_start(text, len(kept))
        return (kept if start is None else text[:start].rstrip()) + "…"
    if size == len(text):
        return middle_cut(text, width)
    keep = len(text)
    while keep > 1 and cell_len(shorter := middle_cut(text, keep)) > width:
        keep -= 1
    return shorter if keep > 1 else "…"


def fit(text: str, width: int, align: str = "left", *, middle: bool = False) -> str:
    """`text` in exactly `width` cells."""
    text = cut(text, width, middle=middle)
    room = " " * max(width - cell_len(text), 0)
    return room + text if align == "right" else text + room


def _start(text: str, width: int) -> str:
    from rich.cells import set_cell_size

    return set_cell_size(text, width)
