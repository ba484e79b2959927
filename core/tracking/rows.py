"""The rows of a metrics.jsonl that a tracker gets: current ones only, steps never falling, read in pieces."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path

from core.store.columns import PLACE, clean_name, is_count, number_of, time_of, whole
from core.store.metrics import MetricsTail
from core.store.records import Record

CHUNK = 1 << 20
_PROGRESS = frozenset({"step_in_epoch", "steps_per_epoch"})


@dataclass(frozen=True)
class Row:
    """Metrics at a step. `epoch` counts finished epochs, with a fraction inside one (None: unknown).

    In a row within an epoch, `train/loss` is called `train/loss_step`: it is the mean of a few steps, the
    epoch's `train/loss` that of all.
    """

    step: int
    epoch: float | None
    time: float
    attempt: int
    whole_epoch: bool
    values: dict[str, float]


@dataclass(frozen=True)
class Retrained:
    """An attempt took over at `step`, behind `until`, the last step that was there already."""

    attempt: int
    checkpoint: str
    step: int
    until: int


@dataclass
class _Limits:
    """Where attempts took over: a row before such a record counts only up to its step and epoch."""

    at: list[int] = field(default_factory=list)
    steps: list[int] = field(default_factory=list)
    epochs: list[int] = field(default_factory=list)

    def close(self) -> None:
        """Let each limit be the lowest of those that follow it."""
        self.steps = list(accumulate(reversed(self.steps), min))[::-1]
        self.epochs = list(accumulate(reversed(self.epochs), min))[::-1]


class Rows:
    """Reads the metrics of `attempt` and of all before it.

    First `look` until the attempt has taken over (only then is it known what it supersedes), then `begin`,
    then `poll`. Memory does not grow with the file. An odd record is left out.
    """

    def __init__(self, path: Path, attempt: int) -> None:
        self.path = path
        self.retrained: list[Retrained] = []
        self.superseded = 0
        self._attempt = attempt
        self._limits = _Limits()
        self._tail = MetricsTail(path, patient=True)
        self._index = 0
        self._furthest = 0
        self._taken_over = attempt <= 1
        self._next = 0
        self._last = -1

    def look(self) -> bool:
        """Read on for records of resumes; whether the attempt has begun to write, or is the first."""
        while (records := self._read()) is not None:
            for index, record in enumerate(records, self._index):
                self._look_at(index, record)
            self._index += len(records)
        return self._taken_over

    def begin(self) -> None:
        """Start over from the first row, with what `look` found out."""
        self._limits.close()
        self._tail.rewind()
        self._index = 0

    def poll(self) -> list[Row]:
        """The next rows, about CHUNK bytes of them; empty when there are none at the moment."""
        while (records := self._read()) is not None:
            found = (self._row(index, record) for index, record in enumerate(records, self._index))
            rows = [row for row in found if row is not None]
            self._index += len(records)
            if rows:
                return rows
        return []

    def _read(self) -> list[Record] | None:
        """The next records, or None at the end."""
        before = self._tail.offset
        records, again = self._tail.read(CHUNK)
        if again:
            raise OSError(f"{self.path} was replaced or cut while it was being read")
        return records if self._tail.offset > before else None

    def _look_at(self, index: int, record: Record) -> None:
        attempt, step, epoch = (whole(record.get(key)) for key in ("attempt", "step", "epoch"))
        self._taken_over |= attempt >= self._attempt
        if "resume" not in record:
            self._furthest = max(self._furthest, step)
        elif all(is_count(record.get(key)) for key in ("attempt", "step", "epoch")):
            self._limits.at.append(index)
            self._limits.steps.append(step)
            self._limits.epochs.append(epoch)
            if step < self._furthest:
                source = record["resume"] if isinstance(record["resume"], str) else "the start"
                self.retrained.append(Retrained(attempt, source, step, self._furthest))
            self._furthest = step

    def _row(self, index: int, record: Record) -> Row | None:
        scope, step = record.get("scope"), whole(record.get("step"))
        if scope not in ("step", "epoch", "final") or "resume" in record or not is_count(record.get("step")):
            return None
        if self._is_superseded(index, step, whole(record.get("epoch")) if scope == "epoch" else 0):
            self.superseded += 1
            return None
        if step < self._last:
            return None
        self._last = step
        values: dict[str, float] = {}
        for name, raw in record.items():
            if name not in PLACE and name not in _PROGRESS and (value := number_of(raw)) is not None:
                name = clean_name(name)
                values[f"{name}_step" if scope == "step" and name.startswith("train/") else name] = value
        return Row(
            step=step,
            epoch=_progress(record),
            time=time_of(record.get("t")),
            attempt=whole(record.get("attempt")),
            whole_epoch=scope == "epoch",
            values=values,
        )

    def _is_superseded(self, index: int, step: int, epoch: int) -> bool:
        limits = self._limits
        while self._next < len(limits.at) and limits.at[self._next] < index:
            self._next += 1
        if self._next == len(limits.at):
            return False
        return step > limits.steps[self._next] or epoch > limits.epochs[self._next]


def _progress(record: Record) -> float | None:
    epoch = whole(record.get("epoch"))
    if not is_count(record.get("epoch")):
        return None
    if record.get("scope") != "step":
        return float(epoch)
    # A fork's inherited rows hold them as floats.
    done, of = number_of(record.get("step_in_epoch")), number_of(record.get("steps_per_epoch"))
    return epoch - 1 + done / of if done is not None and of and 0 <= done <= of else None
