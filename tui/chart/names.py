"""Which chart a metric belongs to, and how its line is called there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

SPLITS = ("train", "val", "test")
TERMS = "loss terms"
"""The chart of what a detector's loss is the sum of."""


@dataclass(frozen=True)
class _Further:
    """A line that shares the chart `family`; `color` counts series colours."""

    family: str
    label: str
    letter: str
    color: int


_FURTHER = {
    "accuracy_tta": _Further("accuracy", "tta", "T", 3),
    "accuracy_random": _Further("accuracy", "random", "r", 4),
    "accuracy_macro": _Further("accuracy", "macro", "m", 5),
    "top5": _Further("accuracy", "top-5", "5", 6),
    "loss_random": _Further("loss", "random", "r", 4),
    "map_50": _Further("map", "IoU .50", "5", 3),
    "map_75": _Further("map", "IoU .75", "7", 4),
    "map_small": _Further("map by size", "small", "S", 0),
    "map_medium": _Further("map by size", "medium", "M", 1),
    "map_large": _Further("map by size", "large", "L", 2),
    "mar_1": _Further("mar", "1 box", "o", 0),
    "mar_10": _Further("mar", "10 boxes", "t", 1),
    "mar_100": _Further("mar", "100 boxes", "h", 2),
    "mar_small": _Further("mar by size", "small", "S", 0),
    "mar_medium": _Further("mar by size", "medium", "M", 1),
    "mar_large": _Further("mar by size", "large", "L", 2),
    "loss_classifier": _Further(TERMS, "classifier", "C", 0),
    "loss_box_reg": _Further(TERMS, "box_reg", "B", 1),
    "loss_objectness": _Further(TERMS, "objectness", "O", 2),
    "loss_rpn_box_reg": _Further(TERMS, "rpn_box_reg", "R", 3),
    "loss_classification": _Further(TERMS, "classification", "C", 0),
    "loss_bbox_regression": _Further(TERMS, "bbox_regression", "B", 1),
    "loss_bbox_ctrness": _Further(TERMS, "bbox_ctrness", "N", 2),
}
"""By the last part of the metric's name."""
_RATES = {"back": 1, "head": 2}
_BOUNDED = ("accuracy", "precision", "recall", "top", "map", "mar", "ap")
_FIRST = ("map", "accuracy", "loss", TERMS, "lr")


@dataclass(frozen=True)
class Pair:
    """A chart of one metric against another, a point an epoch."""

    x: str
    y: str

    @property
    def chart(self) -> str:
        return f"{self.y} against {self.x}"


PAIRS = (Pair("val/loss", "val/map"), Pair("val/map_75", "val/map_50"))


def leaf(name: str) -> str:
    """`accuracy` of `val/accuracy`."""
    return name.rsplit("/", 1)[-1]


def family(name: str) -> str:
    """The chart that a metric is drawn in: those that can be read side by side share one."""
    if name.startswith("lr"):
        return "lr"
    further = _FURTHER.get(leaf(name))
    return further.family if further else leaf(name)


def line(name: str) -> tuple[str, str, int]:
    """Label, letter and colour of a metric's line in the chart of its family.

    The split, or what is special about the measurement: `tta`, `random`, `macro`, `top-5`, `IoU .50`. Terms
    of a loss have the same label and colour on all splits, in training a small letter.
    """
    split, further = name.split("/")[0], _FURTHER.get(leaf(name))
    if name.startswith("lr"):
        group = name[2:].strip("/_")
        return (group, group[0], _RATES.get(group, 3)) if group else ("lr", "l", 0)
    if further is not None and further.family == TERMS:
        letter = further.letter.lower() if split == "train" else further.letter
        return further.label, letter, further.color
    if further is not None:
        shown = f"{split} {further.label}" if split in ("train", "test") else further.label
        return shown, further.letter, further.color
    if split in SPLITS:
        return split, "tve"[SPLITS.index(split)], SPLITS.index(split)
    return name, name[0], 0


def is_plain(name: str) -> bool:
    """Whether a metric is the one that its chart is called after, not a further line."""
    return leaf(name) == family(name) or name.startswith("lr")


def is_crowding(name: str) -> bool:
    """Whether it is left out of its chart: of training images only mAP itself is drawn."""
    return name.startswith("train/") and leaf(name).startswith(("map_", "mar_"))


def is_bounded(chart: str) -> bool:
    """Whether its values lie between 0 and 1."""
    return chart.startswith(_BOUNDED)


def in_order(names: Iterable[str]) -> list[str]:
    """Names of one chart: train, val, test, then the further lines, what is measured before training."""
    return sorted(
        names, key=lambda name: (not is_plain(name), line(name)[2], name.startswith("train/"), name)
    )


def charts_in_order(names: Iterable[str]) -> list[str]:
    """Charts as they are looked at: scores, losses, rates; then one against another, then the rest."""
    first = (*_FIRST, *(pair.chart for pair in PAIRS))
    return sorted(names, key=lambda chart: (first.index(chart) if chart in first else len(first), chart))


def pair_of(chart: str) -> Pair | None:
    """The two metrics of a chart that shows one against the other; None for curves."""
    return next((pair for pair in PAIRS if pair.chart == chart), None)
