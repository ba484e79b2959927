"""Multi-scale crops of whole batches are what torchvision's RandomResizedCrop makes of single images."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms import RandomResizedCrop, functional

from core.data.augment import Augmentation, Jitter
from core.data.batches import TrainBatches
from core.data.epoch_rng import draw_epoch, side_range
from core.data.resample import Resampler, bilinear_weights
from core.data.store import ImageStore, Normalisation
from core.errors import DataError
from core.store.metrics import read_history

NORM = Normalisation((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010))
LAB = Augmentation(32, scale=(36, 44), flip=True)
COUNT = 40


def make_store(stored: int = 32, size: int = 32, count: int = COUNT) -> tuple[ImageStore, Tensor]:
    """A store of random images, and those as (count, 3, stored, stored)."""
    generator = torch.Generator().manual_seed(1)
    pixels = torch.randint(0, 256, (count + 2, stored, stored, 3), dtype=torch.uint8, generator=generator)
    pixels[0] = pixels[-1] = 0
    store = ImageStore(
        pixels, torch.arange(count) % 7, size=size, normalisation=NORM, device=torch.device("cpu")
    )
    return store, pixels[1:-1].permute(0, 3, 1, 2)


@pytest.mark.parametrize(("stored", "size", "side"), [(32, 32, side) for side in range(1, 33)])
def test_every_side_is_resized_as_torchvision_does(stored: int, size: int, side: int) -> None:
    _compare(stored, size, side)


@pytest.mark.parametrize(
    ("stored", "size", "side"),
    [(44, 32, 33), (44, 32, 39), (44, 32, 44), (64, 32, 64), (64, 16, 61), (256, 224, 249), (300, 224, 196)],
)
def test_crops_larger_than_the_network_are_antialiased(stored: int, size: int, side: int) -> None:
    _compare(stored, size, side)


def _compare(stored: int, size: int, side: int) -> None:
    """All corners, plain and mirrored, against the tensor and the PIL path of `resized_crop`."""
    generator = torch.Generator().manual_seed(side)
    image = torch.randint(0, 256, (3, stored, stored), generator=generator, dtype=torch.uint8)
    ends = (0, stored - side)
    places = [(top, left, flip) for top in ends for left in ends for flip in (0, 1)]
    top, left, flip = (torch.tensor(column) for column in zip(*places, strict=True))
    rows = image.permute(1, 2, 0).reshape(1, stored, 3 * stored).float().expand(len(places), -1, -1)
    resampler = Resampler(size, stored, side, side, torch.device("cpu"))
    got = resampler.resize(rows, top, left, torch.full_like(top, side), flip)
    picture = Image.fromarray(image.permute(1, 2, 0).numpy())
    for planes, (y, x, mirrored) in zip(got, places, strict=True):
        want = functional.resized_crop(image.float(), y, x, side, side, [size, size], antialias=True)
        want = want.flip(2) if mirrored else want
        torch.testing.assert_close(planes, want, atol=5e-3, rtol=0)
        cut = functional.resized_crop(picture, y, x, side, side, [size, size])
        cut = torch.from_numpy(np.array(cut)).permute(2, 0, 1).float()
        assert (planes - (cut.flip(2) if mirrored else cut)).abs().max() <= 1.02


def test_tables_and_matrices_made_each_time_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(0)
    side = torch.randint(23, 29, (100,), generator=generator)
    top, left = ((torch.rand(100, generator=generator) * (33 - side)).long() for _ in range(2))
    flip = torch.randint(0, 2, (100,), generator=generator)
    images = torch.rand(100, 32, 96, generator=generator)
    table = Resampler(32, 32, 23, 28, torch.device("cpu")).resize(images, top, left, side, flip)
    monkeypatch.setattr("core.data.resample._TABLE_BYTES", 0)
    fresh = Resampler(32, 32, 23, 28, torch.device("cpu"))
    assert fresh._table is None
    assert torch.equal(fresh.resize(images, top, left, side, flip), table)


def test_weights_of_a_pixel_add_up_to_one_and_stay_in_the_crop() -> None:
    sides = torch.arange(1, 33)
    weights = bilinear_weights(sides, 32 - sides, torch.zeros_like(sides), 32, 32)
    torch.testing.assert_close(weights.sum(2), torch.ones(32, 32))
    for side, matrix in zip(sides.tolist(), weights, strict=True):
        assert not matrix[:, : 32 - side].any()


@pytest.mark.parametrize("batch", [7, 16, 64])
@pytest.mark.parametrize(
    ("stored", "scale"), [(32, (36, 44)), (44, (36, 44)), (40, (32, 40)), (36, (36, 36))]
)
def test_batches_are_crop_flip_and_normalisation(stored: int, scale: tuple[int, int], batch: int) -> None:
    store, images = make_store(stored)
    augmentation = Augmentation(32, scale=scale, flip=True)
    batches = TrainBatches(store, augmentation, batch=batch, seed=5, drop_single=True)
    draws = batches.draws(2)
    assert draws.side is not None
    place = 0
    for item in batches.epoch(2):
        assert item.images.is_contiguous(memory_format=torch.channels_last)
        for got, label in zip(item.images, item.labels, strict=True):
            index, side = int(draws.order[place]), int(draws.side[place])
            box = (int(draws.top[place]), int(draws.left[place]), side, side)
            want = functional.resized_crop(images[index].float(), *box, [32, 32], antialias=True) / 255
            want = functional.normalize(want.flip(2) if draws.flip[place] else want, NORM.mean, NORM.std)
            torch.testing.assert_close(got, want, atol=5e-5, rtol=1e-5)
            assert label == index % 7
            place += 1
    assert place == COUNT - (batch > 1 and COUNT % batch == 1)


def test_crops_are_drawn_as_torchvision_draws_them() -> None:
    """Sides, their shares and the offsets' means, against RandomResizedCrop's own draws."""
    count = 60_000
    draws = draw_epoch(count, 1, 32, LAB, 0, 1)
    assert draws.side is not None
    assert side_range(32, LAB) == (23, 28)
    torch.manual_seed(0)
    scale = ((32 / 44) ** 2, (32 / 36) ** 2)
    picture = torch.zeros(3, 32, 32)
    theirs = [RandomResizedCrop.get_params(picture, scale, (1.0, 1.0)) for _ in range(12_000)]
    tops, lefts, heights, widths = (torch.tensor(column) for column in zip(*theirs, strict=True))
    assert torch.equal(heights, widths)
    ours = torch.bincount(draws.side, minlength=33) / count
    assert (ours - torch.bincount(heights, minlength=33) / len(heights)).abs().max() < 0.015
    for side in range(23, 29):
        here, there = draws.side == side, heights == side
        assert draws.top[here].unique().tolist() == list(range(33 - side))
        assert draws.left[here].unique().tolist() == list(range(33 - side))
        assert abs(draws.top[here].float().mean() - tops[there].float().mean()) < 0.25
        assert abs(draws.left[here].float().mean() - lefts[there].float().mean()) < 0.25
    area = (draws.side.double() / 32) ** 2
    assert abs(area.mean() - sum(scale) / 2) < 0.005
    assert not torch.equal(draws.top, draws.left)


def test_a_resume_within_an_epoch_computes_the_same_bits() -> None:
    store, _ = make_store()
    augmentation = Augmentation(32, scale=(36, 44), flip=True, jitter=Jitter(0.2, 0.2, 0.2, 0.2))
    batches = TrainBatches(store, augmentation, batch=4, seed=5, drop_single=True)
    batches._ahead = 3
    whole = list(batches.epoch(3))
    for first in range(1, 10):
        rest = list(batches.epoch(3, first))
        assert len(rest) == 10 - first
        for before, after in zip(whole[first:], rest, strict=True):
            assert torch.equal(before.images, after.images)
            assert torch.equal(before.labels, after.labels)


def test_colours_change_after_the_crop() -> None:
    store, images = make_store()
    augmentation = Augmentation(32, scale=(36, 44), flip=True, jitter=Jitter(0.2, 0.3, 0.4, 0.1))
    batches = TrainBatches(store, augmentation, batch=10, seed=3, drop_single=True)
    draws = batches.draws(1)
    assert draws.side is not None
    assert draws.factors is not None
    assert draws.sequence is not None
    adjust = (
        functional.adjust_brightness,
        functional.adjust_contrast,
        functional.adjust_saturation,
        functional.adjust_hue,
    )
    place = 0
    for step, item in enumerate(batches.epoch(1)):
        for got in item.images:
            side = int(draws.side[place])
            box = (int(draws.top[place]), int(draws.left[place]), side, side)
            image = functional.resized_crop(images[draws.order[place]].float(), *box, [32, 32]) / 255
            image = image.flip(2) if draws.flip[place] else image
            for which in draws.sequence[step].tolist():
                image = adjust[which](image, draws.factors[place, which].item())
            want = functional.normalize(image, list(NORM.mean), list(NORM.std))
            torch.testing.assert_close(got, want, atol=2e-4, rtol=0)
            place += 1


@pytest.mark.parametrize(
    ("scale", "native", "stored", "measured"),
    [
        (None, 500, 32, 32),
        (36, 500, 36, 36),
        ((36, 44), 28, 32, 40),
        ((36, 44), 32, 32, 40),
        ((36, 44), 41, 41, 40),
        ((36, 44), 500, 44, 40),
        ((36, 45), 500, 45, 41),
    ],
)
def test_sides_in_the_cache(
    scale: int | tuple[int, int] | None, native: int, stored: int, measured: int
) -> None:
    augmentation = Augmentation(32, scale=scale)
    assert augmentation.stored_side(native) == stored
    assert augmentation.measured_side == measured


def test_a_scale_below_the_network_is_refused() -> None:
    with pytest.raises(DataError, match=r"augment\.scale 30 is less than image_size 32"):
        Augmentation(32, scale=(30, 40))


AUGMENT = (
    "augment={pad_crop: null, scale: [36, 44], tta: [hflip, 36, 44], "
    "color_jitter: {brightness: 0.2, hue: 0.2}}"
)


def test_a_run_stopped_within_an_epoch_goes_on_to_the_same_bits(
    lab: Any, stop_after: Any, sha: Any, curve: Any
) -> None:
    overrides = (AUGMENT, "measure.random=true", "epochs=2")
    whole = lab.train(*overrides)
    stopped = lab.create(*overrides)
    assert lab.attempt(stopped, stop_after(4)) == "stopped"
    assert lab.resume(stopped, total=2) == "finished"
    assert sha(stopped) == sha(whole)
    assert curve(stopped) == curve(whole)
    names = {
        "accuracy",
        "loss",
        "accuracy_macro",
        "f1_macro",
        "accuracy_tta",
        "accuracy_random",
        "loss_random",
    }
    for run in (whole, stopped):
        for row in read_history(run.metrics).epochs:
            assert {name[4:] for name in row if name.startswith("val/")} == names
    extra = [
        [row[f"val/{name}"] for name in sorted(names) for row in read_history(run.metrics).epochs]
        for run in (whole, stopped)
    ]
    assert extra[0] == extra[1]
