"""What a data set is once opened: class names and, for each split, image files with their labels."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from core.datasets.pictures import member_file
from core.errors import DataError
from core.text import clean

STORED_FORMAT = 1


@dataclass(frozen=True)
class FileList:
    """Images of one split: `paths` relative to the data set's root, `labels` 0-based, `sizes` in bytes.

    A picture inside a file of many (`data_batch_1#00042`) has the size of that file.
    """

    paths: tuple[str, ...]
    labels: tuple[int, ...]
    sizes: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.paths)


@dataclass(frozen=True)
class Dataset:
    """An opened data set. `splits` has `train` and `val`, and `test` when there is one to measure at the end.

    `fingerprint` (sha256, hex) stands for class names and every split's paths and sizes. `groups` names the
    group of each class, for sets that have groups. `notes` are sentences on what was found or left out.
    """

    root: Path
    class_names: tuple[str, ...]
    splits: Mapping[str, FileList]
    fingerprint: str
    notes: tuple[str, ...] = ()
    groups: tuple[str, ...] | None = None

    def counts(self, split: str) -> tuple[int, ...]:
        """Images of each class in `split`."""
        found = [0] * len(self.class_names)
        for label in self.splits[split].labels:
            found[label] += 1
        return tuple(found)


def fingerprint(class_names: tuple[str, ...], splits: Mapping[str, FileList]) -> str:
    """sha256 over class names and each split's relative paths, labels and file sizes."""
    digest = hashlib.sha256()
    for name in class_names:
        digest.update(name.encode() + b"\0")
    for split in sorted(splits):
        files = splits[split]
        digest.update(f"\n{split}\n".encode())
        rows = zip(files.paths, files.labels, files.sizes, strict=True)
        digest.update("".join(f"{path}\0{label}\0{size}\n" for path, label, size in rows).encode())
    return digest.hexdigest()


def make_dataset(
    root: Path,
    class_names: tuple[str, ...],
    splits: Mapping[str, FileList],
    notes: tuple[str, ...] = (),
    groups: tuple[str, ...] | None = None,
) -> Dataset:
    """A data set with its fingerprint."""
    return Dataset(root, class_names, dict(splits), fingerprint(class_names, splits), notes, groups)


def stored_split(dataset: Dataset) -> dict[str, Any]:
    """`dataset` as plain JSON values; `from_stored` gives it back."""
    return {
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


def from_stored(stored: Mapping[str, Any]) -> Dataset:
    """The data set in a run's split.json. Raises DataError when it is damaged or of a newer format."""
    if int(stored.get("format", STORED_FORMAT)) > STORED_FORMAT:
        raise DataError("split.json was written by a newer labtui: update labtui to go on with this run.")
    try:
        splits = {
            str(name): FileList(tuple(files["paths"]), tuple(files["labels"]), tuple(files["sizes"]))
            for name, files in stored["splits"].items()
        }
        groups = stored.get("groups")
        class_names = tuple(stored["class_names"])
        dataset = Dataset(
            Path(stored["root"]),
            class_names,
            splits,
            str(stored["fingerprint"]),
            tuple(stored.get("notes", ())),
            tuple(groups) if groups is not None else None,
        )
        whole = fingerprint(class_names, splits) == dataset.fingerprint
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
            f"The data set is not what this run began with: {first}{more} is gone or changed. "
            "Put it back, or start a new run."
        )


def with_notes(dataset: Dataset, *notes: str) -> Dataset:
    """`dataset` with further notes."""
    return replace(dataset, notes=(*dataset.notes, *notes))
