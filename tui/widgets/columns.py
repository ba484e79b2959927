"""Columns of tables as they are declared, and which of them at which width a terminal has room for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

ANY = 1 << 16
"""As a column's `max`: all the room that there is."""


@dataclass(frozen=True)
class Column:
    """A column takes from `min` to `max` cells, by its `share` of what is left over (no `max`: just `min`).

    Columns of `priority` 0 are always there; others come one after the other, the lowest number first, each
    if it fits and leaves `spare` cells to the columns that grow, and not without the column `after`. One with
    the key of another takes the place of that. `middle`: text that does not fit is cut there.
    """

    key: str
    title: str
    min: int
    align: str = "left"
    middle: bool = False
    max: int | None = None
    priority: int = 0
    spare: int = 0
    share: float = 1.0
    after: str = ""

    @property
    def width(self) -> int:
        """Cells of a column that has been fitted: `min` and `max` are one."""
        return self.min

    def at(self, width: int) -> Column:
        """This column with just so many cells."""
        return replace(self, min=width, max=width)


def fitted(declared: Sequence[Column], width: int) -> list[Column]:
    """The columns that are shown in `width` cells, in the order declared, one cell behind each.

    Where not even what is always there fits, the last ones are narrower or left out.
    """
    return list(_fitted(tuple(declared), width))


# Asked for every line that is drawn.
@lru_cache(maxsize=128)
def _fitted(declared: tuple[Column, ...], width: int) -> tuple[Column, ...]:
    shown = {column.key: column for column in declared if not column.priority}
    room = width - sum(column.min + 1 for column in shown.values())
    for column in sorted((column for column in declared if column.priority), key=lambda item: item.priority):
        replaced = shown.get(column.key)
        cost = column.min - replaced.min if replaced is not None else column.min + 1
        if cost + column.spare <= room and (not column.after or column.after in shown):
            shown[column.key] = column
            room -= cost
    chosen = [column for column in declared if shown.get(column.key) is column]
    widths = _widths(chosen, room)
    placed = []
    for column in chosen:
        if width > 0 and widths[column.key] > 0:
            placed.append(column.at(min(widths[column.key], width)))
        width -= widths[column.key] + 1
    return tuple(placed)


def _widths(columns: Sequence[Column], room: int) -> dict[str, int]:
    """Cells by key; `room` is what is left over when every column has its `min`."""
    widths = {column.key: column.min for column in columns}
    flexible = [column for column in columns if column.max is not None and column.max != column.min]
    room = max(room, 0) + sum(column.min for column in flexible)
    while flexible:
        shares = sum(column.share for column in flexible)
        targets = {column.key: room * column.share / shares for column in flexible}
        capped = [column for column in flexible if targets[column.key] >= (column.max or 0)]
        held = capped or [column for column in flexible if targets[column.key] < column.min]
        if not held:
            *others, last = flexible
            widths |= {column.key: int(targets[column.key]) for column in others}
            widths[last.key] = room - sum(widths[column.key] for column in others)
            break
        for column in held:
            widths[column.key] = min(column.max or 0, room) if capped else column.min
            room -= widths[column.key]
        flexible = [column for column in flexible if column not in held]
    return widths
