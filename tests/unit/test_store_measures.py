"""Measure rows are joined with predictions and checkpoints of the same file only."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.cli.compare_classes import compare_classes
from core.store.checkpoints import save_files
from core.store.files import write_json
from core.store.measures import row_of
from core.store.paths import RunPaths

SIDE = {"attempt": 1, "epoch": 1, "step": 1, "mid_epoch": False, "metrics": {"val/accuracy": 0.5}}


@pytest.fixture
def run(tmp_path: Path) -> RunPaths:
    run = RunPaths(tmp_path / "20261125-080000-demo-1a2b")
    for folder in (run.measures, run.checkpoints):
        folder.mkdir(parents=True)
    return run


def measured(run: RunPaths, name: str, sha256: str) -> None:
    classes = [{"class": "cat", "n": 2, "accuracy": 0.5}]
    about = {"checkpoint": name[:9], "sha256": sha256, "split": "val", "n": 2, "accuracy": 0.25}
    write_json(run.measures / f"{name}.json", {**about, "settings": {}, "per_class": classes})


def test_a_row_goes_with_predictions_of_the_same_checkpoint_file(run: RunPaths) -> None:
    for key, sha256 in (("", "a" * 64), ("-0badcafe", "b" * 64)):
        measured(run, f"a01-e0001-val{key}", sha256)
    file = run.predictions / "a01-e0001-val.npz"
    found = row_of(run, file, "a" * 64)
    assert found is not None
    assert found.metrics == {"accuracy": 0.25}
    assert row_of(run, file, "b" * 64) is None
    assert row_of(run, file, "") is None
    assert row_of(run, run.predictions / "a01-e0001-train.npz", "a" * 64) is None
    assert row_of(run, run.predictions / "a01-e0001-val-0badcafe.npz", "b" * 64) is not None


def test_classes_are_compared_by_rows_of_the_best_checkpoint_itself(run: RunPaths) -> None:
    write_json(run.spec, {"metric": "val/accuracy", "metric_mode": "max"})
    best = save_files(run, "a01-e0001", b"weights", SIDE)
    measured(run, "a01-e0001-val", best.sha256)
    assert [item.values for item in compare_classes(run, run)] == [(0.5, 0.5)]
    measured(run, "a01-e0001-val", "c" * 64)
    assert compare_classes(run, run) == ()
