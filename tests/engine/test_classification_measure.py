"""Numbers of a measurement: true means over images, whatever the batches; named and unnamed randomness."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional
from torchmetrics.functional.classification import multiclass_f1_score
from torchvision import transforms

from core.config.load import apply_overrides, parse_experiment
from core.config.resolve_defaults import resolve_normalize
from core.data.batches import TrainBatches
from core.data.epoch_rng import MEASURING
from core.datasets.open import open_dataset
from core.engine.classification import Classification
from core.engine.resolve import Resolved
from core.engine.scoring import Scores, correct_answers
from core.errors import DataError, RunFailedError

CLASSES, SIDES = 7, (40, 32, 48)
RESOLVED = Resolved("cpu", 1, "channels_last", "default", "float32", 256, str(torch.__version__))
MakeTask = Callable[..., Classification]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """7 classes of noisy pictures of several sizes: 13 for training, 9 for validation, 7 test."""
    root = tmp_path_factory.mktemp("seven")
    random = np.random.default_rng(0)
    counts = {"train": [1, 2, 2, 2, 2, 2, 2], "val": [3, 1, 1, 1, 1, 1, 1], "test": [1] * 7}
    for split, numbers in counts.items():
        for label, count in enumerate(numbers):
            place = root / split / f"class{label}"
            place.mkdir(parents=True)
            for index in range(count):
                side = SIDES[(label + index) % 3]
                pixels = random.integers(0, 256, (side, side, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(place / f"{index}.png")
    return root


@pytest.fixture
def make_task(folder: Path) -> MakeTask:
    """`make_task(*overrides, eval_batch=...)`: the task of a config on the seven classes."""

    def make(*overrides: str, eval_batch: int = 256, **more: Any) -> Classification:
        text = f"data: {{root: {folder}}}\nmodel: tinyvgg_a\nbatch: 4\ndevice: cpu\n"
        experiment = apply_overrides(parse_experiment(text, folder / "c.yaml"), overrides)
        resolved = replace(RESOLVED, eval_batch=eval_batch)
        options: dict[str, Any] = {"batch_norm": True, "cancelled": lambda: False} | more
        return Classification(experiment, open_dataset(experiment.data), resolved, **options)

    return make


@pytest.fixture
def net() -> nn.Module:
    """A network with batch statistics that are not those of any batch."""
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout(0.5), nn.Flatten(),
        nn.LazyLinear(CLASSES),
    )  # fmt: skip
    model(torch.randn(16, 3, 32, 32))
    return model


def looked_at(task: Classification, split: str, side: int, flip: bool = False) -> Tensor:
    """A split through torchvision: Resize(side), CenterCrop(32), perhaps mirrored, ToTensor, Normalize."""
    look = transforms.Compose(
        [
            transforms.Resize(side),
            transforms.CenterCrop(32),
            transforms.RandomHorizontalFlip(float(flip)),
            transforms.ToTensor(),
            transforms.Normalize(*resolve_normalize(task._experiment)),
        ]
    )
    dataset = task._dataset
    return torch.stack([look(Image.open(dataset.root / path)) for path in dataset.splits[split].paths])


def labels_of(task: Classification, split: str) -> Tensor:
    return torch.tensor(task._dataset.splits[split].labels)


@torch.no_grad()
def outputs(model: nn.Module, images: Tensor) -> Tensor:
    return model.eval()(images)


def test_means_are_over_images_and_not_over_batches(make_task: MakeTask, net: nn.Module) -> None:
    logits = outputs(net, looked_at(make_task(), "val", 32))
    labels = labels_of(make_task(), "val")
    right = (logits.argmax(1) == labels).float()
    by_class = torch.tensor([right[labels == label].mean() for label in range(CLASSES)])
    want = {
        "loss": functional.cross_entropy(logits, labels).item(),
        "accuracy": right.mean().item(),
        "accuracy_macro": by_class.mean().item(),
        "top5": (logits.topk(5).indices == labels[:, None]).any(1).float().mean().item(),
        "f1_macro": multiclass_f1_score(logits, labels, CLASSES, average="macro").item(),
    }
    assert 0 < want["accuracy"] < want["top5"] < 1
    assert want["accuracy"] != want["accuracy_macro"]
    for eval_batch in (1, 4, 7, 256):
        measured = make_task(eval_batch=eval_batch).measure(net, "val")
        assert measured.metrics == pytest.approx(want, abs=1e-5)
        assert measured.images == len(labels)
        np.testing.assert_allclose(measured.predictions["probabilities"], logits.softmax(1), atol=1e-5)


def test_losses_of_a_smaller_last_batch_weigh_as_images() -> None:
    """Losses 10, 10, 9 in batches of two have the mean 29/3, not 9.5."""
    scores = Scores(2)
    for batch in ([10.0, 10.0], [9.0]):
        loss = torch.tensor(batch, dtype=torch.float64)
        logits = torch.stack([torch.zeros_like(loss), torch.log(torch.expm1(loss))], dim=1)
        scores.add(logits.float(), torch.zeros(len(batch), dtype=torch.int64))
    assert scores.metrics()["loss"] == pytest.approx(29 / 3, abs=1e-5)


def test_macro_accuracy_is_the_mean_of_the_classes_that_have_images() -> None:
    scores = Scores(3)
    scores.add(torch.tensor([[9.0, 0.0, 0.0]]).expand(100, 3), torch.tensor([0] * 95 + [1] * 5))
    assert scores.metrics()["accuracy"] == 0.95
    assert scores.metrics()["accuracy_macro"] == 0.5
    assert scores.per_class(["a", "b", "c"]) == [
        {"class": "a", "n": 95, "correct": 95, "accuracy": 1.0, "precision": 0.95, "recall": 1.0}
        | {"f1": 190 / 195},
        {"class": "b", "n": 5, "correct": 0, "accuracy": 0.0, "precision": None, "recall": 0.0, "f1": 0.0},
        {"class": "c", "n": 0, "correct": 0, **dict.fromkeys(("accuracy", "precision", "recall", "f1"))},
    ]


@pytest.mark.parametrize(("classes", "there"), [(2, False), (5, False), (6, True)])
def test_top5_only_with_more_than_five_classes(classes: int, there: bool) -> None:
    scores = Scores(classes)
    logits = torch.arange(classes, 0.0, -1).expand(4, classes)
    scores.add(logits, torch.tensor([0, classes - 1, 0, classes - 1]))
    assert scores.metrics().get("top5") == (0.5 if there else None)
    assert scores.metrics()["accuracy"] == 0.5


@pytest.mark.parametrize(("classes", "keys"), [(1000, {"probabilities"}), (1001, {"top_classes", "top"})])
def test_only_the_highest_of_many_probabilities_are_kept(classes: int, keys: set[str]) -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(6, classes, generator=generator)
    scores = Scores(classes)
    for part in logits.split(4):
        scores.add(part, torch.zeros(len(part), dtype=torch.int64))
    stored = scores.probabilities("tta_")
    whole = logits.softmax(1).numpy()
    if keys == {"probabilities"}:
        assert list(stored) == ["tta_probabilities"]
        np.testing.assert_array_equal(stored["tta_probabilities"], whole)
        return
    assert set(stored) == {"tta_top_probabilities", "tta_top_classes"}
    top, which = stored["tta_top_probabilities"], stored["tta_top_classes"]
    assert (top.dtype, top.shape, which.dtype) == (np.float32, (6, 20), np.int32)
    np.testing.assert_array_equal(top, -np.sort(-whole, axis=1)[:, :20])
    np.testing.assert_array_equal(np.take_along_axis(whole, which, axis=1), top)


def test_predictions_are_what_a_confusion_matrix_needs(make_task: MakeTask, net: nn.Module) -> None:
    task = make_task()
    measured = task.measure(net, "val")
    stored = measured.predictions
    assert stored["probabilities"].dtype == np.float32
    assert not any(array.dtype == object for array in stored.values())
    for path, label in zip(stored["paths"], stored["labels"], strict=True):
        assert (Path(str(stored["root"])) / path).parent.name == stored["class_names"][label]
    found = stored["probabilities"].argmax(1)
    for label, row in enumerate(measured.per_class):
        of_class = stored["labels"] == label
        assert row["n"] == of_class.sum()
        assert row["correct"] == (found[of_class] == label).sum()


def test_measuring_changes_nothing(make_task: MakeTask, net: nn.Module) -> None:
    """Neither generators nor weights nor statistics, nor which parts of the network are frozen."""
    task = make_task("measure.random=true", "augment.tta=[hflip]", "augment.pad_crop=4")
    net.train()
    net[1].eval()
    weights = {name: value.clone() for name, value in net.state_dict().items()}
    rng = torch.get_rng_state()
    task.measure(net, "val", extras=True)
    assert torch.equal(torch.get_rng_state(), rng)
    assert all(torch.equal(value, weights[name]) for name, value in net.state_dict().items())
    assert [module.training for module in net] == [True, False, True, True, True, True]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "augment",
    [
        "augment={pad_crop: 4, hflip: true}",
        "augment={scale: 36, hflip: true, color_jitter: {brightness: 0.2, hue: 0.2}}",
        "augment={scale: [36, 44], hflip: true, color_jitter: {hue: 0.2}}",
    ],
)
def test_the_labs_random_evaluation(make_task: MakeTask, net: nn.Module, augment: str) -> None:
    """Validation images under the training's changes, the same each time and for any batch."""
    task = make_task("measure.random=true", augment)
    plain = task.measure(net, "val")
    assert not any("random" in name for name in plain.metrics)
    assert "random" not in plain.settings
    measured = task.measure(net, "val", extras=True)
    assert measured.settings == task.settings("val", extras=True) == {**plain.settings, "random": True}
    store = task._stores.store("val", task._train_side())
    batches = TrainBatches(store, task._augmentation, batch=4, seed=0, drop_single=False)
    items = list(batches.epoch(MEASURING))
    logits = outputs(net, torch.cat([item.images for item in items]))
    labels = torch.cat([item.labels for item in items])
    assert torch.equal(labels, labels_of(task, "val"))
    assert not torch.equal(items[0].images, looked_at(task, "val", task._side)[:4])
    want = {
        "accuracy_random": (logits.argmax(1) == labels).float().mean().item(),
        "loss_random": functional.cross_entropy(logits, labels).item(),
    }
    assert measured.metrics == pytest.approx({**plain.metrics, **want}, abs=1e-5)
    again = make_task("measure.random=true", augment, eval_batch=2).measure(net, "val", extras=True)
    assert again.metrics == pytest.approx(measured.metrics, abs=1e-5)
    assert "accuracy_random" not in task.measure(net, "test", extras=True).metrics
    other = make_task("measure.random=true", augment, "seed=1").measure(net, "val", extras=True)
    assert other.metrics["loss_random"] != pytest.approx(want["loss_random"], abs=1e-4)


def test_label_smoothing_is_trained_with_and_not_measured(make_task: MakeTask, net: nn.Module) -> None:
    task = make_task("label_smoothing=0.2", "model=tinyvgg_a")
    batch = next(task.batches(1, 0))
    net.eval()
    outcome = task.step(net, batch)
    logits = net(batch.images)
    smooth = functional.cross_entropy(logits, batch.labels, label_smoothing=0.2)
    assert outcome.loss.item() == pytest.approx(smooth.item(), abs=1e-6)
    assert outcome.totals["loss"].item() == pytest.approx(4 * smooth.item(), abs=1e-5)
    assert outcome.answers is not None
    assert correct_answers([outcome.answers]) == (logits.argmax(1) == batch.labels).sum()
    plain = functional.cross_entropy(outputs(net, looked_at(task, "val", 32)), labels_of(task, "val"))
    assert task.measure(net, "val").metrics["loss"] == pytest.approx(plain.item(), abs=1e-5)


@pytest.mark.parametrize(
    ("overrides", "side"),
    [
        ((), 32),
        (("augment.scale=36",), 36),
        (("augment.scale=[36, 44]",), 40),
        (("augment.scale=[36, 45]",), 41),
        (("augment.scale=36", "augment.test_scale=40"), 40),
        (("augment.pad_crop=4", "augment.test_scale=33"), 33),
    ],
)
def test_measuring_resizes_to_its_own_side(
    make_task: MakeTask, net: nn.Module, overrides: tuple[str, ...], side: int
) -> None:
    task = make_task(*overrides)
    assert task.settings("val")["resize"] == side
    measured = task.measure(net, "val")
    assert measured.settings == task.settings("val")
    want = outputs(net, looked_at(task, "val", side)).softmax(1)
    np.testing.assert_allclose(measured.predictions["probabilities"], want, atol=1e-5)


@pytest.mark.parametrize(
    ("batch", "batch_norm", "sizes", "words"),
    [
        (4, True, [4, 4, 4], "1 image left out per epoch"),
        (4, False, [4, 4, 4, 1], None),
        (16, True, [13], None),
        (12, True, [12], "1 image left out per epoch"),
        (1, True, [1] * 13, "batch 1 with batch normalisation"),
    ],
)
def test_tiny_last_batches(
    make_task: MakeTask,
    capsys: pytest.CaptureFixture[str],
    net: nn.Module,
    batch: int,
    batch_norm: bool,
    sizes: list[int],
    words: str | None,
) -> None:
    task = make_task(f"batch={batch}", batch_norm=batch_norm)
    said = capsys.readouterr().out
    assert (words in said) if words else "note" not in said
    assert [len(item.labels) for item in task.batches(1, 0)] == sizes
    assert (task.steps_per_epoch, task.images_per_epoch) == (len(sizes), sum(sizes))
    measured = task.measure(net, "val")
    assert measured.images == sum(row["n"] for row in measured.per_class) == 9


@pytest.mark.parametrize(
    ("output", "words"),
    [
        (lambda images: images.flatten(1)[:, :3], r"\(9, 3\) for a batch of 9 images, not \(9, 7\)"),
        (lambda images: (images.flatten(1)[:, :7],), "gives tuple for a batch"),
    ],
)
def test_a_network_of_another_kind_is_refused(make_task: MakeTask, output: Any, words: str) -> None:
    class Odd(nn.Module):
        def forward(self, images: Tensor) -> Any:
            return output(images)

    with pytest.raises(RunFailedError, match=words):
        make_task().measure(Odd(), "val")


def test_without_training_only_what_is_measured_is_loaded(
    make_task: MakeTask, net: nn.Module, capsys: pytest.CaptureFixture[str]
) -> None:
    task = make_task(training=False)
    assert capsys.readouterr().out == ""
    task.measure(net, "test")
    said = capsys.readouterr().out
    assert "test: decoded 7 of 7 images to 32 px" in said
    assert "train" not in said


def test_new_images_are_predicted_as_measured_ones(make_task: MakeTask, net: nn.Module, folder: Path) -> None:
    task = make_task("augment={scale: [36, 44], tta: [hflip, 44]}", training=False)
    measured = task.measure(net, "val", extras=True).predictions
    for root, paths in [
        (folder, [str(path) for path in measured["paths"]]),
        (Path("/"), [str(folder / path) for path in measured["paths"]]),
    ]:
        predicted = task.predict(net, root, paths, extras=True)
        assert list(predicted) == ["probabilities", "tta_probabilities"]
        for name, array in predicted.items():
            np.testing.assert_allclose(array, measured[name], atol=1e-6)
    assert list(task.predict(net, folder, paths)) == ["probabilities"]
    with pytest.raises(DataError, match=r"gone\.png is missing"):
        task.predict(net, folder, ["gone.png"])


def test_pixels_are_not_copied_out_of_the_cache(make_task: MakeTask) -> None:
    """A file of pixels is mapped, and torch does not complain that it may not write to it."""
    make_task()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert make_task().steps_per_epoch == 3
