"""All file writes of the store, in one place: whole or not at all, and able to fail on demand (`faults`)."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import orjson

from core.errors import UnreadableError
from core.reading import LARGE, find_object
from core.store.faults import AnyPath, due, step, strike
from core.store.process import host_tag, is_running

DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_NO_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.EMLINK, errno.ENOSYS, errno.EXDEV})
_STALE_AFTER = 3600.0


def read_json(path: AnyPath, limit: int = LARGE) -> dict[str, Any] | None:
    """The JSON object in a file, or None when there is no such file, and only then.

    For whatever is acted upon: raises UnreadableError when the file is there but empty, torn, too long, no
    object, not regular or refused by the system.
    """
    return find_object(path, limit)


def peek_json(path: AnyPath, limit: int = LARGE) -> dict[str, Any] | None:
    """`read_json` for readers that only show: None also when the file cannot be read. Never raises."""
    try:
        return find_object(path, limit)
    except UnreadableError:
        return None


def look_json(path: AnyPath, problems: list[str], limit: int = LARGE) -> dict[str, Any]:
    """`read_json` for readers that show and say what is wrong: empty when there is no such file, or when it
    cannot be read, which is added to `problems` in words. Never raises.
    """
    try:
        return find_object(path, limit) or {}
    except UnreadableError as error:
        problems.append(str(error))
        return {}


def modified(path: AnyPath) -> int:
    """When a file or folder was last changed, in nanoseconds; 0 when it is not there. Never raises."""
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return 0


def write_bytes(path: AnyPath, data: bytes | memoryview) -> None:
    """Replace `path` by `data`, durably: readers see the old content or the new one, also after a power cut.

    Mode 0600. Raises OSError; the old file is then untouched and no temporary file stays, unless only the
    last step (making the new name durable) failed.
    """
    with staged(path, data):
        pass


@contextmanager
def about(path: AnyPath) -> Iterator[None]:
    """A fault of what is inside names `path`, whatever the call that failed was given."""
    try:
        yield
    except OSError as error:
        error.filename, error.filename2 = os.fspath(path), None
        raise


@contextmanager
def staged(path: AnyPath, data: bytes | memoryview) -> Iterator[None]:
    """`write_bytes` in two steps: written under a temporary name at first, and given its own after the body.

    When the body raises, nothing of it stays.
    """
    temporary = _write_temporary(path, data)
    try:
        yield
        with about(path):
            step("replace", path)
            os.replace(temporary, path)
    except BaseException:
        _discard(temporary)
        raise
    sync_folder(os.path.dirname(path) or ".")


def write_json(path: AnyPath, value: Mapping[str, Any]) -> None:
    """`write_bytes` of one JSON object; numbers must be finite (`metrics.encode` makes them so)."""
    write_bytes(path, encode(value))


def create_json(path: AnyPath, value: Mapping[str, Any]) -> None:
    """Create `path` with whole content; raises FileExistsError when another process was first."""
    data = encode(value)
    temporary = _write_temporary(path, data)
    try:
        step("link", path)
        try:
            os.link(temporary, path)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            _create_plain(path, data)
    finally:
        _discard(temporary)
    sync_folder(os.path.dirname(path) or ".")


def touch_exclusive(path: AnyPath) -> bool:
    """Create the empty file `path`; False when it was there already."""
    step("create", path)
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        return False
    sync_folder(os.path.dirname(path) or ".")
    return True


def append(fd: int, line: bytes, path: AnyPath = "") -> int:
    """Append `line` with one `os.write`; returns the bytes written, fewer than given on a full disk."""
    if how := due("append", path):
        os.write(fd, line[: len(line) // 2])
        strike(how, path)
    return os.write(fd, line)


def sync(fd: int, path: AnyPath = "") -> None:
    """fsync of an open file."""
    with about(path):
        step("fsync", path)
        os.fsync(fd)


def sync_folder(path: AnyPath) -> None:
    """fsync of a folder, which makes the names in it durable."""
    step("fsync folder", path)
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with about(path):
            os.fsync(fd)
    except OSError as error:
        # Some network file systems cannot sync folders and say EINVAL.
        if error.errno != errno.EINVAL:
            raise
    finally:
        os.close(fd)


def make_dir(path: AnyPath, *, exist_ok: bool = False) -> None:
    """Make one folder, mode 0700. Raises FileExistsError unless `exist_ok`."""
    step("mkdir", path)
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        if not exist_ok:
            raise
        if not os.path.isdir(path):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), os.fspath(path)) from None


def rename(source: AnyPath, target: AnyPath) -> None:
    """Rename a file or folder durably. A folder never replaces a folder that has something in it."""
    step("rename", target)
    os.rename(source, target)
    sync_folder(os.path.dirname(target) or ".")


def link(source: AnyPath, target: AnyPath) -> None:
    """Give a file a second name; where the file system has no links, a durable copy."""
    step("link", target)
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        _copy(source, target)
    sync_folder(os.path.dirname(target) or ".")


def unlink(path: AnyPath) -> None:
    """Remove one file; a missing one is fine."""
    step("unlink", path)
    with suppress(FileNotFoundError):
        os.unlink(path)


def remove_tree(path: AnyPath) -> None:
    """Remove a folder with all that is in it; links are removed, never followed."""
    step("remove", path)
    shutil.rmtree(path)


def temporary_name(name: str) -> str:
    """A hidden name which says who is writing it: `.NAME.<host>-<pid>-<random>.tmp`."""
    return f".{name}.{host_tag()}-{os.getpid()}-{secrets.token_hex(4)}.tmp"


def is_abandoned(path: AnyPath, name: str) -> bool:
    """Whether the writer named in a temporary name is dead; on another host: silent for an hour.

    `name` ends with `<host>-<pid>-<random>`, with or without `.tmp`.
    """
    parts = name.removesuffix(".tmp").rsplit(".", 1)[-1].rsplit("-", 3)[-3:]
    if len(parts) != 3 or not parts[1].isdigit():
        return False
    if parts[0] == host_tag():
        return not is_running(int(parts[1]))
    try:
        return time.time() - os.stat(path, follow_symlinks=False).st_mtime > _STALE_AFTER
    except OSError:
        return False


def sweep(folder: AnyPath) -> list[str]:
    """Remove temporary files of dead writers in `folder` (not below it); returns the removed names."""
    removed = []
    try:
        entries = list(os.scandir(folder))
    except OSError:
        return []
    for entry in entries:
        if not (entry.name.startswith(".") and entry.name.endswith(".tmp")):
            continue
        if is_abandoned(entry.path, entry.name):
            with suppress(OSError):
                unlink(entry.path)
                removed.append(entry.name)
    return removed


class Reserve:
    """Disk space kept for one small file, so that its content can still be written when the disk is full.

    A hidden file beside it holds the space; the content is written over it and it is renamed. Where the file
    system gives no space beforehand (copy on write), a full disk can still refuse.
    """

    def __init__(self, path: AnyPath, size: int = 8192) -> None:
        """Raises OSError when there is no room even now."""
        self.path, self.size = path, size
        # JSON may end in blanks, so what is left of them does no harm.
        self._temporary = _write_temporary(path, b" " * size)

    def write(self, data: bytes) -> None:
        """Write `data`, at most `size` bytes, by the space kept. Raises OSError."""
        fd = os.open(self._temporary, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            os.pwrite(fd, data[: self.size], 0)
            with suppress(OSError):
                os.fsync(fd)
        finally:
            os.close(fd)
        os.replace(self._temporary, self.path)

    def release(self) -> None:
        """Give the space back; after `write` there is nothing to give."""
        _discard(self._temporary)


def reserve(path: AnyPath) -> Reserve | None:
    """Space for `path`, or None when it cannot be had: it is only a precaution."""
    with suppress(OSError):
        return Reserve(path)
    return None


def encode(value: Mapping[str, Any]) -> bytes:
    """One JSON object as the store writes it."""
    return orjson.dumps(dict(value), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def _write_temporary(path: AnyPath, data: bytes | memoryview) -> str:
    folder, name = os.path.split(os.fspath(path))
    temporary = os.path.join(folder, temporary_name(name))
    step("create", path)
    with about(path):
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        try:
            _write(fd, data, path)
            sync(fd, path)
        finally:
            os.close(fd)
    except BaseException:
        _discard(temporary)
        raise
    return temporary


def _create_plain(path: AnyPath, data: bytes) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        _write(fd, data, path)
        sync(fd, path)
    except BaseException:
        _discard(os.fspath(path))
        raise
    finally:
        os.close(fd)


def _copy(source: AnyPath, target: AnyPath) -> None:
    folder, name = os.path.split(os.fspath(target))
    temporary = os.path.join(folder, temporary_name(name))
    try:
        with about(target):
            shutil.copyfile(source, temporary)
            os.chmod(temporary, 0o600)
        fd = os.open(temporary, os.O_RDONLY | os.O_CLOEXEC)
        try:
            sync(fd, target)
        finally:
            os.close(fd)
        step("replace", target)
        os.replace(temporary, target)
    except BaseException:
        _discard(temporary)
        raise


def _write(fd: int, data: bytes | memoryview, path: AnyPath) -> None:
    view = memoryview(data).cast("B")
    with about(path):
        if how := due("write", path):
            os.write(fd, view[: len(view) // 2])
            strike(how, path)
        while view:
            view = view[os.write(fd, view) :]


def _discard(path: str) -> None:
    with suppress(OSError):
        os.unlink(path)
