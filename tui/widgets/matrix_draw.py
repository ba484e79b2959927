"""How a matrix is laid out and drawn: lines of cells, shaded by the logarithm of their counts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from rich.cells import cell_len
from rich.color import Color as RichColor
from rich.segment import Segment
from rich.style import Style
from textual.color import Color

from tui import theme
from tui.cell_text import cut, fit
from tui.widgets.matrix_counts import ALARM, MatrixCounts

MANY = 16
"""With more classes than this, room is short."""
_LEVELS = 9
_BODY = 8
"""Rows of classes that go before the kinds of false alarms."""
_SHORTEST = 12
"""Cells that names keep for the sake of columns."""
_NAMED = 9
"""Cells that a column needs to be headed by names."""


@dataclass(frozen=True)
class Layout:
    """Widths in cells: of names, of a column, of those at the right that never scroll (title, width).

    `body` class rows and `across` class columns fit; `footer` are the rows below.
    """

    names: int
    cell: int
    fixed: tuple[tuple[str, int], ...]
    body: int
    across: int
    footer: tuple[int, ...]


@dataclass(frozen=True)
class MatrixWindow:
    """What of the matrix is seen, and how. `at` is the cell under the cursor; `shaded`: by background."""

    rows: tuple[int, ...]
    columns: tuple[int, ...]
    more_rows: bool
    more_columns: bool
    rows_before: bool
    columns_before: bool
    at: tuple[int, int]
    has_focus: bool
    hides_diagonal: bool
    normalised: str
    shaded: bool
    background: str


def lay_out(
    counts: MatrixCounts,
    rows: int,
    columns: int,
    below: Sequence[int],
    normalised: str,
    width: int,
    height: int,
) -> Layout:
    """Make room for `rows` and `columns` of classes and the rows `below` in `width` x `height` cells."""
    numbers = max((len(text) for text in counts.numbers), default=1)
    least = max((len(kind) + 4 for kind, _ in counts.kinds), default=len(ALARM) + 2)
    preferred = max(counts.longest + numbers + 3, least if counts.boxes else 8)
    digits = counts.digits
    fixed = [("missed", max(8, digits + 2))] if counts.boxes else []
    fixed += [("inside", max(8, digits + 2))] if counts.inside else []
    fixed.append(("n", max(6, digits + 2)))
    room = width - sum(size for _, size in fixed)
    needed = 3 if normalised else digits
    # More columns are worth more than brackets around the cursor's cell, and whole names more than these.
    narrow, tight = (max(4, needed + more, numbers + 1) for more in (2, 1))
    names = min(preferred, max(width // 3, 23 if width >= 60 else 14, room - columns * tight))
    # Shorter names where that brings the last columns in.
    if _SHORTEST <= room - columns * tight < names:
        names = room - columns * tight
    room -= names
    narrow = narrow if columns * narrow <= room else tight
    wide = room // columns if columns else narrow
    cell = min(max(counts.longest + 2, narrow), wide) if wide >= max(narrow, _NAMED) else narrow
    footer = tuple(below[: max(height - 1 - min(rows, _BODY), 1)])
    return Layout(names, cell, tuple(fixed), max(height - 1 - len(footer), 1), max(room // cell, 1), footer)


def comfortable(counts: MatrixCounts) -> int:
    """Cells in which all names and numbers have room, and beyond which there is nothing to show."""
    numbers = max((len(text) for text in counts.numbers), default=1)
    least = max((len(kind) + 4 for kind, _ in counts.kinds), default=len(ALARM) + 2)
    fixed = 2 * counts.boxes + bool(counts.inside) + 1
    column = max(counts.longest + 2, counts.digits + 3, _NAMED)
    return max(counts.longest + numbers + 3, least) + counts.size * column + fixed * max(8, counts.digits + 2)


def head(counts: MatrixCounts, layout: Layout, look: MatrixWindow, colors: theme.Palette) -> list[Segment]:
    """The line of column heads: names where they fit, else numbers."""
    gone = "…" if look.columns_before else ""
    segments = [Segment(fit(" truth ↓ prediction →", layout.names - len(gone)) + gone, colors.muted)]
    cell = layout.cell
    named = cell >= _NAMED
    for column in look.columns:
        text = cut(counts.names[column], cell - 2, middle=True) if named else counts.numbers[column]
        style = colors.strong if column == look.at[1] else colors.muted
        segments.append(Segment(fit(text, cell - 1, "right") + " ", style))
    mark = "…" if look.more_columns else ""
    for title, size in layout.fixed:
        here = title == "missed" and look.at[1] == counts.size
        style = colors.strong if here else colors.muted
        segments.append(Segment(mark + fit(title, size - 1 - len(mark), "right") + " ", style))
        mark = ""
    return segments


def line(
    row: int, counts: MatrixCounts, layout: Layout, look: MatrixWindow, colors: theme.Palette
) -> list[Segment]:
    """One row with its name at the left."""
    size = counts.size
    here = row == look.at[0]
    style = colors.strong if here else colors.text if row <= size else colors.muted
    mark = "▸" if here else " "
    if row < size:
        number = max(len(text) for text in counts.numbers)
        cut_off = (look.more_rows and row == look.rows[-1]) or (look.rows_before and row == look.rows[0])
        mark = "…" if not here and cut_off else mark
        label = f"{mark}{counts.numbers[row]:>{number}} {counts.names[row]}"
    else:
        label = f"{mark}{ALARM}" if row == size else f"{mark}  {counts.kinds[row - size - 1][0]}"
    segments = [Segment(fit(label, layout.names, middle=row < size), style)]
    segments += [_cell(row, column, layout.cell, counts, look, colors) for column in look.columns]
    for title, width in layout.fixed:
        if title == "missed" and row < size:
            segments.append(_cell(row, size, width, counts, look, colors))
        elif title == "missed":
            segments.append(
                Segment(fit("[ ]" if (row, size) == look.at else "", width, "right"), colors.muted)
            )
        elif title == "inside":
            text = str(counts.inside[row] or "·") if row < size else ""
            segments.append(Segment(fit(text, width - 1, "right") + " ", colors.text))
        else:
            segments.append(Segment(fit(str(counts.row_sums[row]), width - 1, "right") + " ", colors.muted))
    return segments


def _cell(
    row: int, column: int, width: int, counts: MatrixCounts, look: MatrixWindow, colors: theme.Palette
) -> Segment:
    count = counts.count(row, column)
    right = row == column
    hidden = right and look.hides_diagonal
    text, share = str(count), 0.0
    if count:
        share = math.log1p(count) / math.log1p(max(count if right else 1, counts.most_wrong, 1))
    if look.normalised and count:
        whole = counts.row_sums[row] if look.normalised == "row" else counts.column_sums[column]
        share = count / max(whole, 1)
        text = str(round(100 * share)) if share >= 0.005 else "<1"
    text = "" if hidden else text if count else "·"
    style = _shade(right, share, look, colors) if count and not hidden else colors.faint
    if (row, column) == look.at:
        style += colors.cursor if look.has_focus else colors.cursor_away
        if cell_len(text) + 2 <= width:
            return Segment(fit(f"[{text}]", width, "right"), style)
    return Segment(fit(text, width - 1, "right") + " ", style)


def _shade(right: bool, share: float, look: MatrixWindow, colors: theme.Palette) -> Style:
    tone = colors.good if right else colors.bad
    if not look.shaded:
        return tone + Style(bold=share > 0.6)
    level = max(min(round(share * _LEVELS), _LEVELS), 1)
    return _shaded(look.background, tone, colors.text, level)


@lru_cache(maxsize=256)
def _shaded(background: str, tone: Style, text: Style, level: int) -> Style:
    """Text on the background tinted by so many of `_LEVELS`."""
    hue = tone.color.get_truecolor() if tone.color is not None else (128, 128, 128)
    under = Color.parse(background).blend(Color(*hue), 0.12 + 0.43 * level / _LEVELS)
    return text + Style(bgcolor=RichColor.from_rgb(*under.rgb))
