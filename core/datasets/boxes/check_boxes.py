"""Everything odd about a data set with boxes."""

from __future__ import annotations

from collections.abc import Mapping

from core.config.schema import DataConfig
from core.datasets.boxes.open_boxes import TOO_FEW, classes_of, say_stripped, split_images, stripped
from core.datasets.boxes.read_boxes import Boxed, Seen, objects_by_class, read_boxed
from core.datasets.check import Check, SplitCheck
from core.datasets.findings import count, some
from core.datasets.leaks import repeated_images
from core.errors import DataError


def check_boxed(data: DataConfig, name: str, deep: bool) -> Check:
    """The check of the data set with boxes of `data`, whose format is `name`. Raises DataError."""
    boxed = read_boxed(data, name, deep)
    found = boxed.found
    splits: Mapping[str, tuple[Seen, ...]] = boxed.splits
    names = boxed.names
    if not found.of("error"):
        try:
            names, notes = classes_of(data, boxed)
            parts = split_images(data, boxed, names)
            splits = parts.images
            for note in (*boxed.places.notes, *notes, *parts.notes):
                found.note("", note)
            if "val" not in splits:
                found.note("", TOO_FEW)
            for leak in parts.leaks:
                found.warn("", leak)
            files = {
                split: [(seen.raw.path, seen.look.bytes, "") for seen in images]
                for split, images in splits.items()
            }
            for copies in repeated_images(boxed.places.root, files):
                found.warn("", copies)
        except DataError as error:
            found.error("", str(error).rstrip("."))
    return _filled(boxed, names, splits)


def _filled(boxed: Boxed, names: tuple[str, ...], splits: Mapping[str, tuple[Seen, ...]]) -> Check:
    found, images = boxed.found, boxed.images
    lost = stripped(boxed, names)
    if lost:
        found.warn("", say_stripped(lost))
    gone = {*lost}
    empty = [
        seen.raw.path for seen in images if seen.readable and not seen.objects and seen.raw.path not in gone
    ]
    if empty:
        found.note("", f"{count(len(empty), 'image')} without objects, kept: {some(empty, 20)}")
    kept = [item for seen in images for item in seen.kept]
    counts = objects_by_class(images)
    ids = boxed.raws["train"].ids
    return Check(
        format=boxed.format,
        root=boxed.places.root,
        images=len(images),
        objects=sum(seen.objects + seen.lost for seen in images),
        empty_images=len(empty),
        classes=names,
        category_ids={name: ids[name] for name in names if name in ids},
        counts={name: counts[name] for name in names},
        difficult=sum(item.box.difficult for item in kept),
        crowd=sum(item.box.crowd for item in kept),
        repaired=found.repaired,
        dropped=found.dropped,
        unreadable=tuple(seen.raw.path for seen in images if not seen.readable),
        damaged=tuple(seen.raw.path for seen in images if seen.look.damage),
        left_out=(*lost, *dict.fromkeys(path for raw in boxed.raws.values() for path in raw.left_out)),
        splits={split: _split_check(split_images, names) for split, split_images in splits.items()},
        held_out="val" in splits and "val" not in boxed.splits,
        changed_files=found.files(),
        notes=tuple(found.of("note")),
        warnings=tuple(found.of("warning")),
        errors=tuple(found.of("error")),
    )


def _split_check(images: tuple[Seen, ...], names: tuple[str, ...]) -> SplitCheck:
    counts = objects_by_class(images)
    return SplitCheck(
        len(images),
        sum(counts.values()),
        sum(not seen.objects for seen in images),
        {name: counts[name] for name in names},
    )
