"""Starts the screens: a first line at once, then the toolkit, then the app."""

from __future__ import annotations

import gc
import os
import sys

from tui import terminal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from core.config.workspace import Workspace

_TOOLKIT = {"TEXTUAL_FPS": "15", "TEXTUAL_ANIMATIONS": "none", "TEXTUAL_SMOOTH_SCROLL": "0"}
"""Read by Textual when it is imported: over SSH every frame costs bytes."""


def run(workspace: Workspace | None = None) -> int:
    """Show the screens of a workspace (None: found as everywhere) until the user leaves; training goes on.

    Returns an exit code. Raises LabError when no workspace is found; the terminal is then as it was.
    """
    if reason := terminal.refusal():
        sys.stderr.write(f"labtui: {reason}\n")
        return 2
    for name in ("COLUMNS", "LINES"):
        # Exported by a shell, they would stand above what the terminal says after a resize.
        os.environ.pop(name, None)
    screen = terminal.Terminal()
    screen.open(" labtui")
    try:
        for name, value in _TOOLKIT.items():
            os.environ.setdefault(name, value)
        gc.disable()
        from core.config.workspace import find_workspace
        from tui.app import LabApp

        app = LabApp(workspace or find_workspace())
        app.run()
        screen.closed()
        return app.return_code or 0
    finally:
        screen.restore()
