"""One of many: a list that narrows down while one types."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.cells import cell_len
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widgets import Input, Static

from tui.dialogs.form import FormDialog
from tui.widgets.columns import ANY, Column
from tui.widgets.line_table import LineTable, Span


@dataclass(frozen=True)
class Choice:
    """`value` is what is chosen, `note` a word about it."""

    value: str
    note: str = ""


class ChoiceTable(LineTable[Choice], can_focus=False):
    HEADER = False
    BAR = True
    _longest = 20
    _note = 8

    def set_rows(self, rows: Sequence[Choice]) -> None:
        self._longest = max((cell_len(row.value) for row in rows), default=20)
        self._note = max((cell_len(row.note) for row in rows), default=8)
        super().set_rows(rows)

    def key(self, row: Choice) -> str:
        return row.value

    def declared(self) -> list[Column]:
        return [
            Column("sign", "", 1),
            Column("value", "", 8, middle=True, max=self._longest, share=2),
            Column("note", "", min(self._note, 8), max=ANY),
        ]

    def cells(self, row: Choice) -> dict[str, Sequence[Span] | Span]:
        here = row.value == self.cursor_key
        return {
            "sign": ("▸" if here else " ", "text"),
            "value": (row.value, "strong" if here else "text"),
            "note": (row.note, "muted"),
        }


class ChooseDialog(FormDialog):
    """Dismissed with the value chosen, or None; with `free`, what was typed when nothing matches it."""

    CSS_PATH = "dialogs.tcss"
    AUTO_FOCUS = "#filter"
    VERTICAL_BREAKPOINTS = [(0, "-short"), (30, "-tall")]
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down", "move(1)", "down", show=False, priority=True),
        Binding("up", "move(-1)", "up", show=False, priority=True),
        Binding("pagedown", "page(1)", "page down", show=False, priority=True),
        Binding("pageup", "page(-1)", "page up", show=False, priority=True),
    ]

    def __init__(
        self,
        title: str,
        choices: Sequence[Choice],
        *,
        current: str = "",
        free: str = "",
        wide: bool = False,
    ) -> None:
        """`free` says what else may be typed; empty: nothing else. `wide`: notes are long."""
        super().__init__()
        self._title = title
        self._choices = choices
        self._current = current
        self._free = free
        self._wide = wide

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog wide" if self._wide else "dialog"):
            yield Static(self._title, markup=False, classes="dialog-title")
            yield Input(id="filter", compact=True, placeholder=f"{len(self._choices)} choices: type to find")
            yield ChoiceTable(id="choices", empty="no match")
            yield Static("", markup=False, classes="dialog-hint", id="hint")

    def on_mount(self) -> None:
        self._show("")
        self.query_one(ChoiceTable).select(self._current)

    @property
    def table(self) -> ChoiceTable:
        return self.query_one(ChoiceTable)

    @on(Input.Changed, "#filter")
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        self._show(event.value)

    @property
    def unsaved(self) -> str:
        """A sentence of one's own; what only narrows the list down is none."""
        typed = self.query_one("#filter", Input).value.strip()
        return f"“{typed}” would be lost." if self._free and typed and self.table.current is None else ""

    def _show(self, text: str) -> None:
        rows = narrowed(self._choices, text)
        self.table.set_rows(rows)
        typed = text.strip()
        if typed:
            self.table.action_end(-1)
        hint = "⏎ select · esc cancel"
        if self._free:
            hint = f"⏎ select “{typed}”" if typed and not rows else f"⏎ select; {self._free}"
        self.query_one("#hint", Static).update(hint)

    @on(Input.Submitted, "#filter")
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        typed = event.value.strip()
        if self.table.current is not None:
            self.dismiss(self.table.current.value)
        elif self._free and typed:
            self.dismiss(typed)

    @on(LineTable.Chosen, "#choices")
    def _chosen(self, event: LineTable.Chosen) -> None:
        self.dismiss(event.key)

    def action_move(self, by: int) -> None:
        self.table.action_move(by)

    def action_page(self, by: int) -> None:
        self.table.action_page(by)


def narrowed(choices: Sequence[Choice], text: str) -> list[Choice]:
    """The choices in which every word of `text` is found; those that begin with it come first."""
    words = text.lower().split()
    matching = [
        choice for choice in choices if all(word in f"{choice.value} {choice.note}".lower() for word in words)
    ]
    start = text.strip().lower()
    return (
        sorted(matching, key=lambda choice: not choice.value.lower().startswith(start)) if start else matching
    )
