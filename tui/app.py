"""The app: owns the reader, hands snapshots to the screens, runs what may block in threads."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, ClassVar, TypeVar

from rich.text import Text
from textual import on, work
from textual.app import SystemCommand
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.theme import Theme
from textual.worker import Worker, WorkerState, get_current_worker

from core import os_errors
from core.config.workspace import Workspace
from core.errors import LabError
from tui import crash, theme
from tui.lab import Lab, SnapshotRead
from tui.read.choices import Choices
from tui.read.reader import Reader, Snapshot, Wanted
from tui.screens.runs import RunsScreen

Result = TypeVar("Result")


class LabApp(Lab):
    """Every screen watches `snapshot`; nothing else brings data to a widget."""

    TITLE = "labtui"
    CSS_PATH = "labtui.tcss"
    ENABLE_COMMAND_PALETTE = True
    ALLOW_SELECT = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "leave", "leave"),
        Binding("ctrl+c,ctrl+q", "leave", "leave; training continues", show=False, priority=True),
        Binding("question_mark,f1", "help", "help", key_display="?"),
        Binding("colon,ctrl+p", "command_palette", "all actions", key_display=":", show=False),
        Binding("ctrl+z", "suspend_process", "Suspend", show=False),
    ]

    def __init__(self, workspace: Workspace) -> None:
        super().__init__()
        self.workspace = workspace
        self._wanted = Wanted()
        self._wake = threading.Event()
        self._leaving = False
        self.register_theme(theme.DARK)
        self.register_theme(theme.LIGHT)
        self.choices = Choices(workspace.root)
        chosen = theme.default_theme(self.choices.text("theme"))
        # Set without a word to the watchers: at the start nothing is drawn in the old colours yet.
        self.set_reactive(LabApp.theme, chosen if chosen in self.available_themes else theme.DARK.name)
        self.stylesheet.set_variables(self.get_css_variables())
        self._theme_shown = self.theme

    def get_default_screen(self) -> Screen[Any]:
        screen = RunsScreen()
        screen.fit(self.size)
        return screen

    def on_ready(self) -> None:
        gc.freeze()
        gc.enable()
        # After ctrl+z and fg nothing of what was drawn is there any more.
        self.app_resume_signal.subscribe(self, lambda _: self.refresh())
        self.theme_changed_signal.subscribe(self, self._theme_changed)
        self._read()

    def _theme_changed(self, chosen: Theme) -> None:
        # Said at the start, too, and then of a theme that nobody has chosen here.
        if chosen.name != self._theme_shown:
            self._theme_shown = chosen.name
            self.choose("theme", chosen.name)

    def on_unmount(self) -> None:
        self._leaving = True
        self._wake.set()

    # -- data

    def want(self, wanted: Wanted) -> None:
        if wanted != self._wanted:
            self._wanted = wanted
            self.look_now()

    def look_now(self) -> None:
        self._wake.set()

    @work(thread=True, exclusive=True, group="reader", exit_on_error=False)
    def _read(self) -> None:
        worker = get_current_worker()
        from tui.read.activity import Watch

        reader = Reader(self.workspace, Watch(self.workspace))
        while not (worker.is_cancelled or self._leaving):
            self._wake.clear()
            try:
                snapshot = reader.poll(self._wanted)
            except Exception as error:
                snapshot = reader.failed(error)
                if snapshot is not None:
                    crash.report(error)
            if snapshot is not None:
                self.post_message(SnapshotRead(snapshot))
            self._wake.wait(reader.pause)
        reader.close()

    @on(SnapshotRead)
    def _snapshot_read(self, message: SnapshotRead) -> None:
        before = self.snapshot
        with self.batch_update():
            self.snapshot = message.snapshot
        if before.loaded and before.runs is not message.snapshot.runs and self.screen_stack:
            self._tell_endings(before, message.snapshot)

    def _tell_endings(self, before: Snapshot, now: Snapshot) -> None:
        """A word on each run that has ended, unless its end is on the screen already."""
        if isinstance(self.screen, RunsScreen):
            return
        from tui.read.endings import endings, told

        shown = getattr(self.screen, "run_id", None)
        for words, bad in told([item for item in endings(before.runs, now.runs) if item[0].id != shown]):
            self.notify(words, severity="warning" if bad else "information", markup=False, timeout=15)

    # -- what may block or fail

    def perform(self, function: Callable[[], Result], then: Callable[[Result], None] | None = None) -> None:
        self._perform(function, then)

    def choose(self, name: str, value: object, *, here: bool = False) -> None:
        self.choices.choose(name, value, here=here)
        self.run_worker(self.choices.write, thread=True, group="choices", exit_on_error=False)

    @work(thread=True, group="action", exit_on_error=False)
    def _perform(self, function: Callable[[], Any], then: Callable[[Any], None] | None) -> None:
        result = function()
        self.look_now()
        if then is not None and not self._leaving:
            self.call_from_thread(then, result)

    @on(Worker.StateChanged)
    def _worker_changed(self, event: Worker.StateChanged) -> None:
        if event.state is WorkerState.ERROR and event.worker.error is not None:
            self.show_error(event.worker.error)

    def show_error(self, error: BaseException) -> None:
        from tui.dialogs.text import TextDialog

        if isinstance(error, LabError):
            self.push_screen(TextDialog(error.title, str(error), bad=True))
        elif isinstance(error, OSError) and error.errno:
            self.push_screen(TextDialog("Not possible now", os_errors.sentence(error), bad=True))
        else:
            self.push_screen(TextDialog("Unexpected error", crash.report(error), bad=True))

    def _handle_exception(self, error: Exception) -> None:
        super()._handle_exception(error)
        self._exit_renderables[:] = [Text(f"labtui: {crash.report(error)}")]

    def select_run(self, run_id: str) -> None:
        runs = self.screen_stack[0]
        if isinstance(runs, RunsScreen):
            runs.select_run(run_id)

    # -- keys that work everywhere

    def action_leave(self) -> None:
        """End the screens, after a question where a form is open; a second time without one."""
        from tui.dialogs.confirm import ConfirmDialog
        from tui.dialogs.form import ask_to_discard

        forms = (getattr(screen, "unsaved", "") for screen in reversed(self.screen_stack))
        unsaved = next(filter(None, forms), "")
        if unsaved and not isinstance(self.screen, ConfirmDialog):
            ask_to_discard(self, unsaved, partial(self.exit, 0))
        else:
            self.exit(0)

    async def action_quit(self) -> None:
        self.action_leave()

    def action_help(self) -> None:
        from tui.dialogs.help import HelpDialog

        if not isinstance(self.screen, HelpDialog):
            self.push_screen(HelpDialog(self.screen))

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """The palette: every action that works here, in the footer's words."""
        from tui.palette import screen_commands

        yield from screen_commands(self, screen)
