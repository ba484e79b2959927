"""Image files as pictures: modes, depths, turned and damaged files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.datasets.images import fault
from core.datasets.pictures import open_picture, open_reduced
from core.errors import DataError
from tests.shared_folder import needs_shared, shared

CASES = shared("cases/annotations")
needs_cases = needs_shared("cases/annotations")


@needs_cases
@pytest.mark.parametrize(
    "name", ["alpha_ramp.png", "cmyk.jpg", "deep16.png", "gray.png", "palette.png", "rgba.png"]
)
def test_every_mode_becomes_rgb(name: str) -> None:
    folder = CASES / "p13_image_modes" / "images"
    path = folder / name
    assert fault(str(path), path.stat().st_size) is None
    assert open_picture(folder, name).mode == "RGB"


@needs_cases
def test_sixteen_bit_greys_are_scaled_not_clipped() -> None:
    pixels = np.asarray(open_picture(CASES / "p13_image_modes" / "images", "deep16.png"))
    assert pixels[:, 0].max() <= 2
    assert 110 <= pixels[:, 32].min() <= pixels[:, 32].max() <= 150
    assert pixels[:, 63].min() >= 253


@needs_cases
def test_pictures_are_turned_upright() -> None:
    image = open_picture(CASES / "p14_image_damage_exif" / "images", "turned.jpg")
    assert image.size == (48, 64)


@needs_cases
@pytest.mark.parametrize(
    ("name", "readable"),
    [
        ("cut.jpg", False),
        ("zero.jpg", False),
        ("text.jpg", False),
        ("really_png.jpg", True),
        ("turned.jpg", True),
    ],
)
def test_damaged_files_are_told(name: str, readable: bool) -> None:
    path = CASES / "p14_image_damage_exif" / "images" / name
    assert (fault(str(path), path.stat().st_size) is None) is readable
    if readable or name == "cut.jpg":  # of which the missing part is grey
        assert open_picture(path.parent, name).mode == "RGB"
    else:
        with pytest.raises(DataError, match=rf"^{path} cannot be read as an image \("):
            open_picture(path.parent, name)


def test_files_below_the_root(tmp_path: Path) -> None:
    (tmp_path / "a b").mkdir()
    Image.new("L", (3, 2), 7).save(tmp_path / "a b/c.png")
    image = open_picture(tmp_path, "a b/c.png")
    assert (image.mode, image.size, image.getpixel((0, 0))) == ("RGB", (3, 2), (7, 7, 7))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        open_picture(tmp_path, "cat/0.png")
    assert str(caught.value) == f"{tmp_path}/cat/0.png is missing: put it back, or start a new run."


@pytest.mark.parametrize(
    ("name", "turned", "least", "size"),
    [
        ("a.jpg", False, (60, 40), (80, 48)),
        ("a.jpg", False, (81, 10), (160, 96)),
        ("a.jpg", False, (400, 400), (320, 192)),
        ("a.jpg", True, (24, 40), (24, 40)),
        ("a.jpg", True, (25, 40), (48, 80)),
        ("a.png", False, (60, 40), (320, 192)),
    ],
)
def test_a_jpeg_comes_smaller_where_that_is_enough(
    tmp_path: Path, name: str, turned: bool, least: tuple[int, int], size: tuple[int, int]
) -> None:
    pixels = np.zeros((192, 320, 3), np.uint8)
    pixels[:, 160:] = 250
    exif = Image.Exif()
    exif[0x0112] = 6 if turned else 1
    Image.fromarray(pixels).save(tmp_path / name, exif=exif)
    whole = open_picture(tmp_path, name)
    image, true = open_reduced(tmp_path, name, least)
    assert (true, image.size) == (whole.size, size)
    alike = np.asarray(whole.resize(size, Image.Resampling.BOX)).astype(int) - np.asarray(image)
    assert abs(alike).mean() < 4


@needs_cases
def test_a_cut_jpeg_comes_whole_when_asked_for_small() -> None:
    folder = CASES / "p14_image_damage_exif" / "images"
    image, true = open_reduced(folder, "cut.jpg", (10, 10))
    assert image.size == true == (200, 150)
