"""Data sets with a class for each image, as people have them after unpacking or exporting."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tests.field_trees import Tree, lines, picture

_TWO = ("cat", "dog")
_CARDS = ("ace of clubs", "joker", "two of hearts")
_ROI = "Width;Height;Roi.X1;Roi.Y1;Roi.X2;Roi.Y2;ClassId"
CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def cards(root: Path) -> None:
    """Class folders, and a table that says the same."""
    rows = []
    for split, number in (("train", 4), ("valid", 2), ("test", 2)):
        for label, name in enumerate(_CARDS):
            for index in range(number):
                picture(root / split / name / f"{index:03}.jpg", 32, 32)
                rows.append(f"{label},{split}/{name}/{index:03}.jpg,{name},{name.split()[0]},{split}")
    lines(root / "cards.csv", "class index,filepaths,labels,card type,data set", *rows)


def kaggle_cifar(root: Path) -> None:
    """Images of test have the names of those of train; the table to hand in looks like labels."""
    for index in range(1, 13):
        picture(root / f"train/{index}.png", 32, 32)
    for index in range(1, 16):
        picture(root / f"test/{index}.png", 32, 32)
    lines(root / "trainLabels.csv", "id,label", *(f"{index},{_TWO[index % 2]}" for index in range(1, 13)))
    lines(root / "sampleSubmission.csv", "id,label", *(f"{index},cat" for index in range(1, 16)))


def one_hot(root: Path) -> None:
    """Roboflow's multi-class table in each folder; a row with two classes and one with none."""
    for split, number in (("train", 10), ("valid", 4)):
        rows = [f"{split}{index}.jpg, {index % 2}, {1 - index % 2}" for index in range(number)]
        for index in range(number):
            picture(root / split / f"{split}{index}.jpg", 32, 32)
        if split == "train":
            rows[0], rows[1] = "train0.jpg, 1, 1", "train1.jpg, 0, 0"
        lines(root / split / "_classes.csv", "filename, dog, cat", *rows)


def one_hot_kaggle(root: Path) -> None:
    """One folder for all images, ids without endings; test without columns of classes."""
    for index in range(8):
        picture(root / f"images/Train_{index}.jpg", 32, 32)
        picture(root / f"images/Test_{index}.jpg", 32, 32)
    rows = [f"Train_{index},{1.0 - index % 2},{float(index % 2)}" for index in range(8)]
    lines(root / "train.csv", "image_id,cat,dog", *rows)
    lines(root / "test.csv", "image_id", *(f"Test_{index}" for index in range(8)))


def tiny_imagenet(root: Path) -> None:
    words = ("n01443537", "n01629819")
    for word in words:
        for index in range(4):
            picture(root / f"train/{word}/images/{word}_{index}.JPEG", 32, 32)
        boxes = [f"{word}_{index}.JPEG\t0\t10\t30\t31" for index in range(4)]
        lines(root / f"train/{word}/{word}_boxes.txt", *boxes)
    for index in range(4):
        picture(root / f"val/images/val_{index}.JPEG", 32, 32)
        picture(root / f"test/images/test_{index}.JPEG", 32, 32)
    rows = [f"val_{index}.JPEG\t{words[index % 2]}\t0\t3\t4\t6" for index in range(4)]
    lines(root / "val/val_annotations.txt", *rows)
    lines(root / "wnids.txt", *words)
    lines(root / "words.txt", "n01443537\tgoldfish, Carassius auratus")


def cub(root: Path) -> None:
    """Four files that map the numbers of images, in folders of classes; more of the like beside them."""
    names = ("001.Black_footed_Albatross", "002.Laysan_Albatross")
    paths = [f"{name}/{name[4:]}_{index:04}.jpg" for name in names for index in range(5)]
    for path in paths:
        picture(root / "images" / path, 32, 32)
    numbered = list(enumerate(paths, 1))
    lines(root / "images.txt", *(f"{number} {path}" for number, path in numbered))
    lines(root / "image_class_labels.txt", *(f"{number} {1 + (number > 5)}" for number, _ in numbered))
    lines(root / "train_test_split.txt", *(f"{number} {int(number % 5 > 1)}" for number, _ in numbered))
    lines(root / "bounding_boxes.txt", *(f"{number} 1.0 2.0 20.0 20.0" for number, _ in numbered))
    lines(root / "classes.txt", *(f"{number} {name}" for number, name in enumerate(names, 1)))
    lines(root / "parts/parts.txt", "1 back")


def gtsrb(root: Path) -> None:
    """Class folders called 00000, test images in one folder with labels 0, 1, 2; semicolons."""
    for label in range(3):
        names = [f"{index:05}.ppm" for index in range(4)]
        for name in names:
            picture(root / f"Final_Training/Images/{label:05}/{name}", 32, 32)
        rows = [f"{name};32;32;5;5;27;27;{label}" for name in names]
        lines(root / f"Final_Training/Images/{label:05}/GT-{label:05}.csv", f"Filename;{_ROI}", *rows)
    for index in range(6):
        picture(root / f"Final_Test/Images/{index:05}.ppm", 32, 32)
    rows = [f"{index:05}.ppm;32;32;5;5;27;27;{index % 3}" for index in range(6)]
    lines(root / "Final_Test/Images/GT-final_test.csv", f"Filename;{_ROI}", *rows)


def gtsrb_kaggle(root: Path) -> None:
    """Train/0, Train/1, ...; Test flat with Test.csv beside it; a folder of pictures for each sign."""
    head, train, test = f"{_ROI.replace(';', ',')},Path", [], []
    for label in range(3):
        for index in range(4):
            picture(root / f"Train/{label}/{label:05}_{index}.png", 32, 32)
            train.append(f"32,32,5,5,27,27,{label},Train/{label}/{label:05}_{index}.png")
        picture(root / f"Meta/{label}.png", 32, 32)
    for index in range(6):
        picture(root / f"Test/{index:05}.png", 32, 32)
        test.append(f"32,32,5,5,27,27,{index % 3},Test/{index:05}.png")
    lines(root / "Train.csv", head, *train)
    lines(root / "Test.csv", head, *test)
    lines(root / "Meta.csv", "Path,ClassId", *(f"Meta/{label}.png,{label}" for label in range(3)))


def idx(path: Path, values: NDArray[np.int64], code: int = 8, kind: str = ">u1") -> None:
    """An idx file with numbers of the type `code`, gzipped where its name says so."""
    path.parent.mkdir(parents=True, exist_ok=True)
    sides = b"".join(int(side).to_bytes(4, "big") for side in values.shape)
    data = bytes([0, 0, code, values.ndim]) + sides + values.astype(kind).tobytes()
    path.write_bytes(gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)


def idx_set(
    root: Path, name: str = "{0}-{1}-idx{2}-ubyte", *, first: int = 0, code: int = 8, kind: str = ">u1"
) -> None:
    """Idx files without a folder that says of which set; labels from `first` on, three of them."""
    for split, number in (("train", 12), ("t10k", 6)):
        pixels = np.random.default_rng(number).integers(0, 255, (number, 28, 28))
        idx(root / name.format(split, "images", 3), pixels)
        idx(root / name.format(split, "labels", 1), first + np.arange(number) % 3, code, kind)


def cifar_binary(root: Path) -> None:
    folder = root / "cifar-10-batches-bin"
    folder.mkdir(parents=True)
    for number, name in enumerate([*(f"data_batch_{n}" for n in range(1, 6)), "test_batch"]):
        rows = np.random.default_rng(number).integers(0, 255, (10, 3073), dtype=np.uint8)
        rows[:, 0] = np.arange(10)
        (folder / f"{name}.bin").write_bytes(rows.tobytes())
    lines(folder / "batches.meta.txt", *CIFAR10, "")


_NUMBERS = ("0", "1", "2")
_HELD = {"train": 9, "val": 3, "test": 6}
CLASS_TREES = {
    "cards": Tree(cards, "folder", _CARDS, {"train": 12, "val": 6, "test": 6}),
    "Kaggle CIFAR-10": Tree(
        kaggle_cifar, "folder", _TWO, {"train": 10, "val": 2}, told="test is left out: no list gives labels"
    ),
    "one-hot": Tree(
        one_hot,
        "folder",
        _TWO,
        {"train": 8, "val": 4},
        told="1 row of _classes.csv left out: several classes",
    ),
    "one-hot of Kaggle": Tree(
        one_hot_kaggle,
        "folder",
        _TWO,
        {"train": 6, "val": 2},
        told="8 images in the same folders are not used: images/Test_0.jpg, ",
    ),
    "Tiny ImageNet": Tree(
        tiny_imagenet,
        "folder",
        ("n01443537", "n01629819"),
        {"train": 8, "val": 4},
        told="test is left out: its images have no class folders",
    ),
    "CUB-200": Tree(
        cub,
        "folder",
        ("001.Black_footed_Albatross", "002.Laysan_Albatross"),
        {"train": 4, "val": 2, "test": 4},
    ),
    "GTSRB": Tree(gtsrb, "folder", ("00000", "00001", "00002"), _HELD),
    "GTSRB of Kaggle": Tree(
        gtsrb_kaggle, "folder", _NUMBERS, _HELD, told="Meta left out: not one of the splits"
    ),
    "idx files": Tree(idx_set, "idx", _NUMBERS, _HELD),
    "idx files with dots": Tree(lambda root: idx_set(root, "{0}-{1}.idx{2}-ubyte"), "idx", _NUMBERS, _HELD),
    "idx files of EMNIST": Tree(
        lambda root: idx_set(root / "gzip", "emnist-letters-{0}-{1}-idx{2}-ubyte.gz", first=1),
        "idx",
        ("1", "2", "3"),
        _HELD,
    ),
    "idx files with labels of four bytes": Tree(
        lambda root: idx_set(root, code=12, kind=">i4"), "idx", _NUMBERS, _HELD
    ),
    "CIFAR-10 binary": Tree(cifar_binary, "cifar10", CIFAR10, {"train": 40, "val": 10, "test": 10}),
}
