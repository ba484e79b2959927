"""The data formats: what all rooms know of each, and the module that reads it.

A further format is a module and a line in this table. The module has `FORMATS`, which maps the names that it
reads to a `core.datasets.format.Format`; for boxes `core.datasets.boxes.box_format.BoxFormat` is one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Task = Literal["classification", "detection"]


@dataclass(frozen=True)
class DataFormat:
    """One format. `label` is for people; `task`: images have a class each, or boxes; None: its settings say.

    `files`: endings of a file that stands for the whole set. `settings`: keys of `data` that only some
    formats read. `fixed_splits`: its files say what is train and what is test, so that no folders can be
    named for them. `published`: `labtui data add NAME` fetches it.
    """

    name: str
    label: str
    module: str
    task: Task | None
    files: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    fixed_splits: bool = False
    published: bool = False


TABLE = "csv"
_BOXES, _FILES = "core.datasets.boxes", "core.datasets.published.arrays"
_VOC, _COCO = ("difficult", "one_based"), ("boxes",)
_TABLE = (
    DataFormat("folder", "class folders", "core.datasets.class_folders.folder_format", "classification"),
    DataFormat("cifar10", "CIFAR-10", _FILES, "classification", fixed_splits=True, published=True),
    DataFormat("cifar100", "CIFAR-100", _FILES, "classification", fixed_splits=True, published=True),
    DataFormat("mnist", "MNIST", _FILES, "classification", fixed_splits=True, published=True),
    DataFormat("fashionmnist", "FashionMNIST", _FILES, "classification", fixed_splits=True, published=True),
    DataFormat("idx", "idx files", _FILES, "classification", fixed_splits=True),
    DataFormat("voc", "images with boxes (VOC)", f"{_BOXES}.voc", "detection", settings=_VOC),
    DataFormat("diatom", "images with boxes (Diatom)", f"{_BOXES}.voc", "detection", settings=_VOC),
    DataFormat("coco", "images with boxes (COCO)", f"{_BOXES}.coco", "detection", (".json",), _COCO),
    DataFormat("yolo", "images with boxes (YOLO)", f"{_BOXES}.yolo", "detection", (".yaml", ".yml", ".data")),
    DataFormat("cvat", "images with boxes (CVAT)", f"{_BOXES}.cvat", "detection", (".xml",)),
    DataFormat(
        TABLE, "images with boxes (CSV)", f"{_BOXES}.box_tables", "detection", (".csv", ".tsv"), _COCO
    ),
    DataFormat(
        "synthetic", "synthetic images", "core.datasets.synthetic.drawn_format", None, settings=("empty",)
    ),
)
DATA_FORMATS: Mapping[str, DataFormat] = {each.name: each for each in _TABLE}
"""By name, in the order in which help and errors name them."""
PUBLISHED_FORMATS = tuple(each.name for each in _TABLE if each.published)
"""Formats whose images lie in a few files, as torchvision keeps them."""
BOX_FORMATS = tuple(each.name for each in _TABLE if each.task == "detection")
"""Formats whose images have boxes."""
FIXED_SPLITS = tuple(each.name for each in _TABLE if each.fixed_splits)
"""Formats for which no folders of splits can be named."""


def readers_of(setting: str) -> tuple[str, ...]:
    """The formats that read a key of `data` which not all do."""
    return tuple(
        each.name
        for each in _TABLE
        if setting in each.settings or (setting == "empty" and each.task == "detection")
    )


def formats_in(suffix: str) -> tuple[str, ...]:
    """The formats of which one file with this ending (`.json`) may stand for the whole set."""
    return tuple(each.name for each in _TABLE if suffix.lower() in each.files)
