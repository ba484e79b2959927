"""A run's metric records in memory: the rows its curve goes through, and the superseded ones apart."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from operator import lt
from typing import Any

from core.metrics import Mode, rank
from core.store.json_values import metric_of, text_or_none
from core.store.lineage import Limits, Lineage, attempt_of, holds
from core.store.metric_columns import (
    PLACE,
    StepRows,
    clean_name,
    is_count,
    time_of,
    transposed,
    whole,
)
from core.store.records import Record


@dataclass(frozen=True)
class Resume:
    """Where an attempt took over: the curve goes on from `checkpoint`, what else there was is superseded."""

    attempt: int
    epoch: int
    step: int
    checkpoint: str | None


class History:
    """Metric records of one run, in file order. Never raises on what a file holds: odd records are left out.

    `epochs`: one row an epoch, ascending, numbers as floats. `steps`: rows within epochs. `finals`: measured
    once at the end; all three hold what `lineage` goes through. `version` grows with every change. `note`
    says which epochs are not from the file (`restore`).
    """

    def __init__(self) -> None:
        self.epochs: list[Record] = []
        self.steps = StepRows()
        self.finals: list[Record] = []
        self.lineage = Lineage()
        self._finals: list[tuple[int, Record]] = []
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

    def best(self, metric: str, mode: Mode) -> Record | None:
        """The run's own epoch (none inherited) with the best finite value, the first of equals; or None."""
        return best_of(self.epochs, metric, mode)

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
                self._add_final(record)
            start += 1
        self.version += 1

    def line_to(self, attempt: int, epoch: int, step: int) -> tuple[list[Record], list[Record]]:
        """Rows of epochs and of steps on the way to a checkpoint, wherever the curve goes by now.

        `epoch` is the last complete one before it.
        """
        limits = self.lineage.up_to(attempt, epoch, step)
        pieces = [*self.superseded_steps, self.steps]
        epochs = _by_place(self.superseded_epochs + self.epochs, "epoch", limits)
        return epochs, _by_place([row for piece in pieces for row in piece], "step", limits)

    def _add_steps(self, rows: Sequence[Record]) -> None:
        columns = transposed(rows)
        for row in (rows[0], rows[-1]):
            self._see(row)
        if self._follow(columns.get("step", [])):
            self.steps.add(columns)
            return
        for row in rows:
            if is_count(row.get("step")):
                self._see(row)
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
        self._see(row)
        while self.epochs and self.epochs[-1]["epoch"] >= row["epoch"]:
            self.superseded_epochs.append(self.epochs.pop())
        self.epochs.append(row)

    def _resume(self, record: Record) -> None:
        if not all(is_count(record.get(key)) for key in ("epoch", "step", "attempt")):
            return
        epoch, step, attempt = record["epoch"], record["step"], record["attempt"]
        source = record["resume"]
        checkpoint = text_or_none(source, 100)
        self.resumes.append(Resume(attempt, epoch, step, checkpoint))
        start = attempt_of(checkpoint)
        elsewhere = start is not None and not self.lineage.holds(start, epoch=epoch, step=step)
        self.lineage.take_over(attempt, checkpoint, epoch, step)
        if elsewhere:
            self._change_line()
        else:
            self._cut_line(epoch, step)
        self._judge_finals()

    def _cut_line(self, epoch: int, step: int) -> None:
        """The curve so far, up to here."""

        def is_after(row: Record) -> bool:
            return bool(row["epoch"] > epoch or row["step"] > step)

        self.superseded_epochs += [row for row in self.epochs if is_after(row)]
        self.epochs = [row for row in self.epochs if not is_after(row)]
        self._keep(self.steps.cut(step))

    def _change_line(self) -> None:
        """The curve by another branch: superseded rows come back, and current ones go."""
        limits = self.lineage.limits
        every = self.superseded_epochs + self.epochs
        self.epochs = _by_place(every, "epoch", limits)
        current = set(map(id, self.epochs))
        self.superseded_epochs = [row for row in every if id(row) not in current]
        back: list[StepRows] = []
        left: list[StepRows] = []
        for piece in [*self.superseded_steps, self.steps]:
            for run in piece.by_attempt():
                rest = run
                limit = limits.get(run.attempt[0])
                if limit is not None:
                    rest = run.cut(int(min(limit.step, run.step[-1])))
                    back.append(run)
                left.append(rest)
        self.steps, self.superseded_steps = StepRows(), []
        for rows in sorted(filter(len, back), key=lambda rows: rows.step[0]):
            # What was written twice counts once.
            while len(rows) and len(self.steps) and rows.step[0] <= self.steps.step[-1]:
                rest = rows.cut(self.steps.step[-1])
                left.append(rows)
                rows = rest
            self.steps.append(rows)
        for rows in left:
            self._keep(rows)

    def _see(self, row: Record) -> None:
        """Tell the lineage of an attempt whose resume record is lost, or that needs none."""
        if is_count(row.get("attempt")):
            self.lineage.seen(row["attempt"], whole(row.get("epoch")), whole(row.get("step")))

    def _add_final(self, record: Record) -> None:
        """Measured once with a checkpoint, which decides whether it counts.

        The attempt that did so may have done nothing else: it takes nothing over.
        """
        self._finals.append((self.lineage.of_final(record), _decoded(record)))
        self._judge_finals()

    def _judge_finals(self) -> None:
        self.finals = [row for attempt, row in self._finals if self.lineage.holds(attempt, step=row["step"])]


def best_of(rows: Sequence[Record], metric: str, mode: Mode) -> Record | None:
    """Of rows of epochs the run's own with the best finite value, the first of equals; or None."""
    own = [row for row in rows if row["attempt"] > 0 and math.isfinite(row.get(metric, math.nan))]
    return max(own, key=lambda row: (rank(row[metric], mode), -row["epoch"]), default=None)


def _by_place(rows: Sequence[Record], place: str, limits: Limits) -> list[Record]:
    """Those of `rows` that a line of descent goes through, ascending; of equal places the last in order."""
    by_epoch = place == "epoch"
    found = {
        row[place]: row
        for row in rows
        if holds(limits, row["attempt"], epoch=row["epoch"] if by_epoch else 0, step=row["step"])
    }
    return [found[at] for at in sorted(found)]


def _decoded(record: Record) -> Record:
    """A row with its place as integers, its time, and every number in it as a float under a clean name."""
    row: Record = {
        "t": time_of(record.get("t")),
        "epoch": whole(record.get("epoch")),
        "step": whole(record.get("step")),
        "attempt": whole(record.get("attempt")),
    }
    for name, raw in record.items():
        if name not in PLACE and (value := metric_of(raw)) is not None:
            row[clean_name(name)] = value
    return row
