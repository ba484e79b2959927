"""Everything odd about a data set, for `labtui data check` and the data screen."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.config.schema import DataConfig
from core.datasets.boxes.open_boxes import classes_of, say_stripped, split_images, stripped
from core.datasets.boxes.read_boxes import Boxed, Seen, objects_by_class, read_boxed
from core.datasets.detect import BOXED, data_format, has_boxes
from core.datasets.findings import Finding, Findings, as_rows, count, some
from core.datasets.image_header import exif_words, look_at
from core.datasets.leaks import shared_images
from core.datasets.pictures import is_member
from core.errors import DataError

if TYPE_CHECKING:
    from core.datasets.dataset import Dataset


@dataclass(frozen=True)
class SplitCheck:
    """Images and normal objects of one split, and objects of each class."""

    images: int
    objects: int
    empty_images: int
    per_class: Mapping[str, int]


@dataclass(frozen=True)
class Check:
    """What a data set comes to. Counts are over all splits, each image once.

    `images` counts those that cannot be read too, and `objects` theirs; crowds are counted apart, difficult
    objects in `objects` as well. `empty_images` are kept and have no object; `left_out` lost all that they
    had, or their annotations cannot be read. `repaired` and `dropped` count objects. `held_out`: val is taken
    from the training images.
    """

    format: str
    root: Path | None
    images: int = 0
    objects: int = 0
    empty_images: int = 0
    classes: tuple[str, ...] = ()
    category_ids: Mapping[str, int] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    difficult: int = 0
    crowd: int = 0
    repaired: int = 0
    dropped: int = 0
    unreadable: tuple[str, ...] = ()
    damaged: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    splits: Mapping[str, SplitCheck] = field(default_factory=dict)
    held_out: bool = False
    changed_files: int = 0
    notes: tuple[Finding, ...] = ()
    warnings: tuple[Finding, ...] = ()
    errors: tuple[Finding, ...] = ()

    @property
    def outcome(self) -> str:
        """`ok`, `warn` or `error`."""
        return "error" if self.errors else "warn" if self.warnings else "ok"

    def as_json(self) -> dict[str, Any]:
        """The document of `labtui data check --json`."""
        return {
            "format": self.format,
            "root": str(self.root) if self.root is not None else None,
            "outcome": self.outcome,
            "images": self.images,
            "readable": self.images - len(self.unreadable),
            "objects": self.objects,
            "empty_images": self.empty_images,
            "classes": list(self.classes),
            "category_ids": dict(self.category_ids),
            "counts": dict(self.counts),
            "difficult": self.difficult,
            "crowd": self.crowd,
            "repaired": self.repaired,
            "dropped": self.dropped,
            "unreadable": list(self.unreadable),
            "damaged": list(self.damaged),
            "left_out": list(self.left_out),
            "splits": {
                name: {
                    "images": split.images,
                    "objects": split.objects,
                    "empty_images": split.empty_images,
                    "per_class": dict(split.per_class),
                }
                for name, split in self.splits.items()
            },
            "held_out": self.held_out,
            "changed_files": self.changed_files,
            "notes": as_rows(self.notes),
            "warnings": as_rows(self.warnings),
            "errors": as_rows(self.errors),
        }

    def summary(self) -> str:
        """One line: what it is, and how much of it was changed or looks wrong."""
        if self.errors and not self.images:
            return f"{self.format}: cannot be used"
        parts = [f"{self.format}: {count(self.images, 'image')}"]
        if self.format in BOXED:
            parts += [count(self.objects, "object")]
        parts.append(count(len(self.classes), "class", "classes"))
        text = ", ".join(parts)
        changes = [f"{self.repaired} repaired", f"{self.dropped} dropped"] if self.format in BOXED else []
        changes += [count(len(self.warnings), "warning")]
        changes += [count(len(self.errors), "error")] if self.errors else []
        return f"{text}; {', '.join(changes)}"


def check_dataset(data: DataConfig) -> Check:
    """Read all of `data` and say what it comes to. Faults are in the answer, none is raised."""
    found = Findings()
    name: str = data.format
    try:
        if data.kaggle is not None:
            from core.datasets.kaggle import fetched

            data, _ = fetched(data)
        name = data_format(data)
        if has_boxes(data):
            if name == "synthetic":
                from core.datasets.synthetic.drawn import ensure_synthetic

                ensure_synthetic(data)
            return _of_boxed(data, "coco" if name == "synthetic" else name)
        return _of_images(data, name)
    except DataError as error:
        found.error("", str(error).rstrip("."))
        return Check(name, data.root, errors=tuple(found.of("error")))


def _of_boxed(data: DataConfig, name: str) -> Check:
    boxed = read_boxed(data, name)
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
            for leak in parts.leaks:
                found.warn("", leak)
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


def _of_images(data: DataConfig, name: str) -> Check:
    """Images that have a class each: what `open_dataset` says of them."""
    from core.datasets.open import open_dataset

    dataset = open_dataset(data)
    found = Findings()
    for note in dataset.notes:
        odd = "unreadable" in note or "in both train and" in note
        (found.warn if odd else found.note)("", note)
    _look_through(dataset, found)
    if name in ("folder", "synthetic"):
        lists = {
            split: list(zip(each.paths, each.sizes, strict=True)) for split, each in dataset.splits.items()
        }
        for leak in shared_images(dataset.root, lists):
            if "in both" not in leak:
                found.warn("", leak)
    splits = {}
    for split, files in dataset.splits.items():
        per_class = dict(zip(dataset.class_names, dataset.counts(split), strict=True))
        splits[split] = SplitCheck(len(files), 0, 0, per_class)
    counts = {cls: sum(split.per_class[cls] for split in splits.values()) for cls in dataset.class_names}
    return Check(
        name,
        dataset.root,
        images=sum(split.images for split in splits.values()),
        classes=dataset.class_names,
        counts=counts,
        splits=splits,
        held_out=any("held out for validation" in note for note in dataset.notes),
        notes=tuple(found.of("note")),
        warnings=tuple(found.of("warning")),
    )


def _look_through(dataset: Dataset, found: Findings) -> None:
    """Warn of files whose header says that training leaves them out, or that their EXIF is damaged."""
    seen: set[str] = set()
    for files in dataset.splits.values():
        for path in files.paths:
            if path in seen or is_member(path):
                continue
            seen.add(path)
            look = look_at(os.path.join(dataset.root, path))
            if look.fault:
                found.warn(path, f"cannot be read ({look.fault}): left out")
            for words in (look.damage, exif_words(look)):
                if words:
                    found.warn(path, words)
