"""What the operating system refused, in a sentence with the path and the way out."""

from __future__ import annotations

import errno
import os
import re
from contextlib import suppress

from core.text import clean, shown

_TEMPORARY = re.compile(r"(?P<folder>.*/)?\.(?P<name>[^/]+)\.[0-9a-f]{6}-\d+-[0-9a-f]{8}(?:\.tmp)?(?:/.*)?")
_REFUSED = (errno.EACCES, errno.EPERM)
_ROOM = "make room, then try again"
_WORDS = {
    errno.ENOSPC: ("the disk is full", _ROOM),
    errno.EDQUOT: ("your share of this disk is used up (disk quota)", _ROOM),
    errno.EROFS: (
        "its disk is mounted read-only",
        "use a folder on another disk, or have it mounted writable",
    ),
    errno.ELOOP: ("a link in this path leads back to itself", "remove that link"),
    errno.ENAMETOOLONG: ("this name is too long", "use a shorter one"),
    errno.ENOENT: ("there is no such file or folder", ""),
    errno.EEXIST: ("it already exists", "use another name"),
    errno.EISDIR: ("it is a folder, not a file", ""),
    errno.ENOTEMPTY: ("this folder is not empty", ""),
    errno.EIO: ("the disk reports an error (input/output error)", "see its health, and use another disk"),
    errno.ESTALE: ("the network disk no longer knows it (stale file handle)", "try again"),
    errno.EMFILE: ("too many open files", "raise the limit (ulimit -n)"),
    errno.ENFILE: ("too many open files on this machine", "end programs, then try again"),
    errno.EFBIG: (
        "files are limited to less here",
        "raise the limit (ulimit -f), or use another file system",
    ),
    errno.ENOMEM: ("the machine is out of memory", "end programs, then try again"),
    errno.ETXTBSY: ("the file is being run", ""),
}


def sentence(error: OSError) -> str:
    """`/data/runs/x: the disk is full; make room, then try again.` without any error number."""
    path = path_of(error)
    reason, way_out = _reason(error, path)
    said = f"{shown(path)}: {reason}" if path else reason
    return f"{said}; {way_out}." if way_out else f"{said}."


def reason(error: OSError) -> str:
    """The same without the path and the way out: `the disk is full`."""
    return _reason(error, path_of(error))[0]


def path_of(error: OSError) -> str:
    """What an error is about; a file that was written under a temporary name by the name that it gets."""
    path = error.filename2 if error.filename2 is not None else error.filename
    if not isinstance(path, str | bytes | os.PathLike):
        return ""
    text = os.fsdecode(path)
    hidden = _TEMPORARY.fullmatch(text)
    if hidden is None:
        return text
    folder = hidden["folder"] or ""
    # A folder that is made under a hidden name gets one that is not known yet.
    return folder.rstrip("/") if hidden["name"] in ("new", "trash") else folder + hidden["name"]


def _reason(error: OSError, path: str) -> tuple[str, str]:
    if error.errno in _REFUSED:
        return _refused(path)
    if error.errno == errno.ENOTDIR:
        return _no_folder(path), ""
    if error.errno in _WORDS:
        return _WORDS[error.errno]
    return (
        clean(error.strerror).lower() if error.strerror else clean(str(error)) or type(error).__name__
    ), ""


def _refused(path: str) -> tuple[str, str]:
    """Whose it is: of the file where it is there, else of the nearest folder that is."""
    at = os.path.abspath(path) if path else ""
    while at:
        with suppress(OSError, ValueError):
            status = os.stat(at)
            if status.st_uid != os.geteuid():
                whose = owner(status.st_uid)
                what = "it" if at == os.path.abspath(path) else shown(at)
                return (
                    f"permission denied ({what} belongs to {whose})",
                    f"ask {whose} to let you, or use another folder",
                )
            break
        at = "" if at == os.path.dirname(at) else os.path.dirname(at)
    return "permission denied", "change its permissions (chmod), or use another folder"


def owner(uid: int) -> str:
    """The name of a user, else its number."""
    import pwd

    try:
        return clean(pwd.getpwuid(uid).pw_name)
    except KeyError:
        return f"user {uid}"


def _no_folder(path: str) -> str:
    at = os.path.abspath(path)
    if os.path.lexists(at) and not os.path.isdir(at):
        return "it is a file, not a folder"
    while at != os.path.dirname(at):
        at = os.path.dirname(at)
        with suppress(OSError, ValueError):
            if not os.path.isdir(at):
                return f"{shown(at)} is a file, not a folder"
            break
    return "a part of this path is a file, not a folder"
