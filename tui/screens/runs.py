"""The first screen: what is going on, and which run is best?"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Horizontal
from textual.reactive import var

from tui.cell_text import plain, shown_path
from tui.chart.marks import MOST, toggled
from tui.read.reader import Snapshot, Wanted
from tui.screens import navigation, runs_text
from tui.screens.base import LiveScreen, RunKeys
from tui.widgets.bars import KeyBar, Span, SpanLine, TabLine
from tui.widgets.chart import Chart
from tui.widgets.config_list import ALL, ConfigList, config_rows
from tui.widgets.run_table import SORTS, RunTable, matches, sort_of_column, sort_runs

if TYPE_CHECKING:
    from core.store.records import RunSummary
    from tui.widgets.filter_line import FilterLine

_PANES = (("runs", "Runs"), ("configs", "Configs"), ("charts", "Charts"))
_CHARTS = ("#metric", "#loss", "#third", "#fourth")


class RunsScreen(RunKeys, LiveScreen):
    """Configs left, runs and charts right; in a narrow terminal one of them at a time."""

    KEY_ORDER = (
        *("choose", "launch", "resume", "stop", "fork", "mark", "apart"),
        *("errors", "studies", "filter", "next_match(1)", "sort", "measure"),
        *("data", "report", "edit", "archived", "pictures", "kill", "app.leave"),
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        *RunKeys.RUN_KEYS,
        Binding("n", "next_match(1)", "next match"),
        Binding("N", "next_match(-1)", "previous match", show=False),
        Binding("n", "launch", "new run"),
        Binding("a", "archived", "archived runs"),
        Binding("d", "data", "data set", tooltip="statistics of the config's data set"),
        Binding("space", "mark", "mark", key_display="space"),
        Binding("v", "apart", "four charts"),
        Binding("slash", "filter", "filter", key_display="/"),
        Binding("o", "sort", "sort"),
        Binding("u", "studies", "studies"),
        Binding("escape", "back", "clear", show=False),
        Binding("1", "pane('runs')", "Runs", show=False),
        Binding("2", "pane('configs')", "Configs", show=False),
        Binding("3", "pane('charts')", "Charts", show=False),
        Binding("tab", "focus_pane(1)", "Next pane", show=False),
        Binding("shift+tab", "focus_pane(-1)", "Previous pane", show=False),
    ]

    query_text: var[str] = var("", init=False)
    pane: var[str] = var("runs", init=False)
    sorting: var[str] = var("newest", init=False)
    archived: var[bool] = var(False, init=False)
    apart: var[bool] = var(False, init=False)

    def __init__(self) -> None:
        super().__init__(classes="-pane-runs")
        self._marked: dict[str, tuple[str, int]] = {}
        self._titles = ("", "")
        self._listed: Snapshot | None = None

    def compose(self) -> ComposeResult:
        yield SpanLine(id="top")
        yield TabLine(_PANES, "pane", id="tabs")
        with Horizontal(id="body"):
            yield ConfigList(id="configs")
            with Container(id="work"):
                yield RunTable(id="runs")
                with Container(id="charts"):
                    yield Chart(id="metric", title="accuracy")
                    yield Chart(id="loss", title="loss")
                    yield Chart(id="third", classes="further")
                    yield Chart(id="fourth", classes="further")
        yield SpanLine(id="status")
        yield KeyBar()

    def on_mount(self) -> None:
        super().on_mount()
        self.query_one("#configs").border_title = "Configs"
        self.query_one("#runs", RunTable).focus()
        self.set_interval(5.0, self._age)
        self._show_top(self.snapshot)

    # -- what is shown

    @property
    def table(self) -> RunTable:
        return self.query_one("#runs", RunTable)

    @property
    def current_run(self) -> RunSummary | None:
        return self.table.current

    @property
    def target(self) -> RunSummary | None:
        return self.current_run

    @property
    def chart_runs(self) -> list[RunSummary]:
        """Marked runs, else the one under the cursor."""
        marked = [run for run in self.snapshot.runs if run.id in self._marked]
        return marked or ([self.current_run] if self.current_run else [])

    reported = chart_runs

    @property
    def wanted(self) -> Wanted:
        run = self.current_run
        return Wanted(frozenset(run.id for run in self.chart_runs), outlook=run.id if run else "")

    def show_snapshot(self, snapshot: Snapshot) -> None:
        if self._listed is None or runs_text.listed(self._listed) != runs_text.listed(snapshot):
            self._list(snapshot)
        self._show_top(snapshot)
        self.draw_charts()
        self.ask()

    def _list(self, snapshot: Snapshot) -> None:
        """Put runs and configs in their tables; not done when only curves are new."""
        self._listed = snapshot
        if self._marked:
            alive = {run.id for run in snapshot.runs}
            self._marked = {run_id: mark for run_id, mark in self._marked.items() if run_id in alive}
        configs = self.query_one("#configs", ConfigList)
        configs.set_rows(config_rows(snapshot.configs, self._not_put_away(snapshot)))
        self._fill_table(snapshot)
        self.refresh_bindings()

    def _fill_table(self, snapshot: Snapshot) -> None:
        config = self.query_one("#configs", ConfigList).current
        of_config = [
            run for run in self._not_put_away(snapshot) if config is None or config.name in (ALL, run.config)
        ]
        runs = [run for run in of_config if matches(run, self.query_text)]
        table = self.table
        table.marks = dict(self._marked)
        table.jobs = {job.job.run.id: job for job in snapshot.jobs}
        hidden = sum(run.archived for run in snapshot.runs) if not self._shows_archived else 0
        table.empty = runs_text.nothing(snapshot, config, self.query_text, hidden)
        metrics = {run.best.metric for run in runs if run.best is not None}
        table.metric = metrics.pop() if len(metrics) == 1 else ""
        table.set_rows(sort_runs(runs, self.sorting))
        every = len(snapshot.runs) - hidden
        shown = f"{len(runs)} of {every}" if len(runs) != every else str(every)
        if hidden:
            shown += f", {hidden} archived"
        search = f" /{self.query_text}" if self.query_text else ""
        titles = f"Runs{search}", f"{shown} · by {self.sorting} ▾"
        if titles != self._titles:
            self._titles = titles
            table.border_title, table.border_subtitle = map(plain, titles)

    @property
    def _shows_archived(self) -> bool:
        return self.archived or "archived=" in self.query_text

    def _not_put_away(self, snapshot: Snapshot) -> list[RunSummary]:
        return [run for run in snapshot.runs if self._shows_archived or not run.archived]

    def _show_top(self, snapshot: Snapshot) -> None:
        left, right = runs_text.top(shown_path(self.lab.workspace.root), snapshot, self.size.width)
        self.query_one("#top", SpanLine).show(left, right)
        self._show_status(snapshot)

    def _show_status(self, snapshot: Snapshot) -> None:
        config = self.query_one("#configs", ConfigList)
        run = self.current_run
        if config.has_focus and config.current is not None and config.current.exists and not snapshot.problem:
            left: list[Span] = [(runs_text.hint(config.current), "muted")]
        else:
            room = self.size.width - (len(run.id) + 2 if run else 0)
            left = runs_text.status(run, snapshot, room)
        self.query_one("#status", SpanLine).show(left, [(f"{run.id} ", "faint")] if run else [])

    def draw_charts(self) -> None:
        runs = self.chart_runs
        if not runs or not self.snapshot.curves:
            return
        from tui.chart.views import beside

        shown = beside(runs, self.snapshot.curves, self._marked, self.view.axis, apart=self.apart)
        for index, widget in enumerate(_CHARTS):
            chart = self.query_one(widget, Chart)
            chart.display = index < len(shown)
            if index < len(shown):
                chart.show(shown[index])

    def watch_apart(self, apart: bool) -> None:
        self.set_class(apart, "-four")
        self.draw_charts()

    def action_apart(self) -> None:
        """Training and validation in charts of their own, or not."""
        self.apart = not self.apart
        if self.apart and self.has_class("-narrow"):
            self.action_pane("charts")

    def _age(self) -> None:
        if self.is_shown:
            self.table.refresh_changed()

    # -- moving about

    @on(RunTable.Highlighted, "#runs")
    def _run_highlighted(self) -> None:
        self._show_status(self.snapshot)
        self.draw_charts()
        self.ask()
        self.refresh_bindings()

    @on(ConfigList.Highlighted, "#configs")
    def _config_highlighted(self) -> None:
        self._fill_table(self.snapshot)
        self._show_status(self.snapshot)

    @on(RunTable.Chosen, "#runs")
    def _run_chosen(self) -> None:
        self.action_open()

    @on(ConfigList.Chosen, "#configs")
    def _config_chosen(self) -> None:
        self.action_pane("runs")

    @on(RunTable.HeaderClicked, "#runs")
    def _header_clicked(self, event: RunTable.HeaderClicked) -> None:
        if by := sort_of_column(event.column):
            self.sorting = by

    def watch_sorting(self) -> None:
        if self.is_mounted:
            self._fill_table(self.snapshot)

    def watch_query_text(self) -> None:
        if self.is_mounted:
            self._fill_table(self.snapshot)
            self.refresh_bindings()

    def watch_archived(self) -> None:
        if self.is_mounted:
            self._list(self.snapshot)

    def watch_pane(self, before: str, pane: str) -> None:
        self.remove_class(f"-pane-{before}")
        self.add_class(f"-pane-{pane}")
        self.query_one("#tabs", TabLine).choose(pane)
        if pane != "charts":
            self.query_one(f"#{pane}").focus()

    def action_pane(self, pane: str) -> None:
        self.pane = pane
        if pane != "charts":
            self.query_one(f"#{pane}").focus()

    def on_descendant_focus(self) -> None:
        self._show_status(self.snapshot)

    def action_focus_pane(self, by: int) -> None:
        names = [name for name, _ in _PANES]
        if not self.has_class("-narrow"):
            names = ["runs", "configs"]
        self.action_pane(names[(names.index(self.pane) + by) % len(names)] if self.pane in names else "runs")

    def action_open(self) -> None:
        if self.query_one("#configs").has_focus:
            self.action_pane("runs")
        elif run := self.current_run:
            from tui.screens.run import RunScreen

            self.app.push_screen(RunScreen(run.id))

    def action_mark(self) -> None:
        run = self.current_run
        if run is None:
            return
        marks = toggled(self._marked, run.id)
        if marks is None:
            self.notify(f"{MOST} runs are marked: unmark one first", markup=False)
            return
        self._marked = marks
        self.table.marks = dict(self._marked)
        self.apart = self.apart and bool(self._marked)
        self.table.action_move(1)
        self.table.refresh_changed()
        self.draw_charts()
        self.ask()
        self.refresh_bindings()

    def action_sort(self) -> None:
        names = list(SORTS)
        self.sorting = names[(names.index(self.sorting) + 1) % len(names)]

    def action_archived(self) -> None:
        self.archived = not self.archived

    # -- filter

    def action_filter(self) -> None:
        from tui.widgets.filter_line import FilterLine

        if not self.query(FilterLine):
            line = FilterLine(self.query_text)
            self.mount(line, before="#status")
            line.focus()

    # By their names: the line's module is loaded when it is first opened.

    def on_filter_line_typed(self, event: FilterLine.Typed) -> None:
        self.query_text = event.text

    def on_filter_line_closed(self, event: FilterLine.Closed) -> None:
        if event.clear:
            self.query_text = ""
        self.query("FilterLine").remove()
        self.action_pane("runs")

    def action_next_match(self, by: int) -> None:
        table = self.table
        if table.rows:
            table.action_move((table.cursor + by) % len(table.rows) - table.cursor)

    def action_back(self) -> None:
        """Esc: clear the filter, then the marks."""
        if self.query_text:
            self.query_text = ""
        elif self._marked:
            self._marked = {}
            self.apart = False
            self._fill_table(self.snapshot)
            self.draw_charts()
            self.ask()
            self.refresh_bindings()

    # -- what is done to runs

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "next_match":
            return bool(self.query_text)
        if action == "apart":
            return bool(self._marked)
        if action == "launch":
            return not self.query_text
        if action == "archived":
            return self.archived or any(run.archived for run in self.snapshot.runs)
        return super().check_action(action, parameters)

    def _config_meant(self) -> str:
        """The config under the cursor, the run's own or the only one; else the list asks for one."""
        config = self.query_one("#configs", ConfigList).current
        run = self.current_run
        name = config.name if config and config.name != ALL else run.config if run else ""
        configs = self.snapshot.configs
        if name in configs or len(configs) == 1:
            return name if name in configs else configs[0]
        if configs:
            self.action_pane("configs")
            self.query_one("#configs", ConfigList).select(configs[0])
        else:
            self.notify("no config in configs/: `labtui init` makes some", markup=False)
        return ""

    def action_launch(self) -> None:
        if name := self._config_meant():
            navigation.launch(self.lab, name)

    def action_studies(self) -> None:
        navigation.studies(self.lab)

    def _run_meant(self) -> RunSummary | None:
        """The run under the cursor, unless the cursor is in the list of configs."""
        return None if self.query_one("#configs").has_focus else self.current_run

    def action_pictures(self) -> None:
        if run := self._run_meant():
            navigation.pictures_of_run(self.lab, run)
        elif name := self._config_meant():
            navigation.pictures_of_config(self.lab, name)

    def action_data(self) -> None:
        if run := self._run_meant():
            navigation.data_of_run(self.lab, run)
        elif name := self._config_meant():
            navigation.data_of_config(self.lab, name)

    def select_run(self, run_id: str) -> None:
        """Put the cursor on a run, as soon as it is in the list, and let nothing hide it."""
        self.query_text = ""
        self.query_one("#configs", ConfigList).action_end(-1)
        self.pane = "runs"
        self.table.cursor_key = run_id
        self.lab.look_now()
