"""The launch form's forecast counts what training will count."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.config.load import load_experiment
from core.config.workspace import Workspace
from core.humanise import THIN_SPACE
from tui.launch_preview import describe


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """Two classes of 9 and 3 images (and a file that is none), 2 test images."""
    for split, name, number in (("train", "a", 9), ("train", "b", 3), ("test", "a", 1), ("test", "b", 1)):
        folder = tmp_path / "pictures" / split / name
        folder.mkdir(parents=True)
        for index in range(number):
            (folder / f"{index}.png").write_bytes(b"x")
    (tmp_path / "pictures" / "train" / "a" / "notes.txt").write_text("no image")
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "c.yaml").write_text("data: ../pictures\nmodel: tinyvgg_a\nbatch: 4\nepochs: 5\n")
    return Workspace(tmp_path)


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (
            ["data.split.ratio=0.25"],
            [
                "≈ 9 training images in 2 classes",
                "≈ 3 more held out for validation",
                "3 steps an epoch with batch 4",
            ],
        ),
        (
            ["data.val=test"],
            [
                "12 training images in 2 classes",
                "validation is the test folder: the best epoch is chosen on it",
            ],
        ),
        (["batch=5", "data.val=test"], ["3 steps an epoch with batch 5"]),
        (["checkpoint.every=2"], ["saves 3 checkpoints; device auto"]),
    ],
)
def test_figures(workspace: Workspace, overrides: list[str], expected: list[str]) -> None:
    loaded = load_experiment("c", overrides, workspace=workspace)
    lines, problem = describe(loaded.experiment, [])
    assert problem == ""
    said = [line.strip() for line in lines]
    for text in expected:
        assert text in said


def test_changes_and_problems(workspace: Workspace, tmp_path: Path) -> None:
    loaded = load_experiment("c", workspace=workspace)
    lines, _ = describe(loaded.experiment, [("learning_rate", "0.01", "0.1")])
    assert "  learning_rate: 0.01 → 0.1" in lines
    (tmp_path / "pictures").rename(tmp_path / "moved")
    _, problem = describe(loaded.experiment, [])
    assert str(tmp_path / "pictures") in problem


def test_a_set_still_to_be_drawn(workspace: Workspace, tmp_path: Path) -> None:
    data = "data: {format: synthetic, root: new, synthetic: {images: 1200, classes: 4, groups: 2}}"
    (tmp_path / "configs" / "s.yaml").write_text(f"{data}\nmodel: tinyvgg_a\n")
    lines, problem = describe(load_experiment("s", workspace=workspace).experiment, [])
    assert problem == ""
    assert f"data: 1{THIN_SPACE}200 pictures in 4 classes, drawn when training starts" in lines
