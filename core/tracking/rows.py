"""The rows of a metrics.jsonl that a tracker gets: current ones only, steps never falling, read in pieces."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from core.store.json_values import metric_of
from core.store.lineage import Lineage
from core.store.metric_columns import PLACE, clean_name, is_count, time_of, whole
from core.store.metrics import MetricsTail
from core.store.records import Record

CHUNK = 1 << 20
_PROGRESS = frozenset({"step_in_epoch", "steps_per_epoch"})


@dataclass(frozen=True)
class Row:
    """Metrics at a step. `epoch` counts finished epochs, with a fraction inside one (None: unknown).

    In a row within an epoch, `train/loss` is called `train/loss_step`: it is the mean of a few steps, the
    epoch's `train/loss` that of all. What was measured at the end, with an earlier checkpoint, comes at the
    last step, without an epoch.
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
        self._lineage = Lineage()
        self._tail = MetricsTail(path, patient=True)
        self._furthest = 0
        self._taken_over = attempt <= 1
        self._last = -1

    def look(self) -> bool:
        """Read on for records of resumes; whether the attempt has begun to write, or is the first."""
        while (records := self._read()) is not None:
            for record in records:
                self._look_at(record)
        return self._taken_over

    def begin(self) -> None:
        """Start over from the first row, with what `look` found out."""
        self._tail.rewind()

    def poll(self) -> list[Row]:
        """The next rows, about CHUNK bytes of them; empty when there are none at the moment."""
        while (records := self._read()) is not None:
            rows = [row for row in map(self._row, records) if row is not None]
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

    def _look_at(self, record: Record) -> None:
        attempt, step, epoch = (whole(record.get(key)) for key in ("attempt", "step", "epoch"))
        self._taken_over |= attempt >= self._attempt
        if "resume" not in record:
            if is_count(record.get("attempt")) and record.get("scope") != "final":
                self._lineage.seen(attempt, epoch, step)
            self._furthest = max(self._furthest, step)
        elif all(is_count(record.get(key)) for key in ("attempt", "step", "epoch")):
            source = record["resume"] if isinstance(record["resume"], str) else None
            self._lineage.take_over(attempt, source, epoch, step)
            if step < self._furthest:
                self.retrained.append(Retrained(attempt, source or "the start", step, self._furthest))
            self._furthest = step

    def _row(self, record: Record) -> Row | None:
        scope, step = record.get("scope"), whole(record.get("step"))
        if scope not in ("step", "epoch", "final") or "resume" in record or not is_count(record.get("step")):
            return None
        if self._is_superseded(record, step, whole(record.get("epoch")) if scope == "epoch" else 0):
            self.superseded += 1
            return None
        epoch = _progress(record)
        if step < self._last:
            if scope != "final":
                return None
            # Measured at the end, with a checkpoint from before it.
            step, epoch = self._last, None
        self._last = step
        values: dict[str, float] = {}
        for name, raw in record.items():
            if name not in PLACE and name not in _PROGRESS and (value := metric_of(raw)) is not None:
                name = clean_name(name)
                values[f"{name}_step" if scope == "step" and name.startswith("train/") else name] = value
        return Row(
            step=step,
            epoch=epoch,
            time=time_of(record.get("t")),
            attempt=whole(record.get("attempt")),
            whole_epoch=scope == "epoch",
            values=values,
        )

    def _is_superseded(self, record: Record, step: int, epoch: int) -> bool:
        if not is_count(record.get("attempt")):
            return False
        attempt = whole(record["attempt"])
        if record.get("scope") == "final":
            attempt = self._lineage.of_final(record)
        else:
            self._lineage.seen(attempt, epoch, step)
        return not self._lineage.holds(attempt, epoch=epoch, step=step)


def _progress(record: Record) -> float | None:
    epoch = whole(record.get("epoch"))
    if not is_count(record.get("epoch")):
        return None
    if record.get("scope") != "step":
        return float(epoch)
    # A fork's inherited rows hold them as floats.
    done, of = metric_of(record.get("step_in_epoch")), metric_of(record.get("steps_per_epoch"))
    return epoch - 1 + done / of if done is not None and of and 0 <= done <= of else None
