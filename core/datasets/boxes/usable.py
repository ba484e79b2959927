"""A data set with boxes, or a split of one, in which nothing can be used: told with why and the way out."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING

from core.config.schema import DataConfig
from core.datasets.boxes.annotations import BoxPlaces, RawSplit
from core.datasets.boxes.repair import mend
from core.datasets.findings import Finding, Findings, Why, count
from core.datasets.image_header import look_at

if TYPE_CHECKING:
    from core.datasets.boxes.read_boxes import Boxed

Losses = list[tuple[Finding, int, Why]]
_NEEDED = ("train", "val")


def require_objects(boxed: Boxed) -> None:
    """Errors in `boxed.found` for what has no image or no object to train on or to measure by."""
    found, raws = boxed.found, boxed.raws
    if found.of("error"):
        return
    written = any(image.boxes or image.lost for raw in raws.values() for image in raw.images)
    if not any(raw.images or raw.left_out for raw in raws.values()):
        found.error("", f"{boxed.places.root} has no images with annotations")
    elif not written and not found.losses and (files := sum(raw.annotated for raw in raws.values())):
        text = f"{count(files, 'annotation file')}, 0 objects: no object was found in any"
        found.error("", f"{text}; is the format really {boxed.format}?")
    else:
        for split in boxed.splits:
            if text := _nothing_in(boxed, split):
                found.error("", f"{boxed.places.root}: {text}")


def objects_at_hand(data: DataConfig, places: BoxPlaces, raws: Mapping[str, RawSplit]) -> bool:
    """Whether training and validation images have an object each that can be used.

    Looks at images only until one is found, and at two where a part of them is to be held out. False is for
    the whole reading to explain.
    """
    needed = {split: 1 for split in _NEEDED if split in raws}
    if "val" not in raws:
        needed["train"] = 2
    return all(_at_hand(data, places, raws[split], number) for split, number in needed.items())


def _at_hand(data: DataConfig, places: BoxPlaces, raw: RawSplit, needed: int) -> bool:
    wanted = set(data.classes) if data.classes is not None else None
    seen: set[str] = set()
    for image in raw.images:
        if image.path in seen or not any(wanted is None or box.name in wanted for box in image.boxes):
            continue
        look = look_at(os.path.join(places.root, image.path))
        if look.fault:
            continue
        kept = (item.box for item in mend(image, look, Findings()) if not item.box.crowd)
        if any(wanted is None or box.name in wanted for box in kept):
            seen.add(image.path)
            if len(seen) >= needed:
                return True
    return False


def _nothing_in(boxed: Boxed, split: str) -> str:
    """What keeps all of a split from being used; nothing where something can be."""
    images, raw = boxed.splits[split], boxed.raws[split]
    readable = [seen for seen in images if seen.readable]
    if images and not readable:
        first = images[0]
        why = f"none of {count(len(images), f'{split} image')} can be read, such as {first.raw.path}"
        return f"{why} ({first.look.fault}): put complete files there, or name other images in data.{split}"
    if not images and not raw.left_out:
        return f"there are no {split} images: name some in data.{split}"
    if not images:
        number = count(len(raw.left_out), f"{split} image")
        return f"none of {number} has an annotation file that can be read: `labtui data check` names them"
    if split not in _NEEDED or any(seen.objects for seen in readable):
        return ""
    losses = boxed.losses.get(split) or boxed.found.losses
    none = f"none of {count(len(readable), f'{split} image')} has an object that can be used"
    if not any(seen.raw.boxes or seen.raw.lost for seen in images) and not boxed.losses.get(split):
        unreadable = f", {count(len(images) - len(readable), 'more')} cannot be read"
        more = unreadable if len(readable) < len(images) else ""
        return f"{none}: their annotations have no objects{more}; name images with objects in data.{split}"
    return f"{none}: {_commonest(losses)}" if losses else none


def _commonest(losses: Losses) -> str:
    """`9 of 12 dropped objects have coordinates outside 0 to 1, first a.txt:1: ...`, with what helps."""
    reasons: Counter[Why] = Counter()
    for _, objects, why in losses:
        reasons[why] += objects
    ((why, number),) = reasons.most_common(1)
    first = next(item for item, _, reason in losses if reason is why)
    place = f"{first.file}:{first.line}" if first.line else first.file
    have = "has" if number == 1 else "have"
    total = f"{number} of {count(reasons.total(), 'dropped object')}"
    return (
        f"{total} {have} {why.words}, first {place} ({first.text.removesuffix(', dropped')}): {why.way_out}"
    )
