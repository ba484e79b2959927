"""What messages on layouts say to do is done here, and then the data set can be used."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from core.config.schema import DataConfig, SplitPaths
from core.datasets.check import check_dataset
from core.datasets.open import open_dataset
from core.errors import DataError
from tests import field_class_trees, field_trees
from tests.field_trees import lines, picture

Keys = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """A set made by `write`, the words of its refusal, and what they say to do: files changed, keys given."""

    write: Callable[[Path], object]
    words: str
    way: Callable[[Path], Keys | None]
    keys: Callable[[Path], Keys] = lambda _: {}


def renamed(write: Callable[[Path], None], old: str, new: str) -> Callable[[Path], None]:
    def made(root: Path) -> None:
        write(root)
        (root / new).parent.mkdir(parents=True, exist_ok=True)
        (root / old).rename(root / new)

    return made


def changed(write: Callable[[Path], None], file: str, old: str, new: str) -> Callable[[Path], None]:
    def made(root: Path) -> None:
        write(root)
        text = (root / file).read_text()
        assert old in text
        (root / file).write_text(text.replace(old, new))

    return made


def edit(root: Path, file: str, old: str, new: str) -> None:
    (root / file).write_text((root / file).read_text().replace(old, new))


def paths(root: Path, **parts: str) -> Keys:
    return {"train": SplitPaths(**{key: root / part for key, part in parts.items()})}


def flat(root: Path, split: str = "train", number: int = 6) -> None:
    for index in range(number):
        picture(root / split / f"{split}{index}.jpg")


def two_flat(root: Path) -> None:
    flat(root)
    flat(root, "valid")


def into_classes(root: Path) -> None:
    for split in ("train", "valid"):
        for index, file in enumerate(sorted((root / split).iterdir())):
            target = root / split / ("cat", "dog")[index % 2] / file.name
            target.parent.mkdir(exist_ok=True)
            file.rename(target)


def with_lists(root: Path) -> None:
    for split in ("train", "valid"):
        rows = [f"{split}{index}.jpg,{('cat', 'dog')[index % 2]}" for index in range(6)]
        lines(root / split / "labels.csv", "file,label", *rows)


def twice_labelled(root: Path) -> None:
    with_lists(root) if (root / "train").exists() else two_flat(root)
    with_lists(root)
    shutil.copy(root / "train/labels.csv", root / "train/train.csv")


def boxes_and_classes(root: Path) -> None:
    rows = []
    for name in ("cat", "dog"):
        for index in range(3):
            picture(root / name / f"{name}{index}.jpg")
            rows.append(f"{name}/{name}{index}.jpg,{name},4,5,30,32")
    lines(root / "boxes.csv", "filename,class,xmin,ymin,xmax,ymax", *rows)


def two_sets_of_idx(root: Path) -> None:
    for name in ("letters", "digits"):
        field_class_trees.idx_set(root, f"emnist-{name}-{{0}}-{{1}}-idx{{2}}-ubyte")


def one_set_apart(root: Path) -> Keys:
    for file in root.glob("emnist-letters-*"):
        (root / "letters").mkdir(exist_ok=True)
        file.rename(root / "letters" / file.name)
    return {"root": root / "letters"}


def coco_apart(root: Path) -> None:
    """The file in one folder, its images in another one that nothing leads to."""
    field_trees.roboflow_coco(root, ("train",))
    (root / "train/_annotations.coco.json").rename(root / "a.json")
    (root / "train").rename(root.parent / "elsewhere")


def without_names(root: Path) -> None:
    changed(field_trees.raccoon, "data/raccoon_labels.csv", "xmin,ymin,xmax,ymax", "a,b,c,d")(root)


def marked(root: Path) -> None:
    field_class_trees.one_hot_kaggle(root)
    rows = [f"Train_{index},{int(index < 6)},{int(index < 6)},{'cd'[index % 2]}" for index in range(8)]
    lines(root / "train.csv", "image_id,soft,tame,animal", *rows)


CASES = {
    "data.yaml: train, corrected": Case(
        changed(field_trees.roboflow_yolo, "data.yaml", "train: ../train", "train: ../trian"),
        "correct it there, or name the folder of images in data.train",
        lambda root: edit(root, "data.yaml", "trian", "train"),
    ),
    "data.yaml: train, named": Case(
        changed(field_trees.roboflow_yolo, "data.yaml", "train: ../train", "train: ../trian"),
        "name the folder of images in data.train",
        lambda root: paths(root, images="train/images"),
    ),
    "data.yaml: no train": Case(
        changed(field_trees.roboflow_yolo, "data.yaml", "train: ../train/images", "x: y"),
        "give `train` there, or name their folder in data.train",
        lambda root: paths(root, images="train/images"),
    ),
    "data.yaml: no names": Case(
        changed(field_trees.roboflow_yolo, "data.yaml", "names: ['king', 'queen']", "names: king"),
        r"names: \[NAME, NAME\]",
        lambda root: edit(root, "data.yaml", "names: king", "names: [king, queen]"),
    ),
    "obj.data: names": Case(
        renamed(field_trees.cvat_yolo, "obj.names", "away/obj.names"),
        "`names` is data/obj.names, which does not exist: put it beside",
        lambda root: lines(root / "obj.names", "king", "queen"),
    ),
    "a list without its images": Case(
        renamed(field_trees.cvat_yolo, "obj_train_data", "../elsewhere"),
        "name their folder, as data.train: {images: FOLDER, list: FILE}",
        lambda root: paths(root, images="../elsewhere", list="train.txt"),
    ),
    "COCO without its images": Case(
        coco_apart,
        "as data.train: {annotations: FILE, images: FOLDER}",
        lambda root: paths(root, annotations="a.json", images="../elsewhere"),
    ),
    "a table without its images": Case(
        renamed(field_trees.raccoon, "images", "../elsewhere"),
        "as data.train: {annotations: FILE, images: FOLDER}",
        lambda root: paths(root, annotations="data/raccoon_labels.csv", images="../elsewhere"),
    ),
    "CVAT without its images": Case(
        renamed(field_trees.cvat_images, "images", "../elsewhere"),
        "as data.train: {annotations: FILE, images: FOLDER}",
        lambda root: paths(root, annotations="annotations.xml", images="../elsewhere"),
    ),
    "a table without names": Case(
        without_names,
        "is no table of boxes: give its columns names, as filename,class,xmin,ymin,xmax,ymax",
        lambda root: edit(root, "data/raccoon_labels.csv", "a,b,c,d", "xmin,ymin,xmax,ymax"),
        lambda root: {"format": "csv", **paths(root, annotations="data/raccoon_labels.csv")},
    ),
    "flat folders, sorted": Case(two_flat, "put them in .*/train/CLASS", into_classes),
    "flat folders, listed": Case(two_flat, r"or write .*/train/labels\.csv \(file,label\)", with_lists),
    "two lists": Case(
        twice_labelled,
        "name the one that counts, as data.train: {images: FOLDER, list: FILE}",
        lambda root: {
            **paths(root, images="train", list="train/labels.csv"),
            "val": SplitPaths(images=root / "valid", list=root / "valid/labels.csv"),
        },
    ),
    "a table of boxes in class folders": Case(
        boxes_and_classes, "say which in data.format, as format: csv", lambda _: {"format": "csv"}
    ),
    "class folders with a table of boxes": Case(
        boxes_and_classes, "holds csv and folder", lambda _: {"format": "folder"}
    ),
    "several sets of idx files": Case(
        two_sets_of_idx, "put those of one into a folder of its own", one_set_apart
    ),
    "marks that are no classes": Case(
        marked,
        "cannot tell which of 4 columns is the label: call it `label`",
        lambda root: edit(root, "train.csv", "animal", "label"),
    ),
    **{
        f"no test images in {name}": Case(
            write,
            "set data.val to null to hold out",
            lambda _: {"val": None},
            lambda _: {"val": "test"},
        )
        for name, write in {
            "YOLO": field_trees.label_studio,
            "COCO": lambda root: field_trees.roboflow_coco(root, ("train",)),
            "CSV": field_trees.raccoon,
            "CVAT": field_trees.cvat_images,
            "folders": lambda root: (two_flat(root), into_classes(root)),
        }.items()
    },
}


@pytest.mark.parametrize("name", CASES, ids=lambda name: name.replace(" ", "-"))
def test_the_way_out_leads_out(tmp_path: Path, name: str) -> None:
    case, root = CASES[name], tmp_path / "set"
    case.write(root)
    keys = {"root": root, **case.keys(root)}
    with pytest.raises(DataError, match=case.words):
        open_dataset(DataConfig(**keys))
    assert check_dataset(DataConfig(**keys)).errors
    keys |= case.way(root) or {}
    data = DataConfig(**keys)
    assert len(open_dataset(data).splits["train"]) > 1
    assert check_dataset(data).errors == ()


@pytest.mark.parametrize(
    ("file", "content", "what"),
    [
        ("a.json", '{"version": "5", "shapes": [], "imagePath": "a.jpg"}', "LabelMe"),
        ("x/a.json", '[{"id": 1, "annotations": [{"result": []}], "data": {}}]', "Label Studio"),
        ("via.json", '{"a.jpg": {"regions": [{"shape_attributes": {}}]}}', "VGG Image Annotator"),
        ("_annotations.createml.json", '[{"image": "a", "label": "b", "coordinates": {}}]', "CreateML"),
        ("annotations.xml", '<annotations><track id="0"></track></annotations>', "CVAT for video"),
        ("train.tfrecord", "x", "TFRecord files"),
        ("data/train-00000.parquet", "x", "Parquet or Arrow files"),
        ("set.zip", "x", "an archive"),
        ("imagelabels.mat", "x", "MATLAB files"),
    ],
    ids=lambda word: word.replace(" ", "-") if word[:1].isupper() or word.startswith("an ") else "",
)
def test_what_is_not_read_is_named(tmp_path: Path, file: str, content: str, what: str) -> None:
    picture(tmp_path / "images/a.jpg")
    lines(tmp_path / file, content)
    with pytest.raises(DataError) as caught:
        open_dataset(DataConfig(root=tmp_path))
    assert what in str(caught.value)
    assert f"({Path(file).name}), which labtui does not read: " in str(caught.value)


def test_such_files_beside_class_folders_do_no_harm(tmp_path: Path) -> None:
    two_flat(tmp_path)
    into_classes(tmp_path)
    lines(tmp_path / "a.json", '{"shapes": [], "imagePath": "a.jpg"}')
    lines(tmp_path / "old.zip", "x")
    assert len(open_dataset(DataConfig(root=tmp_path)).class_names) == 2
