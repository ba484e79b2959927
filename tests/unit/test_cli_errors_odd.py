"""`errors` on runs of odd kinds: whole images, new images without annotations, runs without predictions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.cli.main import main
from core.config.workspace import Workspace
from core.store.attempts import record_attempt
from core.store.paths import RunPaths
from core.store.runs import create_run

COMMON: dict[str, Any] = {
    "format": np.array(1),
    "checkpoint": np.array("a01-e0001"),
    "sha256": np.array("ab" * 32),
    "root": np.array("/nowhere"),
    "paths": np.array(["a.png", "b.png"]),
    "class_names": np.array(["Navicula a", "Navicula b", "Achnanthes"]),
}
CLASSES = {
    **COMMON,
    "labels": np.array([0, 1]),
    "probabilities": np.array([[0.4, 0.5, 0.1], [0.1, 0.7, 0.2]], np.float32),
}
BOXES = {
    **COMMON,
    "image_offsets": np.array([0, 1, 2]),
    "boxes": np.array([[0, 0, 10, 10], [1, 2, 3, 4]], np.float32),
    "scores": np.array([0.9, 0.5], np.float32),
    "labels": np.array([2, 0]),
    "sizes": np.array([[20, 10], [30, 40]], np.int32),
    "score_floor": np.array(0.05),
    "nms_iou": np.array(0.5),
    "max_det": np.array(100),
}


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    (tmp_path / "configs").mkdir()
    monkeypatch.chdir(tmp_path)
    return Workspace(tmp_path)


def make_run(workspace: Workspace, arrays: dict[str, Any] | None = None, split: str = "val") -> RunPaths:
    """A finished run with a predictions file, or a queued one without."""
    run = create_run(
        workspace,
        config_name="x",
        config_text="",
        model="tinyvgg_a",
        metric="val/accuracy",
        metric_mode="max",
        total_epochs=1,
        argv=[],
    )
    if arrays is not None:
        record_attempt(run, "finished", epoch=1, step=1, started=1.0, ended=2.0)
        run.predictions.mkdir(exist_ok=True)
        np.savez(run.predictions / f"a01-e0001-{split}.npz", **arrays)
    return run


def document(capsys: pytest.CaptureFixture[str], *argv: str) -> dict[str, Any]:
    assert main([*argv, "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_whole_images(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    run = make_run(workspace, CLASSES).id
    found = document(capsys, "errors", run, "--iou", "0.7", "--agnostic-nms", "0.5", "--group", "genus")
    assert (found["iou"], found["agnostic_nms"], found["before_nms"]) == (0.5, None, None)
    assert found["summary"]["accuracy"] == 0.5
    groups = found["groups"]
    assert (groups["summary"]["accuracy"], groups["ap"]["map"]) == (1.0, None)
    assert [row["group"] for row in groups["per_group"]] == ["Navicula", "Achnanthes"]
    assert main(["errors", run, "--iou", "0.7", "--group", "genus"]) == 0
    captured = capsys.readouterr()
    assert "--iou and --agnostic-nms have no effect" in captured.err
    assert "by group: accuracy 1.0000, accuracy_macro 1.0000 (probabilities summed" in captured.out
    assert main(["errors", run, "--cases", "1", "2"]) == 0
    row = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("a.png"))
    assert row.split()[:7] == ["a.png", "Navicula", "a", "Navicula", "b", "0.500", "–"]


def test_new_images_without_annotations(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    run = make_run(workspace, BOXES, "new-0001").id
    found = document(capsys, "errors", run)
    assert (found["labelled"], found["ap"]["map"], found["cases_total"]) == (False, None, 0)
    assert main(["errors", run, "--save", "out"]) == 0
    assert "no annotations: nothing can be called right or wrong" in capsys.readouterr().out
    assert document(capsys, "errors", run, "--cases", "false_alarm", "3")["cases_total"] == 1
    for option in (["--mistakes"], ["--group", "genus"], ["--judged"]):
        assert main(["errors", run, *option]) == 3
        assert "these images have no annotations" in capsys.readouterr().err
    assert main(["errors", run, "--compare", run]) == 3
    assert "one has no annotations" in capsys.readouterr().err


def test_a_run_that_has_none_yet(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["errors", make_run(workspace).id]) == 5
    assert "is queued and has no predictions yet" in capsys.readouterr().err
    run = make_run(workspace, BOXES)
    next(run.predictions.iterdir()).unlink()
    assert main(["errors", run.id]) == 3
    assert f"`labtui measure {run.id} --at best` makes them" in capsys.readouterr().err


def test_a_damaged_file_is_named(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    run = make_run(workspace, BOXES)
    (file,) = run.predictions.iterdir()
    file.write_bytes(file.read_bytes()[:300])
    assert main(["errors", run.id]) == 3
    assert file.name in capsys.readouterr().err
