"""How a trainer learns that it should stop: signals set a flag, a marker file asks for the same.

Must not import torch: handlers are installed before that takes seconds.
"""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

from core.reading import is_regular
from core.store.locks import renew

_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
_LOOK_EVERY = 1.0


class StopFlag:
    """True for good once a signal came, `set` was called, or the marker was seen (looked for each second)."""

    def __init__(self, marker: Path | None = None) -> None:
        self.marker = marker
        self._set = False
        self._next_look = 0.0

    def set(self) -> None:
        """Ask to stop; safe in a signal handler."""
        self._set = True

    def __call__(self) -> bool:
        """Whether to stop: cheap enough for every step."""
        if not self._set and self.marker is not None and time.monotonic() >= self._next_look:
            self._next_look = time.monotonic() + _LOOK_EVERY
            # A cleaner of files may have taken the lock's away, and with it what keeps a second trainer out.
            renew()
            self._set = is_regular(self.marker)
        return self._set


def install_handlers(flag: StopFlag) -> None:
    """Let every signal that asks a process to end only set `flag`; training stops at the next step.

    Signals that came before (the supervisor starts this process with them blocked) arrive now.
    """
    for number in _SIGNALS:
        signal.signal(number, lambda *_: flag.set())
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
    os.register_at_fork(after_in_child=_as_before)


def _as_before() -> None:
    """What a network of the user's own forks ends when it is asked to, as any process."""
    for number in _SIGNALS:
        with suppress(ValueError):
            signal.signal(number, signal.SIG_DFL)
