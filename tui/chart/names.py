"""Which chart a metric belongs to, and how its line is called there."""

from __future__ import annotations

from collections.abc import Iterable

SPLITS = ("train", "val", "test")
_FAMILIES = {
    "accuracy_tta": "accuracy",
    "accuracy_random": "accuracy",
    "accuracy_macro": "accuracy",
    "top5": "accuracy",
    "loss_random": "loss",
}
_FURTHER = ("tta", "random", "macro", "top-5")
"""Lines beside train, val and test, in the order of their colours."""
_LETTERS = {"tta": "T", "random": "r", "macro": "m", "top-5": "5"}
_RATES = {"back": 1, "head": 2}
_BOUNDED = ("accuracy", "precision", "recall", "top", "map", "ap")


def leaf(name: str) -> str:
    """`accuracy` of `val/accuracy`."""
    return name.rsplit("/", 1)[-1]


def family(name: str) -> str:
    """The chart that a metric is drawn in: those that can be read side by side share one."""
    if name.startswith("lr"):
        return "lr"
    last = leaf(name)
    return _FAMILIES.get(last, last)


def line(name: str) -> tuple[str, str, int]:
    """Label, letter and colour of a metric's line in the chart of its family.

    The split, or what is special about the measurement: `tta`, `random`, `macro`, `top-5`.
    """
    last, split = leaf(name), name.split("/")[0]
    if name.startswith("lr"):
        group = name[2:].strip("/_")
        return (group, group[0], _RATES.get(group, 3)) if group else ("lr", "l", 0)
    if last in _FAMILIES:
        label = "top-5" if last == "top5" else last.rpartition("_")[2]
        shown = f"{split} {label}" if split in ("train", "test") else label
        return shown, _LETTERS[label], len(SPLITS) + _FURTHER.index(label)
    if split in SPLITS:
        return split, "tve"[SPLITS.index(split)], SPLITS.index(split)
    return name, name[0], 0


def is_plain(name: str) -> bool:
    """Whether a metric is the one that its chart is called after, not a further line."""
    return leaf(name) == family(name) or name.startswith("lr")


def is_bounded(chart: str) -> bool:
    """Whether its values lie between 0 and 1."""
    return chart.startswith(_BOUNDED)


def in_order(names: Iterable[str]) -> list[str]:
    """Names of one chart: train, val, test, then the further lines."""
    return sorted(names, key=lambda name: (not is_plain(name), line(name)[2], name))
