"""A new run: the settings of a config left, what will happen right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, cast

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Horizontal, Vertical, VerticalScroll
from textual.geometry import Offset
from textual.screen import Screen
from textual.widgets import Button, Input, Static

from core.config.workspace import config_files
from core.errors import ConfigError, LabError
from core.text import clean
from tui.run_actions import plain
from tui.widgets.bars import KeyBar, SpanLine
from tui.widgets.form import LABEL, Field, FormTable

if TYPE_CHECKING:
    from core.config.load import Loaded
    from tui.application import LabApp
    from tui.screens.runs import RunsScreen

_NAME = Field("name", "Run", "", "", "A name for this run; without one it is called after its config.")


@dataclass(frozen=True)
class Preview:
    """What the form would start. `faults` are sentences by field; `general` are those of no field."""

    lines: tuple[str, ...]
    faults: Mapping[str, str]
    general: tuple[str, ...]

    @property
    def possible(self) -> bool:
        return not self.faults and not self.general


class LaunchScreen(Screen[None]):
    CSS_PATH = "launch.tcss"
    KEY_ORDER = ("start", "choose", "undo", "app.pop_screen")
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-medium")]
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+s", "start", "start", key_display="ctrl+s", priority=True),
        Binding("escape", "back", "back", key_display="esc"),
        Binding("tab", "app.focus_next", "next", show=False),
    ]

    def __init__(self, config: str) -> None:
        super().__init__()
        self.config = config
        self._fields: dict[str, Field] = {}
        self._preview = Preview((), {}, ("reading the config …",))
        self._editing = ""
        # A start asked for before the settings have been checked happens when they are.
        self._is_checking = True
        self._start_when_checked = False

    @property
    def lab(self) -> LabApp:
        return cast("LabApp", self.app)

    def compose(self) -> ComposeResult:
        yield SpanLine(id="top")
        with Horizontal(id="launch"):
            with Vertical(id="form-side"):
                with Container(id="form-area"):
                    yield FormTable(id="form", empty="reading the config …")
                    yield Input(id="edit", compact=True, select_on_focus=False)
                yield Static("", markup=False, id="form-help")
            with VerticalScroll(id="preview", can_focus=False):
                yield Static("", markup=False, id="preview-faults")
                yield Static("", markup=False, id="preview-text")
                yield Button(plain("ctrl+s  start"), id="start", compact=True, disabled=True)
        yield KeyBar()

    def on_mount(self) -> None:
        self.query_one("#top", SpanLine).show(
            [(" labtui ▸ ", "muted"), (f"new run of {self.config}", "title")]
        )
        self.query_one("#edit").display = False
        self.query_one("#form").focus()
        self._read()

    # -- config to form

    @work(thread=True, exclusive=True, group="read", exit_on_error=False)
    def _read(self) -> None:
        from core.config.fields import as_text, field_specs, form_values
        from core.config.load import load_experiment

        try:
            loaded = load_experiment(self._path(), workspace=self.lab.workspace)
        except LabError as error:
            self.app.call_from_thread(self._unreadable, error)
            return
        values = form_values(loaded.experiment)
        fields = [
            Field(
                spec.key,
                spec.group,
                clean(values[spec.key]),
                clean(values[spec.key]),
                _help(spec.help, spec.choices, spec.bounds, as_text(spec.default)),
                spec.choices or (("true", "false") if spec.kind == "boolean" else ()),
            )
            for spec in field_specs()
        ]
        self.app.call_from_thread(self._filled, fields)

    def _unreadable(self, error: LabError) -> None:
        self.app.pop_screen()
        self.lab.show_error(error)

    def _filled(self, fields: Sequence[Field]) -> None:
        self._fields = {field.key: field for field in (_NAME, *fields)}
        self._show_form()
        form = self.query_one("#form", FormTable)
        form.select("learning_rate")
        self._look()

    def _show_form(self) -> None:
        self.query_one("#form", FormTable).show(list(self._fields.values()), self._preview.faults)

    def _path(self) -> Path:
        for path in config_files(self.lab.workspace):
            if clean(path.stem) == self.config:
                return path
        raise ConfigError([])

    def _overrides(self) -> list[str]:
        return [
            f"{field.key}={field.value}"
            for field in self._fields.values()
            if field.changed and field.key != "name"
        ]

    # -- editing

    @on(FormTable.Highlighted)
    def _moved(self) -> None:
        field = self.query_one("#form", FormTable).current_field
        self.query_one("#form-help", Static).update(field.help if field else "")

    @on(FormTable.Chosen)
    def _edit_chosen(self) -> None:
        self._edit(None)

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
        label = next(column.width for column in form.columns(form.size.width) if column.key == "label")
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
            self._fields[key] = replace(self._fields[key], value=value)
            self._show_form()
            self._look()

    # -- what will happen

    def _look(self) -> None:
        changed = [
            (f.key, f.original, f.value) for f in self._fields.values() if f.changed and f.key != "name"
        ]
        self._is_checking = True
        self._make_preview(self._overrides(), changed)

    @work(thread=True, exclusive=True, group="preview", exit_on_error=False)
    def _make_preview(self, overrides: list[str], changed: list[tuple[str, str, str]]) -> None:
        preview = self._previewed(overrides, changed)
        self.app.call_from_thread(self._show_preview, overrides, preview)

    def _previewed(self, overrides: list[str], changed: list[tuple[str, str, str]]) -> Preview:
        from core.config.load import load_experiment
        from tui.launch_preview import describe

        try:
            loaded = load_experiment(self._path(), overrides, workspace=self.lab.workspace)
        except ConfigError as error:
            faults = {problem.key: problem.text for problem in error.problems if problem.key in self._fields}
            general = tuple(str(problem) for problem in error.problems if problem.key not in self._fields)
            return Preview((), faults, general)
        except LabError as error:
            return Preview((), {}, (str(error),))
        lines, problem = describe(loaded.experiment, changed)
        return Preview(lines, {}, (problem,) if problem else ())

    def _show_preview(self, overrides: list[str], preview: Preview) -> None:
        if not self.is_attached or overrides != self._overrides():
            return
        self._preview = preview
        self._is_checking = False
        self._show_form()
        parts = [*(f"✗ {sentence}" for sentence in preview.general)]
        if preview.faults:
            count = len(preview.faults)
            parts.append(f"✗ {count} setting{'s' * (count > 1)} to put right, left")
        faults = self.query_one("#preview-faults", Static)
        faults.update("\n".join(parts))
        faults.set_class(bool(parts), "-some")
        self.query_one("#preview-text", Static).update("\n".join(preview.lines))
        self.query_one("#start", Button).disabled = not preview.possible
        if self._start_when_checked:
            self._start_when_checked = False
            self.action_start()

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
        lab, path, overrides, name = self.lab, self._path(), self._overrides(), self._fields["name"].value
        runs = cast("RunsScreen", lab.screen_stack[0])
        words = ["labtui", "train", "--config", str(path), "--new"]
        words += [word for override in overrides for word in ("--set", override)]

        def start() -> str:
            from core.config.load import load_experiment
            from core.launch.control import start_run

            loaded: Loaded = load_experiment(path, overrides, workspace=lab.workspace)
            return start_run(lab.workspace, loaded, argv=words, name=name).id

        self.app.pop_screen()
        lab.perform(start, runs.select_run)

    def action_back(self) -> None:
        box = self.query_one("#edit", Input)
        if box.display:
            self._close_edit()
        else:
            self.app.pop_screen()


def _help(text: str, choices: Sequence[str], bounds: str, default: str) -> str:
    """The field's help line with what is allowed and the default."""
    extra = [part for part in (" | ".join(choices), bounds) if part]
    if default:
        extra.append(f"default {default}")
    return clean(f"{text} ({'; '.join(extra)})" if extra else text)
