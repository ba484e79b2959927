"""A run's metric records in memory: the rows its curve goes through, and the superseded ones apart."""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from operator import lt
from typing import Any

from core.store.columns import (
    PLACE,
    Series,
    StepRows,
    clean_name,
    is_count,
    number_of,
    time_of,
    transposed,
    whole,
)
from core.store.records import Record
from core.text import clean


@dataclass(frozen=True)
class Resume:
    """Where an attempt took over: rows of earlier attempts after this step (or epoch) are superseded."""

    attempt: int
    epoch: int
    step: int
    checkpoint: str | None


class History:
    """Metric records of one run, in file order. Never raises on what a file holds: odd records are left out.

    `epochs`: one row an epoch, ascending, numbers as floats. `steps`: rows within epochs. `finals`: measured
    once at the end. `version` grows with every change. `note` says which epochs are not from the file
    (`restore`).
    """

    def __init__(self) -> None:
        self.epochs: list[Record] = []
        self.steps = StepRows()
        self.finals: list[Record] = []
        self.superseded_epochs: list[Record] = []
        self.superseded_steps: list[StepRows] = []
        self.resumes: list[Resume] = []
        self.version = 0
        self.note = ""

    @property
    def inherited(self) -> list[Record]:
        """The epochs a fork took over from its parent (attempt 0)."""
        return [row for row in self.epochs if row["attempt"] == 0]

    @property
    def superseded_count(self) -> int:
        """How many rows are superseded, of epochs and of steps."""
        return len(self.superseded_epochs) + sum(map(len, self.superseded_steps))

    @property
    def superseded(self) -> list[Record]:
        """All superseded rows as records, epochs first; of a long run this may be many."""
        return [*self.superseded_epochs, *(row for rows in self.superseded_steps for row in rows)]

    @property
    def names(self) -> list[str]:
        """All metric names of the current rows, in order of appearance."""
        seen = dict.fromkeys(name for row in self.epochs for name in row if name not in PLACE)
        return list(seen | dict.fromkeys(self.steps.names))

    def epoch_series(self, name: str) -> Series:
        """Epochs and values of a metric's rows of scope "epoch"."""
        rows = [row for row in self.epochs if name in row]
        return array("d", [row["epoch"] for row in rows]), array("d", [row[name] for row in rows])

    def best(self, metric: str, mode: str) -> Record | None:
        """The run's own epoch (none inherited) with the best finite value, the first of equals; or None."""
        sign = -1.0 if mode == "min" else 1.0
        rows = [row for row in self.epochs if row["attempt"] > 0 and math.isfinite(row.get(metric, math.nan))]
        return max(rows, key=lambda row: (sign * row[metric], -row["epoch"]), default=None)

    def extend(self, records: Sequence[Record]) -> None:
        """Add records as they come from the file."""
        scopes = [record.get("scope") for record in records]
        start = 0
        while start < len(records):
            if scopes[start] == "step":
                end = start + 1
                while end < len(records) and scopes[end] == "step":
                    end += 1
                self._add_steps(records[start:end])
                start = end
                continue
            record = records[start]
            if "resume" in record:
                self._resume(record)
            elif scopes[start] == "epoch":
                self._add_epoch(record)
            elif scopes[start] == "final":
                self.finals.append(_decoded(record))
            start += 1
        self.version += 1

    def _add_steps(self, rows: Sequence[Record]) -> None:
        columns = transposed(rows)
        if self._follow(columns.get("step", [])):
            self.steps.add(columns)
            return
        for row in rows:
            if is_count(row.get("step")):
                self._make_room(row)
                self.steps.add({key: [value] for key, value in row.items()})

    def _follow(self, steps: list[Any]) -> bool:
        """Whether steps are whole numbers which ascend and come after those that are known."""
        last = self.steps.step[-1] if self.steps else -1
        if not steps or not (is_count(steps[0]) and is_count(steps[-1]) and last < steps[0]):
            return False
        stride = steps[1] - steps[0] if len(steps) > 1 and is_count(steps[1]) else 1
        even = stride > 0 and stride * (len(steps) - 1) == steps[-1] - steps[0]
        if even and steps == list(range(steps[0], steps[-1] + 1, stride)):
            return set(map(type, steps)) == {int}
        return set(map(type, steps)) == {int} and all(map(lt, steps, islice(steps, 1, None)))

    def _make_room(self, row: Record) -> None:
        """Supersede what stands where `row` goes: its resume record may have been lost."""
        steps, step = self.steps, row["step"]
        if not steps or step > steps.step[-1]:
            return
        if step < steps.step[-1]:
            self._keep(steps.cut(step - 1))
        elif not PLACE.issuperset(row.keys() & steps[-1].keys()):
            self._keep(steps.split(len(steps) - 1))

    def _keep(self, rows: StepRows) -> None:
        if len(rows):
            self.superseded_steps.append(rows)

    def _add_epoch(self, record: Record) -> None:
        if not is_count(record.get("epoch")):
            return
        row = _decoded(record)
        while self.epochs and self.epochs[-1]["epoch"] >= row["epoch"]:
            self.superseded_epochs.append(self.epochs.pop())
        self.epochs.append(row)

    def _resume(self, record: Record) -> None:
        if not all(is_count(record.get(key)) for key in ("epoch", "step", "attempt")):
            return
        epoch, step, attempt = record["epoch"], record["step"], record["attempt"]
        source = record["resume"]
        checkpoint = clean(source[:100]) if isinstance(source, str) else None
        self.resumes.append(Resume(attempt, epoch, step, checkpoint))

        def is_after(row: Record) -> bool:
            return bool(row["epoch"] > epoch or row["step"] > step)

        self.superseded_epochs += [row for row in self.epochs if is_after(row)]
        self.epochs = [row for row in self.epochs if not is_after(row)]
        self.finals = [row for row in self.finals if row["step"] <= step]
        self._keep(self.steps.cut(step))


def _decoded(record: Record) -> Record:
    """A row with its place as integers, its time, and every number in it as a float under a clean name."""
    row: Record = {
        "t": time_of(record.get("t")),
        "epoch": whole(record.get("epoch")),
        "step": whole(record.get("step")),
        "attempt": whole(record.get("attempt")),
    }
    for name, raw in record.items():
        if name not in PLACE and (value := number_of(raw)) is not None:
            row[clean_name(name)] = value
    return row
