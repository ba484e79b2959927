"""What people write on a run: its name, tags and note, and whether it is put away."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Button, Input, Static, TextArea

from core.store.paths import RunPaths
from core.store.records import RunSummary
from tui.cell_text import plain
from tui.dialogs.form import FormDialog
from tui.lab import lab_of
from tui.widgets.toggle import Toggle


class EditDialog(FormDialog):
    """Writes only what was changed, so that what somebody else changes meanwhile stays."""

    CSS_PATH = "dialogs.tcss"
    AUTO_FOCUS = "#tags"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+s", "save", "save", show=False, priority=True),
    ]

    def __init__(self, run: RunSummary) -> None:
        super().__init__()
        self._run = run

    def compose(self) -> ComposeResult:
        run = self._run
        with Vertical(classes="dialog wide"):
            yield Static(f"About {run.label}", markup=False, classes="dialog-title")
            with Horizontal(classes="form-line"):
                yield Static("name", markup=False, classes="form-label")
                yield Input(
                    run.name,
                    id="name",
                    compact=True,
                    placeholder="none: named after its config",
                    select_on_focus=False,
                )
            with Horizontal(classes="form-line"):
                yield Static("tags", markup=False, classes="form-label")
                yield Input(
                    ", ".join(run.tags),
                    id="tags",
                    compact=True,
                    placeholder="baseline, seed 3",
                    select_on_focus=False,
                )
            with Horizontal(classes="form-line"):
                yield Static("archived", markup=False, classes="form-label")
                yield Toggle("hidden from the list until `a` shows it", run.archived, id="archived")
            with Horizontal(classes="form-line", id="note-line"):
                yield Static("note", markup=False, classes="form-label")
                yield TextArea(run.note, id="note", compact=True, tab_behavior="focus")
            with Horizontal(classes="dialog-buttons"):
                yield Button(plain("esc  cancel"), id="cancel", compact=True)
                yield Button(plain("ctrl+s  save"), id="save", compact=True)

    @on(Input.Submitted)
    def _submitted(self) -> None:
        self.action_save()

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        if event.button.id == "save":
            self.action_save()
        else:
            self.action_cancel()

    def action_save(self) -> None:
        from core.store import annotate

        before, lab = self._run, lab_of(self)
        run = RunPaths(lab.workspace.runs / before.id)
        name = self.query_one("#name", Input).value.strip()
        note = self.query_one("#note", TextArea).text
        archived = self.query_one("#archived", Toggle).value
        add, remove = tag_changes(before.tags, self.query_one("#tags", Input).value)

        def save() -> None:
            if name != before.name:
                annotate.set_name(run, name)
            if add or remove:
                annotate.set_tags(run, add, remove)
            if note != before.note:
                annotate.set_note(run, note)
            if archived != before.archived:
                annotate.set_archived(run, archived)

        self.dismiss(None)
        lab.perform(save)


def tag_changes(before: tuple[str, ...], text: str) -> tuple[list[str], list[str]]:
    """Tags to add and to remove, from what is typed with commas between."""
    wanted = list(dict.fromkeys(tag.strip() for tag in text.split(",") if tag.strip()))
    return [tag for tag in wanted if tag not in before], [tag for tag in before if tag not in wanted]
