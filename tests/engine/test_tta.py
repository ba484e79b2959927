"""Test-time augmentation: mirrored views, several sides, their product; the mean softmax decides."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torchvision import transforms

from core.config.load import apply_overrides, parse_experiment
from core.config.resolve_defaults import resolve_normalize
from core.data.augment import View, make_views
from core.datasets.open import open_dataset
from core.engine.classification import Classification
from core.engine.resolve import Resolved

CLASSES = 3


@pytest.mark.parametrize(
    ("side", "tta", "views"),
    [
        (36, (), ()),
        (36, ("hflip",), (View(36), View(36, True))),
        (40, (36, 44), (View(36), View(44))),
        (40, (40, 44), (View(40), View(44))),
        (40, (36, "hflip", 44), (View(36), View(36, True), View(44), View(44, True))),
    ],
)
def test_views_are_sides_by_flips(side: int, tta: tuple[str | int, ...], views: tuple[View, ...]) -> None:
    assert make_views(side, tta) == views


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("views")
    random = np.random.default_rng(3)
    for split, count in {"train": 2, "val": 8}.items():
        for label in range(CLASSES):
            place = root / split / f"class{label}"
            place.mkdir(parents=True)
            for index in range(count):
                pixels = random.integers(0, 256, (50, 60, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(place / f"{index}.png")
    return root


@pytest.fixture(scope="module")
def net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, CLASSES)).eval()


def make_task(folder: Path, *overrides: str, eval_batch: int = 5) -> Classification:
    text = f"data: {{root: {folder}}}\nmodel: tinyvgg_a\nbatch: 4\ndevice: cpu\n"
    experiment = apply_overrides(parse_experiment(text, folder / "c.yaml"), overrides)
    resolved = Resolved("cpu", 1, "channels_last", "default", "float32", eval_batch, "")
    return Classification(
        experiment, open_dataset(experiment.data), resolved, batch_norm=False, cancelled=lambda: False
    )


@torch.no_grad()
def mean_softmax(task: Classification, net: nn.Module, views: list[tuple[int, bool]]) -> torch.Tensor:
    """torchvision's Resize(side), CenterCrop(32), flip for each view; softmax of each; their mean."""
    total = torch.zeros(len(task._dataset.splits["val"]), CLASSES)
    for side, flip in views:
        look = transforms.Compose(
            [
                transforms.Resize(side),
                transforms.CenterCrop(32),
                transforms.RandomHorizontalFlip(float(flip)),
                transforms.ToTensor(),
                transforms.Normalize(*resolve_normalize(task._experiment)),
            ]
        )
        files = task._dataset.splits["val"].paths
        images = torch.stack([look(Image.open(task._dataset.root / path)) for path in files])
        total += net(images).softmax(1)
    return total / len(views)


@pytest.mark.parametrize(
    ("overrides", "views"),
    [
        (("augment.tta=[hflip]",), [(32, False), (32, True)]),
        (("augment.scale=36", "augment.tta=[hflip]"), [(36, False), (36, True)]),
        (("augment.scale=[36, 44]", "augment.tta=[36, 40, 44]"), [(36, False), (40, False), (44, False)]),
        (
            ("augment.scale=36", "augment.test_scale=40", "augment.tta=[hflip, 36, 44]"),
            [(36, False), (36, True), (44, False), (44, True)],
        ),
    ],
)
def test_mean_softmax_over_the_views(
    folder: Path, net: nn.Module, overrides: tuple[str, ...], views: list[tuple[int, bool]]
) -> None:
    task = make_task(folder, *overrides)
    plain = task.measure(net, "val")
    assert "accuracy_tta" not in plain.metrics
    assert "tta_probabilities" not in plain.predictions
    measured = task.measure(net, "val", extras=True)
    want = mean_softmax(task, net, views)
    np.testing.assert_allclose(measured.predictions["tta_probabilities"], want, atol=1e-5)
    labels = torch.tensor(task._dataset.splits["val"].labels)
    accuracy = (want.argmax(1) == labels).float().mean().item()
    assert measured.metrics == pytest.approx({**plain.metrics, "accuracy_tta": accuracy})
    assert measured.predictions["tta_probabilities"].dtype == np.float32
    np.testing.assert_array_equal(measured.predictions["probabilities"], plain.predictions["probabilities"])
    names = {False: "plain", True: "flipped"}
    assert measured.settings["tta"] == [[side, names[flip]] for side, flip in views]
    assert task.settings("val", extras=True) == measured.settings


def test_no_views_no_metric(folder: Path, net: nn.Module) -> None:
    measured = make_task(folder).measure(net, "val", extras=True)
    assert "accuracy_tta" not in measured.metrics
    assert "tta" not in measured.settings


def test_the_plain_view_is_computed_once(folder: Path) -> None:
    class Counting(nn.Module):
        seen = 0

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            self.seen += len(images)
            return images.flatten(1)[:, :CLASSES]

    model = Counting()
    make_task(folder, "augment={scale: 36, tta: [hflip]}").measure(model, "val", extras=True)
    assert model.seen == 2 * 24
