"""The checkpoints of a run, newest first, with what was measured at each."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType

from core import humanise
from core.metrics import entry
from core.store.records import Checkpoint
from tui.widgets.columns import Column
from tui.widgets.line_table import LineTable, Span

if TYPE_CHECKING:
    from core.store.measures import Measured

PINNED = "⚑"


class CheckpointTable(LineTable[Checkpoint]):
    """`metric` is the run's own; `best` the id of its best checkpoint.

    `measured` are measurements by checkpoint and split; `unreadable` the checkpoints that a job could not
    read.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "choose", "continue from here", key_display="⏎"),
    ]
    metric = "val/accuracy"
    best: str | None = None
    measured: Mapping[str, Mapping[str, Measured]] = {}
    unreadable: Mapping[str, str] = {}

    def key(self, row: Checkpoint) -> str:
        return row.id

    def declared(self) -> list[Column]:
        leaf = self.metric.rsplit("/", 1)[-1]
        splits = {split for rows in self.measured.values() for split in rows}
        beside = _beside(self.metric)
        train = f"train/{leaf}"
        # Detectors have no score in training but what a job measured.
        has_train = not self.rows or any(train in row.metrics for row in self.rows)
        # Where epochs were trained twice, only the id tells them apart.
        twice = any(row.superseded for row in self.rows) or len({row.epoch for row in self.rows}) < len(
            self.rows
        )
        columns = [
            Column("sign", "", 4),
            Column("epoch", "epoch", 7),
            Column("own", self.metric, max(len(self.metric), 8), "right"),
            Column("beside", beside.rsplit("/", 1)[-1], 8, "right", priority=1),
            Column("step", "step", 9, "right", priority=8),
            Column("train", train, max(len(train), 8), "right", priority=6),
            Column("val loss", "val/loss", 8, "right", priority=7),
            Column("train score", "train score", 11, "right", priority=5),
            Column("test score", "test score", 10, "right", priority=4),
            Column("size", "size", 9, "right", priority=3),
            Column("age", "age", 5, "right", priority=2),
            Column("id", "checkpoint", 28, priority=1 if twice else 9),
        ]
        filled = {"beside": bool(beside), "train": has_train}
        filled |= {f"{split} score": split in splits for split in ("train", "test")}
        return [column for column in columns if filled.get(column.key, True)]

    def cells(self, row: Checkpoint) -> dict[str, Sequence[Span] | Span]:
        leaf = self.metric.rsplit("/", 1)[-1]
        bad = row.id in self.unreadable
        tone = "bad" if bad else "faint" if row.superseded else "muted" if row.mid_epoch else "text"
        name = "unreadable" if bad else "superseded" if row.superseded else ""
        return {
            "sign": [
                ("▸" if row.id == self.cursor_key else " ", "text"),
                ("✗" if bad else "★" if row.id == self.best else " ", "bad" if bad else "accent"),
                (PINNED if row.pinned else " ", "accent"),
                (" ", "text"),
            ],
            "epoch": (f"{row.epoch}{' part' if row.mid_epoch else ''}", tone),
            "step": (humanise.count(row.step), "text"),
            "own": _value(row, self.metric, tone),
            "beside": _value(row, _beside(self.metric), tone),
            "train": _value(row, f"train/{leaf}", tone),
            "val loss": _value(row, "val/loss", tone),
            "train score": self._evaluated(row, "train", leaf),
            "test score": self._evaluated(row, "test", leaf),
            "size": (humanise.size(row.bytes), "muted"),
            "age": (humanise.age(max(time.time() - row.time, 0)), "muted"),
            "id": (f"{row.id} {name}".rstrip(), "bad" if bad else "muted"),
        }

    def _evaluated(self, row: Checkpoint, split: str, leaf: str) -> Span:
        """What a job measured on a split, by the run's own metric."""
        measured = self.measured.get(row.id, {}).get(split)
        value = measured.metrics.get(leaf) if measured is not None else None
        return humanise.number(f"{split}/{leaf}", value), "text" if value is not None else "muted"


def measured_of(
    rows: Iterable[Measured], checkpoints: Iterable[Checkpoint]
) -> dict[str, dict[str, Measured]]:
    """Measurements by checkpoint and split: with the run's own settings, of the very files that are there."""
    files = {checkpoint.id: checkpoint.sha256 for checkpoint in checkpoints}
    by_checkpoint: dict[str, dict[str, Measured]] = {}
    for row in rows:
        if not row.key and files.get(row.checkpoint) == row.sha256:
            by_checkpoint.setdefault(row.checkpoint, {})[row.split] = row
    return by_checkpoint


def _beside(metric: str) -> str:
    """What is shown beside the run's own metric, by its full name; empty for nothing."""
    known = entry(metric)
    return f"{metric.rpartition('/')[0]}/{known.beside}" if known is not None and known.beside else ""


def _value(row: Checkpoint, name: str, tone: str) -> Span:
    value = row.metrics.get(name)
    return humanise.number(name, value), tone if value is not None else "muted"
