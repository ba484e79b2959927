"""Batches made on whole tensors are what torchvision's transforms make of single images."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from core.data import colour
from core.data.augment import Augmentation, Jitter
from core.data.batches import TrainBatches, eval_batch
from core.data.epoch_rng import draw_epoch
from core.data.store import ImageStore, Normalisation
from core.errors import DataError

NORM = Normalisation((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010))
COUNT = 50


def make_store(stored: int = 32, size: int = 32, count: int = COUNT) -> tuple[ImageStore, Tensor]:
    """A store of random images, and those as (count, 3, stored, stored)."""
    generator = torch.Generator().manual_seed(1)
    pixels = torch.randint(0, 256, (count + 2, stored, stored, 3), dtype=torch.uint8, generator=generator)
    pixels[0] = pixels[-1] = 0
    labels = torch.arange(count) % 7
    store = ImageStore(pixels, labels, size=size, normalisation=NORM, device=torch.device("cpu"))
    return store, pixels[1:-1].permute(0, 3, 1, 2)


def expected(image: Tensor, augmentation: Augmentation, top: int, left: int, flip: int) -> Tensor:
    """torchvision's RandomCrop (black padding), RandomHorizontalFlip, ToTensor, Normalize, by hand."""
    pad, size = augmentation.pad, augmentation.size
    padded = torch.nn.functional.pad(image, (pad, pad, pad, pad))
    crop = padded[:, top + pad : top + pad + size, left + pad : left + pad + size].float() / 255
    crop = crop.flip(2) if flip else crop
    return (crop - torch.tensor(NORM.mean).view(3, 1, 1)) / torch.tensor(NORM.std).view(3, 1, 1)


@pytest.mark.parametrize(
    ("augmentation", "stored"),
    [
        (Augmentation(32), 32),
        (Augmentation(32, pad=4, flip=True), 32),
        (Augmentation(32, scale=36, flip=True), 36),
        (Augmentation(33, scale=40, pad=2), 40),
        (Augmentation(32, pad=32), 32),
    ],
)
def test_crop_flip_and_normalise(augmentation: Augmentation, stored: int) -> None:
    store, images = make_store(stored, augmentation.size)
    batches = TrainBatches(store, augmentation, batch=16, seed=5, drop_single=True)
    draws = batches.draws(2)
    place = 0
    for batch in batches.epoch(2):
        assert batch.images.is_contiguous(memory_format=torch.channels_last)
        for got, label in zip(batch.images, batch.labels, strict=True):
            index = int(draws.order[place])
            want = expected(
                images[index],
                augmentation,
                int(draws.top[place]),
                int(draws.left[place]),
                int(draws.flip[place]),
            )
            torch.testing.assert_close(got, want, atol=2e-6, rtol=1e-5)
            assert label == index % 7
            place += 1
    assert place == COUNT
    assert sorted(draws.order.tolist()) == list(range(COUNT))


def test_every_offset_and_flip_is_drawn_about_equally_often() -> None:
    draws = draw_epoch(9000, 282, 32, Augmentation(32, pad=4, flip=True), 0, 1)
    for offsets in (draws.top, draws.left):
        counts = torch.bincount(offsets + 4, minlength=9)
        assert counts.shape == (9,)
        assert (counts - 1000).abs().max() < 150
    assert abs(draws.flip.float().mean().item() - 0.5) < 0.02
    assert not torch.equal(draws.top, draws.left)


def test_randomness_depends_on_seed_and_epoch_alone() -> None:
    store, _ = make_store()
    augmentation = Augmentation(32, pad=4, flip=True, jitter=Jitter(0.2, 0.2, 0.2, 0.2))
    batches = TrainBatches(store, augmentation, batch=8, seed=5, drop_single=True)
    whole = [batch.images for batch in batches.epoch(3)]
    torch.rand(100)
    later = [batch.images for batch in batches.epoch(3, first=4)]
    assert len(later) == len(whole) - 4
    assert all(torch.equal(a, b) for a, b in zip(whole[4:], later, strict=True))
    before = torch.get_rng_state()
    other_epoch = next(batches.epoch(4)).images
    assert torch.equal(torch.get_rng_state(), before)
    assert not torch.equal(whole[0], other_epoch)
    other = TrainBatches(store, augmentation, batch=8, seed=6, drop_single=True)
    assert not torch.equal(whole[0], next(other.epoch(3)).images)


def test_draws_of_an_image_do_not_depend_on_the_batch_size() -> None:
    store, _ = make_store()
    augmentation = Augmentation(32, pad=4, flip=True)
    images = [
        torch.cat(
            [
                batch.images
                for batch in TrainBatches(store, augmentation, batch=b, seed=1, drop_single=True).epoch(1)
            ]
        )
        for b in (7, 16)
    ]
    assert torch.equal(images[0][:48], images[1][:48])


@pytest.mark.parametrize(
    ("count", "batch", "steps", "left_out"),
    [(13, 4, 3, 1), (13, 5, 3, 0), (12, 4, 3, 0), (5, 16, 1, 0), (1, 4, 1, 0), (3, 1, 3, 0), (17, 16, 1, 1)],
)
def test_last_batch_of_one_is_left_out(count: int, batch: int, steps: int, left_out: int) -> None:
    store, _ = make_store(count=count)
    batches = TrainBatches(store, Augmentation(32), batch=batch, seed=0, drop_single=True)
    sizes = [item.labels.shape[0] for item in batches.epoch(1)]
    assert (batches.steps, batches.left_out, sum(sizes)) == (steps, left_out, count - left_out)
    assert len(sizes) == steps
    kept = TrainBatches(store, Augmentation(32), batch=batch, seed=0, drop_single=False)
    assert sum(item.labels.shape[0] for item in kept.epoch(1)) == count


@pytest.mark.parametrize(("stored", "size"), [(32, 32), (36, 32), (37, 32)])
def test_evaluation_takes_the_centre(stored: int, size: int) -> None:
    from torchvision.transforms.functional import center_crop, normalize

    store, images = make_store(stored, size)
    batches = [eval_batch(store, start, 7) for start in range(0, COUNT, 7)]
    got = torch.cat([batch.images for batch in batches])
    want = normalize(center_crop(images, size).float() / 255, NORM.mean, NORM.std)
    torch.testing.assert_close(got, want, atol=2e-6, rtol=1e-5)
    assert torch.equal(
        torch.cat([batch.labels for batch in batches]),
        torch.arange(COUNT) % 7,
    )


@pytest.mark.parametrize(
    ("which", "name", "low", "high"),
    [
        (0, "adjust_brightness", 0.6, 1.4),
        (1, "adjust_contrast", 0.6, 1.4),
        (2, "adjust_saturation", 0.6, 1.4),
        (3, "adjust_hue", -0.5, 0.5),
    ],
)
def test_colour_operations_are_torchvisions(which: int, name: str, low: float, high: float) -> None:
    from torchvision.transforms import functional

    generator = torch.Generator().manual_seed(2)
    images = torch.rand(12, 3, 8, 8, generator=generator)
    images[0] = 0.5
    images[1, :, :4] = 0
    images[2, 0] = images[2, 1]
    images[3] = (images[3] * 255).round() / 255
    factors = torch.ones(12, 4)
    factors[:, 3] = 0
    factors[:, which] = torch.linspace(low, high, 12)
    got = colour.jitter(images.permute(1, 0, 2, 3).contiguous(), factors, [which]).permute(1, 0, 2, 3)
    adjust = getattr(functional, name)
    for image, factor, ours in zip(images, factors[:, which].tolist(), got, strict=True):
        torch.testing.assert_close(ours, adjust(image, factor), atol=2e-6, rtol=0)


def test_colour_jitter_of_a_batch_is_that_of_its_images_in_the_drawn_order() -> None:
    from torchvision.transforms import functional

    store, images = make_store()
    augmentation = Augmentation(32, jitter=Jitter(0.2, 0.3, 0.4, 0.1))
    batches = TrainBatches(store, augmentation, batch=10, seed=3, drop_single=True)
    draws = batches.draws(1)
    assert draws.factors is not None
    assert draws.sequence is not None
    low, high = draws.factors.amin(0), draws.factors.amax(0)
    for column, (centre, width) in enumerate([(1, 0.2), (1, 0.3), (1, 0.4), (0, 0.1)]):
        assert centre - width <= low[column] < centre - 0.8 * width
        assert centre + 0.8 * width < high[column] <= centre + width
    adjust = (
        functional.adjust_brightness,
        functional.adjust_contrast,
        functional.adjust_saturation,
        functional.adjust_hue,
    )
    for step, batch in enumerate(batches.epoch(1)):
        for row, got in enumerate(batch.images):
            place = step * 10 + row
            image = images[draws.order[place]].float() / 255
            for which in draws.sequence[step].tolist():
                image = adjust[which](image, draws.factors[place, which].item())
            want = functional.normalize(image, list(NORM.mean), list(NORM.std))
            torch.testing.assert_close(got, want, atol=2e-5, rtol=0)
    assert {
        tuple(row) for row in draw_epoch(50, 500, 32, augmentation, 0, 1).sequence.tolist()
    }.__len__() == 24


@pytest.mark.parametrize(
    ("bad", "words"), [({"scale": 30}, "augment.scale 30"), ({"pad": 33}, "augment.pad_crop 33")]
)
def test_settings_that_cannot_be(bad: dict[str, Any], words: str) -> None:
    with pytest.raises(DataError, match=words):
        replace(Augmentation(32), **bad)
