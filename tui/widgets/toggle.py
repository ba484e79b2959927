"""A yes/no setting on one line that reads without colour."""

from __future__ import annotations

from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.reactive import reactive
from textual.strip import Strip
from textual.widget import Widget

from tui import theme
from tui.cell_text import fit


class Toggle(Widget, can_focus=True):
    DEFAULT_CSS = "Toggle { height: 1; width: 1fr; }"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter,space", "flip", "yes or no", show=False)]

    value: reactive[bool] = reactive(False)

    class Changed(Message):
        """The setting was flipped."""

    def __init__(self, text: str, value: bool = False, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._text = text
        self.set_reactive(Toggle.value, value)

    def render_line(self, y: int) -> Strip:
        colors = theme.palette(self.app.current_theme)
        text = fit(f"[{'x' if self.value else ' '}] {self._text}", self.size.width)
        style = colors.text + (colors.cursor if self.has_focus else Style.null())
        return Strip([Segment(text, style)]).apply_style(self.rich_style)

    def action_flip(self) -> None:
        self.value = not self.value
        self.post_message(self.Changed())

    def on_click(self) -> None:
        self.action_flip()
