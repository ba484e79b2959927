"""The formats `voc` and `diatom`: an XML file for each image.

VOC (http://host.robots.ox.ac.uk/pascal/VOC/voc2012/htmldoc/): annotation/object/{name, difficult, bndbox}.
Diatom: annotation/objects/object/{id, name, bbox}, `filename` without ending. Both are read by one reader,
which takes each file as it is.
"""

from __future__ import annotations

import math
import os
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from core.config.schema import DataConfig
from core.datasets import voc_places
from core.datasets.findings import Findings, some
from core.datasets.gallery import Gallery, files_below
from core.datasets.images import has_image_suffix
from core.datasets.list_files import Entry, read_list
from core.datasets.names import spelled
from core.datasets.raw import BoxPlaces, BoxSource, RawBox, RawImage, RawSplit
from core.datasets.xmltree import Node, XmlError, parse_xml
from core.errors import DataError
from core.text import clean

_CORNERS = ("xmin", "ymin", "xmax", "ymax")
_TRUE = ("1", "1.0", "true", "yes")


def places(data: DataConfig, root: Path | None) -> BoxPlaces:
    """Where the splits lie. Raises DataError."""
    return voc_places.find(data, root)


def read(source: BoxSource, places: BoxPlaces, data: DataConfig, found: Findings) -> RawSplit:
    """The images of one split, those of a list where there is one."""
    split = RawSplit()
    for part in (source, *source.more):
        reader = _Reader(part, places.root, data, found)
        reader.read(split)
    return split


@dataclass(frozen=True)
class _Annotation:
    """An XML file that was read: where it is below the annotations' folder, and as shown to people."""

    path: str
    shown: str
    root: Node


class _Reader:
    def __init__(self, source: BoxSource, root: Path, data: DataConfig, found: Findings) -> None:
        assert source.images is not None
        assert source.annotations is not None
        self._folder = source.annotations
        self._images = source.images
        self._list = source.list
        self._root = root
        self._shift = 1.0 if data.one_based else 0.0
        self._found = found
        self._gallery = Gallery(source.images)
        self._files = list(files_below(source.annotations, ".xml"))
        self._claimed: dict[str, str] = {}
        self._broken: set[str] = set()

    def read(self, split: RawSplit) -> None:
        if self._list is None:
            for path in self._files:
                self._take(path, split)
            self._bare(split)
            return
        by_stem = self._by_stem()
        before = len(split.images)
        for entry in read_list(self._list):
            listed = self._listed(entry, by_stem)
            if listed is not None:
                self._take(listed, split)
            else:
                self._listed_image(entry, split)
        if len(split.images) == before:
            raise DataError(
                f"{clean(str(self._list))} names no image of {clean(str(self._images))}: "
                f"its first line is '{clean(read_list(self._list)[0].name)}'."
            )

    def _take(self, path: str, split: RawSplit) -> None:
        """Read one XML file and add its image."""
        annotation = self._parsed(path, split)
        image = self._image_of(annotation, path) if annotation is not None else None
        if annotation is None or image is None:
            return
        if image in self._claimed:
            if self._claimed[image] != path:
                text = f"describes {image}, as {self._claimed[image]} does: left out"
                self._found.warn(annotation.shown, text)
            return
        self._claimed[image] = path
        boxes = tuple(self._boxes(annotation, split))
        split.images.append(
            RawImage(
                self._relative(image),
                annotation.shown,
                os.path.splitext(path)[0],
                boxes,
                _size(annotation, self._found),
            )
        )

    def _parsed(self, path: str, split: RawSplit) -> _Annotation | None:
        shown = self._shown(path)
        try:
            root = parse_xml((self._folder / path).read_bytes())
        except XmlError as error:
            self._unreadable(path, f"cannot be read: {error}; its image is left out", error.line)
            return None
        except OSError as error:
            self._unreadable(path, f"cannot be read: {error.strerror}; its image is left out")
            return None
        if root.tag != "annotation" and not any(root.child(tag) for tag in ("object", "objects", "size")):
            self._unreadable(path, f"is no annotation: it begins with <{root.tag}>; left out", root.line)
            return None
        split.annotated += 1
        return _Annotation(path, shown, root)

    def _unreadable(self, path: str, text: str, line: int = 0) -> None:
        self._found.warn(self._shown(path), text, line)
        stem = os.path.splitext(path)[0]
        for name in (stem, stem.rpartition("/")[2]):
            if match := self._gallery.find(name):
                self._broken.add(match.path)

    def _image_of(self, annotation: _Annotation, path: str) -> str | None:
        """The image an XML file is about: by its `filename`, else by its own name; `path` says nothing."""
        folder, stem = _parts(path)
        name = (annotation.root.value("filename") or "").replace("\\", "/")
        given = name.rpartition("/")[2]
        own = self._first(folder, stem)
        if given:
            by_name = self._first(folder, given, exact=True)
            if by_name is not None:
                if own is not None and own != by_name:
                    text = f"filename is {clean(given)}, which is taken, but there is {clean(own)} too"
                    self._found.warn(annotation.shown, text)
                return by_name
        if own is None and given:
            own = self._first(folder, given)
        if own is None:
            twins = self._gallery.twins(f"{folder}{stem}")
            what = f"could be of {some(twins)}" if len(twins) > 1 else f"has no image {clean(given or stem)}"
            self._found.warn(annotation.shown, f"{what}: left out")
            return None
        if given and _plain_stem(given) != _plain_stem(own.rpartition("/")[2]):
            text = f"filename is {clean(given)}, but the image of the file's own name, {clean(own)}, is taken"
            self._found.warn(annotation.shown, text)
        elif given and given != own.rpartition("/")[2] and has_image_suffix(given):
            self._found.note(annotation.shown, f"filename is {clean(given)}; the image is {clean(own)}")
        return own

    def _first(self, folder: str, name: str, *, exact: bool = False) -> str | None:
        """The image `name` in the same folder as the XML file, at the top, or the only one of that name."""
        tried = [f"{folder}{name}", name]
        for one in dict.fromkeys(tried):
            match = self._gallery.find(one)
            if match is not None and (not exact or match.how == "exact"):
                return match.path
        match = self._gallery.find(name, anywhere=True)
        if match is not None and match.how == "elsewhere" and not exact:
            return match.path
        return None

    def _boxes(self, annotation: _Annotation, split: RawSplit) -> Iterator[RawBox]:
        for number, node in enumerate(_objects(annotation.root), 1):
            where = f"box {number}"
            name = self._name(node, annotation, where)
            corners = self._corners(node, annotation, where) if name else None
            if not name or corners is None:
                continue
            identity = node.value("id")
            if identity is not None and identity.isdecimal():
                self._note_id(name, int(identity), annotation, node, split)
            difficult = (node.value("difficult") or "0").lower() in _TRUE
            yield RawBox(name, corners, where, node.line, difficult)

    def _name(self, node: Node, annotation: _Annotation, where: str) -> str:
        inner = node.child("name")
        written = inner.text if inner is not None else ""
        name = spelled(written)
        if not name:
            self._found.drop(annotation.shown, f"{where} has no class name", node.line)
        elif name != clean(written):
            text = f"{where}: '{clean(written)}' is read as '{name}', white space or accents put right"
            self._found.note(annotation.shown, text, node.line)
        return name

    def _corners(
        self, node: Node, annotation: _Annotation, where: str
    ) -> tuple[float, float, float, float] | None:
        box = node.child("bndbox", "bbox")
        texts = [box.value(tag) if box is not None else None for tag in _CORNERS]
        numbers = [_number(text) for text in texts]
        absent = [tag for tag, text in zip(_CORNERS, texts, strict=True) if not text]
        wrong = [clean(text or "") for text, number in zip(texts, numbers, strict=True) if number is None]
        if box is None or len(absent) == len(_CORNERS):
            self._found.drop(annotation.shown, f"{where} has no corners", node.line)
            return None
        if absent or wrong:
            what = f"has no {absent[0]}" if absent else f"has '{wrong[0]}' for a number"
            self._found.drop(annotation.shown, f"{where} {what}", box.line)
            return None
        left, top, right, bottom = (number or 0.0 for number in numbers)
        return left - self._shift, top - self._shift, right, bottom

    def _note_id(
        self, name: str, identity: int, annotation: _Annotation, node: Node, split: RawSplit
    ) -> None:
        ids = split.ids
        assert isinstance(ids, dict)
        if ids.setdefault(name, identity) != identity:
            text = f"class {name} has the id {identity}, but {ids[name]} elsewhere; classes are told by name"
            self._found.warn(annotation.shown, text, node.line)

    def _by_stem(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for path in self._files:
            stem = _key(os.path.splitext(path)[0])
            for key in dict.fromkeys((stem, stem.rpartition("/")[2])):
                found.setdefault(key, []).append(path)
        return found

    def _listed(self, entry: Entry, by_stem: dict[str, list[str]]) -> str | None:
        """The XML file that a line of a list means; the whole line counts, blanks and all."""
        for name in filter(None, (entry.name, entry.unflagged)):
            plain = name.replace("\\", "/")
            stems = [plain, os.path.splitext(plain)[0]] if _has_ending(plain) else [plain]
            for stem in (*stems, *(stem.rpartition("/")[2] for stem in stems)):
                files = by_stem.get(_key(stem), [])
                if len(files) == 1:
                    return files[0]
        return None

    def _listed_image(self, entry: Entry, split: RawSplit) -> None:
        shown = self._shown_path(self._list) if self._list is not None else ""
        match = self._gallery.find(entry.name, anywhere=True)
        if match is None and entry.unflagged:
            match = self._gallery.find(entry.unflagged, anywhere=True)
        if match is None:
            self._found.warn(shown, f"there is no image {clean(entry.name)}: left out", entry.line)
        elif match.path not in self._claimed:
            self._claimed[match.path] = ""
            text = f"{clean(match.path)} has no annotation file: kept as an image without objects"
            self._found.warn(shown, text, entry.line)
            split.images.append(RawImage(self._relative(match.path), shown, match.path, ()))

    def _bare(self, split: RawSplit) -> None:
        """Images that no XML file is about are images without objects, unless theirs could not be read."""
        for path in self._gallery.paths:
            if path not in self._claimed and path not in self._broken:
                shown = self._shown_path(self._images / path)
                self._found.warn(shown, "has no annotation file: kept as an image without objects")
                split.images.append(RawImage(self._relative(path), shown, os.path.splitext(path)[0], ()))

    def _relative(self, image: str) -> str:
        return os.path.relpath(self._images / image, self._root)

    def _shown(self, path: str) -> str:
        return self._shown_path(self._folder / path)

    def _shown_path(self, path: Path) -> str:
        return os.path.relpath(path, self._root)


def _objects(root: Node) -> Iterator[Node]:
    """The objects right inside the annotation, or in a wrapper there; parts of objects are not among them."""
    yield from root.all("object")
    for wrapper in root.all("objects"):
        yield from wrapper.all("object")


def _size(annotation: _Annotation, found: Findings) -> tuple[int, int] | None:
    size = annotation.root.child("size")
    numbers = [_number(size.value(tag)) if size is not None else None for tag in ("width", "height")]
    if any(number is None or not math.isfinite(number) for number in numbers):
        found.note(annotation.shown, "gives no size; the image's own is used")
        return None
    width, height = (round(number or 0) for number in numbers)
    return width, height


def _number(text: str | None) -> float | None:
    try:
        return float(text) if text else None
    except ValueError:
        return None


def _parts(path: str) -> tuple[str, str]:
    """`sub/a.xml` as `sub/` and `a`."""
    folder, slash, name = path.rpartition("/")
    return f"{folder}{slash}", os.path.splitext(name)[0]


def _has_ending(name: str) -> bool:
    return has_image_suffix(name) or name.lower().endswith(".xml")


def _plain_stem(name: str) -> str:
    return _key(os.path.splitext(name)[0] if has_image_suffix(name) else name)


def _key(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()
