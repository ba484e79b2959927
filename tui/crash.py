"""Errors nobody meant to show: the traceback goes to a file, the user gets one sentence."""

from __future__ import annotations

import time
import traceback
from pathlib import Path

from core.config.workspace import state_home
from core.errors import LabError
from core.text import clean


def log_path() -> Path:
    return state_home() / "screens.log"


def report(error: BaseException) -> str:
    """Write the traceback to `log_path()`; returns the sentence for the user."""
    what = clean(f"{type(error).__name__}: {error}".split("\n", 1)[0])
    try:
        with log_path().open("a", encoding="utf-8") as file:
            file.write(f"--- {time.strftime('%Y-%m-%d %H:%M:%S')}\n")
            file.write("".join(traceback.format_exception(error)))
    except (OSError, LabError):
        return f"unexpected error: {what}; training continues"
    return f"unexpected error: {what}; training continues, details are in {log_path()}"
