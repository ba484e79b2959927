"""Threads of a screen: of what is asked for meanwhile, only the newest is done."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import Any

from textual.screen import Screen

from core.errors import LabError


class Newest:
    """Runs functions in threads, one at a time for each name; of those asked for meanwhile only the last.

    `failed` gets the sentence of a LabError. It and what is done with a result run where widgets may be
    touched, unless the screen has gone.
    """

    def __init__(self, screen: Screen[Any], failed: Callable[[str], None]) -> None:
        self._screen = screen
        self._failed = failed
        self._lock = threading.Lock()
        self._waiting: dict[str, tuple[Callable[[], Any], Callable[[Any], None]]] = {}
        self._busy: set[str] = set()

    def ask(self, name: str, function: Callable[[], Any], then: Callable[[Any], None]) -> None:
        """Call `function` in a thread, then `then` with its result on the screen's own."""
        with self._lock:
            self._waiting[name] = function, then
            if name in self._busy:
                return
            self._busy.add(name)
        work = partial(self._run, name)
        self._screen.run_worker(work, name=name, group="newest", thread=True, exit_on_error=False)

    @property
    def idle(self) -> bool:
        """Nothing is computed or waits."""
        with self._lock:
            return not self._busy

    def _run(self, name: str) -> None:
        """In the thread: do what waits until nothing does."""
        while True:
            with self._lock:
                job = self._waiting.pop(name, None)
                if job is None:
                    self._busy.discard(name)
                    return
            function, then = job
            try:
                result = function()
            except LabError as error:
                self._on_screen(self._failed, str(error))
                continue
            except BaseException:
                with self._lock:
                    self._busy.discard(name)
                raise
            with self._lock:
                outdated = name in self._waiting
            if not outdated:
                self._on_screen(then, result)

    def _on_screen(self, function: Callable[[Any], None], result: Any) -> None:
        screen = self._screen
        if screen.is_attached and screen.app.is_running:
            screen.app.call_from_thread(self._guarded, function, result)

    def _guarded(self, function: Callable[[Any], None], result: Any) -> None:
        if self._screen.is_attached:
            function(result)
