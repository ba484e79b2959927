"""Boxes over a picture as line characters, with their labels as text: what cells they take.

Truth is solid, predictions are dashed; colours only come on top.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len

from tui.cell_text import cut, signs

Box = tuple[float, float, float, float]

LAYERS = ("truth", "predicted", "labels")
_SOLID = "━┃┏┓┗┛"
_DASHED = "┄┆┌┐└┘"
_FEW = 8
"""With more boxes than this only those of the case have labels, and others where there is room."""


@dataclass(frozen=True)
class BoxOutline:
    """One box over the picture, in its pixels. `truth`: solid, else dashed; `main`: of the case shown.

    `key` names it among the boxes of the image; a `hidden` one is drawn only while it is the marked one.
    `wrong`: missed or not right; `second`: of another model.
    """

    box: Box
    label: str
    truth: bool
    main: bool
    key: str = ""
    hidden: bool = False
    wrong: bool = False
    second: bool = False


Cell = tuple[str, str, bool]
"""Sign, tone and whether the picture shines through."""


def overlay(
    outlines: Sequence[BoxOutline],
    region: Box,
    scale: float,
    columns: int,
    rows: int,
    layers: frozenset[str],
    marked: str = "",
) -> dict[tuple[int, int], Cell]:
    """Cells (column, row) that boxes and labels take; those of the case lie on top, the `marked` one above.

    Where a dashed line runs along a solid one, they take turns; corners of solid ones stay.
    """
    shown = [outline for outline in outlines if _is_shown(outline, layers, marked)]
    shown.sort(key=lambda outline: (bool(marked) and outline.key == marked, outline.main, not outline.truth))
    cells: dict[tuple[int, int], Cell] = {}
    edges: list[tuple[BoxOutline, tuple[int, int, int, int]]] = []
    for outline in shown:
        edge = _edges(outline.box, region, scale)
        if edge[2] < 0 or edge[3] < 0 or edge[0] >= columns or edge[1] >= rows:
            continue
        edges.append((outline, edge))
        chosen = bool(marked) and outline.key == marked
        tone = _tone(outline, chosen)
        for (x, y), sign in _edge_cells(edge, _SOLID if outline.truth else _DASHED):
            if 0 <= x < columns and 0 <= y < rows:
                before = cells.get((x, y))
                solid = before is not None and not outline.truth and before[0] in _SOLID
                if not chosen and solid and before is not None and (before[0] in _SOLID[2:] or (x + y) % 2):
                    continue
                cells[x, y] = sign, tone, True
    if "labels" in layers or marked:
        labelled = [edge for edge in edges if "labels" in layers or edge[0].key == marked]
        _label(cells, labelled, columns, rows, marked)
    return cells


def _is_shown(outline: BoxOutline, layers: frozenset[str], marked: str) -> bool:
    if marked and outline.key == marked:
        return True
    layer = "truth" if outline.truth else "predicted"
    return layer in layers and (outline.main or "only" not in layers) and not outline.hidden


def _tone(outline: BoxOutline, marked: bool) -> str:
    if marked:
        return "chosen!"
    if outline.main and outline.wrong:
        return "wrong!"
    layer = "truth" if outline.truth else "second" if outline.second else "predicted"
    return layer + ("!" if outline.main else "")


def _edges(box: Box, region: Box, scale: float) -> tuple[int, int, int, int]:
    """First and last column and row of a box."""
    left, top = math.floor((box[0] - region[0]) * scale), math.floor((box[1] - region[1]) * scale / 2)
    right = max(math.ceil((box[2] - region[0]) * scale) - 1, left)
    bottom = max(math.ceil((box[3] - region[1]) * scale / 2) - 1, top)
    return left, top, right, bottom


def _edge_cells(edge: tuple[int, int, int, int], drawn: str) -> list[tuple[tuple[int, int], str]]:
    left, top, right, bottom = edge
    flat, upright, corners = drawn[0], drawn[1], drawn[2:]
    out = [((x, y), flat) for y in (top, bottom) for x in range(left + 1, right)]
    out += [((x, y), upright) for x in (left, right) for y in range(top + 1, bottom)]
    corner_cells = ((left, top), (right, top), (left, bottom), (right, bottom))
    return [*out, *zip(corner_cells, corners, strict=True)]


def _label(
    cells: dict[tuple[int, int], Cell],
    edges: Sequence[tuple[BoxOutline, tuple[int, int, int, int]]],
    columns: int,
    rows: int,
    marked: str,
) -> None:
    """Labels in the edge of their box: of the truth above, of predictions below; then where there is room."""
    taken: set[tuple[int, int]] = set()
    for outline, (left, top, right, bottom) in reversed(edges):
        chosen = bool(marked) and outline.key == marked
        main = outline.main or chosen
        whole = f"{'▸' if chosen else ' '}{'T' if outline.truth else 'P'} {outline.label} "
        if not main and len(edges) > _FEW and right - left < 8:
            continue
        text = cut(whole, max(columns - max(left, 0) - 1, 0) if main else max(right - left - 1, 4))
        if cell_len(text) < 3:
            text = cut(whole, columns)
        size = cell_len(text)
        start = min(max(left + 1, 0), max(columns - size, 0))
        order: tuple[int, ...] = (
            (top, top - 1, top + 1) if outline.truth else (bottom, bottom + 1, bottom - 1)
        )
        if main:
            order += (top + 2, bottom - 2, 0, rows - 1)
        for y in order:
            spots = [(x, y) for x in range(start, start + size)]
            if not 0 <= y < rows or any(spot in taken for spot in spots):
                continue
            taken.update(spots)
            x = start
            for sign, width in signs(text):
                cells[x, y] = sign, _tone(outline, chosen), False
                for covered in range(1, width):
                    cells.pop((x + covered, y), None)
                x += width
            break
