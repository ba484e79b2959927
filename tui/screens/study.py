"""One study: which setting is better, and do we know it?"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.message import Message
from textual.reactive import var
from textual.worker import Worker, WorkerState, get_current_worker

from core.text import clean
from tui import run_actions
from tui.chart.marks import MOST, toggled
from tui.read.reader import Snapshot
from tui.screens.base import LiveScreen
from tui.widgets.bars import KeyBar, SpanLine, TabLine
from tui.widgets.chart import Chart
from tui.widgets.line_view import WrappedView
from tui.widgets.trial_table import TrialTable

if TYPE_CHECKING:
    from core.analysis.study_table import Cell
    from core.cli.study_view import StudyView
    from tui.read.study_reader import StudySnapshot

_PANES = (("trials", "Trials"), ("matters", "What matters"))
_POLL = 2.0


class StudyRead(Message):
    """The reader has looked at the study."""

    def __init__(self, snapshot: StudySnapshot) -> None:
        super().__init__()
        self.snapshot = snapshot


class StudyScreen(LiveScreen):
    """Table of trials above; below, their curves and what matters. Fills as runs end."""

    CSS_PATH = "study.tcss"
    AUTO_FOCUS = "#trials"
    KEY_ORDER = (
        *("app.pop_screen", "choose", "start", "retry", "mark", "more_seeds", "until", "table"),
        *("report", "next_pane", "log_axis", "x_axis"),
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,backspace", "app.pop_screen", "back", key_display="esc"),
        Binding("s", "start", "start missing runs"),
        Binding("r", "retry", "resume failed"),
        Binding("space", "mark", "mark", key_display="space"),
        Binding("plus", "more_seeds", "more seeds", key_display="+"),
        Binding("D", "until", "until decided"),
        Binding("w", "table", "write table"),
        Binding("R", "report", "report"),
        Binding("equals_sign", "zoom(0.5)", "zoom in", show=False, key_display="="),
        Binding("1", "pane('trials')", "Trials", show=False),
        Binding("2", "pane('matters')", "What matters", show=False),
        Binding("tab", "next_pane", "next pane", key_display="tab"),
    ]
    SIGNS = (
        ("· …", "no run yet; every run waits"),
        ("A a.. B", "marked: its curve, between the lowest and highest of its seeds"),
    )

    pane: var[str] = var("trials", init=False)

    def __init__(self, path: Path) -> None:
        super().__init__(classes="-pane-trials")
        self.path = path
        self.study: StudySnapshot | None = None
        self._marks: dict[str, tuple[str, int]] = {}
        self._wake = threading.Event()
        self._closed = False
        self._wanted: frozenset[str] = frozenset()
        self._told = ""
        self._shown_table: object = None

    def compose(self) -> ComposeResult:
        yield SpanLine(id="top")
        yield TabLine(_PANES, "pane", id="tabs")
        yield TrialTable(id="trials", empty="reading the study …")
        with Container(id="below"):
            yield Chart(id="curves", title="curves")
            yield WrappedView(id="matters", empty="reading …")
        yield SpanLine(id="about")
        yield KeyBar()

    def on_mount(self) -> None:
        super().on_mount()
        self.query_one("#matters").border_title = "What matters"
        self.query_one("#trials").border_title = "Trials"
        self._show_top()
        self._read()

    def on_unmount(self) -> None:
        self._closed = True
        self._wake.set()

    def on_screen_resume(self) -> None:
        super().on_screen_resume()
        self._wake.set()

    # -- data

    @work(thread=True, exclusive=True, group="study", exit_on_error=False)
    def _read(self) -> None:
        worker = get_current_worker()
        from tui.read.study_reader import StudyReader

        reader = StudyReader(self.lab.workspace, self.path)
        while not (worker.is_cancelled or self._closed):
            self._wake.clear()
            snapshot = reader.poll(self._wanted)
            if snapshot is not None:
                self.post_message(StudyRead(snapshot))
            self._wake.wait(_POLL)

    @on(Worker.StateChanged)
    def _worker_changed(self, event: Worker.StateChanged) -> None:
        if event.state is WorkerState.ERROR and event.worker.error is not None:
            self.lab.show_error(event.worker.error)

    @on(StudyRead)
    def _study_read(self, message: StudyRead) -> None:
        with self.app.batch_update():
            self._show(message.snapshot)
        problem = message.snapshot.problem
        if problem and problem != self._told and self.is_shown:
            from tui.dialogs.text import TextDialog

            self.app.push_screen(TextDialog("The study's file", problem, bad=True))
        self._told = problem

    @property
    def view_of_study(self) -> StudyView | None:
        return self.study.view if self.study is not None else None

    @property
    def table(self) -> TrialTable:
        return self.query_one("#trials", TrialTable)

    @property
    def cell(self) -> Cell | None:
        """The trial under the cursor."""
        from tui.screens import study_text

        return study_text.cell_of(self.view_of_study, self.table.cursor_key)

    # -- what is shown

    def show_snapshot(self, snapshot: Snapshot) -> None:
        """Nothing of the workspace's runs is shown here."""

    def _show(self, snapshot: StudySnapshot) -> None:
        from tui.screens import study_text

        self.study = snapshot
        view = snapshot.view
        table = self.table
        if view is None:
            table.empty = f"the file has problems: {study_text.first_line(snapshot.problem)}"
            table.refresh_changed()
        elif view is not self._shown_table:
            self._shown_table = view
            alive = {cell.trial for cell in view.table.cells}
            self._marks = {name: mark for name, mark in self._marks.items() if name in alive}
            table.marks = dict(self._marks)
            table.factors, table.titles = study_text.factors(view), study_text.titles(view)
            table.baseline = view.table.baseline
            table.set_rows(study_text.rows(view))
            self._show_matters()
        self._show_top()
        self._show_about()
        self.draw_charts()
        self.refresh_bindings()

    def _show_matters(self) -> None:
        from tui.screens import study_text

        if (view := self.view_of_study) is not None:
            self.query_one("#matters", WrappedView).set_sentences(study_text.matters(view))

    def _show_top(self) -> None:
        from tui.read.study_reader import EMPTY
        from tui.screens import study_text

        left, right = study_text.top(clean(self.path.stem), self.study or EMPTY, self.size.width)
        self.query_one("#top", SpanLine).show(left, right)

    def _show_about(self) -> None:
        from tui.screens import study_text

        if self.study is not None:
            self.query_one("#about", SpanLine).show(study_text.about(self.study, self.table.cursor_key))

    def draw_charts(self) -> None:
        view = self.view_of_study
        if self.study is None or view is None:
            return
        from core.metrics import is_bounded
        from tui.chart.views import band_chart

        names = self._drawn()
        bands = {name: made for name, made in self.study.bands.items() if name in names}
        metric = view.study.metric
        empty = "no epoch has ended yet" if len(names) <= 1 else "no epoch of the marked trials has ended yet"
        bounded = is_bounded(metric.rsplit("/", 1)[-1])
        self.query_one("#curves", Chart).show(
            band_chart(bands, self._marks, metric, labels=self.table.labels, bounded=bounded, empty=empty)
        )

    def _drawn(self) -> frozenset[str]:
        """Marked trials, else the one under the cursor."""
        key = self.table.cursor_key
        return frozenset(self._marks) or (frozenset({key}) if key else frozenset())

    def _want(self) -> None:
        if self._drawn() != self._wanted:
            self._wanted = self._drawn()
            self._wake.set()

    def on_resize(self) -> None:
        self._show_top()

    # -- moving about

    @on(TrialTable.Highlighted, "#trials")
    def _highlighted(self) -> None:
        self._want()
        self._show_about()
        self.draw_charts()
        self.refresh_bindings()

    @on(TrialTable.Chosen, "#trials")
    def _chosen(self) -> None:
        if (view := self.view_of_study) and (cell := self.cell):
            from tui.screens import study_actions

            study_actions.runs(self, view, cell)

    def watch_pane(self, before: str, pane: str) -> None:
        self.remove_class(f"-pane-{before}")
        self.add_class(f"-pane-{pane}")
        self.query_one("#tabs", TabLine).choose(pane)
        self.query_one(f"#{pane}").focus()

    def action_pane(self, pane: str) -> None:
        self.pane = pane

    def action_next_pane(self) -> None:
        self.pane = "matters" if self.pane == "trials" else "trials"

    def action_mark(self) -> None:
        if (cell := self.cell) is None:
            return
        marks = toggled(self._marks, cell.trial)
        if marks is None:
            self.say(f"{MOST} trials are marked: unmark one first")
            return
        self._marks = marks
        self.table.marks = dict(marks)
        self.table.action_move(1)
        self.table.refresh_changed()
        self._want()
        self.draw_charts()

    # -- what is done to the study

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action in ("start", "table", "mark", "more_seeds", "until", "choose"):
            return self.is_mounted and self.view_of_study is not None
        if action == "report":
            view = self.view_of_study if self.is_mounted else None
            return view is not None and any(run.epoch for run in view.runs)
        if action == "retry":
            cell = self.cell if self.is_mounted else None
            return cell is not None and any(run.status == "failed" for run in cell.runs)
        return True

    def say(self, text: str) -> None:
        """A sentence in the corner."""
        self.notify(text, markup=False, timeout=12)

    def done(self, text: str) -> None:
        """Something was done to the study: say it and look again."""
        self.say(text)
        self._wake.set()

    def action_start(self) -> None:
        if view := self.view_of_study:
            from tui.screens import study_actions

            study_actions.start(self, view)

    def action_retry(self) -> None:
        if (view := self.view_of_study) and (cell := self.cell):
            from tui.screens import study_actions

            study_actions.retry(self, view, cell)

    def action_more_seeds(self) -> None:
        if (view := self.view_of_study) and (cell := self.cell):
            from tui.screens import study_actions

            study_actions.more_seeds(self, view, cell)

    def action_until(self) -> None:
        if (view := self.view_of_study) and (cell := self.cell):
            from tui.screens import study_actions

            study_actions.until_decided(self, view, cell, list(self._marks))

    def action_table(self) -> None:
        if view := self.view_of_study:
            from tui.screens import study_actions

            study_actions.table(self, view)

    def action_report(self) -> None:
        run_actions.report(self.lab, [str(self.path)], clean(self.path.stem))
