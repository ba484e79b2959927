"""The checkpoints of a run, newest first, with what was measured at each."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType

from core import humanise
from core.store.records import Checkpoint
from tui.widgets.line_table import Column, LineTable, Span


class CheckpointTable(LineTable[Checkpoint]):
    """`metric` is the run's own; `best` the id of its best checkpoint."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "choose", "go on from here", key_display="⏎"),
    ]
    metric = "val/accuracy"
    best: str | None = None

    def key(self, row: Checkpoint) -> str:
        return row.id

    def columns(self, width: int) -> list[Column]:
        leaf = self.metric.rsplit("/", 1)[-1]
        shown = [
            Column("sign", "", 3),
            Column("epoch", "epoch", 7),
            Column("own", self.metric, max(len(self.metric), 8), "right"),
        ]
        more = [
            Column("age", "age", 5, "right"),
            Column("size", "size", 9, "right"),
            Column("train", f"train/{leaf}", max(len(leaf) + 6, 8), "right"),
            Column("val loss", "val/loss", 8, "right"),
            Column("step", "step", 9, "right"),
            Column("id", "checkpoint", 28),
        ]
        room = width - sum(column.width + 1 for column in shown)
        chosen = []
        for column in more:
            if column.width + 1 <= room:
                chosen.append(column.key)
                room -= column.width + 1
        order = ("step", "train", "val loss", "size", "age", "id")
        by_key = {column.key: column for column in more}
        return [*shown, *(by_key[key] for key in order if key in chosen)]

    def cells(self, row: Checkpoint) -> dict[str, Sequence[Span] | Span]:
        leaf = self.metric.rsplit("/", 1)[-1]
        best = row.id == self.best
        tone = "faint" if row.superseded else "muted" if row.mid_epoch else "text"
        return {
            "sign": [("▸" if row.id == self.cursor_key else " ", "text"), ("★ " if best else "  ", "accent")],
            "epoch": (f"{row.epoch}{' part' if row.mid_epoch else ''}", tone),
            "step": (humanise.count(row.step), "text"),
            "own": _value(row, self.metric, tone),
            "train": _value(row, f"train/{leaf}", tone),
            "val loss": _value(row, "val/loss", tone),
            "size": (humanise.size(row.bytes), "muted"),
            "age": (humanise.age(max(time.time() - row.time, 0)), "muted"),
            "id": (f"{row.id} superseded" if row.superseded else row.id, "muted"),
        }


def _value(row: Checkpoint, name: str, tone: str) -> Span:
    value = row.metrics.get(name)
    return humanise.number(name, value), tone if value is not None else "muted"
