"""Paths that were written on another machine, or before files were moved: found again inside the data set."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path, PurePosixPath

from core.datasets.boxes.annotation_folders import IMAGE_FOLDERS
from core.datasets.boxes.annotations import BoxSource
from core.datasets.boxes.image_index import ImageIndex
from core.datasets.findings import Findings
from core.reading import as_on_disk, is_directory, is_regular

_PARENT = ".."


def moved_path(given: str, base: Path) -> Path | None:
    """The folder or file below `base` that ends like the path `given`, the longest end first, if any.

    `players-1/train/images` is `train/images`; a folder that is only called as all folders of images are is
    not taken.
    """
    for end in _ends(given):
        path = Path(as_on_disk(str(base / end)))
        if is_regular(path) or (is_directory(path) and end.lower() not in (*IMAGE_FOLDERS, "labels")):
            return path
    return None


class ListedImages:
    """The images that the lines of a list name. `moved` has those that lie in another place than it says."""

    def __init__(self, source: BoxSource, root: Path) -> None:
        assert source.list is not None
        own = [source.images] if source.images is not None else []
        self._folders = [source.list.parent, root, *own]
        self._inside = source.images or root
        self._cut = 0
        self.moved: list[str] = []

    def find(self, name: str) -> Path | None:
        """The image file that a line means, None when it is not there.

        As written; else below the folder of images or of the data set, with folders left out at its front;
        else the only image of that name.
        """
        entry = name.replace("\\", "/") if not os.path.exists(name) else name
        for folder in self._folders:
            path = Path(as_on_disk(os.path.normpath(folder / entry)))
            if path.is_file():
                return path
        found = self._elsewhere(entry)
        if found is not None:
            self.moved.append(name)
        return found

    def _elsewhere(self, entry: str) -> Path | None:
        ends = list(_ends(entry))
        for end in (*ends[self._cut : self._cut + 1], *ends):
            for folder in (self._inside, *self._folders):
                if (path := Path(as_on_disk(str(folder / end)))).is_file():
                    self._cut = ends.index(end)
                    return path
        match = self._index.find(ends[-1], anywhere=True) if ends else None
        return self._inside / match.path if match is not None else None

    @cached_property
    def _index(self) -> ImageIndex:
        return ImageIndex(self._inside, Findings())


def _ends(given: str) -> Iterator[str]:
    """The ends of a path, the longest first, as it stands after any `..` and without the root of a disk."""
    parts = [part for part in PurePosixPath(given.replace("\\", "/")).parts if part != "/"]
    while _PARENT in parts:
        parts = parts[parts.index(_PARENT) + 1 :]
    if parts and parts[0].endswith(":"):
        parts = parts[1:]
    for start in range(len(parts)):
        yield "/".join(parts[start:])
