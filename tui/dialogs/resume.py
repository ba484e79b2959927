"""How to go on with a run: from which checkpoint, how far, and with what changed."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Button, Input, Static

from core.errors import LabError
from core.store.paths import RunPaths
from core.store.records import Checkpoint, RunSummary
from tui.cell_text import plain
from tui.dialogs.form import FormDialog
from tui.lab import Lab, lab_of
from tui.widgets.checkpoint_table import CheckpointTable
from tui.widgets.toggle import Toggle


@dataclass(frozen=True)
class ResumeChoice:
    """What the dialog says now. `more` is None for the run's own goal."""

    start: str
    more: int | None
    overrides: tuple[str, ...]
    fork: bool

    def command(self, run_id: str) -> list[str]:
        """The command that does the same."""
        words = ["labtui", "resume", run_id, "--from", self.start]
        if self.more is not None:
            words += ["--more", str(self.more)]
        for override in self.overrides:
            words += ["--set", override]
        return [*words, "--fork"] if self.fork else words


class ResumeDialog(FormDialog):
    """Says in a sentence what will happen before it does."""

    CSS_PATH = "dialogs.tcss"
    AUTO_FOCUS = "#from"
    VERTICAL_BREAKPOINTS = [(0, "-short"), (30, "-tall")]
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+s", "start", "start", show=False),
    ]

    def __init__(self, run: RunSummary, *, start: str = "last", fork: bool = False) -> None:
        super().__init__()
        self._run = run
        self._start = start
        self._fork = fork
        self._ready = False

    @property
    def lab(self) -> Lab:
        return lab_of(self)

    @property
    def paths(self) -> RunPaths:
        return RunPaths(self.lab.workspace.runs / self._run.id)

    def compose(self) -> ComposeResult:
        verb = "Fork" if self._fork else "Resume"
        with Vertical(classes="dialog wide"):
            yield Static(f"{verb} {self._run.label}", markup=False, classes="dialog-title")
            yield CheckpointTable(id="from", empty="reading checkpoints …")
            with Horizontal(classes="form-line"):
                yield Static("further epochs", markup=False, classes="form-label")
                yield Input(
                    "10" if self._run.state == "finished" else "",
                    id="more",
                    type="integer",
                    compact=True,
                    placeholder=f"until epoch {self._run.epochs} (original target)",
                )
            with Horizontal(classes="form-line"):
                yield Static("changed settings", markup=False, classes="form-label")
                yield Input(id="set", compact=True, placeholder="learning_rate=1e-3 (this forks)")
            with Horizontal(classes="form-line"):
                yield Static("fork", markup=False, classes="form-label")
                yield Toggle("train a copy, leave this run unchanged", self._fork, id="fork")
            yield Static("", markup=False, id="plan")
            with Horizontal(classes="dialog-buttons"):
                yield Button(plain("esc  cancel"), id="cancel", compact=True)
                yield Button(plain("ctrl+s  start"), id="start", compact=True, disabled=True)

    def on_mount(self) -> None:
        self._read_checkpoints()

    @work(thread=True, exclusive=True, group="read", exit_on_error=False)
    def _read_checkpoints(self) -> None:
        from core.store.checkpoints import choose, list_checkpoints

        checkpoints = list_checkpoints(self.paths)
        try:
            chosen: str | None = choose(self.paths, self._start).id
        except LabError:
            chosen = checkpoints[-1].id if checkpoints else None
        self.app.call_from_thread(self._show_checkpoints, checkpoints, chosen)

    def _show_checkpoints(self, checkpoints: Sequence[Checkpoint], chosen: str | None) -> None:
        table = self.query_one("#from", CheckpointTable)
        table.empty = "nothing was saved yet: training starts again"
        table.metric = self._run.metric or table.metric
        table.best = self._run.best.checkpoint if self._run.best else None
        table.set_rows(sorted(checkpoints, key=lambda item: (item.epoch, item.step), reverse=True))
        table.select(chosen)
        self._ready = True
        self._changed()

    @property
    def choice(self) -> ResumeChoice:
        current = self.query_one("#from", CheckpointTable).current
        more = self.query_one("#more", Input).value.strip()
        return ResumeChoice(
            current.id if current else "last",
            int(more) if more.lstrip("-").isdigit() else None,
            split_settings(self.query_one("#set", Input).value),
            self.query_one("#fork", Toggle).value,
        )

    @on(CheckpointTable.Highlighted)
    @on(Input.Changed)
    @on(Toggle.Changed)
    def _changed(self) -> None:
        if self._ready:
            self._plan(self.choice)

    @work(thread=True, exclusive=True, group="plan", exit_on_error=False)
    def _plan(self, choice: ResumeChoice) -> None:
        from core.launch.plan import plan_resume

        try:
            plan = plan_resume(
                self.paths,
                start=choice.start,
                more=choice.more,
                overrides=choice.overrides,
                fork=choice.fork,
            )
        except LabError as error:
            self.app.call_from_thread(self._show_plan, choice, str(error), False)
        else:
            self.app.call_from_thread(self._show_plan, choice, plan.sentence, True)

    def _show_plan(self, choice: ResumeChoice, sentence: str, possible: bool) -> None:
        if not self.is_attached or choice != self.choice:
            return
        text = self.query_one("#plan", Static)
        text.update(sentence)
        text.set_class(not possible, "-bad")
        self.query_one("#start", Button).disabled = not possible

    @on(CheckpointTable.Chosen)
    def _checkpoint_chosen(self) -> None:
        self.query_one("#more").focus()

    @on(Input.Submitted)
    def _submitted(self) -> None:
        self.action_start()

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        if event.button.id == "start":
            self.action_start()
        else:
            self.action_cancel()

    def action_start(self) -> None:
        if self.query_one("#start", Button).disabled:
            return
        from core.launch.control import resume_run

        choice, lab, paths = self.choice, self.lab, self.paths

        def resume() -> RunPaths:
            return resume_run(
                lab.workspace,
                paths,
                start=choice.start,
                more=choice.more,
                overrides=choice.overrides,
                fork=choice.fork,
                argv=choice.command(paths.id),
            )

        self.dismiss(None)
        lab.perform(resume, lambda run: lab.select_run(run.id))


def split_settings(text: str) -> tuple[str, ...]:
    """`a=1 b="x y"` as words; an open quote is taken as it stands."""
    try:
        return tuple(shlex.split(text))
    except ValueError:
        return tuple(text.split())
