"""Where the splits of a YOLO data set lie: as its data.yaml says, else in folders images and labels."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from core.config.schema import DataConfig, SplitName, SplitPaths
from core.datasets.boxes.annotation_folders import IMAGE_FOLDERS, annotations_near, bases, has, images_near
from core.datasets.boxes.annotations import BoxPlaces, BoxSource
from core.datasets.boxes.image_index import files_below
from core.datasets.boxes.yolo_files import described, file_of, is_yolo_file
from core.datasets.class_folders.class_names import class_names_in
from core.datasets.class_folders.split_folders import (
    SPLITS,
    no_root,
    no_test_images,
    require_folder,
    split_folders,
    subfolders,
)
from core.datasets.names import spelled
from core.errors import DataError, UnreadableError
from core.reading import as_on_disk, exists, read_text
from core.text import clean

_NAME_FILES = ("classes.txt", "obj.names", "labels.txt")


def find(data: DataConfig, root: Path | None) -> BoxPlaces:
    """Train, val and test: as the config names them, else as data.yaml does, else found. Raises DataError."""
    if root is not None:
        require_folder(root if not root.is_file() else root.parent)
    file = file_of(root) if root is not None else None
    folder = root.parent if root is not None and root.is_file() else root
    named = {
        split: _complete(split, paths, folder)
        for split in SPLITS
        if isinstance(paths := getattr(data, split), SplitPaths)
    }
    notes: list[str] = []
    names = keypoints = None
    if file is not None:
        told = described(file, frozenset(named))
        names, keypoints = told.names, told.keypoints
        notes += told.notes
        sources = told.sources | named
    elif "train" in named:
        sources = named
    elif folder is not None:
        sources = _by_folders(folder) | named
    else:
        raise no_root()
    if "train" not in sources:
        raise DataError(
            f"{clean(str(file))} names no training images: give `train` there, or name their folder in "
            "data.train."
        )
    if data.val == "test":
        if "test" not in sources:
            raise no_test_images(f"{clean(str(root))} names no test images", "their folder")
        sources["val"] = replace(sources["test"], split="val")
    if names is None:
        names = _names_beside(folder, sources["train"], notes)
    base = folder if folder is not None else _above(sources)
    if file is not None and folder is not None and not _is_below(folder, sources):
        base = _above(sources)
    return BoxPlaces(
        base,
        sources["train"],
        sources.get("val"),
        sources.get("test"),
        data.val == "test",
        names,
        tuple(notes),
        keypoints,
    )


def looks_like_yolo(root: Path) -> bool:
    """Whether there is a data.yaml or obj.data, or label files beside images."""
    if root.is_file():
        return is_yolo_file(root)
    return file_of(root) is not None or any(_label_folders(base) for base in bases(root))


def labels_of(image: Path, source: BoxSource) -> Path:
    """The label file of an image: `labels` in place of the last `images` of its path, else beside it."""
    return Path(as_on_disk(str(_label_of(image, source))))


def _label_of(image: Path, source: BoxSource) -> Path:
    name = f"{image.stem}.txt"
    if source.annotations is not None:
        base = source.images
        if base is not None and base in image.parents:
            return (source.annotations / image.relative_to(base)).with_suffix(".txt")
        return source.annotations / name
    parts = list(image.parts)
    for index in range(len(parts) - 2, 0, -1):
        if parts[index].lower() in IMAGE_FOLDERS:
            swapped = Path(*parts[:index], "labels", *parts[index + 1 :]).with_suffix(".txt")
            if swapped.parent.is_dir() or parts[index] == "images":
                return swapped
    beside = image.parent / "labels" / name
    return beside if beside.parent.is_dir() else image.parent / name


def _by_folders(root: Path) -> dict[SplitName, BoxSource]:
    for base in bases(root):
        if found := _label_folders(base):
            return found
    raise DataError(
        f"{clean(str(root))} has no data.yaml and no folders images and labels: name the data.yaml in "
        "data.root."
    )


def _label_folders(base: Path) -> dict[SplitName, BoxSource]:
    """images/train beside labels/train, train/images beside train/labels, or images beside labels."""
    folders = {name.lower(): base / name for name in subfolders(base)}
    labels = folders.get("labels")
    images = next((folders[name] for name in IMAGE_FOLDERS if name in folders), None)
    if labels is not None and images is not None and _has_labels(labels):
        inner = {split: name for split, name in split_folders(images).items() if (labels / name).is_dir()}
        if "train" in inner:
            return {split: BoxSource(split, images / inner[split], labels / inner[split]) for split in inner}
        return {"train": BoxSource("train", images, labels)}
    found: dict[SplitName, BoxSource] = {}
    for split, name in split_folders(base).items():
        inside = _label_folders(base / name)
        if "train" in inside:
            found[split] = BoxSource(split, inside["train"].images, inside["train"].annotations)
    return found if "train" in found else {}


def _has_labels(folder: Path) -> bool:
    """Whether the first label file with something in it has lines of numbers."""
    for name in files_below(folder, ".txt"):
        if name.rpartition("/")[2].lower() in _NAME_FILES:
            continue
        try:
            words = read_text(folder / name).split("\n", 1)[0].split()
        except UnreadableError:
            continue
        if words:
            return len(words) >= 5 and all(word.replace(".", "").replace("-", "").isalnum() for word in words)
    return False


def _complete(split: SplitName, paths: SplitPaths, root: Path | None) -> BoxSource:
    """A split of the config with the folder that it does not name."""
    if paths.list is not None:
        if not exists(paths.list):
            raise DataError(f"{clean(str(paths.list))} does not exist: correct data.{split}.list.")
        return BoxSource(split, paths.images, paths.annotations, paths.list)
    images, annotations = paths.images, paths.annotations
    if images is None and annotations is not None:
        near = [annotations.parent, annotations]
        images = next(filter(None, (images_near(folder, but=annotations) for folder in near)), None)
    if images is None:
        raise DataError(f"data.{split}.images must be given: the folder of the images.")
    require_folder(images)
    if annotations is not None:
        require_folder(annotations)
    elif (
        not has(images, ".txt") and not labels_of(images / "a.jpg", BoxSource(split, images)).parent.is_dir()
    ):
        annotations = annotations_near(images.parent, ".txt")
    return BoxSource(split, images, annotations)


def _names_beside(folder: Path | None, train: BoxSource, notes: list[str]) -> tuple[str, ...] | None:
    """The names in a classes.txt of the data set. Raises DataError for one that is there twice."""
    near = [
        folder,
        train.annotations,
        train.images,
        *(p.parent for p in (train.annotations, train.images) if p),
    ]
    for place in dict.fromkeys(path for path in near if path is not None):
        for name in _NAME_FILES:
            found = class_names_in(place / name)
            if found is None:
                continue
            names = tuple(spelled(each) for each in found.names)
            twice = [each for each in names if names.count(each) > 1]
            if twice:
                raise DataError(f"{clean(str(place / name))} has '{twice[0]}' twice: each class once.")
            if found.first is not None:
                last = found.first + len(names) - 1
                notes.append(
                    f"{name} numbers its classes from {found.first} to {last}: the names are without"
                )
            return names
    return None


def _is_below(folder: Path, sources: dict[SplitName, BoxSource]) -> bool:
    parts = [part for source in sources.values() for part in (source, *source.more)]
    return all(
        folder == path or folder in path.parents for part in parts if (path := part.images or part.list)
    )


def _above(sources: dict[SplitName, BoxSource]) -> Path:
    parts = [part for source in sources.values() for part in (source, *source.more)]
    return Path(os.path.commonpath([part.images or (part.list or Path("/")).parent for part in parts]))
