"""Files beside the images that are there but cannot be read: named, not guessed around, not waited for."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from core.config.load import named_data
from core.config.schema import DataConfig, SplitPaths
from core.config.workspace import Workspace
from core.datasets.boxes.coco_file import read_json_file
from core.datasets.check import check_dataset
from core.datasets.class_folders.class_names import class_names_in
from core.datasets.open import open_dataset
from core.errors import LabError, UnreadableError

LINE = "0 0.5 0.5 0.2 0.4\n1 0.25 0.5 0.1 0.2\n"
NAMES = "강아지", "고양이"


def korean(path: Path) -> None:
    path.write_bytes(path.read_bytes() + "\n# 강아지\n".encode("cp949"))


def latin(path: Path) -> None:
    path.write_bytes(b"# caf\xe9\n" + path.read_bytes())


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def replaced(make: Callable[[Path], object]) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        path.unlink()
        make(path)

    return damage


SPECIAL = {
    "a pipe": replaced(os.mkfifo),
    "a folder": replaced(Path.mkdir),
    "a device": replaced(lambda path: path.symlink_to("/dev/zero")),
    "a loop": replaced(lambda path: path.symlink_to(path.name)),
}
NO_TEXT = {"in cp949": korean, "in latin-1": latin}


def tabbed(path: Path) -> None:
    path.write_text(path.read_text() + "more:\n\t- x\n")


def unclosed(path: Path) -> None:
    path.write_text(path.read_text() + "more: [1, 2\n")


@pytest.mark.parametrize("damage", {**SPECIAL, **NO_TEXT, "tab": tabbed, "unclosed": unclosed})
@pytest.mark.parametrize("name", ["data.yaml", "dataset.yml"])
def test_a_data_yaml_that_cannot_be_understood(
    tmp_path: Path, box_files: ModuleType, name: str, damage: str
) -> None:
    """The labels alone would train as well, with classes called 0 and 1."""
    root = box_files.yolo(tmp_path, {"1": LINE, "2": LINE})
    file = root / name
    (root / "data.yaml").rename(file)
    assert check_dataset(DataConfig(root=root)).classes == ("a", "b")
    {**SPECIAL, **NO_TEXT, "tab": tabbed, "unclosed": unclosed}[damage](file)
    found = check_dataset(DataConfig(root=root))
    assert found.outcome == "error", found
    assert name in str(found.errors[0])
    with pytest.raises(UnreadableError, match=name) as caught:
        open_dataset(DataConfig(root=root))
    assert (caught.value.line > 0) == (damage not in SPECIAL)


def test_another_broken_yaml_is_no_matter(tmp_path: Path, box_files: ModuleType) -> None:
    root = box_files.yolo(tmp_path, {"1": LINE, "2": LINE})
    (root / "environment.yaml").write_text("channels:\n\t- conda\n")
    (root / "more.yaml").write_bytes(b"\xff\xff")
    assert check_dataset(DataConfig(root=root)).classes == ("a", "b")


@pytest.mark.parametrize("damage", {**SPECIAL, **NO_TEXT, "empty": emptied})
@pytest.mark.parametrize("name", ["classes.txt", "obj.names"])
def test_names_of_classes_that_cannot_be_read(
    tmp_path: Path, box_files: ModuleType, name: str, damage: str
) -> None:
    root = box_files.yolo(tmp_path, {"1": LINE, "2": LINE})
    (root / "data.yaml").unlink()
    (root / name).write_text("\n".join(NAMES))
    assert check_dataset(DataConfig(root=root)).classes == NAMES
    {**SPECIAL, **NO_TEXT, "empty": emptied}[damage](root / name)
    found = check_dataset(DataConfig(root=root))
    assert found.outcome == "error"
    assert name in str(found.errors[0])


def test_missing_names_are_none(tmp_path: Path) -> None:
    assert class_names_in(tmp_path / "classes.txt") is None


@pytest.mark.parametrize("damage", {**SPECIAL, **NO_TEXT})
def test_a_table_of_labels_beside_class_folders(tmp_path: Path, box_files: ModuleType, damage: str) -> None:
    """With or without class folders to fall back to."""
    for name in ("cat/1.png", "cat/2.png", "dog/3.png", "dog/4.png"):
        box_files.picture(tmp_path / name)
    table = tmp_path / "labels.csv"
    table.write_text("file,label\n" + "".join(f"{n},{n[:3]}\n" for n in ("cat/1.png", "dog/3.png")))
    {**SPECIAL, **NO_TEXT}[damage](table)
    if damage in NO_TEXT:
        with pytest.raises(UnreadableError, match=r"labels.csv:\d+: it is not UTF-8"):
            open_dataset(DataConfig(root=tmp_path))
    train = SplitPaths(images=tmp_path, list=table)
    with pytest.raises(UnreadableError, match=r"labels\.csv"):
        open_dataset(DataConfig(root=tmp_path, train=train))


@pytest.mark.parametrize("damage", SPECIAL)
def test_annotations_that_are_no_files(tmp_path: Path, box_files: ModuleType, damage: str) -> None:
    """VOC, YOLO labels: the image is left out and named, and is no image without objects."""
    voc = box_files.voc(tmp_path / "voc", {str(n): [("a", 5, 5, 20, 20)] for n in range(3)})
    SPECIAL[damage](voc / "Annotations/1.xml")
    found = check_dataset(DataConfig(root=voc))
    if damage != "a folder":
        assert (found.images, found.empty_images) == (2, 0)
        assert any("1.xml" in str(item) for item in found.warnings)
    yolo = box_files.yolo(tmp_path / "yolo", {str(n): LINE for n in range(3)})
    SPECIAL[damage](yolo / "labels/train/1.txt")
    found = check_dataset(DataConfig(root=yolo))
    assert (found.images, found.empty_images) == (2, 0)
    assert any("1.txt" in str(item) for item in found.warnings)


@pytest.mark.parametrize("damage", {**SPECIAL, "empty": emptied})
def test_lists_and_documents_that_are_no_files(tmp_path: Path, box_files: ModuleType, damage: str) -> None:
    make = {**SPECIAL, "empty": emptied}[damage]
    voc = box_files.voc(tmp_path / "voc", {str(n): [("a", 5, 5, 20, 20)] for n in range(3)})
    chosen = voc / "ImageSets/Main/train.txt"
    chosen.parent.mkdir(parents=True)
    chosen.write_text("0\n1\n")
    make(chosen)
    with pytest.raises(LabError, match=r"train\.txt"):
        open_dataset(DataConfig(root=voc))
    document = box_files.coco_document({"1.png": [("a", 1, 1, 9, 9)]}, ["a"])
    for name in ("instances_train.json", "instances_val.json"):
        box_files.picture(tmp_path / "coco/images/1.png")
        (tmp_path / "coco/annotations").mkdir(exist_ok=True)
        (tmp_path / "coco/annotations" / name).write_text(json.dumps(document))
    bad = tmp_path / "coco/annotations/instances_val.json"
    make(bad)
    with pytest.raises(UnreadableError, match=r"instances_val\.json"):
        open_dataset(DataConfig(root=tmp_path / "coco"))
    with pytest.raises(UnreadableError, match=r"instances_val\.json"):
        read_json_file(bad)


@pytest.mark.parametrize("damage", {**SPECIAL, **NO_TEXT})
def test_a_data_set_named_by_its_yaml(tmp_path: Path, box_files: ModuleType, damage: str) -> None:
    """`data: path/to/data.yaml`, as a config or the command line gives it."""
    root = box_files.yolo(tmp_path, {"1": LINE, "2": LINE})
    {**SPECIAL, **NO_TEXT}[damage](root / "data.yaml")
    with pytest.raises(LabError, match=r"data\.yaml"):
        open_dataset(named_data(str(root / "data.yaml"), workspace=Workspace(tmp_path)))
