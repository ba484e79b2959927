"""Where the splits of a COCO data set lie: which JSON file is for which split, and where its images are."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from core.config.schema import DataConfig, SplitName
from core.datasets.boxes.annotation_folders import ANNOTATION_FOLDERS, IMAGE_FOLDERS, bases, has, inside
from core.datasets.boxes.annotations import BoxPlaces, BoxSource
from core.datasets.boxes.coco_file import looks_like_coco
from core.datasets.boxes.image_index import is_confined
from core.datasets.class_folders.split_folders import (
    SPLITS,
    names_in,
    no_root,
    no_test_images,
    require_folder,
    split_in,
    subfolders,
)
from core.datasets.findings import some
from core.datasets.images import SUFFIXES
from core.datasets.walk import is_junk
from core.errors import DataError
from core.reading import exists
from core.text import clean

_TRIED = 50
_OTHER_KINDS = ("captions", "person_keypoints", "keypoints", "stuff", "panoptic", "image_info", "predictions")


def find(data: DataConfig, root: Path | None) -> BoxPlaces:
    """Train, val and test: as the config names them, else found below `root`. Raises DataError."""
    sources = {
        split: _complete(BoxSource(split, paths.images, paths.annotations, paths.list), root)
        for split in SPLITS
        if (paths := getattr(data, split)) is not None and paths != "test"
    }
    if "train" not in sources:
        if root is None:
            raise no_root()
        require_folder(root.parent if root.is_file() else root)
        sources = _found(root) | sources
    if data.val == "test":
        if "test" not in sources:
            raise no_test_images(f"{clean(str(root))} has no file for test", "the file")
        sources["val"] = replace(sources["test"], split="val")
    files = [source.annotations for source in sources.values() if source.annotations is not None]
    base = root if root is not None and root.is_dir() else _above(files)
    return BoxPlaces(
        base, sources["train"], sources.get("val"), sources.get("test"), val_is_test=data.val == "test"
    )


def coco_files(root: Path) -> list[Path]:
    """The JSON files of annotations in `root`, in its folder of annotations and in folders of splits."""
    for base in bases(root):
        found = [path for folder in _folders(base) for path in _json_files(folder) if looks_like_coco(path)]
        if found:
            return found
    return []


def images_of(file: Path, root: Path, records: Sequence[Any]) -> Path:
    """The folder that the images named in `file` are in: the one where most of the first are found."""
    names = [record.get("file_name") for record in records[:_TRIED] if isinstance(record, dict)]
    plain = [name.replace("\\", "/") for name in names if isinstance(name, str)]
    best, most = file.parent, -1
    for folder in dict.fromkeys(_image_folders(file, root)):
        hits = sum(is_confined(name) and os.path.isfile(folder / name) for name in plain)
        if hits > most:
            best, most = folder, hits
        if plain and hits == len(plain):
            break
    if most > 0:
        return best
    with_images = [folder for folder in dict.fromkeys(_image_folders(file, root)) if has(folder, *SUFFIXES)]
    return next(iter(with_images), best)


def _found(root: Path) -> dict[SplitName, BoxSource]:
    if root.is_file():
        if split_in(root.stem) in (None, "train"):
            siblings = [path for path in _json_files(root.parent) if _family(path) == _family(root)]
            siblings = [path for path in siblings if path != root and split_in(path.stem) in ("val", "test")]
            files = [root, *siblings] if split_in(root.stem) == "train" else [root]
        else:
            return {"train": BoxSource("train", annotations=root)}
    else:
        files = coco_files(root)
    plain = [path for path in files if not path.stem.lower().startswith(_OTHER_KINDS)]
    by_split: dict[SplitName | None, list[Path]] = {}
    for path in plain or files:
        by_split.setdefault(_split_of(path, root), []).append(path)
    for split, twins in by_split.items():
        if len(twins) > 1:
            what = f"data.{split}" if split else "data.train"
            names = some(os.path.relpath(path, root) for path in twins)
            raise DataError(
                f"{clean(str(root))} has several files of annotations, {names}: name one in {what}."
            )
    if None in by_split and "train" not in by_split:
        by_split["train"] = by_split[None]
    if "train" not in by_split:
        if len(by_split) == 1:
            (twins,) = by_split.values()
            return {"train": BoxSource("train", annotations=twins[0])}
        raise DataError(
            f"{clean(str(root))} has no COCO file for training: expected annotations/instances_train.json or "
            "annotations.json."
        )
    return {split: BoxSource(split, annotations=by_split[split][0]) for split in SPLITS if split in by_split}


def _split_of(file: Path, root: Path) -> SplitName | None:
    """The split that a file's name says, or that of its folder inside `root`."""
    return split_in(file.stem) or (split_in(file.parent.name) if root in file.parent.parents else None)


def _family(path: Path) -> str:
    """A file's name without the word for its split: `instances_train2017` and `instances_val2017` are one."""
    return " ".join(word for word in path.stem.lower().replace("_", " ").split() if not split_in(word))


def _complete(source: BoxSource, root: Path | None) -> BoxSource:
    """A split of the config with the JSON file that it does not name."""
    if source.list is not None:
        raise DataError(f"data.{source.split}.list is not for COCO files: name the JSON file in annotations.")
    if source.images is not None:
        require_folder(source.images)
    if source.annotations is not None:
        if not exists(source.annotations):
            raise DataError(f"{clean(str(source.annotations))} does not exist: correct data.{source.split}.")
        return source
    assert source.images is not None
    near = [source.images, source.images.parent, *([root] if root is not None and root.is_dir() else [])]
    for folder in near:
        found = [path for place in _folders(folder) for path in _json_files(place) if looks_like_coco(path)]
        mine = [path for path in found if split_in(path.stem) in (source.split, None)]
        if len(mine) == 1:
            return BoxSource(source.split, source.images, mine[0])
    raise DataError(
        f"{clean(str(source.images))} has no single COCO file next to it: name it in "
        f"data.{source.split}.annotations."
    )


def _folders(base: Path) -> Iterator[Path]:
    yield base
    for name in subfolders(base):
        if name.lower() in ANNOTATION_FOLDERS or split_in(name):
            yield base / name


def _json_files(folder: Path) -> list[Path]:
    names = sorted(name for name in names_in(folder) if name.lower().endswith(".json") and not is_junk(name))
    return [folder / name for name in names]


def _image_folders(file: Path, root: Path) -> Iterator[Path]:
    """Where the images of a file may be, the likeliest first."""
    split = _split_of(file, root)
    near = [file.parent, file.parent.parent, *([root] if root.is_dir() else [])]
    for base in near:
        if base != root and not inside(root, base) and base.parent == base:
            continue
        inner = [base / name for name in subfolders(base)]
        mine = [path for path in inner if split and split_in(path.name) == split]
        usual = [path for path in inner if path.name.lower() in IMAGE_FOLDERS]
        yield from mine
        for path in usual:
            yield from (path / name for name in subfolders(path) if split and split_in(name) == split)
        yield from usual
        yield base


def _above(files: Sequence[Path]) -> Path:
    """The folder of the data set that has these files: the one above a folder of annotations."""
    folder = Path(os.path.commonpath([file.parent for file in files]))
    return folder.parent if folder.name.lower() in ANNOTATION_FOLDERS else folder
