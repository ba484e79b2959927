"""Image files: which names are images, and which files cannot be read as one."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from core.datasets.depth import PLAIN, Opening, is_deep
from core.datasets.findings import count
from core.datasets.png_jpeg import ENDS, PNG
from core.errors import PictureError, UnreadableError
from core.reading import open_regular, shown

FORMATS = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"),
    "PNG": (".png", ".apng"),
    "GIF": (".gif",),
    "BMP": (".bmp", ".dib"),
    "PPM": (".pbm", ".pgm", ".ppm", ".pnm", ".pfm"),
    "TIFF": (".tif", ".tiff"),
    "WEBP": (".webp",),
    "AVIF": (".avif", ".avifs"),
    "JPEG2000": (".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx"),
    "MPO": (),
    "QOI": (".qoi",),
    "TGA": (".tga", ".icb", ".vda", ".vst"),
    "SGI": (".sgi", ".rgb", ".rgba", ".bw"),
    "PCX": (".pcx",),
    "SUN": (".ras",),
    "PSD": (".psd",),
    "DDS": (".dds",),
    "ICO": (".ico",),
    "ICNS": (".icns",),
    "XBM": (".xbm",),
    "XPM": (".xpm",),
    "FITS": (".fit", ".fits"),
    "IM": (".im",),
    "MSP": (".msp",),
}
"""The formats that are read, by Pillow's words for them, and the endings of their files.

All of its formats of pixels, the first five without loading more of it. Not those that it gives to other
programs (EPS, WMF) or only recognises (HDF5, MPEG).
"""
SUFFIXES = frozenset(suffix for suffixes in FORMATS.values() for suffix in suffixes)
_FOREIGN = re.compile(
    r"\.(ai|arw|bpg|cr[23]|dcm|dng|emf|eps|exr|hdr|hei[cf]|hif|jxl|jxr|nef|orf|psb|raf|raw|rw2|svgz?|wdp|wmf|xcf)"
)
"""Endings of pictures that are not read."""
_HOLDERS = re.compile(r"\.(avi|mkv|mov|mp4|nii|np[yz]|pdf|tar|zip)")
"""Endings of files that may hold pictures."""
UNREAD = "cannot be read: convert to JPEG or PNG"
# A JFIF header of 16 bytes with the quantisation table behind it; a PNG header with the pixels behind it.
_PLAIN = ((b"\xff\xd8\xff\xe0\x00\x10JFIF\0", 20, b"\xff\xdb"), (PNG, 37, b"IDAT"))
_HEAD = 48
_DEEP_GREY = b"\x10\0"  # bit depth and colour type
_JPEG_PIXELS = 512
"""The most pixels that a byte of a JPEG can hold: a block of 64 takes a bit at least."""


def has_image_suffix(name: str) -> bool:
    """Whether a name ends as those of images do."""
    dot = name.rfind(".")
    if dot < 0 or name[dot:].lower() not in SUFFIXES:
        return False
    return bool(name[name.rfind("/", 0, dot) + 1 : dot].strip("."))  # `.png` has no ending


def is_image_name(name: str) -> bool:
    """Whether a file's name says it is an image; hidden files are not."""
    return not name.startswith(".") and has_image_suffix(name)


def is_foreign_image(name: str) -> bool:
    """Whether a file's name says that it is an image of a format that is not read."""
    return not name.startswith(".") and bool(_FOREIGN.fullmatch(os.path.splitext(name)[1].lower()))


def unread_words(names: Iterable[str]) -> str:
    """What of `names`, which are none of images, may still hold some: ` (3 .heic files cannot be read: ...)`.

    Empty where there is nothing of the kind.
    """
    endings = Counter(os.path.splitext(name)[1].lower() for name in names)
    unread = sorted(
        (ending, number)
        for ending, number in endings.items()
        if _FOREIGN.fullmatch(ending) or _HOLDERS.fullmatch(ending)
    )
    told = [count(number, f"{ending} file") for ending, number in unread]
    return f" ({', '.join(told)} {UNREAD})" if told else ""


class Glance(NamedTuple):
    """Why an image file cannot be read, None when it can, and whether it has more than eight bits a pixel."""

    fault: str | None
    deep: bool = False


def fault(path: str, size: int, how: Opening = PLAIN) -> str | None:
    """Why the image file `path` of `size` bytes cannot be read, or None."""
    return glance(path, size, how).fault


def glance(path: str, size: int, how: Opening = PLAIN) -> Glance:
    """The quick look at the image file `path` of `size` bytes.

    Whole JPEG and PNG files are told by their first and last bytes, and have their header read unless it is
    of the plainest kind; all others are decoded.
    """
    from core.datasets.opening import decoding_fault, read_header

    try:
        ends = read_ends(path)
        if size == 0:
            return Glance("empty file")
        if not ends.whole and (reason := decoding_fault(path, how)):
            return Glance(reason)
        if ends.whole and ends.plain and ends.most_pixels <= how.max_megapixels * 1e6:
            return Glance(None, ends.deep)
        return Glance(None, is_deep(read_header(path, how).mode))
    except UnreadableError as error:
        return Glance(error.reason)
    except PictureError as error:
        return Glance(error.reason)


@dataclass(frozen=True)
class Ends:
    """What the first and last bytes of a file say. `whole`: it begins and ends as a JPEG or PNG does, and has
    no more than `most_pixels`;
    `plain`: its pixels follow at once, so that there is nothing else in its header to be wrong; `deep`: it
    is a plain PNG with grey values of sixteen bits.
    """

    whole: bool
    plain: bool
    deep: bool
    most_pixels: int


def read_ends(path: str) -> Ends:
    """Look at both ends of a file. Raises UnreadableError for what is none, MissingFileError."""
    fd = open_regular(path)
    try:
        head = os.pread(fd, _HEAD, 0)
        size = os.fstat(fd).st_size
        tail = os.pread(fd, 8, max(0, size - 8))
    except OSError as error:
        raise UnreadableError(shown(path), (error.strerror or "cannot be read").lower()) from error
    finally:
        os.close(fd)
    whole = any(head.startswith(start) and tail.endswith(end) for start, end in ENDS)
    plain = any(head.startswith(start) and head[at:].startswith(mark) for start, at, mark in _PLAIN)
    if not head.startswith(PNG):
        return Ends(whole, plain, False, size * _JPEG_PIXELS)
    width, height = int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big")
    return Ends(whole, plain, head[24:26] == _DEEP_GREY, width * height)
