"""The quick reader of headers says what Pillow says, or nothing."""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from core.datasets.image_header import Look, look_at
from core.datasets.opening import opened, read_header
from core.datasets.png_jpeg import Header, read_plain
from core.errors import LabError

SIZE = (40, 24)
RNG = np.random.default_rng(11)
PIXELS = RNG.integers(0, 256, (SIZE[1], SIZE[0], 4), np.uint8)


def image(mode: str) -> Image.Image:
    if mode == "I;16":
        return Image.fromarray(PIXELS[..., 0].astype(np.uint16) * 257)
    return Image.fromarray(PIXELS[..., :3]).convert(mode)


def saved(mode: str, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image(mode).save(buffer, kind, **options)
    return buffer.getvalue()


def turned(turn: int, order: str = "<", *more: tuple[int, int, int, bytes]) -> bytes:
    """An EXIF block with an orientation and further entries (tag, type, count, value)."""
    entries = [(0x0112, 3, 1, struct.pack(f"{order}H", turn)), *more]
    table, data, at = struct.pack(f"{order}H", len(entries)), b"", 8 + 2 + 12 * len(entries) + 4
    for tag, kind, count, value in entries:
        if len(value) > 4:
            value, data = struct.pack(f"{order}I", at + len(data)), data + value
        table += struct.pack(f"{order}HHI", tag, kind, count) + value.ljust(4, b"\0")
    sign = b"II*\0" if order == "<" else b"MM\0*"
    return b"Exif\0\0" + sign + struct.pack(f"{order}I", 8) + table + bytes(4) + data


def with_segment(data: bytes, marker: int, content: bytes, at: int = 2) -> bytes:
    return data[:at] + struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content + data[at:]


def with_chunk(data: bytes, kind: bytes, content: bytes, *, behind: bool = False) -> bytes:
    chunk = struct.pack(">I", len(content)) + kind + content
    chunk += struct.pack(">I", zlib.crc32(kind + content))
    at = len(data) - 12 if behind else 33
    return data[:at] + chunk + data[at:]


def texts(**words: str) -> PngInfo:
    info = PngInfo()
    for key, value in words.items():
        info.add_text(key, value)
    return info


def palette_with_hole() -> bytes:
    picture = image("RGB").convert("P")
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", transparency=3)
    return buffer.getvalue()


JPEG, PNG = saved("RGB", "JPEG"), saved("RGB", "PNG")
XMP = b'http://ns.adobe.com/xap/1.0/\0<x tiff:Orientation="6"/>'
# Ordinary files, which have to be read without Pillow.
PLAIN: dict[str, bytes] = {
    **{f"jpeg {mode}": saved(mode, "JPEG") for mode in ("L", "RGB", "CMYK")},
    "progressive": saved("RGB", "JPEG", progressive=True),
    "optimised, 4:4:4": saved("RGB", "JPEG", optimize=True, subsampling=0),
    "restarts": saved("RGB", "JPEG", restart_marker_rows=1),
    "resolution": saved("RGB", "JPEG", dpi=(300, 300)),
    "comment": saved("RGB", "JPEG", comment=b"\xff\xd9 none"),
    "profile": saved("RGB", "JPEG", icc_profile=bytes(200_000)),
    "huge data of an application": with_segment(JPEG, 0xE7, bytes(65_000)),
    "many segments": with_segment(with_segment(JPEG, 0xE4, b"x" * 4090), 0xEC, b"y" * 3),
    **{f"turned {turn}": with_segment(JPEG, 0xE1, turned(turn)) for turn in range(1, 9)},
    "turned, big-endian": with_segment(JPEG, 0xE1, turned(6, ">")),
    "turned 0": with_segment(JPEG, 0xE1, turned(0)),
    "turned 77": with_segment(JPEG, 0xE1, turned(77)),
    "camera": with_segment(
        saved("RGB", "JPEG", dpi=(72, 72)),
        0xE1,
        turned(
            8,
            ">",
            (0x010F, 2, 6, b"Maker\0"),
            (0x011A, 5, 1, struct.pack(">II", 72, 1)),
            (0x0128, 3, 1, b"\0\2"),
            (0x8769, 4, 1, bytes(4)),
        ),
    ),
    **{f"png {mode}": saved(mode, "PNG") for mode in ("1", "L", "P", "RGB", "LA", "RGBA")},
    "four colours": saved("P", "PNG", bits=2),
    "grey, of two bits": b"".join(
        (PNG[:24], b"\x02\x00", PNG[26:29], struct.pack(">I", zlib.crc32(PNG[12:24] + b"\2\0" + PNG[26:29])))
    )
    + PNG[33:],
    "pixels per metre": saved("RGB", "PNG", dpi=(300, 300)),
    "words": saved("L", "PNG", pnginfo=texts(Comment="x" * 900, Software="a b")),
    "time, gamma, background": with_chunk(
        with_chunk(with_chunk(PNG, b"tIME", bytes(7)), b"gAMA", bytes(4)), b"bKGD", bytes(6)
    ),
    "junk behind the end": PNG + b"\0" * 100,
    "junk behind the end of a JPEG": JPEG + b"junk" * 9,
    "cut off": PNG[:-40],
    "JPEG cut off": JPEG[: len(JPEG) // 2 + 300],
}
# Files that only Pillow can tell, or that nobody can.
UNUSUAL: dict[str, bytes] = {
    "xmp": with_segment(JPEG, 0xE1, XMP),
    "exif and xmp": with_segment(with_segment(JPEG, 0xE1, XMP), 0xE1, turned(3)),
    "two exifs": with_segment(with_segment(JPEG, 0xE1, turned(3)), 0xE1, turned(6)),
    "orientation twice": with_segment(JPEG, 0xE1, turned(6, "<", (0x0112, 3, 1, b"\3\0"))),
    "orientation as LONG": with_segment(JPEG, 0xE1, turned(1, "<", (0x0113, 4, 1, b"\6\0\0\0"))).replace(
        b"\x12\x01\x03\0\1\0\0\0\1\0", b"\x12\x01\x04\0\1\0\0\0\6\0"
    ),
    "exif without an end": with_segment(JPEG, 0xE1, turned(6)[:-4]),
    "exif value outside": with_segment(JPEG, 0xE1, turned(6, "<", (0x010F, 2, 900, b"123456"))),
    "photoshop": with_segment(JPEG, 0xED, b"Photoshop 3.0\x008BIM"),
    "several pictures": with_segment(JPEG, 0xE2, b"MPF\0" + b"II*\0" + bytes(20)),
    "short JFIF": with_segment(JPEG[:2] + JPEG[20:], 0xE0, b"JFIF\0"),
    "fill bytes": JPEG[:2] + b"\xff\xff" + JPEG[2:],
    "junk between": JPEG[:20] + b"\0\0" + JPEG[20:],
    "twelve bits": JPEG.replace(b"\xff\xc0\x00\x11\x08", b"\xff\xc0\x00\x11\x0c"),
    "no height": JPEG.replace(b"\xff\xc0\x00\x11\x08\x00\x18", b"\xff\xc0\x00\x11\x08\x00\x00"),
    "vast": JPEG.replace(b"\xff\xc0\x00\x11\x08\x00\x18\x00\x28", b"\xff\xc0\x00\x11\x08\xff\xf0\xff\xf0"),
    "head of a JPEG": JPEG[:90],
    "nothing but its sign": JPEG[:3],
    "16-bit grey": saved("I;16", "PNG"),
    "palette with a hole": palette_with_hole(),
    "transparent grey": saved("L", "PNG", transparency=7),
    "profile in a PNG": saved("RGB", "PNG", icc_profile=bytes(3000)),
    "exif in a PNG": saved("RGB", "PNG", exif=turned(6)),
    "exif behind the pixels": with_chunk(PNG, b"eXIf", turned(6)[6:], behind=True),
    "words behind the pixels": with_chunk(PNG, b"tEXt", b"Comment\0x", behind=True),
    "exif as text": with_chunk(PNG, b"tEXt", b"exif\0" + turned(6)),
    "a text called transparency": with_chunk(PNG, b"tEXt", b"transparency\0x"),
    "xmp in a PNG": saved("RGB", "PNG", pnginfo=texts(**{"XML:com.adobe.xmp": XMP.decode()})),
    "bad checksum": PNG[:30] + b"\0" + PNG[31:],
    "palette lost": saved("P", "PNG").replace(b"PLTE", b"pLTE"),
    "no pixels": PNG[:33],
    "head of a PNG": PNG[:20],
    "long words": saved("L", "PNG", pnginfo=texts(Comment="x" * 9000)),
    "gif": saved("P", "GIF"),
    "empty": b"",
}


def by_pillow(path: Path) -> tuple[Header | None, list[str]]:
    """What Pillow says, and what it warns of; None where it cannot be opened."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            with opened(path, quiet=False) as (_, header):
                pass
        except LabError:
            return None, []
    return header, [str(item.message) for item in told if item.category is UserWarning]


def agrees(path: Path) -> bool:
    """Whether the quick reader answers; that it says what Pillow says is asserted."""
    plain = read_plain(path)
    if plain is None:
        return False
    header, told = by_pillow(path)
    assert plain.header == header
    assert not told
    assert plain.bytes == path.stat().st_size
    return True


@pytest.mark.parametrize("name", list(PLAIN))
def test_ordinary_files_are_read_as_pillow_reads_them(tmp_path: Path, name: str) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(PLAIN[name])
    assert agrees(path)
    header, _ = by_pillow(path)
    assert read_header(path) == header


@pytest.mark.parametrize("name", list(UNUSUAL))
def test_what_is_unusual_is_left_to_pillow(tmp_path: Path, name: str) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(UNUSUAL[name])
    assert not agrees(path)


def mutations(data: bytes, rng: np.random.Generator) -> Iterator[bytes]:
    """`data` with bytes changed, taken out and put in, most of them in its header, and cut off."""
    for _ in range(60):
        changed = bytearray(data)
        for _ in range(rng.integers(1, 4)):
            at = int(rng.integers(0, min(len(changed), int(rng.choice([60, 250, 5000])))))
            what = rng.integers(0, 4)
            if what == 0:
                del changed[at : at + int(rng.integers(1, 5))]
            elif what == 1:
                changed[at:at] = bytes(rng.integers(0, 256, int(rng.integers(1, 5)), np.uint8))
            else:
                changed[at] = int(rng.choice([0, 1, 3, 6, 8, 0xFF, int(rng.integers(0, 256))]))
        yield bytes(changed)
    yield from (data[: int(rng.integers(1, len(data)))] for _ in range(10))


@pytest.mark.parametrize(
    "name", ["camera", "turned, big-endian", "progressive", "jpeg CMYK", "png P", "words"]
)
def test_a_damaged_file_is_never_told_otherwise_than_by_pillow(tmp_path: Path, name: str) -> None:
    """Also with the checksums of a PNG put right, so that the damage reaches what is read behind them."""
    rng = np.random.default_rng(len(name))
    path = tmp_path / "a.bin"
    answers = 0
    for data in mutations(PLAIN[name], rng):
        path.write_bytes(_summed(data))
        answers += agrees(path)
    assert answers


def _summed(data: bytes) -> bytes:
    """A PNG with the right checksum behind each chunk that is whole."""
    if not data.startswith(b"\x89PNG\r\n\x1a\n"):
        return data
    out, at = bytearray(data), 8
    while at + 12 <= len(out):
        length = int.from_bytes(out[at : at + 4], "big")
        end = at + 12 + length
        if end > len(out):
            break
        out[end - 4 : end] = struct.pack(">I", zlib.crc32(bytes(out[at + 4 : end - 4])))
        at = end
    return bytes(out)


@pytest.mark.parametrize("make", [Path.mkdir, lambda path: None], ids=["folder", "gone"])
def test_what_is_no_file_has_no_header(tmp_path: Path, make: Callable[[Path], None]) -> None:
    path = tmp_path / "a.png"
    make(path)
    assert read_plain(path) is None
    assert look_at(str(path)).fault


def test_a_look_is_the_same_either_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Turned, whole or cut off: with the quick reader and without it."""
    looks: list[list[Look]] = []
    for quick in (True, False):
        if not quick:
            monkeypatch.setattr("core.datasets.image_header.read_plain", lambda _: None)
        looks.append([])
        for name, data in {**PLAIN, **UNUSUAL}.items():
            path = tmp_path / f"{abs(hash(name))}.jpg"
            path.write_bytes(data)
            looks[-1].append(look_at(str(path)))
    assert looks[0] == looks[1]
