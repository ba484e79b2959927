"""Files and folders that a command writes for people: whole, or not there when it fails."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from core.store import files


@contextmanager
def new_file(path: Path) -> Iterator[BinaryIO]:
    """A file to write that appears at `path` when the body ends without a fault, and otherwise not at all.

    Nothing is ever overwritten. Raises FileExistsError, OSError; they name `path`.
    """
    temporary = path.with_name(files.temporary_name(path.name))
    with files.about(path):
        if os.path.lexists(path):
            raise FileExistsError(17, "File exists", os.fspath(path))
        target = open(temporary, "xb")  # noqa: SIM115
    try:
        # Closing it writes what is left, and can fail once more.
        with target:
            yield target
            target.flush()
            files.sync(target.fileno(), path)
        files.link(temporary, path)
    except OSError as error:
        error.filename = error.filename or os.fspath(path)
        raise
    finally:
        with suppress(OSError):
            os.unlink(temporary)


def write_new(path: Path, data: bytes | str) -> None:
    """`new_file` of the whole content; text as UTF-8."""
    with new_file(path) as target:
        target.write(data.encode("utf-8", "surrogateescape") if isinstance(data, str) else data)


@contextmanager
def filled(folder: Path) -> Iterator[Path]:
    """A folder to fill, made with its parents where it is not there.

    When the body fails, what it put there goes, and the folders that were made. Raises OSError.
    """
    made = _make(folder)
    before = {entry.name for entry in os.scandir(folder)}
    try:
        yield folder
    except BaseException as error:
        if isinstance(error, OSError):
            error.filename = error.filename or os.fspath(folder)
        with suppress(OSError):
            for entry in list(os.scandir(folder)):
                if entry.name not in before:
                    _remove(entry)
        _unmake(made)
        raise


def _make(folder: Path) -> list[Path]:
    """The folders that had to be made, outermost first."""
    missing: list[Path] = []
    for parent in (folder, *folder.parents):
        if os.path.lexists(parent):
            break
        missing.append(parent)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        _unmake(missing[::-1])
        raise
    return missing[::-1]


def _unmake(made: list[Path]) -> None:
    with suppress(OSError):
        for path in reversed(made):
            if path.exists():
                path.rmdir()


def _remove(entry: os.DirEntry[str]) -> None:
    with suppress(OSError):
        if entry.is_dir(follow_symlinks=False):
            files.remove_tree(entry.path)
        else:
            files.unlink(entry.path)
