"""What every form has: it asks before what was written in it is thrown away."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from textual.app import App
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen, Screen
from textual.widgets import Input, TextArea

from tui.dialogs.confirm import ConfirmDialog
from tui.widgets.toggle import Toggle


class FormDialog(ModalScreen[Any]):
    """A dialog with lines to fill in; Esc and its button `cancel` leave it."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "cancel", "cancel", show=False)]

    def on_mount(self) -> None:
        self._at_first = self._written

    @property
    def _written(self) -> dict[str | None, object]:
        lines: dict[str | None, object] = {line.id: line.value for line in self.query(Input)}
        lines |= {area.id: area.text for area in self.query(TextArea)}
        return lines | {toggle.id: toggle.value for toggle in self.query(Toggle)}

    @property
    def unsaved(self) -> str:
        """What leaving would throw away, in a sentence; empty: nothing."""
        now = self._written
        changed = sum(now[name] != value for name, value in self._at_first.items())
        return unsaved_words(changed)

    def action_cancel(self) -> None:
        leave_form(self, lambda: self.dismiss(None))


def unsaved_words(changed: int) -> str:
    """What so many changed fields are called; empty for none."""
    if not changed:
        return ""
    return f"{changed} changed field{'s' * (changed > 1)} would be lost."


def leave_form(form: Screen[Any], leave: Callable[[], object]) -> None:
    """Do `leave`, after a question where it would throw something away."""
    if unsaved := getattr(form, "unsaved", ""):
        ask_to_discard(form.app, unsaved, leave)
    else:
        leave()


def ask_to_discard(app: App[Any], unsaved: str, leave: Callable[[], object]) -> None:
    """Ask whether what is `unsaved` may be lost."""
    question = ConfirmDialog("Discard the changes?", unsaved, yes="discard", no="keep editing")

    def answered(yes: bool | None) -> None:
        if yes:
            leave()

    app.push_screen(question, answered)
