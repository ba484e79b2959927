"""The line that narrows a table down, letter by letter."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import Input


class FilterLine(Input):
    """Enter keeps the filter, Esc clears it. The screen that has the line hears of both and removes it."""

    DEFAULT_CSS = "FilterLine { height: 1; border: none; padding: 0 1; background: $surface; }"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "cancel", "clear", show=False)]

    class Typed(Message):
        """The text is another; sent with every letter."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    class Closed(Message):
        """The line is no longer wanted; with `clear`, neither is the filter."""

        def __init__(self, *, clear: bool) -> None:
            super().__init__()
            self.clear = clear

    def __init__(
        self, text: str, placeholder: str = "words, or state=failed tag=… model=… best>0.3 epoch<5"
    ) -> None:
        super().__init__(
            text,
            compact=True,
            placeholder=placeholder,
            select_on_focus=False,
        )

    @on(Input.Changed)
    def _changed(self, event: Input.Changed) -> None:
        event.stop()
        self.post_message(self.Typed(event.value))

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.post_message(self.Closed(clear=False))

    def action_cancel(self) -> None:
        self.post_message(self.Closed(clear=True))
