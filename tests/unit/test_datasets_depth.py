"""Pictures of more than eight bits, of every format, of any size: check and training agree on them."""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from core.analysis.data_reading import read_table
from core.config.schema import DataConfig
from core.datasets.check import check_dataset
from core.datasets.dataset import from_stored, stored_split
from core.datasets.depth import PLAIN, Opening, as_numbers, from_numbers
from core.datasets.image_header import look_at
from core.datasets.images import FORMATS, SUFFIXES, fault, is_image_name, unread_words
from core.datasets.open import open_dataset
from core.datasets.pictures import open_fitting, open_picture
from core.errors import DataError, PictureError

Values = NDArray[Any]


def ramp(most: float, kind: Any, first: float = 0.0) -> Values:
    """Values from `first` to `most`, of unequal sides."""
    return np.linspace(first, most, 12 * 9).reshape(9, 12).astype(kind)


def make(root: Path, *values: Values, ending: str = "tif") -> Path:
    for number, each in enumerate(values):
        folder = root / ("cat" if number % 2 else "dog")
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(each).save(folder / f"{number}.{ending}")
    return root


CASES = {
    "12 bits in 16": ("png", [ramp(top, np.uint16) for top in (900, 4000, 30, 2000)], (0, 4095)),
    "10 bits in 16": ("tif", [ramp(top, np.uint16) for top in (900, 40, 30, 800)], (0, 1023)),
    "all 16 bits": ("png", [ramp(top, np.uint16) for top in (900, 65000, 30, 9)], None),
    "0 to 1": ("tif", [ramp(top, np.float32) for top in (0.2, 0.9, 0.5, 0.1)], (0, 1)),
    "small decimals": ("tif", [ramp(top, np.float32) for top in (0.002, 0.25, 0.1, 0.1)], (0, 0.25)),
    "negative": ("tif", [ramp(3000, np.int32, -1000) for _ in range(4)], (-1000, 4095)),
    "32 bits": ("tif", [ramp(1 << 20, np.int32) for _ in range(4)], (0, 1 << 20)),
}


@pytest.mark.parametrize("name", list(CASES))
def test_a_set_has_one_range_which_a_run_keeps(tmp_path: Path, name: str) -> None:
    ending, values, levels = CASES[name]
    root = make(tmp_path, *values, ending=ending)
    dataset = open_dataset(DataConfig(root=root))
    opening = dataset.opening
    found = opening.decimals if values[0].dtype == np.float32 else opening.levels
    assert found == (None if levels is None else pytest.approx(levels))
    low, high = levels or (0, 65535)
    for number, each in enumerate(values):
        path = f"{'cat' if number % 2 else 'dog'}/{number}.{ending}"
        shown = np.asarray(open_picture(root, path, dataset.opening))[..., 0].astype(int)
        want = (each.astype(float) - low) / (high - low) * 255
        assert abs(shown - want).max() <= 1
    assert from_stored(stored_split(dataset)).opening == dataset.opening
    assert from_numbers(as_numbers(dataset.opening)) == dataset.opening
    check = check_dataset(DataConfig(root=root))
    (note,) = [item.text for item in check.notes if "8 bits" in item.text]
    assert f"from {low:g} to {high:g} are scaled" in note
    assert note in dataset.notes
    assert read_table(DataConfig(root=root)).opening == dataset.opening


def test_whole_numbers_and_decimals_have_a_range_each(tmp_path: Path) -> None:
    root = make(tmp_path, *[ramp(4000, np.uint16), ramp(0.9, np.float32)] * 2)
    dataset = open_dataset(DataConfig(root=root))
    assert (dataset.opening.levels, dataset.opening.decimals) == ((0, 4095), (0, 1))
    for path, most in (("dog/0.tif", 4000 / 4095), ("cat/1.tif", 0.8999)):
        assert np.asarray(open_picture(root, path, dataset.opening)).max() == round(255 * most)
    assert from_stored(stored_split(dataset)).opening == dataset.opening
    assert from_numbers(as_numbers(dataset.opening)) == dataset.opening
    assert any("values from 0 to 4095 and 0 to 1 are scaled" in note for note in dataset.notes)


def test_statistics_of_large_sets_know_the_range_of_some(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.analysis.data_reading.HEADERS_AT_ONCE", 3)
    root = make(tmp_path, *[ramp(4000, np.uint16)] * 4)
    table = read_table(DataConfig(root=root))
    assert not table.has_headers
    assert table.opening.levels == (0, 4095)


def test_boxes_on_deep_pictures(tmp_path: Path, box_files: ModuleType) -> None:
    box_files.voc(tmp_path, {"1": [("a", 1, 1, 9, 9)], "2": [("b", 1, 1, 9, 9)], "3": [("b", 1, 1, 9, 9)]})
    for number in (1, 2):
        values = np.full((48, 64), 2000 * number, np.uint16)
        Image.fromarray(values).save(tmp_path / f"JPEGImages/{number}.png")
    dataset = open_dataset(DataConfig(root=tmp_path))
    assert dataset.opening.levels == (0, 4095)
    assert any(
        "2 images have more than 8 bits a pixel: values from 0 to 4095" in note for note in dataset.notes
    )
    check = check_dataset(DataConfig(root=tmp_path))
    assert any("JPEGImages/1.png" in item.text and "4095" in item.text for item in check.notes)


def test_sets_without_deep_pictures_are_opened_as_ever(tmp_path: Path) -> None:
    dataset = open_dataset(DataConfig(root=make(tmp_path, *[ramp(250, np.uint8)] * 4, ending="png")))
    assert dataset.opening == PLAIN
    assert "opening" not in stored_split(dataset)


def test_what_is_no_number_is_black_and_what_is_transparent_white(tmp_path: Path) -> None:
    odd = ramp(1, np.float32)
    odd[0, :3] = np.nan, np.inf, -np.inf
    Image.fromarray(odd).save(tmp_path / "a.tif")
    shown = np.asarray(open_picture(tmp_path, "a.tif", Opening(decimals=(0, 1))))[0, :3, 0]
    assert shown.tolist() == [0, 255, 0]
    Image.fromarray(ramp(4000, np.uint16)).save(tmp_path / "a.png", transparency=0)
    shown = np.asarray(open_picture(tmp_path, "a.png", Opening((0, 4095))))[..., 0]
    assert (shown[0, 0], shown[0, 1]) == (255, 2)


# Formats


def test_every_format_is_found_by_each_of_its_endings(tmp_path: Path) -> None:
    Image.init()
    assert {ending for ending, kind in Image.registered_extensions().items() if kind in FORMATS} <= SUFFIXES
    written = []
    for kind, endings in FORMATS.items():
        if kind in Image.SAVE and endings:
            mode = "1" if kind in ("XBM", "MSP") else "RGB"
            path = tmp_path / f"a{endings[-1]}"
            Image.fromarray(ramp(250, np.uint8)).convert(mode).save(path, kind)
            assert is_image_name(path.name)
            assert fault(str(path), path.stat().st_size) is None, kind
            assert look_at(str(path)).size == open_picture(tmp_path, path.name).size
            written.append(kind)
    assert {"JPEG", "AVIF", "JPEG2000", "WEBP", "TIFF", "QOI"} <= {*written}


def test_what_other_programs_would_have_to_open_is_no_image(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.eps")
    os.rename(tmp_path / "a.eps", tmp_path / "a.jpg")
    with pytest.raises(PictureError, match="not an image"):
        open_picture(tmp_path, "a.jpg")


def test_files_that_cannot_be_read_are_counted_by_their_ending(tmp_path: Path) -> None:
    root = make(tmp_path / "set", *[ramp(250, np.uint8)] * 4, ending="jfif")
    for name in ("cat/a.heic", "cat/b.HEIC", "dog/c.dng", "dog/notes.txt"):
        (root / name).write_bytes(b"x")
    said = [item.text for item in check_dataset(DataConfig(root=root)).warnings]
    text = "left out (1 .dng file, 2 .heic files cannot be read: convert to JPEG or PNG)"
    assert f"4 files in class folders that are no images {text}" in said
    for path in root.rglob("*.jfif"):
        path.unlink()
    with pytest.raises(DataError, match=r"has no images.*2 \.heic files cannot be read: convert"):
        open_dataset(DataConfig(root=root))
    assert unread_words(["a.txt", "b"]) == ""


def test_of_several_pictures_in_a_file_the_first_is_used_and_that_is_told(tmp_path: Path) -> None:
    root = make(tmp_path, *[ramp(250, np.uint8)] * 4, ending="png")
    first, second = (Image.new("RGB", (6, 6), colour) for colour in ("red", "blue"))
    for ending in ("gif", "png", "webp", "tif"):
        first.save(root / f"cat/several.{ending}", save_all=True, append_images=[second])
        assert open_picture(root, f"cat/several.{ending}").getpixel((3, 3))[0] > 200  # type: ignore[index]
    (note,) = [
        item.text for item in check_dataset(DataConfig(root=root)).notes if "first is used" in item.text
    ]
    assert note.startswith(
        "4 images have several pictures in their file, of which the first is used: cat/sev"
    )


# Size


@pytest.mark.parametrize("ending", ["png", "jpg", "tif"])
def test_large_pictures_have_one_verdict_and_a_key(
    tmp_path: Path, box_files: ModuleType, ending: str
) -> None:
    box_files.voc(tmp_path / "voc", {"1": [("a", 1, 1, 9, 9)], "2": [("b", 1, 1, 9, 9)]})
    root = make(tmp_path / "set", *[ramp(250, np.uint8)] * 6, ending=ending)
    large = Image.new("RGB", (1200, 900))
    large.save(root / f"cat/large.{ending}")
    large.save(tmp_path / f"voc/JPEGImages/2.{ending}")
    if ending != "png":
        (tmp_path / "voc/JPEGImages/2.png").unlink()
    text = "1200 x 900 are 1 megapixels, 0.5 are allowed: raise data.max_megapixels"
    for at in ("set", "voc"):
        data = DataConfig(root=tmp_path / at, max_megapixels=0.5)
        check = check_dataset(data)
        assert any(text in item.text for item in check.warnings), at
        whole = check_dataset(data.model_copy(update={"max_megapixels": 2.0}))
        assert not any("megapixels" in item.text for item in whole.warnings)
    dataset = open_dataset(DataConfig(root=root, max_megapixels=0.5))
    assert sum(len(files) for files in dataset.splits.values()) == 6
    with pytest.raises(PictureError, match=text):
        open_picture(root, f"cat/large.{ending}", dataset.opening)


def test_what_is_too_large_unasked_comes_reduced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.new("RGB", (1600, 800)).save(tmp_path / "a.jpg")
    how = Opening(max_megapixels=PLAIN.max_megapixels + 1)
    assert open_fitting(tmp_path, "a.jpg", (64, 32), how)[0].size == (1600, 800)
    monkeypatch.setattr("core.datasets.pictures.PLAIN", Opening(max_megapixels=1))
    image, size = open_fitting(tmp_path, "a.jpg", (64, 32), how)
    assert (image.size, size) == ((200, 100), (1600, 800))


def png(size: tuple[int, int], depth: int, pixels: bytes) -> bytes:
    """A PNG of colours, by hand: width and height, bits a channel, rows each after a filter byte."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", *size, depth, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(pixels)) + chunk(b"IEND", b"")


@pytest.mark.parametrize(("most", "dark"), [(4095, True), (65535, False)])
def test_colours_of_sixteen_bits_are_told_and_warned_of_where_they_are_dark(
    tmp_path: Path, most: int, dark: bool
) -> None:
    root = make(tmp_path, *[ramp(250, np.uint8)] * 4, ending="png")
    rows = np.linspace(0, most, 9 * 36).astype(">u2").reshape(9, 36)
    (root / "cat/deep.png").write_bytes(png((12, 9), 16, b"".join(b"\0" + row.tobytes() for row in rows)))
    check = check_dataset(DataConfig(root=root))
    assert "1 image with colours of 16 bits, of which the upper 8 are read: cat/deep.png" in [
        item.text for item in check.notes
    ]
    assert any("nearly black" in str(item) for item in check.warnings) is dark
    assert look_at(str(root / "cat/deep.png")).halved
    assert not look_at(str(root / "cat/1.png")).halved


def test_a_picture_made_to_fill_the_memory_is_refused_without_decoding(tmp_path: Path) -> None:
    data = png((30_000, 30_000), 8, bytes(900))
    root = make(tmp_path, *[ramp(250, np.uint8)] * 4, ending="png")
    (root / "cat/bomb.png").write_bytes(data)
    text = "30000 x 30000 are 900 megapixels, 179 are allowed"
    assert look_at(str(root / "cat/bomb.png")).fault.startswith(text)
    check = check_dataset(DataConfig(root=root))
    assert any("cat/bomb.png" in str(item) and text in item.text for item in check.warnings)
