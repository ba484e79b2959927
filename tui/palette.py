"""The palette: the same actions as the keys, in the same words."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

from textual.app import App, SystemCommand
from textual.screen import Screen

_LEFT_OUT = (
    "screen.copy_text",
    "app.command_palette",
    "command_palette",
    "app.suspend_process",
    "suspend_process",
)


def screen_commands(app: App[Any], screen: Screen[Any]) -> Iterable[SystemCommand]:
    """One command for each action that is possible now."""
    seen: set[str] = set()
    for active in screen.active_bindings.values():
        binding = active.binding
        title = binding.description[:1].upper() + binding.description[1:]
        if not title or not active.enabled or binding.action in _LEFT_OUT or binding.action in seen:
            continue
        seen.add(binding.action)
        # Of a widget that has the keys, what the footer shows; moving about is no command.
        if active.node is screen or active.node is app or binding.show:
            shown = binding.key_display or app.get_key_display(binding)
            about = f"key {shown}: {binding.tooltip}" if binding.tooltip else f"key {shown}"
            yield SystemCommand(title, about, partial(_run, app, binding.action, active.node))
    yield SystemCommand("Theme", "Colours: dark, light and others", app.search_themes)


async def _run(app: App[Any], action: str, node: Any) -> None:
    await app.run_action(action, node)
