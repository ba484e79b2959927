"""What an experiment is: every key of a config with its type, default, bounds and help line.

The string under each field is its help on the launch form. A field is *result* (it changes numbers) or
operational (it does not): only result fields tell whether two configs are the same.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from core.text import clean

Group = Literal["Data", "Model", "Optimiser", "Schedule", "Augmentation", "Running"]
GROUPS: tuple[Group, ...] = get_args(Group)
ModelName = Literal["tinyvgg_v4", "tinyvgg_a"]
MetricName = Literal["val/accuracy", "val/loss"]
SplitName = Literal["train", "val", "test"]

CIFAR10_MEAN = (0.4914, 0.4822, 0.4465)
CIFAR10_STD = (0.2023, 0.1994, 0.2010)
CLASSES_IN_GROUP = 3

_WORDS = {"yes": True, "on": True, "no": False, "off": False}


def _switch(value: object) -> object:
    """In a true/false field, `on`, `off`, `yes` and `no` are meant as such; as class names they are text."""
    return _WORDS.get(value.lower(), value) if isinstance(value, str) else value


def _class_name(value: object) -> object:
    if isinstance(value, str) and value.strip():
        return clean(value)
    if value is None or isinstance(value, (dict, list, str)):
        raise PydanticCustomError("class_name", "a class name must be text")
    word = str(value).lower() if isinstance(value, bool) else str(value)
    raise PydanticCustomError("class_name", "class names must be text: quote '{word}'", {"word": word})


def _tag(value: object) -> object:
    return clean(value) if isinstance(value, str) else value


def _as_tuple(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


def _auto_or_count(value: object) -> object:
    if value == "auto" or (isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 1024):
        return value
    raise PydanticCustomError("auto_or_count", "expected auto or a whole number from 1 to 1024")


def _test_or_folder(value: object) -> object:
    if value is None or value == "test" or isinstance(value, (dict, BaseModel)):
        return value
    raise PydanticCustomError("test_or_folder", "expected a folder, or the word test")


Switch = Annotated[bool, BeforeValidator(_switch)]
ClassNames = Annotated[tuple[Annotated[str, BeforeValidator(_class_name)], ...], BeforeValidator(_as_tuple)]
Texts = Annotated[tuple[Annotated[str, BeforeValidator(_tag)], ...], BeforeValidator(_as_tuple)]
Channels = Annotated[tuple[float, float, float], BeforeValidator(_as_tuple)]
Deviations = Annotated[
    tuple[Annotated[float, Field(gt=0)], Annotated[float, Field(gt=0)], Annotated[float, Field(gt=0)]],
    BeforeValidator(_as_tuple),
]


def _field(
    default: Any = ..., *, group: Group | None = None, result: bool = True, **bounds: Any
) -> Any:  # the value of a pydantic field
    """A field of the schema; `group` and `result` of a section hold for the fields in it."""
    extra: dict[str, Any] = {"group": group, "result": result}
    return Field(default, json_schema_extra=extra, **bounds)


def _section(make: Callable[[], Any], group: Group, *, result: bool = True) -> Any:
    return Field(default_factory=make, json_schema_extra={"group": group, "result": result})


class Section(BaseModel):
    """Base of all parts of an experiment: frozen, strict, no unknown keys, no NaN."""

    model_config = ConfigDict(
        frozen=True,
        strict=True,
        extra="forbid",
        allow_inf_nan=False,
        validate_default=True,
        use_attribute_docstrings=True,
        protected_namespaces=(),
    )


class SplitPaths(Section):
    """Where the images of one split are."""

    images: Path = _field()
    """Folder with one folder for each class; relative to `data.root` when that is given."""
    list: Path | None = _field(None)
    """Text file naming the images to use, one a line, relative to `images`; all when absent."""


class Split(Section):
    """The validation part held out of the training images when there is none of its own."""

    ratio: float = _field(0.1, gt=0, le=0.5)
    """Share of the training images held out for validation, at most 0.5."""
    seed: int = _field(0, ge=0)
    """Which images are held out; independent of the run's seed."""
    stratify: Switch = _field(True)
    """Hold out the same share of every class."""


class Synthetic(Section):
    """The pictures that the format `synthetic` draws: fine-grained classes in groups, uneven counts."""

    groups: int = _field(4, ge=1, le=8)
    """Number of groups (shapes)."""
    classes: int = _field(8, ge=2, le=24)
    """Number of classes, shared out evenly over the groups; up to 3 in a group."""
    images: int = _field(1600, ge=20, le=100_000)
    """Number of pictures, test included."""
    size: int = _field(32, ge=16, le=256)
    """Width and height of a picture in pixels."""
    seed: int = _field(0, ge=0)
    """Seed of the pictures."""
    imbalance: float = _field(4.0, ge=1, le=50)
    """How many times more pictures the largest class has than the smallest."""


class DataConfig(Section):
    """The data set: paths are absolute here, whatever the file said."""

    format: Literal["auto", "folder", "synthetic"] = _field("auto")
    """How the data lie on disk: class folders, or pictures drawn by labtui; auto detects it."""
    root: Path | None = _field(None)
    """Folder of the data set; `train`, `val` and `test` in it are found by name."""
    train: SplitPaths | None = _field(None)
    """Folder of training images, when it is not `root`/train."""
    val: Annotated[SplitPaths | Literal["test"] | None, BeforeValidator(_test_or_folder)] = _field(None)
    """Folder of validation images; `test` takes the test folder; absent: found, else held out of train."""
    test: SplitPaths | None = _field(None)
    """Folder of test images, when it is not `root`/test."""
    split: Split = _section(Split, "Data")
    """The part held out for validation."""
    classes: ClassNames | None = _field(None)
    """The classes to use, in this order; all when absent."""
    order: Literal["name", "frequency", "file"] = _field("name")
    """Order of the classes: by name, by falling count, or as in the file classes.txt of the data set."""
    synthetic: Synthetic | None = _field(None)
    """What to draw, for the format synthetic."""


class Normalize(Section):
    """Channel statistics taken off the pixels (scaled to 0..1) before the network sees them."""

    mean: Channels = _field(CIFAR10_MEAN)
    """Mean of red, green, blue; the default is CIFAR-10's."""
    std: Deviations = _field(CIFAR10_STD)
    """Standard deviation of red, green, blue; the default is CIFAR-10's."""


class Optimizer(Section):
    """How weights move."""

    name: Literal["sgd"] = _field("sgd")
    """The optimiser."""
    momentum: float = _field(0.9, ge=0, lt=1)
    """Momentum of SGD."""
    weight_decay: float = _field(0.0, ge=0, lt=1)
    """L2 penalty on the weights."""


class Scheduler(Section):
    """How the learning rate changes."""

    name: Literal["none", "plateau"] = _field("none")
    """none keeps the learning rate; plateau lowers it when the metric no longer improves."""
    metric: Literal["auto"] | MetricName = _field("auto")
    """What plateau watches; auto is the run's metric."""
    factor: float = _field(0.1, gt=0, lt=1)
    """The learning rate is multiplied by this."""
    patience: int = _field(3, ge=0)
    """Epochs without improvement that plateau lets pass."""


class ColorJitter(Section):
    """Random changes of colour, each drawn per image."""

    brightness: float = _field(0.0, ge=0, le=1)
    """Brightness factor drawn from 1 ± this."""
    contrast: float = _field(0.0, ge=0, le=1)
    """Contrast factor drawn from 1 ± this."""
    saturation: float = _field(0.0, ge=0, le=1)
    """Saturation factor drawn from 1 ± this."""
    hue: float = _field(0.0, ge=0, le=0.5)
    """Hue shift drawn from ± this, in turns of the colour circle."""


class Augment(Section):
    """Random changes of the training images; validation and test images are never changed at random."""

    pad_crop: int | None = _field(None, ge=1, le=64)
    """Pad with this many black pixels on each side, then cut out at a random place."""
    hflip: Switch = _field(False)
    """Mirror every second image, on average."""
    scale: int | None = _field(None, ge=8, le=1024)
    """Resize to this side, then cut out `image_size` at a random place (in the centre for validation)."""
    color_jitter: ColorJitter | None = _field(None)
    """Random brightness, contrast, saturation, hue."""


class Checkpoints(Section):
    """When checkpoints are kept."""

    every: int = _field(1, ge=1)
    """Save after every so many epochs; the last epoch is always saved."""


class Measure(Section):
    """What is measured at an epoch's end."""

    splits: Annotated[tuple[SplitName, ...], BeforeValidator(_as_tuple)] = _field(("val",))
    """Splits that leave a measure row and predictions."""
    every: int = _field(1, ge=1)
    """Measure after every so many epochs; the last epoch is always measured."""


class Experiment(Section):
    """One training experiment, complete: what the file did not say is filled in."""

    data: DataConfig = _field(group="Data")
    """The data set: a name in configs/data, a folder, or a mapping."""
    model: ModelName = _field(group="Model")
    """The network."""
    image_size: int = _field(32, group="Model", ge=32, le=512)
    """Side of the square images that the network sees, in pixels."""
    normalize: Normalize = _section(Normalize, "Model")
    """Channel mean and deviation of the input."""
    learning_rate: float = _field(0.01, group="Optimiser", gt=0)
    """Learning rate at the start."""
    optimizer: Optimizer = _section(Optimizer, "Optimiser")
    """The optimiser and its settings."""
    batch: int = _field(32, group="Optimiser", ge=1, le=65536)
    """Images in a batch, over all devices together."""
    scheduler: Scheduler = _section(Scheduler, "Schedule")
    """How the learning rate changes over the epochs."""
    epochs: int = _field(20, group="Schedule", result=False, ge=1, le=100_000)
    """Epochs to train in all."""
    metric: Literal["auto"] | MetricName = _field("auto", group="Schedule")
    """What `best` means; auto is val/accuracy."""
    augment: Augment = _section(Augment, "Augmentation")
    """Random changes of the training images."""
    seed: int = _field(0, group="Running", ge=0, le=2**63 - 1)
    """Seed of weights, order and augmentation; the split has its own."""
    device: Literal["auto", "cuda", "mps", "cpu"] = _field("auto", group="Running", result=False)
    """Where to compute; auto takes a GPU when there is one."""
    threads: Annotated[int | Literal["auto"], BeforeValidator(_auto_or_count)] = _field(
        "auto", group="Running"
    )
    """CPU threads; auto is settled by the first attempt and kept from then on."""
    workers: int = _field(2, group="Running", result=False, ge=0, le=1024)
    """Processes that load images, for data that do not fit in memory."""
    prefetch: int = _field(2, group="Running", result=False, ge=1, le=1024)
    """Batches that each worker loads ahead."""
    checkpoint: Checkpoints = _section(Checkpoints, "Running", result=False)
    """When checkpoints are kept."""
    measure: Measure = _section(Measure, "Running", result=False)
    """What is measured at an epoch's end."""
    tags: Texts = _field((), group="Running", result=False)
    """Words to find the run by."""
