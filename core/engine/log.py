"""The attempt's log: plain lines on stdout, which the supervisor appends to log.txt."""

from __future__ import annotations

import time


def log(text: str) -> None:
    """One line with the local time."""
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)
