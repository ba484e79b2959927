"""The runs: state, progress, best value, what is left or what went wrong."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from core import humanise
from tui.cell_text import progress
from tui.theme import STATE_TONES
from tui.widgets.line_table import Column, LineTable, Span

if TYPE_CHECKING:
    from core.store.jobs import JobState
    from core.store.records import RunSummary

BAR = 6
_SIGN, _EPOCH, _BEST, _SCORE, _LOSS, _RATE, _AGE = 4, 7, 11, 6, 8, 7, 5
_NAME = 36
_WORDS, _FEW_WORDS = 40, 32
"""Cells that name and outlook together do not give up for further columns, or for a further score."""
_COLUMNS = ("map_50", "loss", "rate", "started")
_ORDER = ("running", "stopping", "starting", "queued", "failed", "lost", "stopped", "finished")

SORTS: dict[str, Callable[[RunSummary], Any]] = {
    "newest": lambda run: -run.created,
    "best": lambda run: _best_key(run),
    "state": lambda run: (_ORDER.index(run.state), -run.created),
    "name": lambda run: (run.label.lower(), -run.created),
    "config": lambda run: (run.config, -run.created),
}
_SORT_OF_COLUMN = {"name": "name", "best": "best", "sign": "state", "started": "newest"}


class RunTable(LineTable["RunSummary"]):
    """Rows are run summaries.

    `marks` gives the overlay letter and series colour of marked runs, `jobs` the active job of a run.
    """

    marks: Mapping[str, tuple[str, int]] = {}
    jobs: Mapping[str, JobState] = {}
    metric = ""
    _longest = _NAME
    _epoch_width = _EPOCH
    _bar = True
    _has_boxes = False

    def key(self, row: RunSummary) -> str:
        return row.id

    def set_rows(self, rows: Sequence[RunSummary]) -> None:
        """Show `rows`; names and epochs take no more room than the longest of them needs."""
        longest = max((len(row.label) for row in rows), default=0)
        self._longest = min(max(longest, 14), _NAME)
        widest = max((len(f"{row.epoch}/{row.epochs}") for row in rows), default=0)
        self._epoch_width = min(max(widest, _EPOCH), 13)
        self._has_boxes = any_boxes(rows)
        super().set_rows(rows)

    def columns(self, width: int) -> list[Column]:
        room = width - (_SIGN + 1) - (self._epoch_width + 1) - (_BEST + 1)
        bar = self._bar = room >= 60
        shown = [
            Column("sign", "", _SIGN),
            Column("name", "name", 0, middle=True),
            Column("epoch", "epoch", self._epoch_width + (BAR + 1 if bar else 0), "left" if bar else "right"),
            Column(
                "best", self.metric if len(self.metric) <= _BEST else self.metric.rsplit("/", 1)[-1], _BEST
            ),
        ]
        room -= BAR + 1 if bar else 0
        more = (
            *([Column("map_50", "map_50", _SCORE)] if self._has_boxes else []),
            Column("started", "age", _AGE, "right"),
            Column("loss", "val loss", _LOSS, "right"),
            Column("rate", "lr", _RATE),
        )
        taken = []
        for column in more:
            words = _FEW_WORDS if column.key == "map_50" else _WORDS
            if room - column.width - 1 >= words:
                taken.append(column)
                room -= column.width + 1
        shown += sorted(taken, key=lambda column: _COLUMNS.index(column.key))
        name = min(max(room * 3 // 5, 14), self._longest)
        left = max(room - name - 2, 8)
        shown[1] = Column("name", "name", name, middle=True)
        return [*shown, Column("left", "left", left)]

    def cells(self, row: RunSummary) -> dict[str, Sequence[Span] | Span]:
        tone = STATE_TONES.get(row.state, "text")
        letter, color = self.marks.get(row.id, (" ", 0))
        cursor = "▸" if row.id == self.cursor_key else " "
        best: Span = (humanise.MISSING, "muted")
        if row.best is not None:
            best = (f"{humanise.number(row.best.metric, row.best.value)}@{row.best.epoch}", "text")
        return {
            "sign": [
                (cursor, "text"),
                (humanise.state_glyph(row.state), tone),
                (letter, f"series{color}"),
                (" ", "text"),
            ],
            "name": (row.label, "muted" if row.archived else "text"),
            "epoch": self._epoch(row),
            "best": best,
            "map_50": _number("val/map_50", row.best.map_50 if row.best is not None else None),
            "loss": _number("val/loss", row.last.get("val/loss")),
            "rate": _number("lr", row.last.get("lr")),
            "started": (_age(row.started or row.created), "muted"),
            "left": outlook(row, self.jobs.get(row.id)),
        }

    def _epoch(self, row: RunSummary) -> Sequence[Span] | Span:
        text = f"{row.epoch}/{row.epochs}"
        if self._bar and row.state in ("running", "stopping", "starting"):
            return [
                (text.ljust(self._epoch_width), "text"),
                (" ", "text"),
                (progress(row.epoch, row.epochs, BAR), "accent"),
            ]
        return text, "text"


def outlook(row: RunSummary, job: JobState | None = None) -> Span:
    """What is left of a run, what a job does with it, or what went wrong, in a few words and a tone."""
    if job is not None and row.ended is not None:
        return job_words(job), "accent"
    if row.state == "running":
        return remaining(row) or "first epoch", "text"
    if row.state in ("failed", "lost"):
        return row.reason or row.state, "bad"
    if row.state == "queued":
        return row.reason or "queued", "muted"
    if row.state == "starting":
        return "starting", "muted"
    if row.state == "stopping":
        return "saving", "warning"
    if row.imported:
        return "imported", "muted"
    if row.state == "finished" and row.early_stop is not None:
        return "finished early", "muted"
    if row.started is not None and row.ended is not None and row.state == "finished":
        return f"took {humanise.duration(row.ended - row.started)}", "muted"
    return row.state, "muted"


def state_words(run: RunSummary) -> str:
    """The state, and whether it came early."""
    return "finished early" if run.state == "finished" and run.early_stop is not None else run.state


def any_boxes(rows: Sequence[RunSummary]) -> bool:
    """Whether there is a run with an mAP at an IoU of 0.5 to show beside its mAP."""
    return any(
        row.best is not None and row.best.metric == "val/map" and row.best.map_50 is not None for row in rows
    )


def job_words(job: JobState) -> str:
    """`measure 3 of 24`, or that it waits."""
    if job.state == "queued":
        return f"{job.kind}: {job.reason}"
    return f"{job.kind} {job.done or 0} of {job.total}" if job.total else f"{job.kind} begins"


def remaining(row: RunSummary) -> str:
    """`≈ 14 m`, or nothing while no epoch has been timed."""
    if row.seconds_per_epoch is None or row.epochs <= row.epoch:
        return ""
    return humanise.eta((row.epochs - row.epoch) * row.seconds_per_epoch)


def sort_runs(runs: Sequence[RunSummary], by: str) -> list[RunSummary]:
    return sorted(runs, key=SORTS[by])


def sort_of_column(column: str) -> str | None:
    return _SORT_OF_COLUMN.get(column)


def matches(run: RunSummary, query: str) -> bool:
    """Every word of `query` is found in the run; `state=failed` looks at one field only."""
    if not query:
        return True
    fields = {
        "name": run.label,
        "id": run.id,
        "config": run.config,
        "model": run.model,
        "mode": run.mode,
        "state": run.state,
        "tag": " ".join(run.tags),
        "note": run.note,
        "reason": run.reason,
    }
    everything = " ".join(fields.values()).lower()
    fields["archived"] = "yes" if run.archived else "no"
    for word in query.lower().split():
        field, equals, value = word.partition("=")
        if equals and field in fields:
            if value not in fields[field].lower():
                return False
        elif word not in everything:
            return False
    return True


def _age(then: float) -> str:
    """Ages by the minute: seconds would have the table redrawn for nothing."""
    seconds = max(time.time() - then, 0)
    return humanise.age(seconds) if seconds >= 60 else "now"


def _number(name: str, value: float | None) -> Span:
    text = humanise.number(name, value)
    return text, "muted" if value is None else "warning" if text in ("NaN", "∞", "-∞") else "text"


def _best_key(run: RunSummary) -> tuple[int, float, float]:
    """Runs with a best value first, the better the earlier."""
    if run.best is None or run.best.value != run.best.value:
        return 1, 0.0, -run.created
    return 0, -run.best.rank, -run.created
