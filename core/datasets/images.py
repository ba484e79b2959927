"""Image files: which names are images, and which files cannot be read as one."""

from __future__ import annotations

import os
from dataclasses import dataclass

from core.datasets.png_jpeg import ENDS, PNG
from core.errors import PictureError, UnreadableError
from core.reading import open_regular, shown

SUFFIXES = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"})
# A JFIF header of 16 bytes with the quantisation table behind it; a PNG header with the pixels behind it.
_PLAIN = ((b"\xff\xd8\xff\xe0\x00\x10JFIF\0", 20, b"\xff\xdb"), (PNG, 37, b"IDAT"))
_HEAD = 48


def has_image_suffix(name: str) -> bool:
    """Whether a name ends as those of images do."""
    dot = name.rfind(".")
    if dot < 0 or name[dot:].lower() not in SUFFIXES:
        return False
    return bool(name[name.rfind("/", 0, dot) + 1 : dot].strip("."))  # `.png` has no ending


def is_image_name(name: str) -> bool:
    """Whether a file's name says it is an image; hidden files are not."""
    return not name.startswith(".") and has_image_suffix(name)


def fault(path: str, size: int) -> str | None:
    """Why the image file `path` of `size` bytes cannot be read, or None.

    Whole JPEG and PNG files are told by their first and last bytes, and have their header read unless it is
    of the plainest kind; all others are decoded.
    """
    from core.datasets.opening import decoding_fault, read_header

    try:
        ends = read_ends(path)
        if size == 0:
            return "empty file"
        if not ends.whole:
            return decoding_fault(path) or None
        if not ends.plain:
            read_header(path)
    except UnreadableError as error:
        return error.reason
    except PictureError as error:
        return error.reason
    return None


@dataclass(frozen=True)
class Ends:
    """What the first and last bytes of a file say. `whole`: it begins and ends as a JPEG or PNG does;
    `plain`: its pixels follow at once, so that there is nothing else in its header to be wrong.
    """

    whole: bool
    plain: bool


def read_ends(path: str) -> Ends:
    """Look at both ends of a file. Raises UnreadableError for what is none, MissingFileError."""
    fd = open_regular(path)
    try:
        head = os.pread(fd, _HEAD, 0)
        tail = os.pread(fd, 8, max(0, os.fstat(fd).st_size - 8))
    except OSError as error:
        raise UnreadableError(shown(path), (error.strerror or "cannot be read").lower()) from error
    finally:
        os.close(fd)
    whole = any(head.startswith(start) and tail.endswith(end) for start, end in ENDS)
    return Ends(
        whole, any(head.startswith(start) and head[at:].startswith(mark) for start, at, mark in _PLAIN)
    )
