"""Pixels are decoded once, as torchvision would, and never half."""

from __future__ import annotations

import os
import resource
import threading
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from core.config.workspace import cache_home
from core.data import cache, decode
from core.data.boxes_store import cached_pictures
from core.data.cache import Cancelled, cached_pixels, cached_whole
from core.data.decode import decode_pixels, decode_square, native_side
from core.datasets.depth import Opening
from core.datasets.pictures import member
from core.errors import DataError


def save(path: Path, width: int, height: int, seed: int = 0, **options: Any) -> Path:
    random = np.random.default_rng(seed)
    Image.fromarray(random.integers(0, 256, (height, width, 3), dtype=np.uint8)).save(path, **options)
    return path


@pytest.fixture
def three(tmp_path: Path) -> tuple[Path, list[str]]:
    root = tmp_path / "three"
    root.mkdir()
    names = [f"{index}.png" for index in range(3)]
    for index, name in enumerate(names):
        save(root / name, 32, 32, index)
    return root, names


def cache_files() -> list[Path]:
    return sorted(path for path in (cache_home() / "pixels").glob("*") if path.suffix != ".lock")


@pytest.mark.parametrize(("width", "height"), [(32, 32), (36, 36), (48, 31), (31, 48), (70, 20), (33, 36)])
@pytest.mark.parametrize("size", [32, 36])
def test_decoding_is_torchvisions_resize_and_centre_crop(
    tmp_path: Path, width: int, height: int, size: int
) -> None:
    from torchvision import transforms

    path = save(tmp_path / "a.png", width, height)
    with Image.open(path) as image:
        want = np.asarray(transforms.CenterCrop(size)(transforms.Resize(size)(image)))
    assert np.array_equal(decode_square(path.parent, path.name, size), want)


def test_odd_modes_become_eight_bit_rgb(tmp_path: Path) -> None:
    grey16 = np.full((32, 32), 0x80FF, dtype=np.uint16)
    Image.fromarray(grey16).save(tmp_path / "16.png")
    assert (decode_square(tmp_path, "16.png", 32) == 0x80).all()
    Image.new("L", (32, 32), 7).save(tmp_path / "l.png")
    assert (decode_square(tmp_path, "l.png", 32) == 7).all()
    Image.new("RGBA", (32, 32), (1, 2, 3, 255)).save(tmp_path / "a.png")
    assert (decode_square(tmp_path, "a.png", 32) == [1, 2, 3]).all()
    Image.new("RGBA", (32, 32), (1, 2, 3, 0)).save(tmp_path / "clear.png")
    assert (decode_square(tmp_path, "clear.png", 32) == 255).all()
    Image.new("P", (32, 32)).save(tmp_path / "p.png")
    assert decode_square(tmp_path, "p.png", 32).shape == (32, 32, 3)


def test_turned_photos_are_stood_up(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    plain = save(tmp_path / "plain.png", 32, 32)
    turned = save(tmp_path / "turned.png", 32, 32, exif=exif)
    upright = decode_square(tmp_path, plain.name, 32)
    assert np.array_equal(decode_square(tmp_path, turned.name, 32), np.rot90(upright, -1))


def test_rows_are_the_images_between_two_black_ones(three: tuple[Path, list[str]]) -> None:
    root, names = three
    pixels = cached_pixels(root, names, 32, threads=2)
    assert pixels.shape == (5, 32, 32, 3)
    assert pixels.dtype == torch.uint8
    assert not pixels[0].any()
    assert not pixels[-1].any()
    for index, name in enumerate(names):
        assert np.array_equal(pixels[index + 1].numpy(), np.asarray(Image.open(root / name)))


def test_many_images_keep_their_order(tmp_path: Path) -> None:
    names = [f"{index:04d}.png" for index in range(300)]
    for index, name in enumerate(names):
        Image.new("RGB", (8, 8), (index % 256, index // 256, 0)).save(tmp_path / name)
    done: list[tuple[int, int]] = []
    pixels = cached_pixels(tmp_path, names, 8, threads=3, progress=lambda *now: done.append(now))
    values = pixels[1:-1, 0, 0].numpy().astype(int)
    assert (values[:, 0] + 256 * values[:, 1]).tolist() == list(range(300))
    assert done == [(128, 300), (256, 300), (300, 300)]


def test_a_second_run_decodes_nothing(three: tuple[Path, list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    root, names = three
    first = cached_pixels(root, names, 32)
    monkeypatch.setattr(cache, "decode_chunk", None)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert torch.equal(cached_pixels(root, names, 32), first)


def test_changed_files_sizes_and_lists_get_a_cache_of_their_own(three: tuple[Path, list[str]]) -> None:
    root, names = three
    cached_pixels(root, names, 32)
    cached_pixels(root, names, 36)
    cached_pixels(root, names[:2], 32)
    assert len(cache_files()) == 3
    os.utime(root / names[0], ns=(1, 1))
    cached_pixels(root, names, 32)
    assert len(cache_files()) == 4
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in cache_files())


def test_two_at_once_build_it_once(three: tuple[Path, list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    root, names = three
    inside, go_on = threading.Event(), threading.Event()
    decoded: list[str] = []

    def slow(root: Path, path: str, size: int, how: Opening) -> np.ndarray:
        decoded.append(path)
        inside.set()
        assert go_on.wait(30)
        return decode_square(root, path, size, how)

    monkeypatch.setattr(decode, "decode_square", slow)
    results: list[torch.Tensor] = []
    threads = [
        threading.Thread(target=lambda: results.append(cached_pixels(root, names, 32))) for _ in range(2)
    ]
    threads[0].start()
    assert inside.wait(30)
    threads[1].start()
    go_on.set()
    for thread in threads:
        thread.join(30)
    assert len(results) == 2
    assert torch.equal(results[0], results[1])
    assert len(decoded) == len(names)


def test_waiting_for_another_builder_can_be_cancelled(three: tuple[Path, list[str]]) -> None:
    from core.store.locks import acquire

    root, names = three
    folder = cache_home() / "pixels"
    folder.mkdir()
    with acquire(folder / f"{cache.cache_key(root, names, 32)}.lock") as lock:  # type: ignore[union-attr]
        assert lock
        with pytest.raises(Cancelled):
            cached_pixels(root, names, 32, cancelled=lambda: True)


@pytest.mark.parametrize("fault", ["cancelled", "broken", "missing", "full"])
def test_nothing_half_built_stays(three: tuple[Path, list[str]], fault: str) -> None:
    root, names = three
    if fault == "cancelled":
        with pytest.raises(Cancelled):
            cached_pixels(root, names, 32, cancelled=lambda: True)
    elif fault == "broken":
        data = (root / names[1]).read_bytes()
        (root / names[1]).write_bytes(data[: len(data) // 2])
        with pytest.raises(DataError, match=r"1\.png cannot be read as an image"):
            cached_pixels(root, names, 32)
    elif fault == "missing":
        (root / names[2]).unlink()
        with pytest.raises(DataError, match=r"2\.png cannot be opened"):
            cached_pixels(root, names, 32)
    else:
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (5000, hard))
        try:
            with pytest.raises(DataError, match=r"needs 15\.4 kB there"):
                cached_pixels(root, names, 32)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert cache_files() == []


def write_idx(path: Path, pixels: np.ndarray) -> list[str]:
    """Greys (n, height, width) as torchvision's MNIST files have them; the pictures' paths."""
    sides = b"".join(side.to_bytes(4, "big") for side in pixels.shape)
    path.write_bytes(b"\0\0\x08\x03" + sides + pixels.tobytes())
    return [member(path.name, index) for index in range(len(pixels))]


@pytest.mark.parametrize("size", [28, 32])
def test_pictures_inside_one_file_are_decoded_like_files(tmp_path: Path, size: int) -> None:
    greys = np.random.default_rng(0).integers(0, 256, (300, 28, 28), dtype=np.uint8)
    names = write_idx(tmp_path / "images-idx3-ubyte", greys)
    pixels = cached_pixels(tmp_path, names, size, threads=3)[1:-1]
    assert native_side(tmp_path, names) == 28
    for grey, got in zip(greys, pixels, strict=True):
        picture = Image.fromarray(grey).convert("RGB")
        want = picture.resize((size, size), Image.Resampling.BILINEAR) if size != 28 else picture
        assert np.array_equal(got.numpy(), np.asarray(want))
    few = [names[7], names[290], names[3]]
    assert torch.equal(decode_pixels(tmp_path, few, size)[1:-1], pixels[[7, 290, 3]])


def test_a_changed_file_of_many_gets_a_cache_of_its_own(tmp_path: Path) -> None:
    greys = np.zeros((5, 28, 28), dtype=np.uint8)
    names = write_idx(tmp_path / "images", greys)
    assert not cached_pixels(tmp_path, names, 28).any()
    write_idx(tmp_path / "images", greys + 9)
    os.utime(tmp_path / "images", ns=(1, 1))
    assert (cached_pixels(tmp_path, names, 28)[1:-1] == 9).all()
    assert len(cache_files()) == 2
    with pytest.raises(DataError, match="has 5 pictures, but number 9 is needed"):
        cached_pixels(tmp_path, [member("images", 9)], 28)


@pytest.mark.parametrize(("sides", "native"), [([(60, 40), (90, 70)], 70), ([(20, 500)], 20)])
def test_native_side_is_the_shorter_one(tmp_path: Path, sides: list[tuple[int, int]], native: int) -> None:
    names = [save(tmp_path / f"{index}.png", *size).name for index, size in enumerate(sides)]
    assert native_side(tmp_path, names) == native


def test_deep_pictures_are_decoded_by_the_range_of_their_set_and_cached_by_it(tmp_path: Path) -> None:
    Image.fromarray(np.full((20, 20), 1000, np.uint16)).save(tmp_path / "a.png")
    narrow, wide = Opening((0, 1023)), Opening((0, 4095))
    for how, value in ((narrow, 249), (wide, 62), (Opening(), 3)):
        assert (cached_pixels(tmp_path, ["a.png"], 16, how=how)[1:-1] == value).all()
        assert (cached_whole(tmp_path, ["a.png"], 16, how=how).pixels.view(3, 16, 16, 3)[1] == value).all()
        assert (decode_pixels(tmp_path, ["a.png"], 16, how)[1:-1] == value).all()
        sizes = np.array([[20, 20]])
        assert (cached_pictures(tmp_path, ["a.png"], sizes, (16, 16), how=how) == value).all()
    assert len(cache_files()) == 9
