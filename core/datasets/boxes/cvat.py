"""The format `cvat`: one XML file for all images (https://docs.cvat.ai/docs/manual/advanced/formats/format-cvat/)."""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from core.config.schema import DataConfig, SplitName
from core.datasets.boxes import annotation_files
from core.datasets.boxes.annotation_files import FileKind
from core.datasets.boxes.annotations import BoxPlaces, BoxSource, Corners, RawBox, RawImage, RawSplit
from core.datasets.boxes.box_format import BoxFormat
from core.datasets.boxes.cvat_file import is_cvat
from core.datasets.boxes.image_index import ImageIndex
from core.datasets.boxes.xmltree import MAX_BYTES, Node, XmlError, parse_xml
from core.datasets.class_folders.split_folders import split_in
from core.datasets.findings import Findings, Why, count
from core.datasets.format import Format
from core.datasets.names import spelled
from core.errors import DataError, UnreadableError
from core.reading import read_bytes, shown
from core.text import clean

_CORNERS = ("xtl", "ytl", "xbr", "ybr")
_SHAPES = ("box", "polygon", "ellipse", "mask")
_OTHERS = ("polyline", "points", "cuboid", "skeleton", "tag")


def read_split(source: BoxSource, places: BoxPlaces, data: DataConfig, found: Findings) -> RawSplit:
    """The images of one split. Raises DataError when the file cannot be read or none of them is there."""
    assert source.annotations is not None
    return _Reader(source, places, found).read()


def find(data: DataConfig, root: Path | None) -> BoxPlaces:
    """Train, val and test, which one file may name for its images. Raises DataError."""
    return annotation_files.with_parts(_FILES, data, root, _splits_in)


class _Reader:
    def __init__(self, source: BoxSource, places: BoxPlaces, found: Findings) -> None:
        assert source.annotations is not None
        self._path = source.annotations
        self._root = places.root
        self._file = os.path.relpath(self._path, places.root)
        self._found = found
        self._source = source
        self._wanted: SplitName = "test" if source.split == "val" and places.val_is_test else source.split
        self._left: Counter[str] = Counter()

    def read(self) -> RawSplit:
        tree = _tree(self._path)
        nodes = tree.all("image")
        parts = {_split(node) for node in nodes}
        if "train" in parts:
            without = sum(_split(node) is None for node in nodes)
            if without:
                text = f"{count(without, 'image')} in no subset train, val or test: left out"
                self._found.warn(self._file, text)
            nodes = [node for node in nodes if _split(node) == self._wanted]
        names = [node.attributes.get("name", "") for node in nodes]
        folder = self._source.images or annotation_files.images_of(
            self._path, self._root, [(name,) for name in names]
        )
        files = ImageIndex(folder, self._found)
        split = RawSplit(names=_declared(tree), annotated=1)
        for node, name in zip(nodes, names, strict=True):
            match = files.find(name, anywhere=True)
            shapes = [child for child in node.children if child.tag in _SHAPES]
            if match is None:
                objects = f" with its {count(len(shapes), 'object')}" if shapes else ""
                self._found.warn(self._file, f"{clean(name)} does not exist: left out{objects}", node.line)
                continue
            lost = self._found.dropped
            boxes = tuple(self._boxes(node, name))
            self._left.update(child.tag for child in node.children if child.tag in _OTHERS)
            path = os.path.relpath(folder / match.path, self._root)
            identity, gone = node.attributes.get("id", name), self._found.dropped - lost
            split.images.append(RawImage(path, self._file, identity, boxes, _size(node), lost=gone))
        if names and not split.images:
            raise DataError(
                f"{shown(self._path)}: none of its {len(names)} images, such as {clean(names[0])}, is in "
                f"{shown(folder)}: name their folder, as data.{self._source.split}: "
                "{annotations: FILE, images: FOLDER}."
            )
        for kind, number in self._left.items():
            text = f"{count(number, kind, kind)} left out: only boxes, polygons, ellipses and masks count"
            self._found.warn(self._file, text)
        return split

    def _boxes(self, image: Node, name: str) -> Iterator[RawBox]:
        for number, node in enumerate(image.children, 1):
            if node.tag not in _SHAPES:
                continue
            where = f"shape {number} of {clean(name)}"
            label = spelled(node.attributes.get("label", ""))
            corners = _corners(node)
            if not label:
                self._found.drop(self._file, f"{where} has no label", node.line, why=Why.CLASS)
            elif corners is None:
                text = f"{where}, a {node.tag}, has no corners"
                self._found.drop(self._file, text, node.line, why=Why.NO_BOX)
            else:
                turn = _number(node.attributes.get("rotation"))
                if turn:
                    text = f"{where} is rotated: the upright box around it counts"
                    self._found.note(self._file, text, node.line)
                yield RawBox(label, _around_turned(corners, turn or 0.0), where, node.line)


def _splits_in(file: Path) -> set[SplitName]:
    return {split for node in _tree(file).all("image") if (split := _split(node))}


def _tree(path: Path) -> Node:
    try:
        return parse_xml(read_bytes(path, MAX_BYTES))
    except XmlError as error:
        raise UnreadableError(shown(path), str(error), error.line) from error


def _declared(tree: Node) -> tuple[str, ...] | None:
    """The labels that the project or task declares, in its order."""
    meta = tree.child("meta")
    stack, names = [meta] if meta is not None else [], dict[str, None]()
    while stack:
        node = stack.pop(0)
        is_label = node.tag == "label" and node.value("type") in (None, "any", "rectangle", *_SHAPES)
        if is_label and (name := spelled(node.value("name") or "")):
            names[name] = None
        stack = [*node.children, *stack]
    return tuple(names) or None


def _split(node: Node) -> SplitName | None:
    return split_in(node.attributes.get("subset", ""))


def _size(node: Node) -> tuple[int, int] | None:
    sides = [_number(node.attributes.get(side)) for side in ("width", "height")]
    return (round(sides[0]), round(sides[1])) if sides[0] and sides[1] else None


def _corners(node: Node) -> Corners | None:
    given = node.attributes
    if node.tag == "box":
        four = [_number(given.get(key)) for key in _CORNERS]
    elif node.tag == "ellipse":
        cx, cy, rx, ry = (_number(given.get(key)) for key in ("cx", "cy", "rx", "ry"))
        if cx is None or cy is None or rx is None or ry is None:
            return None
        return cx - rx, cy - ry, cx + rx, cy + ry
    elif node.tag == "mask":
        left, top, width, height = (_number(given.get(key)) for key in ("left", "top", "width", "height"))
        if left is None or top is None or width is None or height is None:
            return None
        return left, top, left + width, top + height
    else:
        points = [part.split(",") for part in given.get("points", "").split(";") if part]
        numbers = [_number(word) for point in points for word in point]
        if len(numbers) < 6 or len(numbers) % 2 or None in numbers:
            return None
        flat = [number for number in numbers if number is not None]
        return min(flat[0::2]), min(flat[1::2]), max(flat[0::2]), max(flat[1::2])
    left, top, right, bottom = four
    if left is None or top is None or right is None or bottom is None:
        return None
    return left, top, right, bottom


def _around_turned(corners: Corners, degrees: float) -> Corners:
    """The upright box around one that is turned about its centre."""
    if not degrees:
        return corners
    left, top, right, bottom = corners
    across, down = (left + right) / 2, (top + bottom) / 2
    cosine, sine = abs(math.cos(math.radians(degrees))), abs(math.sin(math.radians(degrees)))
    wide = ((right - left) * cosine + (bottom - top) * sine) / 2
    high = ((right - left) * sine + (bottom - top) * cosine) / 2
    return across - wide, down - high, across + wide, down + high


def _number(text: str | None) -> float | None:
    try:
        return float(text) if text else None
    except ValueError:
        return None


_FILES = FileKind("CVAT file", (".xml",), is_cvat, "annotations.xml", most=50)


def _looks_like(path: Path) -> bool:
    if path.is_file():
        return path.suffix.lower() == ".xml" and is_cvat(path)
    return bool(annotation_files.files_of(_FILES, path))


FORMATS: dict[str, Format] = {"cvat": BoxFormat("cvat", _looks_like, find, read_split)}
