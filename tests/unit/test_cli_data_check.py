"""`labtui data check`, and `data add` for sets with boxes."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType

import pytest

from core.cli.main import main
from core.config.load import load_data, load_experiment, named_data
from core.config.schema import DataConfig
from core.config.workspace import Workspace
from core.errors import ConfigError

A = ("alpha", 1, 2, 30, 40)
B = ("beta", 5, 5, 20, 20)


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, box_files: ModuleType) -> Workspace:
    (tmp_path / "configs/data").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    images = {str(i): [A] for i in range(10)} | {f"b{i}": [A, B] for i in range(9)} | {"n": []}
    box_files.voc(tmp_path / "set", images)
    for seed, path in enumerate(sorted((tmp_path / "set/JPEGImages").iterdir())):
        box_files.picture(path, seed=seed)
    return Workspace(tmp_path)


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = main(["data", *words])
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def test_a_sound_set(lab: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "check", "set")
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        f"{lab.root}/set: voc: 20 images, 28 objects, 2 classes; 0 repaired, 0 dropped, 0 warnings",
        "",
        "class            train  val",
        "alpha               17    2",
        "beta                 8    1",
        "objects             25    3",
        "without objects      1    0",
        "images              18    2",
        "",
        "note: corners are read as written: the smallest is 1, 0 are 0, 19 are 1, 0 boxes reach the full "
        "width or height",
        "note: 2 training images held out for validation (seed 0)",
        "note: 1 image without objects, kept: JPEGImages/n.png",
    ]


def test_every_oddity_with_its_file(
    lab: Workspace, capsys: pytest.CaptureFixture[str], box_files: ModuleType
) -> None:
    box_files.xml(lab.root / "set/Annotations/0.xml", [A, ("alpha", 9, 9, 9, 12), ("alpha", 60, 9, 70, 12)])
    (lab.root / "set/Annotations/1.xml").write_text("<annotation>")
    code, out, _ = run(capsys, "check", "set")
    assert code == 0
    lines = out.splitlines()
    assert lines[0].endswith("19 images, 28 objects, 2 classes; 1 repaired, 1 dropped, 3 warnings")
    assert lines[1] == "2 files changed or skipped"
    assert [line for line in lines if line.startswith("warning: ")] == [
        "warning: Annotations/1.xml:1: cannot be read: no element found; its image is left out",
        "warning: Annotations/0.xml:5: box 2 has zero width, dropped",
        "warning: Annotations/0.xml:6: box 3: clipped to the image of 64 x 48",
    ]
    code, out, _ = run(capsys, "check", "set", "--json")
    told = json.loads(out)
    assert code == 0
    assert {"format", "images", "objects", "empty_images", "classes", "repaired", "dropped"} <= told.keys()
    assert told["warnings"][1] == {
        "file": "Annotations/0.xml",
        "line": 5,
        "text": "box 2 has zero width, dropped",
    }
    assert (told["format"], told["outcome"], told["errors"]) == ("voc", "warn", [])
    assert (told["repaired"], told["dropped"], told["empty_images"]) == (1, 1, 1)


def test_a_set_that_cannot_be_used(
    lab: Workspace, capsys: pytest.CaptureFixture[str], box_files: ModuleType
) -> None:
    box_files.voc(lab.root / "bare", {"1": [], "2": []})
    code, out, _ = run(capsys, "check", "bare")
    assert code == 3
    errors = [line for line in out.splitlines() if line.startswith("error: ")]
    assert [line.split(":")[1] for line in errors] == [" 2 annotation files, 0 objects"]
    code, out, _ = run(capsys, "check", "configs")
    assert (code, out.splitlines()[0]) == (3, f"{lab.root}/configs: folder: cannot be used")
    code, out, _ = run(capsys, "check", "bare", "--json")
    assert (code, json.loads(out)["outcome"]) == (3, "error")


def test_settings_and_names(lab: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    (lab.configs / "data/mine.yaml").write_text("format: voc\nroot: ../../set\nempty: drop\n")
    code, out, _ = run(capsys, "check", "mine", "--set", "data.order=name")
    assert code == 0
    assert "note: 1 image of train without objects left out" in out.splitlines()
    code, out, err = run(capsys, "check", "mien")
    assert (code, out) == (2, "")
    assert "no data set 'mien' in" in err
    assert "(did you mean 'mine'?)" in err
    code, _, err = run(capsys, "check", "mine", "--set", "data.emtpy=drop")
    assert code == 2
    assert "unknown key (did you mean 'data.empty'?)" in err


def test_class_folders_are_checked_too(
    lab: Workspace, capsys: pytest.CaptureFixture[str], box_files: ModuleType
) -> None:
    for name in ("cat", "dog"):
        for number in range(10):
            box_files.picture(lab.root / "pets" / name / f"{number}.png", seed=number + 50 * (name == "dog"))
    (lab.root / "pets/cat/x.png").write_bytes(b"")
    code, out, _ = run(capsys, "check", "pets")
    assert code == 0
    assert out.splitlines()[:6] == [
        f"{lab.root}/pets: folder: 20 images, 2 classes; 1 warning",
        "",
        "class   train  val",
        "cat         9    1",
        "dog         9    1",
        "images     18    2",
    ]
    assert "warning: cat/x.png: cannot be read (empty file): left out" in out.splitlines()


def test_class_folders_that_share_a_picture_between_splits_are_told(
    lab: Workspace, capsys: pytest.CaptureFixture[str], box_files: ModuleType
) -> None:
    for split, first in (("train", 0), ("val", 20)):
        for name in ("cat", "dog"):
            for number in range(3):
                seed = first + number + 10 * (name == "dog")
                box_files.picture(lab.root / "pets" / split / name / f"{number}.png", seed=seed)
    twin = (lab.root / "pets/train/cat/1.png").read_bytes()
    (lab.root / "pets/val/dog/2.png").write_bytes(twin)
    code, out, _ = run(capsys, "check", "pets")
    assert code == 0
    text = "leak: 1 image of val has the content of a training image: val/dog/2.png = train/cat/1.png"
    assert f"warning: {text}" in out.splitlines()


def test_a_set_with_boxes_is_added(lab: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    (lab.configs / "net.yaml").write_text("model: tinyvgg_a\n")
    (lab.configs / "rcnn.yaml").write_text("model: fasterrcnn_small\n")
    code, out, err = run(capsys, "add", "set")
    assert code == 0
    assert out.splitlines()[:7] == [
        f"{lab.root}/set: images with boxes (VOC), 2 classes",
        "",
        "class    train  val",
        "alpha       17    2",
        "beta         8    1",
        "objects     25    3",
        "images      18    2",
    ]
    assert err.splitlines()[-1] == "train on it with: labtui train --config rcnn --data set"
    file = lab.configs / "data/set.yaml"
    assert file.read_text().splitlines()[:4] == [
        "# 2 classes; images: 18 train, 2 val.",
        "format: voc",
        "root: ../../set",
        "order: frequency   # of the classes, the most frequent first",
    ]
    wanted = DataConfig(format="voc", root=lab.root / "set", order="frequency")
    assert load_data(file, lab) == named_data("set", workspace=lab) == wanted
    assert load_experiment("rcnn", data="set", workspace=lab).experiment.data == wanted
    with pytest.raises(ConfigError, match="is for detectors"):
        load_experiment("net", data="set", workspace=lab)


@pytest.mark.parametrize("kind", ["coco", "yolo"])
def test_files_of_coco_and_yolo_are_added(
    lab: Workspace, capsys: pytest.CaptureFixture[str], box_files: ModuleType, kind: str
) -> None:
    root = lab.root / "birds"
    if kind == "coco":
        box_files.coco(root, {f"{i}.png": [("a", 1, 1, 9, 9)] for i in range(4)})
    else:
        box_files.yolo(root, {str(i): "0 0.5 0.5 0.1 0.1\n" for i in range(4)})
    file = "birds/annotations.json" if kind == "coco" else "birds/data.yaml"
    code, out, _ = run(capsys, "add", file, "--json")
    told = json.loads(out)
    assert (code, told["format"]) == (0, kind)
    assert told["name"] == ("annotations" if kind == "coco" else "birds")
    assert told["classes"] == ["a", "b"]
    assert run(capsys, "check", told["name"])[0] == 0


def test_the_data_of_a_config_are_checked(lab: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    (lab.configs / "rcnn.yaml").write_text("data: ../set\nmodel: fasterrcnn_small\nepochs: 1\n")
    (lab.configs / "later.yaml").write_text("extends: rcnn.yaml\n")
    first = run(capsys, "check", "set")
    for given in ("configs/rcnn.yaml", "rcnn", "configs/later.yaml"):
        assert run(capsys, "check", given) == first
        assert run(capsys, "stats", given, "--no-pixels")[0] == 0
    code, out, _ = run(capsys, "check", "rcnn", "--set", "data.split.ratio=0.5")
    assert code == 0
    assert "2 training images held out" not in out
    (lab.configs / "data/rcnn.yaml").write_text("root: ../../set\nempty: drop\n")
    assert "without objects left out" in run(capsys, "check", "rcnn")[1]
    (lab.configs / "other.yaml").write_text("data: ../set\nmodel: fasterrcn_small\n")
    code, _, err = run(capsys, "check", "other")
    assert code == 2
    assert "model" in err
    assert "data.model" not in err
