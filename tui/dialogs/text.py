"""A dialog that says something and waits for a key."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static


class TextDialog(ModalScreen[None]):
    """Shows `text` letter for letter; Enter, Esc or a click outside close it."""

    CSS_PATH = "dialogs.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,enter,q,space", "close", "close", show=False)]

    def __init__(self, title: str, text: str, *, bad: bool = False) -> None:
        super().__init__()
        self._title = title
        self._text = text
        self._bad = bad

    def compose(self) -> ComposeResult:
        with VerticalScroll(classes="dialog bad" if self._bad else "dialog"):
            yield Static(self._title, markup=False, classes="dialog-title")
            yield Static(self._text, markup=False, classes="dialog-text")
            yield Static("enter or esc closes", markup=False, classes="dialog-hint")

    def action_close(self) -> None:
        self.dismiss(None)
