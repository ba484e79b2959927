"""The objects and the size that an annotation of the formats `voc` and `diatom` gives."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from core.datasets.boxes.annotations import Corners, RawBox
from core.datasets.boxes.xmltree import Node
from core.datasets.findings import Findings, Why, count, some
from core.datasets.names import spelled
from core.text import clean

_CORNERS = ("xmin", "ymin", "xmax", "ymax")
_BOX = ("bndbox", "bbox")
_PART = "part"  # parts of objects (head, hand) have boxes of their own and are no objects
_TRUE = ("1", "1.0", "true", "yes")


@dataclass(frozen=True)
class Annotation:
    """An XML file that was read: where it is below the annotations' folder, and as shown to people."""

    path: str
    shown: str
    root: Node


@dataclass(frozen=True)
class Objects:
    """The objects of one annotation, and how many more are written there that cannot be read."""

    boxes: tuple[RawBox, ...]
    lost: int

    @property
    def written(self) -> int:
        return len(self.boxes) + self.lost


def read_objects(annotation: Annotation, shift: float, ids: dict[str, int], found: Findings) -> Objects:
    """Every box of every object, each an object; what cannot be one is dropped in `found`, and counted.

    `shift` is taken from the left and upper corners; `ids` gets the ids that objects give to their classes.
    """
    reader = _Objects(annotation.shown, shift, found)
    boxes: list[RawBox] = []
    nodes: list[Node] = []
    _find_objects(annotation.root, nodes)
    for number, node in enumerate(nodes, 1):
        there = list(reader.of(node, f"box {number}"))
        boxes += there
        for identity in node.values("id") if there else ():
            if identity.isdecimal():
                _note_id(there[0].name, int(identity), annotation.shown, node.line, ids, found)
    for node in _stray(annotation.root):
        reader.drop(f"the box on line {node.line} belongs to no object", node.line, Why.OTHER)
    return Objects(tuple(boxes), reader.lost)


def size_of(annotation: Annotation, found: Findings) -> tuple[int, int] | None:
    """Width and height as stated, None when they are not, or not once."""
    sizes = {
        (round(width), round(height))
        for node in annotation.root.all("size")
        for width in map(_number, node.values("width"))
        for height in map(_number, node.values("height"))
        if width is not None and height is not None and math.isfinite(width) and math.isfinite(height)
    }
    if len(sizes) == 1:
        return sizes.pop()
    if sizes:
        several = some(f"{width} x {height}" for width, height in sorted(sizes))
        found.warn(annotation.shown, f"gives several sizes, {several}; the image's real size is used")
    else:
        found.note(annotation.shown, "gives no size; the image's real size is used")
    return None


class _Objects:
    def __init__(self, shown: str, shift: float, found: Findings) -> None:
        self._shown = shown
        self._shift = shift
        self._found = found
        self.lost = 0

    def of(self, node: Node, where: str) -> Iterator[RawBox]:
        """The objects that one element makes: one for each different box in it."""
        places = [child for child in node.children if child.tag in _BOX]
        name = self._name(node, where, max(1, len(places)))
        if not name:
            return
        if not places:
            self.drop(f"{where} has no corners", node.line, Why.NO_BOX)
            return
        difficult = self._difficult(node, where)
        seen: set[Corners] = set()
        for number, place in enumerate(places, 1):
            own = where if len(places) == 1 else f"{where}, its corners {number},"
            corners = self._corners(node, place, own)
            if corners is not None and corners not in seen:
                seen.add(corners)
                yield RawBox(name, corners, own.rstrip(","), place.line, difficult)
        if len(seen) > 1:
            text = f"{where}, {name}, has {count(len(seen), 'box', 'boxes')}: each counts as an object"
            self._found.warn(self._shown, text, node.line)

    def drop(self, text: str, line: int, why: Why, objects: int = 1) -> None:
        self._found.drop(self._shown, text, line, why=why, objects=objects)
        self.lost += objects

    def _name(self, node: Node, where: str, objects: int) -> str:
        texts = node.texts("name")
        if len(texts) == 1 and texts[0] and texts[0] == spelled(texts[0]):
            return texts[0]
        written = [text for text in texts if spelled(text)]
        names = list(dict.fromkeys(map(spelled, written)))
        if not names:
            self.drop(f"{where} has no class name", node.line, Why.CLASS, objects)
            return ""
        if len(names) > 1:
            text = f"{where} has {len(names)} class names, {some(names)}"
            self.drop(text, node.line, Why.SEVERAL, objects)
            return ""
        if names[0] != clean(written[0]):
            text = f"{where}: '{clean(written[0])}' is read as '{names[0]}', white space or accents corrected"
            self._found.note(self._shown, text, node.line)
        return names[0]

    def _difficult(self, node: Node, where: str) -> bool:
        texts = node.values("difficult")
        if not texts:
            return False
        said = {text.lower() in _TRUE for text in texts}
        if len(said) > 1:
            text = f"{where} is marked difficult and not difficult: treated as difficult"
            self._found.warn(self._shown, text, node.line)
        return True in said

    def _corners(self, node: Node, box: Node, where: str) -> Corners | None:
        if (four := _plain_corners(box)) is not None:
            return four[0] - self._shift, four[1] - self._shift, four[2], four[3]
        texts = [list(dict.fromkeys(filter(None, box.values(tag)))) for tag in _CORNERS]
        absent = [tag for tag, values in zip(_CORNERS, texts, strict=True) if not values]
        if len(absent) == len(_CORNERS):
            self.drop(f"{where} has no corners", node.line, Why.NO_BOX)
            return None
        if absent:
            self.drop(f"{where} has no {absent[0]}", box.line, Why.NO_BOX)
            return None
        numbers = [list(map(_number, values)) for values in texts]
        wrong = [
            text
            for values, them in zip(texts, numbers, strict=True)
            for text, number in zip(values, them, strict=True)
            if number is None
        ]
        if wrong:
            self.drop(f"{where} has '{clean(wrong[0])}' instead of a number", box.line, Why.NUMBERS)
            return None
        different = [list(dict.fromkeys(values)) for values in numbers]
        twice = [tag for tag, values in zip(_CORNERS, different, strict=True) if len(values) > 1]
        if twice:
            most = max(map(len, different))
            text = f"{where} has {twice[0]} {most} times, with different numbers"
            self.drop(text, box.line, Why.SEVERAL, most)
            return None
        left, top, right, bottom = (values[0] or 0.0 for values in different)
        return left - self._shift, top - self._shift, right, bottom


def _plain_corners(box: Node) -> Corners | None:
    """The corners of a box that has each once, as a number, as nearly all have."""
    values = {child.tag: child.text for child in box.children}
    if len(values) != len(box.children):
        return None
    try:
        left, top, right, bottom = (float(values[tag]) for tag in _CORNERS)
    except (KeyError, ValueError):
        return None
    return left, top, right, bottom


def _find_objects(node: Node, objects: list[Node]) -> None:
    """Add the elements `object`, also in wrappers and in each other; not those in parts of objects."""
    for child in node.children:
        if child.tag == "object" and (child.child("name", *_BOX) or not child.child("object")):
            objects.append(child)
        if child.children and child.tag != _PART:
            _find_objects(child, objects)


def _stray(node: Node) -> list[Node]:
    """Boxes that no object has right inside; an object without a box is told of already."""
    boxes: list[Node] = []
    for child in node.children:
        if not child.children:
            continue
        if child.tag in _BOX:
            if node.tag != "object":
                boxes.append(child)
        elif child.tag != _PART and (child.tag != "object" or child.child(*_BOX)):
            boxes += _stray(child)
    return boxes


def _note_id(name: str, identity: int, shown: str, line: int, ids: dict[str, int], found: Findings) -> None:
    if ids.setdefault(name, identity) != identity:
        text = f"class {name} has the id {identity}, but {ids[name]} elsewhere; classes are matched by name"
        found.warn(shown, text, line)


def _number(text: str | None) -> float | None:
    try:
        return float(text) if text else None
    except ValueError:
        return None
