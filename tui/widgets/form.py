"""A form as a table: fields by group, changed ones marked, faults under the field they belong to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message

from tui.widgets.columns import ANY, Column
from tui.widgets.line_table import LineTable, Span

LABEL = 26


@dataclass(frozen=True)
class Field:
    """One setting of a form; `choices` can be stepped through with the arrow keys.

    `unused` says why it counts for nothing with the others as they are; empty: it counts.
    """

    key: str
    group: str
    value: str
    original: str
    help: str
    choices: tuple[str, ...] = ()
    unused: str = ""

    @property
    def changed(self) -> bool:
        return self.value != self.original


@dataclass(frozen=True)
class FormRow:
    """A heading (no field; `hidden` fields of its group are not shown), a field, or a fault below it."""

    key: str
    text: str
    field: Field | None = None
    bad: bool = False
    hidden: int = 0


class FormTable(LineTable[FormRow]):
    HEADER = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left,h", "step(-1)", "previous value", show=False),
        Binding("right,space", "step(1)", "next value", show=False),
        Binding("enter", "choose", "edit", key_display="⏎"),
        Binding("asterisk", "all", "all settings", key_display="*"),
        # The app's key to leave, where letters are typed.
        Binding("q", "type('q')", show=False),
        Binding("backspace,delete", "undo", "as in the file", key_display="⌫"),
    ]

    shows_all = False

    class Edited(Message):
        """A field has another value."""

        def __init__(self, key: str, value: str) -> None:
            super().__init__()
            self.key = key
            self.value = value

    class Typed(Message):
        """A character was typed on a field: editing begins with it."""

        def __init__(self, character: str) -> None:
            super().__init__()
            self.character = character

    def show(self, fields: Sequence[Field], faults: Mapping[str, str]) -> None:
        """Show the fields that count, were changed or have a fault; with `shows_all` every one of them."""
        self._given = fields, faults
        room = self.width_of("value")
        self.set_rows(form_rows(fields, faults, everything=self.shows_all, width=room))
        if self.current is not None and self.current.field is None:
            self.action_move(1)

    def action_all(self) -> None:
        self.shows_all = not self.shows_all
        self.show(*self._given)

    def key(self, row: FormRow) -> str:
        return row.key

    def declared(self) -> list[Column]:
        return [
            Column("mark", "", 2),
            Column("label", "", 10, max=LABEL),
            Column("value", "", 4, max=ANY),
        ]

    def cells(self, row: FormRow) -> dict[str, Sequence[Span] | Span]:
        if row.field is None:
            if row.bad:
                sign = " " if row.key.endswith("'") else "✗"
                return {"mark": ("", "text"), "label": ("", "text"), "value": (f"{sign} {row.text}", "bad")}
            hidden = (f"{row.hidden} more, unused here (* shows them)" if row.hidden else "", "faint")
            return {"label": (row.text, "strong"), "value": hidden}
        field = row.field
        tone = "warning" if field.changed else "faint" if field.unused else "text"
        value: Span = (field.value or "–", tone if field.value else "muted")
        here = row.key == self.cursor_key
        shown: Sequence[Span] | Span = value
        if field.choices and here:
            shown = [("◂ ", "muted"), value, (" ▸", "muted")]
        return {
            "mark": [("▸" if here else " ", "text"), ("•" if field.changed else " ", "warning")],
            "label": (field.key, "faint" if field.unused else "text"),
            "value": shown,
        }

    @property
    def current_field(self) -> Field | None:
        return self.current.field if self.current else None

    def action_move(self, by: int) -> None:
        """Headings and faults are stepped over."""
        index, sign = self.cursor + by, 1 if by >= 0 else -1
        while 0 <= index < len(self.rows) and self.rows[index].field is None:
            index += sign
        if 0 <= index < len(self.rows):
            self._go(index)
            if index == 1:
                self.scroll_to(y=0, animate=False, force=True)

    def action_end(self, by: int) -> None:
        super().action_end(by)
        if self.current_field is None:
            self.action_move(-by)

    def action_page(self, by: int) -> None:
        super().action_page(by)
        if self.current_field is None:
            self.action_move(by)
        if self.current_field is None:
            self.action_move(-by)

    def action_step(self, by: int) -> None:
        field = self.current_field
        if field is None or not field.choices:
            return
        at = field.choices.index(field.value) if field.value in field.choices else -1 if by > 0 else 0
        self.post_message(self.Edited(field.key, field.choices[(at + by) % len(field.choices)]))

    def action_undo(self) -> None:
        if (field := self.current_field) is not None and field.changed:
            self.post_message(self.Edited(field.key, field.original))

    def action_type(self, letter: str) -> None:
        if self.current_field is not None:
            self.post_message(self.Typed(letter))

    def on_key(self, event: events.Key) -> None:
        typed = event.character or ""
        starts = typed.isalnum() or typed in "./~_[{"
        if starts and typed and typed not in "jkghGl" and self.current_field is not None:
            event.stop()
            self.post_message(self.Typed(typed))


def form_rows(
    fields: Sequence[Field], faults: Mapping[str, str], *, everything: bool, width: int = 60
) -> list[FormRow]:
    """Headings, fields and faults in order; faults in lines of at most `width` cells, their sign included."""
    rows: list[FormRow] = []
    for group in dict.fromkeys(field.group for field in fields):
        own = [field for field in fields if field.group == group]
        shown = [
            field for field in own if everything or not field.unused or field.changed or field.key in faults
        ]
        rows.append(FormRow(f"#{group}", group, hidden=len(own) - len(shown)))
        for field in shown:
            rows.append(FormRow(field.key, field.key, field))
            if field.key in faults:
                lines = wrap(faults[field.key], max(width - 2, 10)) or [""]
                rows += [
                    FormRow(f"!{field.key}" + "'" * number, line, bad=True)
                    for number, line in enumerate(lines)
                ]
    return rows
