"""Which predictions of a run can be browsed, and what a thread reads of them."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textual import work
from textual.screen import Screen

from core.errors import DataError, LabError
from core.store.checkpoints import CHECKPOINT_ID
from core.store.measures import ROW_NAME
from core.store.paths import RunPaths
from core.text import clean

if TYPE_CHECKING:
    from PIL.Image import Image

    from core.store.records import RunSummary

_IMAGES_KEPT = 6


@dataclass(frozen=True)
class Source:
    """A predictions file; `key` is empty for the run's own settings."""

    file: Path
    checkpoint: str
    split: str
    key: str = ""

    @property
    def epoch(self) -> int:
        match = CHECKPOINT_ID.fullmatch(self.checkpoint)
        return int(match[2]) if match else 0

    @property
    def name(self) -> str:
        """`a01-e0038 val`."""
        return f"{self.checkpoint} {self.split}{f' {self.key}' if self.key else ''}"


def sources(run: RunPaths) -> list[Source]:
    """What was kept, newest epoch first; never raises."""
    try:
        names = os.listdir(run.predictions)
    except OSError:
        return []
    found = []
    for name in names:
        match = ROW_NAME.fullmatch(f"{name.removesuffix('.npz')}.json") if name.endswith(".npz") else None
        if match is not None:
            found.append(Source(run.predictions / name, match[1], match[2], match[3] or ""))
    return sorted(found, key=lambda item: (-item.epoch, item.split != "val", item.split, item.key))


def chosen(found: list[Source], run: RunSummary, checkpoint: str = "") -> Source | None:
    """The predictions to begin with: of `checkpoint`, else of the run's best, else the newest; val first."""
    own = [item for item in found if not item.key] or found
    if checkpoint:
        return next((item for item in own if item.checkpoint == checkpoint), None)
    best = run.best
    if best is not None:
        at_best = [item for item in own if item.checkpoint == best.checkpoint or item.epoch == best.epoch]
        at_best.sort(key=lambda item: (item.checkpoint != best.checkpoint, item.split != "val"))
        if at_best:
            return at_best[0]
    return own[0] if own else None


def train_counts(run: RunPaths) -> tuple[int, ...] | None:
    """Objects of each class in training; None where they are not known."""
    from core.datasets.dataset import read_dataset

    try:
        dataset = read_dataset(run)
        return None if dataset is None else dataset.counts("train")
    except (LabError, OSError, KeyError):
        return None


class Pictures:
    """The last pictures that were opened. Used by one thread at a time."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[Path, str], Image] = OrderedDict()

    def open(self, root: Path, path: str) -> tuple[Image | None, str]:
        """The picture, or None and a sentence on why there is none."""
        from core.datasets.pictures import open_picture

        found = self._kept.get((root, path))
        if found is None:
            try:
                found = open_picture(root, path)
            except DataError as error:
                if not (root / path.partition("#")[0]).exists():
                    where = clean(str(root))
                    return None, f"{clean(path)} is not in {where}: R says where the images are now"
                return None, str(error)
            self._kept[root, path] = found
            while len(self._kept) > _IMAGES_KEPT:
                self._kept.popitem(last=False)
        return found, ""


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
    """What a screen needs to have `Newest` work for it."""

    @work(thread=True, group="errors", exit_on_error=False)
    def in_background(self, name: str) -> None:
        self.newest.run(name)

    @property
    def newest(self) -> Newest:
        raise NotImplementedError

    def failed(self, sentence: str) -> None:
        """Say why something could not be read."""
        raise NotImplementedError

    def on_screen(self, function: Callable[[Any], None], result: Any) -> None:
        """Call `function` where widgets may be touched, unless the screen has gone."""
        app = self.app
        if self.is_attached and app.is_running:
            app.call_from_thread(self._guarded, function, result)

    def _guarded(self, function: Callable[[Any], None], result: Any) -> None:
        if self.is_attached:
            function(result)
