"""List files of data sets with boxes: one name a line, which may have blanks in it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from core.errors import DataError
from core.reading import read_text
from core.text import clean

_MOST_BYTES = 200_000_000
_FLAGGED = re.compile(r"(.+?)\s+-?[01]")


@dataclass(frozen=True)
class Entry:
    """One line of a list: its number, and the name as written."""

    line: int
    name: str

    @property
    def unflagged(self) -> str | None:
        """The name without the -1, 0 or 1 that VOC's lists for one class put behind it."""
        found = _FLAGGED.fullmatch(self.name)
        return found[1] if found else None


def read_list(path: Path) -> list[Entry]:
    """The lines of `path` that say something. Raises DataError when it cannot be read or is empty."""
    text = read_text(path, _MOST_BYTES)
    lines = enumerate((line.strip() for line in text.splitlines()), 1)
    entries = [Entry(number, line) for number, line in lines if line and not line.startswith("#")]
    if not entries:
        raise DataError(f"{clean(str(path))} names no images.")
    return entries
