"""The first screen: what is going on, and which run is best?"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Horizontal
from textual.reactive import var

from tui.cell_text import plain, shown_path
from tui.read.reader import Snapshot, Wanted
from tui.screens import navigation, runs_text
from tui.screens.base import LiveScreen, RunKeys
from tui.screens.marked_runs import MarkedRuns
from tui.widgets.bars import KeyBar, Span, SpanLine, TabLine
from tui.widgets.chart import Chart
from tui.widgets.config_list import ALL, ConfigList, config_rows
from tui.widgets.run_filter import matches
from tui.widgets.run_table import CYCLE, SORTS, RunTable, sort_of_column, sort_runs

if TYPE_CHECKING:
    from core.store.records import RunSummary
    from tui.widgets.filter_line import FilterLine

_PANES = (("runs", "Runs"), ("configs", "Configs"), ("charts", "Charts"))
_CHARTS = ("#metric", "#loss", "#third", "#fourth")


class RunsScreen(MarkedRuns, RunKeys, LiveScreen):
    """Configs left, runs and charts right; in a narrow terminal one of them at a time."""

    KEY_ORDER = (
        *("choose", "launch", "resume", "stop", "fork", "mark"),
        *("errors", "studies", "filter", "next_match(1)", "sort", "measure", "act", "like"),
        *("data", "report", "edit", "apart", "archived", "pictures", "edit_config", "kill", "app.leave"),
    )
    SIGNS = (
        ("0.8@3", "best value, and the epoch that had it"),
        ("A … H", "marked runs: the same letters and colours in the charts, small ones for train"),
        ("age", "since the run was started"),
        ("left", "time to go by the pace so far, or what went wrong"),
    )
    """For the help."""
    BINDINGS: ClassVar[list[BindingType]] = [
        *RunKeys.RUN_KEYS,
        *MarkedRuns.MARK_KEYS,
        Binding("n", "next_match(1)", "next match"),
        Binding("N", "next_match(-1)", "previous match", show=False),
        Binding("n", "launch", "new run"),
        Binding("a", "archived", "archived runs"),
        Binding("d", "data", "data set", tooltip="statistics of the config's data set"),
        Binding("v", "apart", "four charts"),
        Binding("slash", "filter", "filter", key_display="/"),
        Binding("o", "sort", "sort"),
        Binding("u", "studies", "studies"),
        Binding("E", "edit_config", "edit config", tooltip="the config in $VISUAL or $EDITOR"),
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
        if (sorting := self.lab.choices.text("sort", here=True)) in SORTS:
            self.set_reactive(RunsScreen.sorting, sorting)
        self.set_interval(5.0, self._age)
        self._show_top(self.snapshot)

    # -- what is shown

    @property
    def table(self) -> RunTable:
        return self.query_one("#runs", RunTable)

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
        self.take_marks(snapshot)
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
        table.marks = dict(self.marked)
        table.jobs = {job.job.run.id: job for job in snapshot.jobs}
        hidden = sum(run.archived for run in snapshot.runs) if not self._shows_archived else 0
        table.empty = runs_text.nothing(snapshot, config, self.query_text, hidden)
        table.set_rows(sort_runs(runs, self.sorting))
        if not runs:
            self._say_no_run()
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
            room = self.size.width - (len(run.id) + 2 if run and not self.has_class("-narrow") else 0)
            left = runs_text.status(run, snapshot, room)
        line = self.query_one("#status", SpanLine)
        line.show(left, [(f"{run.id} ", "faint")] if run and not self.has_class("-narrow") else [])
        # In a small terminal it takes a line from the charts only where it says what is wrong.
        line.set_class(bool(snapshot.problem) or (run is not None and runs_text.wants_words(run)), "-needed")

    def draw_charts(self) -> None:
        runs = self.chart_runs
        if not runs:
            self._say_no_run()
        if not runs or not self.snapshot.curves:
            return
        from tui.chart.views import beside

        shown = beside(runs, self.snapshot.curves, self.marked, self.view.axis, apart=self.apart)
        for index, widget in enumerate(_CHARTS):
            chart = self.query_one(widget, Chart)
            chart.display = index < len(shown)
            if index < len(shown):
                chart.show(shown[index])

    def _say_no_run(self) -> None:
        """No curve of another run stays where no run is chosen."""
        words = self.table.empty
        for index, widget in enumerate(_CHARTS):
            chart = self.query_one(widget, Chart)
            chart.display = index < len(_CHARTS) // 2
            chart.say(words)

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
        self.lab.choose("sort", self.sorting, here=True)
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

    def action_sort(self) -> None:
        at = CYCLE.index(self.sorting) if self.sorting in CYCLE else -1
        self.sorting = CYCLE[(at + 1) % len(CYCLE)]

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
        elif self.marked:
            self.apart = False
            self.set_marks({})

    # -- what is done to runs

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "next_match":
            return bool(self.query_text)
        if action == "apart":
            return bool(self.chart_runs)
        if action in ("act", "like"):
            return self.is_mounted and self.current_run is not None
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

    def action_edit_config(self) -> None:
        if name := self._config_meant():
            navigation.edit_config(self.lab, name)

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
