"""Data sets with boxes, read: every image looked at, every object mended or dropped, all of it told."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

from core.config.schema import DataConfig
from core.datasets.boxes.annotations import BoxPlaces, BoxSource, Corners, RawBox, RawImage, RawSplit
from core.datasets.boxes.repair import Kept, mend, without_look
from core.datasets.boxes.usable import require_objects
from core.datasets.decoding import Decoder
from core.datasets.depth import PLAIN, Opening, depth_words, is_deep, opening_of
from core.datasets.findings import Finding, Findings, Why, count, some
from core.datasets.format import format_of
from core.datasets.image_header import Look, look_at
from core.datasets.looks import say_kinds, say_look
from core.datasets.names import suspect_names
from core.datasets.plausibility import sized_boxes
from core.datasets.unlisted import unlisted_images
from core.errors import DataError
from core.reading import shown

if TYPE_CHECKING:
    from core.datasets.boxes.box_format import BoxFormat


@dataclass(frozen=True)
class Seen:
    """One image: what was written, what its file is, and the objects that can be used.

    `lost` counts the objects of a file that cannot be read.
    """

    raw: RawImage
    look: Look
    kept: tuple[Kept, ...]
    lost: int = 0

    @property
    def readable(self) -> bool:
        return not self.look.fault

    @property
    def objects(self) -> int:
        """Normal objects, crowds not counted."""
        return sum(not item.box.crowd for item in self.kept)

    def is_stripped(self, wanted: Collection[str] | None = None) -> bool:
        """Whether the image lost all its objects (of the `wanted` classes), which does not make it empty."""
        if not self.readable or any(self._counts(item.box, wanted) for item in self.kept):
            return False
        return self.raw.lost > 0 or any(self._counts(box, wanted) for box in self.raw.boxes)

    @staticmethod
    def _counts(box: RawBox, wanted: Collection[str] | None) -> bool:
        return not box.crowd and (wanted is None or box.name in wanted)


@dataclass(frozen=True)
class Boxed:
    """A data set with boxes. `splits` has the images by path, once each; `raws` what the files said; `losses`
    what was dropped of each split.
    """

    format: str
    places: BoxPlaces
    raws: Mapping[str, RawSplit]
    splits: Mapping[str, tuple[Seen, ...]]
    found: Findings = field(default_factory=Findings)
    losses: Mapping[str, list[tuple[Finding, int, Why]]] = field(default_factory=dict)
    max_megapixels: float = PLAIN.max_megapixels

    @cached_property
    def deep(self) -> list[str]:
        """The images with more than eight bits a pixel that can be read."""
        return [seen.raw.path for seen in self.images if seen.readable and is_deep(seen.look.mode)]

    @cached_property
    def opening(self) -> Opening:
        """How the images are opened."""
        return opening_of(self.places.root, self.deep, self.max_megapixels)

    @cached_property
    def images(self) -> tuple[Seen, ...]:
        """The images of all splits, once each."""
        return tuple({seen.raw.path: seen for split in self.splits.values() for seen in split}.values())

    @cached_property
    def counts(self) -> Mapping[str, int]:
        """Objects of each class in the training images, classes without any included."""
        counts = dict.fromkeys(self.names, 0)
        counts.update(objects_by_class(self.splits["train"]))
        return counts

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The classes of the training images: those that the format declares, in its order, else by name."""
        there = {box.name for image in self.raws["train"].images for box in image.boxes}
        declared = self.raws["train"].names or ()
        return (*declared, *sorted(there - set(declared)))


def box_format(name: str) -> BoxFormat:
    """The format with boxes called `name`."""
    from core.datasets.boxes.box_format import BoxFormat

    found = format_of(name)
    assert isinstance(found, BoxFormat)
    return found


def read_boxed(data: DataConfig, name: str, deep: bool | None = None) -> Boxed:
    """All of `data`, whose format is `name`. Raises DataError when nothing can be read at all.

    Images are decoded, too: all when `deep` is true, when it is false as long as that is quick.
    """
    found = Findings()
    reader = box_format(name)
    places = reader.places(data, data.root)
    limit = Opening(max_megapixels=data.max_megapixels)
    raws: dict[str, RawSplit] = {}
    splits: dict[str, tuple[Seen, ...]] = {}
    looks: dict[str, Look] = {}
    losses: dict[str, list[tuple[Finding, int, Why]]] = {}
    decoder = None if deep is None else Decoder(places.root, limit, deep)
    for source in places.sources():
        before = len(found.losses)
        raw = reader.read_split(source, places, data, found)
        if is_no_split(source, raw, data):
            told = f"no {source.split} images: {empty_place(source)} has none"
            places = replace(places, notes=(*places.notes, told))
            continue
        raws[source.split] = raw
        images = _once(raw, found)
        more = {
            image.path: look_at(os.path.join(places.root, image.path), limit)
            for image in images
            if image.path not in looks
        }
        looks |= more if decoder is None else decoder.look(more)
        splits[source.split] = tuple(_seen(image, looks[image.path], found) for image in images)
        losses[source.split] = found.losses[before:]
    listed = [image.path for raw in raws.values() for image in raw.images]
    listed += [path for raw in raws.values() for path in raw.left_out]
    if others := unlisted_images(places.root, listed):
        found.note("", others)
    boxed = Boxed(name, places, raws, splits, found, losses, data.max_megapixels)
    if decoder is not None:
        decoder.tell(found)
    say_kinds({seen.raw.path: seen.look for seen in boxed.images}, found)
    if boxed.deep:
        found.note("", f"{depth_words(boxed.deep, boxed.opening)}: {some(boxed.deep)}")
    require_objects(boxed)
    _compare_classes(boxed)
    suspect_names(boxed.counts, found)
    if reader.doubt is not None:
        reader.doubt(
            data, sized_boxes((seen.raw, seen.look) for seen in boxed.images if seen.readable), found
        )
    return boxed


def is_no_split(source: BoxSource, raw: RawSplit, data: DataConfig) -> bool:
    """Whether a split was found that the config does not name, and nothing is in it."""
    return (
        source.split != "train" and getattr(data, source.split) is None and not (raw.images or raw.left_out)
    )


def empty_place(source: BoxSource) -> str:
    """The folder or file of a split without images, for people."""
    return shown(source.list or source.images or source.annotations or "")


def objects_by_class(images: tuple[Seen, ...]) -> Counter[str]:
    """Normal objects of each class in the images that can be read."""
    return Counter(
        item.box.name for seen in images if seen.readable for item in seen.kept if not item.box.crowd
    )


def _once(raw: RawSplit, found: Findings) -> list[RawImage]:
    """The images in the order of their paths, each once."""
    by_path: dict[str, RawImage] = {}
    for image in raw.images:
        first = by_path.setdefault(image.path, image)
        if first is image or first.boxes == image.boxes:
            continue
        text = f"{image.path} is listed twice, with different objects: the first counts"
        number = len(_said(image) - _said(first)) or max(0, image.lost - first.lost)
        if number:
            others = f"{count(number, 'object')} of the other"
            found.drop(image.file, f"{text}, {others}", why=Why.SEVERAL, objects=number)
            by_path[image.path] = replace(first, lost=first.lost + number)
        else:
            found.warn(image.file, text)
    return [by_path[path] for path in sorted(by_path)]


def _said(image: RawImage) -> set[tuple[str, Corners]]:
    return {(box.name, box.corners) for box in image.boxes}


def _seen(image: RawImage, look: Look, found: Findings) -> Seen:
    say_look(image.path, look, found)
    if look.fault:
        return Seen(image, look, (), without_look(image))
    return Seen(image, look, tuple(mend(image, look, found)))


def _compare_classes(boxed: Boxed) -> None:
    """Classes are matched by name over the splits: an error when val or test has one that train has not."""
    known = set(boxed.names)
    for split, raw in boxed.raws.items():
        used = {box.name for image in raw.images for box in image.boxes}
        strange = sorted(used - known)
        if strange:
            text = f"the {split} images have {_classes(strange)}, which the training images do not have"
            boxed.found.error("", f"{text}: classes are matched by name")
        declared = sorted(set(raw.names or ()) - known - used)
        if declared:
            text = f"{split} declares {_classes(declared)}, which train does not; no object has it"
            boxed.found.warn("", text)
        lacking = sorted(known - set(raw.names)) if raw.names is not None and split != "train" else []
        if lacking:
            boxed.found.warn("", f"{split} does not declare {_classes(lacking)}, which train does")
        order = [name for name in raw.names or () if name in known]
        if split != "train" and not lacking and order and order != list(boxed.raws["train"].names or order):
            boxed.found.note("", f"{split} has the classes in another order than train: matched by name")


def _classes(names: list[str]) -> str:
    return f"the class{'es' if len(names) > 1 else ''} {some(names)}"


def raise_errors(found: Findings) -> None:
    """Raise DataError when something keeps the set from being used."""
    errors = found.of("error")
    if errors:
        more = f" ({count(len(errors) - 1, 'more problem')}: `labtui data check`)" if len(errors) > 1 else ""
        text = f"{str(errors[0]).rstrip('.')}{more}"
        raise DataError(text if text.endswith("?") else f"{text}.")
