"""Names as disks and files write them: links, accents in two ways, blanks, bytes that are no text."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path
from types import ModuleType

import pytest
from PIL import Image

from core.config.load import named_data
from core.config.schema import DataConfig, SplitPaths
from core.config.workspace import Workspace
from core.datasets.boxes.read_boxes import read_boxed
from core.datasets.check import check_dataset
from core.datasets.dataset import Dataset
from core.datasets.open import open_dataset
from core.datasets.walk import files_in
from core.errors import DataError, UsageError
from core.evaluate.plan import expand_images
from core.reading import as_on_disk

COMPOSED = unicodedata.normalize("NFC", "강아지")
APART = unicodedata.normalize("NFD", COMPOSED)
BYTES = os.fsdecode("고양이".encode("cp949"))


def pictures(folder: Path | str, count: int, first: int = 0) -> None:
    os.makedirs(folder, exist_ok=True)
    for number in range(first, first + count):
        Image.new("RGB", (6, 5), (number, 3 * number, 9)).save(os.path.join(folder, f"{number}.png"))


def told(root: Path) -> str:
    check = check_dataset(DataConfig(root=root))
    return "\n".join(str(item) for item in (*check.errors, *check.warnings))


def total(dataset: Dataset) -> int:
    return sum(len(files) for files in dataset.splits.values())


# Links


def test_linked_folders_are_walked_once_and_never_round(tmp_path: Path) -> None:
    pictures(tmp_path / "set/cat", 2)
    pictures(tmp_path / "set/dog/old", 3, 10)
    pictures(tmp_path / "elsewhere/deep", 4, 20)
    (tmp_path / "elsewhere/deep/up").symlink_to("..")
    (tmp_path / "set/cat/more").symlink_to("../../elsewhere")
    (tmp_path / "set/cat/again").symlink_to("../../elsewhere/deep")
    (tmp_path / "set/cat/root").symlink_to(tmp_path / "set")
    (tmp_path / "set/dog/self").symlink_to("old")
    dataset = open_dataset(DataConfig(root=tmp_path / "set"))
    assert total(dataset) == 9
    said: list[str] = []
    names = [entry.path for entry in files_in(tmp_path / "set/cat", told=said)]
    assert len(names) == len(set(names)) == 6
    assert sorted(text.split(" ")[0] for text in said) == ["more", "root"]
    assert all(f"{name} leads to a folder" in told(tmp_path / "set") for name in ("more", "root", "self"))


def test_a_link_to_the_set_is_no_class(tmp_path: Path) -> None:
    pictures(tmp_path / "set/cat", 2)
    pictures(tmp_path / "set/dog", 2, 10)
    (tmp_path / "set/self").symlink_to(".")
    (tmp_path / "set/up").symlink_to("..")
    dataset = open_dataset(DataConfig(root=tmp_path / "set"))
    assert (dataset.class_names, total(dataset)) == (("cat", "dog"), 4)
    assert all(f"{name} leads to a folder above" in told(tmp_path / "set") for name in ("self", "up"))


def test_linked_folders_of_images_with_boxes(tmp_path: Path, box_files: ModuleType) -> None:
    root = tmp_path / "set"
    box_files.voc(root, {"1": [("a", 1, 1, 9, 9)], "2": [("b", 1, 1, 9, 9)]})
    more = tmp_path / "more"
    box_files.voc(more, {"3": [("a", 1, 1, 9, 9)]})
    (root / "JPEGImages/more").symlink_to(more / "JPEGImages")
    (root / "Annotations/more").symlink_to(more / "Annotations")
    (root / "JPEGImages/up").symlink_to("..")
    check = check_dataset(DataConfig(root=root))
    assert (check.images, check.objects) == (3, 3)
    assert any("up leads to" in str(item) for item in check.warnings)


def test_new_images_are_found_behind_links(tmp_path: Path) -> None:
    pictures(tmp_path / "a", 2)
    pictures(tmp_path / "b", 1, 5)
    (tmp_path / "a/b").symlink_to("../b")
    (tmp_path / "b/a").symlink_to("../a")
    assert len(expand_images([str(tmp_path / "a")])) == 3


# Accents


@pytest.mark.parametrize(("train", "val"), [(COMPOSED, APART), (APART, COMPOSED), (APART, APART)])
def test_class_folders_match_however_accents_are_written(tmp_path: Path, train: str, val: str) -> None:
    pictures(tmp_path / "train" / train, 3)
    pictures(tmp_path / "train/cat", 2, 10)
    pictures(tmp_path / "val" / val, 1, 20)
    pictures(tmp_path / "val/cat", 1, 30)
    dataset = open_dataset(DataConfig(root=tmp_path))
    assert set(dataset.class_names) == {COMPOSED, "cat"}
    assert sorted(dataset.counts("val")) == [1, 1]
    assert sorted(dataset.counts("train")) == [2, 3]
    for name in (COMPOSED, APART):
        chosen = open_dataset(DataConfig(root=tmp_path, classes=("cat", name)))
        assert chosen.class_names == ("cat", COMPOSED)
    (tmp_path / "classes.txt").write_text(f"{APART}\ncat\n")
    assert open_dataset(DataConfig(root=tmp_path, order="file")).class_names == (COMPOSED, "cat")


def test_one_class_in_two_folders_is_refused(tmp_path: Path) -> None:
    for name in (COMPOSED, APART, "cat"):
        pictures(tmp_path / name, 2)
    with pytest.raises(
        DataError, match=f"two class folders called '{COMPOSED}', with accents written in two"
    ):
        open_dataset(DataConfig(root=tmp_path))


@pytest.mark.parametrize("on_disk", [COMPOSED, APART])
def test_lists_and_tables_find_files_however_accents_are_written(tmp_path: Path, on_disk: str) -> None:
    pictures(tmp_path / "images" / on_disk, 4)
    pictures(tmp_path / "images/café", 2, 10)
    other = APART if on_disk == COMPOSED else COMPOSED
    paths = [f"{other}/{number}.png" for number in range(4)] + ["cafe\u0301/10.png", "café/11.png"]
    (tmp_path / "list.txt").write_text("\n".join(paths))
    data = DataConfig(train=SplitPaths(images=tmp_path / "images", list=tmp_path / "list.txt"))
    assert total(open_dataset(data)) == 6
    rows = [f"{path},{name}" for path, name in zip(paths, [COMPOSED, APART] * 3, strict=True)]
    (tmp_path / "list.csv").write_text("\n".join(["file,label", *rows[:4], "café/11.png,x", "café/10.png,x"]))
    data = DataConfig(train=SplitPaths(images=tmp_path / "images", list=tmp_path / "list.csv"))
    dataset = open_dataset(data)
    assert (set(dataset.class_names), total(dataset)) == ({COMPOSED, "x"}, 6)


@pytest.mark.parametrize("labels", [COMPOSED, APART])
def test_label_files_are_found_however_accents_are_written(
    tmp_path: Path, box_files: ModuleType, labels: str
) -> None:
    box_files.yolo(tmp_path, {f"{n}{labels}": "0 0.5 0.5 0.1 0.1\n" for n in range(3)})
    for path in list((tmp_path / "images").rglob("*.png")):
        name = path.name.replace(labels, APART if labels == COMPOSED else COMPOSED)
        path.rename(path.with_name(name))
    boxed = read_boxed(DataConfig(root=tmp_path), "yolo")
    assert sum(seen.objects for seen in boxed.images) == len(boxed.images) > 0


@pytest.mark.parametrize(("images", "labels"), [(COMPOSED, APART), (APART, COMPOSED)])
def test_folders_of_boxes_are_found_however_accents_are_written(
    tmp_path: Path, box_files: ModuleType, images: str, labels: str
) -> None:
    box_files.yolo(tmp_path, {str(number): "0 0.5 0.5 0.1 0.1\n" for number in range(3)})
    (tmp_path / "images/train").rename(tmp_path / "images" / images)
    (tmp_path / "labels/train").rename(tmp_path / "labels" / labels)
    file = tmp_path / "data.yaml"
    file.write_text(file.read_text().replace("images/train", f"images/{labels}"))
    assert check_dataset(DataConfig(root=tmp_path)).objects == 3
    box_files.voc(tmp_path / "voc", {f"{images}{number}": [("a", 1, 1, 9, 9)] for number in range(3)})
    for path in list((tmp_path / "voc/Annotations").iterdir()):
        path.rename(path.with_name(path.name.replace(images, labels)))
    assert check_dataset(DataConfig(root=tmp_path / "voc")).objects == 3


def test_paths_in_configs_find_folders_however_accents_are_written(tmp_path: Path) -> None:
    pictures(tmp_path / APART / "cat", 2)
    pictures(tmp_path / APART / "dog", 2)
    data = named_data(str(tmp_path / COMPOSED), workspace=Workspace(tmp_path))
    assert data.root == tmp_path / APART
    assert total(open_dataset(data)) == 4
    assert as_on_disk(f"{tmp_path}/{COMPOSED}/no/{COMPOSED}") == f"{tmp_path}/{APART}/no/{COMPOSED}"


def test_tables_find_their_folder_of_images_by_any_spelling(tmp_path: Path) -> None:
    pictures(tmp_path / "images", 3)
    os.rename(tmp_path / "images/0.png", tmp_path / "images/ü.png")
    (tmp_path / "labels.csv").write_text("file,label\nu\u0308.png,a\n1.png,b\n2.png,a\n")
    assert total(open_dataset(DataConfig(root=tmp_path))) == 3


# Blanks and letter case


def test_signs_that_are_drawn_as_nothing_are_made_visible(tmp_path: Path) -> None:
    for first, name in enumerate(("dog", "\u200bdog", "do\u2060g", " ")):
        pictures(tmp_path / name, 2, 10 * first)
    assert set(open_dataset(DataConfig(root=tmp_path)).class_names) == {"dog", "\ufffddog", "do\ufffdg", "␣"}


def test_names_that_differ_in_blanks_or_case_are_told_and_told_apart(tmp_path: Path) -> None:
    for first, name in enumerate(("cat", "Cat", "cat ", "two  words", "dog")):
        pictures(tmp_path / name, 2, 10 * first)
    check = check_dataset(DataConfig(root=tmp_path))
    assert set(check.classes) == {"cat", "Cat", "cat␣", "two words", "dog"}
    (text,) = [str(item) for item in check.warnings if "cat" in str(item)]
    assert all(name in text for name in ("'cat'", "'Cat'", "'cat␣'"))
    chosen = open_dataset(DataConfig(root=tmp_path, classes=("cat ", "cat")))
    assert chosen.class_names == ("cat␣", "cat")


def test_a_blank_in_one_split_only_does_not_move_a_class(tmp_path: Path) -> None:
    pictures(tmp_path / "train/cat", 3)
    pictures(tmp_path / "train/cat ", 2, 10)
    pictures(tmp_path / "val/cat ", 1, 20)
    dataset = open_dataset(DataConfig(root=tmp_path))
    assert dataset.class_names == ("cat", "cat␣")
    assert dataset.counts("val") == (0, 1)
    pictures(tmp_path / "other/train/cat ", 3)
    pictures(tmp_path / "other/train/dog", 2, 10)
    pictures(tmp_path / "other/val/cat", 1, 20)
    assert open_dataset(DataConfig(root=tmp_path / "other")).class_names == ("cat", "dog")


# Bytes that are no text


def test_names_of_other_encodings_are_named_with_their_bytes(tmp_path: Path, box_files: ModuleType) -> None:
    pictures(tmp_path / "set/cat", 3)
    pictures(tmp_path / "set/dog", 3, 10)
    os.rename(tmp_path / "set/dog/11.png", tmp_path / f"set/dog/{BYTES}.png")
    assert r"1 image left out, its name is not UTF-8: dog/\xb0\xed\xbe\xe7\xc0\xcc.png" in told(
        tmp_path / "set"
    )
    box_files.voc(tmp_path / "voc", {"1": [("a", 1, 1, 9, 9)], "2": [("b", 1, 1, 9, 9)]})
    os.link(tmp_path / "voc/JPEGImages/1.png", tmp_path / f"voc/JPEGImages/{BYTES}.png")
    assert r"\xb0\xed\xbe\xe7\xc0\xcc.png" in told(tmp_path / "voc")


def test_a_class_or_a_set_of_another_encoding_is_refused(tmp_path: Path) -> None:
    for name in ("cat", "dog", BYTES):
        pictures(os.path.join(tmp_path, BYTES, name), 2)
    with pytest.raises(DataError, match=r"The name of the folder .*\\xb0\\xed.* is not UTF-8: rename it"):
        open_dataset(DataConfig(root=tmp_path / BYTES))
    os.rename(tmp_path / BYTES, tmp_path / "set")
    with pytest.raises(DataError, match=r"a class folder whose name is not UTF-8, \\xb0\\xed"):
        open_dataset(DataConfig(root=tmp_path / "set"))


def test_new_images_of_another_encoding(tmp_path: Path) -> None:
    pictures(tmp_path / "new", 2)
    os.rename(tmp_path / "new/0.png", tmp_path / f"new/{BYTES}.png")
    assert len(expand_images([str(tmp_path / "new")])) == 2
    with pytest.raises(UsageError, match="no file or folder"):
        expand_images([str(tmp_path / "none" / BYTES)])
