"""The disk a run will take: said before the start, never in the way of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import core.cli.commands.train as train
import core.launch.preview as preview
from core.cli.estimate import PATIENCE, disk_words
from core.cli.main import main
from core.config.load import parse_experiment
from core.config.schema import Experiment
from core.config.workspace import Workspace
from core.store.paths import RunPaths


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    for split, images in (("train", 4), ("val", 2)):
        for name in ("cat", "dog"):
            (tmp_path / "pictures" / split / name).mkdir(parents=True)
            for number in range(images):
                (tmp_path / "pictures" / split / name / f"{number}.png").write_bytes(b"x")
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "small.yaml").write_text(config(tmp_path))
    monkeypatch.chdir(tmp_path)
    return Workspace(tmp_path)


def config(root: Path, more: str = "") -> str:
    return f"data: {{root: {root / 'pictures'}}}\nmodel: tinyvgg_a\nepochs: 4\n{more}"


def experiment(workspace: Workspace, more: str = "") -> Experiment:
    return parse_experiment(config(workspace.root, more), workspace.root / "config.yaml")


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the child says of the network; how it was asked goes to `asked`."""
    told: dict[str, Any] = {"checkpoint_bytes": 1_000_000, "error": None}

    def describe(_: Experiment, classes: int, timeout: float) -> dict[str, Any]:
        told["asked"] = (classes, timeout)
        return told

    monkeypatch.setattr(preview, "describe", describe)
    return told


def test_all_checkpoints_and_predictions(workspace: Workspace, network: dict[str, Any]) -> None:
    words = disk_words(workspace, experiment(workspace))
    assert words.startswith("disk: ≈ 4.0 MB for 4 checkpoints and their predictions, ")
    assert words.endswith(" free")
    assert network["asked"] == (2, PATIENCE)


def test_kept_checkpoints_only(workspace: Workspace, network: dict[str, Any]) -> None:
    words = disk_words(workspace, experiment(workspace, "checkpoint: {keep: 1}\n"))
    assert words.startswith("disk: ≈ 2.0 MB for 2 checkpoints")


def test_too_much_is_a_warning_with_a_way_out(
    workspace: Workspace, network: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preview, "free_space", lambda _: 3_000_000)
    words = disk_words(workspace, experiment(workspace))
    assert words.startswith("warning: the run will take ≈ 4.0 MB")
    assert "only 3.0 MB are free" in words
    assert "--set checkpoint.keep" in words


def test_what_cannot_be_known_is_left_out(workspace: Workspace, network: dict[str, Any]) -> None:
    del network["checkpoint_bytes"]
    network["error"] = "the network was not built within 20 s"
    assert disk_words(workspace, experiment(workspace)) == ""
    nowhere = f"data: {{root: {workspace.root}/nowhere}}\nmodel: tinyvgg_a\n"
    assert disk_words(workspace, parse_experiment(nowhere, workspace.root / "config.yaml")) == ""


def test_train_says_it_before_the_start(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    order: list[str] = []

    def start_run(place: Workspace, *_: Any, **__: Any) -> RunPaths:
        order.append("start")
        return RunPaths(place.runs / "a-run")

    def words(*_: Any) -> str:
        order.append("words")
        return "disk: ≈ 4.0 MB"

    monkeypatch.setattr(train, "start_run", start_run)
    monkeypatch.setattr(train, "disk_words", words)
    assert main(["train", "--config", "small", "--gpus", "2"]) == 0
    captured = capsys.readouterr()
    assert order == ["words", "start"]
    assert captured.err.splitlines()[0] == "disk: ≈ 4.0 MB"
    assert captured.out == "a-run\n"


@pytest.mark.parametrize(("given", "gpus"), [("2", (2,)), ("GPU-8f1c", ("GPU-8f1c",))])
def test_gpus_by_index_and_uuid(
    given: str, gpus: tuple[Any, ...], workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Experiment] = []

    def start_run(place: Workspace, loaded: Any, **_: Any) -> RunPaths:
        seen.append(loaded.experiment)
        return RunPaths(place.runs / "a-run")

    monkeypatch.setattr(train, "start_run", start_run)
    monkeypatch.setattr(train, "disk_words", lambda *_: "")
    assert main(["train", "--config", "small", "--gpus", given]) == 0
    assert seen[0].gpus == gpus


def test_two_gpus_are_refused(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--config", "small", "--gpus", "0,1"]) == 2
    assert "a run trains on one GPU" in capsys.readouterr().err
