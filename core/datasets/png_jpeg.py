"""Headers of ordinary PNG and JPEG files, read without Pillow, in a fraction of its time.

Never says other than Pillow would: whatever is unusual (texts of unknown kinds, XMP, a doubtful EXIF, many
pictures in one file, any damage) is left to it.
"""

from __future__ import annotations

import os
import struct
import zlib
from dataclasses import dataclass
from typing import NamedTuple

from core.errors import LabError
from core.reading import AnyPath, open_regular

PNG = b"\x89PNG\r\n\x1a\n"
JPEG = b"\xff\xd8\xff"
# The last bytes of a whole file.
ENDS = ((PNG, b"IEND\xaeB`\x82"), (JPEG, b"\xff\xd9"))
TEXTS_AND_EXIF = (b"eXIf", b"tEXt", b"zTXt", b"iTXt")
"""Chunks of a PNG in which its orientation may be."""
ON_ITS_SIDE = (5, 6, 7, 8)
"""The EXIF orientations that swap width and height."""
_FIRST = 4096
_MAX_PIXELS = 89_478_485  # beyond it Pillow warns of decompression bombs
_CHUNK = struct.Struct(">I4s")
_IHDR = struct.Struct(">IIBBBBB")
# Pillow's mode by bit depth and colour type (https://www.w3.org/TR/png-3/#11IHDR); sixteen-bit grey has had
# several names.
_MODES = {
    (1, 0): "1",
    **{(depth, 0): "L" for depth in (2, 4, 8)},
    **{(depth, 2): "RGB" for depth in (8, 16)},
    **{(depth, 3): "P" for depth in (1, 2, 4, 8)},
    (8, 4): "LA",
    **{(depth, 6): "RGBA" for depth in (8, 16)},
}
_LENGTHS = {b"gAMA": 4, b"cHRM": 32, b"sRGB": 1, b"pHYs": 9, b"tIME": 7}
_PLAIN_TEXTS = frozenset(
    b"Title Author Description Copyright Software Disclaimer Warning Source Comment date:create date:modify "
    b"date:timestamp".split()
) | {b"Creation Time"}
_FRAMES = (0xC0, 0xC1, 0xC2)
_LAYERS = {1: "L", 3: "RGB", 4: "CMYK"}
_SKIPPED = (0xC4, 0xDD, 0xFE, *range(0xE3, 0xED), 0xEF)  # tables, comments, the data of applications
_SOS, _DQT = 0xDA, 0xDB
_ORIENTATION, _RESOLUTION, _UNIT = 0x0112, 0x011A, 0x0128
_SHORT, _RATIONAL = 3, 5
_TYPE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8}
_TIFF = {b"II*\0": "<", b"MM\0*": ">"}


@dataclass(frozen=True)
class Header:
    """What the beginning of an image file says.

    `size`: width and height as the picture is seen; `stored`: as it lies in the file; `turn`: the EXIF
    orientation, 1 for none. `mode` and `format` are Pillow's words; `clear`: some of it may be transparent.
    `exif` says what is wrong with its EXIF, empty when nothing is; `several`: there are pictures behind the
    first, which are not used; `halved`: colours of sixteen bits, of which the upper eight are read.
    """

    size: tuple[int, int]
    stored: tuple[int, int]
    turn: int
    mode: str
    format: str
    clear: bool
    exif: str
    several: bool = False
    halved: bool = False


class PlainFile(NamedTuple):
    """The header of an ordinary file, its size in bytes, and whether it ends as its format does."""

    header: Header
    bytes: int
    whole: bool


def read_plain(path: AnyPath) -> PlainFile | None:
    """The header of an ordinary PNG or JPEG file; None for whatever Pillow should look at. Never raises."""
    try:
        fd = open_regular(path)
    except LabError:
        return None
    try:
        return _read(fd)
    except (OSError, struct.error):
        return None
    finally:
        os.close(fd)


def _read(fd: int) -> PlainFile | None:
    size = os.fstat(fd).st_size
    head = os.pread(fd, _FIRST, 0)
    tail = head[-8:] if size <= _FIRST else os.pread(fd, 8, size - 8)
    for (start, end), reader in zip(ENDS, (_png, _jpeg), strict=True):
        if head.startswith(start):
            header = reader(fd, head, size)
            return PlainFile(header, size, tail.endswith(end)) if header is not None else None
    return None


def _png(fd: int, head: bytes, _: int) -> Header | None:
    if head[8:16] != b"\0\0\0\rIHDR" or not _whole_chunk(head, 8, 33):
        return None
    width, height, depth, colour, packing, filtering, interlaced = _IHDR.unpack_from(head, 16)
    mode = _MODES.get((depth, colour))
    if mode is None or packing or filtering or interlaced > 1 or not 0 < width * height <= _MAX_PIXELS:
        return None
    at, palette = 33, False
    while True:
        length, kind = _CHUNK.unpack_from(head, at)
        if kind == b"IDAT":
            break
        end = at + 12 + length
        if not _whole_chunk(head, at, end) or not _is_plain(kind, head[at + 8 : end - 4]):
            return None
        palette = palette or kind == b"PLTE"
        at = end
    if (mode == "P" and not palette) or has_notes(fd, at, head):
        return None
    clear = mode in ("LA", "RGBA")
    return Header((width, height), (width, height), 1, mode, "PNG", clear, "", halved=depth == 16)


def has_notes(fd: int, at: int, head: bytes = b"") -> bool:
    """Whether a PNG has texts or EXIF data from the chunk at `at` on; `head` is what is read of it already.

    Chunks are a length, a kind of four letters, the content and a checksum (https://www.w3.org/TR/png-3/).
    """
    while True:
        chunk = head[at : at + 8] if at + 8 <= len(head) else os.pread(fd, 8, at)
        if len(chunk) < 8:
            return False
        length, kind = _CHUNK.unpack(chunk)
        if kind in TEXTS_AND_EXIF:
            return True
        at += length + 12


def _whole_chunk(head: bytes, at: int, end: int) -> bool:
    if end > len(head):
        return False
    (checksum,) = struct.unpack_from(">I", head, end - 4)
    return zlib.crc32(head[at + 4 : end - 4]) == int(checksum)


def _is_plain(kind: bytes, data: bytes) -> bool:
    """Whether a chunk before the pixels changes nothing in the header."""
    if kind == b"PLTE":
        return 0 < len(data) <= 768 and len(data) % 3 == 0
    if kind == b"tEXt":
        keyword, sign, _ = data.partition(b"\0")
        return bool(sign) and keyword in _PLAIN_TEXTS
    return kind in (b"sBIT", b"bKGD") or _LENGTHS.get(kind) == len(data)


def _jpeg(fd: int, head: bytes, size: int) -> Header | None:
    def part(start: int, stop: int) -> bytes:
        return head[start:stop] if stop <= len(head) else os.pread(fd, stop - start, start)

    at, turn, stored, mode = 2, 0, (0, 0), ""
    while True:
        sign, marker, length = struct.unpack(">BBH", part(at, at + 4))
        start, at = at + 4, at + 2 + length
        if sign != 0xFF or length < 2 or at > size:
            return None
        if marker == _SOS:
            break
        if marker in _SKIPPED:
            continue
        data = part(start, at)
        if marker == 0xE1:
            if turn or not (turn := _turn(data)):
                return None
        elif marker in _FRAMES:
            bits, height, width, layers = struct.unpack_from(">BHHB", data)
            if mode or bits != 8 or layers not in _LAYERS or len(data) != 6 + 3 * layers:
                return None
            stored, mode = (width, height), _LAYERS[layers]
        elif not _is_usual(marker, data):
            return None
    if not mode or not 0 < stored[0] * stored[1] <= _MAX_PIXELS:
        return None
    seen = stored[::-1] if turn in ON_ITS_SIDE else stored
    return Header(seen, stored, turn or 1, mode, "JPEG", False, "")


def _is_usual(marker: int, data: bytes) -> bool:
    """Whether a segment changes nothing in the header: JFIF, a colour profile, Adobe's, quantisation."""
    if marker == 0xE0:
        return not data.startswith(b"JFIF") or len(data) >= 12
    if marker == 0xE2:
        return data.startswith(b"ICC_PROFILE\0") and len(data) > 14
    if marker == 0xED:
        return not data.startswith(b"Photoshop")
    if marker == 0xEE:
        return not data.startswith(b"Adobe") or len(data) >= 12
    at = 0
    while marker == _DQT and at < len(data):
        at += 65 if data[at] < 16 else 129
    return marker == _DQT and at == len(data)


def _turn(data: bytes) -> int:
    """The orientation in an EXIF segment, 1 for none; 0 unless its directory is whole and plain.

    The format: https://www.cipa.jp/std/documents/e/DC-008-2012_E.pdf, section 4.6.
    """
    order = _TIFF.get(data[6:10])
    if not data.startswith(b"Exif\0\0") or order is None:
        return 0
    tiff = data[6:]
    (start,) = struct.unpack_from(f"{order}I", tiff, 4)
    (entries,) = struct.unpack_from(f"{order}H", tiff, start)
    if start < 8 or start + 2 + 12 * entries + 4 > len(tiff):
        return 0
    turn, total, tags = 1, 0, set()
    for at in range(start + 2, start + 2 + 12 * entries, 12):
        tag, kind, count, offset = struct.unpack_from(f"{order}HHII", tiff, at)
        length = _TYPE_BYTES.get(kind, 0) * count
        tags.add(tag)
        if not length:
            return 0
        if length > 4:
            total += length
            if offset + length > len(tiff) or total > len(tiff):
                return 0
        if tag == _ORIENTATION:
            if (kind, count) != (_SHORT, 1):
                return 0
            (turn,) = struct.unpack_from(f"{order}H", tiff, at + 8)
        elif (tag == _RESOLUTION and (kind, count) != (_RATIONAL, 1)) or (
            tag == _UNIT and (kind, count) != (_SHORT, 1)
        ):
            return 0
    return (turn if 2 <= turn <= 8 else 1) if len(tags) == entries else 0
