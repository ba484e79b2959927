"""The terminal itself: something on the screen at once, and everything as it was on every way out."""

from __future__ import annotations

import os
import select
import signal
import sys
import termios
import threading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Any

# Abort a half-sent sequence, then: colours, synchronized output, mouse, focus, paste, resize reports,
# line wrap, kitty keyboard, alternate screen, cursor.
_RESTORE = (
    "\x18\x1b[0m\x1b[?2026l\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?1015l\x1b[?1016l"
    "\x1b[?1004l\x1b[?2004l\x1b[?2048l\x1b[?7h\x1b[<u\x1b[?1049l\x1b[?25h"
)
_ENDING = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
_PATIENCE = 2
"""Seconds that restoring may take when the terminal does not read."""


def refusal() -> str | None:
    """Why the screens cannot be shown here, in a sentence; None when they can."""
    if os.environ.get("TERM", "dumb") in ("dumb", "unknown", ""):
        return (
            "the screens need a terminal with cursor control, and TERM is dumb or not set; `labtui ls` works"
        )
    for stream, name in ((sys.stdin, "input"), (sys.stdout, "output"), (sys.stderr, "error output")):
        if stream is None or not stream.isatty():
            return f"the screens need a terminal, and the standard {name} is none; `labtui ls` works anywhere"
    return None


class Terminal:
    """Puts the terminal back on a signal, a hang-up or an error. One a process, made in the main thread."""

    def __init__(self) -> None:
        self._fd = os.dup(sys.__stderr__.fileno())  # type: ignore[union-attr]
        self._input = sys.__stdin__.fileno()  # type: ignore[union-attr]
        self._attributes: list[Any] = termios.tcgetattr(self._input)
        self._dirty = False

    def open(self, title: str) -> None:
        """Alternate screen with one line, before anything slow; from now on every way out restores."""
        for number in _ENDING:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._end)
        threading.Thread(target=self._watch, name="hang-up", daemon=True).start()
        try:
            width, height = os.get_terminal_size(self._fd)
        except OSError:
            width, height = 80, 24
        self._dirty = True
        line = title[: max(width - 1, 1)]
        self._write(f"\x1b[?1049h\x1b[?25l\x1b[2J\x1b[H\x1b[1m{line}\x1b[0m\x1b[{height};1H reading runs …")

    def closed(self) -> None:
        """The screens have left by themselves: modes of the line are put back, nothing is written."""
        self._dirty = False
        self._restore_line()

    def restore(self) -> None:
        """Leave the alternate screen and undo every mode, whatever was going on."""
        if not self._dirty:
            return
        self._dirty = False
        # What other threads still write must not come after.
        _redirect(None)
        self._write(_RESTORE)
        self._restore_line()
        _redirect(self._fd)

    def _end(self, number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(_PATIENCE)
        self._leave_for_good()
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    def _watch(self) -> None:
        """End when the terminal is gone: without a hang-up signal a reader of it would spin for ever."""
        poller = select.poll()
        poller.register(self._input, 0)
        while True:
            if any(event & (select.POLLHUP | select.POLLERR | select.POLLNVAL) for _, event in poller.poll()):
                self._leave_for_good()
                os._exit(128 + signal.SIGHUP)

    def _leave_for_good(self) -> None:
        """Restore with the error output closed, so that no thread can draw after it."""
        _redirect(None)
        if self._dirty:
            self._dirty = False
            self._write(_RESTORE)
            self._restore_line()

    def _restore_line(self) -> None:
        try:
            termios.tcsetattr(self._input, termios.TCSANOW, self._attributes)
        except (termios.error, OSError):
            return

    def _write(self, text: str) -> None:
        try:
            os.write(self._fd, text.encode())
        except OSError:
            return


def _redirect(target: int | None) -> None:
    """Send the error output, which the toolkit draws on, to a descriptor; None: nowhere."""
    try:
        out = os.open(os.devnull, os.O_WRONLY) if target is None else os.dup(target)
        os.dup2(out, sys.__stderr__.fileno())  # type: ignore[union-attr]
        os.close(out)
    except OSError:
        return
