"""What a data set comes to, told without opening an image."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from core.config.schema import DataConfig
from core.datasets.boxes.annotations import RawImage, RawSplit
from core.datasets.boxes.read_boxes import adapter_of
from core.datasets.boxes.usable import objects_at_hand
from core.datasets.class_folders.layout import find_folders
from core.datasets.class_folders.scan import Names, class_order, require_classes, scan
from core.datasets.detect import data_format, has_boxes
from core.datasets.findings import Findings
from core.datasets.published.arrays import read_array_set
from core.datasets.published.catalogue import PUBLISHED
from core.datasets.split import held_out_count, held_out_images
from core.errors import DataError
from core.text import clean


@dataclass(frozen=True)
class Outline:
    """Classes and images of each split, as far as names and labels tell; unreadable images are counted too.

    `held_out`: validation is taken from the training images. `drawn`: the pictures are still to be drawn,
    and the counts are those asked for. `where` is the folder, for people.
    """

    classes: tuple[str, ...]
    train: int
    val: int
    test: int
    val_is_test: bool
    held_out: bool
    drawn: bool
    where: str
    objects: int | None = None
    """Objects in the training images, those held out included, for data with boxes."""


def outline(data: DataConfig) -> Outline:
    """What `data` comes to. Raises DataError as `require_root` does, and for a set still to be fetched."""
    if data.kaggle is not None:
        data = _from_kaggle(data)
    name = data_format(data)
    if name in PUBLISHED:
        return _of_arrays(data, name)
    if name == "synthetic":
        from core.datasets.synthetic.drawn import class_names, drawn_already, settings_of

        if not drawn_already(data):
            settings = settings_of(data)
            where = clean(str(data.root))
            return Outline(
                class_names(settings), settings.images, 0, 0, data.val == "test", True, True, where
            )
    if has_boxes(data):
        return _of_boxes(data, "coco" if name == "synthetic" else name)
    folders = find_folders(data)
    naming = Names(data.root, [folders.train, folders.val, folders.test])
    found = require_classes(folders.train, naming)
    images = {name: len(each) for name, each in scan(folders.train, found, naming).images.items()}
    where = f"{clean(str(folders.train.images))} has no such folder"
    names, _ = class_order(data, list(found), images, where)
    classes = {name: found[name] for name in names}
    sizes = [
        sum(map(len, scan(source, classes, naming).images.values())) if source is not None else 0
        for source in (folders.val, folders.test)
    ]
    counts = [images[name] for name in names]
    place = clean(str(data.root or folders.train.images))
    return _outline(
        data, names, counts, sizes[0] if folders.val else None, sizes[1], folders.val_is_test, place
    )


def _of_arrays(data: DataConfig, name: str) -> Outline:
    found = read_array_set(data, name, check=False)
    images = [[0] * len(found.class_names) for _ in range(2)]
    for counts, rows in zip(images, (found.train, found.test), strict=True):
        for _, label, _ in rows:
            counts[label] += 1
    of = dict(zip(found.class_names, zip(*images, strict=True), strict=True))
    train = {name: counts[0] for name, counts in of.items()}
    where = f"{PUBLISHED[name].title} has no such class"
    names, _ = class_order(data, sorted(of), train, where, found.class_names)
    test = sum(of[name][1] for name in names)
    val = test if data.val == "test" else None
    return _outline(
        data, names, [train[name] for name in names], val, test, data.val == "test", clean(str(data.root))
    )


def _of_boxes(data: DataConfig, name: str) -> Outline:
    """Counts as the annotations have them, before any object is dropped.

    Raises DataError when there is no object that can be used in the training or validation images.
    """
    adapter, found = adapter_of(name), Findings()
    places = adapter.places(data, data.root)
    raws: dict[str, RawSplit] = {
        source.split: adapter.read(source, places, data, found) for source in places.sources()
    }
    if not objects_at_hand(data, places, raws):
        from core.datasets.boxes.open_boxes import open_boxed

        open_boxed(data, name)  # raises what is wrong, unless it can be used after all
    train = {image.path: [box.name for box in image.boxes if not box.crowd] for image in raws["train"].images}
    counts = Counter(name for names in train.values() for name in names)
    declared = raws["train"].names
    counts.update(dict.fromkeys(declared or (), 0))
    names, _ = class_order(
        data, sorted(counts), counts, f"{clean(str(data.root))} has no such class", declared
    )
    wanted = set(names)
    sizes = {
        split: len({image.path for image in raw.images if _used(data, image, wanted)})
        for split, raw in raws.items()
    }
    held_out = "val" not in raws
    if held_out:
        lost = {image.path for image in raws["train"].images if image.lost and not image.boxes}
        kept = {
            path: wanted & set(names)
            for path, names in train.items()
            if path not in lost and (names or data.empty == "keep")
        }
        sizes["val"] = len(held_out_images(kept, counts, data.split))
        sizes["train"] -= sizes["val"]
    place = clean(str(data.root or places.root))
    objects = sum(counts[name] for name in names)
    return Outline(
        names,
        sizes["train"],
        sizes["val"],
        sizes.get("test", 0),
        places.val_is_test,
        held_out,
        False,
        place,
        objects,
    )


def _used(data: DataConfig, image: RawImage, wanted: set[str]) -> bool:
    if any(box.name in wanted for box in image.boxes):
        return True
    return data.empty == "keep" and not image.lost


def _from_kaggle(data: DataConfig) -> DataConfig:
    from core.datasets.kaggle import newest_fetched

    assert data.kaggle is not None
    folder = newest_fetched(data.kaggle)
    if folder is None:
        raise DataError(f"{clean(data.kaggle)} is fetched from Kaggle when training starts.")
    return data.model_copy(update={"root": folder, "kaggle": None})


def _outline(
    data: DataConfig,
    names: tuple[str, ...],
    counts: list[int],
    val: int | None,
    test: int,
    val_is_test: bool,
    where: str,
) -> Outline:
    train, held_out = sum(counts), val is None
    if val is None:
        val = held_out_count(counts, data.split.ratio, stratify=data.split.stratify)
        train -= val
    return Outline(names, train, val, 0 if val_is_test else test, val_is_test, held_out, False, where)
