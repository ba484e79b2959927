"""The keys of `data`: where a data set lies and how it is split."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator
from pydantic_core import PydanticCustomError

from core.config.parts import ClassNames, Section, Switch, field, section

CLASSES_IN_GROUP = 3
ARRAY_FORMATS = ("cifar10", "cifar100", "mnist", "fashionmnist")
"""Formats whose images lie in a few files, as torchvision keeps them."""


def _test_or_folder(value: object) -> object:
    if value is None or value == "test" or isinstance(value, (dict, BaseModel)):
        return value
    raise PydanticCustomError("test_or_folder", "expected a folder, or the word test")


class SplitPaths(Section):
    """Where the images of one split are."""

    images: Path = field()
    """Folder with one folder for each class; relative to `data.root` when that is given."""
    list: Path | None = field(None)
    """File naming the images to use, relative to `images`: one a line, or `file,label`; all when absent."""


class Split(Section):
    """The validation part held out of the training images when there is none of its own."""

    ratio: float = field(0.1, gt=0, le=0.5)
    """Share of the training images held out for validation, at most 0.5."""
    seed: int = field(0, ge=0)
    """Which images are held out; independent of the run's seed."""
    stratify: Switch = field(True)
    """Hold out the same share of every class."""


class Synthetic(Section):
    """The pictures that the format `synthetic` draws: fine-grained classes in groups, uneven counts."""

    groups: int = field(4, ge=1, le=8)
    """Number of groups (shapes)."""
    classes: int = field(8, ge=2, le=24)
    """Number of classes, shared out evenly over the groups; up to 3 in a group."""
    images: int = field(1600, ge=20, le=100_000)
    """Number of pictures, test included."""
    size: int = field(32, ge=16, le=256)
    """Width and height of a picture in pixels."""
    seed: int = field(0, ge=0)
    """Seed of the pictures."""
    imbalance: float = field(4.0, ge=1, le=50)
    """How many times more pictures the largest class has than the smallest."""


class DataConfig(Section):
    """The data set: paths are absolute here, whatever the file said."""

    format: Literal["auto", "folder", "cifar10", "cifar100", "mnist", "fashionmnist", "synthetic"] = field(
        "auto"
    )
    """How the data lie on disk: class folders, the files of torchvision's sets, or drawn; auto detects it."""
    root: Path | None = field(None)
    """Folder of the data set; `train`, `val` and `test` in it are found by name."""
    train: SplitPaths | None = field(None)
    """Folder of training images, when it is not `root`/train."""
    val: Annotated[SplitPaths | Literal["test"] | None, BeforeValidator(_test_or_folder)] = field(None)
    """Folder of validation images; `test` takes the test images; absent: found, else held out of train."""
    test: SplitPaths | None = field(None)
    """Folder of test images, when it is not `root`/test."""
    split: Split = section(Split, "Data")
    """The part held out for validation."""
    classes: ClassNames | None = field(None)
    """The classes to use, in this order; all when absent."""
    order: Literal["name", "frequency", "file"] = field("name")
    """Order of the classes: by name, by falling count, or as in the set's own file (classes.txt)."""
    synthetic: Synthetic | None = field(None)
    """What to draw, for the format synthetic."""
