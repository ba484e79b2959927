"""The one way to read a whole file: regular, of bounded size, its bytes made text by one rule.

*Missing*, *unreadable* and *empty* are three things: `MissingFileError`, `UnreadableError`, and the empty
content itself. Nothing here falls back or guesses; who can do without a missing file catches that error.
"""

from __future__ import annotations

import codecs
import os
import stat
import unicodedata
from functools import lru_cache
from typing import Any

import orjson

from core import os_errors
from core.errors import MissingFileError, UnreadableError
from core.text import clean
from core.text import shown as shown

AnyPath = str | os.PathLike[str]

SMALL = 1 << 22  # 4 MiB: configs, notes, one label file
LARGE = 1 << 26  # 64 MiB: lists, tables
HUGE = 1 << 31  # 2 GiB: annotations of a whole data set
# Without O_NONBLOCK a named pipe would be waited for, for ever.
_READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
_FIRST = 1 << 16
_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)
# UTF-32 before UTF-16: the mark of the one begins like that of the other.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def open_regular(path: AnyPath) -> int:
    """A descriptor of a regular file, for reading. Links are followed; nothing else is waited for.

    Raises MissingFileError when there is no such file, UnreadableError when it is no regular file or the
    system refuses it.
    """
    try:
        fd = os.open(path, _READ)
    except (FileNotFoundError, NotADirectoryError):
        raise MissingFileError(shown(path)) from None
    except (OSError, ValueError) as error:
        raise UnreadableError(shown(path), _reason(error)) from error
    try:
        check_regular(os.fstat(fd), path)
    except BaseException:
        os.close(fd)
        raise
    return fd


def check_regular(status: os.stat_result, path: AnyPath) -> None:
    """Raises UnreadableError when `status` is not that of a regular file."""
    if not stat.S_ISREG(status.st_mode):
        kind = next((name for test, name in _KINDS if test(status.st_mode)), "no file")
        raise UnreadableError(shown(path), f"it is {kind}, not a regular file")


def read_bytes(path: AnyPath, limit: int = SMALL) -> bytes:
    """The whole content of a regular file of at most `limit` bytes.

    Raises MissingFileError or UnreadableError (not regular, refused by the system, longer than `limit`).
    """
    data = find_bytes(path, limit)
    if data is None:
        raise MissingFileError(shown(path))
    return data


def find_bytes(path: AnyPath, limit: int = SMALL) -> bytes | None:
    """`read_bytes`, or None when there is no such file, and only then. Raises UnreadableError."""
    try:
        fd = os.open(path, _READ)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        raise UnreadableError(shown(path), _reason(error)) from error
    try:
        status = os.fstat(fd)
        check_regular(status, path)
        if status.st_size > limit:
            raise _too_long(path, limit)
        data = os.read(fd, _FIRST)
        if len(data) == _FIRST:
            parts, size = [data], _FIRST
            while size <= limit and (data := os.read(fd, 1 << 20)):
                parts.append(data)
                size += len(data)
            data = b"".join(parts)
        if len(data) > limit:
            raise _too_long(path, limit)
        return data
    except OSError as error:
        raise UnreadableError(shown(path), _reason(error)) from error
    finally:
        os.close(fd)


def decode(data: bytes, path: AnyPath) -> str:
    """Bytes to text by one rule: a byte order mark says which Unicode it is; without one it is UTF-8.

    Raises UnreadableError with the first line that is not; no other encoding is guessed.
    """
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), "utf-8")
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        byte = f"byte 0x{data[error.start]:02x}" if error.start < len(data) else "its end"
        if encoding in ("utf-8", "utf-8-sig"):
            reason = f"it is not UTF-8 text ({byte}): save it as UTF-8"
        else:
            reason = f"it is marked as {encoding.upper()} text but is not ({byte}): save it as UTF-8"
        raise UnreadableError(shown(path), reason, line) from error


def read_text(path: AnyPath, limit: int = SMALL) -> str:
    """The text of a regular file (`decode`). Raises MissingFileError or UnreadableError, with the line."""
    return decode(read_bytes(path, limit), path)


def read_object(path: AnyPath, limit: int = LARGE) -> dict[str, Any]:
    """The JSON object in a file. Raises MissingFileError, or UnreadableError when it is torn or no object."""
    return json_object(read_bytes(path, limit), path)


def find_object(path: AnyPath, limit: int = LARGE) -> dict[str, Any] | None:
    """`read_object`, or None when there is no such file, and only then. Raises UnreadableError."""
    data = find_bytes(path, limit)
    return None if data is None else json_object(data, path)


def json_object(data: bytes, path: AnyPath) -> dict[str, Any]:
    """The JSON object in the content of a file. Raises UnreadableError when it is empty, torn or another."""
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        if not data.strip():
            raise UnreadableError(shown(path), "it is empty") from None
        reason = f"it is not complete JSON ({clean(error.msg).split(':')[0]})"
        raise UnreadableError(shown(path), reason, error.lineno) from error
    if not isinstance(value, dict):
        raise UnreadableError(shown(path), f"it holds a JSON {type(value).__name__}, not an object")
    return value


def _too_long(path: AnyPath, limit: int) -> UnreadableError:
    size = f"{limit >> 20} MiB" if limit >= 1 << 20 else f"{limit} bytes"
    return UnreadableError(shown(path), f"it is longer than {size}")


def _reason(error: OSError | ValueError) -> str:
    if isinstance(error, OSError):
        return os_errors.reason(error)
    return "its name has a character that file names cannot have"


def exists(path: AnyPath) -> bool:
    """Whether anything has this name (links followed). Never raises; what cannot be asked is there."""
    try:
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return False
    except OSError:
        return True
    return True


def as_on_disk(path: str) -> str:
    """`path` in the spelling of its folders and file: accents may be composed in a text and not on disk.

    As it is where it exists; from the folder on that has nothing of that name.
    """
    if path.isascii() or exists(path):
        return path
    at = "/" if path.startswith("/") else ""
    for name in filter(None, path.split("/")):
        path_of_name = os.path.join(at, name)
        if not exists(path_of_name):
            names = _composed_names(at or ".", _changed(at or "."))
            path_of_name = os.path.join(at, names.get(unicodedata.normalize("NFC", name), name))
        at = path_of_name
    return at


@lru_cache(maxsize=256)
def _composed_names(folder: str, _changed: int) -> dict[str, str]:
    """The names in `folder` that are not ASCII, by their composed form."""
    try:
        names = sorted(os.listdir(folder), reverse=True)
    except OSError:
        return {}
    return {unicodedata.normalize("NFC", name): name for name in names if not name.isascii()}


def _changed(folder: str) -> int:
    try:
        return os.stat(folder).st_mtime_ns
    except OSError:
        return 0


def is_directory(path: AnyPath) -> bool:
    """Whether `path` is a folder (links followed); False for whatever cannot be asked."""
    try:
        return stat.S_ISDIR(os.stat(path).st_mode)
    except (OSError, ValueError):
        return False


def is_regular(path: AnyPath) -> bool:
    """Whether `path` is a regular file (links followed); False for whatever cannot be asked."""
    try:
        return stat.S_ISREG(os.stat(path).st_mode)
    except (OSError, ValueError):
        return False


def is_folder(entry: os.DirEntry[str], *, links: bool = True) -> bool:
    """Whether an entry of a listed folder is one; False for what cannot be asked, like a link to itself."""
    try:
        return entry.is_dir(follow_symlinks=links)
    except OSError:
        return False


def is_file(entry: os.DirEntry[str]) -> bool:
    """Whether an entry of a listed folder is a regular file (links followed); False as with `is_folder`."""
    try:
        return entry.is_file()
    except OSError:
        return False
