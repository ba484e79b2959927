"""Everything odd about a data set, for `labtui data check` and the data screen."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.config.data_formats import BOX_FORMATS
from core.config.schema import DataConfig
from core.datasets.decoding import Decoder
from core.datasets.findings import Finding, Findings, as_rows, count, fewer
from core.datasets.format import data_format, format_of
from core.datasets.image_header import Look, look_at
from core.datasets.images import UNREAD
from core.datasets.leaks import repeated_images, shared_images
from core.datasets.left_out import without
from core.datasets.looks import say_kinds, say_look
from core.datasets.names import suspect_names
from core.datasets.pictures import is_member
from core.datasets.walk import NOT_FOLLOWED, NOT_LISTED, NOT_UTF8
from core.errors import DataError

if TYPE_CHECKING:
    from core.datasets.dataset import Dataset

_ODD = ("in both train and", NOT_UTF8, NOT_FOLLOWED, NOT_LISTED, UNREAD)
"""What is in the notes that are warnings."""


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

    With boxes, `images` counts those that cannot be read too, and `objects` theirs; crowds are counted apart,
    difficult objects in `objects` as well. `empty_images` are kept and have no object; `left_out` lost all
    that they had, or their annotations cannot be read. `repaired` and `dropped` count objects. `held_out`:
    val is taken from the training images.
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

    def as_json(self, *, all_findings: bool = False) -> dict[str, Any]:
        """The document of `labtui data check --json`; unless `all_findings`, many of one kind are one."""
        told = tuple if all_findings else fewer
        return {
            "format": self.format,
            "root": str(self.root) if self.root is not None else None,
            "outcome": self.outcome,
            "images": self.images,
            "readable": self.images - (len(self.unreadable) if self.format in BOX_FORMATS else 0),
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
            "notes": as_rows(told(self.notes)),
            "warnings": as_rows(told(self.warnings)),
            "errors": as_rows(told(self.errors)),
        }

    def summary(self) -> str:
        """One line: what it is, and how much of it was changed or looks wrong."""
        if self.errors and not self.images:
            return f"{self.format}: cannot be used"
        parts = [f"{self.format}: {count(self.images, 'image')}"]
        if self.format in BOX_FORMATS:
            parts += [count(self.objects, "object")]
        parts.append(count(len(self.classes), "class", "classes"))
        text = ", ".join(parts)
        changes = (
            [f"{self.repaired} repaired", f"{self.dropped} dropped"] if self.format in BOX_FORMATS else []
        )
        changes += [count(len(self.warnings), "warning")]
        changes += [count(len(self.errors), "error")] if self.errors else []
        return f"{text}; {', '.join(changes)}"


def check_dataset(data: DataConfig, *, deep: bool = False) -> Check:
    """Read all of `data` and say what it comes to. Faults are in the answer, none is raised.

    `deep`: all images are decoded, as for training; else their headers are read, and few images decoded.
    """
    name: str = data.format
    try:
        if data.kaggle is not None:
            from core.datasets.kaggle import fetched

            data, _ = fetched(data)
        name = data_format(data)
        return format_of(name).check(data, deep=deep)
    except DataError as error:
        found = Findings()
        found.error("", str(error).rstrip("."))
        return Check(name, data.root, errors=tuple(found.of("error")))


def check_images(dataset: Dataset, left_out: Mapping[str, str], name: str, deep: bool) -> Check:
    """The check of images that have a class each: what opening them said, and what their files say.

    `left_out`: why each image that the set is without cannot be read.
    Raises DataError when so many cannot be decoded that nothing is left of a class, or of a split.
    """
    found = Findings()
    for path, reason in left_out.items():
        say_look(path, Look(fault=reason), found)
    for note in dataset.notes:
        if "unreadable image" in note:
            continue  # told one by one
        (found.warn if any(words in note for words in _ODD) else found.note)("", note)
    suspect_names(dict(zip(dataset.class_names, dataset.counts("train"), strict=True)), found)
    looks = _looks(dataset, found, deep)
    faults = {path: look.fault for path, look in looks.items() if look.fault}
    if faults:
        dataset = without(dataset, faults)
    if looks:
        for text in _repeated(dataset):
            found.warn("", text)
    splits = {}
    for split, lists in dataset.splits.items():
        per_class = dict(zip(dataset.class_names, dataset.counts(split), strict=True))
        splits[split] = SplitCheck(len(lists), 0, 0, per_class)
    counts = {cls: sum(split.per_class[cls] for split in splits.values()) for cls in dataset.class_names}
    return Check(
        name,
        dataset.root,
        images=sum(split.images for split in splits.values()),
        classes=dataset.class_names,
        counts=counts,
        unreadable=(*left_out, *faults),
        damaged=tuple(path for path, look in looks.items() if look.damage),
        splits=splits,
        held_out=any("held out for validation" in note for note in dataset.notes),
        notes=tuple(found.of("note")),
        warnings=tuple(found.of("warning")),
    )


def _repeated(dataset: Dataset) -> list[str]:
    """Sentences on images that are there twice, under other names: notes tell of the same ones."""
    files = {
        split: [
            (path, size, dataset.class_names[label])
            for path, label, size in zip(each.paths, each.labels, each.sizes, strict=True)
        ]
        for split, each in dataset.splits.items()
    }
    lists = {split: [(path, size) for path, size, _ in rows] for split, rows in files.items()}
    leaks = [text for text in shared_images(dataset.root, lists) if "in both" not in text]
    return [*leaks, *repeated_images(dataset.root, files)]


def _looks(dataset: Dataset, found: Findings, deep: bool) -> dict[str, Look]:
    """The look of each image file; those that cannot be used, or are odd, are told."""
    paths = dict.fromkeys(path for files in dataset.splits.values() for path in files.paths)
    looks = {
        path: look_at(os.path.join(dataset.root, path), dataset.opening)
        for path in paths
        if not is_member(path)
    }
    decoder = Decoder(dataset.root, dataset.opening, deep)
    looks = decoder.look(looks)
    for path, look in looks.items():
        say_look(path, look, found)
    decoder.tell(found)
    say_kinds(looks, found)
    return looks
