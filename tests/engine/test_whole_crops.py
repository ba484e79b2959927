"""Random crops of pictures that are no squares are torchvision's, and reach all of them; squares stay."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import RandomCrop, RandomResizedCrop, functional

from core.config.workspace import cache_home
from core.data.augment import Augmentation
from core.data.batches import TrainBatches
from core.data.cache import cached_pixels, cached_whole
from core.data.decode import LONGEST, decode_whole
from core.data.epoch_rng import draw_epoch
from core.data.splits import Loading, SplitStores, as_whole_store
from core.data.store import ImageStore, Normalisation
from core.datasets.dataset import FileList, make_dataset, read_dataset
from core.datasets.images import fault
from core.engine.resolve import read_resolved
from core.errors import DataError
from core.store.checkpoints import choose
from core.store.paths import RunPaths

NORM = Normalisation((0.4, 0.5, 0.6), (0.2, 0.25, 0.3))
SIZES = [(57, 32), (32, 57), (32, 32), (43, 32), (36, 33), (32, 100)]
MULTI = Augmentation(32, scale=(36, 44), flip=True)


@pytest.fixture
def mixed(tmp_path: Path) -> tuple[Path, list[str]]:
    names = []
    for index, (width, height) in enumerate(SIZES):
        pixels = np.random.default_rng(index).integers(0, 256, (height, width, 3), dtype=np.uint8)
        names.append(f"{index}.png")
        Image.fromarray(pixels).save(tmp_path / names[-1])
    return tmp_path, names


def loading(size: int) -> Loading:
    return Loading(size, NORM, torch.device("cpu"), 2, lambda line: None, lambda: False)


def mixed_store(root: Path, names: list[str], side: int, size: int) -> tuple[ImageStore, list[torch.Tensor]]:
    """A store of whole pictures, and each as torchvision's Resize makes it: (3, height, width)."""
    store = as_whole_store(cached_whole(root, names, side), tuple(range(len(names))), loading(size))
    wanted = [functional.resize(Image.open(root / name), side) for name in names]
    return store, [functional.pil_to_tensor(picture) for picture in wanted]


@pytest.mark.parametrize("side", [32, 20, 40])
def test_pictures_are_stored_as_resize_makes_them(mixed: tuple[Path, list[str]], side: int) -> None:
    root, names = mixed
    found = cached_whole(root, names, side, threads=3)
    again, now = cached_whole(root, names, side), decode_whole(root, names, side)
    assert found.squares() is None
    for other in (again, now):
        assert torch.equal(found.pixels, other.pixels)
        assert np.array_equal(found.sizes, other.sizes)
    start = 3 * side * side
    for name, (width, height) in zip(names, found.sizes.tolist(), strict=True):
        want = np.asarray(functional.resize(Image.open(root / name), side))
        part = found.pixels[start : start + 3 * width * height].view(height, width, 3)
        assert np.array_equal(part.numpy(), want)
        start += part.numel()
    assert not found.pixels[start:].any()
    assert len(found.pixels) - start == 3 * side * side
    assert len(list((cache_home() / "pixels").glob("*.npy"))) == 1


@pytest.mark.parametrize(("width", "height"), [(300, 20), (20, 301)])
def test_very_long_pictures_keep_their_middle(tmp_path: Path, width: int, height: int) -> None:
    ramp = np.zeros((height, width, 3), np.uint8)
    ramp[...] = (np.arange(max(width, height)) % 256).reshape((1, -1, 1) if width > height else (-1, 1, 1))
    Image.fromarray(ramp).save(tmp_path / "long.png")
    found = decode_whole(tmp_path, ["long.png"], 20)
    most = LONGEST * 20
    assert found.sizes.tolist() == [[most, 20] if width > height else [20, most]]
    cut = round((max(width, height) - most) / 2.0)
    values = found.pixels[1200:-1200].view(found.sizes[0, 1], found.sizes[0, 0], 3)[..., 0].unique()
    assert sorted(values.tolist()) == sorted({place % 256 for place in range(cut, cut + most)})


@pytest.mark.parametrize("size", [28, 32])
def test_squares_are_the_bits_that_they_were(tmp_path: Path, size: int) -> None:
    """Same pixels, same draws, same batches as a store of squares."""
    names = [f"{index}.png" for index in range(9)]
    for index, name in enumerate(names):
        side = (32, 40, 25)[index % 3]
        pixels = np.random.default_rng(index).integers(0, 256, (side, side, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / name)
    squares = cached_pixels(tmp_path, names, size)
    whole = cached_whole(tmp_path, names, size).squares()
    assert whole is not None
    assert torch.equal(whole, squares)
    files = FileList(tuple(names), (0, 1, 2) * 3, (1,) * 9)
    stores = SplitStores(make_dataset(tmp_path, ("a", "b", "c"), {"train": files}), loading(size))
    found = stores.whole("train", size)
    assert found.shapes is None
    assert stores.store("train", size) is found


@pytest.mark.parametrize("pad", [0, 3, 20])
@pytest.mark.parametrize("size", [20, 32])
def test_crops_of_one_size_are_torchvisions(mixed: tuple[Path, list[str]], pad: int, size: int) -> None:
    store, images = mixed_store(*mixed, 32, size)
    augmentation = Augmentation(size, scale=32, pad=pad, flip=True)
    batches = TrainBatches(store, augmentation, batch=4, seed=1, drop_single=False)
    for epoch in range(1, 8):
        draws, place = batches.draws(epoch), 0
        for batch in batches.epoch(epoch):
            for got in store.denormalise(batch.images):
                padded = functional.pad(images[int(draws.order[place])], [pad])
                top, left = int(draws.top[place]) + pad, int(draws.left[place]) + pad
                want = functional.crop(padded, top, left, size, size)
                want = want.flip(2) if draws.flip[place] else want
                assert torch.equal(got.permute(2, 0, 1), want)
                place += 1
        assert place == len(images)


@pytest.mark.parametrize("side", [32, 44])
def test_crops_of_many_sizes_are_torchvisions(mixed: tuple[Path, list[str]], side: int) -> None:
    store, images = mixed_store(*mixed, side, 32)
    batches = TrainBatches(store, MULTI, batch=4, seed=1, drop_single=False)
    for epoch in range(1, 12):
        draws, place = batches.draws(epoch), 0
        assert draws.side is not None
        for batch in batches.epoch(epoch):
            for got in batch.images:
                cut = int(draws.side[place])
                box = (int(draws.top[place]), int(draws.left[place]), cut, cut)
                image = images[int(draws.order[place])].float()
                want = functional.resized_crop(image, *box, [32, 32], antialias=True) / 255
                want = functional.normalize(want.flip(2) if draws.flip[place] else want, NORM.mean, NORM.std)
                torch.testing.assert_close(got, want, atol=5e-5, rtol=1e-5)
                place += 1


def seen_columns(left: torch.Tensor, side: torch.Tensor | int, width: int) -> torch.Tensor:
    """The share of crops that every column of an image lies in: (width,)."""
    column = torch.arange(width)
    return ((column >= left[:, None]) & (column < (left + side)[:, None])).float().mean(0)


@pytest.mark.parametrize(("width", "height"), [(64, 36), (48, 36), (36, 64)])
def test_multi_scale_draws_are_spread_as_torchvisions(width: int, height: int) -> None:
    count = 20_000
    shapes = torch.tensor([[width, height]]).expand(count, 2)
    draws = draw_epoch(count, 1, 36, MULTI, 3, 1, shapes)
    assert draws.side is not None
    torch.manual_seed(4)
    scale, picture = ((32 / 44) ** 2, (32 / 36) ** 2), torch.zeros(3, height, width)
    theirs = [RandomResizedCrop.get_params(picture, scale, (1.0, 1.0)) for _ in range(1_500)]
    tops, lefts, sides, _ = (torch.tensor(column) for column in zip(*theirs, strict=True))
    ours, want = (torch.bincount(side, minlength=37) / len(side) for side in (draws.side, sides))
    assert (ours - want).abs().max() < 0.05
    assert abs(draws.side.float().mean() - sides.float().mean()) < 0.3
    for got, other, length in ((draws.left, lefts, width), (draws.top, tops, height)):
        assert (seen_columns(got, draws.side, length) - seen_columns(other, sides, length)).abs().max() < 0.06
    if width == 48:  # the mean crop has .92 of the shorter side
        assert abs(draws.side.float().mean() / 36 - 0.92) < 0.01


@pytest.mark.parametrize("pad", [0, 4])
@pytest.mark.parametrize(("width", "height"), [(57, 32), (32, 50)])
def test_fixed_draws_reach_every_place_equally_often(width: int, height: int, pad: int) -> None:
    count = 40_000
    shapes = torch.tensor([[width, height]]).expand(count, 2)
    draws = draw_epoch(count, 1, 32, Augmentation(32, pad=pad, scale=32), 0, 1, shapes)
    torch.manual_seed(0)
    reach = RandomCrop.get_params(torch.zeros(3, height + 2 * pad, width + 2 * pad), (32, 32))
    assert len(reach) == 4
    for got, length in ((draws.left, width), (draws.top, height)):
        places = length + 2 * pad - 32 + 1
        counts = torch.bincount(got + pad, minlength=places)
        assert counts.shape == (places,)
        assert (counts * places / count - 1).abs().max() < 0.2
    assert seen_columns(draws.left, 32, width)[[0, -1]].min() > 0


def test_the_edges_of_wide_pictures_are_trained_on(lab: Any, tmp_path: Path) -> None:
    """Classes that differ in the outer columns alone, which a square in the centre never shows."""
    root = tmp_path / "wide"
    for split, count in (("train", 12), ("val", 4)):
        for label in range(2):
            folder = root / split / f"class{label}"
            folder.mkdir(parents=True)
            for index in range(count):
                pixels = np.full((32, 64, 3), 128, np.uint8)
                pixels[:, :12] = pixels[:, -12:] = 255 * label
                Image.fromarray(pixels).save(folder / f"{index}.png")
    files = tuple(f"class{label}/{index}.png" for label in range(2) for index in range(12))
    store = as_whole_store(cached_whole(root / "train", files, 32), (0,) * 12 + (1,) * 12, loading(32))
    batches = TrainBatches(store, Augmentation(32, scale=32), batch=24, seed=0, drop_single=False)
    seen = {
        int(value)
        for epoch in range(1, 4)
        for batch in batches.epoch(epoch)
        for value in store.denormalise(batch.images).unique()
    }
    assert {0, 128, 255} <= seen
    wide = replace(lab, pictures=root)
    run = wide.train("epochs=1")
    assert read_resolved(run) is not None
    assert choose(run, "last").epoch == 1


def test_a_run_of_an_earlier_version_keeps_its_crops(tmp_path: Path) -> None:
    stored = {
        "device": "cpu",
        "threads": 1,
        "memory_format": "channels_last",
        "optimizer": "fused",
        "precision": "float32",
        "eval_batch": 256,
        "torch": "2.0",
    }
    run = RunPaths(tmp_path / "run")
    run.root.mkdir()
    run.resolved.write_text(json.dumps(stored))
    old = read_resolved(run)
    assert old is not None
    assert old.crops == "centre"
    assert replace(old, crops="whole") != old
    run.resolved.write_text(json.dumps({**stored, "crops": "whole"}))
    assert read_resolved(run) == replace(old, crops="whole")


@pytest.mark.parametrize("ending", ["png", "jpg"])
def test_pictures_that_do_not_decode_are_named_and_left_out(lab: Any, tmp_path: Path, ending: str) -> None:
    """Damaged in the middle only, so that nothing but decoding finds it; a resume keeps to the same lists."""
    root = tmp_path / "set"
    shutil.copytree(lab.pictures, root)
    broken = []
    for split, name in (("train", "class1/002"), ("val", "class0/001")):
        Image.open(root / split / f"{name}.png").save(root / split / f"{name}.{ending}")
        if ending != "png":
            (root / split / f"{name}.png").unlink()
        file = root / split / f"{name}.{ending}"
        data = bytearray(file.read_bytes())
        middle = data.index(b"\xff\xc4") + 4 if ending == "jpg" else len(data) // 2
        data[middle : middle + 12] = b"\xff" * 12
        file.write_bytes(data)
        assert fault(str(file), len(data)) is None
        broken.append(f"{split}/{name}.{ending}")
    own = replace(lab, pictures=root)
    run = own.train("epochs=1")
    dataset = read_dataset(run)
    assert dataset is not None
    assert {name: len(files) for name, files in dataset.splits.items()} == {
        "train": 50,
        "val": 26,
        "test": 15,
    }
    for path in broken:
        assert any(path in note for note in dataset.notes)
        assert not any(path in files.paths for files in dataset.splits.values())
    own.resume(run, total=2)
    assert read_dataset(run) == dataset
    (root / "train/class0/000.png").write_bytes((root / broken[0]).read_bytes()[:-20])
    with pytest.raises(DataError, match=r"000\.png"):
        own.resume(run, total=3)
