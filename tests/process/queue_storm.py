"""One of several that create, stop, kill, resume and remove runs at once: `queue_storm.py SETTINGS.json`.

SETTINGS: {"seconds", "seed", "good": [workspace, ...], "full": workspace or null, "real": how many runs with
a real trainer, "result": file}. The result is `{"healthy": [run folders], "made", "stopped", "killed",
"resumed", "removed", "refused", "looks", "faults": [words]}`; `healthy` are the runs that nobody stopped.
"""

from __future__ import annotations

import collections
import json
import random
import sys
import threading
import time
from pathlib import Path
from typing import Any

from core.config.workspace import Workspace
from core.errors import LabError
from core.launch import control, dispatch
from core.launch.queue import QueueView, register
from core.launch.queue_reasons import waiting_reasons
from core.store.catalogue import Catalogue
from core.store.paths import RunPaths
from core.store.records import ACTIVE, ENDED
from core.store.runs import add_request, remove_run, request_stop
from core.store.state import derive_state
from tests.process import stub_supervisor
from tests.process.process_tools import stub_run, until

WAITING = 6
"""Runs that may wait or run at a time: a queue that only grows shows nothing."""


class Storm:
    """What one process does, and what it saw."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self.settings = settings
        self.rng = random.Random(settings["seed"])
        self.good = [Workspace(Path(root)) for root in settings["good"]]
        self.full = Workspace(Path(settings["full"])) if settings["full"] else None
        self.healthy: list[RunPaths] = []
        self.waiting: list[RunPaths] = []
        self.counts: collections.Counter[str] = collections.Counter()
        self.faults: list[str] = []
        self.real = int(settings["real"])
        self.over = threading.Event()

    def look(self) -> None:
        """Read as the screens do, all the time; nothing that is seen may raise."""
        catalogues = [Catalogue(workspace, index=False) for workspace in self.good]
        while not self.over.is_set():
            try:
                for catalogue in catalogues:
                    catalogue.refresh()
                waiting_reasons()
                QueueView().works()
            except Exception as error:
                self.faults.append(repr(error))
            self.counts["looks"] += 1
            time.sleep(0.02)

    def act(self) -> None:
        """One step; what the state of things does not allow is refused with a word."""
        busy = [run for run in [*self.healthy, *self.waiting] if derive_state(run).state in ACTIVE]
        choice = self.rng.random()
        try:
            if choice < 0.45 and len(busy) < WAITING:
                self.create()
            elif choice < 0.7 and self.waiting:
                run = self.rng.choice(self.waiting)
                kill = self.rng.random() < 0.4
                control.stop_run(run, kill=kill)
                self.counts["killed" if kill else "stopped"] += 1
            elif choice < 0.85 and self.waiting:
                run = self.rng.choice(self.waiting)
                if derive_state(run).state in ENDED:
                    add_request(run, None, 3)
                    dispatch.dispatch()
                    self.counts["resumed"] += 1
            elif self.waiting:
                run = self.rng.choice(self.waiting)
                remove_run(run)
                self.waiting.remove(run)
                self.counts["removed"] += 1
        except (LabError, OSError):
            self.counts["refused"] += 1

    def create(self) -> None:
        if self.full is not None and self.rng.random() < 0.15:
            stub_run(self.full, "finish")
            return
        workspace = self.rng.choice(self.good)
        kind = self.rng.choice(["finish", "wait"])
        run = stub_run(workspace, kind)
        (self.healthy if kind == "finish" else self.waiting).append(run)
        self.counts["made"] += 1
        dispatch.dispatch()

    def train(self) -> None:
        """A run with a real trainer, as the command line starts it."""
        from core.config.load import load_experiment

        workspace = self.good[0]
        loaded = load_experiment("real", workspace=workspace)
        self.healthy.append(control.start_run(workspace, loaded, argv=["labtui", "train"]))
        self.counts["made"] += 1

    def run(self) -> dict[str, Any]:
        for workspace in self.good:
            register(workspace)
        reader = threading.Thread(target=self.look)
        reader.start()
        began = time.monotonic()
        while (since := time.monotonic() - began) < self.settings["seconds"]:
            done = 1 - self.real / max(1, self.settings["real"])
            if self.real and since >= self.settings["seconds"] * done:
                self.real -= 1
                self.train()
            self.act()
            time.sleep(self.rng.random() * 0.1)
        for run in self.waiting:
            if derive_state(run).state in ACTIVE:
                request_stop(run, kill=True)
        dispatch.dispatch()
        every = [*self.healthy, *self.waiting]
        until(lambda: all(derive_state(run).state in ENDED for run in every), "all runs have ended", 900)
        self.over.set()
        reader.join()
        return {
            **self.counts,
            "healthy": [str(run.root) for run in self.healthy],
            "faults": self.faults,
        }


if __name__ == "__main__":
    dispatch.module_command = stub_supervisor.supervisor_command  # type: ignore[attr-defined]
    given = json.loads(Path(sys.argv[1]).read_text())
    found = Storm(given).run()
    Path(given["result"]).write_text(json.dumps(found))
