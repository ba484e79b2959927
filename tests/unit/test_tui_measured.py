"""Rows of the training images as points of a run's curves."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from core.store.files import write_json
from core.store.paths import RunPaths
from tui.read.train_measures import MeasuredReader


def measure(run: RunPaths, checkpoint: str, split: str = "train", key: str = "", **metrics: object) -> Path:
    name = f"{checkpoint}-{split}-{key}.json" if key else f"{checkpoint}-{split}.json"
    row = {"checkpoint": checkpoint, "sha256": "5" * 64, "split": split, "n": 7, "per_class": [{"ap": 1}]}
    write_json(run.measures / name, {**row, **metrics})
    return run.measures / name


@pytest.fixture
def run(tmp_path: Path) -> RunPaths:
    made = RunPaths(tmp_path / "runs" / "r")
    made.measures.mkdir(parents=True)
    return made


def test_only_whole_epochs_of_the_runs_own_training_images(run: RunPaths) -> None:
    measure(run, "a01-e0002", map=0.5, loss=1.5)
    measure(run, "a01-e0001", "val", map=0.3)
    measure(run, "a01-e0003-s000123", map=0.6)
    measure(run, "a01-e0004", key="0123abcd", map=0.7)
    measure(run, "a02-e0012", map=float("nan"))
    (run.measures / "a01-e0007-train.json").write_text("{")
    (run.measures / "junk-train.json").write_text("{}")
    reader = MeasuredReader(run)
    assert reader.read()
    assert reader.points[1, 2] == {"train/map": 0.5, "train/loss": 1.5}
    assert reader.points[1, 7] == {}
    assert set(reader.points) == {(1, 2), (1, 7), (2, 12)}


def test_what_comes_later_is_seen_and_nothing_new_is_nothing(run: RunPaths) -> None:
    reader = MeasuredReader(run)
    assert not reader.read()
    first = measure(run, "a01-e0001", map=0.2)
    assert reader.read()
    assert not reader.read()
    measure(run, "a01-e0002", map=0.4)
    os.utime(run.measures, ns=(1, 1))
    assert reader.read()
    assert {place: row["train/map"] for place, row in reader.points.items()} == {(1, 1): 0.2, (1, 2): 0.4}
    first.unlink()
    os.utime(run.measures, ns=(2, 2))
    assert reader.read()
    assert set(reader.points) == {(1, 2)}
