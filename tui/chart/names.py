"""Which chart a metric belongs to, and what its line is called there."""

from __future__ import annotations

from collections.abc import Iterable

from core.metrics import TERMS, entry, leaf

SPLITS = ("train", "val", "test")
_RATES = {"back": 1, "head": 2}


def family(name: str) -> str:
    """The chart that a metric is drawn in: those that can be read side by side share one."""
    known = entry(name)
    return known.family if known is not None else leaf(name)


def line(name: str) -> tuple[str, str, int]:
    """Label, letter and colour of a metric's line in the chart of its family.

    The split, or what is special about the measurement: `tta`, `random`, `macro`, `top-5`, `IoU .50`. Terms
    of a loss have the same label and colour on all splits, in training a small letter.
    """
    split, known = name.split("/")[0], entry(name)
    if name.startswith("lr"):
        group = name[2:].strip("/_")
        return (group, group[0], _RATES.get(group, 3)) if group else ("lr", "l", 0)
    if known is not None and known.family == TERMS:
        letter = known.letter.lower() if split == "train" else known.letter
        return known.short, letter, known.color
    if known is not None and known.letter:
        shown = f"{split} {known.short}" if split in ("train", "test") else known.short
        return shown, known.letter, known.color
    if split in SPLITS:
        return split, "tve"[SPLITS.index(split)], SPLITS.index(split)
    return name, name[0], 0


def is_plain(name: str) -> bool:
    """Whether a metric is the one that its chart is called after, not a further line."""
    return leaf(name) == family(name) or name.startswith("lr")


def is_crowding(name: str) -> bool:
    """Whether it is left out of its chart: of training images only mAP itself is drawn."""
    return name.startswith("train/") and leaf(name).startswith(("map_", "mar_"))


def in_order(names: Iterable[str]) -> list[str]:
    """Names of one chart: train, val, test, then the further lines, what is measured before training."""
    return sorted(
        names, key=lambda name: (not is_plain(name), line(name)[2], name.startswith("train/"), name)
    )
