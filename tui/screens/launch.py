"""A new run: the settings of a config left, what will happen right."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Horizontal, Vertical, VerticalScroll
from textual.geometry import Offset
from textual.screen import Screen
from textual.widgets import Button, Input, Static

from core.config.workspace import config_path
from core.errors import LabError
from tui.cell_text import plain
from tui.dialogs.form import leave_form, unsaved_words
from tui.lab import Lab, lab_of
from tui.screens import launch_form
from tui.screens.launch_form import FOLDERS, NAME, Fields
from tui.screens.launch_preview import Forecast, Preview
from tui.widgets.bars import KeyBar, SpanLine
from tui.widgets.form import LABEL, FormTable

if TYPE_CHECKING:
    from core.config.schema import Experiment
    from core.launch.queue import QueueView
    from core.store.records import RunSummary

_COUNTING = "network: counting parameters …"
_LIST_FROM = 9
"""Choices from here on are chosen from a list."""


class LaunchScreen(Screen[None]):
    CSS_PATH = "launch.tcss"
    KEY_ORDER = ("start", "choose", "undo", "pictures", "all", "find", "save_as", "back")
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-medium")]
    VERTICAL_BREAKPOINTS = [(0, "-short"), (30, "-tall")]
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+s", "start", "start", key_display="ctrl+s", priority=True),
        Binding("escape", "back", "back", key_display="esc"),
        Binding("ctrl+f", "find", "find a setting", key_display="ctrl+f"),
        Binding("ctrl+t", "pictures", "pictures", key_display="ctrl+t"),
        Binding("ctrl+n", "save_as", "save as config", key_display="ctrl+n"),
        Binding("tab", "app.focus_next", "next", show=False),
    ]

    def __init__(self, config: str, *, like: RunSummary | None = None) -> None:
        """`like`: with the settings of this run, where they differ from the config's."""
        super().__init__()
        self.config = config
        self._like = like
        self._fields: Fields = {}
        self._preview = Preview(general=("reading the config …",))
        self._network: Forecast | None = None
        self._editing = ""
        # A start asked for before the settings have been checked happens when they are.
        self._is_checking = True
        self._start_when_checked = False
        # One process at a time counts parameters; the settings that came meanwhile are next.
        self._is_counting = False
        self._queue: QueueView | None = None

    @property
    def lab(self) -> Lab:
        return lab_of(self)

    def compose(self) -> ComposeResult:
        yield SpanLine(id="top")
        with Horizontal(id="launch"):
            with Vertical(id="form-side"):
                with Container(id="form-area"):
                    yield FormTable(id="form", empty="reading the config …")
                    yield Input(id="edit", compact=True, select_on_focus=False)
                yield Static("", markup=False, id="form-help")
            with VerticalScroll(id="preview"):
                yield Static("", markup=False, id="preview-faults")
                yield Static("", markup=False, id="preview-text")
                yield Button(plain("ctrl+s  start"), id="start", compact=True, disabled=True)
        yield KeyBar()

    def on_mount(self) -> None:
        title = f"new run of {self.config}" if self._like is None else f"new run like {self._like.label}"
        self.query_one("#top", SpanLine).show([(" labtui ▸ ", "muted"), (title, "title")])
        self.query_one("#edit").display = False
        self.query_one("#form").focus()
        self._read()

    # -- config to form

    @work(thread=True, exclusive=True, group="read", exit_on_error=False)
    def _read(self) -> None:
        from core.config.load import load_experiment, read_stored

        try:
            loaded = load_experiment(self._path(), workspace=self.lab.workspace)
            fields = launch_form.fields_of(loaded.experiment)
            if self._like is not None:
                fields = launch_form.with_settings(fields, read_stored(self._stored(self._like)))
            else:
                fields = launch_form.with_folder(fields, self.config, self.lab.choices.words(FOLDERS))
        except LabError as error:
            self.app.call_from_thread(self._unreadable, error)
            return
        self.app.call_from_thread(self._filled, fields)

    def _unreadable(self, error: LabError) -> None:
        self.app.pop_screen()
        self.lab.show_error(error)

    def _filled(self, fields: Fields) -> None:
        self._fields = fields
        self._show_form()
        self.query_one("#form", FormTable).select("learning_rate")
        self._look()

    def _show_form(self) -> None:
        self.query_one("#form", FormTable).show(list(self._fields.values()), self._preview.faults)

    def _stored(self, run: RunSummary) -> Path:
        return self.lab.workspace.runs / run.id / "config.yaml"

    def _path(self) -> Path:
        """The config's file; of a run whose config has gone, the one that is stored with it."""
        try:
            return config_path(self.lab.workspace, self.config)
        except LabError:
            if self._like is None:
                raise
            return self._stored(self._like)

    # -- editing

    @on(FormTable.Highlighted)
    def _moved(self) -> None:
        field = self.query_one("#form", FormTable).current_field
        text = f"currently has no effect: {field.unused}\n{field.help}" if field and field.unused else ""
        self.query_one("#form-help", Static).update(text or (field.help if field else ""))

    @on(FormTable.Chosen)
    def _edit_chosen(self) -> None:
        field = self.query_one("#form", FormTable).current_field
        if field is not None and len(field.choices) >= _LIST_FROM:
            self._choose(field.key)
        else:
            self._edit(None)

    def _choose(self, key: str) -> None:
        """Choose the value of a field from a list."""
        from tui.dialogs.choose import ChooseDialog

        field = self._fields[key]
        choices, free = launch_form.value_choices(field)

        def chosen(value: str | None) -> None:
            if value is not None:
                self._set(key, value)

        dialog = ChooseDialog(f"{key} of the new run", choices, current=field.value, free=free)
        self.app.push_screen(dialog, chosen)

    def action_find(self) -> None:
        """Jump to a setting by a word of its name or help."""
        from tui.dialogs.choose import ChooseDialog

        form = self.query_one("#form", FormTable)

        def chosen(key: str | None) -> None:
            if key is not None and not form.select(key):
                form.action_all()
                form.select(key)

        self.app.push_screen(
            ChooseDialog("Find a setting", launch_form.setting_choices(self._fields)), chosen
        )

    @on(FormTable.Typed)
    def _edit_typed(self, event: FormTable.Typed) -> None:
        self._edit(event.character)

    def _edit(self, text: str | None) -> None:
        """Put an input line over the value under the cursor."""
        form = self.query_one("#form", FormTable)
        field = form.current_field
        if field is None:
            return
        self._editing = field.key
        label = form.width_of("label")
        box = self.query_one("#edit", Input)
        if box.display and text is not None:
            # Typed faster than the input line took over.
            box.insert_text_at_cursor(text)
            return
        box.value = field.value if text is None else text
        box.styles.offset = Offset(label + 4, form.cursor - form.scroll_offset.y)
        box.styles.width = max(form.size.width - min(label, LABEL) - 4, 8)
        box.display = True
        box.focus()
        box.cursor_position = len(box.value)

    @on(Input.Submitted, "#edit")
    def _edit_done(self, event: Input.Submitted) -> None:
        self._close_edit()
        self._set(self._editing, event.value.strip())
        self.query_one("#form", FormTable).action_move(1)

    def _close_edit(self) -> None:
        self.query_one("#edit").display = False
        self.query_one("#form").focus()

    @on(Input.Blurred, "#edit")
    def _edit_left(self, event: Input.Blurred) -> None:
        if event.input.display:
            event.input.display = False
            self._set(self._editing, event.value.strip())

    @on(FormTable.Edited)
    def _stepped(self, event: FormTable.Edited) -> None:
        self._set(event.key, event.value)

    def _set(self, key: str, value: str) -> None:
        if self._fields[key].value != value:
            self._fields = launch_form.with_value(self._fields, key, value)
            self._show_form()
            self._moved()
            self._look()

    # -- what will happen

    def _look(self) -> None:
        changed = [(field.key, field.original, field.value) for field in launch_form.changed(self._fields)]
        self._is_checking = True
        self._network = None
        self._make_preview(launch_form.overrides(self._fields), changed)

    @work(thread=True, exclusive=True, group="preview", exit_on_error=False)
    def _make_preview(self, overrides: list[str], changed: list[tuple[str, str, str]]) -> None:
        from core.launch.queue import QueueView
        from tui.screens import launch_preview

        self._queue = self._queue or QueueView()
        preview = launch_preview.previewed(
            self._path(), overrides, changed, self._fields, self.lab.workspace, self._queue, self._preview
        )
        self.app.call_from_thread(self._show_preview, overrides, preview)

    def _show_preview(self, overrides: list[str], preview: Preview) -> None:
        if not self.is_attached or overrides != launch_form.overrides(self._fields):
            return
        self._preview = preview
        self._is_checking = False
        if preview.experiment is not None:
            self._fields = launch_form.followed(self._fields, preview.experiment)
        self._show_form()
        self._show_right()
        if self._start_when_checked:
            self._start_when_checked = False
            self.action_start()
        elif preview.possible:
            self._count()

    def _count(self) -> None:
        """Have the network described, unless a process does so already."""
        experiment = self._preview.experiment
        if not self._is_counting and experiment is not None:
            self._is_counting = True
            self._describe(launch_form.overrides(self._fields), experiment, self._preview.forecast)

    @work(thread=True, group="network", exit_on_error=False)
    def _describe(self, overrides: list[str], experiment: Experiment, forecast: Forecast) -> None:
        from tui.screens import launch_preview

        told = Forecast(("network: it could not be described",))
        try:
            told = launch_preview.network(experiment, forecast, self.lab.workspace)
        finally:
            self.app.call_from_thread(self._described, overrides, told)

    def _described(self, overrides: list[str], told: Forecast) -> None:
        self._is_counting = False
        if not self.is_attached:
            return
        if overrides != launch_form.overrides(self._fields) or self._is_checking:
            if not self._is_checking:
                self._count()
            return
        self._network = told
        self._show_right()

    def _show_right(self) -> None:
        """What stands in the way, and what a start would do."""
        preview = self._preview
        parts = [f"✗ {sentence}" for sentence in preview.general]
        if self._network and self._network.problem:
            parts.append(f"✗ {self._network.problem}")
        if preview.faults:
            count = len(preview.faults)
            wrong = "1 setting is wrong" if count == 1 else f"{count} settings are wrong"
            parts.append(f"✗ {wrong} (marked on the left)")
        faults = self.query_one("#preview-faults", Static)
        faults.update("\n".join(parts))
        faults.set_class(bool(parts), "-some")
        lines = list(preview.forecast.lines)
        if preview.possible:
            lines += ["", *(self._network.lines if self._network else (_COUNTING,)), "", preview.place]
        if self.has_class("-narrow"):
            lines = [line for line in lines if line]
        self.query_one("#preview-text", Static).update("\n".join(lines))
        self.query_one("#start", Button).disabled = not preview.possible

    @on(Button.Pressed, "#start")
    def _start_pressed(self) -> None:
        self.action_start()

    def action_start(self) -> None:
        box = self.query_one("#edit", Input)
        if box.display:
            self._close_edit()
            self._set(self._editing, box.value.strip())
            return
        if self._is_checking:
            self._start_when_checked = True
            return
        if not self._preview.possible:
            return
        if self._network and self._network.problem:
            self._ask_all_the_same(self._network.problem)
        else:
            self._start()

    def _ask_all_the_same(self, problem: str) -> None:
        from tui.dialogs.confirm import ConfirmDialog

        question = ConfirmDialog("Start anyway?", problem, yes="start", no="change it", danger=True)
        self.app.push_screen(question, lambda yes: self._start() if yes else None)

    def _start(self) -> None:
        lab, path, name = self.lab, self._path(), self._fields[NAME.key].value
        overrides, loaded = launch_form.overrides(self._fields), self._preview.loaded
        assert loaded is not None, "only what was checked is started"
        words = ["labtui", "train", "--config", str(path), "--new"]
        words += [word for override in overrides for word in ("--set", override)]
        loaded = replace(loaded, name=self.config)
        if folders := launch_form.folders_chosen(self._fields, self.config):
            lab.choose(FOLDERS, lab.choices.words(FOLDERS) | folders, here=True)

        def start() -> str:
            from core.launch.control import start_run

            return start_run(lab.workspace, loaded, argv=words, name=name).id

        self.app.pop_screen()
        lab.perform(start, lab.select_run)

    def action_save_as(self) -> None:
        """The settings as they are in a config of their own."""
        from tui.dialogs.choose import ChooseDialog

        loaded, workspace = self._preview.loaded, self.lab.workspace
        if loaded is None:
            self.notify("these settings do not go together yet", markup=False)
            return

        def named(name: str | None) -> None:
            if name is not None:
                save = partial(launch_form.save_config, workspace, loaded.experiment, name)
                self.lab.perform(save, lambda path: self.notify(f"written: {path}", markup=False))

        self.app.push_screen(ChooseDialog("Save as a config", [], free="type its name"), named)

    def action_pictures(self) -> None:
        """The pictures that the settings as they are would train on."""
        from tui.screens.samples import SamplesScreen

        path, overrides, workspace = self._path(), launch_form.overrides(self._fields), self.lab.workspace

        def config() -> str:
            from core.config.load import dump, load_experiment

            return dump(load_experiment(path, overrides, workspace=workspace).experiment)

        self.app.push_screen(SamplesScreen(self.config, config))

    @property
    def unsaved(self) -> str:
        """What leaving would throw away; empty: nothing."""
        return unsaved_words(sum(field.changed for field in self._fields.values()))

    def action_back(self) -> None:
        box = self.query_one("#edit", Input)
        if box.display:
            self._close_edit()
        else:
            leave_form(self, self.app.pop_screen)
