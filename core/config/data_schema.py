"""The keys of `data`: where a data set lies and how it is split."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, BeforeValidator
from pydantic_core import PydanticCustomError

from core.config.data_formats import DATA_FORMATS
from core.config.field_types import ClassNames, KaggleName, Section, Switch, field, section

CLASSES_IN_GROUP = 3
if TYPE_CHECKING:
    FormatName = str
else:
    FormatName = Literal[("auto", *DATA_FORMATS)]


def _test_or_folder(value: object) -> object:
    if value is None or value == "test" or isinstance(value, (dict, BaseModel)):
        return value
    raise PydanticCustomError("test_or_folder", "expected a folder, or the word test")


class SplitPaths(Section):
    """Where the images of one split are."""

    images: Path | None = field(None)
    """Folder with one folder for each class, or with the images that have boxes; relative to `data.root`."""
    list: Path | None = field(None)
    """File naming the images to use, relative to `images`: one a line, or `file,label`; all when absent."""
    annotations: Path | None = field(None)
    """Folder or file with the boxes of these images; found beside them when absent, and they beside it."""


class Split(Section):
    """The validation part held out of the training images when there is none of its own."""

    ratio: float = field(0.1, gt=0, le=0.5)
    """Fraction of the training images held out for validation, at most 0.5."""
    seed: int = field(0, ge=0)
    """Which images are held out; independent of the run's seed."""
    stratify: Switch = field(True)
    """Hold out the same fraction of every class."""


class Synthetic(Section):
    """The pictures that the format `synthetic` draws: fine-grained classes in groups, uneven counts."""

    groups: int = field(4, ge=1, le=8)
    """Number of groups (shapes)."""
    classes: int = field(8, ge=2, le=24)
    """Number of classes, spread evenly over the groups; up to 3 in a group."""
    images: int = field(1600, ge=20, le=100_000)
    """Number of pictures, test included."""
    size: int = field(32, ge=16, le=512)
    """Width and height of a picture in pixels; with boxes 160 unless given."""
    seed: int = field(0, ge=0)
    """Seed of the pictures."""
    imbalance: float = field(4.0, ge=1, le=50)
    """How many times more pictures (objects, with boxes) the largest class has than the smallest."""
    boxes: Switch = field(False)
    """Draw objects for detection, with their boxes, instead of one in the middle of each picture."""
    most: int = field(4, ge=1, le=20)
    """Maximum number of objects in a picture, with boxes."""
    empty: float = field(0.03, ge=0, le=0.5)
    """Fraction of the pictures that have no object, with boxes."""


class DataConfig(Section):
    """The data set: paths are absolute here, whatever the file said."""

    format: FormatName = field("auto")
    """Layout of the data on disk: folders, files of many, boxes (voc to csv), synthetic; auto detects it."""
    root: Path | None = field(None)
    """Folder of the data set; `train`, `val`, `test` in it are found by name. Also a file with its boxes."""
    kaggle: KaggleName = field(None)
    """Get the data set from Kaggle, as owner/name or owner/name/versions/3 (extra package kaggle)."""
    train: SplitPaths | None = field(None)
    """Folder of training images, when it is not `root`/train."""
    val: Annotated[SplitPaths | Literal["test"] | None, BeforeValidator(_test_or_folder)] = field(None)
    """Folder of validation images; `test`: the test images; absent: found, else held out of train."""
    test: SplitPaths | None = field(None)
    """Folder of test images, when it is not `root`/test."""
    split: Split = section(Split, "Data")
    """The part held out for validation."""
    classes: ClassNames | None = field(None)
    """The classes to use, in this order; all when absent."""
    order: Literal["name", "frequency", "file"] = field("name")
    """Order of the classes: name, descending count (detectors' default), or as in the set's own file."""
    empty: Literal["keep", "drop"] = field("keep")
    """Images without boxes: kept as negatives, or left out."""
    difficult: Literal["ignore", "keep"] = field("ignore")
    """Boxes marked difficult: a match counts neither way, or boxes like all others."""
    one_based: Switch = field(False)
    """The corners in VOC files count pixels from 1, as the original VOC sets do; else used as written."""
    boxes: Literal["auto", "xywh", "xyxy", "cxcywh"] = field("auto")
    """What the four numbers of a box are in COCO files and tables; auto: xywh, or as columns say; warns."""
    max_megapixels: float = field(179.0, gt=0)
    """Largest picture that is opened, in megapixels; larger ones are left out."""
    synthetic: Synthetic | None = field(None)
    """What to draw, for the format synthetic."""
