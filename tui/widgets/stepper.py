"""One of a few words on a line, stepped through with the arrow keys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from tui import theme
from tui.cell_text import fit


class Stepper(Widget, can_focus=True):
    DEFAULT_CSS = "Stepper { height: 1; width: 1fr; }"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left,h", "step(-1)", "previous", show=False),
        Binding("right,l,space,enter", "step(1)", "next", show=False),
    ]

    class Changed(Message):
        """Another one was picked."""

    def __init__(self, choices: Sequence[tuple[str, str]], value: str, *, id: str | None = None) -> None:
        """`choices` are (value, text)."""
        super().__init__(id=id)
        self._choices = list(choices)
        self.value = value

    def render_line(self, y: int) -> Strip:
        colors = theme.palette(self.app.current_theme)
        text = next((text for value, text in self._choices if value == self.value), self.value)
        style = colors.text + (colors.cursor if self.has_focus else Style.null())
        return Strip([Segment(fit(f"◂ {text} ▸", self.size.width), style)]).apply_style(self.rich_style)

    def action_step(self, by: int) -> None:
        values = [value for value, _ in self._choices]
        self.value = values[(values.index(self.value) + by) % len(values)]
        self.refresh()
        self.post_message(self.Changed())

    def on_click(self) -> None:
        self.action_step(1)
