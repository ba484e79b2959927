"""Lists of images in text files: `file,label` tables, `path label` lines, plain lists of paths."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from core.config.schema import SplitName
from core.datasets.class_folders.split_folders import split_word
from core.datasets.images import SUFFIXES, has_image_suffix
from core.datasets.names import spelled
from core.datasets.tables import (
    FILE_COLUMN,
    LABEL_COLUMN,
    SPLIT_COLUMN,
    cells_of,
    is_unnamed,
    plain,
    read_lines,
)
from core.errors import DataError, MissingFileError, UnreadableError
from core.reading import as_on_disk, exists, is_regular, shown
from core.text import clean

_SUFFIX = "|".join(re.escape(suffix[1:]) for suffix in sorted(SUFFIXES))
_PATH_LABEL = re.compile(rf"(.+?\.(?:{_SUFFIX}))(?:\s+(.*))?", re.IGNORECASE)
_LABELS_OF, _CLASSES, _TRAINING = _PARTS = ("image_class_labels.txt", "classes.txt", "train_test_split.txt")
_SEVERAL = "\0several"
_MARKS = {"": False, "0": False, "0.0": False, "1": True, "1.0": True}


@dataclass(frozen=True)
class Row:
    """One image of a list: its line, path as written, and label and split where the list gives them."""

    line: int
    file: str
    label: str | None
    split: str | None = None


@dataclass(frozen=True)
class Listing:
    """A list file. `labelled`: its rows give labels; else the first folder of each path is the class.

    `unlabelled` rows give no class, `several` more than one: they are not among the `rows`.
    """

    path: Path
    rows: tuple[Row, ...]
    labelled: bool
    has_splits: bool
    unlabelled: int = 0
    several: int = 0


def read_listing(path: Path) -> Listing:
    """The list in `path`. Raises DataError, with the line, for what cannot be told for certain."""
    joined = joined_list(path.parent) == path
    parts = [path.parent / name for name in _PARTS if joined and exists(path.parent / name)]
    return _read(path, tuple(map(_stamp, [path, *parts])))


def _stamp(path: Path) -> tuple[str, int, int]:
    try:
        status = path.stat()
    except FileNotFoundError:
        raise MissingFileError(shown(path)) from None
    except OSError as error:
        raise UnreadableError(shown(path), (error.strerror or "").lower()) from None
    return path.name, status.st_size, status.st_mtime_ns


@lru_cache(maxsize=4)
def _read(path: Path, _stamps: tuple[tuple[str, int, int], ...]) -> Listing:
    rows = _rows(path)
    several = sum(row.label == _SEVERAL for row in rows)
    kept = [row for row in rows if row.label not in ("", _SEVERAL)]
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
    return Listing(
        path, once, labelled, any(row.split for row in once), len(rows) - len(kept) - several, several
    )


def _rows(path: Path) -> list[Row]:
    if joined_list(path.parent) == path:
        return _joined(path.parent)
    lines = read_lines(path)
    cells = cells_of(path, lines)
    return _bare_or_pairs(path, lines) if cells is None else _table(path, cells)


def joined_list(base: Path) -> Path | None:
    """images.txt where image_class_labels.txt beside it gives the class of each number, as in CUB-200."""
    path = base / "images.txt"
    return path if is_regular(path) and is_regular(base / _LABELS_OF) else None


def _joined(base: Path) -> list[Row]:
    """The rows of `ID path`, `ID class`, `ID 1` (training, 0: test) and `CLASS name` lines, put together.

    https://www.vision.caltech.edu/datasets/cub_200_2011/
    """
    names, labels = _pairs(base / _CLASSES), _pairs(base / _LABELS_OF)
    training = _pairs(base / _TRAINING)
    rows = []
    for number, line in read_lines(base / "images.txt"):
        identity, _, file = line.strip().partition(" ")
        label = labels.get(identity, "")
        split: SplitName | None = None
        if training:
            split = "train" if training.get(identity) == "1" else "test"
        rows.append(Row(number, file.strip(), names.get(label, label), split))
    return rows


def _pairs(path: Path) -> dict[str, str]:
    """What lines of two words map; nothing where there is no such file. Raises UnreadableError."""
    if not exists(path):
        return {}
    halves = (line.strip().partition(" ") for _, line in read_lines(path))
    return {first: clean(rest.strip()) for first, _, rest in halves}


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
    names = [plain(name) for name in header] if header else [""] * width
    kept = [i for i, name in enumerate(names) if not (is_unnamed(name) if header else _empty(body, i))]
    if not body:
        return []
    columns = [[row[i] for _, row in body] for i in kept]
    names = [names[i] for i in kept]
    header = [header[i] for i in kept] if header else None
    file = _file_column(shown, names, columns, header)
    split = next(
        (i for i, name in enumerate(names) if SPLIT_COLUMN.fullmatch(name) and _splits(columns[i])), None
    )
    marked = _marked_columns(names, columns, {file, split}) if header else []
    label = _label_column(shown, names, columns, header, {file, split}) if not marked else None
    rows, single = [], 0
    for at, (number, _) in enumerate(body):
        text = spelled(columns[label][at]) if label is not None else None
        if marked and header:
            ones = [header[i] for i in marked if _MARKS[columns[i][at]]]
            text = spelled(ones[0]) if len(ones) == 1 else _SEVERAL if ones else ""
            single += len(ones) == 1
        word = split_word(columns[split][at]) if split is not None else None
        rows.append(Row(number, columns[file][at], text, word))
    if marked and header and single * 2 < len(rows):
        raise DataError(
            f"{shown} marks one of {_and([header[i] for i in marked])} in {single} of {len(rows)} rows only: "
            "an image must have one class; call the column that names it `label`."
        )
    return rows


def _header(cells: list[tuple[int, list[str]]]) -> tuple[list[str] | None, list[tuple[int, list[str]]]]:
    """The first row when it names columns, and the rows below."""
    first = cells[0][1]
    if any(has_image_suffix(cell) for cell in first):
        return None, cells
    columns = (FILE_COLUMN, LABEL_COLUMN, SPLIT_COLUMN)
    known = any(column.fullmatch(plain(cell)) for cell in first for column in columns)
    below = any(has_image_suffix(cell) for cell in cells[1][1]) if len(cells) > 1 else False
    return (first, cells[1:]) if known or below else (None, cells)


def _empty(rows: Sequence[tuple[int, list[str]]], index: int) -> bool:
    return not any(row[index] for _, row in rows)


def _splits(column: Sequence[str]) -> bool:
    return bool(column) and all(split_word(cell) for cell in column)


def _file_column(shown: str, names: list[str], columns: list[list[str]], header: list[str] | None) -> int:
    with_suffix = [i for i, column in enumerate(columns) if column and all(map(has_image_suffix, column))]
    known = [i for i, name in enumerate(names) if FILE_COLUMN.fullmatch(name)]
    for choice in ([i for i in with_suffix if i in known], with_suffix, known):
        if len(choice) == 1:
            return choice[0]
        if len(choice) > 1:
            twins = [header[i] for i in choice] if header else [f"number {i + 1}" for i in choice]
            raise DataError(f"{shown}: columns {_and(twins)} may all name the images: keep one of them.")
    if header is None and len(columns) <= 2:
        return 0
    raise DataError(f"{shown}: no column names the images: call it `file`.")


def _marked_columns(names: list[str], columns: list[list[str]], taken: set[int | None]) -> list[int]:
    """The columns of a one-hot table: two or more, called as the classes, with a 1 for the class of a row."""
    rest = [i for i in range(len(columns)) if i not in taken]
    if len(rest) < 2 or any(LABEL_COLUMN.fullmatch(names[i]) for i in rest):
        return []
    marked = [i for i in rest if all(cell in _MARKS for cell in columns[i])]
    return marked if len(marked) == len(rest) else []


def _label_column(
    shown: str,
    names: list[str],
    columns: list[list[str]],
    header: list[str] | None,
    taken: set[int | None],
) -> int | None:
    rest = [i for i in range(len(columns)) if i not in taken]
    known = [i for i in rest if LABEL_COLUMN.fullmatch(names[i])]
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
    if header is None:  # others may be numbers, as those of a box
        rest = [i for i in rest if not all(map(_is_number, columns[i]))] or rest
    if len(rest) == 1:
        return rest[0]
    raise DataError(f"{shown}: cannot tell which of {len(columns)} columns is the label: call it `label`.")


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _and(words: Sequence[str]) -> str:
    return " and ".join(f"`{clean(word)}`" for word in words)


def finder(folder: Path) -> Callable[[str], str | None]:
    """A function from a path of a list to the file below `folder`; endings may be left out. None: not there.

    Raises DataError when files with several endings fit.
    """
    ending: list[str] = []

    def find(entry: str) -> str | None:
        path = as_on_disk(os.path.join(folder, entry))
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
