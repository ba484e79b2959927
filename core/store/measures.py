"""Measure rows as readers get them: what was measured of a checkpoint on a split, under which settings."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.store import files
from core.store.json_values import integer_of, mapping_of, text_of
from core.store.metrics import decode_numbers
from core.store.paths import RunPaths

ROW_NAME = re.compile(r"(a\d{2,}-e\d{4,}(?:-s\d{6,})?)-([A-Za-z]\w*?)(?:-([0-9a-f]{8}))?\.json")
KEPT_CLASSES = 1000
"""With more classes than this, only the highest probabilities of an image are kept in its predictions."""
KEPT_TOP = 20
"""How many of them."""
_NO_METRIC = frozenset({"checkpoint", "sha256", "split", "settings", "n", "per_class"})


@dataclass(frozen=True)
class Measured:
    """One row. `sha256` is that of the checkpoint's file, empty when none was kept; `images` were measured.

    `settings` are those that change numbers; `key` is empty for the run's own, else 8 hex digits that stand
    for them. `per_class` is as it was written, one item per class. `unwritten` says why the
    predictions lack that training should have kept.
    """

    checkpoint: str
    split: str
    key: str
    sha256: str
    images: int
    metrics: Mapping[str, float]
    settings: Mapping[str, Any] = field(default_factory=dict)
    per_class: tuple[Any, ...] = ()
    unwritten: str = ""

    @property
    def stem(self) -> str:
        """The name that its files share."""
        return "-".join(filter(None, (self.checkpoint, self.split, self.key)))


def measures(run: RunPaths) -> list[Measured]:
    """All rows by checkpoint, split and key; never raises: what is no row is left out."""
    try:
        names = sorted(os.listdir(run.measures))
    except OSError:
        return []
    found = (read_row(run, name) for name in names if ROW_NAME.fullmatch(name))
    return [row for row in found if row is not None]


def row_of(run: RunPaths, predictions: Path, sha256: str) -> Measured | None:
    """The row that was measured with a predictions file of this run, or None; never raises.

    They share their name; `sha256`, of the checkpoint that predicted, tells whether both are of one file.
    """
    row = read_row(run, f"{predictions.stem}.json")
    return row if row is not None and row.sha256 == sha256 else None


def read_row(run: RunPaths, name: str) -> Measured | None:
    """The row in the file called `name`, or None when it is none; never raises."""
    match = ROW_NAME.fullmatch(name)
    row = files.peek_json(run.measures / name)
    if match is None or row is None or row.get("checkpoint") != match[1]:
        return None
    per_class = row.get("per_class")
    return Measured(
        checkpoint=match[1],
        split=match[2],
        key=match[3] or "",
        sha256=text_of(row.get("sha256"), 64),
        images=integer_of(row.get("n")) or 0,
        metrics=decode_numbers({key: value for key, value in row.items() if key not in _NO_METRIC}),
        settings=mapping_of(row.get("settings")),
        per_class=tuple(per_class) if isinstance(per_class, list) else (),
        unwritten=text_of(row.get("unwritten"), 300),
    )
