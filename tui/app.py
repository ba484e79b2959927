"""Starts the screens: a first line at once, then the toolkit, then the app."""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path

from core.config.workspace import Workspace
from core.text import clean
from tui import terminal

_TOOLKIT = {"TEXTUAL_FPS": "15", "TEXTUAL_ANIMATIONS": "none", "TEXTUAL_SMOOTH_SCROLL": "0"}
"""Read by Textual when it is imported: over SSH every frame costs bytes."""


def run(workspace: Workspace) -> int:
    """Show the screens of a workspace until the user leaves; training goes on. Returns an exit code."""
    if reason := terminal.refusal():
        sys.stderr.write(f"labtui: {reason}\n")
        return 2
    for name in ("COLUMNS", "LINES"):
        # Exported by a shell, they would stand above what the terminal says after a resize.
        os.environ.pop(name, None)
    screen = terminal.Terminal()
    screen.open(f" labtui  {shown_path(workspace.root)}")
    try:
        for name, value in _TOOLKIT.items():
            os.environ.setdefault(name, value)
        gc.disable()
        from tui.application import LabApp

        app = LabApp(workspace)
        app.run()
        screen.closed()
        return app.return_code or 0
    finally:
        screen.restore()


def shown_path(path: Path) -> str:
    """`path` with the home folder as `~`, fit to be shown."""
    try:
        return clean(f"~/{path.relative_to(Path.home())}") if path != Path.home() else "~"
    except (ValueError, RuntimeError):
        return clean(str(path))
