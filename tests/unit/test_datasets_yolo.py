"""YOLO labels and data.yaml, as Ultralytics' tools and Roboflow write them."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from core.config.schema import DataConfig, SplitPaths
from core.datasets.boxes.read_boxes import Boxed, read_boxed
from core.datasets.check import Check, check_dataset
from core.errors import DataError

LINE = "0 0.5 0.5 0.2 0.4\n"


def check(root: Path, **keys: Any) -> Check:
    return check_dataset(DataConfig(root=root, **keys))


def read(root: Path, **keys: Any) -> Boxed:
    return read_boxed(DataConfig(root=root, **keys), "yolo")


def told(found: Check) -> list[str]:
    return [str(item) for item in (*found.errors, *found.warnings)]


def names_of(boxed: Boxed) -> dict[str, list[str]]:
    return {split: [seen.raw.path for seen in images] for split, images in boxed.splits.items()}


def test_a_plain_set(tmp_path: Path, box_files: ModuleType) -> None:
    root = box_files.yolo(tmp_path, {"1": LINE + "1 0.25 0.5 0.1 0.2  \n\n", "2": "", "3": None})
    found = check(root)
    assert (found.format, found.outcome, found.images, found.objects) == ("yolo", "ok", 3, 2)
    assert (found.classes, found.empty_images) == (("a", "b"), 2)
    first = read(root).images[0]
    assert [item.box.name for item in first.kept] == ["a", "b"]
    assert np.allclose([item.corners for item in first.kept], [(40, 15, 60, 35), (20, 20, 30, 30)])
    for given in (root / "data.yaml", root):
        assert check(given).format == "yolo"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("2 0.5 0.5 0.2 0.2", "has class 2, but there are 2 classes, numbered from 0"),
        ("-1 0.5 0.5 0.2 0.2", "has '-1' instead of a class number"),
        ("0.5 0.5 0.5 0.2 0.2", "has '0.5' instead of a class number"),
        ("cat 0.5 0.5 0.2 0.2", "has 'cat' instead of a class number"),
        ("0 0.5 0.5 0.2", "has 4 columns, not 5: class cx cy w h"),
        ("0 0.5 0.5 0.2 0.2 1.5", "has 6 columns, not 5: class cx cy w h"),
        ("0 0,5 0,5 0,2 0,2", "has '0 0,5 0,5 0,2 0,2' instead of numbers"),
        ("0 50 25 20 20", "has coordinates outside 0 to 1 (40, 15, 60, 35)"),
        ("0 0.95 0.5 0.2 0.2", "has coordinates outside 0 to 1 (0.85, 0.4, 1.05, 0.6)"),
        ("0 -0.5 0.5 0.2 0.2", "has coordinates outside 0 to 1 (-0.6, 0.4, -0.4, 0.6)"),
        ("0 0.5 0.5 0 0.2", "has zero width"),
        ("0 0.5 0.5 0.2 0", "has zero height"),
        ("0 nan 0.5 0.2 0.2", "has a coordinate that is not a number"),
    ],
)
def test_lines_dropped_and_the_image_kept(
    tmp_path: Path, box_files: ModuleType, line: str, said: str
) -> None:
    root = box_files.yolo(tmp_path, {"1": f"{LINE}{line}\n", "2": LINE})
    found = check(root)
    assert told(found) == [f"labels/train/1.txt:2: the box on line 2 {said}, dropped"]
    assert (found.images, found.objects, found.dropped) == (2, 2, 1)


@pytest.mark.parametrize(
    ("line", "corners", "repaired"),
    [
        ("0 0.95 0.5 0.104 0.4", (89.8, 15, 100, 35), 1),
        ("0 0.947917 0.5 0.104167 0.4", (89.5834, 15, 100, 35), 0),  # six digits are not exact
        ("0 0.1 0.1 0.5 0.1 0.5 0.6 0.1 0.6", (10, 5, 50, 30), 0),  # a polygon
        ("0.0 0.5 0.5 0.2 0.4", (40, 15, 60, 35), 0),
        ("a 0.5 0.5 0.2 0.4", (40, 15, 60, 35), 0),
        ("0 0.5 0.5 -0.2 0.4", None, 0),
    ],
)
def test_lines_taken(
    tmp_path: Path, box_files: ModuleType, line: str, corners: tuple[float, ...] | None, repaired: int
) -> None:
    root = box_files.yolo(tmp_path, {"1": f"{line}\n", "2": LINE})
    boxed = read(root)
    found = [item.corners for item in boxed.images[0].kept]
    assert len(found) == (corners is not None)
    assert corners is None or np.allclose(found[0], corners, atol=1e-3)
    assert boxed.found.repaired == repaired


def test_files_without_each_other_and_junk(tmp_path: Path, box_files: ModuleType) -> None:
    root = box_files.yolo(tmp_path, {"1": LINE, "2": None})
    folder = root / "labels/train"
    for name in ("orphan.txt", "classes.txt", ".DS_Store", "._1.txt"):
        (folder / name).write_text(LINE)
    (root / "images/train/._1.png").write_bytes(b"x")
    found = check(root)
    assert told(found) == ["labels/train/orphan.txt: has no image: left out"]
    assert "1 image has no label file and no objects: images/train/2.png" in [n.text for n in found.notes]
    assert (found.images, found.objects) == (2, 1)


def test_no_label_file_at_all_is_an_error(tmp_path: Path, box_files: ModuleType) -> None:
    root = box_files.yolo(tmp_path, {"1": None, "2": None})
    expected = root / "labels/train/1.txt"
    assert told(check(root)) == [f"images/train: none of 2 images has a label file, as {expected}"]


def test_labels_that_are_no_text(tmp_path: Path, box_files: ModuleType) -> None:
    root = box_files.yolo(tmp_path, {"1": LINE, "2": LINE, "3": LINE})
    (root / "labels/train/1.txt").write_bytes(b"0 0.5 0.5 0.2 0.2\n\xe9")
    (root / "labels/train/2.txt").write_text(LINE, encoding="utf-8-sig")
    found = check(root)
    assert told(found) == [
        "labels/train/1.txt:2: cannot be read: it is not UTF-8 text (byte 0xe9): save it as UTF-8; "
        "its image is left out"
    ]
    assert (found.images, found.objects) == (2, 2)


# data.yaml


@pytest.mark.parametrize(
    ("names", "classes"),
    [
        ("[a, b]", ("a", "b")),
        ("{0: a, 1: b}", ("a", "b")),
        ("{1: b, 0: a}", ("a", "b")),
        ("\n  0: a\n  1: b", ("a", "b")),
        ("['no', yes]", ("no", "yes")),
        ("[1, 2.5]", ("1", "2.5")),
        ("[ a  x , b]", ("a x", "b")),
    ],
)
def test_names(tmp_path: Path, box_files: ModuleType, names: str, classes: tuple[str, ...]) -> None:
    root = box_files.yolo(tmp_path, {"1": LINE, "2": LINE}, names=names)
    assert read(root).names == classes


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ("[]", "has no `names`: give the class names as a list"),
        ("{1: a, 2: b}", "`names` must number the classes from 0 without gaps"),
        ("{x: a}", "`names` must map numbers to class names"),
        ("[a, a]", "`names` has 'a' twice"),
        ("[a, '']", "name 1 of `names` is empty"),
    ],
)
def test_names_refused(tmp_path: Path, box_files: ModuleType, names: str, said: str) -> None:
    root = box_files.yolo(tmp_path, {"1": LINE}, names=names)
    (text,) = told(check(root / "data.yaml", format="yolo"))
    assert said in text
    assert str(root / "data.yaml") in text


def test_a_count_that_is_not_that_of_the_names_is_told(tmp_path: Path, box_files: ModuleType) -> None:
    root = box_files.yolo(tmp_path, {"1": LINE, "2": LINE})
    with open(root / "data.yaml", "a", encoding="utf-8") as file:
        file.write("nc: 3\n")
    assert "data.yaml says nc: 3, but has 2 names" in [note.text for note in check(root).notes]


@pytest.mark.parametrize(
    ("text", "folders"),
    [
        ("path: ../set\ntrain: images/train\nval: images/val", ("images/train", "images/val")),
        ("path: set\ntrain: images/train\nval: images/val", ("images/train", "images/val")),
        ("train: ./images/train\nval: ./images/val", ("images/train", "images/val")),
        (
            "train: ../train/images\nval: ../valid/images\ntest: ../test/images",
            ("train/images", "valid/images"),
        ),
        ("train: [images/a, images/b]\nval: images/val", ("images/a", "images/b", "images/val")),
        ("path: PATH\ntrain: images/train\nvalid: images/val", ("images/train", "images/val")),
    ],
)
def test_paths_as_ultralytics_and_roboflow_write_them(
    tmp_path: Path, box_files: ModuleType, text: str, folders: tuple[str, ...]
) -> None:
    root = tmp_path / "set"
    for number, folder in enumerate((*folders, "test/images")):
        box_files.picture(root / folder / f"{number}.png", 100, 50)
        label = root / folder.replace("images", "labels") / f"{number}.txt"
        label.parent.mkdir(parents=True, exist_ok=True)
        label.write_text(LINE)
    (root / "data.yaml").write_text(text.replace("PATH", str(root)) + "\nnames: [a]\n")
    boxed = read(root / "data.yaml")
    found = names_of(boxed)
    assert len(found["train"]) == len(folders) - 1
    assert found["val"] == [f"{folders[-1]}/{len(folders) - 1}.png"]
    assert sum(seen.objects for seen in boxed.images) == len(boxed.images)
    assert boxed.places.root == root


def test_splits_that_are_not_there(tmp_path: Path, box_files: ModuleType) -> None:
    root = box_files.yolo(tmp_path, {"1": LINE})
    (root / "data.yaml").write_text("train: images/trian\nnames: [a]\n")
    with pytest.raises(
        DataError, match=r"data\.yaml: `train` is images/trian, but .*/images/trian does not exist"
    ):
        read(root)
    (root / "data.yaml").write_text("val: images/train\nnames: [a]\n")
    with pytest.raises(DataError, match="names no training images"):
        read(root)


def test_lists_of_images(tmp_path: Path, box_files: ModuleType) -> None:
    root = box_files.yolo(tmp_path, {"1": LINE, "2 x": LINE, "3": LINE})
    (root / "train.txt").write_text("./images/train/1.png\n\nimages/train/2 x.png\nimages/train/gone.png\n")
    (root / "val.txt").write_text(f"{root}/images/train/3.png\n")
    (root / "data.yaml").write_text("path: .\ntrain: train.txt\nval: val.txt\nnames: [a]\n")
    boxed = read(root)
    assert names_of(boxed) == {
        "train": ["images/train/1.png", "images/train/2 x.png"],
        "val": ["images/train/3.png"],
    }
    assert told(check(root)) == ["train.txt:4: there is no image images/train/gone.png: left out"]


def test_training_images_that_are_validated_on_are_a_leak(tmp_path: Path, box_files: ModuleType) -> None:
    """coco8.yaml and its like name one folder twice."""
    root = box_files.yolo(tmp_path, {"1": LINE + "0 50 1 1 1\n", "2": LINE})
    with open(root / "data.yaml", "a", encoding="utf-8") as file:
        file.write("val: images/train\n")
    found = check(root)
    assert (found.images, found.objects, found.dropped) == (2, 2, 1)
    names = "images/train/1.png, images/train/2.png"
    assert told(found)[-1] == f"leak: 2 images are in both train and val: {names}"


# Without data.yaml


@pytest.mark.parametrize("layout", ["images/train", "train/images", "images"])
def test_folders_alone(tmp_path: Path, box_files: ModuleType, layout: str) -> None:
    for split, name in (("train", "1"), ("val", "2")):
        folder = layout.replace("train", split)
        box_files.picture(tmp_path / folder / f"{name}.png", 100, 50)
        label = tmp_path / folder.replace("images", "labels") / f"{name}.txt"
        label.parent.mkdir(parents=True, exist_ok=True)
        label.write_text(LINE + "2 0.2 0.2 0.1 0.1\n")
    found = check(tmp_path)
    assert (found.format, found.classes) == ("yolo", ("0", "1", "2"))
    (tmp_path / "classes.txt").write_text("x\ny\nz\n")
    found = check(tmp_path)
    assert (found.classes, found.objects, found.errors) == (("x", "y", "z"), 4, ())
    assert set(found.splits) == ({"train"} if layout == "images" else {"train", "val"}) | {"val"}


def test_places_named_by_the_config(tmp_path: Path, box_files: ModuleType) -> None:
    root = box_files.yolo(tmp_path, {"1": LINE, "2": LINE})
    (root / "data.yaml").unlink()
    (root / "labels").rename(root / "marks")
    data = DataConfig(
        format="yolo", train=SplitPaths(images=root / "images/train", annotations=root / "marks/train")
    )
    assert check_dataset(data).objects == 2


def test_two_yaml_files_are_a_question(tmp_path: Path, box_files: ModuleType) -> None:
    root = box_files.yolo(tmp_path, {"1": LINE})
    (root / "data.yaml").rename(root / "one.yaml")
    (root / "two.yaml").write_text((root / "one.yaml").read_text())
    (said,) = told(check(root))
    assert said == f"{root} has one.yaml, two.yaml: name the one that counts in data.root"
