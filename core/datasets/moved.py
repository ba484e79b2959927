"""A run's stored data set found where it lies today, and its labels compared with those on disk."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from core.config.data_schema import DataConfig
from core.datasets.dataset import Dataset, require_unchanged
from core.errors import DataError, LabError
from core.reading import is_directory
from core.store.image_roots import remembered_root, save_root
from core.store.paths import RunPaths
from core.text import clean

# Files that can hold labels; pictures are compared by their sizes.
_LABELS = frozenset((".xml", ".txt", ".json", ".csv", ".tsv", ".yaml", ".yml", ".data", ".names"))
_NAMED = 3


def located(run: RunPaths, dataset: Dataset) -> tuple[Dataset, str]:
    """`dataset` with the folder that its files are in, unchanged, and a sentence when that is another one.

    Looked for: where they were, where somebody said they are, and below the run's workspace, in case that was
    moved with its data inside. Raises DataError when they are in none of these, or have changed.
    """
    try:
        require_unchanged(dataset)
        return dataset, ""
    except DataError as error:
        for folder in _candidates(run, dataset.root):
            moved = replace(dataset, root=folder)
            with suppress(DataError):
                require_unchanged(moved)
                return moved, (
                    f"the data set was in {clean(str(dataset.root))} and is now in {clean(str(folder))}: "
                    "every file is there with its size"
                )
        said = str(error).removesuffix(" Put it back, or start a new run.")
        raise DataError(
            f"{said} Put it back, say where it is now (labtui resume {run.id} --root FOLDER), or start a new "
            "run."
        ) from None


def move_root(run: RunPaths, dataset: Dataset, folder: Path) -> None:
    """Look for the run's data set in `folder` from now on.

    Raises DataError when its files are not all there, unchanged; StateError, OSError.
    """
    require_unchanged(replace(dataset, root=folder))
    save_root(run, dataset.root, folder)


def _candidates(run: RunPaths, root: Path) -> Iterator[Path]:
    named = remembered_root(run, root)
    workspace = run.root.parents[1]
    parts = root.parts[1:] if root.is_absolute() else root.parts
    tried = {root}
    for folder in (named, *(workspace.joinpath(*parts[-length:]) for length in range(len(parts), 0, -1))):
        if folder is not None and folder not in tried and is_directory(folder):
            tried.add(folder)
            yield folder


def label_note(run: RunPaths, stored: Dataset, root: Path, data: DataConfig) -> str:
    """A sentence when labels on disk are no longer those that the run began with; empty when they are.

    `root` is where its files are now. A run goes on with its own labels. They are read anew only when a file
    that can hold some was written since; what cannot be read now is not judged.
    """
    from core.datasets.open import open_dataset

    if root != stored.root:
        if data.root != stored.root:
            return ""
        data = data.model_copy(update={"root": root})
    if data.kaggle is not None or data.synthetic is not None or not _touched(run, root, data):
        return ""
    try:
        today = open_dataset(data)
    except (LabError, OSError):
        return ""
    changed = _changed(stored, today)
    if not changed:
        return ""
    named = ", ".join(clean(path) for path in changed[:_NAMED])
    more = f" and {len(changed) - _NAMED} more" if len(changed) > _NAMED else ""
    return (
        f"the labels of {len(changed)} images have changed on disk since this run began ({named}{more}): it "
        "goes on with those it began with; a new run takes the new ones"
    )


def _touched(run: RunPaths, root: Path, data: DataConfig) -> bool:
    """Whether a file that can hold labels was changed after the lists were stored."""
    try:
        since = os.stat(run.split).st_mtime
    except OSError:
        return False
    places = {root, *(path for path in _paths(data) if path.exists())}
    return any(_is_newer(path, since) for place in places for path in _label_files(place))


def _paths(data: DataConfig) -> Iterator[Path]:
    if data.root is not None:
        yield data.root
    for split in (data.train, data.val, data.test):
        for value in vars(split).values() if hasattr(split, "__dict__") else ():
            if isinstance(value, Path):
                yield value


def _label_files(place: Path) -> Iterator[str]:
    if not place.is_dir():
        yield str(place)
        return
    for folder, _, names in os.walk(place):
        for name in names:
            if os.path.splitext(name)[1].lower() in _LABELS:
                yield os.path.join(folder, name)


def _is_newer(path: str, since: float) -> bool:
    try:
        status = os.stat(path)
    except OSError:
        return False
    # A file that was moved or copied here keeps the time of its content.
    return max(status.st_mtime, status.st_ctime) > since


def _changed(stored: Dataset, today: Dataset) -> list[str]:
    """Images of both whose labels differ, by class names, in the order of the stored lists."""
    now = {key: value for split in today.splits for key, value in _labels(today, split)}
    then = (pair for split in stored.splits for pair in _labels(stored, split))
    return list(dict.fromkeys(path for path, value in then if path in now and now[path] != value))


def _labels(dataset: Dataset, split: str) -> Iterator[tuple[str, object]]:
    """Each image with all that is said of it."""
    files, names = dataset.splits[split], dataset.class_names
    if dataset.boxes is None:
        for path, label in zip(files.paths, files.labels, strict=True):
            yield path, names[label]
        return
    boxes = dataset.boxes[split]
    for index, path in enumerate(files.paths):
        rows = slice(int(boxes.offsets[index]), int(boxes.offsets[index + 1]))
        objects = zip(
            boxes.corners[rows].tolist(),
            (names[label] for label in boxes.labels[rows].tolist()),
            boxes.crowd[rows].tolist(),
            boxes.difficult[rows].tolist(),
            strict=True,
        )
        yield path, sorted(objects)
