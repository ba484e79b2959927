"""A form as a table: fields by group, changed ones marked, faults under the field they belong to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message

from tui.widgets.line_table import Column, LineTable, Span

LABEL = 26


@dataclass(frozen=True)
class Field:
    """One setting of a form; `choices` can be stepped through with the arrow keys."""

    key: str
    group: str
    value: str
    original: str
    help: str
    choices: tuple[str, ...] = ()

    @property
    def changed(self) -> bool:
        return self.value != self.original


@dataclass(frozen=True)
class FormRow:
    """A heading (no field), a field, or a fault below it."""

    key: str
    text: str
    field: Field | None = None
    bad: bool = False


class FormTable(LineTable[FormRow]):
    HEADER = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left,h", "step(-1)", "previous value", show=False),
        Binding("right,space", "step(1)", "next value", show=False),
        Binding("enter", "choose", "edit", key_display="⏎"),
        Binding("backspace,delete", "undo", "as in the file", key_display="⌫"),
    ]

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
        rows: list[FormRow] = []
        group = ""
        for field in fields:
            if field.group != group:
                group = field.group
                rows.append(FormRow(f"#{group}", group))
            rows.append(FormRow(field.key, field.key, field))
            if field.key in faults:
                rows.append(FormRow(f"!{field.key}", faults[field.key], bad=True))
        self.set_rows(rows)
        if self.current is not None and self.current.field is None:
            self.action_move(1)

    def key(self, row: FormRow) -> str:
        return row.key

    def columns(self, width: int) -> list[Column]:
        label = min(LABEL, max(width // 2, 10))
        return [
            Column("mark", "", 2),
            Column("label", "", label),
            Column("value", "", max(width - label - 4, 4)),
        ]

    def cells(self, row: FormRow) -> dict[str, Sequence[Span] | Span]:
        if row.field is None:
            if row.bad:
                return {"mark": ("", "text"), "label": ("", "text"), "value": (f"✗ {row.text}", "bad")}
            return {"label": (row.text, "strong")}
        field = row.field
        tone = "warning" if field.changed else "text"
        value: Span = (field.value or "–", tone if field.value else "muted")
        here = row.key == self.cursor_key
        shown: Sequence[Span] | Span = value
        if field.choices and here:
            shown = [("◂ ", "muted"), value, (" ▸", "muted")]
        return {
            "mark": [("▸" if here else " ", "text"), ("•" if field.changed else " ", "warning")],
            "label": (field.key, "text"),
            "value": shown,
        }

    def row_style(self, row: FormRow) -> Style:
        return Style.null()

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

    def on_key(self, event: events.Key) -> None:
        typed = event.character or ""
        starts = typed.isalnum() or typed in "./~_[{"
        if starts and typed and typed not in "jkghGl" and self.current_field is not None:
            event.stop()
            self.post_message(self.Typed(typed))
