"""The configs that ship: valid, with the settings they are named after."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

from core.config.layers import data_names
from core.config.load import Changes, changed_fields, dump, load_data, load_experiment, parse_experiment
from core.config.names import STATISTICS
from core.config.resolve_defaults import resolve_normalize
from core.config.schema import Augment, ColorJitter, Optimizer, Scheduler
from core.config.workspace import Workspace, config_files
from core.datasets.open import open_dataset
from core.datasets.synthetic.drawn import class_counts, class_names
from tests.shared_folder import BCCD, needs_bccd

ROOT = Path(__file__).parents[2]
LAB = Workspace(ROOT)
DETECTION = {
    "fasterrcnn-full": ("fasterrcnn", "full", 0.005, None, None),
    "fasterrcnn-head": ("fasterrcnn", "head", 0.005, None, None),
    "retinanet-full": ("retinanet", "full", 0.005, None, None),
    "retinanet-head": ("retinanet", "head", 0.005, None, None),
    "retinanet-b1e-4-h1e-2": ("retinanet", "split", 0.005, 1e-4, 1e-2),
}
"""Model, mode, learning rate, and those of backbone and head of the lab's five."""


@pytest.mark.parametrize("path", config_files(LAB), ids=lambda path: path.stem)
def test_every_shipped_config_is_valid_and_round_trips(path: Path) -> None:
    experiment = load_experiment(path, workspace=LAB).experiment
    assert parse_experiment(dump(experiment), Path("/r/config.yaml")) == experiment
    assert experiment.data.root is not None
    assert experiment.data.root.is_relative_to(ROOT / "data")


@pytest.mark.parametrize("name", ["bccd", "cifar10", "diatom", "fashionmnist"])
def test_shipped_data_sets_are_valid(name: str) -> None:
    data = load_data(LAB.configs / "data" / f"{name}.yaml", LAB)
    assert data.root == ROOT / "data" / name


def test_which_there_are() -> None:
    names = [path.stem for path in config_files(LAB)]
    plain = [f"v{number}" for number in range(5)]
    scaled = ["a", "b", "b-lab", "c", "d", "d-multiscale", "d-multiscale-lab", "e"]
    tiny = [f"cifar10-tinyvgg-{name}" for name in (*scaled, *plain)]
    others = ["cifar10-mobilenet-head", "cifar10-mobilenet-split", "fashionmnist-quickstart"]
    others += ["demo-detector", "demo-tinyvgg"]
    assert names == sorted([*tiny, *others, *DETECTION, "bccd-fasterrcnn-small"])
    assert data_names(LAB) == ["bccd", "cifar10", "diatom", "fashionmnist"]


@pytest.mark.parametrize("path", [*LAB.configs.rglob("*.yaml")], ids=lambda path: path.stem)
def test_they_are_short_and_say_what_they_are(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("# ")
    assert len(lines) <= 20
    assert max(map(len, lines)) <= 110


@pytest.mark.parametrize(("version", "epochs"), [(0, 10), (1, 10), (2, 15), (3, 3), (4, 13)])
def test_cifar10_plain_networks_are_the_lab_s(version: int, epochs: int) -> None:
    experiment = load_experiment(f"cifar10-tinyvgg-v{version}", workspace=LAB).experiment
    assert (experiment.model, experiment.epochs, experiment.batch) == (f"tinyvgg_v{version}", epochs, 32)
    assert experiment.learning_rate == 0.01
    assert experiment.optimizer == Optimizer(name="sgd", momentum=0.9, weight_decay=0.0)
    assert experiment.scheduler.name == "none"
    assert experiment.augment == Augment(pad_crop=4, hflip=True)
    assert resolve_normalize(experiment) == ((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010))
    assert experiment.data.val == "test"


JITTER = ColorJitter(brightness=0.2, contrast=0.2, saturation=0.2, hue=0.2)


@pytest.mark.parametrize("letter", ["a", "b", "c", "d", "e"])
def test_cifar10_scaled_networks_are_the_lab_s(letter: str) -> None:
    experiment = load_experiment(f"cifar10-tinyvgg-{letter}", workspace=LAB).experiment
    assert (experiment.model, experiment.epochs, experiment.batch) == (f"tinyvgg_{letter}", 30, 32)
    assert experiment.learning_rate == 0.01
    assert experiment.optimizer == Optimizer(name="sgd", momentum=0.9, weight_decay=0.0)
    assert experiment.augment == Augment(scale=36, hflip=True, color_jitter=JITTER)
    assert experiment.scheduler == Scheduler(name="plateau", metric="val/accuracy", factor=0.1, patience=3)
    assert experiment.measure.random is False
    assert experiment.data.val == "test"


def test_cifar10_multi_scale_is_the_lab_s() -> None:
    experiment = load_experiment("cifar10-tinyvgg-d-multiscale", workspace=LAB).experiment
    jittered = Augment(scale=(36, 44), test_scale=40, hflip=True, color_jitter=JITTER)
    assert (experiment.model, experiment.augment) == ("tinyvgg_d", jittered)


@pytest.mark.parametrize("name", ["cifar10-tinyvgg-b", "cifar10-tinyvgg-d-multiscale"])
def test_like_for_like_differs_in_what_is_measured(name: str) -> None:
    plain = load_experiment(name, workspace=LAB).experiment
    like = load_experiment(f"{name}-lab", workspace=LAB).experiment
    assert changed_fields(plain, like) == Changes(("scheduler.metric", "augment.tta"), ("measure.random",))
    assert like.scheduler == plain.scheduler.model_copy(update={"metric": "val/accuracy_random"})
    assert like.augment.tta == ("hflip",)


def test_transfer_takes_a_checked_file_and_small_steps() -> None:
    head = load_experiment("cifar10-mobilenet-head", workspace=LAB).experiment
    split = load_experiment("cifar10-mobilenet-split", workspace=LAB).experiment
    assert (head.mode, head.learning_rate, head.back_lr, head.head_lr) == ("head", 0.01, None, None)
    assert (split.mode, split.back_lr, split.head_lr) == ("split", 1e-4, 1e-2)
    for experiment in (head, split):
        assert experiment.weights == ROOT / "weights/mobilenet_v2-7ebf99e0.pth"
        assert resolve_normalize(experiment) == STATISTICS["imagenet"]
        assert experiment.data.val is None


def test_the_quickstart_is_on_clothes() -> None:
    experiment = load_experiment("fashionmnist-quickstart", workspace=LAB).experiment
    assert (experiment.data.format, experiment.data.order) == ("fashionmnist", "file")
    assert resolve_normalize(experiment) == STATISTICS["fashionmnist"]


@pytest.mark.parametrize("name", ["cifar10-tinyvgg-v4", "cifar10-tinyvgg-a"])
def test_cifar10_from_another_folder_keeps_test_as_validation_and_says_so(name: str) -> None:
    data = load_experiment(name, data="/tmp/elsewhere", workspace=LAB).experiment.data
    assert (data.root, data.val) == (Path("/tmp/elsewhere"), "test")
    base = (LAB.configs / f"{name}.yaml").read_text().split("extends: ")[1].split()[0]
    assert "The test folder IS the validation set" in (LAB.configs / base).read_text()


def test_cifar10_is_read_from_either_form(torchvision_files: ModuleType, tmp_path: Path) -> None:
    data = load_experiment("cifar10-tinyvgg-v4", data=str(tmp_path), workspace=LAB).experiment.data
    torchvision_files.write_cifar10(tmp_path)
    assert len(open_dataset(data).splits["val"]) == 20


@pytest.mark.parametrize("name", ["demo-detector", "demo-tinyvgg"])
def test_the_demo_draws_uneven_classes_in_groups_and_holds_validation_out(name: str) -> None:
    data = load_experiment(name, workspace=LAB).experiment.data
    assert data.format == "synthetic"
    assert data.synthetic is not None
    assert data.val is None
    groups = [name.split()[0] for name in class_names(data.synthetic)]
    assert all(groups.count(group) >= 2 for group in groups)
    counts = class_counts(data.synthetic)
    assert max(counts) >= 3 * min(counts)


@pytest.mark.parametrize("name", DETECTION)
def test_detectors_are_the_lab_s(name: str) -> None:
    experiment = load_experiment(name, workspace=LAB).experiment
    model, mode, rate, back, head = DETECTION[name]
    assert (experiment.model, experiment.mode) == (model, mode)
    assert (experiment.learning_rate, experiment.back_lr, experiment.head_lr) == (rate, back, head)
    assert (experiment.batch, experiment.weights, experiment.sides) == (4, "coco", (800, 1333))
    assert experiment.optimizer == Optimizer(name="sgd", momentum=0.9, weight_decay=0.0)
    assert (experiment.scheduler.name, experiment.augment) == ("none", Augment())
    data = experiment.data
    assert (data.format, data.order, data.empty, data.split.ratio) == ("diatom", "frequency", "keep", 0.2)


def test_bccd_is_the_small_faster_rcnn() -> None:
    experiment = load_experiment("bccd-fasterrcnn-small", workspace=LAB).experiment
    assert (experiment.model, experiment.weights) == ("fasterrcnn_small", "none")
    assert (experiment.epochs, experiment.batch, experiment.sides) == (5, 4, (144, 192))
    assert experiment.optimizer == Optimizer(name="adamw", weight_decay=0.001)
    assert experiment.scheduler == Scheduler(name="onecycle", peak=0.2)
    assert (experiment.learning_rate, experiment.clip_norm) == (0.003, 5)
    assert experiment.augment == Augment(hflip=True, vflip=True, color_jitter=ColorJitter(brightness=0.15))
    assert (experiment.data.val, experiment.data.order) == ("test", "frequency")


@needs_bccd
def test_bccd_by_its_own_lists() -> None:
    data = load_experiment("bccd-fasterrcnn-small", data=str(BCCD), workspace=LAB).experiment.data
    dataset = open_dataset(data)
    assert {name: len(files) for name, files in dataset.splits.items()} == {"train": 292, "val": 72}
    assert dict(zip(dataset.class_names, dataset.counts("val"), strict=True)) == {
        "RBC": 805,
        "WBC": 71,
        "Platelets": 69,
    }
    assert sum(dataset.counts("train")) == 3941  # two of 3,943 have no width
