"""The runs: state, progress, best value, what is left or what went wrong."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from core import humanise, words
from core.metrics import entry
from tui.cell_text import progress
from tui.theme import STATE_TONES
from tui.widgets.columns import ANY, Column
from tui.widgets.line_table import LineTable, Span

if TYPE_CHECKING:
    from core.store.jobs import JobState
    from core.store.records import RunSummary

BAR = 6
_SIGN, _EPOCH, _BEST, _SCORE, _LOSS, _RATE, _AGE = 4, 7, 11, 6, 8, 7, 5
_NAME = 14, 36
_OUTLOOK = 8
_TRAINING = ("running", "stopping", "starting")
_STATES = ("running", "stopping", "starting", "queued", "failed", "lost", "stopped", "finished")

Cell = Sequence[Span] | Span

SORTS: dict[str, Callable[[RunSummary], Any]] = {
    "newest": lambda run: -run.created,
    "best": lambda run: _best_key(run),
    "state": lambda run: (_STATES.index(run.state), -run.created),
    "name": lambda run: (run.label.lower(), -run.created),
    "config": lambda run: (run.config, -run.created),
    "epoch": lambda run: (-run.epoch, -run.created),
    "map_50": lambda run: (_last(run.best.map_50 if run.best else None, falling=True), -run.created),
    "val loss": lambda run: (_last(run.last.get("val/loss")), -run.created),
    "lr": lambda run: (_last(run.last.get("lr"), falling=True), -run.created),
}
"""Orders of runs by name."""
CYCLE = ("newest", "best", "state", "name", "config")
"""Those that `o` goes through; a click on a column's head gives the others, too."""


@dataclass(frozen=True)
class RunColumn:
    """The room that a column wants (or none), its cell of a run, and the order of a click on its head."""

    declare: Callable[[RunTable], list[Column]]
    cell: Callable[[RunTable, RunSummary], Cell]
    order: str = ""


class RunTable(LineTable["RunSummary"]):
    """Rows are run summaries, columns those of COLUMNS.

    `marks` gives the overlay letter and series colour of marked runs, `jobs` the active job of a run.
    """

    ORDERS = False
    marks: Mapping[str, tuple[str, int]] = {}
    jobs: Mapping[str, JobState] = {}
    metrics: frozenset[str] = frozenset()
    longest_name = _NAME[1]
    epoch_width = _EPOCH
    has_boxes = False

    def key(self, row: RunSummary) -> str:
        return row.id

    def set_rows(self, rows: Sequence[RunSummary]) -> None:
        """Show `rows`; names and epochs take no more room than the longest of them needs."""
        longest = max((len(row.label) for row in rows), default=0)
        self.longest_name = min(max(longest, _NAME[0]), _NAME[1])
        widest = max((len(f"{row.epoch}/{row.epochs}") for row in rows), default=0)
        self.epoch_width = min(max(widest, _EPOCH), 13)
        self.has_boxes = any_boxes(rows)
        self.metrics = frozenset(row.best.metric for row in rows if row.best is not None)
        super().set_rows(rows)

    def declared(self) -> list[Column]:
        return [column for entry in COLUMNS.values() for column in entry.declare(self)]

    def cells(self, row: RunSummary) -> dict[str, Cell]:
        return {key: entry.cell(self, row) for key, entry in COLUMNS.items()}


def _sign(table: RunTable, row: RunSummary) -> Cell:
    letter, color = table.marks.get(row.id, (" ", 0))
    return [
        ("▸" if row.id == table.cursor_key else " ", "text"),
        (humanise.state_glyph(row.state), STATE_TONES.get(row.state, "text")),
        (letter, f"series{color}"),
        (" ", "text"),
    ]


def _epoch(table: RunTable, row: RunSummary) -> Cell:
    text = f"{row.epoch}/{row.epochs}"
    if table.widths.get("epoch", 0) <= table.epoch_width or row.state not in _TRAINING:
        return text, "text"
    bar = progress(row.epoch, row.epochs, BAR)
    return [(text.ljust(table.epoch_width), "text"), (" ", "text"), (bar, "accent")]


def _best(table: RunTable, row: RunSummary) -> Cell:
    """The best value; where runs go by several metrics, with its own."""
    if row.best is None:
        return words.best_value(row), "muted"
    if len(table.metrics) < 2:
        return words.best_value(row), "text"
    return [(words.best_value(row), "text"), (f" {_short(row.best.metric)}", "muted")]


def _best_title(metrics: frozenset[str]) -> str:
    if len(metrics) != 1:
        return "best"
    (metric,) = metrics
    return metric if len(metric) <= _BEST else _leaf(metric)


def _leaf(metric: str) -> str:
    return metric.rsplit("/", 1)[-1]


def _short(metric: str) -> str:
    """What a metric is called where there is little room: `acc`, `AP`."""
    metric_entry = entry(metric)
    return metric_entry.short if metric_entry is not None else _leaf(metric)


def _best_columns(table: RunTable) -> list[Column]:
    titled = Column("best", _best_title(table.metrics), _BEST)
    if len(table.metrics) < 2:
        return [titled]
    room = _BEST + 1 + max(map(len, map(_short, table.metrics)))
    return [titled, Column("best", titled.title, room, priority=4, spare=8)]


COLUMNS: dict[str, RunColumn] = {
    "sign": RunColumn(lambda table: [Column("sign", "", _SIGN)], _sign, order="state"),
    "name": RunColumn(
        lambda table: [Column("name", "name", _NAME[0], middle=True, max=table.longest_name, share=3)],
        lambda table, row: (row.label, "muted" if row.archived else "text"),
        order="name",
    ),
    "epoch": RunColumn(
        lambda table: [
            Column("epoch", "epoch", table.epoch_width, "right"),
            Column("epoch", "epoch", table.epoch_width + 1 + BAR, priority=1, spare=29),
        ],
        _epoch,
        order="epoch",
    ),
    "best": RunColumn(
        _best_columns,
        _best,
        order="best",
    ),
    "map_50": RunColumn(
        lambda table: [Column("map_50", "map_50", _SCORE, priority=2, spare=8)] if table.has_boxes else [],
        lambda table, row: _number("val/map_50", row.best.map_50 if row.best is not None else None),
        order="map_50",
    ),
    "loss": RunColumn(
        lambda table: [Column("loss", "val loss", _LOSS, "right", priority=5, spare=16)],
        lambda table, row: _number("val/loss", row.last.get("val/loss")),
        order="val loss",
    ),
    "rate": RunColumn(
        lambda table: [Column("rate", "lr", _RATE, priority=6, spare=16)],
        lambda table, row: _number("lr", row.last.get("lr")),
        order="lr",
    ),
    "started": RunColumn(
        lambda table: [Column("started", "age", _AGE, "right", priority=3, spare=16)],
        lambda table, row: (words.run_age(row, by_minute=True), "muted"),
        order="newest",
    ),
    "left": RunColumn(
        lambda table: [Column("left", "left", _OUTLOOK, max=ANY, share=2)],
        lambda table, row: outlook(row, table.jobs.get(row.id)),
        order="state",
    ),
}
"""The columns from left to right: a column of the list is one entry here."""


def outlook(row: RunSummary, job: JobState | None = None) -> Span:
    """What is left of a run, what a job does with it, or what went wrong, in a few words and a tone."""
    if job is not None and row.ended is not None:
        return words.job_line(job), "accent"
    if row.state == "running":
        return words.run_time_left(row) or "first epoch", "text"
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
    if row.started is not None and row.ended is not None and words.run_state(row) == "finished":
        return f"took {humanise.duration(row.ended - row.started)}", "muted"
    return words.run_state(row), "muted"


def any_boxes(rows: Sequence[RunSummary]) -> bool:
    """Whether there is a run with an mAP at an IoU of 0.5 to show beside its mAP."""
    return any(
        row.best is not None and row.best.metric == "val/map" and row.best.map_50 is not None for row in rows
    )


def sort_runs(runs: Sequence[RunSummary], by: str) -> list[RunSummary]:
    return sorted(runs, key=SORTS[by])


def sort_of_column(column: str) -> str | None:
    """The order that a click on the head of a column gives."""
    return COLUMNS[column].order or None if column in COLUMNS else None


def _last(value: float | None, *, falling: bool = False) -> tuple[bool, float]:
    """To sort by a number: what is none, or not finite, comes last."""
    is_number = value is not None and math.isfinite(value)
    return not is_number, (-value if falling else value) if is_number and value is not None else 0.0


def _number(name: str, value: float | None) -> Span:
    text = humanise.number(name, value)
    return text, "muted" if value is None else "warning" if text in ("NaN", "∞", "-∞") else "text"


def _best_key(run: RunSummary) -> tuple[int, str, float, float]:
    """Runs with a best value first, those of one metric together, the better the earlier."""
    if run.best is None or run.best.value != run.best.value:
        return 1, "", 0.0, -run.created
    return 0, run.best.metric, -run.best.rank, -run.created
