"""Data sets with boxes as training gets them: format, class map, splits, arrays, leaks, outline."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from core.config.load import load_experiment
from core.config.schema import DataConfig, Experiment, Split, SplitPaths
from core.config.workspace import Workspace
from core.datasets.check import check_dataset
from core.datasets.dataset import Dataset, read_dataset, require_unchanged, store_dataset
from core.datasets.format import data_format, has_boxes
from core.datasets.open import open_dataset, require_data, require_root
from core.datasets.outline import outline
from core.datasets.split import held_out_images
from core.errors import DataError
from core.store.paths import RunPaths

A = ("alpha", 1, 2, 30, 40)
B = ("beta", 5, 5, 20, 20)
C = ("gamma", 6, 6, 12, 12)


@pytest.fixture
def root(tmp_path: Path, box_files: ModuleType) -> Path:
    """20 images with alpha, 10 with alpha and beta, 4 with all three, 5 without objects."""
    images = {f"a{i:02d}": [A] for i in range(20)} | {f"b{i:02d}": [A, B] for i in range(10)}
    images |= {f"c{i}": [A, B, C] for i in range(4)} | {f"n{i}": [] for i in range(5)}
    box_files.voc(tmp_path / "set", images)
    for seed, path in enumerate(sorted((tmp_path / "set/JPEGImages").iterdir())):
        box_files.picture(path, seed=seed)
    return tmp_path / "set"


def opened(root: Path, **keys: Any) -> Dataset:
    return open_dataset(DataConfig(root=root, **keys))


def stems(dataset: Dataset, split: str) -> list[str]:
    return [Path(path).stem for path in dataset.splits[split].paths]


# Class map


def test_classes_by_frequency_name_and_file(root: Path) -> None:
    (root / "classes.txt").write_text("gamma\nalpha\nbeta\n")
    assert opened(root, order="frequency").class_names == ("alpha", "beta", "gamma")
    assert opened(root, order="name").class_names == ("alpha", "beta", "gamma")
    assert opened(root, order="file").class_names == ("gamma", "alpha", "beta")


def test_ties_of_frequency_go_by_name_and_not_by_the_folder(tmp_path: Path, box_files: ModuleType) -> None:
    images = {"1": [("z", 1, 1, 9, 9), ("b", 2, 2, 9, 9)], "2": [("z", 1, 1, 9, 9), ("b", 2, 2, 9, 9)]}
    assert opened(box_files.voc(tmp_path, images), order="frequency").class_names == ("b", "z")


def test_the_file_s_order_is_that_of_coco_s_categories(tmp_path: Path, box_files: ModuleType) -> None:
    images = {f"{i}.png": [("b", 1, 1, 9, 9)] for i in range(4)} | {"x.png": [("c", 1, 1, 9, 9)]}
    box_files.coco(tmp_path, images, classes=("c", "unused", "b"))
    found = opened(tmp_path, order="file")
    assert (found.class_names, found.category_ids) == (("c", "unused", "b"), (10, 20, 30))
    assert opened(tmp_path, order="frequency").class_names == ("b", "c", "unused")
    assert "no training objects of unused" in found.notes


def test_some_classes_only(root: Path) -> None:
    found = opened(root, classes=("beta", "gamma"))
    assert found.class_names == ("beta", "gamma")
    assert found.boxes is not None
    assert sum(found.counts("train")) + sum(found.counts("val")) == 14 + 4
    assert len(found.splits["train"]) + len(found.splits["val"]) == 39
    with pytest.raises(DataError, match=r"data.classes names 'betta'.*\(did you mean 'beta'\?\)"):
        opened(root, classes=("betta",))
    one = opened(root, classes=("gamma",), empty="drop")
    assert len(one.splits["train"]) + len(one.splits["val"]) == 4


# Splits


def test_a_part_is_held_out_by_the_rarest_class(root: Path) -> None:
    found = opened(root, split=Split(ratio=0.25, seed=3))
    val = stems(found, "val")
    assert [sum(name[0] == letter for name in val) for letter in "abcn"] == [5, 2, 1, 1]
    assert "9 training images held out for validation (seed 3)" in found.notes
    assert set(val).isdisjoint(stems(found, "train"))
    again = opened(root, split=Split(ratio=0.25, seed=3))
    assert again.fingerprint == found.fingerprint
    assert stems(opened(root, split=Split(ratio=0.25, seed=4)), "val") != val


def test_the_split_does_not_depend_on_where_the_set_lies_or_in_which_order(
    root: Path, tmp_path: Path
) -> None:
    found = opened(root)
    shutil.copytree(root, tmp_path / "elsewhere")
    assert opened(tmp_path / "elsewhere").splits == found.splits
    assert opened(tmp_path / "elsewhere").fingerprint == found.fingerprint


def test_groups_of_held_out_images() -> None:
    classes = {"1": {"x", "y"}, "2": {"x"}, "3": {"x"}, "4": set(), "5": set(), "6": {"x", "y"}}
    chosen = held_out_images(classes, {"x": 4, "y": 2}, Split(ratio=0.5, seed=0))
    assert [len(chosen & group) for group in ({"1", "6"}, {"2", "3"}, {"4", "5"})] == [1, 1, 1]


def test_images_without_objects_are_kept_or_dropped(root: Path) -> None:
    kept, dropped = opened(root), opened(root, empty="drop")
    assert sum(map(len, kept.splits.values())) == 39
    assert sum(map(len, dropped.splits.values())) == 34
    assert "5 images of train without objects left out" in dropped.notes
    assert "5 images without objects" in kept.notes


def test_classes_without_objects_in_a_split_are_named(root: Path) -> None:
    lists = root / "ImageSets/Main"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("c0\nc1\na00\n")
    (lists / "val.txt").write_text("a01\nb00\n")
    (lists / "test.txt").write_text("a02\n")
    found = opened(root)
    assert "no val objects of gamma" in found.notes
    assert "no test objects of beta, gamma" in found.notes
    assert [len(found.splits[split]) for split in ("train", "val", "test")] == [3, 2, 1]
    as_val = opened(root, val="test")
    assert set(as_val.splits) == {"train", "val"}
    assert stems(as_val, "val") == ["a02"]
    assert "validation is the test images: the best epoch is chosen on them" in as_val.notes


def test_a_leak_under_another_name_is_told(root: Path, box_files: ModuleType) -> None:
    lists = root / "ImageSets/Main"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("a00\na01\n")
    (lists / "val.txt").write_text("a02\na03\na01\n")
    shutil.copy(root / "JPEGImages/a00.png", root / "JPEGImages/a02.png")
    leaks = [
        "leak: 1 image is in both train and val: JPEGImages/a01.png",
        "leak: 1 image of val has the content of a training image: JPEGImages/a02.png = JPEGImages/a00.png",
    ]
    assert [note for note in opened(root).notes if note in leaks] == leaks
    assert [str(item) for item in check_dataset(DataConfig(root=root)).warnings] == leaks


def test_a_class_that_only_val_has_is_refused(root: Path) -> None:
    lists = root / "ImageSets/Main"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("a00\nb00\n")
    (lists / "val.txt").write_text("c0\n")
    with pytest.raises(
        DataError, match="the val images have the class gamma, which the training images do not have"
    ):
        opened(root)


def test_too_few_to_hold_any_out(tmp_path: Path, box_files: ModuleType) -> None:
    box_files.voc(tmp_path, {"1": [A], "2": [B]})
    with pytest.raises(DataError, match="There are too few images to hold some out for validation"):
        opened(tmp_path)
    assert check_dataset(DataConfig(root=tmp_path)).outcome == "ok"


# Arrays


def test_arrays(tmp_path: Path, box_files: ModuleType) -> None:
    for name in ("1", "2", "3"):
        box_files.picture(tmp_path / f"images/{name}.png", turn=6 if name == "2" else 1)
    document = box_files.coco_document(
        {"1.png": [("b", 1, 2, 11, 22)], "2.png": [], "3.png": [("a", 0, 0, 4, 4)]}, "ab"
    )
    document["annotations"][0] |= {"iscrowd": 1, "area": 55, "id": 0}
    document["images"][1] |= {"width": 48, "height": 64}
    box_files.write_json(tmp_path / "all.json", document)
    found = open_dataset(
        DataConfig(
            format="coco",
            train=SplitPaths(annotations=tmp_path / "all.json"),
            val=SplitPaths(annotations=tmp_path / "all.json"),
        )
    )
    assert found.boxes is not None
    boxes = found.boxes["train"]
    assert (found.kind, found.splits["train"].labels) == ("detection", (-1, -1, -1))
    assert found.splits["train"].paths == ("images/1.png", "images/2.png", "images/3.png")
    assert boxes.offsets.tolist() == [0, 1, 1, 2]
    assert boxes.corners.tolist() == [[1, 2, 11, 22], [0, 0, 4, 4]]
    assert boxes.labels.tolist() == [1, 0]
    assert (boxes.crowd.tolist(), boxes.difficult.tolist()) == ([True, False], [False, False])
    assert (boxes.area.tolist(), boxes.source.tolist()) == ([55, 16], [0, 2])
    assert boxes.sizes.tolist() == [[64, 48], [48, 64], [64, 48]]
    assert boxes.image_ids == ("1", "2", "3")
    kinds = {
        name: str(getattr(boxes, name).dtype) for name in ("offsets", "corners", "labels", "area", "sizes")
    }
    assert kinds == {
        "offsets": "int64",
        "corners": "float32",
        "labels": "int64",
        "area": "float32",
        "sizes": "int32",
    }


def test_boxes_are_always_inside_and_never_empty(tmp_path: Path, box_files: ModuleType) -> None:
    """What makes training fail with NaN: no width, no height, outside."""
    rng = np.random.default_rng(0)
    images = {}
    for index in range(20):
        corners = np.round(rng.uniform(-30, 90, (8, 4)), rng.integers(0, 4))
        images[str(index)] = [("a", *row) for row in corners.tolist()]
    found = opened(box_files.voc(tmp_path, images))
    for boxes in (found.boxes or {}).values():
        x1, y1, x2, y2 = boxes.corners.T
        assert ((x1 >= 0) & (y1 >= 0) & (x2 <= 64) & (y2 <= 48) & (x2 > x1) & (y2 > y1)).all()
        assert (boxes.area > 0).all()


def test_what_a_run_stores_is_what_it_goes_on_with(root: Path, tmp_path: Path) -> None:
    run = RunPaths(tmp_path / "run")
    run.root.mkdir()
    found = opened(root)
    store_dataset(run, found)
    (root / "Annotations/a00.xml").write_text("<annotation/>")
    again = read_dataset(run)
    assert again is not None
    require_unchanged(again)
    assert (again.fingerprint, again.counts("train")) == (found.fingerprint, found.counts("train"))
    (root / "JPEGImages/a00.png").write_bytes(b"x")
    with pytest.raises(DataError, match=r"a00\.png is gone or changed"):
        require_unchanged(again)


def test_unreadable_images_are_left_out_and_told(root: Path) -> None:
    (root / "JPEGImages/a00.png").write_text("no image")
    found = opened(root)
    assert "JPEGImages/a00.png" not in (*found.splits["train"].paths, *found.splits["val"].paths)
    assert "1 unreadable image left out: JPEGImages/a00.png" in found.notes
    assert any("1 warning, first JPEGImages/a00.png: cannot be read (not an image)" in n for n in found.notes)


# Formats


def test_formats_are_told_apart(tmp_path: Path, box_files: ModuleType) -> None:
    box_files.voc(tmp_path / "voc", {"1": [A]})
    box_files.coco(tmp_path / "coco", {"1.png": [("a", 1, 1, 9, 9)]})
    box_files.yolo(tmp_path / "yolo", {"1": "0 0.5 0.5 0.1 0.1\n"})
    for cls in ("cat", "dog"):
        box_files.picture(tmp_path / "folder" / cls / "1.png")
    for name in ("voc", "coco", "yolo", "folder"):
        for place in (tmp_path / name, tmp_path / "deep" / name):
            if not place.exists():
                shutil.copytree(tmp_path / name, place / "inner")
            data = DataConfig(root=place)
            assert data_format(data) == name
            assert has_boxes(data) is (name != "folder")
            require_root(data)


def test_two_formats_are_a_question(tmp_path: Path, box_files: ModuleType) -> None:
    box_files.voc(tmp_path, {"1": [A]})
    box_files.write_json(tmp_path / "all.json", box_files.coco_document({"1.png": [("a", 1, 1, 9, 9)]}, "ab"))
    (error,) = check_dataset(DataConfig(root=tmp_path)).errors
    assert error.text == f"{tmp_path} holds voc and coco: say which in data.format, as format: voc"
    assert check_dataset(DataConfig(root=tmp_path, format="coco")).objects == 1


@pytest.mark.parametrize("name", ["x.json", "x.yaml"])
def test_files_that_are_no_data_set(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("{}")
    (error,) = check_dataset(DataConfig(root=tmp_path / name)).errors
    assert "is a file, but no COCO file, data.yaml of YOLO" in error.text


def experiment(root: Path, model: str) -> Experiment:
    file = root.parent / "configs/a.yaml"
    file.parent.mkdir(exist_ok=True)
    file.write_text(f"data: {root}\nmodel: {model}\n")
    return load_experiment(file, workspace=Workspace(root.parent)).experiment


def test_models_and_data_of_two_kinds(root: Path, tmp_path: Path, box_files: ModuleType) -> None:
    for cls in ("cat", "dog"):
        box_files.picture(tmp_path / "pets" / cls / "1.png")
    require_data(experiment(root, "fasterrcnn_small"))
    require_data(experiment(tmp_path / "pets", "tinyvgg_a"))
    with pytest.raises(DataError, match="has boxes, but tinyvgg_a classifies whole images: use a detector"):
        require_data(experiment(root, "tinyvgg_a"))
    with pytest.raises(DataError, match="has no boxes, but fasterrcnn_small is a detector"):
        require_data(experiment(tmp_path / "pets", "fasterrcnn_small"))


@pytest.mark.parametrize("keys", [{}, {"empty": "drop"}, {"split": Split(ratio=0.3)}, {"classes": ("beta",)}])
def test_an_outline_agrees_with_the_set(root: Path, keys: dict[str, Any]) -> None:
    data = DataConfig(root=root, order="frequency", **keys)
    told, found = outline(data), open_dataset(data)
    assert told.classes == found.class_names
    assert (told.train, told.val) == (len(found.splits["train"]), len(found.splits["val"]))
    assert told.objects == sum(sum(found.counts(split)) for split in ("train", "val"))
    assert (told.held_out, told.drawn, told.test) == (True, False, 0)
