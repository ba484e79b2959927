"""Where trackers say what they do: `tracking/log.txt`, and the attempt's log for what concerns the user."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from core.store import files
from core.store.paths import RunPaths
from core.text import clean

LOG = "log.txt"
_LINE = 500


@dataclass(frozen=True)
class Journal:
    """Lines of one tracker in one attempt; writing them never fails."""

    run: RunPaths
    attempt: int
    tracker: str

    def note(self, text: str) -> None:
        """A line in `tracking/log.txt`."""
        stamp = time.strftime("%Y-%m-%d %H:%M:%S")
        _append(self.run.tracking / LOG, f"{stamp} attempt {self.attempt} {self.tracker}: {_line(text)}\n")

    def tell(self, text: str) -> None:
        """The same, and a line in the attempt's log, which `labtui log` shows."""
        self.note(text)
        stamp = time.strftime("%H:%M:%S")
        _append(self.run.attempt(self.attempt).log, f"{stamp} {self.tracker}: {_line(text)}\n")


def sentence(error: BaseException) -> str:
    """An exception in one line."""
    first = str(error).strip().split("\n")[0]
    return f"{type(error).__name__}: {first}" if first else type(error).__name__


def _line(text: str) -> str:
    line = clean(text)
    return line if len(line) <= _LINE else line[: _LINE - 1] + "…"


def _append(path: Path, line: str) -> None:
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    with suppress(OSError):
        fd = os.open(path, flags, 0o600)
        try:
            files.append(fd, line.encode("utf-8", "replace"), path)
        finally:
            os.close(fd)
