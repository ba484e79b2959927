"""Class folders opened: splits found, held out, listed; what is left out and what is refused."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from core.config.schema import DataConfig, Split, SplitPaths
from core.datasets.dataset import Dataset
from core.datasets.open import open_dataset, require_root
from core.errors import DataError


def picture(path: Path, **how: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (4, 4)).save(path, **how)


def make(root: Path, **splits: dict[str, int]) -> Path:
    """`train={"cat": 3}` -> root/train/cat/0.png ... 2.png; `_` is the root itself."""
    for split, classes in splits.items():
        for name, count in classes.items():
            folder = (root if split == "_" else root / split) / name
            folder.mkdir(parents=True, exist_ok=True)
            for number in range(count):
                picture(folder / f"{number}.png")
    return root


def config(root: Path | None = None, **changes: Any) -> DataConfig:
    return DataConfig(root=root, **changes)


def refused(data: DataConfig, root: Path) -> str:
    with pytest.raises(DataError) as caught:
        open_dataset(data)
    return str(caught.value).replace(str(root), "ROOT")


def sizes(dataset: Dataset) -> dict[str, int]:
    return {split: len(files) for split, files in dataset.splits.items()}


TWO = {"cat": 4, "dog": 6}


# Splits


def test_train_val_and_test_are_found(tmp_path: Path) -> None:
    make(tmp_path, train=TWO, valid={"cat": 1, "dog": 2}, test={"cat": 1, "dog": 1})
    dataset = open_dataset(config(tmp_path))
    assert dataset.class_names == ("cat", "dog")
    assert sizes(dataset) == {"train": 10, "val": 3, "test": 2}
    assert dataset.splits["val"].paths == ("valid/cat/0.png", "valid/dog/0.png", "valid/dog/1.png")
    assert dataset.splits["val"].labels == (0, 1, 1)
    assert dataset.counts("train") == (4, 6)
    assert dataset.root == tmp_path
    assert dataset.notes == ()


def test_validation_may_be_the_test_folder_and_it_is_said(tmp_path: Path) -> None:
    make(tmp_path, train=TWO, test={"cat": 1, "dog": 1})
    dataset = open_dataset(config(tmp_path, val="test"))
    assert sizes(dataset) == {"train": 10, "val": 2}
    assert dataset.notes == ("validation is the test folder: the best epoch is chosen on it",)
    by_path = open_dataset(config(tmp_path, val=SplitPaths(images=tmp_path / "test")))
    assert by_path == dataset


def test_a_part_of_train_is_held_out(tmp_path: Path) -> None:
    make(tmp_path, train={"cat": 20, "dog": 40}, test={"cat": 1, "dog": 1})
    dataset = open_dataset(config(tmp_path, split=Split(ratio=0.2)))
    assert sizes(dataset) == {"train": 48, "val": 12, "test": 2}
    assert dataset.counts("val") == (4, 8)
    assert not set(dataset.splits["train"].paths) & set(dataset.splits["val"].paths)
    assert dataset.notes == ("12 training images held out for validation (seed 0)",)
    assert open_dataset(config(tmp_path, split=Split(ratio=0.2))) == dataset
    other = open_dataset(config(tmp_path, split=Split(ratio=0.2, seed=1)))
    assert sizes(other) == sizes(dataset)
    assert other.splits["val"].paths != dataset.splits["val"].paths
    assert other.fingerprint != dataset.fingerprint


def test_the_root_itself_may_hold_the_classes(tmp_path: Path) -> None:
    dataset = open_dataset(config(make(tmp_path, _={"cat": 10, "dog": 10})))
    assert sizes(dataset) == {"train": 18, "val": 2}
    assert dataset.splits["train"].paths[0].startswith("cat/")


def test_splits_named_without_a_root(tmp_path: Path) -> None:
    make(tmp_path / "a", tr=TWO)
    make(tmp_path / "b", va={"cat": 1, "dog": 1})
    train, val = SplitPaths(images=tmp_path / "a/tr"), SplitPaths(images=tmp_path / "b/va")
    dataset = open_dataset(config(train=train, val=val))
    assert dataset.root == tmp_path
    assert dataset.splits["val"].paths == ("b/va/cat/0.png", "b/va/dog/0.png")


def test_a_split_outside_the_root(tmp_path: Path) -> None:
    make(tmp_path / "set", train=TWO)
    make(tmp_path / "far", va={"cat": 1, "dog": 1})
    dataset = open_dataset(config(tmp_path / "set", val=SplitPaths(images=tmp_path / "far/va")))
    assert dataset.splits["val"].paths[0] == "../far/va/cat/0.png"
    assert (dataset.root / dataset.splits["val"].paths[0]).is_file()


def test_list_files_choose_images(tmp_path: Path) -> None:
    make(tmp_path, all=TWO)
    (tmp_path / "train.txt").write_text("# mine\ncat/0.png\ncat/1.png\ncat/1.png\n\ndog/3.png\n")
    (tmp_path / "val.txt").write_text("cat/3.png\ncat/1.png\ndog/5.png\n")
    images = tmp_path / "all"
    dataset = open_dataset(
        config(
            tmp_path,
            train=SplitPaths(images=images, list=tmp_path / "train.txt"),
            val=SplitPaths(images=images, list=tmp_path / "val.txt"),
        )
    )
    assert dataset.splits["train"].paths == ("all/cat/0.png", "all/cat/1.png", "all/dog/3.png")
    assert dataset.splits["val"].paths == ("all/cat/1.png", "all/cat/3.png", "all/dog/5.png")
    assert dataset.notes[-1] == "1 image is in both train and val"
    assert dataset.notes[0].startswith("5 images in the same folders are not used: all/cat/2.png, ")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("cat/9.png", "ROOT/train.txt:2: ROOT/all/cat/9.png does not exist."),
        ("cow/9.png", "ROOT/train.txt:2: expected CLASS/image, got 'cow/9.png'."),
        ("0.png", "ROOT/train.txt:2: expected CLASS/image, got '0.png'."),
        ("../x/0.png", "ROOT/train.txt:2: expected CLASS/image, got '../x/0.png'."),
        ("/etc/passwd", "ROOT/train.txt:2: expected CLASS/image, got '/etc/passwd'."),
    ],
)
def test_list_files_refused(tmp_path: Path, line: str, said: str) -> None:
    make(tmp_path, all=TWO)
    (tmp_path / "train.txt").write_text(f"cat/0.png\n{line}\n")
    train = SplitPaths(images=tmp_path / "all", list=tmp_path / "train.txt")
    assert refused(config(tmp_path, train=train), tmp_path) == said


def test_a_missing_list_file_is_named(tmp_path: Path) -> None:
    make(tmp_path, all=TWO)
    train = SplitPaths(images=tmp_path / "all", list=tmp_path / "no.txt")
    said = refused(config(tmp_path, train=train), tmp_path)
    assert said == "ROOT/no.txt: there is no such file."


# Classes


def test_classes_called_no_yes_on_off_keep_their_names(tmp_path: Path) -> None:
    make(tmp_path, train={"no": 2, "yes": 2, "on": 2, "off": 2})
    data = config(tmp_path, classes=("no", "yes", "on", "off"))
    assert open_dataset(data).class_names == ("no", "yes", "on", "off")
    assert open_dataset(config(tmp_path)).class_names == ("no", "off", "on", "yes")


def test_orders(tmp_path: Path) -> None:
    make(tmp_path, train={"b": 2, "a": 3, "c": 3})
    (tmp_path / "classes.txt").write_text("c\nb\na\n")
    assert open_dataset(config(tmp_path, order="name")).class_names == ("a", "b", "c")
    assert open_dataset(config(tmp_path, order="frequency")).class_names == ("a", "c", "b")
    by_file = open_dataset(config(tmp_path, order="file"))
    assert by_file.class_names == ("c", "b", "a")
    assert (
        dict(zip(by_file.splits["train"].paths, by_file.splits["train"].labels, strict=True))[
            next(path for path in by_file.splits["train"].paths if path.startswith("train/b/"))
        ]
        == 1
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a\n", "ROOT/classes.txt does not name each class folder once: see 'b'."),
        ("a\nb\nx\n", "ROOT/classes.txt does not name each class folder once: see 'x'."),
        ("a\na\nb\n", "ROOT/classes.txt does not name each class folder once: see 'a'."),
        (None, "data.order is file, but ROOT/classes.txt cannot be read: one class name a line."),
    ],
)
def test_class_files_refused(tmp_path: Path, text: str | None, said: str) -> None:
    make(tmp_path, train={"a": 2, "b": 2})
    if text is not None:
        (tmp_path / "classes.txt").write_text(text)
    assert refused(config(tmp_path, order="file"), tmp_path) == said


def test_chosen_classes_leave_the_others_out(tmp_path: Path) -> None:
    make(tmp_path, train={"cat": 4, "dog": 4, "cow": 4}, val={"cat": 1, "dog": 1, "cow": 1})
    dataset = open_dataset(config(tmp_path, classes=("dog", "cat")))
    assert dataset.class_names == ("dog", "cat")
    assert sizes(dataset) == {"train": 8, "val": 2}
    assert dataset.notes == ("1 class left out, not in data.classes: cow",)


# What is left out


def test_hidden_and_strange_files_are_left_out(tmp_path: Path) -> None:
    make(tmp_path, train=TWO, val={"cat": 1, "dog": 1})
    picture(tmp_path / "train/cat/deep/er/9.jpg")
    picture(tmp_path / "train/cat/._1.png")
    picture(tmp_path / "train/loose.png")
    picture(tmp_path / "train/.ipynb_checkpoints/1.png")
    picture(tmp_path / "train/__MACOSX/1.png")
    (tmp_path / "train/cat/notes.txt").write_text("x")
    dataset = open_dataset(config(tmp_path))
    assert dataset.counts("train") == (5, 6)
    assert "train/cat/deep/er/9.jpg" in dataset.splits["train"].paths
    assert dataset.notes == (
        "1 file in class folders that is not an image left out",
        f"1 image outside class folders, in {tmp_path}/train left out",
    )


def test_names_that_are_not_utf_8_are_left_out(tmp_path: Path) -> None:
    make(tmp_path, train=TWO, val={"cat": 1, "dog": 1})
    source = tmp_path / "train/cat/0.png"
    os.link(source, os.fsencode(tmp_path / "train/cat") + b"/\xff\xfe.png")
    dataset = open_dataset(config(tmp_path))
    assert dataset.counts("train") == (4, 6)
    (note,) = dataset.notes
    assert note.startswith("1 image left out, its name is not UTF-8: cat/\\xff\\xfe.png; rename it")


def test_class_names_are_harmless_for_terminals(tmp_path: Path) -> None:
    make(tmp_path, train={"\x1b[2Jcat": 2, "dog": 2}, val={"\x1b[2Jcat": 1, "dog": 1})
    dataset = open_dataset(config(tmp_path))
    assert dataset.class_names == ("␛[2Jcat", "dog")
    assert (dataset.root / dataset.splits["train"].paths[0]).is_file()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty file"),
        (b"<html>404</html>", "not an image"),
        (b"\xff\xd8\xff\xe0 cut", "Truncated File Read"),
    ],
)
def test_unreadable_images_are_named_and_left_out(tmp_path: Path, content: bytes, reason: str) -> None:
    make(tmp_path, train=TWO, val={"cat": 1, "dog": 1})
    broken = tmp_path / "train/cat/broken.jpg"
    broken.write_bytes(content)
    dataset = open_dataset(config(tmp_path))
    assert dataset.counts("train") == (4, 6)
    assert dataset.notes == (f"1 unreadable image left out: {broken} ({reason})",)


@pytest.mark.parametrize("name", ["cut.png", "cut.jpg", "cut.bmp"])
def test_cut_off_images_are_left_out(tmp_path: Path, name: str) -> None:
    make(tmp_path, train=TWO, val={"cat": 1, "dog": 1})
    file = tmp_path / "train/cat" / name
    Image.effect_noise((64, 64), 90).convert("RGB").save(file)
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    dataset = open_dataset(config(tmp_path))
    assert dataset.counts("train") == (4, 6)
    assert dataset.notes[0].startswith(f"1 unreadable image left out: {file} (")


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.bmp", "a.gif", "a.webp", "a.tif", "a.ppm", "A.JPEG"])
def test_image_formats(tmp_path: Path, name: str) -> None:
    make(tmp_path, train={"cat": 2, "dog": 2}, val={"cat": 1, "dog": 1})
    picture(tmp_path / "train/cat" / name)
    assert open_dataset(config(tmp_path)).counts("train") == (3, 2)


def test_bytes_after_a_jpeg_do_no_harm(tmp_path: Path) -> None:
    make(tmp_path, train=TWO, val={"cat": 1, "dog": 1})
    picture(tmp_path / "train/cat/a.jpg")
    with open(tmp_path / "train/cat/a.jpg", "ab") as file:
        file.write(b"camera notes")
    assert open_dataset(config(tmp_path)).counts("train") == (5, 6)


def test_classes_without_validation_images_are_named(tmp_path: Path) -> None:
    make(tmp_path, train=TWO, val={"cat": 1})
    assert open_dataset(config(tmp_path)).notes == ("no val images of dog",)


# What is refused


def test_a_missing_root_prints_the_path_tried(tmp_path: Path) -> None:
    (tmp_path / "cifar10").mkdir()
    said = refused(config(tmp_path / "cifar"), tmp_path)
    assert said == (
        "ROOT/cifar does not exist (did you mean 'cifar10'?): correct the path in the config, or give --data."
    )
    with pytest.raises(DataError, match="cifar does not exist"):
        require_root(config(tmp_path / "cifar"))


def test_a_deep_missing_root_prints_the_path_tried(tmp_path: Path) -> None:
    said = refused(config(tmp_path / "a/b/c"), tmp_path)
    assert said == "ROOT/a/b/c does not exist: correct the path in the config, or give --data."


def test_other_refusals(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("x")
    empty = tmp_path / "empty"
    empty.mkdir()
    flat = tmp_path / "flat"
    picture(flat / "a.png")
    one = make(tmp_path / "one", train={"cat": 2})
    hollow = make(tmp_path / "hollow", train={"cat": 2, "dog": 0, "cow": 0})
    blank = make(tmp_path / "blank", train={"cat": 0, "dog": 0})
    no_test = make(tmp_path / "no_test", train=TWO)
    no_train = make(tmp_path / "no_train", test=TWO, old={"cat": 1})
    strange = make(tmp_path / "strange", train=TWO, val={"cat": 1, "dgo": 1})
    bare = make(tmp_path / "bare", train=TWO, val={"cat": 0, "dog": 0})
    single = make(tmp_path / "single", train={"cat": 1, "dog": 1})
    for data, said in [
        (config(file), "ROOT/file is not a folder."),
        (config(empty), "ROOT/empty has no class folders: expected ROOT/empty/CLASS/image.jpg."),
        (config(flat), "ROOT/flat has images but no class folders: expected ROOT/flat/CLASS/image.jpg."),
        (config(one), "ROOT/one/train has only one class (cat): at least two are needed."),
        (
            config(hollow),
            "Class cow (and 1 more) has no training images in ROOT/hollow/train: add some, remove the "
            "folder, or name the classes to use in data.classes.",
        ),
        (
            config(blank),
            "ROOT/blank/train has no images that can be read: expected ROOT/blank/train/CLASS/image.jpg.",
        ),
        (
            config(no_test, val="test"),
            "data.val is test, but ROOT/no_test has no folder test: name the folder in data.test, or set "
            "data.val to null to hold out a part of the training images.",
        ),
        (
            config(no_train),
            "ROOT/no_train has ROOT/no_train/test but no folder train: name it in data.train.",
        ),
        (
            config(strange),
            "ROOT/strange/val has a class dgo, which the training folder does not have "
            "(did you mean 'dog'?).",
        ),
        (
            config(bare, val=SplitPaths(images=bare / "val")),
            "ROOT/bare/val has no images of the training classes.",
        ),
        (config(single), "Every class has a single image: nothing can be held out for validation."),
        (
            config(no_test, classes=("cat", "dgo")),
            "data.classes names 'dgo', but ROOT/no_test/train has no such folder (did you mean 'dog'?).",
        ),
    ]:
        assert refused(data, tmp_path) == said


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_read(tmp_path: Path) -> None:
    make(tmp_path, train=TWO)
    (tmp_path / "train").chmod(0)
    try:
        assert refused(config(tmp_path), tmp_path) == "ROOT/train may not be read: change its permissions."
    finally:
        (tmp_path / "train").chmod(0o700)


@pytest.mark.parametrize("ok", ["folder", "synthetic"])
def test_the_quick_check_accepts_what_can_be_opened(tmp_path: Path, ok: str) -> None:
    make(tmp_path / "folder", train=TWO)
    require_root(config(tmp_path / ok, format=ok))
    assert not (tmp_path / "synthetic").exists()
