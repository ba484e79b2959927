"""The configs that ship: valid, with the settings they are named after."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.config.fields import resolve_normalize
from core.config.load import dump, load_experiment, parse_experiment
from core.config.schema import Augment, ColorJitter, Optimizer, Scheduler
from core.config.workspace import Workspace, config_files
from core.datasets.synthetic import class_counts, class_names

ROOT = Path(__file__).parents[2]
LAB = Workspace(ROOT)


@pytest.mark.parametrize("path", config_files(LAB), ids=lambda path: path.stem)
def test_every_shipped_config_is_valid_and_round_trips(path: Path) -> None:
    experiment = load_experiment(path, workspace=LAB).experiment
    assert parse_experiment(dump(experiment), Path("/r/config.yaml")) == experiment
    assert experiment.data.root is not None
    assert experiment.data.root.is_relative_to(ROOT / "data")


def test_there_are_three() -> None:
    names = [path.stem for path in config_files(LAB)]
    assert names == ["cifar10-tinyvgg-a", "cifar10-tinyvgg-v4", "demo-tinyvgg"]


def test_cifar10_v4_is_the_lab_s() -> None:
    experiment = load_experiment("cifar10-tinyvgg-v4", workspace=LAB).experiment
    assert (experiment.model, experiment.epochs, experiment.batch) == ("tinyvgg_v4", 13, 32)
    assert experiment.learning_rate == 0.01
    assert experiment.optimizer == Optimizer(name="sgd", momentum=0.9, weight_decay=0.0)
    assert experiment.scheduler.name == "none"
    assert experiment.augment == Augment(pad_crop=4, hflip=True)
    assert resolve_normalize(experiment) == ((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010))
    assert experiment.data.val == "test"


def test_cifar10_a_is_the_lab_s() -> None:
    experiment = load_experiment("cifar10-tinyvgg-a", workspace=LAB).experiment
    assert (experiment.model, experiment.epochs, experiment.batch) == ("tinyvgg_a", 30, 32)
    jitter = ColorJitter(brightness=0.2, contrast=0.2, saturation=0.2, hue=0.2)
    assert experiment.augment == Augment(scale=36, hflip=True, color_jitter=jitter)
    assert experiment.scheduler == Scheduler(name="plateau", metric="val/accuracy", factor=0.1, patience=3)
    assert experiment.data.val == "test"


@pytest.mark.parametrize("name", ["cifar10-tinyvgg-v4", "cifar10-tinyvgg-a"])
def test_cifar10_from_another_folder_keeps_test_as_validation_and_says_so(name: str) -> None:
    data = load_experiment(name, data="/tmp/elsewhere", workspace=LAB).experiment.data
    assert (data.root, data.val) == (Path("/tmp/elsewhere"), "test")
    text = (LAB.configs / f"{name}.yaml").read_text()
    assert "The test folder IS the validation set" in text


def test_the_demo_draws_uneven_classes_in_groups_and_holds_validation_out() -> None:
    data = load_experiment("demo-tinyvgg", workspace=LAB).experiment.data
    assert data.format == "synthetic"
    assert data.synthetic is not None
    assert data.val is None
    groups = [name.split()[0] for name in class_names(data.synthetic)]
    assert all(groups.count(group) >= 2 for group in groups)
    counts = class_counts(data.synthetic)
    assert max(counts) >= 3 * min(counts)
