"""The metrics that labtui records: what each is called, which way is better, and where it is drawn.

One entry a metric, known by the last part of its name: `map_50` stands for `val/map_50` and `train/map_50`.
Names without an entry, such as the terms of a user's own loss, go by the words in them.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Literal

Mode = Literal["max", "min"]
Task = Literal["classification", "detection"]
Form = Literal["score", "loss", "rate", "seconds", "speed"]

TERMS = "loss terms"
"""The family of what a detector's loss is the sum of."""
COMMONEST = "fraction of the most common class"
"""The baseline of metrics for which guessing is to name the commonest class each time."""
_BOTH: tuple[Task, ...] = ("classification", "detection")
_CLASSES: tuple[Task, ...] = ("classification",)
_BOXES: tuple[Task, ...] = ("detection",)


@dataclass(frozen=True)
class Metric:
    """One metric.

    `name` is the last part of its name in a record (`val/accuracy`), or all of it where it belongs to no
    split (`time/step`). `family` is the chart that it is drawn in; `short`, `letter` and `color` (a place in
    the series colours) are those of its line there, `short` stands in narrow places too. `bounded` values lie
    between 0 and 1. `form` says how a value is written. `main` ones stand first in tables and can be what
    `metric` in a config names; `beside` is shown next to it. `coco`: one of COCO's twelve numbers. `by_step`
    ones are also recorded within an epoch, under the same name. `baseline` is what guessing reaches.
    """

    name: str
    label: str
    short: str
    better: Mode | None
    tasks: tuple[Task, ...]
    family: str
    about: str
    baseline: str = ""
    bounded: bool = False
    form: Form = "score"
    letter: str = ""
    color: int = 0
    main: bool = False
    coco: bool = False
    by_step: bool = False
    beside: str = ""

    @property
    def is_plain(self) -> bool:
        """Whether its family is called after it: its lines are told apart by their splits alone."""
        return self.family == self.name

    @property
    def selectable(self) -> bool:
        """Whether a config may name it as what "best" means."""
        return self.main or self.family == "loss"


def _share(
    name: str, label: str, short: str, about: str, baseline: str, line: tuple[str, int],
    *, family: str = "accuracy",
) -> Metric:  # fmt: skip
    return Metric(
        name, label, short, "max", _CLASSES, family, about, baseline, True, letter=line[0], color=line[1],
        main=True,
    )  # fmt: skip


def _coco(
    name: str, label: str, short: str, family: str, about: str, line: tuple[str, int], beside: str = "",
    *, main: bool = False,
) -> Metric:  # fmt: skip
    return Metric(
        name, label, short, "max", _BOXES, family, about, "near 0", True, letter=line[0], color=line[1],
        main=main, coco=True, beside=beside,
    )  # fmt: skip


def _term(name: str, about: str, line: tuple[str, int]) -> Metric:
    short = name.removeprefix("loss_")
    return Metric(
        name, f"{short} loss", short, "min", _BOXES, TERMS, about, form="loss", letter=line[0], color=line[1]
    )


METRICS: tuple[Metric, ...] = (
    _share("accuracy", "accuracy", "acc", "Images whose most probable class is the true one.",
           COMMONEST, ("", 0)),
    Metric("loss", "loss", "loss", "min", _BOTH, "loss",
           "Cross entropy of a classifier, sum of its terms for a detector; mean over images.",
           "ln(number of classes) for a classifier", form="loss"),
    _share("top5", "top-5 accuracy", "top-5",
           "Images whose true class is among the five most probable; with more than five classes.",
           "fraction of the five most common classes", ("", 0), family="top5"),
    _share("accuracy_macro", "macro accuracy", "macro",
           "Mean over the classes that have images of each class's accuracy (balanced accuracy).",
           "1 / number of classes", ("m", 5)),
    _share("f1_macro", "macro F1", "F1",
           "Mean over the classes of each class's F1, the harmonic mean of its precision and recall.",
           "below 1 / number of classes", ("F", 1)),
    _share("accuracy_tta", "accuracy, test-time augmentation", "tta",
           "Accuracy of the mean softmax over the views of augment.tta.",
           COMMONEST, ("T", 3)),
    _share("accuracy_random", "accuracy under random changes", "random",
           "Accuracy under the training's random changes, with measure.random.",
           COMMONEST, ("r", 4)),
    Metric("loss_random", "loss under random changes", "random", "min", _CLASSES, "loss",
           "Loss under the training's random changes, with measure.random.",
           "ln(number of classes)", form="loss", letter="r", color=4),
    _coco("map", "mAP", "AP", "map", "Mean over classes and IoU .50 to .95 of the average precision (COCO).",
          ("", 0), "map_50", main=True),
    _coco("map_50", "mAP at IoU .50", "IoU .50", "map", "The same at an IoU of .50 alone.", ("5", 3), "map",
          main=True),
    _coco("map_75", "mAP at IoU .75", "IoU .75", "map", "The same at an IoU of .75 alone.", ("7", 4),
          main=True),
    _coco("map_small", "mAP, small objects", "small", "map by size", "mAP of objects below 32² pixels.",
          ("S", 0)),
    _coco("map_medium", "mAP, medium objects", "medium", "map by size",
          "mAP of objects from 32² to 96² pixels.", ("M", 1)),
    _coco("map_large", "mAP, large objects", "large", "map by size", "mAP of objects above 96² pixels.",
          ("L", 2)),
    _coco("mar_1", "mean recall, 1 box", "1 box", "mar",
          "Mean recall over classes and IoU .50 to .95, one box per image.", ("o", 0)),
    _coco("mar_10", "mean recall, 10 boxes", "10 boxes", "mar", "The same with 10 boxes per image.",
          ("t", 1)),
    _coco("mar_100", "mean recall, 100 boxes", "100 boxes", "mar", "The same with 100 boxes per image.",
          ("h", 2), main=True),
    _coco("mar_small", "mean recall, small objects", "small", "mar by size",
          "Mean recall of objects below 32² pixels.", ("S", 0)),
    _coco("mar_medium", "mean recall, medium objects", "medium", "mar by size",
          "Mean recall of objects from 32² to 96² pixels.", ("M", 1)),
    _coco("mar_large", "mean recall, large objects", "large", "mar by size",
          "Mean recall of objects above 96² pixels.", ("L", 2)),
    _term("loss_classifier", "Faster R-CNN: classes of the proposals.", ("C", 0)),
    _term("loss_box_reg", "Faster R-CNN: boxes of the proposals.", ("B", 1)),
    _term("loss_objectness", "Faster R-CNN: which anchors hold an object.", ("O", 2)),
    _term("loss_rpn_box_reg", "Faster R-CNN: boxes of the anchors.", ("R", 3)),
    _term("loss_classification", "RetinaNet, FCOS, SSD: classes of the anchors.", ("C", 0)),
    _term("loss_bbox_regression", "RetinaNet, FCOS, SSD: boxes of the anchors.", ("B", 1)),
    _term("loss_bbox_ctrness", "FCOS: how far from an object's centre.", ("N", 2)),
    Metric("lr", "learning rate", "lr", None, _BOTH, "lr",
           "Learning rate of the first group; `lr/back` and `lr/head` in mode split.", form="rate",
           by_step=True),
    Metric("grad_norm", "gradient norm", "grad norm", None, _BOTH, "grad_norm",
           "Mean over the steps of the gradient's norm before clipping, with clip_norm."),
    Metric("time/epoch", "time per epoch", "epoch", "min", _BOTH, "epoch",
           "Seconds of an epoch, measuring included.", form="seconds"),
    Metric("time/step", "time per step", "step", "min", _BOTH, "step", "Seconds of a training step.",
           form="seconds", by_step=True),
    Metric("images/s", "images per second", "images/s", "max", _BOTH, "s",
           "Training images per second, measuring not counted.", form="speed", by_step=True),
)  # fmt: skip
"""All metrics that training and measuring record, main ones of each task first."""

BY_NAME = {metric.name: metric for metric in METRICS}
COCO = tuple(metric.name for metric in METRICS if metric.coco)
"""COCO's twelve numbers in COCO's order."""
HEADLINE_AP = tuple(metric.name for metric in METRICS if metric.main and metric.family == "map")
"""The mean average precisions that stand for all twelve where there is little room."""
MAIN = tuple(metric.name for metric in METRICS if metric.main)
"""What is said of a split in one line, the main number of a task first."""
SELECTABLE = tuple(f"val/{metric.name}" for metric in METRICS if metric.selectable)
"""What `metric` in a config may name."""

_LOWER = frozenset(
    {
        *("loss", "error", "err", "mae", "mse", "rmse", "nll", "perplexity", "ppl", "ece", "brier"),
        *("entropy", "fpr", "fnr", "time", "seconds"),
    }
)
"""Words of a name without an entry that make less of it better."""
_BOUNDED = ("accuracy", "precision", "recall", "top", "map", "mar", "ap", "f1")
"""How names without an entry begin whose values lie between 0 and 1."""
_WORD = re.compile(r"[a-z]+")
_RATE = re.compile(r"(?:.*/)?lr(?:[/_].*)?")
"""`lr` and that of a group: `lr/head`, `lr_back`."""


def leaf(name: str) -> str:
    """`accuracy` of `val/accuracy`."""
    return name.rsplit("/", 1)[-1]


def entry(name: str) -> Metric | None:
    """The entry of a metric by its full name (`val/map_50`, `lr/head`, `time/step`), or None."""
    if _RATE.fullmatch(name):
        return BY_NAME["lr"]
    return BY_NAME.get(name) or BY_NAME.get(leaf(name))


def mode_of(name: str) -> Mode:
    """Whether more ("max") or less ("min") of a metric is better, also of names without an entry."""
    known = entry(name)
    if known is not None:
        return known.better or "max"
    last = leaf(name).lower()
    return "min" if "loss" in last or not _LOWER.isdisjoint(_WORD.findall(last)) else "max"


def as_mode(stored: object, name: str) -> Mode:
    """The direction that a run has stored for its metric, or that of the metric where it has none."""
    return "max" if stored == "max" else "min" if stored == "min" else mode_of(name)


def rank(value: float, mode: Mode) -> float:
    """A number that is higher the better `value` is."""
    return value if mode == "max" else -value


def is_better(value: float, than: float | None, mode: Mode, by: float = 0.0) -> bool:
    """Whether `value` beats `than` by more than `by`.

    A value that is not finite beats nothing; any finite one beats one that is missing or not finite.
    """
    if not math.isfinite(value):
        return False
    return than is None or not math.isfinite(than) or rank(value, mode) - rank(than, mode) > by


def is_bounded(name: str) -> bool:
    """Whether values lie between 0 and 1, by the last part of a metric's name or the name of a family."""
    known = BY_NAME.get(name)
    return known.bounded if known is not None else name.startswith(_BOUNDED)


def fits(name: str, task: Task) -> bool:
    """Whether a task measures a metric; names without an entry fit both."""
    known = entry(name)
    return known is None or task in known.tasks


def form_of(name: str) -> Form:
    """How a metric's values are written."""
    known = entry(name)
    if known is not None:
        return known.form
    if name.startswith("time/"):
        return "seconds"
    if leaf(name) == "s":
        return "speed"
    return "loss" if "loss" in leaf(name) else "score"
