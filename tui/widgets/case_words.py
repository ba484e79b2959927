"""Cases of errors in words: kinds, classes, scores, names of images."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from core import humanise
from core.text import clean

if TYPE_CHECKING:
    from core.analysis.cases import Case

KIND_WORDS = {
    "correct": "correct",
    "confused": "confused",
    "missed": "missed",
    "duplicate": "duplicate",
    "extra_label": "extra label",
    "loose": "loose box",
    "loose_wrong": "loose + wrong class",
    "background": "background",
    "ignored": "ignored",
    "crowd": "crowd",
    "dropped": "below threshold",
}
"""What an outcome is called on the screen."""


def share(value: float | None) -> str:
    """A score or an IoU: `0.94`; a dash where there is none, or nothing that it could be of."""
    return humanise.MISSING if value is None or math.isnan(value) else f"{value:.2f}"


def case_key(case: Case) -> str:
    """What names a case whatever the thresholds."""
    if case.prediction is not None:
        return f"{case.image}:p{case.prediction}"
    return f"{case.image}:o{case.object}"


def image_name(path: str) -> str:
    """The last part of an image's path, harmless."""
    return clean(PurePosixPath(path).name or path)


def case_words(case: Case, names: Sequence[str]) -> str:
    """`cat → dog`, `cat missed`, `false alarm: dog`."""
    if case.predicted is None:
        return f"{names[case.truth]} missed" if case.truth is not None else humanise.MISSING
    if case.truth is None:
        return f"{names[case.predicted]}"
    if case.truth == case.predicted:
        return f"{names[case.truth]} correct"
    return f"{names[case.truth]} → {names[case.predicted]}"
