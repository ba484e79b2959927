"""Everything odd about a data set, for `labtui data check` and the data screen."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.config.data_formats import BOX_FORMATS
from core.config.schema import DataConfig
from core.datasets.findings import Finding, Findings, as_rows, count
from core.datasets.format import data_format, format_of
from core.datasets.image_header import exif_words, look_at
from core.datasets.leaks import shared_images
from core.datasets.names import suspect_names
from core.datasets.pictures import is_member
from core.datasets.walk import NOT_FOLLOWED, NOT_LISTED, NOT_UTF8
from core.errors import DataError

if TYPE_CHECKING:
    from core.datasets.dataset import Dataset

_ODD = ("unreadable", "in both train and", NOT_UTF8, NOT_FOLLOWED, NOT_LISTED)
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


def check_dataset(data: DataConfig) -> Check:
    """Read all of `data` and say what it comes to. Faults are in the answer, none is raised."""
    name: str = data.format
    try:
        if data.kaggle is not None:
            from core.datasets.kaggle import fetched

            data, _ = fetched(data)
        name = data_format(data)
        return format_of(name).check(data)
    except DataError as error:
        found = Findings()
        found.error("", str(error).rstrip("."))
        return Check(name, data.root, errors=tuple(found.of("error")))


def check_images(dataset: Dataset, name: str) -> Check:
    """The check of images that have a class each: what opening them said, and what their files say."""
    found = Findings()
    for note in dataset.notes:
        (found.warn if any(words in note for words in _ODD) else found.note)("", note)
    suspect_names(dict(zip(dataset.class_names, dataset.counts("train"), strict=True)), found)
    _look_through(dataset, found)
    if not any(is_member(path) for files in dataset.splits.values() for path in files.paths[:1]):
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
