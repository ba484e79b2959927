"""Pictures with boxes on their way to a detector: fitted, cached, augmented, never at random twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import tv_tensors
from torchvision.models.detection.transform import GeneralizedRCNNTransform
from torchvision.transforms import v2

from core.config.workspace import cache_home
from core.data import boxes_store
from core.data.augment import Jitter
from core.data.box_epoch_rng import BoxAugmentation
from core.data.boxes_batches import BoxBatches, resized
from core.data.boxes_store import (
    PictureStore,
    as_planes,
    cached_pictures,
    decoded_pictures,
    equal_sizes,
    fitted_sizes,
)
from core.data.boxes_targets import Targets, make_targets
from core.data.cache import Cancelled
from core.datasets.boxes.box_arrays import Boxes
from core.errors import DataError

CPU = torch.device("cpu")
SIDES = (40, 64)
# Width and height of the files: landscape, portrait, square, and one whose long side binds.
SIZES = [(80, 60), (60, 80), (50, 50), (200, 50), (80, 60)]


def boxes_of(sizes: Any, corners: list[list[list[float]]], **flags: Any) -> Boxes:
    """A split's boxes, one list an image."""
    counts = [len(part) for part in corners]
    flat = np.array([box for part in corners for box in part], np.float32).reshape(-1, 4)
    number = len(flat)
    return Boxes(
        np.cumsum([0, *counts]),
        flat,
        flags.get("labels", np.arange(number) % 3),
        flags.get("crowd", np.zeros(number, np.bool_)),
        flags.get("difficult", np.zeros(number, np.bool_)),
        ((flat[:, 2] - flat[:, 0]) * (flat[:, 3] - flat[:, 1])).astype(np.float32),
        np.arange(1, number + 1),
        np.array(sizes, np.int32).reshape(-1, 2),
        tuple(str(index) for index in range(len(sizes))),
    )


@pytest.fixture
def folder(tmp_path: Path) -> tuple[Path, list[str]]:
    """Noise pictures of `SIZES`."""
    random = np.random.default_rng(0)
    names = [f"{index}.png" for index in range(len(SIZES))]
    for name, (width, height) in zip(names, SIZES, strict=True):
        Image.fromarray(random.integers(0, 256, (height, width, 3), np.uint8)).save(tmp_path / name)
    return tmp_path, names


def store_of(folder: tuple[Path, list[str]], sides: tuple[int, int] = SIDES) -> PictureStore:
    root, names = folder
    sizes = np.array(SIZES)
    return PictureStore(cached_pictures(root, names, sizes, sides), fitted_sizes(sizes, sides), CPU)


@pytest.mark.parametrize("sides", [(800, 1333), (144, 192), (240, 320), (32, 32)])
def test_fitted_sizes_are_torchvisions(sides: tuple[int, int]) -> None:
    """To the pixel that torchvision cuts off where we round."""
    sizes = [(2112, 1584), (640, 480), (480, 640), (500, 375), (1000, 100), (70, 900), (64, 64)]
    transform = GeneralizedRCNNTransform(*sides, [0.0] * 3, [1.0] * 3)
    for (width, height), fitted in zip(sizes, fitted_sizes(np.array(sizes), sides), strict=True):
        image, _ = transform.resize(torch.zeros(3, height, width))
        want = max(1, image.shape[2]), max(1, image.shape[1])
        assert max(abs(fitted - want)) <= 1
        assert fitted.max() <= sides[1]
    assert fitted_sizes(np.array([[640, 480]]), (144, 192)).tolist() == [[192, 144]]


def test_pictures_are_pils_resized_ones(folder: tuple[Path, list[str]]) -> None:
    root, names = folder
    store = store_of(folder)
    assert store.sizes == [(53, 40), (40, 53), (40, 40), (64, 16), (53, 40)]
    pixels, fitted, sizes = decoded_pictures(root, names, SIDES)
    assert torch.equal(pixels, store.pixels)
    assert [tuple(size) for size in fitted] == store.sizes
    assert sizes.tolist() == [list(size) for size in SIZES]
    for index, name in enumerate(names):
        with Image.open(root / name) as image:
            want = np.asarray(image.resize(store.sizes[index], Image.Resampling.BILINEAR))
        assert np.array_equal(store.picture(index).numpy(), want)
        (seen,) = store.images([index])
        assert torch.equal(seen, torch.from_numpy(want.copy()).permute(2, 0, 1) / 255)


def test_turned_photos_are_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png", exif=exif)
    flat = cached_pictures(tmp_path, ["a.png"], np.array([[20, 30]]), (20, 30))
    assert np.array_equal(flat.view(30, 20, 3).numpy(), np.rot90(pixels, -1))
    with pytest.raises(DataError, match=r"a\.png has 20x30 pixels, where its boxes were read for 30x20"):
        cached_pictures(tmp_path, ["a.png"], np.array([[30, 20]]), (20, 30))


def test_cache_is_used_and_keyed(folder: tuple[Path, list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    root, names = folder
    first = store_of(folder).pixels.clone()

    def forbidden(*_: object) -> bytes:
        raise AssertionError("decoded again")

    with monkeypatch.context() as patch:
        patch.setattr(boxes_store, "_decoded", forbidden)
        assert torch.equal(store_of(folder).pixels, first)
        with pytest.raises(AssertionError):
            store_of(folder, (41, 64))
    Image.new("RGB", SIZES[0]).save(root / names[0])
    assert not torch.equal(store_of(folder).pixels, first)


def test_many_chunks_keep_the_order(folder: tuple[Path, list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    root, names = folder
    want = store_of(folder).pixels.clone()
    for file in (cache_home() / "pixels").iterdir():
        file.unlink()
    monkeypatch.setattr(boxes_store, "_CHUNK_BYTES", 1)
    seen: list[tuple[int, int]] = []
    sizes = np.array(SIZES)
    pixels = cached_pictures(
        root, names, sizes, SIDES, threads=3, progress=lambda done, total: seen.append((done, total))
    )
    assert torch.equal(pixels, want)
    assert seen == [(index, 5) for index in range(1, 6)]


def test_nothing_half_is_left(folder: tuple[Path, list[str]]) -> None:
    root, names = folder
    (root / names[3]).write_bytes(b"no image")
    sizes = np.array(SIZES)
    with pytest.raises(DataError, match=r"3\.png cannot be read as an image"):
        cached_pictures(root, names, sizes, SIDES)
    with pytest.raises(Cancelled):
        cached_pictures(root, names[:3], sizes[:3], SIDES, cancelled=lambda: True)
    assert [file.suffix for file in (cache_home() / "pixels").iterdir()] == [".lock"] * 2


def test_equal_sizes_group_without_mixing() -> None:
    sizes = [(4, 3), (3, 4), (4, 3), (4, 3), (3, 4)]
    assert equal_sizes(sizes, 2) == [[0, 2], [3], [1, 4]]
    assert equal_sizes(sizes, 1) == [[0], [2], [3], [1], [4]]
    assert equal_sizes([], 3) == []


def test_targets_follow_the_pictures() -> None:
    """Half size; clipped; a crowd, a difficult one and one too thin are left out."""
    corners = [
        [[10, 20, 30, 40], [-4, 0, 50, 70], [0, 0, 99, 99], [5, 5, 5.8, 60]],
        [],
        [[1, 2, 3, 4], [10, 10, 20, 20]],
    ]
    crowd = np.array([False, False, True, False, False, False])
    difficult = np.array([False, False, False, False, False, True])
    sizes = [(100, 60), (100, 60), (100, 60)]
    boxes = boxes_of(sizes, corners, crowd=crowd, difficult=difficult, labels=np.array([0, 1, 2, 1, 2, 0]))  # type: ignore[arg-type]
    fitted = np.array([[50, 30]] * 3)
    targets = make_targets(boxes, fitted, ignore_difficult=True)
    assert targets.offsets == (0, 2, 2, 3)
    assert targets.boxes.tolist() == [[5, 10, 15, 20], [0, 0, 25, 30], [0.5, 1, 1.5, 2]]
    assert targets.labels.tolist() == [0, 1, 2]
    assert targets.dropped == 1
    assert targets.of(1)[0].shape == (0, 4)
    kept = make_targets(boxes, fitted, ignore_difficult=False)
    assert kept.offsets == (0, 2, 2, 4)
    assert kept.labels.tolist() == [0, 1, 2, 0]


def test_no_boxes_at_all() -> None:
    targets = make_targets(boxes_of([(10, 10)] * 2, [[], []]), np.array([[5, 5]] * 2), ignore_difficult=True)
    assert targets.offsets == (0, 0, 0)
    assert targets.boxes.shape == (0, 4)
    assert targets.labels.dtype == torch.int64


def batches(
    store: PictureStore, targets: Targets, batch: int = 2, seed: int = 3, **changes: Any
) -> BoxBatches:
    return BoxBatches(store, targets, BoxAugmentation(**changes), batch=batch, seed=seed)


@pytest.fixture
def drawn(folder: tuple[Path, list[str]]) -> tuple[PictureStore, Targets]:
    random = np.random.default_rng(1)
    corners = []
    for width, height in SIZES:
        low = random.uniform(0, 0.5, (3, 2))
        high = low + random.uniform(0.2, 0.5, (3, 2))
        corners.append((np.concatenate([low, high], 1) * [width, height, width, height]).tolist())
    corners[2] = []
    store = store_of(folder)
    boxes = boxes_of(SIZES, corners)
    return store, make_targets(boxes, fitted_sizes(np.array(SIZES), SIDES), ignore_difficult=True)


def test_plain_batches_are_the_pictures(drawn: tuple[PictureStore, Targets]) -> None:
    store, targets = drawn
    made = batches(store, targets)
    order = made.draws(1).order.tolist()
    assert sorted(order) == list(range(5))
    seen = [pair for batch in made.epoch(1) for pair in zip(batch.images, batch.targets, strict=True)]
    assert [len(batch.images) for batch in made.epoch(1)] == [2, 2, 1]
    for index, (image, target) in zip(order, seen, strict=True):
        assert torch.equal(image, store.images([index])[0])
        boxes, labels = targets.of(index)
        assert torch.equal(target["boxes"], boxes)
        assert torch.equal(target["labels"], labels)


@pytest.mark.parametrize(("across", "over"), [(True, False), (False, True), (True, True)])
def test_mirrored_as_torchvision_does(drawn: tuple[PictureStore, Targets], across: bool, over: bool) -> None:
    store, targets = drawn
    made = batches(store, targets, across=across, over=over)
    turns = 0
    for epoch in (1, 2, 3):
        draws = made.draws(epoch)
        place = 0
        for batch in made.epoch(epoch):
            for image, target in zip(batch.images, batch.targets, strict=True):
                index = int(draws.order[place])
                boxes, labels = targets.of(index)
                want = tv_tensors.Image(store.images([index])[0])
                frame = tv_tensors.BoundingBoxes(boxes, format="XYXY", canvas_size=want.shape[1:])
                if draws.across[place]:
                    want, frame = v2.functional.horizontal_flip(want), v2.functional.horizontal_flip(frame)
                if draws.over[place]:
                    want, frame = v2.functional.vertical_flip(want), v2.functional.vertical_flip(frame)
                turns += int(draws.across[place]) + int(draws.over[place])
                assert torch.equal(image, want)
                assert torch.allclose(target["boxes"], frame.as_subclass(torch.Tensor), atol=1e-5)
                assert torch.equal(target["labels"], labels)
                place += 1
    assert 0 < turns < 15 * (across + over)


def test_scale_jitter(drawn: tuple[PictureStore, Targets]) -> None:
    store, targets = drawn
    made = batches(store, targets, batch=5, scale=(0.5, 2.0))
    factors = []
    for epoch in range(1, 41):
        draws = made.draws(epoch)
        assert draws.scale is not None
        factors += draws.scale.tolist()
        if epoch > 3:
            continue
        (batch,) = made.epoch(epoch)
        for place, (image, target) in enumerate(zip(batch.images, batch.targets, strict=True)):
            index, factor = int(draws.order[place]), float(draws.scale[place])
            width, height = (round(side * factor) for side in store.sizes[index])
            assert image.shape == (3, height, width)
            across, over = width / store.sizes[index][0], height / store.sizes[index][1]
            want = targets.of(index)[0] * torch.tensor([across, over, across, over])
            assert torch.allclose(target["boxes"], want)
            assert (target["boxes"][:, 2:] <= torch.tensor([width, height]) + 1e-3).all()
    assert min(factors) >= 0.5
    assert max(factors) <= 2.0
    # As many shrink as grow.
    assert np.mean(np.array(factors) < 1) == pytest.approx(0.5, abs=0.1)


def test_resizing_is_the_same_for_bytes_and_floats(drawn: tuple[PictureStore, Targets]) -> None:
    """CPUs filter bytes, other devices floats: at most one grey level apart, and PIL's picture."""
    picture = drawn[0].picture(0)
    for height, width in ((25, 31), (80, 90)):
        small = resized(picture, height, width)
        want = Image.fromarray(picture.numpy()).resize((width, height), Image.Resampling.BILINEAR)
        assert (small.int() - torch.from_numpy(np.asarray(want).copy()).int()).abs().max() <= 1
        floats = torch.nn.functional.interpolate(
            picture.permute(2, 0, 1)[None].float(), (height, width), mode="bilinear", antialias=True
        )
        assert (small.permute(2, 0, 1) - floats[0]).abs().max() <= 1.01


def test_boxes_that_a_smaller_picture_loses() -> None:
    pixels = torch.zeros(40 * 40 * 3, dtype=torch.uint8)
    store = PictureStore(pixels, np.array([[40, 40]]), CPU)
    boxes = boxes_of([(40, 40)], [[[0, 0, 0.8, 30], [5, 5, 20, 20]]])
    targets = make_targets(boxes, np.array([[40, 40]]), ignore_difficult=True)
    assert targets.dropped == 0
    (batch,) = batches(store, targets, scale=(0.5, 0.5)).epoch(1)
    assert batch.targets[0]["boxes"].tolist() == [[2.5, 2.5, 10, 10]]
    assert batch.targets[0]["labels"].tolist() == [1]


def test_colours_are_those_of_the_classifiers(drawn: tuple[PictureStore, Targets]) -> None:
    store, targets = drawn
    jitter = Jitter(brightness=0.3, saturation=0.4)
    made = batches(store, targets, batch=5, jitter=jitter)
    (batch,) = made.epoch(2)
    draws = made.draws(2)
    assert draws.factors is not None
    assert draws.sequence is not None
    for place, image in enumerate(batch.images):
        want = store.images([int(draws.order[place])])[0]
        for which in draws.sequence[0].tolist():
            factor = float(draws.factors[place, which])
            if which == 0:
                want = v2.functional.adjust_brightness(want, factor)
            if which == 2:
                want = v2.functional.adjust_saturation(want, factor)
        assert torch.allclose(image, want, atol=1e-5)


def test_batches_depend_on_nothing_but_seed_epoch_and_step(drawn: tuple[PictureStore, Targets]) -> None:
    store, targets = drawn
    changes: dict[str, Any] = {
        "across": True,
        "over": True,
        "scale": (0.8, 1.25),
        "jitter": Jitter(0.2, 0.2, 0.2, 0.1),
    }
    made = batches(store, targets, **changes)
    whole = list(made.epoch(4))
    torch.manual_seed(99)
    again = list(batches(store, targets, **changes).epoch(4, first=1))
    assert len(again) == len(whole) - 1
    for a, b in zip(whole[1:], again, strict=True):
        assert all(torch.equal(x, y) for x, y in zip(a.images, b.images, strict=True))
        assert all(torch.equal(x["boxes"], y["boxes"]) for x, y in zip(a.targets, b.targets, strict=True))
    other = next(iter(batches(store, targets, seed=4, **changes).epoch(4)))
    assert any(
        x.shape != y.shape or not torch.equal(x, y)
        for x, y in zip(other.images, whole[0].images, strict=True)
    )
    orders = [tuple(made.draws(epoch).order.tolist()) for epoch in range(1, 9)]
    assert len(set(orders)) > 1


def test_planes_are_exact() -> None:
    pixels = torch.arange(256, dtype=torch.uint8).view(1, 16, 16, 1).expand(1, 16, 16, 3)
    assert torch.equal(as_planes(pixels)[0, 0].flatten(), torch.arange(256) / 255)


@pytest.mark.parametrize("scale", [(0.0, 1.0), (1.2, 0.8)])
def test_senseless_scales(scale: tuple[float, float]) -> None:
    with pytest.raises(DataError, match="scale_jitter"):
        BoxAugmentation(scale=scale)
