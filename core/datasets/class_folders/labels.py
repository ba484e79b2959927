"""Lists of images in text files: `file,label` tables, `path label` lines, plain lists of paths."""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from core.datasets.class_folders.split_folders import split_word
from core.datasets.images import SUFFIXES, has_image_suffix
from core.datasets.names import spelled
from core.errors import DataError, MissingFileError, UnreadableError
from core.reading import read_text, shown
from core.text import clean

_FILE_COLUMN = re.compile(
    r"file|file_?names?|fname|files|images?|image_(name|file|id|path)|imagefile|img|img_(name|path)|id|path|"
    r"file_?paths?|name"
)
_LABEL_COLUMN = re.compile(
    r"labels?|label_(name|id)|class(es)?|class_?name|class_id|categor(y|ies)|target|species|breed|y"
)
_SPLIT_COLUMN = re.compile(r"split|set|subset|partition|data_?set|usage")
_MOST_BYTES = 200_000_000
_SUFFIX = "|".join(re.escape(suffix[1:]) for suffix in sorted(SUFFIXES))
_PATH_LABEL = re.compile(rf"(.+?\.(?:{_SUFFIX}))(?:\s+(.*))?", re.IGNORECASE)
_NUMBERED = re.compile(r"(\d+)[\s,:]+(.+)")
_DELIMITERS = "\t,;"


@dataclass(frozen=True)
class Row:
    """One image of a list: its line, path as written, and label and split where the list gives them."""

    line: int
    file: str
    label: str | None
    split: str | None = None


@dataclass(frozen=True)
class Listing:
    """A list file. `labelled`: its rows give labels; else the first folder of each path is the class."""

    path: Path
    rows: tuple[Row, ...]
    labelled: bool
    has_splits: bool
    unlabelled: int = 0


def read_listing(path: Path) -> Listing:
    """The list in `path`. Raises DataError, with the line, for what cannot be told for certain."""
    try:
        status = path.stat()
    except FileNotFoundError:
        raise MissingFileError(shown(path)) from None
    except OSError as error:
        raise UnreadableError(shown(path), (error.strerror or "").lower()) from None
    return _read(path, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=4)
def _read(path: Path, _size: int, _time: int) -> Listing:
    lines = _lines(path)
    cells = _cells(path, lines)
    rows = _bare_or_pairs(path, lines) if cells is None else _table(path, cells)
    kept = [row for row in rows if row.label != ""]
    labelled = any(row.label for row in kept)
    seen: dict[str, Row] = {}
    for row in kept:
        first = seen.setdefault(row.file, row)
        if first.label != row.label:
            raise DataError(
                f"{clean(str(path))}:{row.line}: {row.file} is labelled {row.label}, "
                f"but {first.label} on line {first.line}."
            )
        if first.split != row.split:
            raise DataError(
                f"{clean(str(path))}:{row.line}: {row.file} is in {row.split}, but in {first.split} on line "
                f"{first.line}."
            )
    once = tuple(seen.values())
    if not once:
        raise DataError(f"{clean(str(path))} names no images{' with a label' if rows else ''}.")
    return Listing(path, once, labelled, any(row.split for row in once), len(rows) - len(kept))


def _lines(path: Path) -> list[tuple[int, str]]:
    """Lines that say something, with their numbers."""
    text = read_text(path, _MOST_BYTES)
    numbered = enumerate((line.strip() for line in text.splitlines()), 1)
    return [(number, line) for number, line in numbered if line and not line.startswith("#")]


def _cells(path: Path, lines: Sequence[tuple[int, str]]) -> list[tuple[int, list[str]]] | None:
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


def _bare_or_pairs(path: Path, lines: Sequence[tuple[int, str]]) -> list[Row]:
    """`CLASS/image` lines or `path label` lines, all of one kind."""
    rows = []
    for number, line in lines:
        found = _PATH_LABEL.fullmatch(line)
        words = line.split()
        if found:
            file, label = found[1], found[2]
        elif len(words) <= 2:
            file, label = words[0], words[1] if len(words) == 2 else None
        else:
            raise DataError(
                f"{clean(str(path))}:{number}: expected `path` or `path label`, got '{clean(line[:80])}'."
            )
        rows.append(Row(number, file, spelled(label) if label else None))
    mixed = next((row for row in rows if (row.label is None) != (rows[0].label is None)), None)
    if mixed:
        has, first = ("a", "none") if mixed.label else ("no", "one")
        raise DataError(
            f"{clean(str(path))}:{mixed.line}: {mixed.file} has {has} label, the first line has {first}."
        )
    return rows


def _table(path: Path, cells: list[tuple[int, list[str]]]) -> list[Row]:
    header, body = _header(cells)
    shown = clean(str(path))
    width = len(header) if header else len(cells[0][1])
    uneven = next((number for number, row in body if len(row) != width), None)
    if uneven is not None:
        raise DataError(f"{shown}:{uneven}: expected {width} columns as in the first line.")
    names = [_plain(name) for name in header] if header else [""] * width
    kept = [i for i, name in enumerate(names) if not (_unnamed(name) if header else _empty(body, i))]
    if not body:
        return []
    columns = [[row[i] for _, row in body] for i in kept]
    names = [names[i] for i in kept]
    header = [header[i] for i in kept] if header else None
    file = _file_column(shown, names, columns, header)
    split = next(
        (i for i, name in enumerate(names) if _SPLIT_COLUMN.fullmatch(name) and _splits(columns[i])), None
    )
    label = _label_column(shown, names, columns, header, {file, split})
    rows = []
    for at, (number, _) in enumerate(body):
        text = spelled(columns[label][at]) if label is not None else None
        word = split_word(columns[split][at]) if split is not None else None
        rows.append(Row(number, columns[file][at], text, word))
    return rows


def _header(cells: list[tuple[int, list[str]]]) -> tuple[list[str] | None, list[tuple[int, list[str]]]]:
    """The first row when it names columns, and the rows below."""
    first = cells[0][1]
    if any(has_image_suffix(cell) for cell in first):
        return None, cells
    columns = (_FILE_COLUMN, _LABEL_COLUMN, _SPLIT_COLUMN)
    known = any(column.fullmatch(_plain(cell)) for cell in first for column in columns)
    below = any(has_image_suffix(cell) for cell in cells[1][1]) if len(cells) > 1 else False
    return (first, cells[1:]) if known or below else (None, cells)


def _plain(name: str) -> str:
    return re.sub(r"[\s-]+", "_", name.strip().lower())


def _unnamed(name: str) -> bool:
    """Whether a column is the row number that pandas writes."""
    return not name or name.startswith("unnamed")


def _empty(rows: Sequence[tuple[int, list[str]]], index: int) -> bool:
    return not any(row[index] for _, row in rows)


def _splits(column: Sequence[str]) -> bool:
    return bool(column) and all(split_word(cell) for cell in column)


def _file_column(shown: str, names: list[str], columns: list[list[str]], header: list[str] | None) -> int:
    with_suffix = [i for i, column in enumerate(columns) if column and all(map(has_image_suffix, column))]
    known = [i for i, name in enumerate(names) if _FILE_COLUMN.fullmatch(name)]
    for choice in ([i for i in with_suffix if i in known], with_suffix, known):
        if len(choice) == 1:
            return choice[0]
        if len(choice) > 1:
            twins = [header[i] for i in choice] if header else [f"number {i + 1}" for i in choice]
            raise DataError(f"{shown}: columns {_and(twins)} may all name the images: keep one of them.")
    if header is None and len(columns) <= 2:
        return 0
    raise DataError(f"{shown}: no column names the images: call it `file`.")


def _label_column(
    shown: str,
    names: list[str],
    columns: list[list[str]],
    header: list[str] | None,
    taken: set[int | None],
) -> int | None:
    rest = [i for i in range(len(columns)) if i not in taken]
    known = [i for i in rest if _LABEL_COLUMN.fullmatch(names[i])]
    if not rest:
        return None
    if len(known) == 1:
        return known[0]
    if len(known) > 1:
        pairs = {tuple(columns[i][at] for i in known) for at in range(len(columns[0]))}
        same = all(len({pair[k] for pair in pairs}) == len(pairs) for k in range(len(known)))
        words = [i for i in known if not all(cell.isdigit() for cell in columns[i])]
        if same and len(words) == 1:
            return words[0]
        raise DataError(
            f"{shown}: columns {_and([header[i] for i in known] if header else [])} may all be the "
            "label: keep one of them."
        )
    if len(rest) == 1:
        return rest[0]
    raise DataError(f"{shown}: cannot tell which of {len(columns)} columns is the label: call it `label`.")


def _and(words: Sequence[str]) -> str:
    return " and ".join(f"`{clean(word)}`" for word in words)


class ClassNames(NamedTuple):
    """The names of a classes.txt, as `written` on its lines and without the numbers before them.

    `first` is the number of the first name; None when the lines are not numbered, and `names` are `written`.
    """

    names: tuple[str, ...]
    written: tuple[str, ...]
    first: int | None = None


def class_names_in(file: Path) -> ClassNames | None:
    """The names in a classes.txt, one a line, perhaps numbered (`0 cat`); None when there is no such file.

    A number counts as one only where all lines have one, they count up by one from 0 or 1, and no two lines
    are the same without it: `1 euro` and `2 euro` are two names.

    Raises UnreadableError when it is there but unreadable or empty: other names would only be guessed.
    """
    try:
        text = read_text(file)
    except MissingFileError:
        return None
    if not text.strip():
        raise UnreadableError(shown(file), "it is empty: write one class name a line, or remove it")
    lines = tuple(name for line in text.splitlines() if (name := spelled(line)))
    found = [match for line in lines if (match := _NUMBERED.fullmatch(line))]
    names = tuple(match[2].strip() for match in found)
    if names and len(set(names)) == len(lines):
        first = int(found[0][1])
        if first in (0, 1) and [int(match[1]) for match in found] == list(range(first, first + len(names))):
            return ClassNames(names, lines, first)
    return ClassNames(lines, lines)


def named(labels: Sequence[str], known: ClassNames, shown: str) -> Mapping[str, str]:
    """Class name of each label, for numbers of `known` names.

    As the file numbers them; where it does not, from 0, or from 1 when they must be.

    Raises DataError when a number has no name, or a name two numbers.
    """
    names = known.names
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise DataError(f"{shown} has numbers for labels, but classes.txt has the name '{twice}' twice.")
    numbers = {label: int(label) for label in labels}
    least, most = min(numbers.values()), max(numbers.values())
    start = known.first if known.first is not None else 1 if least >= 1 and most == len(names) else 0
    wrong = [label for label, number in numbers.items() if not start <= number < len(names) + start]
    if wrong:
        raise DataError(f"{shown} has the label {wrong[0]}, but classes.txt has {len(names)} names.")
    return {label: names[number - start] for label, number in numbers.items()}


def finder(folder: Path) -> Callable[[str], str | None]:
    """A function from a path of a list to the file below `folder`; endings may be left out. None: not there.

    Raises DataError when files with several endings fit.
    """
    ending: list[str] = []

    def find(entry: str) -> str | None:
        path = os.path.join(folder, entry)
        if os.path.isfile(path):
            return path
        if "\\" in entry:
            return find(entry.replace("\\", "/"))
        if has_image_suffix(entry):
            return None
        if ending and os.path.isfile(path + ending[0]):
            return path + ending[0]
        endings = [s for suffix in sorted(SUFFIXES) for s in (suffix, suffix.upper())]
        found = [path + suffix for suffix in endings if os.path.isfile(path + suffix)]
        if len(found) > 1:
            raise DataError(f"{clean(path)} may be {' or '.join(clean(os.path.basename(f)) for f in found)}.")
        ending[:] = [os.path.splitext(found[0])[1]] if found else ending
        return found[0] if found else None

    return find
