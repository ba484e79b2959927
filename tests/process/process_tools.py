"""What tests with processes share: runs to start, the client of `fork_server.py`, and waiting with words."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from core.config.load import dump, load_experiment
from core.config.resolve_defaults import resolve_metric
from core.config.workspace import Workspace
from core.launch.work_item import Work
from core.metrics import mode_of
from core.store.paths import JobPaths, RunPaths
from core.store.runs import create_run, requests

HERE = Path(__file__).parent


def until(condition: Callable[[], object], what: str, seconds: float = 180.0) -> None:
    """Poll for something another process does; fails with words when it never comes."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"never came: {what}"
        time.sleep(0.01)


def stub_run(workspace: Workspace, config: str = "stub", **more: Any) -> RunPaths:
    """A run of three epochs in the queue, for a process that stands in for the trainer."""
    return create_run(
        workspace,
        config_name=config,
        config_text="model: tinyvgg_a\n",
        model="tinyvgg_a",
        metric="val/accuracy",
        metric_mode="max",
        total_epochs=3,
        argv=["labtui", "train"],
        **more,
    )


def config_run(workspace: Workspace, config: str, **more: Any) -> RunPaths:
    """A run of a config in the queue, for a real trainer."""
    loaded = load_experiment(config, workspace=workspace)
    metric = resolve_metric(loaded.experiment)
    return create_run(
        workspace,
        config_name=loaded.name,
        config_text=dump(loaded.experiment),
        model=loaded.experiment.model,
        metric=metric,
        metric_mode=mode_of(metric),
        total_epochs=loaded.experiment.epochs,
        argv=["labtui", "train"],
        **more,
    )


class Forker:
    """A process with torch loaded; what it starts has the environment that the caller has at that time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.log = path.with_suffix(".log")
        self._process = subprocess.Popen([sys.executable, "-P", str(HERE / "fork_server.py"), str(path)])
        until(self._listens, "the fork server listens", 120)

    def _listens(self) -> bool:
        assert self._process.poll() is None, "the fork server has ended"
        return self.path.exists()

    def start(self, run: RunPaths, job: JobPaths | None = None) -> int:
        """Start the newest request of `run`, or a job of it; returns the supervisor's pid."""
        work = Work(run, requests(run)[-1].number) if job is None else Work(run, 0, job)
        return ask_server(self.path, work)

    def close(self) -> None:
        """End the server; what it started goes on."""
        self._process.kill()
        self._process.wait()


def ask_server(path: str | os.PathLike[str], work: Work) -> int:
    """Have the server at `path` start `work`; returns the supervisor's pid."""
    asked = {
        "run": str(work.run.root),
        "request": work.request,
        "job": None if work.job is None else work.job.root.name,
        "environment": dict(os.environ),
    }
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(os.fspath(path))
        connection.sendall(json.dumps(asked).encode() + b"\n")
        return int(json.loads(connection.makefile().readline())["pid"])
