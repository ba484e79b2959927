"""Sets and splits with nothing usable are refused; images that lost their boxes are no negatives."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from core.config.load import load_experiment
from core.config.schema import DataConfig
from core.config.workspace import Workspace
from core.datasets.check import Check, check_dataset
from core.datasets.dataset import Dataset
from core.datasets.open import open_dataset, require_data
from core.datasets.outline import outline
from core.errors import DataError

LINE = "0 0.5 0.5 0.2 0.4\n"
PIXELS = "0 50 25 20 20\n"
A = ("alpha", 1, 2, 30, 40)
B = ("beta", 5, 5, 20, 20)
OUT = ("alpha", 100, 100, 120, 130)


def check(root: Path, **keys: Any) -> Check:
    return check_dataset(DataConfig(root=root, **keys))


def opened(root: Path, **keys: Any) -> Dataset:
    return open_dataset(DataConfig(root=root, **keys))


def paths(dataset: Dataset) -> set[str]:
    return {Path(path).stem for files in dataset.splits.values() for path in files.paths}


def refused(root: Path, model: str = "fasterrcnn_small", **keys: Any) -> str:
    """What check, add and the start say, which must be the same."""
    said = [error.text for error in check(root, **keys).errors]
    file = root.parent / "configs/x.yaml"
    file.parent.mkdir(exist_ok=True)
    file.write_text(f"data: {root}\nmodel: {model}\n")
    experiment = load_experiment(file, workspace=Workspace(root.parent)).experiment
    experiment = experiment.model_copy(update={"data": experiment.data.model_copy(update=keys)})
    for call in (lambda: opened(root, **keys), lambda: require_data(experiment)):
        with pytest.raises(DataError) as caught:
            call()
        assert str(caught.value).rstrip(".") == said[0].rstrip("."), said
    return said[0]


# Nothing usable


def test_labels_all_in_pixels(tmp_path: Path, box_files: ModuleType) -> None:
    root = box_files.yolo(tmp_path / "set", dict.fromkeys("abc", PIXELS * 2) | {"d": ""})
    text = refused(root)
    assert text.startswith(
        f"{root}: none of 4 train images has an object that can be used: 6 of 6 dropped objects "
        "have coordinates outside 0 to 1, first labels/train/a.txt:1 (the box on line 1 has"
    )
    assert text.endswith("divide x and width by the image's width, y and height by its height")
    with pytest.raises(DataError, match="6 of 6 dropped objects have coordinates outside 0 to 1"):
        outline(DataConfig(root=root))


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (PIXELS, "1 of 1 dropped object has coordinates outside 0 to 1, first labels/val/v.txt:1"),
        ("7 0.5 0.5 0.2 0.2\n", "1 of 1 dropped object has a class that does not exist"),
        ("", "their annotations have no objects; name images with objects in data.val"),
    ],
)
def test_a_split_without_an_object(tmp_path: Path, box_files: ModuleType, bad: str, said: str) -> None:
    root = box_files.yolo(tmp_path / "set", {"v": bad}, split="val")
    box_files.yolo(root, {"a": LINE, "b": LINE})
    with open(root / "data.yaml", "a", encoding="utf-8") as file:
        file.write("val: images/val\n")
    text = refused(root)
    assert text.startswith(f"{root}: none of 1 val image has an object that can be used: ")
    assert said in text


def test_boxes_all_outside_their_images(tmp_path: Path, box_files: ModuleType) -> None:
    root = box_files.voc(tmp_path / "set", {name: [OUT, OUT] for name in "ab"})
    text = refused(root)
    assert "4 of 4 dropped objects have a box outside its image, first Annotations/a.xml:4" in text
    assert text.endswith("do the annotations belong to these images?")


def test_annotations_of_other_images(tmp_path: Path, box_files: ModuleType) -> None:
    document = box_files.coco_document({"x.png": [B], "y.png": [B, A]}, ("alpha", "beta"))
    for record in document["annotations"]:
        record["image_id"] += 100
    for name in ("x", "y"):
        box_files.picture(tmp_path / f"set/images/{name}.png")
    box_files.write_json(tmp_path / "set/annotations.json", document)
    assert "3 of 3 dropped objects have an image that does not exist" in refused(tmp_path / "set")


def test_no_picture_can_be_read(tmp_path: Path, box_files: ModuleType) -> None:
    root = box_files.voc(tmp_path / "set", {"1": [A], "2": [B]})
    for name in "12":
        (root / f"JPEGImages/{name}.png").write_text("no picture")
    text = refused(root)
    first = "JPEGImages/1.png (not an image)"
    assert text.startswith(f"{root}: none of 2 train images can be read, such as {first}")


def test_no_object_of_the_wanted_classes(tmp_path: Path, box_files: ModuleType) -> None:
    root = box_files.voc(tmp_path / "set", {"1": [A], "2": [A], "3": [("beta", 9, 9, 9, 9)]})
    assert "none of 2 train images has an object of the classes in data.classes, beta" in refused(
        root, classes=("beta",)
    )
    assert opened(root, classes=("alpha",)).class_names == ("alpha",)


def test_a_held_out_part_without_an_object_is_refused(tmp_path: Path, box_files: ModuleType) -> None:
    root = box_files.yolo(tmp_path, {"1": LINE, "2": "", "3": None})
    assert check(root).outcome == "ok"
    with pytest.raises(DataError, match=r"too few have one to hold some out: name images .* in data\.val"):
        opened(root)


@pytest.mark.parametrize("split", ["train", "val"])
def test_class_folders_without_a_picture_that_can_be_read(
    tmp_path: Path, box_files: ModuleType, split: str
) -> None:
    root = tmp_path / "pets"
    for part in ("train", "val"):
        for cls in ("cat", "dog"):
            for number in range(2):
                file = box_files.picture(root / part / cls / f"{number}.png", 8, 8)
                if part == split:
                    file.write_bytes(b"\x89PNG no picture")
    text = refused(root, "tinyvgg_a")
    assert "has no images" in text
    assert f"/{split}" in text


def test_a_class_without_val_images_is_only_told(tmp_path: Path, box_files: ModuleType) -> None:
    for place in ("train/cat/1", "train/cat/2", "train/dog/1", "train/dog/2", "val/cat/3"):
        box_files.picture(tmp_path / f"{place}.png", 8, 8)
    (tmp_path / "val/dog").mkdir()
    assert "no val images of dog" in opened(tmp_path).notes


# Images that lost their boxes


GOOD = {str(number): LINE for number in range(4)}


@pytest.mark.parametrize("empty", ["keep", "drop"])
@pytest.mark.parametrize("bad", [PIXELS, "9 0.5 0.5 0.1 0.1\n", "0 0.5 0.5 0.1\n", "0 a b c d\n"])
def test_yolo(tmp_path: Path, box_files: ModuleType, bad: str, empty: Any) -> None:
    root = box_files.yolo(tmp_path, GOOD | {"lost": bad, "some": bad + LINE, "none": ""})
    found = check(root, empty=empty)
    assert (found.images, found.empty_images, found.objects, found.dropped) == (7, 1, 5, 2)
    assert found.left_out == ("images/train/lost.png",)
    text = "1 image lost all its objects and is left out, not treated as empty: images/train/lost.png"
    assert text in [item.text for item in found.warnings]
    dataset = opened(root, empty=empty)
    assert text in dataset.notes
    assert paths(dataset) == {*GOOD, "some"} | ({"none"} if empty == "keep" else set())
    told = outline(DataConfig(root=root, empty=empty))
    if bad is not PIXELS:  # which only the size of the picture tells
        assert told.train + told.val == len(paths(dataset))


def test_voc_and_coco(tmp_path: Path, box_files: ModuleType) -> None:
    images = {"1": [A], "2": [B], "3": [A, B], "4": [A], "none": [], "lost": [OUT, OUT], "some": [OUT, B]}
    files = {f"{name}.png": found for name, found in images.items()}
    box_files.voc(tmp_path / "voc", images)
    box_files.coco(tmp_path / "coco", files, ("alpha", "beta"))
    for name in ("voc", "coco"):
        found = check(tmp_path / name)
        assert (found.images, found.empty_images, found.dropped) == (7, 1, 3)
        assert [Path(path).stem for path in found.left_out] == ["lost"]
        assert paths(opened(tmp_path / name)) == {"1", "2", "3", "4", "none", "some"}


def test_boxes_of_other_classes_do_not_make_an_image_empty(tmp_path: Path, box_files: ModuleType) -> None:
    images = {"1": [A], "2": [A], "3": [B], "4": [A, B], "5": [B, OUT]}
    root = box_files.voc(tmp_path, images)
    assert paths(opened(root, classes=("alpha",))) == {"1", "2", "3", "4"}
    assert paths(opened(root)) == {"1", "2", "3", "4", "5"}


def test_a_coco_annotation_without_class_or_box(tmp_path: Path, box_files: ModuleType) -> None:
    names = {f"{name}.png": [B] for name in "abcdef"}
    root = box_files.coco(tmp_path, names, ("alpha", "beta"))
    document = box_files.coco_document(names, ("alpha", "beta"))
    document["annotations"][0]["category_id"] = 99
    document["annotations"][1]["bbox"] = None
    box_files.write_json(root / "annotations.json", document)
    assert [Path(path).stem for path in check(root).left_out] == ["a", "b"]
    assert paths(opened(root)) == {"c", "d", "e", "f"}


def test_voc_files_that_cannot_be_told_apart(tmp_path: Path, box_files: ModuleType) -> None:
    """An image whose annotation may have been the lost one is no image without objects."""
    root = box_files.voc(tmp_path, {"1": [A], "2": [A]})
    box_files.xml(root / "Annotations/3.xml", [A, B], filename="1.png")  # forgotten to change
    box_files.picture(root / "JPEGImages/3.png")
    box_files.picture(root / "JPEGImages/bare.png")
    found = check(root)
    assert (found.left_out, found.empty_images, found.dropped) == (("JPEGImages/3.png",), 1, 2)
    assert "JPEGImages/3.png" in [item.file for item in found.warnings]
    (root / "Annotations/torn.xml").write_text("<annotation><filename>bare.png")
    found = check(root)
    assert (set(found.left_out), found.empty_images) == ({"JPEGImages/3.png", "JPEGImages/bare.png"}, 0)
    assert paths(opened(root)) == {"1", "2"}


def test_pictures_of_classes_that_are_all_broken_are_named(tmp_path: Path, box_files: ModuleType) -> None:
    for name in ("cat", "dog"):
        box_files.picture(tmp_path / name / "1.png", 8, 8).write_bytes(b"")
    with pytest.raises(DataError, match=r"no images that can be read: 2 unreadable images left out: .*empty"):
        opened(tmp_path)
