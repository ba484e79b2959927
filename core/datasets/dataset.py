"""What a data set is once opened: class names and, for each split, image files with their labels."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from core.datasets.depth import PLAIN, Opening
from core.datasets.depth import from_stored as opening_from
from core.datasets.pictures import member_file
from core.errors import DataError
from core.reading import HUGE, find_bytes
from core.store.changes import require_lists
from core.store.files import read_json, write_bytes, write_json
from core.store.paths import RunPaths
from core.text import clean

if TYPE_CHECKING:
    from core.datasets.boxes.box_arrays import Boxes

STORED_FORMAT = 1


@dataclass(frozen=True)
class FileList:
    """Images of one split: `paths` relative to the data set's root, `labels` 0-based, `sizes` in bytes.

    A picture inside a file of many (`data_batch_1#00042`) has the size of that file. In a data set with boxes
    all labels are -1.
    """

    paths: tuple[str, ...]
    labels: tuple[int, ...]
    sizes: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.paths)


@dataclass(frozen=True)
class Dataset:
    """An opened data set. `splits` has `train` and `val`, and `test` when there is one to measure at the end.

    `fingerprint` (sha256, hex) stands for class names and every split's paths, sizes and boxes. `groups`
    names the group of each class, for sets that have groups. `notes` are sentences on what was found.
    `boxes` has the objects of every split, None when images as a whole have classes; `category_ids` are the
    classes' ids in the source, where it has ids. `origin` says where and in which version the set was got.
    `opening` is how its pictures are opened.
    """

    root: Path
    class_names: tuple[str, ...]
    splits: Mapping[str, FileList]
    fingerprint: str
    notes: tuple[str, ...] = ()
    groups: tuple[str, ...] | None = None
    boxes: Mapping[str, Boxes] | None = None
    category_ids: tuple[int, ...] | None = None
    origin: Mapping[str, str] | None = None
    opening: Opening = PLAIN

    @property
    def kind(self) -> Literal["classification", "detection"]:
        """Whether images have a class each, or boxes."""
        return "classification" if self.boxes is None else "detection"

    def counts(self, split: str) -> tuple[int, ...]:
        """Images of each class in `split`; objects of each class when there are boxes."""
        if self.boxes is not None:
            return self.boxes[split].counts(len(self.class_names))
        found = [0] * len(self.class_names)
        for label in self.splits[split].labels:
            found[label] += 1
        return tuple(found)


def fingerprint(
    class_names: tuple[str, ...],
    splits: Mapping[str, FileList],
    boxes: Mapping[str, Boxes] | None = None,
) -> str:
    """sha256 over class names and each split's relative paths, labels, file sizes and boxes."""
    digest = hashlib.sha256()
    for name in class_names:
        digest.update(name.encode() + b"\0")
    for split in sorted(splits):
        files = splits[split]
        digest.update(f"\n{split}\n".encode())
        rows = zip(files.paths, files.labels, files.sizes, strict=True)
        digest.update("".join(f"{path}\0{label}\0{size}\n" for path, label, size in rows).encode())
        if boxes is not None:
            from core.datasets.boxes.box_arrays import update_digest

            update_digest(digest, boxes[split])
    return digest.hexdigest()


def make_dataset(
    root: Path,
    class_names: tuple[str, ...],
    splits: Mapping[str, FileList],
    notes: tuple[str, ...] = (),
    groups: tuple[str, ...] | None = None,
    boxes: Mapping[str, Boxes] | None = None,
    category_ids: tuple[int, ...] | None = None,
    origin: Mapping[str, str] | None = None,
    opening: Opening = PLAIN,
) -> Dataset:
    """A data set with its fingerprint."""
    digest = fingerprint(class_names, splits, boxes)
    return Dataset(
        root, class_names, dict(splits), digest, notes, groups, boxes, category_ids, origin, opening
    )


def stored_split(dataset: Dataset) -> dict[str, Any]:
    """`dataset` as plain JSON values, without its boxes; `from_stored` gives it back."""
    extra: dict[str, Any] = {}
    if dataset.boxes is not None:
        ids = list(dataset.category_ids) if dataset.category_ids is not None else None
        extra = {"kind": dataset.kind, "category_ids": ids}
    if dataset.origin is not None:
        extra["origin"] = dict(dataset.origin)
    if dataset.opening != PLAIN:
        extra["opening"] = dataset.opening.as_stored()
    return {
        **extra,
        "format": STORED_FORMAT,
        "root": str(dataset.root),
        "class_names": list(dataset.class_names),
        "groups": list(dataset.groups) if dataset.groups is not None else None,
        "fingerprint": dataset.fingerprint,
        "notes": list(dataset.notes),
        "splits": {
            name: {"paths": list(files.paths), "labels": list(files.labels), "sizes": list(files.sizes)}
            for name, files in dataset.splits.items()
        },
    }


def store_dataset(run: RunPaths, dataset: Dataset) -> None:
    """Write `dataset` into a run's folder: its boxes, then split.json, which says that all is there."""
    if dataset.boxes is not None:
        from core.datasets.boxes.box_arrays import pack

        write_bytes(run.objects, pack(dataset.boxes))
    write_json(run.split, stored_split(dataset))


def read_dataset(run: RunPaths) -> Dataset | None:
    """The data set that a run's first attempt stored, not looked at on disk; None before.

    Raises DataError when it is unreadable, damaged, of a newer format, or gone from a run that has begun: it
    is never made anew then.
    """
    stored = read_json(run.split, HUGE)
    if stored is None:
        require_lists(run)
        return None
    if stored.get("kind") != "detection":
        return from_stored(stored)
    return from_stored(stored, find_bytes(run.objects, HUGE))


def from_stored(stored: Mapping[str, Any], objects: bytes | None = None) -> Dataset:
    """The data set in a run's split.json, and for one with boxes in its objects.npz.

    Raises DataError when they are damaged or of a newer format, or when `objects` lack.
    """
    if int(stored.get("format", STORED_FORMAT)) > STORED_FORMAT:
        raise DataError("split.json was written by a newer labtui: update labtui to continue this run.")
    try:
        splits = {
            str(name): FileList(tuple(files["paths"]), tuple(files["labels"]), tuple(files["sizes"]))
            for name, files in stored["splits"].items()
        }
        boxes = None
        if stored.get("kind") == "detection":
            if objects is None:
                raise DataError("objects.npz of this run is gone: start a new run of the same config.")
            from core.datasets.boxes.box_arrays import unpack

            boxes = unpack(objects, {name: len(files) for name, files in splits.items()})
        groups, category_ids = stored.get("groups"), stored.get("category_ids")
        class_names = tuple(stored["class_names"])
        dataset = Dataset(
            Path(stored["root"]),
            class_names,
            splits,
            str(stored["fingerprint"]),
            tuple(stored.get("notes", ())),
            tuple(groups) if groups is not None else None,
            boxes,
            tuple(map(int, category_ids)) if category_ids is not None else None,
            stored.get("origin"),
            opening_from(stored.get("opening")),
        )
        whole = fingerprint(class_names, splits, boxes) == dataset.fingerprint
    except (AttributeError, KeyError, TypeError, ValueError):
        whole = False
    if not whole:
        raise DataError("split.json of this run is damaged: start a new run of the same config.")
    return dataset


def require_unchanged(dataset: Dataset) -> None:
    """Raise DataError when files of `dataset` are gone or have another size than when its lists were made."""
    files = {
        (member_file(path), size)
        for split in dataset.splits.values()
        for path, size in zip(split.paths, split.sizes, strict=True)
    }
    wrong = []
    for path, size in sorted(files):
        try:
            same = os.stat(os.path.join(dataset.root, path)).st_size == size
        except OSError:
            same = False
        if not same:
            wrong.append(path)
    if wrong:
        first = clean(str(dataset.root / wrong[0]))
        more = f" and {len(wrong) - 1} more" if len(wrong) > 1 else ""
        raise DataError(
            f"The data set is not the one that this run started with: {first}{more} is gone or changed. "
            "Put it back, or start a new run."
        )


def with_origin(dataset: Dataset, origin: Mapping[str, str] | None) -> Dataset:
    """`dataset` with where it was got from."""
    return dataset if origin is None else replace(dataset, origin=origin)
