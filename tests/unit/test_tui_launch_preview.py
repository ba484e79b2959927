"""The launch form's forecast counts what training will count."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.config.load import load_experiment
from core.config.workspace import Workspace
from core.humanise import THIN_SPACE
from tui.screens.launch_preview import Forecast, describe, network, place


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
                "9 training images in 2 classes",
                "3 more held out for validation",
                "3 steps an epoch with batch 4",
            ],
        ),
        (
            ["data.val=test"],
            [
                "12 training images in 2 classes",
                "2 to validate: the test images; the best epoch is chosen on them",
            ],
        ),
        (["batch=5", "data.val=test"], ["3 steps an epoch with batch 5"]),
        (["checkpoint.every=2"], ["saves 3 checkpoints and the best; device auto"]),
        (["checkpoint.keep=2"], ["saves 5 checkpoints, keeps the newest 2 and the best; device auto"]),
        (["scheduler.name=plateau"], ["tinyvgg_a: 5 epochs, learning rate 1e-2, times 0.1 after 3 epochs"]),
        (
            ["scheduler.name=cosine", "scheduler.warmup=1", "scheduler.min_lr=1e-5"],
            ["rising over the first 1 epochs, falling along a cosine to 1e-5"],
        ),
        (["scheduler.name=onecycle"], ["learning rate 1e-2 at its peak, reached after 30 % of the epochs"]),
        (["early_stop.patience=2"], ["at most 5 epochs", "stops early after 2 epochs without improvement"]),
        (
            ["mode=split", "back_lr=1e-4", "head_lr=1e-2", "model=resnet18"],
            ["resnet18: 5 epochs, learning rate 1e-4 (back) and 1e-2 (head)"],
        ),
    ],
)
def test_figures(workspace: Workspace, overrides: list[str], expected: list[str]) -> None:
    loaded = load_experiment("c", overrides, workspace=workspace)
    forecast = describe(loaded.experiment, [])
    assert forecast.problem == ""
    assert forecast.data.classes == ("a", "b")
    said = [line.strip() for line in forecast.lines]
    for text in expected:
        assert any(text in line for line in said), said


def test_changes_and_problems(workspace: Workspace, tmp_path: Path) -> None:
    loaded = load_experiment("c", workspace=workspace)
    lines = describe(loaded.experiment, [("learning_rate", "0.01", "0.1")]).lines
    assert "  learning_rate: 0.01 → 0.1" in lines
    (tmp_path / "pictures").rename(tmp_path / "moved")
    problem = describe(loaded.experiment, []).problem
    assert str(tmp_path / "pictures") in problem


def test_a_set_still_to_be_drawn(workspace: Workspace, tmp_path: Path) -> None:
    data = "data: {format: synthetic, root: new, synthetic: {images: 1200, classes: 4, groups: 2}}"
    (tmp_path / "configs" / "s.yaml").write_text(f"{data}\nmodel: tinyvgg_a\n")
    forecast = describe(load_experiment("s", workspace=workspace).experiment, [])
    assert forecast.problem == ""
    assert len(forecast.data.classes) == 4
    lines = forecast.lines
    assert f"data: 1{THIN_SPACE}200 pictures in 4 classes, drawn when training starts" in lines


TOLD = {
    "parameters": 11_181_642,
    "trainable": 5130,
    "parts": [
        {"name": "backbone", "parameters": 11_176_512, "trainable": 0},
        {"name": "head", "parameters": 5130, "trainable": 5130},
    ],
    "checkpoint_bytes": 45_000_000,
    "error": None,
}


VOC = """<annotation><filename>{name}.png</filename><size><width>64</width><height>48</height></size>
{objects}</annotation>"""
OBJECT = """<object><name>{name}</name><bndbox><xmin>2</xmin><ymin>2</ymin><xmax>20</xmax><ymax>20</ymax>
</bndbox></object>"""


@pytest.fixture
def boxes(tmp_path: Path) -> Workspace:
    """Nine images with 1, 2 and so on objects of two classes, the last one without any; 2 to validate."""
    from PIL import Image

    root = tmp_path / "voc"
    for folder in ("JPEGImages", "Annotations", "ImageSets/Main", "../configs"):
        (root / folder).mkdir(parents=True)
    for number in range(9):
        Image.new("RGB", (64, 48)).save(root / "JPEGImages" / f"{number}.png")
        objects = "".join(OBJECT.format(name="ab"[n % 2]) for n in range(number + 1)) if number < 8 else ""
        (root / "Annotations" / f"{number}.xml").write_text(VOC.format(name=number, objects=objects))
    (root / "ImageSets" / "Main" / "train.txt").write_text("\n".join("0125678"))
    (root / "ImageSets" / "Main" / "val.txt").write_text("3\n4\n")
    (tmp_path / "configs" / "d.yaml").write_text(
        "data: {root: ../voc, format: voc, train: {list: ImageSets/Main/train.txt},"
        " val: {list: ImageSets/Main/val.txt}}\nmodel: fasterrcnn_small\n"
    )
    return Workspace(tmp_path)


def test_images_objects_and_classes_of_data_with_boxes(boxes: Workspace) -> None:
    experiment = load_experiment("d", workspace=boxes).experiment
    found = describe(experiment, [])
    assert found.problem == ""
    lines = [line.strip().replace(THIN_SPACE, " ") for line in found.lines]
    assert "7 training images" in lines
    assert f"{1 + 2 + 3 + 6 + 7 + 8} objects in 2 classes" in lines
    assert "2 to validate" in lines
    assert "2 steps an epoch with batch 4" in lines
    assert "short side of the images 240 pixels, long side at most 320" in lines


def test_drawn_pictures_with_boxes(boxes: Workspace) -> None:
    path = boxes.configs / "e.yaml"
    path.write_text(
        "data: {format: synthetic, root: ../none, synthetic: {boxes: true}}\nmodel: retinanet_small\n"
    )
    lines = describe(load_experiment("e", workspace=boxes).experiment, []).lines
    assert any("pictures with boxes in " in line and "drawn when training starts" in line for line in lines)


def test_the_disk_holds_boxes_and_no_probabilities(boxes: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(monkeypatch, TOLD)
    asked: list[int] = []
    monkeypatch.setattr(
        "core.launch.preview.disk_estimate",
        lambda _, checkpoint, predictions: asked.append(predictions) or 10,
    )
    experiment = load_experiment("d", ["predict.max_det=50"], workspace=boxes).experiment
    network(experiment, describe(experiment, []), boxes)
    assert asked == [2 * 50 * 28]


def stand_in(monkeypatch: pytest.MonkeyPatch, told: object, needed: int = 10**9) -> None:
    """Answers without a process."""
    monkeypatch.setattr("core.launch.preview.describe", lambda *_: told)
    monkeypatch.setattr("core.launch.preview.disk_estimate", lambda *_: needed)
    monkeypatch.setattr("core.launch.preview.free_space", lambda _: 10**11)


def test_the_network_part_by_part_and_the_disk(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(monkeypatch, TOLD)
    experiment = load_experiment("c", workspace=workspace).experiment
    lines = [line.replace(THIN_SPACE, " ") for line in network(experiment, Forecast(), workspace).lines]
    assert lines[:4] == [
        "network: 11 181 642 parameters, 5 130 trained",
        "  backbone: 11 176 512 parameters, none trained",
        "  head: 5 130 parameters, all trained",
        "checkpoint: ≈ 45.0 MB",
    ]
    assert lines[4].startswith("disk: ≈ 1.0 GB of ")
    assert "not enough" not in lines[4]


def test_too_full_a_disk_names_what_saves_room(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(monkeypatch, TOLD, needed=10**18)
    experiment = load_experiment("c", workspace=workspace).experiment
    assert "not enough, checkpoint.keep" in network(experiment, Forecast(), workspace).lines[-1]


def test_a_network_that_cannot_be_is_said(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    experiment = load_experiment("c", workspace=workspace).experiment
    stand_in(monkeypatch, {"error": "vgg16 needs images of at least 32"})
    assert network(experiment, Forecast(), workspace) == Forecast(problem="vgg16 needs images of at least 32")


def test_where_a_start_would_go(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    from core.launch.queue import QueueView
    from core.launch.slots import cpu_slots
    from core.store.locks import acquire

    monkeypatch.setenv("LABTUI_CPU_SLOTS", "1")
    experiment = load_experiment("c", ["device=cpu"], workspace=workspace).experiment
    assert place(experiment, QueueView()) == "starts at once on cpu0"
    lock = acquire(cpu_slots()[0].path)
    assert lock is not None
    with lock:
        assert place(experiment, QueueView()) == "waiting for a free CPU slot: 1 run has it"
    monkeypatch.setenv("LABTUI_CPU_SLOTS", "none")
    assert place(experiment, QueueView()).startswith("✗ $LABTUI_CPU_SLOTS: expected a number")
