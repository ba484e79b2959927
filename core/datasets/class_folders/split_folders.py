"""Folders that hold data sets: which are classes, which are splits, and what can be listed."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from core.config.schema import SplitName
from core.datasets.images import is_image_name
from core.datasets.names import named_after
from core.datasets.walk import NOT_UTF8, files_in, is_text, leads_back
from core.errors import DataError
from core.reading import is_folder, shown
from core.text import clean, did_you_mean

SPLITS: tuple[SplitName, ...] = ("train", "val", "test")
PICTURES = ("images", "image", "imgs", "img", "pictures", "photos", "jpg", "jpeg", "data")
"""Names of folders that hold all images of a data set."""
_WORDS: dict[str, SplitName] = {
    **dict.fromkeys(("train", "training", "trainset"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "valset", "dev"), "val"),
    **dict.fromkeys(("test", "testing", "testset"), "test"),
}
_FILLER = re.compile(
    r"set|images?|imgs?|data|dataset|split|folder|pictures|photos|samples|lists?|labels?|annotations|files|"
    r"class|classes"
)
_NO_CLASS = frozenset({"__MACOSX", "__pycache__", "lost+found"})
_LOOKED_AT = 300


@dataclass(frozen=True)
class Source:
    """Where the images of one split are.

    `list` chooses among the images below `images`, and may name their classes. `part`: only the rows of that
    split in a list that has them, or, without a list, the folders of that name inside each class folder.
    """

    images: Path
    list: Path | None = None
    part: SplitName | None = None

    @property
    def shown(self) -> str:
        """The folder or list, for people."""
        return clean(str(self.list or self.images))


@dataclass(frozen=True)
class Found:
    """What was found in a folder by names: the splits that are there, and sentences on the rest."""

    train: Source
    val: Source | None = None
    test: Source | None = None
    notes: tuple[str, ...] = ()


def no_root(what: str = "the folder of the data set") -> DataError:
    """That the config names no `data.root`, which is `what`."""
    return DataError(f"data.root must be given: {what}.")


def no_test_images(reason: str, what: str) -> DataError:
    """That `data.val: test` finds none, for the `reason`; `what` is to be named instead."""
    return DataError(
        f"data.val is test, but {reason}: name {what} in data.test, or set data.val to null to hold out "
        "a part of the training images."
    )


def require_folder(folder: Path) -> None:
    """Raise DataError, with the absolute path, unless `folder` is one that can be listed."""
    where = shown(folder)
    if not is_text(str(folder)):
        raise DataError(f"The name of the folder {where} is {NOT_UTF8}: rename it.")
    if not folder.exists():
        nearest = next(parent for parent in folder.parents if parent.exists())
        hint = did_you_mean(folder.name, names_in(nearest)) if nearest == folder.parent else ""
        raise DataError(f"{where} does not exist{hint}: correct the path in the config, or give --data.")
    if not folder.is_dir():
        raise DataError(f"{where} is not a folder.")
    if not os.access(folder, os.R_OK | os.X_OK):
        raise DataError(f"{where} may not be read: change its permissions.")


def class_folders(folder: Path, others: Iterable[Collection[str]] = ()) -> dict[str, str]:
    """Class name to folder name, sorted by folder name; `others` are those of the other splits.

    Accents are composed and white space is put right, as in files that name classes. Raises DataError for two
    folders of one name, or a folder whose name is no text.
    """
    folders = subfolders(folder)
    odd = next((name for name in folders if not is_text(name)), None)
    if odd is not None:
        text = f"has a class folder whose name is {NOT_UTF8}, {shown(odd)}"
        raise DataError(f"{shown(folder)} {text}: rename it.")
    names = named_after([folders, *others])
    found: dict[str, str] = {}
    for each in folders:
        if names[each] in found:
            text = f"has two class folders called '{names[each]}', with accents written in two ways"
            raise DataError(f"{shown(folder)} {text}: put their images into one.")
        found[names[each]] = each
    return found


def subfolders(folder: Path) -> list[str]:
    """Names of the folders in `folder` that may hold images, sorted."""
    return sorted(entry.name for entry in _entries(folder) if _is_folder(entry) and not leads_back(entry))


def links_back(folder: Path) -> list[str]:
    """Names of the links in `folder` that lead to it or above: no folders of its own."""
    return sorted(entry.name for entry in _entries(folder) if is_folder(entry) and leads_back(entry))


def names_in(folder: Path) -> list[str]:
    """Names in `folder`; none when it cannot be listed."""
    try:
        return os.listdir(folder)
    except OSError:
        return []


def has_loose_images(folder: Path) -> bool:
    """Whether there are images right in `folder`."""
    return any(is_image_name(entry.name) for entry in _entries(folder))


def has_images(folder: Path) -> bool:
    """Whether there is an image somewhere below `folder`."""
    if has_loose_images(folder):
        return True
    return any(is_image_name(entry.name) for entry in files_in(folder, _is_no_class))


def is_flat(folder: Path) -> bool:
    """Whether there are images right in `folder` and no folders; looks at the first few hundred names."""
    images = False
    for entry in islice(_entries(folder), _LOOKED_AT):
        if _is_folder(entry):
            return False
        images = images or is_image_name(entry.name)
    return images


def part_folder(folder: Path, part: str) -> Path | None:
    """The folder of split `part` inside a class folder."""
    return next((folder / name for name in subfolders(folder) if split_word(name) == part), None)


def split_folders(base: Path, ignore: Path | None = None) -> dict[SplitName, str]:
    """The folder of each split, by name. Raises DataError when there are two for one.

    Folders of images beside others of images are classes, though one be called train; not so where a split
    has folders in it.
    """
    names = [name for name in subfolders(base) if base / name != ignore]
    flat = {name for name in names if split_in(name) and is_flat(base / name)}
    deep = any(split_in(name) and name not in flat for name in names)
    if flat and not deep and any(is_flat(base / name) for name in names if not split_in(name)):
        names = [name for name in names if name not in flat]
    rests: dict[str, set[str]] = {}
    for name in names:
        if split := split_in(name):
            rests.setdefault(_rest(name), set()).add(split)
    found: dict[SplitName, list[str]] = {}
    for name in names:
        split, rest = split_in(name), _rest(name)
        if split and (split_named(name) or len(rests[rest]) > 1):
            found.setdefault(split, []).append(name)
    for split, twins in found.items():
        if len(twins) > 1:
            raise DataError(
                f"{clean(str(base))} has both {clean(twins[0])} and {clean(twins[1])}: "
                f"name the one that counts in data.{split}."
            )
    return {split: found[split][0] for split in SPLITS if split in found}


def split_word(word: str) -> SplitName | None:
    """The split that one word means: `Validation` is val."""
    return _WORDS.get(word.strip().lower())


def split_in(name: str) -> SplitName | None:
    """The split that a name has in it: `seg_train`, `Training Set`, `test2017`."""
    found = [split for word in _words(name) if (split := split_word(word))]
    return found[0] if len(found) == 1 else None


def split_named(name: str) -> SplitName | None:
    """The split that a name stands for, with no other word in it than such as `set` or `labels`."""
    return split_in(name) if all(map(_FILLER.fullmatch, _rest(name).split())) else None


def _rest(name: str) -> str:
    return " ".join(word for word in _words(name) if not split_word(word))


def _words(name: str) -> list[str]:
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)  # trainLabels
    return [word for word in re.split(r"[^a-z]+", apart.lower()) if word]


def _is_folder(entry: os.DirEntry[str]) -> bool:
    return not _is_no_class(entry.name) and is_folder(entry)


def _is_no_class(name: str) -> bool:
    return name.startswith(".") or name in _NO_CLASS


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            yield from entries
    except OSError:
        return
