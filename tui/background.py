"""Threads of a screen: of what is asked for meanwhile, only the newest is done."""

from __future__ import annotations

import threading
from abc import abstractmethod
from collections.abc import Callable
from typing import Any

from textual import work
from textual.screen import Screen

from core.errors import LabError


class Newest:
    """Runs functions in threads, one at a time for each name; of those asked for meanwhile only the last."""

    def __init__(self, owner: Background) -> None:
        self._owner = owner
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
        self._owner.in_background(name)

    @property
    def idle(self) -> bool:
        """Nothing is computed or waits."""
        with self._lock:
            return not self._busy

    def run(self, name: str) -> None:
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
                self._owner.on_screen(self._owner.failed, str(error))
                continue
            except BaseException:
                with self._lock:
                    self._busy.discard(name)
                raise
            with self._lock:
                outdated = name in self._waiting
            if not outdated:
                self._owner.on_screen(then, result)


class Background(Screen[None]):
    """A screen that has work done in threads and is told the results."""

    def __init__(self, *, classes: str = "") -> None:
        super().__init__(classes=classes)
        self.newest = Newest(self)

    @work(thread=True, group="newest", exit_on_error=False)
    def in_background(self, name: str) -> None:
        """Let a thread do what was asked for under `name`."""
        self.newest.run(name)

    @abstractmethod
    def failed(self, sentence: str) -> None:
        """Say why something could not be read."""

    def on_screen(self, function: Callable[[Any], None], result: Any) -> None:
        """From a thread: call `function` where widgets may be touched, unless the screen has gone."""
        if self.is_attached and self.app.is_running:
            self.app.call_from_thread(self._guarded, function, result)

    def _guarded(self, function: Callable[[Any], None], result: Any) -> None:
        if self.is_attached:
            function(result)
