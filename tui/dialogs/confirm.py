"""A question with a safe answer."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Button, Static

from tui.cell_text import plain


class ConfirmDialog(ModalScreen[bool]):
    """Dismissed with True only by `y` or the button that says so; focus starts on the safe one."""

    CSS_PATH = "dialogs.tcss"
    AUTO_FOCUS = "#no"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "answer(True)", "yes", show=False),
        Binding("n,escape,q", "answer(False)", "no", show=False),
        Binding("left,right,h,l", "app.focus_next", "other", show=False),
    ]

    def __init__(self, question: str, text: str, *, yes: str, no: str, danger: bool = False) -> None:
        super().__init__()
        self._question = question
        self._text = text
        self._yes = yes
        self._no = no
        self._danger = danger

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog bad" if self._danger else "dialog"):
            yield Static(self._question, markup=False, classes="dialog-title")
            yield Static(self._text, markup=False, classes="dialog-text")
            with Horizontal(classes="dialog-buttons"):
                yield Button(plain(f"n  {self._no}"), id="no", compact=True)
                yield Button(plain(f"y  {self._yes}"), id="yes", compact=True)

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        self.dismiss(event.button.id == "yes")

    def action_answer(self, answer: bool) -> None:
        self.dismiss(answer)
