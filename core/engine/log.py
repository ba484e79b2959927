"""The attempt's log: plain lines on stdout, which the supervisor appends to log.txt."""

from __future__ import annotations

import time
from collections.abc import Mapping


def log(text: str) -> None:
    """One line with the local time."""
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


def told(values: Mapping[str, float], quiet: tuple[str, ...] = ()) -> str:
    """Metrics as a part of a line, without those whose bare name begins with a word of `quiet`."""
    return "  ".join(
        f"{name} {value:.4f}"
        for name, value in values.items()
        if not name.rpartition("/")[2].startswith(quiet)
    )
