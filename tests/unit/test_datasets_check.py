"""What a check finds beside annotations: damage in the middle, copies, two classes, many of one kind."""

from __future__ import annotations

import io
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from core.cli.checking import lines
from core.config.schema import DataConfig
from core.datasets import decoding
from core.datasets.check import Check, check_dataset
from core.datasets.decoding import Decoder
from core.datasets.depth import PLAIN
from core.datasets.findings import MANY, Finding, Findings, fewer
from core.datasets.image_header import look_at
from core.datasets.pictures import open_picture
from core.errors import PictureError


def picture(path: Path, seed: int, size: tuple[int, int] = (40, 30)) -> bytes:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 255, (*size, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path.read_bytes()


def spoil(path: Path) -> None:
    """Damage the middle of a file; its first and last bytes stay."""
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 40] = bytes(byte ^ 0x5A for byte in data[middle : middle + 40])
    path.write_bytes(bytes(data))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for index in range(12):
        picture(tmp_path / ("set/cat" if index % 2 else "set/dog") / f"{index}.png", index)
    return tmp_path / "set"


def check(root: Path, *, deep: bool = False) -> Check:
    return check_dataset(DataConfig(root=root), deep=deep)


# Damage


def test_damage_in_the_middle_is_found_as_training_finds_it(root: Path, box_files: ModuleType) -> None:
    spoil(root / "cat/1.png")
    with pytest.raises(PictureError):
        open_picture(root, "cat/1.png")
    found = check(root)
    assert found.unreadable == ("cat/1.png",)
    assert found.images == 11
    assert sum(found.counts.values()) == 11
    assert any(str(item).startswith("cat/1.png: cannot be read (") for item in found.warnings)
    voc = root.parent / "voc"
    box_files.voc(voc, {str(number): [("a", 1, 1, 9, 9)] for number in range(6)})
    for number in range(6):
        picture(voc / f"JPEGImages/{number}.png", number, (48, 64))
    spoil(voc / "JPEGImages/3.png")
    found = check(voc)
    assert (found.unreadable, found.images) == (("JPEGImages/3.png",), 6)
    assert sum(split.objects for split in found.splits.values()) == 5


def test_of_a_jpeg_damaged_in_the_middle_the_rest_is_used(root: Path) -> None:
    buffer = io.BytesIO()
    pixels = np.random.default_rng(3).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(buffer, "JPEG", quality=95)
    data = buffer.getvalue()
    # A segment of pixels that is gone: the end mark follows too early.
    (root / "cat/cut.jpg").write_bytes(data[: len(data) // 2] + b"\xff\xd9")
    shown = np.asarray(open_picture(root, "cat/cut.jpg"))
    found = check(root)
    assert "cat/cut.jpg" not in found.unreadable
    assert shown.shape == (64, 64, 3)


def test_large_sets_are_decoded_when_asked_to(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spoil(root / "cat/1.png")
    monkeypatch.setattr(decoding, "QUICK_IMAGES", 11)
    found = check(root)
    assert found.unreadable == ()
    assert any(
        "12 images looked at without decoding" in item.text and "--deep" in item.text for item in found.notes
    )
    found = check(root, deep=True)
    assert found.unreadable == ("cat/1.png",)
    assert not any("without decoding" in item.text for item in found.notes)


def test_a_class_that_cannot_be_decoded_is_an_error(root: Path) -> None:
    for path in (root / "cat").iterdir():
        spoil(path)
    (error,) = check(root).errors
    assert "no training image of the class cat can be read" in error.text or "val" in error.text


# Copies


def test_one_image_in_two_classes_and_copies_are_told(root: Path) -> None:
    data = (root / "cat/1.png").read_bytes()
    (root / "dog/other.png").write_bytes(data)
    dog = (root / "dog/2.png").read_bytes()
    (root / "dog/again.png").write_bytes(dog)
    texts = [item.text for item in check(root).warnings]
    assert "1 image is in two classes: cat/1.png = dog/other.png" in texts
    # A copy is in the same split as its original, or it leaks.
    assert any("dog/again.png" in text for text in texts)


def test_copies_of_images_with_boxes(tmp_path: Path, box_files: ModuleType) -> None:
    box_files.voc(tmp_path, {str(number): [("a", 1, 1, 9, 9)] for number in range(8)})
    for number in range(8):
        picture(tmp_path / f"JPEGImages/{number}.png", number, (48, 64))
    assert not any("cop" in item.text or "leak" in item.text for item in check(tmp_path).warnings)
    (tmp_path / "JPEGImages/5.png").write_bytes((tmp_path / "JPEGImages/6.png").read_bytes())
    texts = [item.text for item in check(tmp_path).warnings]
    told = [text for text in texts if "5.png" in text and "6.png" in text]
    assert len(told) == 1


def test_equal_beginnings_are_no_copies(root: Path) -> None:
    for name, last in (("cat/a.bmp", 1), ("dog/b.bmp", 2)):
        image = Image.new("RGB", (100, 100))
        image.putpixel((99, 0), (last, last, last))  # the last row of a bitmap is its first
        image.save(root / name)
    assert not any(".bmp" in item.text for item in check(root).warnings)


# Many of one kind


def test_many_findings_of_one_kind_are_one_with_a_count() -> None:
    found = Findings()
    for number in range(MANY + 1):
        found.warn(f"labels/{number}.txt", f"box {number} has zero width, dropped", number + 1)
    for number in range(MANY):
        found.warn(f"labels/{number}.txt", f"there is no image 'a {number}.png': left out")
    found.warn("x.txt", "is odd")
    items = fewer(found.of("warning"))
    assert len(items) == MANY + 2
    assert items[0] == Finding(
        "warning",
        "",
        0,
        f"{MANY + 1} times: labels/0.txt:1: box 0 has zero width, dropped; also labels/1.txt, labels/2.txt, "
        "labels/3.txt, labels/4.txt, labels/5.txt and 15 more",
        MANY + 1,
    )
    assert items[-1].text == "is odd"


def test_a_check_tells_them_as_one_unless_all_are_asked_for(tmp_path: Path, box_files: ModuleType) -> None:
    box_files.voc(tmp_path, {str(n): [("a", 1, 1, 9, 9), ("a", 3, 3, 3, 8)] for n in range(30)})
    found = check(tmp_path)
    assert len([item for item in found.warnings if "zero width" in item.text]) == 30
    assert len([line for line in lines(found) if "zero width" in line]) == 1
    assert len([line for line in lines(found, all_findings=True) if "zero width" in line]) == 30
    (row,) = [row for row in found.as_json()["warnings"] if "zero width" in row["text"]]
    assert row["times"] == 30
    assert len(found.as_json(all_findings=True)["warnings"]) == len(found.warnings)
    assert "30 dropped" in lines(found)[0]


# Agreement with training


def half(data: bytes) -> bytes:
    return data[: len(data) // 2]


def all_but_the_end(data: bytes) -> bytes:
    return data[:-20]


def a_few_bytes(data: bytes) -> bytes:
    return data[:30]


def spoilt(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes(byte ^ 0x5A for byte in data[middle : middle + 40]) + data[middle + 40 :]


@pytest.mark.parametrize("ending", ["png", "jpg", "gif", "bmp", "tif", "webp", "avif", "jp2", "ppm", "tga"])
@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "I;16", "F"])
def test_a_deep_check_says_what_opening_does(tmp_path: Path, ending: str, mode: str) -> None:
    """Every format and mode, whole and damaged in four ways: readable for the one means readable for both."""
    grey = np.random.default_rng(5).integers(0, 255, (24, 36))
    kinds = {"I;16": np.uint16, "F": np.float32}
    image = Image.fromarray(grey.astype(kinds.get(mode, np.uint8)))
    try:
        (image if mode in kinds else image.convert(mode)).save(tmp_path / f"whole.{ending}")
    except (OSError, ValueError, KeyError):
        assert (mode, ending) not in (("RGB", ending), (mode, "tif"))  # which can be written
        return
    data = (tmp_path / f"whole.{ending}").read_bytes()
    for change in (bytes, half, all_but_the_end, a_few_bytes, spoilt):
        path = tmp_path / f"{change.__name__}.{ending}"
        path.write_bytes(change(data))
        look = Decoder(tmp_path, PLAIN, deep=True).look({path.name: look_at(str(path))})[path.name]
        try:
            opened = open_picture(tmp_path, path.name)
        except PictureError:
            assert look.fault, path.name
            continue
        assert not look.fault, path.name
        assert (opened.mode, opened.size) == ("RGB", look.size)
