"""Every file below a folder: one walk for images, lists and annotations, which follows links."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from core.datasets.findings import count, some
from core.reading import is_folder, shown

_Identity = tuple[int, int]
NOT_UTF8 = "not UTF-8"
NOT_FOLLOWED = "leads to a folder above it, or to one that was looked through: not followed"
NOT_LISTED = "cannot be listed"


def is_junk(name: str) -> bool:
    """Whether a file is one that systems leave behind: hidden ones, `._a.xml`, `Thumbs.db`."""
    return name.startswith(".") or name.lower() in ("__macosx", "thumbs.db", "desktop.ini")


def files_in(
    folder: Path | str, passed_over: Callable[[str], bool] = is_junk, told: list[str] | None = None
) -> Iterator[os.DirEntry[str]]:
    """Whatever lies below `folder` and is no folder, by name; folders that are `passed_over` are not entered.

    A linked folder is entered like one that lies there, but none twice, and none above. What is not followed
    or cannot be listed is a sentence in `told`.
    """
    said: list[str] = [] if told is None else told
    yield from _below(os.fspath(folder), "", passed_over, said, _with_above(folder))


def leads_back(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a link to the folder that it lies in, or to one above."""
    return entry.is_symlink() and _identity(entry.path) in _with_above(os.path.dirname(entry.path))


def _with_above(folder: Path | str) -> set[_Identity | None]:
    above = (Path(at(folder)) for at in (os.path.abspath, os.path.realpath))
    return {_identity(parent) for path in above for parent in (path, *path.parents)}


def _below(
    folder: str, inside: str, passed_over: Callable[[str], bool], said: list[str], seen: set[_Identity | None]
) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as listed:
            entries = sorted(listed, key=lambda entry: entry.name)
    except OSError as error:
        said.append(f"{shown(inside or folder)} {NOT_LISTED} ({(error.strerror or '').lower()})")
        return
    folders: list[os.DirEntry[str]] = []
    linked: list[os.DirEntry[str]] = []
    for entry in entries:
        if not is_folder(entry):
            yield entry
        elif not passed_over(entry.name):
            (folders if is_folder(entry, links=False) else linked).append(entry)
    # Those that lie here first: of two ways to a folder the one without links counts.
    for entry in (*folders, *linked):
        identity = _identity(entry.path)
        if identity not in seen:
            seen.add(identity)
            yield from _below(entry.path, f"{inside}{entry.name}/", passed_over, said, seen)
        elif entry.is_symlink():
            said.append(f"{shown(inside + entry.name)} {NOT_FOLLOWED}")


def _identity(folder: Path | str) -> _Identity | None:
    try:
        status = os.stat(folder)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def is_text(path: str) -> bool:
    """Whether a path is text; on Unix a file's name may be any bytes."""
    return path.isascii() or not any("\ud800" <= sign <= "\udfff" for sign in path)


def not_text(paths: Sequence[str]) -> str:
    """The sentence on images left out because their names are no text, with their bytes."""
    one = len(paths) == 1
    names = some(map(shown, paths))
    return (
        f"{count(len(paths), 'image')} left out, {'its name is' if one else 'their names are'} {NOT_UTF8}: "
        f"{names}; rename {'it' if one else 'them'}, as `convmv -f CP949 -t UTF-8 --notest FILE` does"
    )
