"""The line that narrows the run table down, letter by letter."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, cast

from textual import on
from textual.binding import Binding, BindingType
from textual.widgets import Input

if TYPE_CHECKING:
    from tui.screens.runs import RunsScreen


class FilterLine(Input):
    """Enter keeps the filter, Esc clears it; both give the keys back to the table."""

    DEFAULT_CSS = "FilterLine { height: 1; border: none; padding: 0 1; background: $surface; }"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "cancel", "clear", show=False)]

    def __init__(self, text: str) -> None:
        super().__init__(
            text,
            compact=True,
            placeholder="words, or state=failed tag=… model=… mode=… config=…",
            select_on_focus=False,
        )

    @property
    def runs(self) -> RunsScreen:
        return cast("RunsScreen", self.screen)

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        self.runs.filter_by(event.value)

    @on(Input.Submitted)
    def _done(self, event: Input.Submitted) -> None:
        event.stop()
        self.runs.close_filter(clear=False)

    def action_cancel(self) -> None:
        self.runs.close_filter(clear=True)
