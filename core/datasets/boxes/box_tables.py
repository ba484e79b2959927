"""The format `csv`: a table with a row for each box."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from core.config.schema import DataConfig, SplitName
from core.datasets.boxes import annotation_files
from core.datasets.boxes.annotation_files import FileKind, with_parts
from core.datasets.boxes.annotation_folders import ANNOTATION_FOLDERS, IMAGE_FOLDERS
from core.datasets.boxes.annotations import BoxPlaces, BoxSource, Corners, RawBox, RawImage, RawSplit
from core.datasets.boxes.box_format import BoxFormat
from core.datasets.boxes.image_index import ImageIndex, is_confined
from core.datasets.boxes.table_columns import Columns, columns_by_content, columns_by_name, numbers_in
from core.datasets.class_folders.split_folders import split_word
from core.datasets.findings import Findings, Why, count, some
from core.datasets.format import Format
from core.datasets.names import spelled
from core.datasets.plausibility import suspect_table
from core.datasets.tables import cells_of, first_lines, read_lines
from core.errors import DataError, MissingFileError
from core.reading import shown
from core.text import clean

_SAMPLE = 50
_ONLY_CLASS = "object"
_FRACTION = 1.0


@dataclass(frozen=True)
class Line:
    """One row: its line in the file, the image as written, the cells of the box, class and split."""

    number: int
    image: str
    box: tuple[str, ...]
    label: str
    split: SplitName | None
    size: tuple[int, int] | None


@dataclass(frozen=True)
class Table:
    """A table of boxes. `fractions`: its numbers are shares of width and height."""

    columns: Columns
    lines: tuple[Line, ...]
    fractions: bool
    uneven: tuple[int, ...]

    @property
    def splits(self) -> set[SplitName]:
        """The splits that its rows name."""
        return {line.split for line in self.lines if line.split is not None}


def find(data: DataConfig, root: Path | None) -> BoxPlaces:
    """Train, val and test, which one table may name for its rows. Raises DataError."""
    return with_parts(_FILES, data, root, lambda file: _table(file).splits)


def read_split(source: BoxSource, places: BoxPlaces, data: DataConfig, found: Findings) -> RawSplit:
    """The images that the rows of one split name. Raises DataError when none of them is there."""
    assert source.annotations is not None
    table = _table(source.annotations)
    reader = _Reader(source, places, table, data, found)
    return reader.read()


class _Reader:
    def __init__(
        self, source: BoxSource, places: BoxPlaces, table: Table, data: DataConfig, found: Findings
    ) -> None:
        assert source.annotations is not None
        self._root = places.root
        self._table = table
        self._four = table.columns.four if data.boxes == "auto" else data.boxes
        self._found = found
        self._file = os.path.relpath(source.annotations, places.root)
        wanted = "test" if source.split == "val" and places.val_is_test else source.split
        by_split = "train" in table.splits
        self._lines = [line for line in table.lines if not by_split or line.split == wanted]
        without = sum(line.split is None for line in table.lines) if by_split else 0
        if without:
            found.warn(self._file, f"{count(without, 'row')} of no split train, val or test: left out")
        names = list(dict.fromkeys(line.image for line in self._lines))
        self._names = names
        given = [(name,) for name in names]
        self._folder = source.images or annotation_files.images_of(source.annotations, places.root, given)
        self._where = shown(source.annotations)
        self._split = source.split

    def read(self) -> RawSplit:
        split = RawSplit(annotated=1)
        boxes: dict[str, list[RawBox]] = {name: [] for name in self._names}
        lost = dict.fromkeys(self._names, 0)
        sizes: dict[str, tuple[int, int]] = {}
        for number in self._table.uneven:
            text = f"line {number} has another number of columns than the first line"
            self._found.drop(self._file, text, number, why=Why.COLUMNS)
        for line in self._lines:
            if line.size is not None:
                sizes.setdefault(line.image, line.size)
            if not any(line.box):
                continue
            box = self._box(line)
            if box is None:
                lost[line.image] += 1
            else:
                boxes[line.image].append(box)
        paths = self._paths(boxes, lost)
        for name, path in paths.items():
            stem = os.path.splitext(path)[0].replace(os.sep, "/")
            image = RawImage(path, self._file, stem, tuple(boxes[name]), sizes.get(name))
            split.images.append(replace(image, relative=self._table.fractions, lost=lost[name]))
        if self._table.fractions:
            text = f"coordinates are read as fractions of width and height: none is above {_FRACTION:g}"
            self._found.note(self._file, text)
        if self._table.columns.label is None:
            self._found.note(self._file, f"it has no column of classes: all boxes are of one, {_ONLY_CLASS}")
        return split

    def _paths(self, boxes: dict[str, list[RawBox]], lost: dict[str, int]) -> dict[str, str]:
        """The file of each image below the root; those without are told."""
        files = ImageIndex(self._folder, self._found)
        paths: dict[str, str] = {}
        for name in self._names:
            match = files.find(name, anywhere=True)
            if match is not None:
                paths[name] = os.path.relpath(self._folder / match.path, self._root)
                if match.how == "elsewhere" and is_confined(name):
                    self._found.note(self._file, f"{clean(name)} is {clean(match.path)}")
                continue
            twins = files.twins(name)
            number = len(boxes[name]) + lost[name]
            objects = f" with its {count(number, 'object')}" if number else ""
            why = f"could be {some(twins)}" if len(twins) > 1 else "does not exist"
            self._found.warn(self._file, f"{clean(name)} {why}: left out{objects}")
        if self._names and not paths:
            raise DataError(
                f"{self._where}: none of its {len(self._names)} images, such as {clean(self._names[0])}, "
                f"is in {shown(self._folder)}: name their folder, as data.{self._split}: "
                "{annotations: FILE, images: FOLDER}."
            )
        return paths

    def _box(self, line: Line) -> RawBox | None:
        where = f"the box on line {line.number}"
        cells = numbers_in(line.box[0]) if len(line.box) == 1 else line.box
        name = spelled(line.label) if self._table.columns.label is not None else _ONLY_CLASS
        numbers = [_number(cell) for cell in cells]
        if len(cells) != 4:
            why = Why.SEVERAL if len(cells) > 4 else Why.NO_BOX
            self._drop(f"{where} has {count(len(cells), 'number')}, not 4", line, why)
            return None
        if None in numbers:
            said = clean(cells[numbers.index(None)][:40])
            self._drop(f"{where} has '{said}' instead of a number", line, Why.NUMBERS)
            return None
        if not name:
            self._drop(f"{where} has no class", line, Why.CLASS)
            return None
        a, b, c, d = (number for number in numbers if number is not None)
        corners: Corners = (a, b, c, d)
        if self._four == "xywh":
            corners = (a, b, a + c, b + d)
        elif self._four == "cxcywh":
            corners = (a - c / 2, b - d / 2, a + c / 2, b + d / 2)
        return RawBox(name, corners, where, line.number)

    def _drop(self, text: str, line: Line, why: Why) -> None:
        self._found.drop(self._file, text, line.number, why=why)


def looks_like_table(path: Path) -> bool:
    """Whether a file is a table of boxes, by its first lines."""
    return _columns(path, first_lines(path)) is not None


def _looks_like(path: Path) -> bool:
    if path.is_file():
        return path.suffix.lower() in _FILES.endings and looks_like_table(path)
    return bool(annotation_files.files_of(_FILES, path))


def _columns(path: Path, lines: Sequence[tuple[int, str]]) -> tuple[Columns, bool] | None:
    """The columns of a table of boxes, and whether its first line names them."""
    cells = cells_of(path, lines[:_SAMPLE]) if len(lines) > 1 else None
    if cells is None:
        return None
    header, *rows = [row for _, row in cells]
    even = [row for row in rows if len(row) == len(header)]
    named = columns_by_name(header, even) if even else None
    if named is not None:
        return named, True
    bare = columns_by_content([header, *rows])
    return (bare, False) if bare is not None else None


def _table(path: Path) -> Table:
    try:
        status = path.stat()
    except OSError:
        raise MissingFileError(shown(path)) from None
    return _read(path, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=4)
def _read(path: Path, _size: int, _time: int) -> Table:
    lines = read_lines(path)
    told = _columns(path, lines)
    if told is None:
        raise DataError(
            f"{shown(path)} is no table of boxes: give its columns names, as "
            "filename,class,xmin,ymin,xmax,ymax."
        )
    columns, named = told
    cells = cells_of(path, lines) or []
    width = len(cells[0][1])
    body = cells[1:] if named else cells
    rows = [_line(number, row, columns) for number, row in body if len(row) == width]
    if not rows:
        raise DataError(f"{shown(path)} names no images.")
    uneven = tuple(number for number, row in body if len(row) != width)
    return Table(columns, tuple(rows), _are_fractions(rows), uneven)


def _line(number: int, row: Sequence[str], columns: Columns) -> Line:
    size = None
    if columns.size is not None:
        sides = [row[index] for index in columns.size]
        if all(side.isdecimal() for side in sides):
            size = (int(sides[0]), int(sides[1]))
    return Line(
        number,
        row[columns.image],
        tuple(row[index] for index in columns.box),
        row[columns.label] if columns.label is not None else "",
        split_word(row[columns.split]) if columns.split is not None else None,
        size,
    )


def _are_fractions(lines: Sequence[Line]) -> bool:
    numbers = [
        number
        for line in lines
        for cell in (numbers_in(line.box[0]) if len(line.box) == 1 else line.box)
        if (number := _number(cell)) is not None
    ]
    return bool(numbers) and max(numbers) <= _FRACTION and any(number % 1 for number in numbers)


def _number(cell: str) -> float | None:
    try:
        return float(cell)
    except ValueError:
        return None


_FILES = FileKind(
    "table of boxes",
    (".csv", ".tsv"),
    looks_like_table,
    "train.csv with filename,class,xmin,ymin,xmax,ymax",
    most=50,
    folders=(*ANNOTATION_FOLDERS, *IMAGE_FOLDERS, "meta", "splits", "lists", "csv"),
)
FORMATS: dict[str, Format] = {
    "csv": BoxFormat("csv", _looks_like, find, read_split, suspect_table),
}
