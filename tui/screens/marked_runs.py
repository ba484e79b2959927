"""Runs that are marked: shown together, acted on together, and still marked at the next start."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from textual.binding import Binding, BindingType

from tui.chart.marks import MOST, toggled
from tui.screens import navigation

if TYPE_CHECKING:
    from core.store.records import RunSummary
    from tui.lab import Lab
    from tui.read.reader import Snapshot
    from tui.widgets.run_table import RunTable

_MARKS = "marks"


class MarkedRuns:
    """What the list of runs does with marks: a part of a LiveScreen, before RunKeys."""

    MARK_KEYS: ClassVar[list[BindingType]] = [
        Binding("space", "mark", "mark", key_display="space"),
        Binding(
            "A",
            "act",
            "archive, delete …",
            tooltip="tag, archive, stop or delete marked runs, or this one",
        ),
        Binding("L", "like", "new run like this", tooltip="a new run with the settings of this one"),
    ]
    if TYPE_CHECKING:
        apart: bool
        lab: Lab
        snapshot: Snapshot
        notify: Any
        draw_charts: Any
        ask: Any
        refresh_bindings: Any

    @property
    def table(self) -> RunTable:
        """The list."""
        raise LookupError

    @property
    def current_run(self) -> RunSummary | None:
        """The run under the cursor."""
        return self.table.current

    marked: dict[str, tuple[str, int]] = {}
    _taken = False

    @property
    def target(self) -> RunSummary | None:
        return self.current_run

    @property
    def chart_runs(self) -> list[RunSummary]:
        """Marked runs, else the one under the cursor."""
        marked = [run for run in self.snapshot.runs if run.id in self.marked]
        return marked or ([self.current_run] if self.current_run else [])

    @property
    def reported(self) -> list[RunSummary]:
        return self.chart_runs

    def take_marks(self, snapshot: Snapshot) -> None:
        """Marks of the last time at first; of runs that have gone no longer."""
        if not self._taken and snapshot.loaded:
            self._taken = True
            for run_id in self.lab.choices.words(_MARKS):
                self.marked = toggled(self.marked, run_id) or self.marked
        alive = {run.id for run in snapshot.runs}
        self.marked = {run_id: mark for run_id, mark in self.marked.items() if run_id in alive}

    def set_marks(self, marks: dict[str, tuple[str, int]]) -> None:
        """Mark other runs, and show it."""
        self.marked = marks
        self.lab.choose(_MARKS, {run_id: letter for run_id, (letter, _) in marks.items()}, here=True)
        self.table.marks = dict(marks)
        self.table.refresh_changed()
        self.draw_charts()
        self.ask()
        self.refresh_bindings()

    def action_mark(self) -> None:
        run = self.current_run
        if run is None:
            return
        marks = toggled(self.marked, run.id)
        if marks is None:
            self.notify(f"{MOST} runs are marked: unmark one first", markup=False)
            return
        self.table.action_move(1)
        self.set_marks(marks)

    def action_act(self) -> None:
        """Ask what to do with the marked runs, or with the one under the cursor."""
        if runs := self.chart_runs:
            from tui import many_runs

            many_runs.ask(self.lab, runs)

    def action_like(self) -> None:
        if run := self.current_run:
            navigation.launch_like(self.lab, run)
