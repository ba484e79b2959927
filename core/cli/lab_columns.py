"""Curves in the columns of the lab's own tables: 4 for a classifier, 22 for a detector.

A detector's row n is epoch n. `train/loss` is the mean over the epoch's steps; the other `train/` columns
come from `labtui measure --splits train`; `val/` columns from training, or from `measure` where an epoch has
none. A cell is empty where nothing was measured, and -1.0 where a measured split has no objects that count:
that is how the lab wrote it, and it is written in this format only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from core.config.names import is_detector
from core.store.measures import Measured
from core.store.paths import checkpoint_id
from core.store.records import Record

_CLASSIFIER = {
    "train_loss": ("train/loss",),
    "train_acc": ("train/accuracy",),
    "val_loss": ("val/loss", "val/loss_random"),
    "val_acc": ("val/accuracy", "val/accuracy_random"),
}
_NUMBERS = (
    *("map", "map_50", "map_75", "map_large", "map_medium"),
    *("mar_1", "mar_10", "mar_100", "mar_large", "mar_medium"),
)
DETECTOR = tuple(f"{split}/{name}" for split in ("train", "val") for name in ("loss", *_NUMBERS))
NO_OBJECTS = -1.0


def lab_table(model: str, epochs: Sequence[Record], measured: Iterable[Measured]) -> list[list[Any]]:
    """Header and rows for a run of `model`, from its current epoch records and what was measured of it."""
    return _detector(epochs, measured) if is_detector(model) else _classifier(epochs)


def _classifier(epochs: Sequence[Record]) -> list[list[Any]]:
    """What was only measured under random changes stands for the plain measure."""
    rows: list[list[Any]] = [["epoch", *_CLASSIFIER]]
    for row in epochs:
        values = (next((row[name] for name in names if name in row), "") for names in _CLASSIFIER.values())
        rows.append([row["epoch"], *values])
    return rows


def _detector(epochs: Sequence[Record], measured: Iterable[Measured]) -> list[list[Any]]:
    by_epoch = {int(row["epoch"]): row for row in epochs}
    own = {(row.checkpoint, row.split): row.metrics for row in measured if not row.key}
    last = max([*by_epoch, *map(_epoch, _whole(own))], default=0)
    rows: list[list[Any]] = [list(DETECTOR)]
    for epoch in range(1, last + 1):
        record = by_epoch.get(epoch, {})
        checkpoint = _checkpoint(epoch, record, _whole(own))
        train = own.get((checkpoint, "train"), {})
        val = {name: record[f"val/{name}"] for name in ("loss", *_NUMBERS) if f"val/{name}" in record}
        val = val or dict(own.get((checkpoint, "val"), {}))
        loss = record.get("train/loss", "")
        rows.append([loss, *_cells(train), val.get("loss", ""), *_cells(val)])
    return rows


def _cells(values: Mapping[str, float]) -> list[Any]:
    return [values.get(name, NO_OBJECTS) if values else "" for name in _NUMBERS]


def _whole(own: Iterable[tuple[str, str]]) -> list[str]:
    """Checkpoints at the end of an epoch."""
    return [checkpoint for checkpoint, _ in own if "-s" not in checkpoint]


def _checkpoint(epoch: int, record: Record, there: Iterable[str]) -> str:
    """The one that an epoch's record belongs to; without a record, that of the newest attempt."""
    if record:
        return checkpoint_id(int(record["attempt"]), epoch)
    return max((name for name in there if _epoch(name) == epoch), default="")


def _epoch(checkpoint: str) -> int:
    return int(checkpoint.partition("-e")[2])
