"""Two trials and a number of pairs: seeds are added to both until it is decided which is better."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Button, Input, Static

from tui.cell_text import plain
from tui.dialogs.form import FormDialog

_LIMIT = 1000


class UntilDialog(FormDialog):
    """Dismissed with the most pairs, or None. `fixed`: an earlier start has settled the number already."""

    CSS_PATH = "dialogs.tcss"
    AUTO_FOCUS = "#pairs"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+s", "start", "start", show=False, priority=True),
    ]

    def __init__(self, first: str, second: str, *, at_most: int = 20, fixed: bool = False) -> None:
        super().__init__()
        self._names = first, second
        self._at_most = at_most
        self._fixed = fixed

    def compose(self) -> ComposeResult:
        first, second = self._names
        with Vertical(classes="dialog wide"):
            yield Static(f"{first} against {second}, until decided", markup=False, classes="dialog-title")
            with Horizontal(classes="form-line"):
                yield Static("pairs, at most", markup=False, classes="form-label")
                yield Input(
                    str(self._at_most), id="pairs", compact=True, disabled=self._fixed, select_on_focus=False
                )
            yield Static("", markup=False, id="plan")
            with Horizontal(classes="dialog-buttons"):
                yield Button(plain("esc  cancel"), id="cancel", compact=True)
                yield Button(plain("ctrl+s  start"), id="start", compact=True)

    def on_mount(self) -> None:
        self._show()
        if self._fixed:
            self.query_one("#cancel").focus()

    @property
    def pairs(self) -> int | None:
        """The number typed, if it is one that can decide something."""
        from core.analysis.paired import planned_looks

        text = self.query_one("#pairs", Input).value.strip()
        number = int(text) if text.isascii() and text.isdecimal() and len(text) < 6 else 0
        return number if 0 < number <= _LIMIT and planned_looks(number) else None

    @on(Input.Changed, "#pairs")
    def _show(self) -> None:
        from core.analysis.paired import planned_looks

        pairs, said = self.pairs, self.query_one("#plan", Static)
        said.set_class(pairs is None, "-bad")
        self.query_one("#start", Button).disabled = pairs is None
        if pairs is not None:
            text = until_words(planned_looks(pairs), pairs)
            said.update(f"{text} The number was fixed when it was first started." if self._fixed else text)
        else:
            least = next(number for number in range(1, _LIMIT) if planned_looks(number))
            said.update(f"expected a number of pairs from {least} to {_LIMIT}: fewer are not enough")

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
        if self.pairs is not None:
            self.dismiss(self.pairs)


def until_words(looks: Sequence[int], at_most: int) -> str:
    """What `D` would do with this plan of looks."""
    return (
        f"Adds seeds to both until one is better beyond chance, {at_most} pairs at most. Tests after each "
        f"pair from {looks[0]} on; the tests share the 5 % chance of a false verdict, so the number is fixed "
        "now. Continues when the screens are left."
    )
