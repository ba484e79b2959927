"""The format `yolo`: a text file for each image, `class cx cy w h` in shares of the image, a line an object.

https://docs.ultralytics.com/datasets/detect/: labels lie in a folder `labels` as images do in `images`;
class numbers count from 0 into `names` of data.yaml.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path

from core.config.schema import DataConfig
from core.datasets import yolo_places
from core.datasets.findings import Findings, count, some
from core.datasets.gallery import Gallery, files_below, is_encodable, is_junk
from core.datasets.list_files import read_list
from core.datasets.names import spelled
from core.datasets.raw import BoxPlaces, BoxSource, Corners, RawBox, RawImage, RawSplit
from core.datasets.yolo_places import labels_of
from core.errors import DataError
from core.text import clean

_BOX = 4
_LEAST_POLYGON = 6
_NO_LABELS = ("classes.txt", "obj.names", "labels.txt", "readme.txt")


def places(data: DataConfig, root: Path | None) -> BoxPlaces:
    """Where the splits lie. Raises DataError."""
    return yolo_places.find(data, root)


def read(source: BoxSource, places: BoxPlaces, data: DataConfig, found: Findings) -> RawSplit:
    """The images of one split. An image without a label file has no objects."""
    reader = _Reader(places, found)
    split = RawSplit(names=places.names)
    for part in (source, *source.more):
        reader.take(part, split)
    reader.finish(source, split)
    return split


class _Reader:
    def __init__(self, places: BoxPlaces, found: Findings) -> None:
        self._root = places.root
        self._names = places.names
        self._found = found
        self._labels: dict[Path, str] = {}
        self._without: list[str] = []
        self._folders: set[Path] = set()
        self._numbers: set[int] = set()

    def take(self, part: BoxSource, split: RawSplit) -> None:
        for path in self._images(part):
            label = labels_of(path, part)
            shown = os.path.relpath(path, self._root)
            self._labels[label] = shown
            if part.list is None:
                self._folders.add(label.parent)
            boxes: tuple[RawBox, ...] = ()
            file = os.path.relpath(label, self._root)
            if label.is_file():
                split.annotated += 1
                lines = self._lines(label, file)
                if lines is None:
                    continue
                boxes = tuple(self._boxes(lines, file))
            else:
                self._without.append(shown)
            identity = os.path.splitext(shown)[0].replace(os.sep, "/")
            split.images.append(RawImage(shown, file, identity, boxes, relative=True))

    def finish(self, source: BoxSource, split: RawSplit) -> None:
        """What can be said only when all images are known."""
        for folder in sorted(self._folders):
            for name in files_below(folder, ".txt"):
                path = folder / name
                if path not in self._labels and name.rpartition("/")[2].lower() not in _NO_LABELS:
                    own = any(other in path.parents for other in self._folders if other != folder)
                    if not own:
                        self._found.warn(os.path.relpath(path, self._root), "has no image: left out")
        if self._without and not split.annotated:
            expected = next(iter(self._labels), Path())
            text = f"none of {count(len(self._without), 'image')} has a label file, as {expected}"
            self._found.error(os.path.relpath(source.images or source.list or Path(), self._root), text)
        elif self._without:
            what = (
                "have no label file and no objects"
                if len(self._without) > 1
                else "has no label file and no objects"
            )
            self._found.note("", f"{count(len(self._without), 'image')} {what}: {some(self._without)}")
        if self._names is None:
            split.names = tuple(map(str, range(max(self._numbers, default=-1) + 1)))

    def _images(self, part: BoxSource) -> Iterator[Path]:
        if part.list is None:
            assert part.images is not None
            gallery = Gallery(part.images)
            if not gallery.paths:
                raise DataError(f"{clean(str(part.images))} has no images.")
            yield from (part.images / path for path in gallery.paths)
            return
        shown = os.path.relpath(part.list, self._root)
        taken = 0
        for entry in read_list(part.list):
            path = yolo_places.listed(entry.name, part, self._root)
            if path is None or not is_encodable(str(path)) or is_junk(path.name):
                self._found.warn(shown, f"there is no image {clean(entry.name)}: left out", entry.line)
                continue
            taken += 1
            yield path
        if not taken:
            first = clean(read_list(part.list)[0].name)
            raise DataError(f"{clean(str(part.list))}: none of its images is there; the first is '{first}'.")

    def _lines(self, path: Path, file: str) -> list[str] | None:
        try:
            return path.read_text(encoding="utf-8-sig").splitlines()
        except OSError as error:
            self._found.warn(file, f"cannot be read: {error.strerror}; its image is left out")
        except UnicodeDecodeError:
            self._found.warn(file, "cannot be read: not UTF-8 text; its image is left out")
        return None

    def _boxes(self, lines: list[str], file: str) -> Iterator[RawBox]:
        for line, text in enumerate(lines, 1):
            words = text.split()
            if not words:
                continue
            where = f"the box on line {line}"
            numbers = [_number(word) for word in words[1:]]
            if any(number is None for number in numbers):
                self._found.drop(
                    file, f"{where} has '{clean(text.strip()[:60])}' where numbers should be", line
                )
                continue
            values = [number for number in numbers if number is not None]
            corners = _corners(values)
            name = self._class(words[0], file, where, line) if corners is not None else None
            if corners is None:
                text = f"{where} has {count(len(words), 'column')}, not 5: class cx cy w h"
                self._found.drop(file, text, line)
            elif name is not None:
                yield RawBox(name, corners, where, line)

    def _class(self, word: str, file: str, where: str, line: int) -> str | None:
        number = _number(word)
        if number is None or not number.is_integer() or number < 0:
            name = spelled(word)
            if self._names is not None and name in self._names:
                return name
            self._found.drop(file, f"{where} has '{clean(word[:40])}' for a class number", line)
            return None
        index = int(number)
        if self._names is None:
            self._numbers.add(index)
            return str(index)
        if index >= len(self._names):
            text = f"{where} has class {index}, but there are {count(len(self._names), 'class', 'classes')}"
            self._found.drop(file, f"{text}, numbered from 0", line)
            return None
        return self._names[index]


def _corners(values: list[float]) -> Corners | None:
    """Corners of a box or around a polygon, in shares; None for another number of values."""
    if len(values) == _BOX:
        across, down = values[:2]
        half_width, half_height = (side / 2 if side > 0 or math.isnan(side) else 0.0 for side in values[2:])
        return across - half_width, down - half_height, across + half_width, down + half_height
    if len(values) >= _LEAST_POLYGON and len(values) % 2 == 0:
        return min(values[0::2]), min(values[1::2]), max(values[0::2]), max(values[1::2])
    return None


def _number(word: str) -> float | None:
    try:
        return float(word)
    except ValueError:
        return None
