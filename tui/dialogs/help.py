"""The keys of the screen below, and the signs."""

from __future__ import annotations

from typing import Any, ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen, Screen
from textual.widgets import Static

from core import humanise
from tui import theme
from tui.widgets.checkpoint_table import PINNED

_TOOLKIT = ("screen.copy_text", "app.focus_next", "app.focus_previous")
_STATES = ("queued", "starting", "running", "stopping", "finished", "stopped", "failed", "lost")
_IN_LINE = 4


class HelpDialog(ModalScreen[None]):
    CSS_PATH = "dialogs.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,enter,q,question_mark", "close", "close", show=False)
    ]

    def __init__(self, about: Screen[Any]) -> None:
        super().__init__()
        self._about = about

    def compose(self) -> ComposeResult:
        with VerticalScroll(classes="dialog wide"):
            yield Static("Keys and signs", markup=False, classes="dialog-title")
            yield Static(self._text())
            yield Static(
                "enter or esc closes; : or ctrl+p lists all actions", markup=False, classes="dialog-hint"
            )

    def _text(self) -> Text:
        colors = theme.palette(self.app.current_theme)
        text = Text()
        rows = bindings_of(self._about)
        for key, description, works in rows:
            if works:
                text.append(f" {key:>9} ", colors.accent)
                text.append(f" {description}\n")
        if elsewhere := [(key, description) for key, description, works in rows if not works]:
            text.append("\n           not here, but elsewhere on this screen:\n", colors.muted)
            for key, description in elsewhere:
                text.append(f" {key:>9}  {description}\n", colors.muted)
        text.append("\n")
        for number, state in enumerate(_STATES):
            text.append(
                f" {humanise.state_glyph(state):>{9 if number % _IN_LINE == 0 else 2}} ", colors.state(state)
            )
            text.append(f" {state:<9}" + "\n" * (number % _IN_LINE == _IN_LINE - 1))
        text.append("\n" * (len(_STATES) % _IN_LINE > 0))
        for sign, meaning in getattr(self._about, "SIGNS", ()):
            text.append(f" {sign:>9} ", colors.accent)
            text.append(f" {meaning}\n")
        text.append(f" {'★':>9} ", colors.accent)
        text.append(" best epoch by the run's metric\n")
        text.append(f" {PINNED:>9} ", colors.accent)
        text.append(" pinned: never removed\n")
        text.append(f" {'┊ ╎':>9} ", colors.muted)
        text.append(" the checkpoint under the cursor; where a run ended early\n")
        text.append(f" {'⠂⠂⠂':>9} ", colors.series[0])
        text.append(" dotted: train; full line: validation; grey: epochs that a resume trained again\n")
        text.append(f" {'•••':>9} ", colors.ramp[-2])
        text.append(" one metric against another: a point per epoch, coloured from early to late\n")
        return text

    def action_close(self) -> None:
        self.dismiss(None)


def bindings_of(screen: Screen[Any]) -> list[tuple[str, str, bool]]:
    """Keys, what they do, and whether they do it now: the footer's first, then others, then the app's."""
    working = {active.binding.action for active in screen.active_bindings.values() if active.enabled}
    rows: dict[str, tuple[list[str], str]] = {
        action: ([], "") for action in getattr(screen, "KEY_ORDER", ()) if not action.startswith("app.")
    }
    for source in (screen, screen.focused, screen.app):
        for _, binding in source._bindings if source is not None else ():
            if binding.action in _TOOLKIT or (source is screen.focused and not binding.show):
                continue
            nearer = screen.active_bindings.get(binding.key)
            if source is screen.app and nearer is not None and nearer.node is not source:
                continue
            shown = binding.key_display or screen.app.get_key_display(binding)
            keys, description = rows.get(binding.action, ([], ""))
            rows[binding.action] = (
                [*keys, shown] if shown not in keys else keys,
                description or binding.tooltip or binding.description,
            )
    return [
        (" ".join(keys), description, action in working)
        for action, (keys, description) in rows.items()
        if description
    ]
