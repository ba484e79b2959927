"""Tables in text files: their lines cut into cells, and what names of columns mean."""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Sequence
from pathlib import Path

from core.errors import UnreadableError
from core.reading import decode, open_regular, read_text

FILE_COLUMN = re.compile(
    r"file|file_?names?|fname|files|images?|image_(name|file|id|path)|imagefile|img|img_(name|path)|id|path|"
    r"file_?paths?|name"
)
LABEL_COLUMN = re.compile(
    r"labels?|label_?(name|id)|class(es)?|class_?(name|id)|categor(y|ies)|target|species|breed|y"
)
SPLIT_COLUMN = re.compile(r"split|set|subset|partition|data_?set|usage")
_MOST_BYTES = 200_000_000
_HEAD = 1 << 14
_DELIMITERS = "\t,;"


def read_lines(path: Path) -> list[tuple[int, str]]:
    """Lines that say something, with their numbers."""
    return _numbered(read_text(path, _MOST_BYTES))


def first_lines(path: Path) -> list[tuple[int, str]]:
    """The first of them; never raises: none of what is no regular file, and what is no text replaced."""
    try:
        with os.fdopen(open_regular(path), "rb") as file:
            data = file.read(_HEAD)
    except (OSError, UnreadableError):
        return []
    try:
        text = decode(data, path)
    except UnreadableError:
        text = data.decode("utf-8", "replace")
    lines = _numbered(text)
    return lines[:-1] if len(data) == _HEAD else lines


def _numbered(text: str) -> list[tuple[int, str]]:
    numbered = enumerate((line.strip(" ") for line in text.splitlines()), 1)  # a tab may be an empty cell
    return [(number, line) for number, line in numbered if line.strip() and not line.startswith("#")]


def cells_of(path: Path, lines: Sequence[tuple[int, str]]) -> list[tuple[int, list[str]]] | None:
    """The lines cut into cells, or None for a file that is no table."""
    sample = [line for _, line in lines[:50]]
    table = path.suffix.lower() in (".csv", ".tsv")
    for delimiter in _DELIMITERS:
        counts = {len(_cut(line, delimiter)) for line in sample}
        if counts and min(counts) > 1 and (len(counts) == 1 or table):
            return [(number, _cut(line, delimiter)) for number, line in lines]
    return [(number, _cut(line, ",")) for number, line in lines] if table else None


def _cut(line: str, delimiter: str) -> list[str]:
    try:
        cells = next(csv.reader(io.StringIO(line), delimiter=delimiter, skipinitialspace=True), [])
    except csv.Error:
        cells = line.split(delimiter)
    return [cell.strip() for cell in cells]


def plain(name: str) -> str:
    """The name of a column in small letters, with _ for blanks."""
    return re.sub(r"[\s-]+", "_", name.strip().lower())


def is_unnamed(name: str) -> bool:
    """Whether a column is the row number that pandas writes."""
    return not name or name.startswith("unnamed")
