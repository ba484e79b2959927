"""The filter line tells whatever screen it lies on, by messages alone."""

from __future__ import annotations

from typing import Any

import pytest
from textual import on
from textual.app import App
from textual.screen import Screen

from tui.widgets.filter_line import FilterLine


class Bare(Screen[None]):
    """A screen that has nothing of the list of runs: no filter, no table, no method to call."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[tuple[str, object]] = []

    def compose(self) -> Any:
        yield FilterLine("", "parts of a name")

    @on(FilterLine.Typed)
    def typed(self, event: FilterLine.Typed) -> None:
        self.heard.append(("typed", event.text))

    @on(FilterLine.Closed)
    def closed(self, event: FilterLine.Closed) -> None:
        self.heard.append(("closed", event.clear))


class Host(App[None]):
    def get_default_screen(self) -> Screen[Any]:
        return Bare()


@pytest.mark.parametrize(("key", "clear"), [("enter", False), ("escape", True)])
async def test_every_letter_and_the_end_are_told(key: str, clear: bool) -> None:
    app = Host()
    async with app.run_test() as pilot:
        screen = app.screen
        assert isinstance(screen, Bare)
        await pilot.press("a", "b", "backspace", key)
        await pilot.pause()
        assert screen.heard == [("typed", "a"), ("typed", "ab"), ("typed", "a"), ("closed", clear)]
