"""One run: is it healthy, and from where to go on?"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.reactive import var
from textual.widget import Widget
from textual.widgets import Static

from core.reading import read_text
from core.store.records import ACTIVE, Checkpoint, RunSummary
from tui import run_actions
from tui.read.class_rows import averages, class_rows
from tui.read.reader import Snapshot, Wanted
from tui.screens import run_text
from tui.screens.base import LiveScreen, RunKeys
from tui.screens.runs_text import advice_spans
from tui.widgets.bars import KeyBar, SpanLine, TabLine
from tui.widgets.chart import Chart
from tui.widgets.checkpoint_table import CheckpointTable, measured_of
from tui.widgets.class_table import ClassTable, sort_of_column
from tui.widgets.layer_table import LayerTable, layer_rows
from tui.widgets.line_view import LineView

if TYPE_CHECKING:
    from core.store.measures import Measured
    from tui.read.run_detail import Detail

_TABS = (
    ("charts", "Charts"),
    ("checkpoints", "Checkpoints"),
    ("classes", "Classes"),
    ("model", "Model"),
    ("config", "Config"),
    ("log", "Log"),
)
_CHARTS = 4


class RunScreen(RunKeys, LiveScreen):
    CSS_PATH = "run.tcss"
    AUTO_FOCUS = ""
    KEY_ORDER = (
        *("app.pop_screen", "step(1)", "split", "sort", "stop_job"),
        *("resume", "stop", "errors", "more_charts", "fork", "measure", "pin", "next_tab(1)"),
        *("edit", "report", "log_axis", "x_axis", "pictures", "kill"),
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        *RunKeys.RUN_KEYS,
        Binding("escape,backspace", "app.pop_screen", "back", key_display="esc"),
        Binding("M", "stop_job", "stop measuring"),
        Binding("p", "pin", "pin or unpin"),
        Binding("v", "more_charts", "more charts"),
        Binding("y", "log_axis", "log axis"),
        Binding("x", "x_axis", "x axis"),
        Binding("tab", "next_tab(1)", "next tab", key_display="tab"),
        Binding("shift+tab", "next_tab(-1)", "previous tab", show=False),
        *(
            Binding(str(number), f"tab('{name}')", title, show=False)
            for number, (name, title) in enumerate(_TABS, 1)
        ),
    ]

    tab: var[str] = var("charts", init=False)
    split: var[str] = var("val", init=False)
    chart_page: var[int] = var(0, init=False)

    def __init__(self, run_id: str) -> None:
        super().__init__()
        self.run_id = run_id
        # The checkpoint whose classes are shown; None follows the best one.
        self._chosen: str | None = None
        self._shown: tuple[Detail | None, RunSummary | None] = None, None

    def compose(self) -> ComposeResult:
        yield SpanLine(id="top")
        yield TabLine(_TABS, "tab", id="run-tabs")
        yield SpanLine(id="jobs")
        yield Static("", markup=False, id="reason")
        with Container(id="pages"):
            with Container(id="page-charts"):
                yield SpanLine(id="advice")
                for number in range(_CHARTS):
                    yield Chart(id=f"chart{number}")
            with Container(id="page-checkpoints"):
                yield Chart(id="curve")
                yield CheckpointTable(
                    id="checkpoints", empty="no checkpoint yet: the first is saved when an epoch ends"
                )
                yield SpanLine(id="about")
            with Container(id="page-classes"):
                yield SpanLine(id="class-line")
                yield ClassTable(id="classes", empty="reading …")
            with Container(id="page-model"):
                yield LayerTable(id="model", empty="reading …")
            with Container(id="page-config"):
                yield LineView(id="config", empty="reading …")
            with Container(id="page-log"):
                yield LineView(id="log", empty="no log yet", follow=True)
        yield KeyBar()

    def on_mount(self) -> None:
        super().on_mount()
        self.query_one("#jobs").display = self.query_one("#advice").display = False
        self._apply_tab()

    @property
    def wanted(self) -> Wanted:
        return Wanted(frozenset({self.run_id}), self.run_id, self._row_wanted(), self.run_id)

    @property
    def run(self) -> RunSummary | None:
        return self.snapshot.run(self.run_id)

    @property
    def target(self) -> RunSummary | None:
        return self.run

    @property
    def start(self) -> str:
        return self.checkpoint.id if self.checkpoint else ""

    @property
    def detail(self) -> Detail | None:
        detail = self.snapshot.detail
        return detail if detail is not None and detail.run == self.run_id else None

    @property
    def checkpoint(self) -> Checkpoint | None:
        """The checkpoint under the cursor while that tab is shown."""
        return self.query_one("#checkpoints", CheckpointTable).current if self.tab == "checkpoints" else None

    # -- what is shown

    def show_snapshot(self, snapshot: Snapshot) -> None:
        run = self.run
        if run is None:
            if snapshot.loaded:
                self.notify("that run was removed", markup=False)
                self.app.pop_screen()
            return
        curves = snapshot.curves.get(run.id)
        self.query_one("#top", SpanLine).show(*run_text.top(run, curves, width=self.size.width))
        self._show_reason(run_text.reason(run))
        self._show_advice(snapshot, run)
        self.draw_charts()
        detail = self.detail
        if detail is not None:
            self._show_jobs(detail)
            if detail is not self._shown[0] or run != self._shown[1]:
                self._shown = detail, run
                self._show_detail(run, detail)
        self.refresh_bindings()

    def _show_reason(self, reason: str) -> None:
        """Why the run has failed, in as many lines as it takes."""
        words = self.query_one("#reason", Static)
        words.display = bool(reason)
        if words.content != reason:
            words.update(reason)

    def _show_advice(self, snapshot: Snapshot, run: RunSummary) -> None:
        line = self.query_one("#advice", SpanLine)
        spans = advice_spans(run, snapshot, self.size.width)
        if line.display != bool(spans):
            line.display = bool(spans)
        line.show(spans)

    def _show_detail(self, run: RunSummary, detail: Detail) -> None:
        self._show_checkpoints(run, detail)
        self._show_classes(run, detail)
        layers = self.query_one("#model", LayerTable)
        layers.empty = run_text.no_network(run)
        layers.set_rows(layer_rows(detail.model))
        self.query_one("#config", LineView).set_lines(detail.config)
        self.query_one("#log", LineView).set_lines(detail.log)

    def _show_checkpoints(self, run: RunSummary, detail: Detail) -> None:
        table = self.query_one("#checkpoints", CheckpointTable)
        table.metric = run.metric or table.metric
        table.best = run.best.checkpoint if run.best else None
        table.measured = measured_of(detail.rows.values(), detail.checkpoints)
        table.unreadable = detail.unreadable
        newest_first = sorted(detail.checkpoints, key=lambda item: (item.epoch, item.step), reverse=True)
        table.set_rows(newest_first)
        self._show_about()

    def _show_about(self) -> None:
        if (detail := self.detail) is not None:
            table = self.query_one("#checkpoints", CheckpointTable)
            row = table.current
            measured = table.measured.get(row.id, {}) if row is not None else {}
            brief = self.has_class("-narrow")
            self.query_one("#about", SpanLine).show(
                *run_text.about_checkpoint(row, detail, measured, brief=brief)
            )

    def _show_jobs(self, detail: Detail) -> None:
        spans = run_text.jobs_line(detail.jobs)
        line = self.query_one("#jobs", SpanLine)
        line.display = bool(spans)
        line.show(spans)

    def _show_classes(self, run: RunSummary, detail: Detail) -> None:
        table = self.query_one("#classes", ClassTable)
        name = self._row_wanted()
        row = detail.rows.get(name)
        known = row is not None and detail.row == name
        rows = class_rows(detail.classes) if known else []
        table.empty = "reading …" if row is not None and not known else run_text.no_classes(run, self.split)
        if known or row is None:
            table.set_rows(rows)
        best = run.best is not None and row is not None and row.checkpoint == run.best.checkpoint
        brief = self.has_class("-narrow")
        self.query_one("#class-line", SpanLine).show(
            *run_text.class_line(row, self.split, averages(rows), table.sorting, best=best, brief=brief)
        )
        self.ask()

    # -- the measurement whose classes are shown

    def _measured(self) -> list[tuple[str, Measured]]:
        """Measurements of the split by name, in the order of the curve."""
        rows = self.detail.rows if self.detail is not None else {}
        of_split = [(name, row) for name, row in rows.items() if row.split == self.split]
        return sorted(of_split, key=lambda item: (run_text.epoch_of(item[1].checkpoint), item[0]))

    def _row_wanted(self) -> str:
        measured = self._measured()
        if not measured:
            return ""
        names = [name for name, _ in measured]
        if self._chosen is not None:
            chosen = [name for name, row in measured if self._chosen in (name, row.checkpoint)]
            return chosen[-1] if chosen else names[-1]
        run = self.run
        best = run.best.id if run is not None and run.best is not None else ""
        at_best = [name for name, row in measured if row.checkpoint == best]
        return at_best[-1] if at_best else names[-1]

    @on(ClassTable.Stepped)
    def _class_stepped(self, event: ClassTable.Stepped) -> None:
        names = [name for name, _ in self._measured()]
        if names:
            at = names.index(self._row_wanted()) + event.by
            self._chosen = names[min(max(at, 0), len(names) - 1)]
            self._classes_anew()

    @on(ClassTable.SplitWanted)
    def _split_wanted(self) -> None:
        measured = {row.split for row in self.detail.rows.values()} if self.detail is not None else set()
        splits = sorted(measured | {"val"}, key=lambda name: (name != "val", name))
        self.split = splits[(splits.index(self.split) + 1) % len(splits)] if self.split in splits else "val"

    def watch_split(self) -> None:
        if self._chosen is not None and self.detail is not None and self._chosen in self.detail.rows:
            self._chosen = self.detail.rows[self._chosen].checkpoint
        self._classes_anew()

    @on(ClassTable.Sorted)
    def _classes_anew(self) -> None:
        if self.run is not None and self.detail is not None:
            self._show_classes(self.run, self.detail)

    @on(ClassTable.HeaderClicked, "#classes")
    def _class_header(self, event: ClassTable.HeaderClicked) -> None:
        table = self.query_one("#classes", ClassTable)
        if by := sort_of_column(event.column):
            table.sort_by(by)
        else:
            table.order_by(event.column)

    # -- charts

    def on_resize(self) -> None:
        self.chart_page = min(self.chart_page, self._chart_pages - 1)
        self.call_after_refresh(self.draw_charts)

    def draw_charts(self) -> None:
        run = self.run
        if run is None or not self.snapshot.curves:
            return
        from tui.chart import views

        curves = self.snapshot.curves.get(self.run_id)
        every = self._chart_names()
        axis, early = self.view.axis, run.early_stop
        start = self.chart_page * self._charts_shown
        names = every[start : start + self._charts_shown]
        for number in range(_CHARTS):
            chart = self.query_one(f"#chart{number}", Chart)
            chart.display = number < len(names)
            if number < len(names):
                chart.show(views.of_chart(run, curves, names[number], axis, early_stop=early))
        chosen = self.query_one("#checkpoints", CheckpointTable).current
        at = chosen.epoch if chosen else None
        self.query_one("#curve", Chart).show(
            views.single(run, curves, every[0], axis, at_epoch=at, early_stop=early, further=False)
        )

    @property
    def _charts_shown(self) -> int:
        return 2 if self.has_class("-narrow") else _CHARTS

    def _chart_names(self) -> list[str]:
        from tui.chart import views

        run, curves = self.run, self.snapshot.curves.get(self.run_id)
        return views.chart_names([curves] if curves else [], run.metric if run else "")

    @property
    def _chart_pages(self) -> int:
        return -(-len(self._chart_names()) // self._charts_shown) if self.snapshot.curves else 1

    def validate_chart_page(self, page: int) -> int:
        return page % self._chart_pages

    def watch_chart_page(self) -> None:
        self.draw_charts()

    def action_more_charts(self) -> None:
        self.chart_page += 1

    @on(CheckpointTable.Highlighted, "#checkpoints")
    def _checkpoint_highlighted(self) -> None:
        self.draw_charts()
        self._show_about()

    @on(CheckpointTable.Chosen, "#checkpoints")
    def _checkpoint_chosen(self) -> None:
        if self.check_action("resume", ()):
            self.action_resume()

    # -- tabs

    def watch_tab(self) -> None:
        if self.is_mounted:
            self._apply_tab()

    def _apply_tab(self) -> None:
        tab = self.tab
        for name, _ in _TABS:
            self.query_one(f"#page-{name}").display = name == tab
        self.query_one("#run-tabs", TabLine).choose(tab)
        target: Widget | None = self.query_one(f"#{tab}") if tab != "charts" else None
        self.set_focus(target)
        self.refresh_bindings()

    def action_tab(self, tab: str) -> None:
        self.tab = tab

    def action_next_tab(self, by: int) -> None:
        names = [name for name, _ in _TABS]
        self.tab = names[(names.index(self.tab) + by) % len(names)]

    # -- what is done to the run

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        detail = self.detail if self.is_mounted else None
        if action == "stop_job":
            return detail is not None and any(job.state in ACTIVE for job in detail.jobs)
        if action == "pin":
            return self.is_mounted and self.checkpoint is not None
        if action == "more_charts":
            return self.is_mounted and self.tab == "charts" and self._chart_pages > 1
        if action in ("log_axis", "x_axis"):
            return self.tab in ("charts", "checkpoints")
        return super().check_action(action, parameters)

    def action_measure(self) -> None:
        if (run := self.run) and (detail := self.detail):
            run_actions.measure(self.lab, run, checkpoint=self.start, splits=detail.splits)

    def action_stop_job(self) -> None:
        jobs = [job for job in self.detail.jobs if job.state in ACTIVE] if self.detail is not None else []
        if jobs and (run := self.run):
            run_actions.stop_job(self.lab, run, jobs[0])

    def action_pin(self) -> None:
        if (run := self.run) and (checkpoint := self.checkpoint):
            run_actions.pin(self.lab, run, checkpoint)

    def action_pictures(self) -> None:
        if run := self.run:
            from tui.screens.samples import SamplesScreen

            config = run_actions.run_paths(self.lab, run).config
            self.app.push_screen(SamplesScreen(run.label, lambda: read_text(config)))
