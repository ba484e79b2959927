"""The formats `voc` and `diatom`: an XML file for each image.

VOC (http://host.robots.ox.ac.uk/pascal/VOC/voc2012/htmldoc/): annotation/object/{name, difficult, bndbox}.
Diatom: annotation/objects/object/{id, name, bbox}, `filename` without ending. Both are read by one reader,
which takes each file as it is.
"""

from __future__ import annotations

import os
import unicodedata
from dataclasses import replace
from pathlib import Path

from core.config.schema import DataConfig
from core.datasets.boxes import voc_places
from core.datasets.boxes.annotations import BoxPlaces, BoxSource, RawImage, RawSplit
from core.datasets.boxes.box_format import BoxFormat
from core.datasets.boxes.image_index import ImageIndex, files_below
from core.datasets.boxes.list_files import Entry, read_list
from core.datasets.boxes.voc_objects import Annotation, Objects, read_objects, size_of
from core.datasets.boxes.xmltree import XmlError, parse_xml
from core.datasets.findings import Findings, Why, count, some
from core.datasets.format import Format
from core.datasets.images import has_image_suffix
from core.datasets.plausibility import suspect_corners
from core.errors import DataError, UnreadableError
from core.reading import read_bytes
from core.text import clean

_DOUBTFUL = "has no annotation file, but may have objects in one that is left out: left out too"


def read_split(source: BoxSource, places: BoxPlaces, data: DataConfig, found: Findings) -> RawSplit:
    """The images of one split, those of a list where there is one."""
    split = RawSplit()
    for part in (source, *source.more):
        reader = _Reader(part, places.root, data, found)
        reader.read(split)
    return split


class _Reader:
    def __init__(self, source: BoxSource, root: Path, data: DataConfig, found: Findings) -> None:
        assert source.images is not None
        assert source.annotations is not None
        self._folder = source.annotations
        self._images = source.images
        self._list = source.list
        self._root = root
        self._below = os.path.relpath(source.images, root)
        self._beside = os.path.relpath(source.annotations, root)
        self._shift = 1.0 if data.one_based else 0.0
        self._found = found
        self._index = ImageIndex(source.images, found)
        told: list[str] = []
        self._files = list(files_below(source.annotations, ".xml", told=told))
        for text in told:
            found.warn("", text)
        self._claimed: dict[str, str] = {}
        self._at: dict[str, int] = {}  # where an image is in the split
        self._doubtful: dict[str, bool] = {}  # images that lost their annotation, and whether that is told
        self._unmatched: list[str] = []  # files that cannot be read, of images that cannot be told

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
        if annotation is None:
            return
        assert isinstance(split.ids, dict)
        inside = Findings()
        objects = read_objects(annotation, self._shift, split.ids, inside)
        image = self._image_of(annotation, path, objects)
        if image is None:
            return
        if image in self._claimed:
            if self._claimed[image] != path:
                self._second(annotation, path, image, objects, split)
            return
        self._found.add(inside)
        self._claimed[image] = path
        self._at[image] = len(split.images)
        split.images.append(
            RawImage(
                self._relative(image),
                annotation.shown,
                os.path.splitext(path)[0],
                objects.boxes,
                size_of(annotation, self._found),
                lost=objects.lost,
            )
        )

    def _second(
        self, annotation: Annotation, path: str, image: str, objects: Objects, split: RawSplit
    ) -> None:
        """Another file about an image: what it has and the first has not is lost."""
        text = f"describes {image}, as {self._claimed[image]} does: left out"
        own = self._first(*_parts(path))
        if own is not None and own not in self._claimed and objects.written:
            self._doubtful[own] = False
        first = split.images[self._at[image]] if image in self._at else None
        if first is not None and _same(first, objects):
            self._found.warn(annotation.shown, text)
        elif objects.written:
            things = count(objects.written, "object")
            self._found.drop(
                annotation.shown, f"{text}, its {things}", why=Why.SEVERAL, objects=objects.written
            )
            if first is not None:
                lost = replace(first, lost=first.lost + objects.written)
                split.images[self._at[image]] = lost
        else:
            self._found.warn(annotation.shown, text)

    def _parsed(self, path: str, split: RawSplit) -> Annotation | None:
        shown = self._shown(path)
        try:
            root = parse_xml(read_bytes(os.path.join(self._folder, path)))
        except XmlError as error:
            self._unreadable(path, f"cannot be read: {error}; its image is left out", error.line)
            return None
        except UnreadableError as error:
            self._unreadable(path, f"cannot be read: {error.reason}; its image is left out")
            return None
        if root.tag != "annotation" and not any(root.child(tag) for tag in ("object", "objects", "size")):
            self._unreadable(path, f"is not an annotation: it begins with <{root.tag}>; left out", root.line)
            return None
        split.annotated += 1
        return Annotation(path, shown, root)

    def _unreadable(self, path: str, text: str, line: int = 0) -> None:
        self._found.warn(self._shown(path), text, line)
        stem = os.path.splitext(path)[0]
        matches = [self._index.find(name) for name in (stem, stem.rpartition("/")[2])]
        self._doubtful.update(dict.fromkeys((match.path for match in matches if match), True))
        if not any(matches):
            self._unmatched.append(path)

    def _image_of(self, annotation: Annotation, path: str, objects: Objects) -> str | None:
        """The image an XML file is about: by its `filename`, else by its own name; `path` says nothing."""
        folder, stem = _parts(path)
        written = [name.replace("\\", "/").rpartition("/")[2] for name in annotation.root.values("filename")]
        names = list(dict.fromkeys(filter(None, written)))
        given = names[0] if len(names) == 1 else ""
        own = self._first(folder, stem)
        if len(names) > 1:
            taken = f"the image with the file's name, {clean(own)}, is used" if own else "left out"
            self._found.warn(annotation.shown, f"gives several filenames, {some(names)}: {taken}")
            if own is None:
                others = [self._first(folder, name) for name in names]
                self._doubtful.update(dict.fromkeys(filter(None, others), False))
            return own
        if given:
            by_name = self._first(folder, given, exact=True)
            if by_name is not None:
                if own is not None and own != by_name:
                    text = f"filename is {clean(given)}, which is used, but there is {clean(own)} too"
                    self._found.warn(annotation.shown, text)
                return by_name
        if own is None and given:
            own = self._first(folder, given)
        if own is None:
            twins = self._index.twins(f"{folder}{stem}")
            what = f"could be of {some(twins)}" if len(twins) > 1 else f"has no image {clean(given or stem)}"
            things = f" with its {count(objects.written, 'object')}" if objects.written else ""
            self._found.warn(annotation.shown, f"{what}: left out{things}")
            self._doubtful.update(dict.fromkeys(twins if objects.written else (), False))
            return None
        if given and _plain_stem(given) != _plain_stem(own.rpartition("/")[2]):
            text = f"filename is {clean(given)}, but the image with the file's name, {clean(own)}, is used"
            self._found.warn(annotation.shown, text)
        elif given and given != own.rpartition("/")[2] and has_image_suffix(given):
            self._found.note(annotation.shown, f"filename is {clean(given)}; the image is {clean(own)}")
        return own

    def _first(self, folder: str, name: str, *, exact: bool = False) -> str | None:
        """The image `name` in the same folder as the XML file, at the top, or the only one of that name."""
        for one in (f"{folder}{name}", name) if folder else (name,):
            match = self._index.find(one)
            if match is not None and (not exact or match.how == "exact"):
                return match.path
        if exact:
            return None
        match = self._index.find(name, anywhere=True)
        return match.path if match is not None and match.how == "elsewhere" else None

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
        match = self._index.find(entry.name, anywhere=True)
        if match is None and entry.unflagged:
            match = self._index.find(entry.unflagged, anywhere=True)
        if match is None:
            self._found.warn(shown, f"there is no image {clean(entry.name)}: left out", entry.line)
        elif match.path not in self._claimed:
            self._claimed[match.path] = ""
            if self._is_doubtful(match.path):
                if not self._doubtful.get(match.path):
                    self._found.warn(shown, f"{clean(match.path)} {_DOUBTFUL}", entry.line)
                split.left_out.append(self._relative(match.path))
                return
            text = f"{clean(match.path)} has no annotation file: kept as an image without objects"
            self._found.warn(shown, text, entry.line)
            split.images.append(RawImage(self._relative(match.path), shown, match.path, ()))

    def _bare(self, split: RawSplit) -> None:
        """Images that no XML file is about are images without objects, unless theirs could not be read."""
        for path in self._index.paths:
            if path in self._claimed:
                continue
            shown = self._shown_path(self._images / path)
            if self._is_doubtful(path):
                if not self._doubtful.get(path):
                    self._found.warn(shown, _DOUBTFUL)
                split.left_out.append(self._relative(path))
                continue
            self._found.warn(shown, "has no annotation file: kept as an image without objects")
            split.images.append(RawImage(self._relative(path), shown, os.path.splitext(path)[0], ()))

    def _is_doubtful(self, image: str) -> bool:
        """Whether an image without an annotation may have one that could not be used."""
        return image in self._doubtful or bool(self._unmatched)

    def _relative(self, image: str) -> str:
        """A path below the folder of images, with / and no dots, as one below the root."""
        return image if self._below == "." else f"{self._below}{os.sep}{image}"

    def _shown(self, path: str) -> str:
        return path if self._beside == "." else f"{self._beside}{os.sep}{path}"

    def _shown_path(self, path: Path) -> str:
        return os.path.relpath(path, self._root)


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


def _same(image: RawImage, objects: Objects) -> bool:
    """Whether an annotation says of an image what is known already."""
    known, said = ({(box.name, box.corners) for box in boxes} for boxes in (image.boxes, objects.boxes))
    return said <= known and not objects.lost


FORMATS: dict[str, Format] = {
    "voc": BoxFormat("voc", voc_places.looks_like_voc, voc_places.find, read_split, suspect_corners),
    # Found as voc, which reads it as well.
    "diatom": BoxFormat("diatom", lambda _: False, voc_places.find, read_split, suspect_corners),
}
