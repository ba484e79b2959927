"""What all formats with boxes share: a data format made of how one finds its files and reads them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from core.config.schema import DataConfig
from core.datasets.boxes.annotations import BoxPlaces, BoxSource, RawImage, RawSplit
from core.datasets.boxes.check_boxes import check_boxed
from core.datasets.boxes.open_boxes import open_boxed
from core.datasets.boxes.read_boxes import Boxed, is_no_split, read_boxed
from core.datasets.boxes.usable import objects_at_hand
from core.datasets.check import Check
from core.datasets.class_folders.scan import class_order
from core.datasets.dataset import Dataset
from core.datasets.findings import Findings
from core.datasets.outline import Outline
from core.datasets.plausibility import SizedBox
from core.datasets.split import held_out_images
from core.text import clean


@dataclass(frozen=True)
class BoxFormat:
    """A format with boxes by what is its own; opening, checking and counting are the same for all.

    `looks_like`: whether a folder or a file is of it. `places`: where the splits lie, as the config says or
    found below the root; raises DataError. `read_split`: the images of one split with their objects as
    written, what could not be read going to the findings; raises DataError. `doubt` warns of boxes that seem
    to mean something else than the format says.
    """

    name: str
    looks_like: Callable[[Path], bool]
    places: Callable[[DataConfig, Path | None], BoxPlaces]
    read_split: Callable[[BoxSource, BoxPlaces, DataConfig, Findings], RawSplit]
    doubt: Callable[[DataConfig, Sequence[SizedBox], Findings], None] | None = None

    def detect(self, path: Path) -> bool:
        return self.looks_like(path)

    def has_boxes(self, data: DataConfig) -> bool:
        return True

    def require(self, data: DataConfig) -> None:
        self.places(data, data.root)

    def require_usable(self, data: DataConfig) -> None:
        places, raws, found = self._read(data)
        if found.of("error") or not objects_at_hand(data, places, raws):
            self.open(data)  # raises what is wrong, unless it can be used after all

    def outline(self, data: DataConfig) -> Outline:
        """Counts as the annotations have them, before any object is dropped.

        Raises DataError when there is no object that can be used in the training or validation images.
        """
        places, raws, _ = self._read(data)
        if not objects_at_hand(data, places, raws):
            self.open(data)
        return _outline(data, places, raws)

    def open(self, data: DataConfig) -> Dataset:
        return open_boxed(data, self.name)

    def check(self, data: DataConfig, *, deep: bool = False) -> Check:
        return check_boxed(data, self.name, deep)

    def read(self, data: DataConfig) -> Boxed:
        return read_boxed(data, self.name)

    def _read(self, data: DataConfig) -> tuple[BoxPlaces, dict[str, RawSplit], Findings]:
        found = Findings()
        places = self.places(data, data.root)
        read = [(source, self.read_split(source, places, data, found)) for source in places.sources()]
        raws: dict[str, RawSplit] = {
            source.split: raw for source, raw in read if not is_no_split(source, raw, data)
        }
        return places, raws, found


def _outline(data: DataConfig, places: BoxPlaces, raws: dict[str, RawSplit]) -> Outline:
    train = {image.path: [box.name for box in image.boxes if not box.crowd] for image in raws["train"].images}
    counts = Counter(name for labels in train.values() for name in labels)
    declared = raws["train"].names
    counts.update(dict.fromkeys(declared or (), 0))
    where = f"{clean(str(data.root))} has no such class"
    names, _ = class_order(data, sorted(counts), counts, where, declared)
    chosen = set(names)
    sizes = {
        split: len({image.path for image in raw.images if _is_used(data, image, chosen)})
        for split, raw in raws.items()
    }
    held_out = "val" not in raws
    if held_out:
        lost = {image.path for image in raws["train"].images if image.lost and not image.boxes}
        kept = {
            path: chosen & set(labels)
            for path, labels in train.items()
            if path not in lost and (labels or data.empty == "keep")
        }
        sizes["val"] = len(held_out_images(kept, counts, data.split))
        sizes["train"] -= sizes["val"]
    root = clean(str(data.root or places.root))
    objects = sum(counts[name] for name in names)
    test = sizes.get("test", 0)
    return Outline(
        names, sizes["train"], sizes["val"], test, places.val_is_test, held_out, False, root, objects
    )


def _is_used(data: DataConfig, image: RawImage, chosen: set[str]) -> bool:
    if any(box.name in chosen for box in image.boxes):
        return True
    return data.empty == "keep" and not image.lost
