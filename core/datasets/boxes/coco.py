"""The format `coco`: one JSON file for all images of a split (https://cocodataset.org/#format-data)."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from core.config.schema import DataConfig
from core.datasets.boxes import annotation_files
from core.datasets.boxes.annotation_files import FileKind
from core.datasets.boxes.annotations import BoxPlaces, BoxSource, Corners, RawBox, RawImage, RawSplit
from core.datasets.boxes.box_format import BoxFormat
from core.datasets.boxes.coco_file import (
    TWICE,
    as_integer,
    as_number,
    image_names,
    looks_like_coco,
    read_coco,
)
from core.datasets.boxes.image_index import ImageIndex, Match, is_confined
from core.datasets.findings import Findings, Why, count, some
from core.datasets.format import Format
from core.datasets.names import spelled
from core.datasets.plausibility import suspect_xywh
from core.errors import DataError
from core.text import clean

Record = Mapping[str, Any]
_COUNTED = ("image_id", "category_id", "bbox", "iscrowd", "ignore")


def read_split(source: BoxSource, places: BoxPlaces, data: DataConfig, found: Findings) -> RawSplit:
    """The images of one split. Raises DataError when its file is no COCO file."""
    assert source.annotations is not None
    file = _File(source.annotations, places.root, data, found)
    return file.read(source)


@dataclass
class _Image:
    path: str
    name: str
    id: str
    size: tuple[int, int] | None
    boxes: list[RawBox]
    absent: str = ""  # why there is no file
    lost: int = 0


class _File:
    def __init__(self, path: Path, root: Path, data: DataConfig, found: Findings) -> None:
        self._path = path
        self._root = root
        self._data = data
        self._found = found
        self._shown = os.path.relpath(path, root)

    def read(self, source: BoxSource) -> RawSplit:
        document = read_coco(self._path)
        split = RawSplit(annotated=1)
        names = self._categories(document["categories"], split)
        records = document["images"]
        given = [image_names(record) for record in records if isinstance(record, dict)]
        folder = source.images or annotation_files.images_of(self._path, self._root, given)
        images = self._images(records, folder)
        for where, record, source_id, mended in self._annotations(document["annotations"]):
            self._add(where, record, source_id, mended, images, names)
        for image in images.values():
            if image.absent:
                things = f" with its {count(image.lost, 'object')}" if image.lost else ""
                self._found.warn(self._shown, f"{clean(image.name)} {image.absent}: left out{things}")
        split.images = [
            RawImage(image.path, self._shown, image.id, tuple(image.boxes), image.size, lost=image.lost)
            for image in images.values()
            if image.path
        ]
        return split

    def _categories(self, records: list[Any], split: RawSplit) -> dict[int, str]:
        """Class name by category id."""
        names: dict[int, str] = {}
        ids: dict[str, int] = {}
        groups: dict[str, str] = {}
        for record in records:
            number = as_integer(record.get("id")) if isinstance(record, dict) else None
            name = _name(record) if isinstance(record, dict) else ""
            if isinstance(record, dict) and (twice := _twice(record, "id", "name")):
                self._found.error(self._shown, f"category {clean(str(record['id']))} gives its {twice} twice")
            if number is None or not name:
                self._found.warn(self._shown, f"a category has no id or no name: {clean(str(record))[:60]}")
                continue
            if number.value in names and names[number.value] != name:
                text = f"category id {number.value} is given to {names[number.value]} and {name}"
                self._found.error(self._shown, text)
            elif name in ids and ids[name] != number.value:
                text = (
                    f"categories {ids[name]} and {number.value} are both called {name}: treated as one class"
                )
                self._found.warn(self._shown, text)
            names.setdefault(number.value, name)
            ids.setdefault(name, number.value)
            if isinstance(group := record.get("supercategory"), str) and spelled(group) not in ("", "none"):
                groups.setdefault(name, spelled(group))
        split.names, split.ids, split.groups = tuple(ids), ids, groups
        return names

    def _images(self, records: list[Any], folder: Path) -> dict[str, _Image]:
        """Images by id (as text); those whose file is not there have no path."""
        files = ImageIndex(folder, self._found)
        images: dict[str, _Image] = {}
        missing: list[str] = []
        for index, record in enumerate(records, 1):
            names = image_names(record) if isinstance(record, dict) else ()
            if not names:
                self._found.warn(self._shown, f"image {index} has no file_name: left out")
                continue
            name = names[0]
            if twice := _twice(record, "id", "file_name"):
                self._found.error(self._shown, f"image {index}, {clean(name)}, gives its {twice} twice")
                continue
            key = _key(record.get("id"))
            if key is None:
                self._found.warn(self._shown, f"{clean(name)} has no id: left out")
                continue
            if key in images:
                text = f"image id {clean(key)} is given to {clean(images[key].name)} and to {clean(name)}"
                self._found.error(self._shown, f"{text}: their objects cannot be told apart")
                continue
            match, absent = self._found_file(files, names)
            if match is None:
                missing.append(name)
            path = os.path.relpath(folder / match.path, self._root) if match else ""
            images[key] = _Image(path, name, key, _size(record), [], absent)
        if len(missing) == len(images) and images:
            raise DataError(
                f"{clean(str(self._path))}: none of its {len(images)} images, such as {clean(missing[0])}, "
                f"is in {clean(str(folder))}: name their folder, as data.train: "
                "{annotations: FILE, images: FOLDER}."
            )
        return images

    def _found_file(self, files: ImageIndex, names: Sequence[str]) -> tuple[Match | None, str]:
        """The file of an image, or why there is none."""
        exact = (match for name in names if (match := files.find(name)) and match.how == "exact")
        name = names[0]
        match = next(exact, None) or files.find(name, anywhere=True)
        plain = name.replace("\\", "/")
        if match is None:
            why = "points outside the folder of images" if not is_confined(plain) else "does not exist"
            twins = files.twins(plain)
            return None, f"could be {some(twins)}" if len(twins) > 1 else why
        if not is_confined(plain):
            text = f"{clean(name)} points outside the folder of images; {clean(match.path)} in it is used"
            self._found.warn(self._shown, text)
        elif match.how != "exact":
            self._found.note(self._shown, f"{clean(name)} is {clean(match.path)}")
        return match, ""

    def _annotations(self, records: list[Any]) -> Iterator[tuple[str, Record, int, str]]:
        """What each is called, the record, its id (a new one where it was used before), what that changed."""
        known = [number.value for r in records if isinstance(r, dict) and (number := as_integer(r.get("id")))]
        fresh = max(known, default=0) + 1
        used: set[int] = set()
        for index, record in enumerate(records, 1):
            if not isinstance(record, dict):
                self._found.drop(self._shown, f"annotation number {index} is not a mapping", why=Why.NO_BOX)
                continue
            number = as_integer(record.get("id"))
            where, mended, own = f"annotation {index}", "", 0
            if number is not None:
                own, where = number.value, f"annotation {number.value}"
                if own in used:
                    where = f"annotation {own} (number {index})"
                    mended = f"duplicate id, renumbered to {fresh}"
                    own, fresh = fresh, fresh + 1
            used.add(own)
            yield where, record, own, mended

    def _add(
        self,
        where: str,
        record: Record,
        source_id: int,
        mended: str,
        images: dict[str, _Image],
        names: dict[int, str],
    ) -> None:
        key = _key(record.get("image_id"))
        image = images.get(key) if key is not None else None
        if image is None:
            said = clean(str(record.get("image_id")))[:40]
            text = f"{where} is of image {said}, which is not in images"
            self._found.drop(self._shown, text, why=Why.IMAGE)
            return
        if not image.path:
            image.lost += 1
            return
        where = f"{where} ({clean(image.name)})"
        if twice := _twice(record, *_COUNTED):
            self._drop(image, f"{where} gives its {twice} twice", Why.SEVERAL)
            return
        number = as_integer(record.get("category_id"))
        name = names.get(number.value) if number is not None else None
        if name is None:
            given = record.get("category_id")
            said = (
                f"category {clean(str(given))[:40]}, which is not in categories"
                if given is not None
                else "no class"
            )
            self._drop(image, f"{where} has {said}", Why.CLASS)
            return
        corners, was_text = self._corners(record)
        if corners is None:
            several = _boxes_in(record.get("bbox"))
            what = f"{several} boxes in its bbox" if several > 1 else "no box"
            why = Why.SEVERAL if several > 1 else Why.NO_BOX
            self._drop(image, f"{where} has {what}", why, max(1, several))
            return
        texts = was_text or any(isinstance(record.get(k), str) for k in ("id", "image_id", "category_id"))
        changes = [mended] if mended else []
        changes += ["numbers written as strings"] if texts else []
        area = as_number(record.get("area"))
        box = RawBox(
            name,
            corners,
            where,
            difficult=_flag(record.get("ignore")),
            crowd=_flag(record.get("iscrowd")),
            area=area[0] if area is not None else None,
            source=source_id,
            mended=", ".join(changes),
        )
        image.boxes.append(box)

    def _drop(self, image: _Image, text: str, why: Why, objects: int = 1) -> None:
        self._found.drop(self._shown, text, why=why, objects=objects)
        image.lost += objects

    def _corners(self, record: Record) -> tuple[Corners | None, bool]:
        """The corners, and whether a number was written as text; None without a usable box."""
        four = record.get("bbox")
        numbers = [as_number(value) for value in four] if isinstance(four, list) else []
        if len(numbers) != 4 or any(number is None for number in numbers):
            if _boxes_in(four) > 1:
                return None, False
            return _extent(record.get("segmentation")), False
        a, b, c, d = (number[0] for number in numbers if number is not None)
        was_text = any(number[1] for number in numbers if number is not None)
        kind = self._data.boxes
        if kind == "xyxy":
            return (a, b, c, d), was_text
        if kind == "cxcywh":
            return (a - c / 2, b - d / 2, a + c / 2, b + d / 2), was_text
        return (a, b, a + c, b + d), was_text


def _extent(segmentation: object) -> Corners | None:
    """The box around polygons, for annotations that give no box."""
    polygons = segmentation if isinstance(segmentation, list) else []
    if polygons and not isinstance(polygons[0], list):
        polygons = [polygons]
    values = [as_number(value) for polygon in polygons if isinstance(polygon, list) for value in polygon]
    numbers = [value[0] for value in values if value is not None]
    if len(numbers) < 6 or len(numbers) != len(values) or len(numbers) % 2:
        return None
    across, down = numbers[0::2], numbers[1::2]
    return min(across), min(down), max(across), max(down)


def _size(record: Record) -> tuple[int, int] | None:
    sides = [as_number(record.get(key)) for key in ("width", "height")]
    if any(side is None or not math.isfinite(side[0]) for side in sides):
        return None
    width, height = (round(side[0]) for side in sides if side is not None)
    return width, height


def _key(value: object) -> str | None:
    """An id as text: 7, "7" and 7.0 are the same."""
    number = as_integer(value)
    if number is not None:
        return str(number.value)
    return clean(value.strip()) if isinstance(value, str) and value.strip() else None


def _flag(value: object) -> bool:
    number = as_integer(value)
    return value is True or (number is not None and number.value != 0)


def _name(record: Record) -> str:
    """The name of a category, numbers as they are read: 7 is `7`."""
    name = record.get("name")
    known = isinstance(name, str | int | float) and not isinstance(name, bool)
    return spelled(str(name)) if known else ""


def _twice(record: Record, *keys: str) -> str:
    """The first of `keys` that a record gives more than once, each time something else."""
    return next((key for key in keys if key in record.get(TWICE, ())), "")


def _boxes_in(bbox: object) -> int:
    """How many boxes there are in a list of boxes, or in one of 8, 12, ... numbers."""
    if not isinstance(bbox, list):
        return 0
    if bbox and all(isinstance(item, list) for item in bbox):
        return len(bbox)
    return len(bbox) // 4 if len(bbox) % 4 == 0 else 0


_FILES = FileKind(
    "COCO file",
    (".json",),
    looks_like_coco,
    "annotations/instances_train.json or annotations.json",
    others=("captions", "person_keypoints", "keypoints", "stuff", "panoptic", "image_info", "predictions"),
)


def _looks_like(path: Path) -> bool:
    if path.is_file():
        return path.suffix.lower() == ".json" and looks_like_coco(path)
    return bool(annotation_files.files_of(_FILES, path))


FORMATS: dict[str, Format] = {
    "coco": BoxFormat("coco", _looks_like, partial(annotation_files.find, _FILES), read_split, suspect_xywh)
}
