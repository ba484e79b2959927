"""The format `yolo`: a text file for each image, `class cx cy w h` in shares of the image, a line an object.

https://docs.ultralytics.com/datasets/detect/: labels lie in a folder `labels` as images do in `images`;
class numbers count from 0 into `names` of data.yaml.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from core.config.schema import DataConfig
from core.datasets.boxes import yolo_places
from core.datasets.boxes.annotations import BoxPlaces, BoxSource, RawBox, RawImage, RawSplit
from core.datasets.boxes.box_format import BoxFormat
from core.datasets.boxes.image_index import ImageIndex, files_below
from core.datasets.boxes.list_files import read_list
from core.datasets.boxes.yolo_lines import Layout, layout_of
from core.datasets.boxes.yolo_lists import ListedImages
from core.datasets.boxes.yolo_places import labels_of
from core.datasets.findings import Findings, Why, count, some
from core.datasets.format import Format
from core.datasets.images import SUFFIXES
from core.datasets.names import spelled
from core.datasets.walk import is_junk, is_text
from core.errors import DataError, LabError, UnreadableError
from core.reading import exists, read_text, shown
from core.text import clean

_SAMPLE = 400
_NO_LABELS = ("classes.txt", "obj.names", "labels.txt", "readme.txt")


def read_split(source: BoxSource, places: BoxPlaces, data: DataConfig, found: Findings) -> RawSplit:
    """The images of one split. An image without a label file has no objects."""
    reader = _Reader(places, _layout(places), found)
    split = RawSplit(names=places.names)
    for part in (source, *source.more):
        reader.take(part, split)
    reader.finish(source, split)
    return split


class _Reader:
    def __init__(self, places: BoxPlaces, layout: Layout, found: Findings) -> None:
        self._root = places.root
        self._names = places.names
        self._found = found
        self._labels: dict[Path, str] = {}
        self._without: list[str] = []
        self._folders: set[Path] = set()
        self._numbers: set[int] = set()
        self._layout = layout
        self._extras: Counter[str] = Counter()
        self._first: dict[str, tuple[str, int]] = {}
        self._lost = 0

    def take(self, part: BoxSource, split: RawSplit) -> None:
        images = [(path, labels_of(path, part)) for path in self._images(part)]
        sharing: dict[Path, list[str]] = {}
        for path, label in images:
            sharing.setdefault(label, []).append(os.path.relpath(path, self._root))
        for path, label in images:
            image = os.path.relpath(path, self._root)
            self._labels.setdefault(label, image)
            if part.list is None:
                self._folders.add(label.parent)
            boxes: tuple[RawBox, ...] = ()
            self._lost = 0
            file = os.path.relpath(label, self._root)
            if exists(label):
                split.annotated += self._labels[label] == image
                lines = self._lines(label, file)
                if lines is None:
                    split.left_out.append(image)
                    continue
                if len(set(sharing[label])) > 1:
                    split.left_out.append(image)
                    self._of_several(sharing[label], lines, file)
                    continue
                boxes = tuple(self._boxes(lines, file))
            else:
                self._without.append(image)
            identity = os.path.splitext(image)[0].replace(os.sep, "/")
            split.images.append(RawImage(image, file, identity, boxes, relative=True, lost=self._lost))

    def _of_several(self, images: list[str], lines: list[str], file: str) -> None:
        """A label file that may be of one image or another: nobody knows of which."""
        objects = sum(bool(line.strip()) for line in lines)
        text = f"could be of {some(images)}: left out"
        if objects:
            self._found.drop(
                file, f"{text}, its {count(objects, 'object')}", why=Why.SEVERAL, objects=objects
            )
        else:
            self._found.warn(file, text)

    def finish(self, source: BoxSource, split: RawSplit) -> None:
        """What can be said only when all images are known."""
        for folder in sorted(self._folders):
            for name in files_below(folder, ".txt"):
                path = folder / name
                if path not in self._labels and name.rpartition("/")[2].lower() not in _NO_LABELS:
                    own = any(other in path.parents for other in self._folders if other != folder)
                    if not own:
                        self._found.warn(os.path.relpath(path, self._root), "has no image: left out")
        if not split.images and not split.left_out and source.split == "train":
            raise DataError(f"{shown(source.images or self._root)} has no images: put them there.")
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
        self._say_how_read()
        if self._names is None:
            split.names = tuple(map(str, range(max(self._numbers, default=-1) + 1)))
        elif self._numbers and 0 not in self._numbers and len(self._names) in self._numbers:
            text = f"class numbers seem to count from 1: none is 0, some are {len(self._names)}"
            self._found.warn("", f"{text}; they are read as counted from 0")

    def _say_how_read(self) -> None:
        """What was taken otherwise than as a plain box, once for each kind with the first line of it."""
        for extra, number in self._extras.items():
            file, line = self._first[extra]
            more = f"; so {'has' if number == 2 else 'have'} {number - 1} more" if number > 1 else ""
            text = f"has {extra} after its box, as predictions have, which is ignored{more}"
            self._found.warn(file, text, line)
        layout = self._layout
        if layout.found and layout.keypoints is not None:
            number, each = layout.keypoints
            text = f"lines are read as boxes with {count(number, 'keypoint')} of {each} numbers each"
            self._found.warn("", f"{text}: say so in data.yaml, as kpt_shape: [{number}, {each}]")
        if layout.doubtful:
            text = "lines may be polygons or boxes with keypoints: read as polygons"
            self._found.warn("", f"{text}; if they have keypoints, give kpt_shape in data.yaml")

    def _images(self, part: BoxSource) -> Iterator[Path]:
        if part.list is None:
            assert part.images is not None
            yield from (part.images / path for path in ImageIndex(part.images, self._found).paths)
            return
        file = os.path.relpath(part.list, self._root)
        taken = 0
        images = ListedImages(part, self._root)
        for entry in read_list(part.list):
            path = images.find(entry.name)
            if path is None or not is_text(str(path)) or is_junk(path.name):
                self._found.warn(file, f"there is no image {clean(entry.name)}: left out", entry.line)
                continue
            taken += 1
            yield path
        if not taken:
            first = clean(read_list(part.list)[0].name)
            raise DataError(
                f"{clean(str(part.list))}: none of its images exists; the first is '{first}': name their "
                f"folder, as data.{part.split}: {{images: FOLDER, list: FILE}}."
            )
        if images.moved:
            first = clean(images.moved[0])
            text = f"{count(len(images.moved), 'image')} not where the list says, as {first}"
            self._found.note(file, f"{text}: found by name inside the data set")

    def _lines(self, path: Path, file: str) -> list[str] | None:
        try:
            return read_text(path).splitlines()
        except UnreadableError as error:
            self._found.warn(file, f"cannot be read: {error.reason}; its image is left out", error.line)
        return None

    def _boxes(self, lines: list[str], file: str) -> Iterator[RawBox]:
        for line, text in enumerate(lines, 1):
            words = text.split()
            if not words:
                continue
            where = f"the box on line {line}"
            values = _numbers(words[1:])
            if values is None:
                said = clean(text.strip()[:60])
                self._drop(file, f"{where} has '{said}' instead of numbers", line, Why.NUMBERS)
                continue
            corners, extra = self._layout.read(values)
            if corners is None:
                text = f"{where} has {count(len(words), 'column')}, not {self._layout.expected}"
                self._drop(file, text, line, Why.COLUMNS)
                continue
            name = self._class(words[0], file, where, line)
            if name is not None:
                if extra:
                    self._extras[extra] += 1
                    self._first.setdefault(extra, (file, line))
                yield RawBox(name, corners, where, line)

    def _class(self, word: str, file: str, where: str, line: int) -> str | None:
        number = _number(word)
        if number is None or not number.is_integer() or number < 0:
            name = spelled(word)
            if self._names is not None and name in self._names:
                return name
            self._drop(file, f"{where} has '{clean(word[:40])}' instead of a class number", line, Why.CLASS)
            return None
        index = int(number)
        self._numbers.add(index)
        if self._names is None:
            return str(index)
        if index >= len(self._names):
            text = f"{where} has class {index}, but there are {count(len(self._names), 'class', 'classes')}"
            self._drop(file, f"{text}, numbered from 0", line, Why.CLASS)
            return None
        return self._names[index]

    def _drop(self, file: str, text: str, line: int, why: Why) -> None:
        self._found.drop(file, text, line, why=why)
        self._lost += 1


def _layout(places: BoxPlaces) -> Layout:
    """How the lines are to be read in all splits: by data.yaml, and some training labels from all over."""
    labels = [
        labels_of(path, part)
        for part in (places.train, *places.train.more)
        for path in _sampled(part, places)
    ]
    lines = []
    for label in labels[:: max(1, len(labels) // _SAMPLE)]:
        try:
            text = read_text(label)
        except LabError:
            continue  # `take` says so
        lines += [values for line in text.splitlines() if (values := _numbers(line.split()[1:]))]
    return layout_of(lines, places.keypoints)


def _sampled(part: BoxSource, places: BoxPlaces) -> Iterator[Path]:
    if part.list is not None:
        images = ListedImages(part, places.root)
        yield from filter(None, (images.find(entry.name) for entry in read_list(part.list)))
    elif part.images is not None:
        yield from (part.images / path for path in files_below(part.images, *SUFFIXES))


def _numbers(words: list[str]) -> list[float] | None:
    """The numbers in `words`, None when one is no number."""
    numbers = [_number(word) for word in words]
    return None if None in numbers else [number for number in numbers if number is not None]


def _number(word: str) -> float | None:
    try:
        return float(word)
    except ValueError:
        return None


FORMATS: dict[str, Format] = {
    "yolo": BoxFormat("yolo", yolo_places.looks_like_yolo, yolo_places.find, read_split)
}
