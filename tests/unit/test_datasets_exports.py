"""What exports and archives get wrong, and how much of it is told."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import core.datasets.published.arrays as arrays
from core.config.schema import DataConfig
from core.datasets.boxes.read_boxes import read_boxed
from core.datasets.boxes.yolo_lists import moved_path
from core.datasets.check import Check, check_dataset
from core.datasets.findings import fewer
from core.datasets.open import open_dataset
from core.datasets.pictures import member_pixels, read_idx
from core.datasets.published.arrays import FORMATS
from core.datasets.published.catalogue import PUBLISHED
from core.errors import DataError
from tests import field_class_trees, field_trees
from tests.field_trees import lines, picture

LINE = "0 0.5 0.5 0.2 0.4\n"


def check(root: Path, **keys: Any) -> Check:
    return check_dataset(DataConfig(root=root, **keys))


def told(found: Check) -> list[str]:
    return [str(item) for item in (*found.errors, *found.warnings, *found.notes)]


# Complaints


def test_images_that_no_file_names_are_told(tmp_path: Path, box_files: ModuleType) -> None:
    box_files.coco(tmp_path, {"1.png": [("a", 1, 1, 9, 9)], "2.png": [("a", 1, 1, 9, 9)]})
    picture(tmp_path / "images/3.jpg")
    text = "1 image in the same folders is not used: images/3.jpg"
    assert text in told(check(tmp_path))
    (tmp_path / "images/3.jpg").unlink()
    assert not any("not used" in words for words in told(check(tmp_path)))


# YOLO


@pytest.mark.parametrize("content", [LINE * 2, ""], ids=["two boxes", "no box"])
def test_a_label_file_of_two_images_is_of_none(tmp_path: Path, box_files: ModuleType, content: str) -> None:
    root = box_files.yolo(tmp_path, {"0": content, "1": LINE, "2": LINE})
    picture(root / "images/train/0.jpg")
    found = check(root)
    assert (found.objects, found.dropped) == (2, content.count("\n"))
    assert set(found.left_out) == {"images/train/0.jpg", "images/train/0.png"}
    (warning,) = [item for item in found.warnings if item.file == "labels/train/0.txt"]
    assert warning.text.startswith("could be of images/train/0.jpg, images/train/0.png: left out")
    assert {Path(path).stem for path in open_dataset(DataConfig(root=root)).splits["train"].paths} <= {
        "1",
        "2",
    }


def test_a_list_chooses_between_two_images(tmp_path: Path, box_files: ModuleType) -> None:
    root = box_files.yolo(tmp_path, {"0": LINE, "1": LINE})
    picture(root / "images/train/0.jpg")
    lines(root / "train.txt", "images/train/0.png", "images/train/1.png")
    lines(root / "data.yaml", "train: train.txt", "names: [a]")
    found = check(root)
    assert (found.objects, found.dropped, found.warnings) == (2, 0, ())


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("players-1/train/images", "train/images"),
        ("/content/set/train/images", "train/images"),
        ("../../x/train/images", "train/images"),
        ("C:\\set\\lists\\train.txt", "lists/train.txt"),
        ("elsewhere/images", None),
        ("train/labels", None),
        ("nothing/like/it", None),
    ],
    ids=range(7),
)
def test_paths_are_known_by_their_ends(tmp_path: Path, given: str, found: str | None) -> None:
    picture(tmp_path / "train/images/a.jpg")
    picture(tmp_path / "images/a.jpg")
    lines(tmp_path / "lists/train.txt", "a.jpg")
    path = moved_path(given, tmp_path)
    assert (path.relative_to(tmp_path).as_posix() if path else None) == found


def test_listed_images_are_found_by_name_only_where_there_is_one(
    tmp_path: Path, box_files: ModuleType
) -> None:
    root = box_files.yolo(tmp_path, {"a": LINE, "b": LINE})
    for folder in ("x", "y"):
        picture(root / "other" / folder / "c.jpg")
    lines(root / "train.txt", "/mnt/old/a.png", "/mnt/old/images/train/b.png", "/mnt/old/c.jpg")
    lines(root / "data.yaml", "train: train.txt", "names: [a]")
    words = told(check(root))
    assert "train.txt:3: there is no image /mnt/old/c.jpg: left out" in words
    assert (
        "train.txt: 2 images not where the list says, as /mnt/old/a.png: found by name inside the data set"
        in words
    )


def test_names_in_a_file_that_data_yaml_names(tmp_path: Path, box_files: ModuleType) -> None:
    root = box_files.yolo(tmp_path, {"a": LINE, "b": LINE}, names="classes.txt")
    lines(root / "classes.txt", "0 cat", "1 dog")
    assert set(check(root).classes) == {"cat", "dog"}


def test_obj_data_with_another_count(tmp_path: Path) -> None:
    field_trees.cvat_yolo(tmp_path)
    lines(tmp_path / "obj.names", "king", "queen", "knave")
    assert "obj.data says classes = 2, but has 3 names" in told(check(tmp_path))
    lines(tmp_path / "obj.names", "king", "king")
    with pytest.raises(DataError, match=r"obj\.names has the name 'king' twice"):
        open_dataset(DataConfig(root=tmp_path))


# COCO


@pytest.mark.parametrize(
    "record",
    [
        {"coco_url": "http://images.cocodataset.org/train2017/1%20a.png"},
        {"flickr_url": "https://x.net/1%20a.png?size=big"},
        {"filename": "1 a.png"},
        {"file_name": "", "coco_url": "http://x.net/images/1%20a.png"},
    ],
    ids=["coco_url", "flickr_url", "filename", "empty file_name"],
)
def test_images_without_file_name(tmp_path: Path, box_files: ModuleType, record: dict[str, str]) -> None:
    document = box_files.coco_document({"x": [("a", 1, 1, 9, 9)], "2.png": [("a", 1, 1, 9, 9)]}, "ab")
    document["images"][0] = {"id": 1, "width": 64, "height": 48, **record}
    for name in ("1 a.png", "2.png"):
        box_files.picture(tmp_path / "images" / name)
    box_files.write_json(tmp_path / "annotations.json", document)
    found = check(tmp_path)
    assert (found.images, found.objects, found.warnings) == (2, 2, ())


def test_many_images_without_any_name_are_one_complaint(tmp_path: Path) -> None:
    field_trees.roboflow_coco(tmp_path, ("train",))
    file = tmp_path / "train/_annotations.coco.json"
    document = json.loads(file.read_text())
    document["images"] += [{"id": 100 + number} for number in range(30)]
    file.write_text(json.dumps(document))
    (warning,) = fewer(check(tmp_path).warnings)
    assert "30 times: " in warning.text
    assert "image 6 has no file_name: left out" in warning.text


# Tables of classes


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (
            ["id,a,b", "0,1,0", "1,0,1", "2,1,1", "3,0,1", "4,1,0"],
            "several classes",
        ),
        (["id;a;b", "0;1;0", "1;0;1", "2;;1", "3;1;", "4;;"], "no label"),
        (
            ["id,a,b,split"] + [f"{n},{n % 2},{1 - n % 2},{'train' if n < 4 else 'test'}" for n in range(5)],
            "",
        ),
    ],
    ids=["several", "blank cells", "with splits"],
)
def test_one_hot_tables(tmp_path: Path, rows: list[str], said: str) -> None:
    for index in range(5):
        picture(tmp_path / f"images/{index}.png", 8, 8)
    lines(tmp_path / "labels.csv", *rows)
    dataset = open_dataset(DataConfig(root=tmp_path))
    assert dataset.class_names == ("a", "b")
    wanted = [f"1 row of labels.csv left out: {said}"] if said else []
    assert [note for note in dataset.notes if "left out" in note] == wanted
    of = {
        int(Path(path).stem): dataset.class_names[label]
        for files in dataset.splits.values()
        for path, label in zip(files.paths, files.labels, strict=True)
    }
    assert of[1] == ("b" if "split" not in rows[0] else "a")


def test_a_table_of_several_classes_an_image_is_refused(tmp_path: Path) -> None:
    for index in range(4):
        picture(tmp_path / f"images/{index}.png", 8, 8)
    lines(tmp_path / "labels.csv", "id,a,b", "0,1,1", "1,1,1", "2,0,1", "3,1,1")
    with pytest.raises(DataError, match=r"marks one of `a` and `b` in 1 of 4 rows only"):
        open_dataset(DataConfig(root=tmp_path))


def test_numbers_beside_classes_are_not_passed_over_in_silence(tmp_path: Path) -> None:
    field_class_trees.tiny_imagenet(tmp_path)
    notes = open_dataset(DataConfig(root=tmp_path)).notes
    assert any(note.startswith("columns of numbers in val_annotations.txt are not read") for note in notes)


def test_labels_by_number_need_folders_that_are_numbers(tmp_path: Path) -> None:
    field_class_trees.gtsrb(tmp_path)
    (tmp_path / "Final_Training/Images/00002").rename(tmp_path / "Final_Training/Images/stop")
    with pytest.raises(DataError, match="has a class 0, which the training folder does not have"):
        open_dataset(DataConfig(root=tmp_path))


def test_splits_of_cub_are_those_of_its_file(tmp_path: Path) -> None:
    field_class_trees.cub(tmp_path)
    dataset = open_dataset(DataConfig(root=tmp_path))
    numbers = [int(re.findall(r"\d+", path)[-1]) for path in dataset.splits["test"].paths]
    assert numbers == [0, 4, 0, 4]
    (tmp_path / "train_test_split.txt").unlink()
    assert "test" not in open_dataset(DataConfig(root=tmp_path)).splits


# Files of many pictures


def test_numbers_in_idx_files(tmp_path: Path) -> None:
    values = np.array([0, 7, 255])
    for code, kind in ((8, ">u1"), (11, ">i2"), (12, ">i4"), (13, ">f4"), (14, ">f8")):
        field_class_trees.idx(tmp_path / "labels", values, code, kind)
        assert read_idx(tmp_path / "labels", 1).tolist() == values.tolist()
    for wrong in (np.array([0, -1]), np.array([0, 256]), np.array([0.5, 1])):
        field_class_trees.idx(tmp_path / "labels", wrong, 14, ">f8")
        with pytest.raises(DataError, match="numbers that are not whole from 0 to 255"):
            read_idx(tmp_path / "labels", 1)


@pytest.mark.parametrize("cut", [1, 3000])
def test_a_binary_batch_cut_off(tmp_path: Path, cut: int) -> None:
    field_class_trees.cifar_binary(tmp_path)
    file = tmp_path / "cifar-10-batches-bin/data_batch_3.bin"
    file.write_bytes(file.read_bytes()[:-cut])
    with pytest.raises(DataError, match=r"data_batch_3\.bin is cut off or damaged"):
        open_dataset(DataConfig(root=tmp_path))


def test_pixels_and_groups_of_binary_cifar_100(tmp_path: Path) -> None:
    folder = tmp_path / "cifar-100-binary"
    folder.mkdir()
    for name, number in (("train", 8), ("test", 4)):
        rows = np.arange(number * 3074, dtype=np.int64).reshape(number, 3074) % 251
        rows[:, 1] = np.arange(number) % 4
        rows[:, 0] = rows[:, 1] // 2
        (folder / f"{name}.bin").write_bytes(rows.astype(np.uint8).tobytes())
    lines(folder / "fine_label_names.txt", "apple", "pear", "bear", "wolf")
    lines(folder / "coarse_label_names.txt", "fruit", "animals")
    dataset = open_dataset(DataConfig(root=tmp_path, val="test", order="file"))
    assert dataset.class_names == ("apple", "pear", "bear", "wolf")
    assert dataset.groups == ("fruit", "fruit", "animals", "animals")
    (pixels,) = member_pixels(tmp_path, [dataset.splits["train"].paths[1]])
    first = 3074 + 2
    assert pixels[0, 1].tolist() == [(first + 1 + channel * 1024) % 251 for channel in range(3)]


def test_loose_idx_files_of_a_published_set_are_known_by_their_checksum(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    field_class_trees.idx_set(tmp_path)
    assert not FORMATS["mnist"].detect(tmp_path)
    sums = PUBLISHED["mnist"].md5
    monkeypatch.setattr(arrays, "checksum", lambda *_: sums["t10k-labels-idx1-ubyte"])
    assert FORMATS["mnist"].detect(tmp_path)
    assert not FORMATS["idx"].detect(tmp_path)


def test_a_split_without_images_is_none_for_any_format(tmp_path: Path, box_files: ModuleType) -> None:
    for split in ("train", "valid"):
        for name in "abcd" if split == "train" else "":
            box_files.xml(tmp_path / split / f"{name}.xml", [("a", 1, 2, 9, 9)])
            box_files.picture(tmp_path / split / f"{name}.png")
        (tmp_path / split).mkdir(exist_ok=True)
    assert set(read_boxed(DataConfig(root=tmp_path), "voc").splits) == {"train"}
    for name in ("cat", "dog"):
        picture(tmp_path / "pets/train" / name / "1.jpg", 8, 8)
        picture(tmp_path / "pets/train" / name / "2.jpg", 8, 8)
        (tmp_path / "pets/val" / name).mkdir(parents=True)
    dataset = open_dataset(DataConfig(root=tmp_path / "pets"))
    assert "val is left out: it has no images" in dataset.notes
    assert len(dataset.splits["val"]) == 2


@pytest.mark.parametrize("same", [True, False], ids=["same names", "other names"])
def test_a_list_for_all_is_about_training_images(tmp_path: Path, same: bool) -> None:
    for index in range(6):
        picture(tmp_path / f"train/{index}.png", 8, 8)
        picture(tmp_path / f"test/{index if same else index + 9}.png", 8, 8)
    lines(tmp_path / "labels.csv", "id,breed", *(f"{index},{'ab'[index % 2]}" for index in range(6)))
    dataset = open_dataset(DataConfig(root=tmp_path))
    assert {Path(path).parent.name for files in dataset.splits.values() for path in files.paths} == {"train"}
    assert "test is left out: no list gives labels for its images" in dataset.notes
