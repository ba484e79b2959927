"""Folders as people have them: names of splits, nesting, splits inside classes, lists of labels."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from core.config.schema import DataConfig, SplitPaths
from core.datasets import tables as label_tables
from core.datasets.dataset import Dataset
from core.datasets.open import open_dataset, require_root
from core.datasets.outline import outline
from core.errors import DataError


def make(root: Path, *paths: str) -> Path:
    """Pictures at `paths`; `train/cat*3` stands for three in that folder, `cat/` for an empty folder."""
    for path in paths:
        folder, star, count = path.partition("*")
        files = [f"{folder}/{number}.png" for number in range(int(count))] if star else [folder]
        for file in files:
            target = root / file
            if file.endswith("/"):
                target.mkdir(parents=True)
            else:
                target.parent.mkdir(parents=True, exist_ok=True)
                Image.new("RGB", (4, 4)).save(target, "PNG")
    return root


def opened(root: Path, **changes: Any) -> Dataset:
    data = DataConfig(root=root, **changes)
    require_root(data)
    dataset = open_dataset(data)
    told = outline(data)
    counts = {"train": told.train, "val": told.val, "test": told.test}
    assert {split: count for split, count in counts.items() if count} == sizes(dataset)
    assert told.classes == dataset.class_names
    return dataset


def refused(root: Path, **changes: Any) -> str:
    data = DataConfig(root=root, **changes)
    with pytest.raises(DataError) as caught:
        open_dataset(data)
    return str(caught.value).replace(str(root), "ROOT")


def sizes(dataset: Dataset) -> dict[str, int]:
    return {split: len(files) for split, files in dataset.splits.items()}


def labels(dataset: Dataset, split: str = "train") -> dict[str, str]:
    files = dataset.splits[split]
    return {path: dataset.class_names[label] for path, label in zip(files.paths, files.labels, strict=True)}


# Names of splits


@pytest.mark.parametrize(
    ("train", "val", "test"),
    [
        ("train", "val", "test"),
        ("Train", "Valid", "Test"),
        ("TRAIN", "VAL", "TEST"),
        ("training", "validation", "testing"),
        ("Training Set", "Validation Set", "Test Set"),
        ("train_images", "val_images", "test_images"),
        ("train2017", "val2017", "test2017"),
        ("seg_train", "seg_val", "seg_test"),
        ("birds-train", "birds-dev", "birds-test"),
        ("images/train", "images/val", "images/test"),
        ("Images/Train", "Images/Val", "Images/Test"),
        ("data/train", "data/val", "data/test"),
        ("train/train", "val/val", "test/test"),
        ("train/images", "val/images", "test/images"),
        ("seg_train/seg_train", "seg_val/seg_val", "seg_test/seg_test"),
    ],
)
def test_splits_are_found_by_name(tmp_path: Path, train: str, val: str, test: str) -> None:
    for split, count in ((train, 3), (val, 2), (test, 1)):
        make(tmp_path, f"{split}/cat*{count}", f"{split}/dog*{count}")
    dataset = opened(tmp_path)
    assert dataset.class_names == ("cat", "dog")
    assert sizes(dataset) == {"train": 6, "val": 4, "test": 2}
    assert dataset.splits["train"].paths[0] == f"{train}/cat/0.png"


def test_validation_is_held_out_when_only_train_and_test_are_there(tmp_path: Path) -> None:
    make(tmp_path, "Train/cat*10", "Train/dog*20", "Test/cat*1", "Test/dog*1")
    assert sizes(opened(tmp_path)) == {"train": 27, "val": 3, "test": 2}
    assert sizes(opened(tmp_path, val="test")) == {"train": 30, "val": 2}


@pytest.mark.parametrize("twin", ["Train", "training", "train_set"])
def test_two_training_folders_are_not_guessed(tmp_path: Path, twin: str) -> None:
    make(tmp_path, "train/cat*2", "train/dog*2", f"{twin}/cat*2", f"{twin}/dog*2")
    first, second = sorted(["train", twin])
    said = f"ROOT has both {first} and {second}: name the one that counts in data.train."
    assert refused(tmp_path) == said
    assert opened(tmp_path, train=SplitPaths(images=tmp_path / "train")).class_names == ("cat", "dog")


@pytest.mark.parametrize("name", ["train", "test", "val", "Test", "valid"])
def test_a_class_may_be_called_so(tmp_path: Path, name: str) -> None:
    make(tmp_path, "bus*4", "car*4", f"{name}*4")
    assert set(opened(tmp_path).class_names) == {"bus", "car", name}


@pytest.mark.parametrize("name", ["steam train", "test tube", "validated", "contest"])
def test_a_class_may_have_such_a_word_in_it(tmp_path: Path, name: str) -> None:
    make(tmp_path, "bus/deep*4", "car/deep*4", f"{name}/deep*4")
    assert set(opened(tmp_path).class_names) == {"bus", "car", name}


def test_a_test_folder_without_classes_is_left_out_with_a_note(tmp_path: Path) -> None:
    make(tmp_path, "train/cat*4", "train/dog*4", "test*3")
    dataset = opened(tmp_path)
    assert sizes(dataset) == {"train": 6, "val": 2}
    assert dataset.notes[0] == "test is left out: its images have no class folders"


# Nesting


@pytest.mark.parametrize("inner", ["pets", "pets/pets", "a/b/c"])
@pytest.mark.parametrize("split", ["", "train"])
def test_one_folder_inside_the_other(tmp_path: Path, inner: str, split: str) -> None:
    base = "/".join(filter(None, [inner, split]))
    make(tmp_path, f"{base}/cat*10", f"{base}/dog*10", "__MACOSX/pets/cat/0.png", ".hidden/0.png")
    (tmp_path / "README.md").write_text("x")
    dataset = opened(tmp_path)
    assert sizes(dataset) == {"train": 18, "val": 2}
    assert labels(dataset, "val").keys() <= {
        f"{base}/{name}/{n}.png" for name in ("cat", "dog") for n in range(10)
    }
    assert dataset.notes[0] == f"the data set is in {inner}"


def test_folders_without_images_beside_it(tmp_path: Path) -> None:
    make(tmp_path, "images/cat*10", "images/dog*10", "docs/")
    (tmp_path / "docs/notes.txt").write_text("x")
    assert sizes(opened(tmp_path)) == {"train": 18, "val": 2}


def test_two_data_sets_in_one_folder_are_not_mixed(tmp_path: Path) -> None:
    make(tmp_path, *(f"{name}/train/{animal}*2" for name in ("pets", "wild") for animal in ("a", "b")))
    assert refused(tmp_path) == (
        "ROOT has a folder train in each of pets and wild, with folders in it: if they are data sets, name "
        "one in data.root."
    )


def test_linked_folders(tmp_path: Path) -> None:
    make(tmp_path / "far", "cat*4", "dog*4")
    (tmp_path / "set").mkdir()
    (tmp_path / "set/train").symlink_to(tmp_path / "far")
    assert opened(tmp_path / "set").class_names == ("cat", "dog")


# Splits inside the classes


@pytest.mark.parametrize("words", [("train", "val", "test"), ("Train", "Valid", "Test")])
def test_splits_inside_classes(tmp_path: Path, words: tuple[str, str, str]) -> None:
    train, val, test = words
    for name, more in (("cat", 0), ("dog", 2)):
        make(tmp_path, f"{name}/{train}*{4 + more}", f"{name}/{val}*2", f"{name}/{test}*1")
    dataset = opened(tmp_path)
    assert dataset.class_names == ("cat", "dog")
    assert sizes(dataset) == {"train": 10, "val": 4, "test": 2}
    assert dataset.splits["val"].paths[0] == f"cat/{val}/0.png"
    assert sizes(opened(tmp_path, val="test")) == {"train": 10, "val": 2}


def test_splits_inside_classes_may_be_uneven(tmp_path: Path) -> None:
    make(tmp_path, "cat/train*10", "cat/test*1", "dog/train*10", "dog/extra*3", "dog/9.png")
    dataset = opened(tmp_path)
    assert sizes(dataset) == {"train": 18, "val": 2, "test": 1}
    assert dataset.notes[:2] == (
        "1 image next to the folders train, val and test left out",
        "no test images of dog",
    )


def test_a_class_without_a_training_folder_is_not_guessed(tmp_path: Path) -> None:
    make(tmp_path, "cat/train*2", "cat/test*1", "dog/train*2", "cow*3")
    assert refused(tmp_path) == (
        "ROOT/cat has a folder train, but ROOT/cow has none: give every class one, or name the data set in "
        "data.root."
    )


def test_a_folder_called_train_in_one_class_is_no_split(tmp_path: Path) -> None:
    make(tmp_path, "vehicle/train*4", "vehicle/bus*4", "animal/cat*4")
    dataset = opened(tmp_path)
    assert sizes(dataset) == {"train": 10, "val": 2}
    assert dataset.class_names == ("animal", "vehicle")


# Lists


def table(file: Path, *rows: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("\n".join(rows) + "\n", encoding="utf-8")


FLAT = ("img/a.png", "img/b.png", "img/c.png", "img/d.png")
WANTED = {"img/a.png": "cat", "img/b.png": "dog", "img/c.png": "cat", "img/d.png": "dog"}


def all_labels(dataset: Dataset) -> dict[str, str]:
    return labels(dataset, "train") | labels(dataset, "val")


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("labels.csv", ["file,label", "a.png,cat", "b.png,dog", "c.png,cat", "d.png,dog"]),
        ("labels.csv", ["a.png,cat", "b.png,dog", "c.png,cat", "d.png,dog"]),
        ("labels.csv", ["img/a.png,cat", "img/b.png,dog", "img/c.png,cat", "img/d.png,dog"]),
        ("labels.csv", ["Label;File Name", "cat;a.png", "dog;b.png", "cat;c.png", "dog;d.png"]),
        ("labels.tsv", ["image\tclass", "a.png\tcat", "b.png\tdog", "c.png\tcat", "d.png\tdog"]),
        ("labels.csv", ["id,breed", "a,cat", "b,dog", "c,cat", "d,dog"]),
        (
            "labels.csv",
            [",image_path,species,", "0,a.png,cat,", "1,b.png,dog,", "2,c.png,cat,", "3,d.png,dog,"],
        ),
        ("labels.csv", ['"file", "label"', '"a.png", "cat"', '"b.png", "dog"', "c.png, cat", "d.png, dog"]),
        (
            "labels.csv",
            [
                "class id,filepaths,labels",
                "0,img\\a.png,cat",
                "1,img\\b.png,dog",
                "0,img/c.png,cat",
                "1,img/d.png,dog",
            ],
        ),
        (
            "labels.csv",
            ["\ufefffile,label", "# mine", "a.png,cat", "", "b.png,dog", "c.png,cat", "d.png,dog"],
        ),
        ("labels.txt", ["img/a.png cat", "img/b.png dog", "img/c.png  cat", "img/d.png\tdog"]),
        ("labels.txt", ["a cat", "b dog", "c cat", "d dog"]),
        ("labels.txt", ["a.png,cat", "b.png,dog", "c.png,cat", "d.png,dog"]),
        ("annotations.csv", ["file,label", "a.png,cat", "b.png,dog", "c.png,cat", "d.png,dog", "d.png,dog"]),
        ("train.csv", ["file,label", "a.png,cat", "b.png,dog", "c.png,cat", "d.png,dog"]),
        ("train_labels.csv", ["file,label", "a.png,cat", "b.png,dog", "c.png,cat", "d.png,dog"]),
        ("img/labels.csv", ["file,label", "a.png,cat", "b.png,dog", "c.png,cat", "d.png,dog"]),
        ("annotations/labels.csv", ["file,label", "a.png,cat", "b.png,dog", "c.png,cat", "d.png,dog"]),
    ],
)
def test_lists_with_labels(tmp_path: Path, name: str, rows: list[str]) -> None:
    make(tmp_path, *FLAT)
    table(tmp_path / name, *rows)
    dataset = opened(tmp_path)
    assert dataset.class_names == ("cat", "dog")
    assert all_labels(dataset) == WANTED
    assert sizes(dataset) == {"train": 2, "val": 2}


def test_lists_for_each_split(tmp_path: Path) -> None:
    make(tmp_path, *(f"images/{n}.png" for n in range(8)))
    table(tmp_path / "train.txt", *(f"images/{n}.png {n % 2}" for n in range(5)))
    table(tmp_path / "val.txt", "images/5.png 1", "images/6.png 0")
    table(tmp_path / "test.txt", "images/7.png 1")
    dataset = opened(tmp_path)
    assert dataset.class_names == ("0", "1")
    assert sizes(dataset) == {"train": 5, "val": 2, "test": 1}
    assert labels(dataset, "val") == {"images/5.png": "1", "images/6.png": "0"}
    assert sizes(opened(tmp_path, val="test")) == {"train": 5, "val": 1}


def test_a_column_with_the_split(tmp_path: Path) -> None:
    make(tmp_path, *(f"images/{n}.png" for n in range(6)))
    splits = ("Train", "train", "valid", "Validation", "test", "TRAINING")
    table(
        tmp_path / "metadata.csv",
        "filename,label,data set",
        *(f"{n}.png,{'ab'[n % 2]},{split}" for n, split in enumerate(splits)),
    )
    dataset = opened(tmp_path)
    assert sizes(dataset) == {"train": 3, "val": 2, "test": 1}
    assert labels(dataset, "test") == {"images/4.png": "a"}


def test_flat_folders_with_a_list_each(tmp_path: Path) -> None:
    make(tmp_path, "train*4", "test*2")
    table(tmp_path / "train.csv", "id,label", "0,cat", "1,dog", "2,cat", "3,dog")
    table(tmp_path / "test.csv", "id", "0", "1")
    dataset = opened(tmp_path)
    assert sizes(dataset) == {"train": 2, "val": 2}
    assert all_labels(dataset)["train/3.png"] == "dog"
    assert dataset.notes[0] == "test.csv is left out: it gives no labels"


def test_lists_inside_the_folders_of_splits(tmp_path: Path) -> None:
    for split in ("train", "val"):
        make(tmp_path, f"{split}/images*2")
        table(tmp_path / split / "labels.csv", "file,label", "0.png,cat", "1.png,dog")
    dataset = opened(tmp_path)
    assert labels(dataset, "val") == {"val/images/0.png": "cat", "val/images/1.png": "dog"}


def test_lists_of_class_folders(tmp_path: Path) -> None:
    """The shape of Food-101: images/CLASS/ID.jpg, meta/train.txt without endings, meta/classes.txt."""
    for name in ("apple_pie", "waffles"):
        make(tmp_path, *(f"images/{name}/{n}.jpg" for n in range(4)))
    names = ("apple_pie", "waffles")
    table(tmp_path / "meta/train.txt", *(f"{name}/{n}" for name in names for n in range(3)))
    table(tmp_path / "meta/test.txt", *(f"{name}/3" for name in names))
    table(tmp_path / "meta/classes.txt", *names)
    table(tmp_path / "meta/labels.txt", "Apple pie", "Waffles")
    dataset = opened(tmp_path, val="test")
    assert sizes(dataset) == {"train": 6, "val": 2}
    assert labels(dataset, "val") == {
        "images/apple_pie/3.jpg": "apple_pie",
        "images/waffles/3.jpg": "waffles",
    }


def test_lists_beside_class_folders(tmp_path: Path) -> None:
    make(tmp_path, "cat*4", "dog*4")
    table(tmp_path / "train.txt", "cat/0.png", "cat/1.png", "dog/0.png")
    table(tmp_path / "val.txt", "cat/2.png", "dog/3.png")
    assert sizes(opened(tmp_path)) == {"train": 3, "val": 2}


@pytest.mark.parametrize(
    ("numbers", "lines", "wanted"),
    [
        ("0101", ["cat", "dog"], "cat dog cat dog"),
        ("1212", ["cat", "dog"], "cat dog cat dog"),
        ("0202", ["cat", "cow", "dog"], "cat dog cat dog"),
        ("1313", ["cat", "cow", "dog"], "cat dog cat dog"),
        ("1212", ["1 cat", "2 dog"], "cat dog cat dog"),
        ("0101", ["0: cat", "1: dog"], "cat dog cat dog"),
        ("0101", ["3 colours", "2 colours"], "3 colours,2 colours,3 colours,2 colours"),
    ],
)
def test_numbers_get_their_names_from_classes_txt(
    tmp_path: Path, numbers: str, lines: list[str], wanted: str
) -> None:
    make(tmp_path, *FLAT)
    table(
        tmp_path / "labels.csv", "file,label", *(f"{n}.png,{m}" for n, m in zip("abcd", numbers, strict=True))
    )
    table(tmp_path / "classes.txt", *lines)
    names = wanted.split(",") if "," in wanted else wanted.split()
    assert list(dict(sorted(all_labels(opened(tmp_path)).items())).values()) == names


def test_numbers_start_alike_in_all_splits(tmp_path: Path) -> None:
    make(tmp_path, *(f"images/{n}.png" for n in range(5)))
    table(tmp_path / "train.txt", "0.png 1", "1.png 2", "2.png 3")
    table(tmp_path / "val.txt", "3.png 1", "4.png 2")
    table(tmp_path / "classes.txt", "a", "b", "c")
    dataset = opened(tmp_path)
    assert labels(dataset, "val") == {"images/3.png": "a", "images/4.png": "b"}


def test_numbers_without_names_are_in_order(tmp_path: Path) -> None:
    make(tmp_path, *(f"images/{n}.png" for n in range(12)))
    table(tmp_path / "labels.txt", *(f"{n}.png {n}" for n in range(12)))
    table(tmp_path / "val.txt", "0.png 0")
    data = DataConfig(root=tmp_path, val=SplitPaths(images=tmp_path / "images", list=tmp_path / "val.txt"))
    assert open_dataset(data).class_names == tuple(map(str, range(12)))


def test_labels_with_spaces_and_odd_names(tmp_path: Path) -> None:
    make(
        tmp_path, "my pictures/a b.png", "my pictures/c d.PNG", "my pictures/e,f.png", "my pictures/g.png.png"
    )
    rows = ["a b.png golden retriever", "c d.PNG poodle", "e,f.png golden retriever", "g.png.png poodle"]
    table(tmp_path / "labels.txt", *(f"my pictures/{row}" for row in rows))
    assert all_labels(opened(tmp_path)) == {
        "my pictures/a b.png": "golden retriever",
        "my pictures/c d.PNG": "poodle",
        "my pictures/e,f.png": "golden retriever",
        "my pictures/g.png.png": "poodle",
    }


def test_rows_without_a_label_are_left_out_with_a_note(tmp_path: Path) -> None:
    make(tmp_path, *FLAT, "img/e.png")
    table(tmp_path / "labels.csv", "file,label", "a.png,cat", "b.png,dog", "c.png,cat", "d.png,dog", "e.png,")
    dataset = opened(tmp_path)
    assert all_labels(dataset) == WANTED
    assert dataset.notes[0] == "1 row of labels.csv left out: no label"


def test_broken_images_of_lists_are_left_out(tmp_path: Path) -> None:
    make(tmp_path, *FLAT)
    (tmp_path / "img/e.png").write_bytes(b"")
    rows = [
        f"{file.name},{'cat' if file.stem in 'ace' else 'dog'}" for file in sorted(tmp_path.glob("img/*"))
    ]
    table(tmp_path / "labels.csv", "file,label", *rows)
    dataset = open_dataset(DataConfig(root=tmp_path))
    assert all_labels(dataset) == WANTED
    assert dataset.notes[0] == f"1 unreadable image left out: {tmp_path}/img/e.png (empty file)"


def test_a_list_named_in_the_config(tmp_path: Path) -> None:
    make(tmp_path / "pictures", "a.png", "b.png", "c.png", "d.png", "e.png")
    table(tmp_path / "mine/one.lst", "a.png,x", "b.png,y", "c.png,x")
    table(tmp_path / "mine/two.lst", "d.png,x", "e.png,y")
    images = tmp_path / "pictures"
    data = DataConfig(
        train=SplitPaths(images=images, list=tmp_path / "mine/one.lst"),
        val=SplitPaths(images=images, list=tmp_path / "mine/two.lst"),
    )
    dataset = open_dataset(data)
    assert (dataset.root, sizes(dataset)) == (images, {"train": 3, "val": 2})
    assert labels(dataset) == {"a.png": "x", "b.png": "y", "c.png": "x"}
    assert outline(data).train == 3


def test_side_tables_do_not_disturb_class_folders(tmp_path: Path) -> None:
    make(tmp_path, "train/cat*4", "train/dog*4", "val/cat*1", "val/dog*1")
    table(tmp_path / "noisy_imagenette.csv", "path,noisy_labels_0,noisy_labels_1", "x,y,z")
    table(tmp_path / "labels.csv", "file,label", "x.png,y")
    dataset = opened(tmp_path)
    assert sizes(dataset) == {"train": 8, "val": 2}
    assert dataset.notes == ("labels.csv not used: the folders name the classes",)


def test_a_table_that_agrees_with_class_folders(tmp_path: Path) -> None:
    make(tmp_path, "cat*4", "dog*4")
    table(tmp_path / "labels.csv", "file,label", "cat/0.png,cat", "dog/0.png,dog")
    assert sizes(opened(tmp_path)) == {"train": 6, "val": 2}
    table(tmp_path / "data.csv", "this,is,no", "list,of,images")
    (tmp_path / "labels.csv").unlink()
    assert sizes(opened(tmp_path)) == {"train": 6, "val": 2}


# Lists refused


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (
            ["file,label", "z.png,cat"],
            "labels.csv:2: there is no z.png in ROOT, ROOT/img: say where the images are",
        ),
        (["file,label", "a.png,cat", "b.png"], "labels.csv:3: expected 2 columns as in the first line."),
        (
            ["file,label", "a.png,cat", "a.png,dog"],
            "labels.csv:3: a.png is labelled dog, but cat on line 2.",
        ),
        (
            ["file,label", "a.png,cat", "b.png,cat"],
            "labels.csv has only one class (cat): at least two are needed.",
        ),
        (["file,label"], "labels.csv names no images."),
        (["file,label", "a.png,", "b.png,"], "labels.csv names no images with a label."),
        (
            ["a.png,cat,x", "b.png,dog,y"],
            "labels.csv: cannot tell which of 3 columns is the label: call it `label`.",
        ),
        (
            ["file,sort,kind", "a.png,cat,x", "b.png,dog,y"],
            "labels.csv: cannot tell which of 3 columns is the label: call it `label`.",
        ),
        (
            ["file,label,species", "a.png,cat,x", "b.png,cat,y"],
            "labels.csv: columns `label` and `species` may all be the label: keep one of them.",
        ),
        (
            ["file,image,label", "a.png,b.png,cat", "b.png,a.png,dog"],
            "labels.csv: columns `file` and `image` may all name the images: keep one of them.",
        ),
        (["alpha,beta,gamma", "1,2,3", "4,5,6"], "labels.csv: no column names the images: call it `file`."),
        (
            ["file,label", "../img/a.png,cat", "../img/b.png,dog"],
            "labels.csv:2: expected the path of an image in ROOT/img, got '../img/a.png'.",
        ),
    ],
)
def test_tables_refused(tmp_path: Path, rows: list[str], said: str) -> None:
    make(tmp_path, *FLAT)
    table(tmp_path / "labels.csv", *rows)
    assert refused(tmp_path).startswith(f"ROOT/{said}")


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (["a.png cat", "b.png"], "labels.txt:2: b.png has no label, the first line has one."),
        (["a.png", "b.png dog"], "labels.txt:2: b.png has a label, the first line has none."),
        (["a 1 2 3", "b 1 2 3"], "labels.txt:1: expected `path` or `path label`, got 'a 1 2 3'."),
    ],
)
def test_text_lists_refused(tmp_path: Path, rows: list[str], said: str) -> None:
    make(tmp_path, *FLAT)
    table(tmp_path / "labels.txt", *rows)
    assert refused(tmp_path) == f"ROOT/{said}"


def test_a_number_without_a_name_is_refused(tmp_path: Path) -> None:
    make(tmp_path, *FLAT)
    table(tmp_path / "labels.csv", "file,label", "a.png,0", "b.png,5")
    table(tmp_path / "classes.txt", "cat", "dog")
    assert refused(tmp_path) == "ROOT/labels.csv has the label 5, but classes.txt has 2 names."


def test_a_class_only_in_the_validation_list_is_refused(tmp_path: Path) -> None:
    make(tmp_path, *FLAT)
    table(tmp_path / "train.csv", "file,label", "a.png,cat", "b.png,dog")
    table(tmp_path / "val.csv", "file,label", "c.png,cat", "d.png,dgo")
    assert refused(tmp_path) == (
        "ROOT/val.csv has a class dgo, which the training folder does not have (did you mean 'dog'?)."
    )


@pytest.mark.parametrize(
    ("second", "said"),
    [
        ("annotations.csv", "ROOT has both annotations.csv and labels.csv: name the one that counts"),
        ("meta/labels.txt", "ROOT has both labels.csv and meta/labels.txt: name the one that counts"),
    ],
)
def test_two_lists_are_not_guessed(tmp_path: Path, second: str, said: str) -> None:
    make(tmp_path, *FLAT)
    for name in ("labels.csv", second):
        table(tmp_path / name, "a.png,cat", "b.png,dog")
    assert refused(tmp_path) == f"{said}, as data.train: {{images: FOLDER, list: FILE}}."


def test_images_in_two_places_are_not_guessed(tmp_path: Path) -> None:
    make(tmp_path, "images/a.png", "images/b.png", "train/a.png", "train/b.png")
    table(tmp_path / "labels.csv", "a.png,cat", "b.png,dog")
    assert refused(tmp_path).startswith(
        "ROOT/labels.csv matches the images in ROOT/images and those in ROOT/train: name one, as data.train:"
    )


def test_two_endings_are_not_guessed(tmp_path: Path) -> None:
    make(tmp_path, "img/a.png", "img/b.png", "img/a.jpg")
    table(tmp_path / "labels.csv", "id,label", "a,cat", "b,dog")
    assert refused(tmp_path) == "ROOT/img/a may be a.jpg or a.png."


def test_a_table_that_contradicts_class_folders_is_not_guessed(tmp_path: Path) -> None:
    make(tmp_path, "cat*4", "dog*4")
    table(tmp_path / "labels.csv", "file,label", "cat/0.png,tabby", "dog/0.png,poodle")
    assert refused(tmp_path) == (
        "ROOT has class folders, and labels.csv with other labels: name what counts, as data.train: "
        "{images: FOLDER} or {images: FOLDER, list: FILE}."
    )


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    make(tmp_path, *FLAT)
    (tmp_path / "labels.csv").write_bytes(b"a.png,\xff\xfe\n")
    assert refused(tmp_path) == "ROOT/labels.csv:1: it is not UTF-8 text (byte 0xff): save it as UTF-8."


def test_paths_of_lists_stay_inside_the_folder(tmp_path: Path) -> None:
    make(tmp_path, "set/img/a.png", "set/img/b.png", "far/c.png")
    table(tmp_path / "set/labels.csv", *(["a.png,cat", "b.png,dog"] * 15), "../../far/c.png,cat")
    train = SplitPaths(images=tmp_path / "set/img", list=tmp_path / "set/labels.csv")
    data = DataConfig(root=tmp_path / "set", train=train)
    with pytest.raises(
        DataError, match=r"labels.csv:31: expected the path of an image in .*, got '\.\./\.\./far"
    ):
        open_dataset(data)


def test_one_file_written_in_two_ways(tmp_path: Path) -> None:
    make(tmp_path, *FLAT)
    rows = [f"{tmp_path}/img/a.png,cat", "b.png,dog", "./c.png,cat", "c.png,cat", "d.png,dog", "d,dog"]
    table(tmp_path / "img/labels.csv", *rows)
    assert all_labels(opened(tmp_path)) == WANTED
    table(tmp_path / "img/labels.csv", *rows[:-1], "./d.png,cat")
    assert refused(tmp_path) == "ROOT/img/labels.csv:6: ROOT/img/d.png is labelled cat and dog."


def test_labels_are_harmless_for_terminals(tmp_path: Path) -> None:
    make(tmp_path, *FLAT)
    table(tmp_path / "labels.csv", "a.png,\x1b[2Jcat", "b.png,dog", "c.png,\x1b[2Jcat", "d.png,dog")
    assert opened(tmp_path).class_names == ("dog", "␛[2Jcat")


def test_a_long_list_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path, *FLAT)
    table(tmp_path / "labels.csv", "a.png,cat", "b.png,dog", "c.png,cat", "d.png,dog")
    reads: list[Path] = []
    real = label_tables.read_text  # type: ignore[attr-defined]
    monkeypatch.setattr(
        label_tables, "read_text", lambda path, *more: (reads.append(path), real(path, *more))[1]
    )
    open_dataset(DataConfig(root=tmp_path))
    assert reads.count(tmp_path / "labels.csv") == 1
    os.utime(tmp_path / "labels.csv", ns=(1, 1))
    open_dataset(DataConfig(root=tmp_path))
    assert reads.count(tmp_path / "labels.csv") == 2
