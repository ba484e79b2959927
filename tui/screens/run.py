"""One run: is it healthy, and from where to go on?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.reactive import var
from textual.widget import Widget

from core import humanise
from core.store.records import ACTIVE, Checkpoint, RunSummary
from tui import run_actions
from tui.cellfit import progress
from tui.reader import Snapshot, Wanted
from tui.screens.base import LabScreen
from tui.theme import STATE_TONES
from tui.widgets.bars import KeyBar, Span, SpanLine, TabLine
from tui.widgets.chart import Chart
from tui.widgets.checkpoint_table import CheckpointTable
from tui.widgets.line_view import LineView
from tui.widgets.run_table import outlook

_TABS = (("charts", "Charts"), ("checkpoints", "Checkpoints"), ("config", "Config"), ("log", "Log"))
_CHARTS = 4


class RunScreen(LabScreen):
    CSS_PATH = "run.tcss"
    AUTO_FOCUS = ""
    KEY_ORDER = ("app.pop_screen", "resume", "stop", "fork", "next_tab(1)", "log_axis", "x_axis", "kill")
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,backspace", "app.pop_screen", "back", key_display="esc"),
        Binding("r", "resume", "resume"),
        Binding("f", "fork", "fork"),
        Binding("s", "stop", "stop and save"),
        Binding("S", "kill", "kill", show=False),
        Binding("y", "log_axis", "log axis"),
        Binding("x", "x_axis", "x axis"),
        Binding("tab", "next_tab(1)", "next tab", key_display="tab"),
        Binding("shift+tab", "next_tab(-1)", "previous tab", show=False),
        *(
            Binding(str(number), f"tab('{name}')", title, show=False)
            for number, (name, title) in enumerate(_TABS, 1)
        ),
    ]

    tab: var[str] = var("charts")

    def __init__(self, run_id: str) -> None:
        super().__init__()
        self.run_id = run_id

    def compose(self) -> ComposeResult:
        yield SpanLine(id="top")
        yield TabLine(_TABS, "tab", id="run-tabs")
        with Container(id="pages"):
            with Container(id="page-charts"):
                for number in range(_CHARTS):
                    yield Chart(id=f"chart{number}")
            with Container(id="page-checkpoints"):
                yield Chart(id="curve")
                yield CheckpointTable(
                    id="checkpoints", empty="no checkpoint yet: the first is saved when an epoch ends"
                )
            with Container(id="page-config"):
                yield LineView(id="config", empty="reading …")
            with Container(id="page-log"):
                yield LineView(id="log", empty="no log yet", follow=True)
        yield KeyBar()

    def on_mount(self) -> None:
        super().on_mount()
        self._apply_tab()

    @property
    def wanted(self) -> Wanted:
        return Wanted(frozenset({self.run_id}), self.run_id)

    @property
    def run(self) -> RunSummary | None:
        return self.snapshot.run(self.run_id)

    @property
    def checkpoint(self) -> Checkpoint | None:
        """The checkpoint under the cursor while that tab is shown."""
        return self.query_one("#checkpoints", CheckpointTable).current if self.tab == "checkpoints" else None

    def show_snapshot(self, snapshot: Snapshot) -> None:
        run = self.run
        if run is None:
            if snapshot.loaded:
                self.notify("that run was removed", markup=False)
                self.app.pop_screen()
            return
        self._show_top(run)
        self.draw_charts()
        self.refresh_bindings()
        detail = snapshot.detail
        if detail is None or detail.run != self.run_id:
            return
        table = self.query_one("#checkpoints", CheckpointTable)
        table.metric = run.metric or table.metric
        table.best = run.best.checkpoint if run.best else None
        newest_first = sorted(detail.checkpoints, key=lambda item: (item.epoch, item.step), reverse=True)
        table.set_rows(newest_first)
        self.query_one("#config", LineView).set_lines(detail.config)
        self.query_one("#log", LineView).set_lines(detail.log)

    def on_resize(self) -> None:
        self.call_after_refresh(self.draw_charts)

    def _show_top(self, run: RunSummary) -> None:
        tone = STATE_TONES.get(run.state, "text")
        text, text_tone = outlook(run)
        left: list[Span] = [
            (" labtui ▸ ", "muted"),
            (run.label, "title"),
            (f"  {humanise.state_glyph(run.state)} {run.state}", tone),
            (f" {run.epoch}/{run.epochs}", "text"),
        ]
        if run.state in ACTIVE:
            left.append((f" {progress(run.epoch, run.epochs, 8)}", "accent"))
        if text and text != run.state:
            left.append((f"  {text}", text_tone))
        if run.state == "running" and run.id in self.snapshot.curves:
            from tui.chart.views import under_way

            left.append((f"  {under_way(self.snapshot.curves[run.id])}", "muted"))
        if run.state == "running" and run.reason:
            left.append((f"  {run.reason}", "warning"))
        if run.parent:
            left.append((f"  fork of {run.parent}", "muted"))
        right: list[Span] = []
        curves = self.snapshot.curves.get(run.id)
        if curves is not None and run.state not in ACTIVE and (measured := _final(curves.finals, run.metric)):
            right.append(measured)
        if run.best is not None:
            value = f"{humanise.number(run.best.metric, run.best.value)}@{run.best.epoch}"
            right += [(f"{run.best.metric} ", "muted"), (f"★ {value} ", "accent")]
        self.query_one("#top", SpanLine).show(left, right)

    def draw_charts(self) -> None:
        run = self.run
        if run is None or not self.snapshot.curves:
            return
        from tui.chart import views

        curves = self.snapshot.curves.get(self.run_id)
        shown = 2 if self.has_class("-narrow") else _CHARTS
        names = views.chart_names([curves] if curves else [], run.metric)[:shown]
        for number in range(_CHARTS):
            chart = self.query_one(f"#chart{number}", Chart)
            chart.display = number < len(names)
            if number < len(names):
                chart.show(views.single(run, curves, names[number], self.view.axis))
        chosen = self.query_one("#checkpoints", CheckpointTable).current
        data = views.single(run, curves, names[0], self.view.axis, at_epoch=chosen.epoch if chosen else None)
        self.query_one("#curve", Chart).show(data)

    @on(CheckpointTable.Highlighted)
    def _checkpoint_highlighted(self) -> None:
        self.draw_charts()

    @on(CheckpointTable.Chosen)
    def _checkpoint_chosen(self) -> None:
        self.action_resume()

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

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        run = self.run if self.is_mounted else None
        if action == "resume":
            return run is not None and run.state not in ACTIVE
        if action == "fork":
            return run is not None
        if action in ("stop", "kill"):
            return run is not None and run.state in ACTIVE
        if action in ("log_axis", "x_axis"):
            return self.tab in ("charts", "checkpoints")
        return True

    def action_resume(self) -> None:
        if run := self.run:
            run_actions.resume(self, run, start=self.checkpoint.id if self.checkpoint else "last")

    def action_fork(self) -> None:
        if run := self.run:
            run_actions.resume(self, run, start=self.checkpoint.id if self.checkpoint else "best", fork=True)

    def action_stop(self) -> None:
        if run := self.run:
            run_actions.stop(self, run)

    def action_kill(self) -> None:
        if run := self.run:
            run_actions.kill(self, run)


def _final(finals: Mapping[str, float], metric: str) -> Span | None:
    """`test/accuracy 0.7712` when the test split was measured at the end."""
    name = f"test/{metric.rsplit('/', 1)[-1]}"
    value = finals.get(name)
    return None if value is None else (f"{name} {humanise.number(name, value)}  ", "text")
