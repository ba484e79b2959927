"""How image files are opened: EXIF that cannot be read, files made to break readers, and what is no file."""

from __future__ import annotations

import io
import os
import struct
import warnings
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.config.schema import DataConfig
from core.datasets.check import check_dataset
from core.datasets.image_header import exif_words, look_at
from core.datasets.images import fault
from core.datasets.open import open_dataset
from core.datasets.pictures import open_picture, open_reduced
from core.errors import DataError, PictureError, UnreadableError

SIZE = (48, 24)
SHORT, LONG, ASCII, RATIONAL, SRATIONAL, UNDEFINED = 3, 4, 2, 5, 10, 7
Entry = tuple[int, int, int, bytes]


def orientation(turn: int) -> Entry:
    return 0x0112, SHORT, 1, struct.pack("<H", turn)


def exif_of(entries: list[Entry]) -> bytes:
    """An EXIF block by hand: tag, type, count and value of every entry, in one directory."""
    at, table, data = 8 + 2 + 12 * len(entries) + 4, struct.pack("<H", len(entries)), b""
    for tag, kind, count, value in entries:
        if len(value) > 4:
            value, data = struct.pack("<I", at + len(data)), data + value
        table += struct.pack("<HHI", tag, kind, count) + value.ljust(4, b"\0")
    return b"Exif\0\0II*\0" + struct.pack("<I", 8) + table + bytes(4) + data


def as_stored() -> np.ndarray:
    """Left half red, a green corner: no turn and no mirror leaves it as it is."""
    pixels = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
    pixels[:, : SIZE[0] // 2, 0] = 255
    pixels[:8, :8] = (0, 255, 0)
    return pixels


def save_jpeg(path: Path, exif: bytes) -> Path:
    buffer = io.BytesIO()
    Image.fromarray(as_stored()).save(buffer, "JPEG", quality=95, subsampling=0)
    data = buffer.getvalue()
    path.write_bytes(data[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + data[2:])
    return path


TURNED = [orientation(6)]
NO_RESOLUTION = (0x011A, SRATIONAL, 1, struct.pack("<ii", -1, 0))
CASES = {
    "resolution -1/0": (exif_of([*TURNED, NO_RESOLUTION]), 6, False),
    "resolution 1/0": (exif_of([*TURNED, (0x011A, RATIONAL, 1, struct.pack("<II", 1, 0))]), 6, False),
    "negative aperture": (exif_of([orientation(8), (0x9202, RATIONAL, 1, b"\xff" * 8)]), 8, False),
    "orientation as text": (exif_of([(0x0112, ASCII, 2, b"6\0")]), 1, False),
    "orientation 99": (exif_of([orientation(99)]), 1, False),
    "orientation undefined": (exif_of([(0x0112, UNDEFINED, 4, b"abcd")]), 1, False),
    "a type that is none": (exif_of([*TURNED, (0x0110, 77, 3, b"abc")]), 6, False),
    "directory elsewhere": (exif_of([*TURNED, (0x8769, LONG, 1, struct.pack("<I", 999_999))]), 6, False),
    "cut in the first entry": (exif_of(TURNED)[:20], 1, True),
    "cut behind the first entry": (exif_of([*TURNED, NO_RESOLUTION])[:30], 6, True),
    "no directory": (b"Exif\0\0II*\0\x08\0\0\0", 1, True),
}


@pytest.mark.parametrize("name", list(CASES))
def test_exif_that_cannot_be_read_never_costs_the_picture(tmp_path: Path, name: str) -> None:
    exif, turn, odd = CASES[name]
    path = save_jpeg(tmp_path / "a.jpg", exif)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        picture = open_picture(tmp_path, "a.jpg")
        reduced, size = open_reduced(tmp_path, "a.jpg", (4, 4))
    look = look_at(str(path))
    want = np.rot90(as_stored(), {1: 0, 6: -1, 8: 1}[turn])
    assert abs(np.asarray(picture).astype(int) - want).mean() < 8
    assert look.size == picture.size == size
    assert reduced.size != size
    assert (look.turn, look.fault, fault(str(path), path.stat().st_size)) == (turn, "", None)
    assert bool(exif_words(look)) is odd
    if odd:
        assert ("used as stored" in exif_words(look)) is (turn == 1)


@pytest.mark.parametrize("ending", ["jpg", "png", "tif", "webp"])
@pytest.mark.parametrize("turn", range(1, 9))
def test_every_turn_is_that_of_pillow_in_every_format(tmp_path: Path, ending: str, turn: int) -> None:
    from PIL import ImageOps

    exif = Image.Exif()
    exif[0x0112] = turn
    path = tmp_path / f"a.{ending}"
    Image.fromarray(as_stored()).save(path, exif=exif, **({"lossless": True} if ending == "webp" else {}))  # type: ignore[arg-type]
    with Image.open(path) as image:
        want = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    assert np.array_equal(np.asarray(open_picture(tmp_path, path.name)), want)
    look = look_at(str(path))
    assert (look.size, look.stored, look.turn) == (want.shape[1::-1], SIZE, turn)


@pytest.mark.parametrize("ending", ["jpg", "png", "gif", "bmp", "tif", "webp", "ppm"])
def test_damage_anywhere_is_an_error_that_names_the_file(tmp_path: Path, ending: str) -> None:
    """Bytes overwritten at random: the file opens, or its name is told; nothing else comes out."""
    random = np.random.default_rng(7)
    buffer = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(as_stored()).save(
        buffer,
        Image.registered_extensions()[f".{ending}"],
        **({} if ending in "gifbmpppm" else {"exif": exif}),
    )
    whole = buffer.getvalue()
    path = tmp_path / f"a.{ending}"
    told = 0
    for _ in range(60):
        data = bytearray(whole)
        for place in random.integers(0, min(len(data), 200), 4):
            data[place] = random.integers(0, 256)
        path.write_bytes(data)
        with suppress(DataError):
            size = open_picture(tmp_path, path.name).size
            assert look_at(str(path)).size == size
            continue
        with pytest.raises(DataError, match=path.name):
            open_picture(tmp_path, path.name)
        told += 1
    assert told


@pytest.mark.parametrize(
    "error", [struct.error("argument out of range"), ZeroDivisionError("x"), OverflowError("x"), KeyError(3)]
)
def test_whatever_pillow_raises_names_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    from PIL import JpegImagePlugin

    def broken(self: object) -> None:
        raise error

    # An entry of no known type, so that its header is left to Pillow.
    save_jpeg(tmp_path / "a.jpg", exif_of([*TURNED, (0x0110, 77, 3, b"abc")]))
    with monkeypatch.context() as loading:
        loading.setattr(JpegImagePlugin.JpegImageFile, "load", broken)
        with pytest.raises(PictureError, match=r"a\.jpg cannot be read as an image"):
            open_picture(tmp_path, "a.jpg")
    monkeypatch.setattr(JpegImagePlugin.JpegImageFile, "getexif", broken)
    if isinstance(error, OverflowError):  # which Pillow lets out of its reading of the header
        assert look_at(str(tmp_path / "a.jpg")).fault == "x"
        return
    assert open_picture(tmp_path, "a.jpg").size == SIZE
    assert "used as stored" in exif_words(look_at(str(tmp_path / "a.jpg")))


def class_folders(root: Path) -> Path:
    for name in ("cat", "dog"):
        for index in range(4):
            (root / name).mkdir(parents=True, exist_ok=True)
            Image.fromarray(as_stored()).save(root / name / f"{index}.jpg")
    return root


@pytest.mark.parametrize("kind", ["pipe", "dead link", "loop", "folder link"])
def test_what_is_no_regular_file_is_named_and_never_waited_for(tmp_path: Path, kind: str) -> None:
    root = class_folders(tmp_path / "set")
    odd = root / "cat" / "odd.jpg"
    if kind == "pipe":
        os.mkfifo(odd)
    else:
        odd.symlink_to({"dead link": "nothing", "loop": "odd.jpg", "folder link": "../dog"}[kind])
    with pytest.raises(DataError, match=r"odd\.jpg"):
        open_picture(root, "cat/odd.jpg")
    assert look_at(str(odd)).fault
    dataset = open_dataset(DataConfig(root=root))
    assert sum(len(files) for files in dataset.splits.values()) == (12 if kind == "folder link" else 8)
    if kind != "folder link":
        assert any("odd.jpg" in note for note in dataset.notes)
        assert any("odd.jpg" in str(item) for item in check_dataset(DataConfig(root=root)).warnings)
    if kind == "pipe":
        with pytest.raises(UnreadableError, match="named pipe"):
            open_picture(root, "cat/odd.jpg")


def test_a_check_sees_what_training_will_see(tmp_path: Path) -> None:
    root = class_folders(tmp_path / "set")
    save_jpeg(root / "cat" / "exif.jpg", CASES["no directory"][0])
    save_jpeg(root / "dog" / "fine.jpg", CASES["resolution -1/0"][0])
    plain = (root / "dog" / "0.jpg").read_bytes()
    frame = plain.index(b"\xff\xc0")
    # No height: a header that no reader accepts, between the right first and last bytes.
    (root / "dog" / "none.jpg").write_bytes(plain[: frame + 5] + b"\0\0" + plain[frame + 7 :])
    check = check_dataset(DataConfig(root=root))
    told = {item.file: item.text for item in check.warnings if item.file}
    assert set(told) == {"cat/exif.jpg", "dog/none.jpg"}
    assert "EXIF" in told["cat/exif.jpg"]
    assert told["dog/none.jpg"].startswith("cannot be read (")
    with pytest.raises(PictureError, match=r"none\.jpg"):
        open_picture(root, "dog/none.jpg")
