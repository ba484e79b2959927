"""What an experiment is: every key of a config with its type, default, bounds and help line.

The string under each field is its help on the launch form. A field is *result* (it changes numbers) or
operational (it does not): only result fields tell whether two configs are the same.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator

from core.config.data_schema import CLASSES_IN_GROUP, DataConfig, Split, SplitPaths, Synthetic
from core.config.field_types import (
    GROUPS,
    Arguments,
    AutoOrCount,
    Channels,
    Deviations,
    Digest,
    Gpus,
    Group,
    ImageSize,
    Jitter,
    Keep,
    Logger,
    ModelName,
    Scale,
    Section,
    Size,
    Switch,
    Texts,
    Views,
    Weights,
    as_tuple,
    field,
    section,
)
from core.config.names import MetricChoice, is_detector
from core.config.optimizers import Optimizer
from core.config.schedulers import Scheduler

__all__ = [
    "CLASSES_IN_GROUP",
    "GROUPS",
    "Augment",
    "Block",
    "Checkpoints",
    "ColorJitter",
    "DataConfig",
    "EarlyStop",
    "Experiment",
    "Group",
    "ImageSize",
    "Log",
    "Measure",
    "MetricChoice",
    "Normalize",
    "Optimizer",
    "Predict",
    "Scheduler",
    "Section",
    "Split",
    "SplitName",
    "SplitPaths",
    "Synthetic",
]

SplitName = Literal["train", "val", "test"]


class Normalize(Section):
    """Channel statistics taken off the pixels (scaled to 0..1) before the network sees them."""

    mean: Channels | None = field(None)
    """Mean of red, green, blue; absent: ImageNet's with its weights, else the data format's or CIFAR-10's."""
    std: Deviations | None = field(None)
    """Standard deviation of red, green, blue; absent: as for the mean."""


class Block(Section):
    """One block of the network `tinyvgg`: convolutions of one width, then 2x2 max pooling."""

    channels: int = field(ge=1, le=4096)
    """Channels of every convolution of the block."""
    convs: int = field(2, ge=1, le=16)
    """Number of 3x3 convolutions."""
    one_by_one: Switch = field(False)
    """Make the last of them a 1x1 convolution."""


class EarlyStop(Section):
    """Ends a run that no longer improves."""

    patience: int = field(10, ge=1)
    """Measured epochs without a new best after which training ends."""
    min_delta: float = field(0.0, ge=0)
    """An epoch is better only when it beats the best by more than this."""


class ColorJitter(Section):
    """Random changes of colour, each drawn per image."""

    brightness: float = field(0.0, ge=0, le=1)
    """Brightness factor drawn from 1 ± this."""
    contrast: float = field(0.0, ge=0, le=1)
    """Contrast factor drawn from 1 ± this."""
    saturation: float = field(0.0, ge=0, le=1)
    """Saturation factor drawn from 1 ± this."""
    hue: float = field(0.0, ge=0, le=0.5)
    """Hue shift drawn from ± this, in turns of the colour circle."""


class Augment(Section):
    """Random changes of the training images; validation and test images are never changed at random."""

    pad_crop: int | None = field(None, ge=1, le=64)
    """Pad with this many black pixels on each side, then crop `image_size` at a random position."""
    hflip: Switch = field(False)
    """Flip images horizontally with probability 0.5."""
    vflip: Switch = field(False)
    """Flip images vertically with probability 0.5, for detectors."""
    scale_jitter: Jitter = field(None)
    """Scale each image, as stored at `image_size`, by a random factor of [low, high], for detectors."""
    scale: Scale = field(None)
    """Shorter side, from which `image_size` is cropped at random; [Smin, Smax]: a random side each time."""
    test_scale: int | None = field(None, ge=8, le=1024)
    """Side for measuring, centre crop; absent: `scale`, or halfway between Smin and Smax."""
    color_jitter: ColorJitter | None = field(None)
    """Random brightness, contrast, saturation, hue."""
    tta: Views = field(())
    """Test-time augmentation, next to the plain view: hflip, sides, or both: [hflip, 36, 40]."""


class Predict(Section):
    """Which boxes of a detector are kept."""

    score_floor: float = field(0.05, ge=0, lt=1)
    """Boxes with a lower score are dropped."""
    max_det: int = field(100, ge=1, le=10_000)
    """Maximum boxes per image."""
    nms_iou: float = field(0.5, gt=0, le=1)
    """If two boxes of a class have a higher IoU than this, the one with the lower score is dropped."""


class Checkpoints(Section):
    """When checkpoints are kept."""

    every: int = field(1, ge=1)
    """Save every N epochs; the last epoch is always saved, and each that is the best so far."""
    keep: Keep = field("all")
    """all, or how many of the newest are kept; the best one and pinned ones always are."""


class Measure(Section):
    """What is measured at an epoch's end."""

    splits: Annotated[tuple[SplitName, ...], BeforeValidator(as_tuple)] = field(("val",))
    """Splits that are measured and whose predictions are saved."""
    every: int = field(1, ge=1)
    """Measure every N epochs; the last epoch is always measured."""
    random: Switch = field(False)
    """Measure val also under the training's random changes, as val/accuracy_random."""


class Log(Section):
    """Trackers that get a copy of the metrics; a failing one never stops training."""

    wandb: Logger = field("off")
    """Weights & Biases: off, online or offline (extra package wandb)."""
    tensorboard: Switch = field(False)
    """Write TensorBoard event files into the run's folder (extra package tensorboard)."""
    project: str | None = field(None)
    """Project at W&B; absent: the model's name."""
    entity: str | None = field(None)
    """User or team at W&B; absent: your default."""


class Experiment(Section):
    """One training experiment, complete: what the file did not say is filled in."""

    data: DataConfig = field(group="Data")
    """The data set: a name in configs/data, a folder, or a mapping."""
    model: ModelName = field(group="Model")
    """The network: tinyvgg_a to _e, _v0 to _v4, tinyvgg with blocks, torchvision's, a detector, your own."""
    mode: Literal["full", "head", "split"] = field("full", group="Model")
    """What is trained: everything, only the new head, or both with back_lr and head_lr."""
    weights: Weights = field("none", group="Model")
    """Where the weights start: none, imagenet, coco (detectors, their default), or a file of weights."""
    trainable_layers: int | None = field(None, group="Model", ge=0, le=5)
    """Stages of a detector's backbone that are trained, from the top; absent: 3 with weights, else all."""
    weights_sha256: Digest | None = field(None, group="Model")
    """sha256 that the file of weights must have, or its first 8 or more digits."""
    blocks: Annotated[tuple[Block, ...], BeforeValidator(as_tuple)] | None = field(None, group="Model")
    """Blocks of the network tinyvgg: [{channels: 16, convs: 2}, {channels: 32, convs: 2}]."""
    model_args: Arguments = field({}, group="Model")
    """Arguments of the network: batch_norm, hidden, dropout for tinyvgg; for your own, those it accepts."""
    image_size: Size = field(32, group="Model")
    """Side of the square images, 16 to 1024 pixels; detectors: bounds of the sides, {min: 800, max: 1333}."""
    predict: Predict = section(Predict, "Model")
    """Which boxes a detector keeps."""
    normalize: Normalize = section(Normalize, "Model")
    """Mean and standard deviation of the input channels."""
    learning_rate: float = field(0.01, group="Optimiser", gt=0)
    """Learning rate at the start (for onecycle, the highest); for detectors 0.005 unless given."""
    back_lr: float | None = field(None, group="Optimiser", gt=0)
    """Learning rate of the pretrained part, for mode split."""
    head_lr: float | None = field(None, group="Optimiser", gt=0)
    """Learning rate of the new head, for mode split."""
    optimizer: Optimizer = section(Optimizer, "Optimiser")
    """The optimiser and its settings."""
    batch: int = field(32, group="Optimiser", ge=1, le=65536)
    """Images in a batch, over all devices together; for detectors 4 unless given."""
    label_smoothing: float = field(0.0, group="Optimiser", ge=0, lt=1)
    """Fraction of the target spread evenly over all classes; part of train/loss, never of val/loss."""
    clip_norm: float | None = field(None, group="Optimiser", gt=0)
    """Clip the gradient to this norm; absent: never."""
    ema: float | None = field(None, group="Optimiser", gt=0, lt=1)
    """Decay of a moving average of the weights, which is then measured instead of them; absent: none."""
    precision: Literal["auto", "float32", "bfloat16", "float16"] = field("auto", group="Optimiser")
    """Number format of the forward pass; auto is bfloat16 on GPUs that have it, else float32."""
    scheduler: Scheduler = section(Scheduler, "Schedule")
    """How the learning rate changes over the epochs."""
    epochs: int = field(20, group="Schedule", result=False, ge=1, le=100_000)
    """Epochs to train in all."""
    metric: MetricChoice = field("auto", group="Schedule")
    """What `best` means; auto is val/accuracy, for detectors val/map."""
    early_stop: EarlyStop | None = field(None, group="Schedule", result=False)
    """Ends the run early when the metric no longer improves; absent: never."""
    augment: Augment = section(Augment, "Augmentation")
    """Random changes of the training images."""
    seed: int = field(0, group="Running", ge=0, le=2**63 - 1)
    """Seed of weights, order and augmentation; the split has its own."""
    device: Literal["auto", "cuda", "mps", "cpu"] = field("auto", group="Running", result=False)
    """Where to compute; auto uses a GPU if there is one."""
    gpus: Gpus | None = field(None, group="Running", result=False)
    """The GPU to use, by index as in nvidia-smi or by UUID: [0]; absent: any free one."""
    threads: AutoOrCount = field("auto", group="Running")
    """CPU threads; auto is decided by the first attempt and then kept."""
    workers: int = field(2, group="Running", result=False, ge=0, le=1024)
    """Processes that load images."""
    prefetch: int = field(2, group="Running", result=False, ge=1, le=1024)
    """Batches that are loaded ahead."""
    checkpoint: Checkpoints = section(Checkpoints, "Running", result=False)
    """When checkpoints are kept."""
    measure: Measure = section(Measure, "Running", result=False)
    """What is measured at an epoch's end."""
    log: Log = section(Log, "Running", result=False)
    """Trackers in addition to labtui's own files."""
    tags: Texts = field((), group="Running", result=False)
    """Tags to find the run by."""

    @property
    def side(self) -> int:
        """Side of the square images of a classifier, in pixels. Raises TypeError for a detector."""
        if isinstance(self.image_size, ImageSize):
            raise TypeError(f"{self.model} has images of no fixed size")
        return self.image_size

    @property
    def sides(self) -> tuple[int, int]:
        """Shorter side aimed at and longest side of a detector's images, in pixels."""
        if not isinstance(self.image_size, ImageSize):
            raise TypeError(f"{self.model} has square images")
        return self.image_size.min, self.image_size.max

    @property
    def is_detector(self) -> bool:
        """Whether the network finds boxes."""
        return is_detector(self.model)
