"""What the screens have in common: live data, keys to look at charts, and what is done to runs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.reactive import var
from textual.screen import Screen

from tui import run_actions
from tui.chart.view_state import SMOOTHING, ViewState
from tui.lab import Lab, lab_of
from tui.read.reader import EMPTY, Snapshot, Wanted
from tui.widgets.chart import Chart

if TYPE_CHECKING:
    from textual.app import App

    from core.store.records import RunSummary


_SMOOTHING = "smoothing"


class LiveScreen(Screen[None]):
    """Gets every snapshot while it is on the stack; `KEY_ORDER` lists footer actions, most useful first."""

    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (110, "-medium"), (160, "-wide")]
    VERTICAL_BREAKPOINTS = [(0, "-short"), (30, "-tall")]
    KEY_ORDER: ClassVar[tuple[str, ...]] = ()
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "log_axis", "log axis", show=False),
        Binding("x", "x_axis", "x: step, epoch, time", show=False),
        Binding("full_stop", "smoothing", "smoothing", show=False, key_display="."),
        Binding("plus,equals_sign", "zoom(0.5)", "zoom in", show=False, key_display="+"),
        Binding("minus", "zoom(2.0)", "zoom out", show=False, key_display="-"),
        Binding("left_square_bracket", "pan(-0.25)", "pan left", show=False, key_display="["),
        Binding("right_square_bracket", "pan(0.25)", "pan right", show=False, key_display="]"),
    ]

    view: var[ViewState] = var(ViewState())

    def fit(self, size: Size) -> None:
        """Take the classes of a terminal size before the first layout, which is then the last one, too."""
        for dimension, breakpoints in (
            (size.width, self.HORIZONTAL_BREAKPOINTS),
            (size.height, self.VERTICAL_BREAKPOINTS),
        ):
            name = max(step for step in breakpoints if step[0] <= dimension)[1]
            self.add_class(name, update=False)

    @property
    def lab(self) -> Lab:
        return lab_of(self)

    @property
    def snapshot(self) -> Snapshot:
        return self.lab.snapshot

    def on_mount(self) -> None:
        smoothing = self.lab.choices.number(_SMOOTHING)
        if smoothing in SMOOTHING and smoothing != self.view.smoothing:
            self.view = replace(self.view, smoothing=smoothing)
        self.watch(self.app, "snapshot", self._new_snapshot)

    def on_screen_resume(self) -> None:
        self.ask()
        self.show_snapshot(self.snapshot)

    @property
    def wanted(self) -> Wanted:
        """What this screen needs to know."""
        return Wanted()

    def ask(self) -> None:
        """Tell the app what to read, unless another screen lies on top."""
        if self.is_shown:
            self.lab.want(self.wanted)

    @property
    def is_shown(self) -> bool:
        """On top, or below dialogs only."""
        stack = self.app.screen_stack
        return next((screen for screen in reversed(stack) if not screen.is_modal), None) is self

    def show_snapshot(self, snapshot: Snapshot) -> None:
        """Put a snapshot on the screen."""

    def draw_charts(self) -> None:
        """Give the charts their data anew, after the x axis has changed."""

    def _new_snapshot(self, snapshot: Snapshot) -> None:
        if snapshot is not EMPTY and self.is_shown:
            self.show_snapshot(snapshot)

    def watch_view(self, before: ViewState, view: ViewState) -> None:
        if view.axis != before.axis:
            self.draw_charts()
        for chart in self.query(Chart):
            chart.look(view)

    def action_log_axis(self) -> None:
        self.view = ViewState(self.view.axis, not self.view.log, self.view.smoothing, self.view.zoom)

    def action_x_axis(self) -> None:
        self.view = self.view.next_axis()

    def action_smoothing(self) -> None:
        self.view = self.view.next_smoothing()
        self.lab.choose(_SMOOTHING, self.view.smoothing)

    def action_zoom(self, factor: float) -> None:
        self.view = self.view.zoomed(factor)

    def action_pan(self, share: float) -> None:
        self.view = self.view.panned(share)


class RunKeys:
    """What keys do to a run: a part of a LiveScreen, which binds `RUN_KEYS` and names the run."""

    RUN_KEYS: ClassVar[list[BindingType]] = [
        Binding("r", "resume", "resume"),
        Binding("f", "fork", "fork"),
        Binding("s", "stop", "stop and save"),
        Binding("S", "kill", "kill", show=False),
        Binding("m", "measure", "measure"),
        Binding("e", "errors", "errors"),
        Binding("t", "edit", "tags and note"),
        Binding("i", "pictures", "pictures"),
        Binding("R", "report", "report"),
    ]
    if TYPE_CHECKING:
        app: App[object]
        is_mounted: bool
        lab: Lab

    @property
    def target(self) -> RunSummary | None:
        """The run that actions are about."""
        return None

    @property
    def start(self) -> str:
        """The checkpoint that a resume or fork starts from; empty: the last, or the best."""
        return ""

    @property
    def reported(self) -> list[RunSummary]:
        """The runs that a report is about."""
        return [self.target] if self.target is not None else []

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return run_actions.possible(action, self.target if self.is_mounted else None)

    def action_resume(self) -> None:
        if run := self.target:
            run_actions.resume(self.lab, run, start=self.start or "last")

    def action_fork(self) -> None:
        if run := self.target:
            run_actions.resume(self.lab, run, start=self.start or "best", fork=True)

    def action_stop(self) -> None:
        if run := self.target:
            run_actions.stop(self.lab, run)

    def action_kill(self) -> None:
        if run := self.target:
            run_actions.kill(self.lab, run)

    def action_measure(self) -> None:
        if run := self.target:
            run_actions.measure(self.lab, run, checkpoint=self.start)

    def action_errors(self) -> None:
        if run := self.target:
            from tui.errors.screen import ErrorsScreen

            root = run_actions.run_paths(self.lab, run).root
            self.app.push_screen(ErrorsScreen(run, root, self.start))

    def action_edit(self) -> None:
        if run := self.target:
            run_actions.edit(self.lab, run)

    def action_report(self) -> None:
        if runs := self.reported:
            run_actions.report(self.lab, [run.id for run in runs], runs[0].id)
