"""Objects of one image: swapped, clipped, dropped, turned with the picture."""

from __future__ import annotations

import math
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image, ImageOps

from core.datasets.boxes.annotations import Corners, RawBox, RawImage
from core.datasets.boxes.repair import mend, upright, without_look
from core.datasets.findings import Findings
from core.datasets.image_header import Look, look_at

NAN = math.nan


def image(*boxes: RawBox, size: tuple[int, int] | None = None, relative: bool = False) -> RawImage:
    return RawImage("a.png", "a.xml", "a", boxes, size, relative)


def box(*corners: float, name: str = "x", number: int = 1, area: float | None = None) -> RawBox:
    left, top, right, bottom = corners
    return RawBox(name, (left, top, right, bottom), f"box {number}", number, area=area)


def looked(width: int = 64, height: int = 48, turn: int = 1) -> Look:
    stored = (height, width) if turn > 4 else (width, height)
    return Look(size=(width, height), stored=stored, turn=turn)


def mended(raw: RawImage, look: Look | None = None) -> tuple[list[Corners], list[str], tuple[int, int]]:
    found = Findings()
    kept = mend(raw, look or looked(), found)
    told = [str(item) for item in found.of("warning")]
    return [item.corners for item in kept], told, (found.repaired, found.dropped)


@pytest.mark.parametrize(
    ("corners", "result", "said", "counts"),
    [
        ((1, 2, 3, 4), (1, 2, 3, 4), "", (0, 0)),
        ((1.5, 2.25, 3, 4), (1.5, 2.25, 3, 4), "", (0, 0)),
        ((0, 0, 64, 48), (0, 0, 64, 48), "", (0, 0)),
        ((3, 4, 1, 2), (1, 2, 3, 4), "corners swapped", (1, 0)),
        ((3, 2, 1, 4), (1, 2, 3, 4), "corners swapped", (1, 0)),
        ((50, 2, 67, 4), (50, 2, 64, 4), "clipped to the image of 64 x 48", (1, 0)),
        ((-2, -3, 5, 6), (0, 0, 5, 6), "clipped to the image of 64 x 48", (1, 0)),
        ((70, 4, 60, 2), (60, 2, 64, 4), "corners swapped, clipped to the image of 64 x 48", (1, 0)),
        ((0, 0, 64.004, 48), (0, 0, 64, 48), "", (0, 0)),
        ((1, 2, 1, 4), None, "box 1 has zero width, dropped", (0, 1)),
        ((1, 2, 3, 2), None, "box 1 has zero height, dropped", (0, 1)),
        ((64, 2, 90, 4), None, "box 1 lies outside the image of 64 x 48 (64, 2, 90, 4), dropped", (0, 1)),
        ((-9, 2, 0, 4), None, "box 1 lies outside the image of 64 x 48 (-9, 2, 0, 4), dropped", (0, 1)),
        ((1, 2, NAN, 4), None, "box 1 has a coordinate that is not a number, dropped", (0, 1)),
        ((1, 2, math.inf, 4), None, "box 1 has a coordinate that is not a number, dropped", (0, 1)),
        # Too thin to be a box once stored as float32.
        (
            (63, 2, 63 + 1e-9, 4),
            None,
            "box 1 lies outside the image of 64 x 48 (63, 2, 63, 4), dropped",
            (0, 1),
        ),
    ],
)
def test_one_box(corners: Corners, result: Corners | None, said: str, counts: tuple[int, int]) -> None:
    kept, told, numbers = mended(image(box(*corners)))
    assert kept == ([result] if result else [])
    assert numbers == counts
    assert told == ([f"a.xml:1: {said}" if counts[1] else f"a.xml:1: box 1: {said}"] if said else [])


@pytest.mark.parametrize(
    ("corners", "result", "counts"),
    [
        ((0.1, 0.2, 0.5, 0.75), (6.4, 9.6, 32, 36), (0, 0)),
        ((0.9, 0.5, 1.008, 0.75), (57.6, 24, 64, 36), (1, 0)),
        ((0.9, 0.5, 1.000001, 0.75), (57.6, 24, 64, 36), (0, 0)),
        ((-0.009, 0.5, 0.5, 0.75), (0, 24, 32, 36), (1, 0)),
        ((0.9, 0.5, 1.02, 0.75), None, (0, 1)),
        ((-0.02, 0.5, 0.3, 0.75), None, (0, 1)),
        ((30, 20, 50, 40), None, (0, 1)),
    ],
)
def test_shares_of_the_image(corners: Corners, result: Corners | None, counts: tuple[int, int]) -> None:
    kept, _, numbers = mended(image(box(*corners), relative=True))
    assert numbers == counts
    assert len(kept) == (result is not None)
    if result is not None:
        assert np.allclose(kept[0], result)


def test_copies_go_and_boxes_of_two_classes_stay() -> None:
    same = (1.0, 2.0, 3.0, 4.0)
    raw = image(
        box(*same), box(*same, number=2), box(*same, name="y", number=3), box(*same, name="y", number=4)
    )
    kept, told, counts = mended(raw)
    assert (len(kept), counts) == (2, (0, 2))
    assert told == [
        "a.xml:2: box 2 is a duplicate of box 1, dropped",
        "a.xml:3: box 3, y, has the same corners as box 1, x: a duplicate of another class, kept",
        "a.xml:4: box 4 is a duplicate of box 1, dropped",
    ]


def test_areas_given_stay_while_the_box_does() -> None:
    boxes = (
        box(0, 0, 10, 10, area=55),
        box(60, 0, 70, 10, area=55),
        box(0, 20, 10, 30, area=0),
        box(0, 40, 9, 48),
    )
    kept = mend(image(*boxes), looked(), Findings())
    assert [item.area for item in kept] == [55, 40, 100, 72]


@pytest.mark.parametrize("turn", range(1, 9))
def test_corners_turn_with_the_picture(tmp_path: Path, turn: int) -> None:
    """A white patch under its box stays under it, for all eight EXIF orientations."""
    pixels = np.zeros((48, 64, 3), np.uint8)
    pixels[5:20, 30:41] = 255
    exif = Image.Exif()
    exif[0x0112] = turn
    Image.fromarray(pixels).save(tmp_path / "a.png", exif=exif)
    look = look_at(str(tmp_path / "a.png"))
    assert (look.turn, look.stored) == (turn, (64, 48))
    with Image.open(tmp_path / "a.png") as opened:
        seen = np.asarray(ImageOps.exif_transpose(opened))[..., 0]
    assert look.size == seen.shape[::-1]
    left, top, right, bottom = (int(value) for value in upright((30, 5, 41, 20), turn, look.stored))
    assert seen[top:bottom, left:right].min() == 255
    assert seen.sum() == 255 * (right - left) * (bottom - top)


def test_annotations_of_the_turned_picture() -> None:
    found = Findings()
    kept = mend(image(box(36, 0, 48, 16), size=(48, 64)), looked(48, 64, turn=6), found)
    assert [item.corners for item in kept] == [(36, 0, 48, 16)]
    assert [item.text for item in found.of("note")] == ["a.png is rotated, as its EXIF data say"]
    assert not found.of("warning")


def test_annotations_of_the_picture_as_stored_are_turned_too() -> None:
    kept, told, _ = mended(image(box(0, 0, 16, 12), size=(64, 48)), looked(48, 64, turn=6))
    assert kept == [(36, 0, 48, 16)]
    assert told == [
        "a.xml: a.png is 48 x 64 when rotated as its EXIF data say, not 64 x 48; "
        "the boxes are rotated with it"
    ]


def test_boxes_that_fit_only_the_turned_picture_are_of_it() -> None:
    kept, told, _ = mended(image(box(0, 50, 16, 60), size=(64, 48)), looked(48, 64, turn=6))
    assert kept == [(0, 50, 16, 60)]
    assert "the boxes fit that" in told[0]


@pytest.mark.parametrize(
    ("size", "said"),
    [
        ((0, 0), "the size is given as 0 x 0; the image's real size is used"),
        ((48, 64), "width and height are swapped: a.png is 64 x 48, not 48 x 64"),
        ((60, 20), "a.png is 64 x 48, not 60 x 20; the image's real size is used"),
        (
            (128, 96),
            "a.png is 64 x 48, not 128 x 96; the image's real size is used: the boxes may be meant for a "
            "picture 2 times as large",
        ),
        (
            (32, 24),
            "a.png is 64 x 48, not 32 x 24; the image's real size is used: the boxes may be meant for a "
            "picture 2 times smaller",
        ),
    ],
)
def test_wrong_sizes_are_told_and_never_used(size: tuple[int, int], said: str) -> None:
    kept, told, counts = mended(image(box(50, 1, 60, 40), size=size))
    assert kept == [(50, 1, 60, 40)]
    assert told == [f"a.xml: {said}"]
    assert counts == (0, 0)


def test_objects_of_an_image_that_cannot_be_read_are_counted_by_what_is_written() -> None:
    boxes = (box(1, 1, 5, 5), box(70, 1, 80, 5, number=2), box(1, 1, 1, 5, number=3))
    assert without_look(image(*boxes, size=(64, 48))) == 1
    assert without_look(image(*boxes)) == 2


def test_looks(tmp_path: Path, box_files: ModuleType) -> None:
    whole = box_files.picture(tmp_path / "a.jpg")
    (tmp_path / "cut.jpg").write_bytes(whole.read_bytes()[:-300])
    png = box_files.picture(tmp_path / "b.png")
    (tmp_path / "cut.png").write_bytes(png.read_bytes()[:-300])
    (tmp_path / "text.jpg").write_text("not an image")
    (tmp_path / "none.jpg").write_bytes(b"")
    looks = {
        name: look_at(str(tmp_path / name))
        for name in ("a.jpg", "cut.jpg", "cut.png", "text.jpg", "none.jpg")
    }
    assert (looks["a.jpg"].fault, looks["a.jpg"].damage, looks["a.jpg"].size) == ("", "", (64, 48))
    assert (looks["cut.jpg"].fault, looks["cut.jpg"].size) == ("", (64, 48))
    assert looks["cut.jpg"].damage == "it is cut off; the missing part is grey"
    assert looks["cut.png"].fault
    assert looks["text.jpg"].fault == "not an image"
    assert looks["none.jpg"].fault == "empty file"
    assert look_at(str(tmp_path / "gone.jpg")).fault == "no such file"
