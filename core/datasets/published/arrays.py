"""The formats cifar10, cifar100, mnist and fashionmnist: torchvision's files, as they lie on disk."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from core.config.data_formats import DATA_FORMATS, PUBLISHED_FORMATS
from core.config.data_schema import DataConfig
from core.datasets.check import Check, check_images
from core.datasets.class_folders.scan import class_order
from core.datasets.class_images import (
    ClassImages,
    Files,
    Splits,
    as_dataset,
    counted_outline,
    hold_out,
    require_images,
)
from core.datasets.dataset import Dataset
from core.datasets.format import Format
from core.datasets.outline import Outline
from core.datasets.pictures import (
    BINARY,
    Pictures,
    cifar_pictures,
    member,
    read_idx,
    read_pictures,
    read_records,
)
from core.datasets.published.catalogue import PUBLISHED, Published
from core.datasets.published.idx_sets import IDX, idx_files, is_idx_set
from core.datasets.published.pickles import read_pickle
from core.download import checksum
from core.errors import DataError
from core.reading import read_text
from core.text import clean


@dataclass(frozen=True)
class ArraySet:
    """What the files hold. `train` and `test`: (member path, label, bytes of its file) of each picture.

    `groups` names the group of each class, for sets that have groups.
    """

    class_names: tuple[str, ...]
    groups: tuple[str, ...] | None
    train: tuple[tuple[str, int, int], ...]
    test: tuple[tuple[str, int, int], ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class ArrayFormat:
    """One of torchvision's sets."""

    name: str

    def detect(self, path: Path) -> bool:
        """Whether its files lie in `path`, as far as names and the checksum of a small file tell."""
        return any(_folder(path, form) is not None for form in PUBLISHED[self.name].forms) or _is_published(
            path, PUBLISHED[self.name]
        )

    def has_boxes(self, data: DataConfig) -> bool:
        return False

    def require(self, data: DataConfig) -> None:
        assert data.root is not None
        array_folder(data.root, self.name)

    def require_usable(self, data: DataConfig) -> None:
        """The files are checked as a whole when they are opened."""

    def outline(self, data: DataConfig) -> Outline:
        images = read_array_set(data, self.name, check=False)
        names, counts, _ = self._classes(data, images)
        test = sum(len(files) for files in _by_class(images.test, images, names).values())
        val = test if data.val == "test" else None
        where = clean(str(data.root))
        return counted_outline(data, names, counts, val, test, data.val == "test", where)

    def open(self, data: DataConfig) -> Dataset:
        assert data.root is not None
        images = read_array_set(data, self.name)
        names, _, order_notes = self._classes(data, images)
        notes = [*images.notes, *order_notes]
        splits = _splits(data, images, names)
        require_images(splits["train"], clean(str(data.root)), ())
        if data.val == "test":
            title = DATA_FORMATS[self.name].label
            notes.append(f"validation is the test part of {title}: the best epoch is chosen on it")
        groups = None
        if images.groups is not None:
            group_of = dict(zip(images.class_names, images.groups, strict=True))
            groups = tuple(group_of[name] for name in names)
        return as_dataset(data, data.root, names, splits, notes, groups, in_file_order=True)

    def check(self, data: DataConfig, *, deep: bool = False) -> Check:
        return check_images(self.open(data), {}, self.name, deep)

    def read(self, data: DataConfig) -> ClassImages:
        assert data.root is not None
        images = read_array_set(data, self.name)
        names, _, order_notes = self._classes(data, images)
        notes = [*images.notes, *order_notes]
        splits = _splits(data, images, names)
        if "val" not in splits:
            hold_out(splits, data, notes)
        title = DATA_FORMATS[self.name].label
        return ClassImages(self.name, data.root, names, splits, (), tuple(notes), title)

    def _classes(self, data: DataConfig, images: ArraySet) -> tuple[tuple[str, ...], list[int], list[str]]:
        """The classes to use, the training pictures of each, and notes."""
        of = Counter(images.class_names[label] for _, label, _ in images.train)
        counts = {name: of[name] for name in images.class_names}
        where = f"{DATA_FORMATS[self.name].label} has no such class"
        names, notes = class_order(data, sorted(images.class_names), counts, where, images.class_names)
        return names, [counts[name] for name in names], notes


@dataclass(frozen=True)
class IdxFormat(ArrayFormat):
    """Idx files of any other set: its classes are the numbers of its labels that occur in training."""

    def detect(self, path: Path) -> bool:
        return is_idx_set(path) and not any(FORMATS[name].detect(path) for name in PUBLISHED_FORMATS)

    def _classes(self, data: DataConfig, images: ArraySet) -> tuple[tuple[str, ...], list[int], list[str]]:
        of = Counter(images.class_names[label] for _, label, _ in images.train)
        there = [name for name in images.class_names if of[name]]
        names, notes = class_order(data, there, of, f"{clean(str(data.root))} has no such class", there)
        return names, [of[name] for name in names], notes


FORMATS: dict[str, Format] = {
    **{name: ArrayFormat(name) for name in PUBLISHED_FORMATS},
    IDX: IdxFormat(IDX),
}


def array_formats(root: Path) -> list[str]:
    """The formats whose files lie in `root`, as far as names tell."""
    return [name for name in PUBLISHED_FORMATS if FORMATS[name].detect(root)]


def _by_class(
    rows: Sequence[tuple[str, int, int]], images: ArraySet, names: Sequence[str]
) -> dict[str, Files]:
    files: dict[str, Files] = {name: [] for name in names}
    for path, label, size in rows:
        if (name := images.class_names[label]) in files:
            files[name].append((path, size))
    return files


def _splits(data: DataConfig, images: ArraySet, names: Sequence[str]) -> Splits:
    """The pictures of train and of test, which may be taken for val."""
    test = "val" if data.val == "test" else "test"
    return {"train": _by_class(images.train, images, names), test: _by_class(images.test, images, names)}


def array_folder(root: Path, name: str) -> Path:
    """The folder with the files of format `name`: below `root`, or `root` itself.

    Raises DataError that says what to put where.
    """
    return array_files(root, name)[1]


def array_files(root: Path, name: str) -> tuple[Published, Path]:
    """Which files of the format `name` there are, and the folder that they lie in: below `root`, or `root`.

    Raises DataError that says what to put where.
    """
    if name == IDX:
        return idx_files(root)
    known = PUBLISHED[name]
    forms = [(form, _folder(root, form) or _flat(root, form)) for form in known.forms]
    form, folder = next((each for each in forms if each[1] is not None), (known, None))
    if folder is None:
        raise DataError(
            f"{clean(str(root))} has no {known.folder} with the files of {known.title}: "
            f"`labtui data add {name} --root {clean(str(root))}` downloads them, "
            f"or put {packed(known)} there."
        )
    absent = [file for file in needed(form) if _file(folder, file) is None]
    if absent:
        raise DataError(
            f"{clean(str(folder / absent[0]))} is missing: "
            f"`labtui data add {name} --root {clean(str(root))}` downloads {known.title} again."
        )
    return form, folder


def packed(known: Published) -> str:
    """What to get by hand, in words."""
    first = known.archives[0]
    if len(known.archives) == 1:
        return f"{first.name} (from {first.urls[0]}, then `tar -xzf {first.name}`)"
    return f"{', '.join(archive.name for archive in known.archives)} (from {os.path.dirname(first.urls[0])}/)"


def needed(known: Published) -> list[str]:
    """The files of a set, without `.gz`."""
    labels = known.labels or {}
    pictures = [*known.train, *known.test]
    names = filter(None, [known.names, known.group_names])
    return [*pictures, *(labels[name] for name in pictures if name in labels), *names]


def read_array_set(data: DataConfig, name: str, *, check: bool = True) -> ArraySet:
    """All of the format `name` in `data.root`. Raises DataError when files are missing, damaged or odd.

    Without `check` the pictures are not looked at.
    """
    root = data.root
    assert root is not None
    known, folder = array_files(root, name)
    notes: list[str] = []
    class_names, group_names = _names(folder, known)
    parents: dict[int, set[int]] = {}
    splits = []
    for files in (known.train, known.test):
        rows: list[tuple[str, int, int]] = []
        for wanted in files:
            path = _there(folder, wanted)
            labels, coarse = _read(folder, path, wanted, known, notes if check else None)
            wrong = [label for label in labels if not 0 <= label < len(class_names)]
            if wrong:
                raise DataError(
                    f"{clean(str(path))} has the label {wrong[0]}, but there are {len(class_names)} classes: "
                    "get the data set again."
                )
            for fine, group in zip(labels, coarse, strict=False):
                parents.setdefault(fine, set()).add(group)
            relative, size = os.path.relpath(path, root), path.stat().st_size
            rows += [(member(relative, index), label, size) for index, label in enumerate(labels)]
        splits.append(tuple(rows))
    groups = _groups(class_names, group_names, parents)
    return ArraySet(class_names, groups, splits[0], splits[1], tuple(notes))


def _names(folder: Path, known: Published) -> tuple[tuple[str, ...], tuple[str, ...]]:
    if not known.names:
        return known.classes, ()
    path = _there(folder, known.names)
    text = path.suffix == ".txt"
    content = {} if text else read_pickle(path)
    names = _name_lines(path) if text else content.get(known.keys[1])
    if not isinstance(names, list) or len(names) < 2 or not all(isinstance(name, str) for name in names):
        raise DataError(f"{clean(str(path))} holds no class names: get the data set again.")
    cleaned = tuple(clean(name) for name in names)
    if len(set(cleaned)) < len(cleaned):
        raise DataError(f"{clean(str(path))} names a class twice: get the data set again.")
    groups = content.get(known.group_keys[1], [])
    if known.group_names:
        groups = _name_lines(_there(folder, known.group_names))
    return cleaned, tuple(clean(name) for name in groups if isinstance(name, str))


def _read(
    folder: Path, path: Path, name: str, known: Published, notes: list[str] | None
) -> tuple[list[int], list[int]]:
    """Labels and groups of the pictures in `path`, checked against the pictures and the published files."""
    pictures: Pictures | None = None
    if path.suffix == BINARY:
        pictures, both = read_records(path)
        labels, coarse = both[:, -1].tolist(), both[:, 0].tolist() if both.shape[1] > 1 else []
        checked, content = [path], None
    elif known.labels is not None:
        label_path = _there(folder, known.labels[name])
        labels, coarse = read_idx(label_path, 1).tolist(), []
        checked, content = [path, label_path], None
    else:
        content = read_pickle(path)
        labels, coarse = _whole(content.get(known.keys[0])), _whole(content.get(known.group_keys[0]))
        checked = [path]
    if notes is None:
        return labels, coarse
    if pictures is None:
        pictures = cifar_pictures(path, content) if content is not None else read_pictures(path)
    count = len(pictures)
    if len(labels) != count:
        raise DataError(
            f"{clean(str(path))} holds {count} pictures but {len(labels)} labels: get the data set again."
        )
    odd = [
        file for file in checked if known.md5 and checksum(file, "md5") != known.md5.get(_plain(file.name))
    ]
    if odd and count == known.images[name]:
        raise DataError(
            f"{clean(str(odd[0]))} is damaged: it has as many pictures as the published file of "
            f"{known.title} but another checksum. Remove it and get it again."
        )
    if odd:
        notes.append(f"{path.name} is not the published file: {count} pictures")
    return labels, coarse


def _whole(values: object) -> list[int]:
    if not isinstance(values, list):
        return []
    return [value for value in values if isinstance(value, int) and not isinstance(value, bool)]


def _groups(
    names: tuple[str, ...], groups: tuple[str, ...], parents: dict[int, set[int]]
) -> tuple[str, ...] | None:
    """The group of each class, when every class has exactly one."""
    found = [parents.get(index, set()) for index in range(len(names))]
    if not groups or any(len(each) != 1 or not 0 <= min(each) < len(groups) for each in found):
        return None
    return tuple(groups[min(each)] for each in found)


def _folder(root: Path, known: Published) -> Path | None:
    """The folder of that name: in `root`, or `root` itself or its beginning."""
    parts = Path(known.folder).parts
    for skip in range(len(parts) + 1):
        folder = root.joinpath(*parts[skip:])
        named = tuple(root.parts[len(root.parts) - skip :]) == parts[:skip]
        if named and _file(folder, known.train[0]) is not None:
            return folder
    return None


def _flat(root: Path, known: Published) -> Path | None:
    return root if _file(root, known.train[0]) is not None else None


def _file(folder: Path, name: str) -> Path | None:
    """The file `name` of a set, perhaps gzipped, with a dot (`.idx3-ubyte`), or in a folder of its name."""
    names = dict.fromkeys((name, name.replace("-idx", ".idx")))
    tried = [path for each in names for path in (folder / each, folder / f"{each}.gz", folder / each / each)]
    return next((path for path in tried if path.is_file()), None)


def _plain(name: str) -> str:
    return name.replace(".idx", "-idx")


def _name_lines(path: Path) -> list[str]:
    return [line.strip() for line in read_text(path).splitlines() if line.strip()]


def _is_published(root: Path, known: Published) -> bool:
    """Whether the small file of test labels lies loose in `root`, and is the published one of this set."""
    if known.labels is None:
        return False
    labels = _file(root, known.labels[known.test[0]])
    return labels is not None and checksum(labels, "md5") == known.md5.get(_plain(labels.name))


def _there(folder: Path, name: str) -> Path:
    path = _file(folder, name)
    if path is None:
        raise DataError(f"{clean(str(folder / name))} is missing: get the data set again.")
    return path
