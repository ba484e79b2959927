"""The image files below a folder, found by the names that annotations give them."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from core.datasets.findings import Findings
from core.datasets.images import SUFFIXES, has_image_suffix, unread_words
from core.datasets.walk import files_in, is_junk, is_text, not_text
from core.reading import shown

_ENDINGS = tuple(SUFFIXES)
How = Literal["exact", "spelling", "ending", "elsewhere"]


@dataclass(frozen=True)
class Match:
    """A file (path below the folder, with /) and how its name differs from the one that was asked for.

    `spelling`: letter case or the way accents are written; `ending`: another ending, or none was given;
    `elsewhere`: the only file of that name, in another folder.
    """

    path: str
    how: How


def files_below(folder: Path, *endings: str, told: list[str] | None = None) -> Iterator[str]:
    """Paths below `folder`, with /, of the files with one of these endings, or of all; junk is passed over.

    `told` takes a sentence on each folder that cannot be followed or listed.
    """
    above = len(os.path.join(folder, ""))
    for entry in files_in(folder, told=told):
        if (not endings or entry.name.lower().endswith(endings)) and not is_junk(entry.name):
            yield entry.path[above:]


class ImageIndex:
    """An index of the images below `folder`. Names with `..` or from the root of the disk match nothing.

    `found` takes warnings of what is there and cannot be used: names that are no text, folders that cannot be
    listed.
    """

    def __init__(self, folder: Path, found: Findings) -> None:
        self.folder = folder
        told: list[str] = []
        files = list(files_below(folder, told=told))
        paths = [path for path in files if path.lower().endswith(_ENDINGS)]
        self.paths = [path for path in paths if is_text(path)]
        for text in told:
            found.warn("", text)
        if unread := unread_words(files):
            found.warn("", f"{shown(folder.name)} has files that are no images{unread}")
        if len(self.paths) < len(paths):
            found.warn("", not_text([path for path in paths if not is_text(path)]))
        self._all = set(self.paths)
        self._keys: dict[str, list[str]] = {}
        self._stems: dict[str, list[str]] = {}
        self._bases: dict[str, list[str]] = {}
        self._matches: dict[tuple[str, bool], Match | None] = {}
        for path in self.paths:
            key = _key(path)
            self._keys.setdefault(key, []).append(path)
            self._stems.setdefault(_stem(key), []).append(path)
            self._bases.setdefault(_stem(key.rpartition("/")[2]), []).append(path)

    def find(self, name: str, *, anywhere: bool = False) -> Match | None:
        """The one image that `name` means; `anywhere`: also in another folder than it says, if only there."""
        asked = (name, anywhere)
        if asked not in self._matches:
            self._matches[asked] = self._find(name, anywhere)
        return self._matches[asked]

    def _find(self, name: str, anywhere: bool) -> Match | None:
        name = name.strip().replace("\\", "/")
        while name.startswith("./"):
            name = name[2:]
        if name in self._all:
            return Match(name, "exact")
        if not is_confined(name):
            return self._elsewhere(name) if anywhere else None
        key = _key(name)
        ending = key if not has_image_suffix(key) else _stem(key)
        for found, how in ((self._keys.get(key), "spelling"), (self._stems.get(ending), "ending")):
            if found and len(found) == 1:
                return Match(found[0], "ending" if how == "ending" else "spelling")
        return self._elsewhere(name) if anywhere else None

    def twins(self, name: str) -> list[str]:
        """The images that `name` could mean, when there are several: `a.png` and `a.jpg` for `a`."""
        key = _key(name.strip().replace("\\", "/"))
        return self._stems.get(key if not has_image_suffix(key) else _stem(key), [])

    def _elsewhere(self, name: str) -> Match | None:
        key = _key(name.rpartition("/")[2])
        found = self._bases.get(_stem(key) if has_image_suffix(key) else key, [])
        same = [path for path in found if _key(path.rpartition("/")[2]) == key] or found
        return Match(same[0], "elsewhere") if len(same) == 1 else None


def is_confined(name: str) -> bool:
    """Whether a path with / stays below the folder that it starts from."""
    drive = len(name) > 1 and name[1] == ":"
    return bool(name) and not name.startswith("/") and not drive and ".." not in name.split("/")


def _key(path: str) -> str:
    return unicodedata.normalize("NFC", path).casefold()


def _stem(key: str) -> str:
    return os.path.splitext(key)[0]
