"""Where splits lie that have a file of annotations each: which is for which, and where its images are."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from core.config.schema import DataConfig, SplitName
from core.datasets.boxes.annotation_folders import ANNOTATION_FOLDERS, IMAGE_FOLDERS, bases, has, inside
from core.datasets.boxes.annotations import BoxPlaces, BoxSource
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
from core.datasets.images import SUFFIXES, has_image_suffix
from core.datasets.walk import is_junk
from core.errors import DataError
from core.reading import exists, shown
from core.text import clean

_TRIED = 50


@dataclass(frozen=True)
class FileKind:
    """A kind of file that has the annotations of many images.

    `word` is for people, `endings` of its name, `looks_like` whether a file is one; `expected` says what is
    missing where none is. `folders` (in small letters) may hold them besides folders of splits; `others`
    begin the names of files of that kind that are for something else. Where a folder has more than `most`
    with such an ending, they have one image each.
    """

    word: str
    endings: tuple[str, ...]
    looks_like: Callable[[Path], bool]
    expected: str
    folders: tuple[str, ...] = ANNOTATION_FOLDERS
    others: tuple[str, ...] = ()
    most: int | None = None


def find(kind: FileKind, data: DataConfig, root: Path | None) -> BoxPlaces:
    """Train, val and test: as the config names them, else found below `root`. Raises DataError."""
    sources = {
        split: _complete(kind, BoxSource(split, paths.images, paths.annotations, paths.list), root)
        for split in SPLITS
        if (paths := getattr(data, split)) is not None and paths != "test"
    }
    if "train" not in sources:
        if root is None:
            raise no_root()
        require_folder(root.parent if root.is_file() else root)
        sources = _found(kind, root) | sources
    if data.val == "test":
        if "test" not in sources:
            raise no_test_images(f"{clean(str(root))} has no file for test", "the file")
        sources["val"] = replace(sources["test"], split="val")
    files = [source.annotations for source in sources.values() if source.annotations is not None]
    base = root if root is not None and root.is_dir() else _above(kind, files)
    return BoxPlaces(
        base, sources["train"], sources.get("val"), sources.get("test"), val_is_test=data.val == "test"
    )


def with_parts(
    kind: FileKind, data: DataConfig, root: Path | None, splits_in: Callable[[Path], Collection[SplitName]]
) -> BoxPlaces:
    """`find` for files that may say for each image which split it is of; `splits_in` has those of a file.

    Raises DataError.
    """
    places = find(kind, data.model_copy(update={"val": None}) if data.val == "test" else data, root)
    train = places.train
    assert train.annotations is not None
    named = splits_in(train.annotations)
    parts = {split: replace(train, split=split) for split in SPLITS if split in named and "train" in named}
    val, test = places.val or parts.get("val"), places.test or parts.get("test")
    if data.val == "test":
        if test is None:
            raise no_test_images(f"{shown(root or train.annotations)} has no {kind.word} for test", "it")
        val = replace(test, split="val")
    return replace(places, val=val, test=test, val_is_test=data.val == "test")


def files_of(kind: FileKind, root: Path) -> list[Path]:
    """The files of that kind in `root`, in its folder of annotations and in folders of splits."""
    for base in bases(root):
        found = [
            path for folder in _folders(kind, base) for path in _files(kind, folder) if kind.looks_like(path)
        ]
        if found:
            return found
    return []


def images_of(file: Path, root: Path, given: Sequence[Sequence[str]]) -> Path:
    """The folder that the images of `file` are in: the one where most of the first are found.

    `given` has what each image may be called.
    """
    plain = [[name.replace("\\", "/") for name in names] for names in given[:_TRIED] if names]
    best, most = file.parent, -1
    for folder in dict.fromkeys(_image_folders(file, root)):
        hits = sum(any(is_confined(name) and _is_image(folder / name) for name in names) for names in plain)
        if hits > most:
            best, most = folder, hits
        if plain and hits == len(plain):
            break
    if most > 0:
        return best
    with_images = [folder for folder in dict.fromkeys(_image_folders(file, root)) if has(folder, *SUFFIXES)]
    return next(iter(with_images), best)


def _is_image(path: Path) -> bool:
    """Whether there is a file `path`, or one that only has an ending more."""
    if has_image_suffix(path.name):
        return os.path.isfile(path)
    return any(
        os.path.isfile(f"{path}{ending}") for suffix in SUFFIXES for ending in (suffix, suffix.upper())
    )


def _found(kind: FileKind, root: Path) -> dict[SplitName, BoxSource]:
    if root.is_file():
        if split_in(root.stem) in (None, "train"):
            siblings = [path for path in _files(kind, root.parent) if _family(path) == _family(root)]
            siblings = [path for path in siblings if path != root and split_in(path.stem) in ("val", "test")]
            files = [root, *siblings] if split_in(root.stem) == "train" else [root]
        else:
            return {"train": BoxSource("train", annotations=root)}
    else:
        files = files_of(kind, root)
    plain = (
        [path for path in files if not path.stem.lower().startswith(kind.others)] if kind.others else files
    )
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
        raise DataError(f"{clean(str(root))} has no {kind.word} for training: expected {kind.expected}.")
    return {split: BoxSource(split, annotations=by_split[split][0]) for split in SPLITS if split in by_split}


def _split_of(file: Path, root: Path) -> SplitName | None:
    """The split that a file's name says, or that of its folder inside `root`."""
    return split_in(file.stem) or (split_in(file.parent.name) if root in file.parent.parents else None)


def _family(path: Path) -> str:
    """A file's name without the word for its split: `instances_train2017` and `instances_val2017` are one."""
    return " ".join(word for word in path.stem.lower().replace("_", " ").split() if not split_in(word))


def _complete(kind: FileKind, source: BoxSource, root: Path | None) -> BoxSource:
    """A split of the config with the file that it does not name."""
    if source.list is not None:
        raise DataError(
            f"data.{source.split}.list is not for this format: name the {kind.word} in annotations."
        )
    if source.images is not None:
        require_folder(source.images)
    if source.annotations is not None:
        if not exists(source.annotations):
            raise DataError(f"{clean(str(source.annotations))} does not exist: correct data.{source.split}.")
        return source
    assert source.images is not None
    near = [source.images, source.images.parent, *([root] if root is not None and root.is_dir() else [])]
    for folder in near:
        found = [
            path for inner in _folders(kind, folder) for path in _files(kind, inner) if kind.looks_like(path)
        ]
        mine = [path for path in found if split_in(path.stem) in (source.split, None)]
        if len(mine) == 1:
            return BoxSource(source.split, source.images, mine[0])
    raise DataError(
        f"{clean(str(source.images))} has no single {kind.word} next to it: name it in "
        f"data.{source.split}.annotations."
    )


def _folders(kind: FileKind, base: Path) -> Iterator[Path]:
    yield base
    for name in subfolders(base):
        if name.lower() in kind.folders or split_in(name):
            yield base / name


def _files(kind: FileKind, folder: Path) -> list[Path]:
    names = sorted(
        name for name in names_in(folder) if name.lower().endswith(kind.endings) and not is_junk(name)
    )
    if kind.most is not None and len(names) > kind.most:
        return []
    return [folder / name for name in names]


def _image_folders(file: Path, root: Path) -> Iterator[Path]:
    """Where the images of a file may be, the likeliest first."""
    split = _split_of(file, root)
    near = [file.parent, file.parent.parent, *([root] if root.is_dir() else [])]
    for base in near:
        if base.parent == base or (inside(root, file) and not inside(root, base)):
            continue
        inner = [base / name for name in subfolders(base)]
        mine = [path for path in inner if split and split_in(path.name) == split]
        usual = [path for path in inner if path.name.lower() in IMAGE_FOLDERS]
        yield from mine
        for path in usual:
            yield from (path / name for name in subfolders(path) if split and split_in(name) == split)
        yield from usual
        yield base


def _above(kind: FileKind, files: Sequence[Path]) -> Path:
    """The folder of the data set that has these files: the one above a folder of annotations."""
    folder = Path(os.path.commonpath([file.parent for file in files]))
    return folder.parent if folder.name.lower() in kind.folders else folder
