"""The line that narrows a table down, letter by letter."""

from __future__ import annotations

from typing import ClassVar, Protocol, cast

from textual import on
from textual.binding import Binding, BindingType
from textual.widgets import Input


class Filtered(Protocol):
    """A screen that has such a line."""

    def filter_by(self, text: str) -> None:
        """Show what matches `text`; called with every letter."""

    def close_filter(self, *, clear: bool) -> None:
        """Put the line away."""


class FilterLine(Input):
    """Enter keeps the filter, Esc clears it; both give the keys back to the table."""

    DEFAULT_CSS = "FilterLine { height: 1; border: none; padding: 0 1; background: $surface; }"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "cancel", "clear", show=False)]

    def __init__(
        self, text: str, placeholder: str = "words, or state=failed tag=… model=… mode=… config=…"
    ) -> None:
        super().__init__(
            text,
            compact=True,
            placeholder=placeholder,
            select_on_focus=False,
        )

    @property
    def filtered(self) -> Filtered:
        return cast("Filtered", self.screen)

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        self.filtered.filter_by(event.value)

    @on(Input.Submitted)
    def _done(self, event: Input.Submitted) -> None:
        event.stop()
        self.filtered.close_filter(clear=False)

    def action_cancel(self) -> None:
        self.filtered.close_filter(clear=True)
