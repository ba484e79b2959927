"""What `labtui data check` prints for people."""

from __future__ import annotations

from core.cli.output import table
from core.config.data_formats import BOX_FORMATS
from core.datasets.check import Check
from core.datasets.findings import fewer
from core.humanise import count
from core.text import clean

_MOST_CLASSES = 100


def lines(check: Check, *, all_findings: bool = False) -> list[str]:
    """One summary line, a table of the classes, then errors, warnings and notes with their files.

    Unless `all_findings`, many of one kind are told as one.
    """
    told_of = tuple if all_findings else fewer
    where = f"{clean(str(check.root))}: " if check.root is not None else ""
    found = [f"{where}{check.summary()}"]
    if check.changed_files:
        files = "file" if check.changed_files == 1 else "files"
        found.append(f"{count(check.changed_files)} {files} changed or skipped")
    if check.splits and not check.errors:
        found += ["", *_classes(check)]
    told = [
        *(f"error: {item}" for item in told_of(check.errors)),
        *(f"warning: {item}" for item in told_of(check.warnings)),
        *(f"note: {item}" for item in told_of(check.notes)),
    ]
    return [*found, "", *told] if told else found


def _classes(check: Check) -> list[str]:
    """Objects (images, where there are no boxes) of each class in each split, and the images of each."""
    splits, boxes = list(check.splits.items()), check.format in BOX_FORMATS
    ids = bool(check.category_ids)
    rows = []
    for name in check.classes[:_MOST_CLASSES]:
        identity = [str(check.category_ids.get(name, ""))] if ids else []
        rows.append([name, *identity, *(count(split.per_class[name]) for _, split in splits)])
    if len(check.classes) > _MOST_CLASSES:
        rows.append([f"{len(check.classes) - _MOST_CLASSES} more", *[""] * (ids + len(splits))])
    blank = [""] if ids else []
    if boxes:
        rows.append(["objects", *blank, *(count(split.objects) for _, split in splits)])
        rows.append(["without objects", *blank, *(count(split.empty_images) for _, split in splits)])
    rows.append(["images", *blank, *(count(split.images) for _, split in splits)])
    header = ["class", *(["id"] if ids else []), *(name for name, _ in splits)]
    return table(header, rows, "l" + "r" * (len(header) - 1))
