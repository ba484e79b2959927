"""A run started from the screens outlives them, however they end, and the next screens show it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from core.config.workspace import Workspace
from core.launch.control import stop_run, wait_run
from core.store.catalogue import list_runs, summarise
from core.store.files import read_json
from core.store.paths import RunPaths
from core.store.state import derive_state

CONFIG = """\
data: {format: synthetic, root: ../pictures, synthetic: {images: 60, classes: 4, groups: 2, size: 32}}
model: tinyvgg_a
epochs: 5000
batch: 8
checkpoint: {every: 5000}
measure: {every: 100}
device: cpu
threads: 1
"""


def until(condition: Callable[[], object], what: str, seconds: float = 180.0) -> None:
    """Poll for something another process does; fails with words when it never comes."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"never came: {what}"
        time.sleep(0.02)


@pytest.fixture
def running(start: Any, workspace: Path) -> Iterator[tuple[Any, RunPaths]]:
    """Screens on which `n`, ctrl+s have started a long run."""
    (workspace / "configs" / "demo.yaml").unlink()
    (workspace / "configs" / "long.yaml").write_text(CONFIG)
    session = start(120, 40)
    session.sees("long", "no runs yet")
    session.type("n")
    session.sees("new run of long", "5000")
    session.type("\x13")
    until(lambda: list_runs(Workspace(workspace)), "the run is made")
    [run] = list_runs(Workspace(workspace))
    until(lambda: summarise(run).epoch >= 1, "the first epoch ends")
    session.sees("running")
    yield session, run
    if derive_state(run).state in ("queued", "starting", "running", "stopping"):
        stop_run(run)
        assert wait_run(run, 60).state == "stopped"


def goes_on(run: RunPaths) -> None:
    """Training makes progress after this moment."""
    before = summarise(run).epoch
    until(lambda: summarise(run).epoch > before + 1, "further epochs end")
    assert derive_state(run).state == "running"


def test_runs_outlive_the_screens(running: tuple[Any, RunPaths], start: Any) -> None:
    session, run = running
    started = read_json(run.attempt(1).start)
    assert started is not None
    for who in ("supervisor", "trainer"):
        stat = Path(f"/proc/{started[who]['pid']}/stat").read_text().rpartition(")")[2].split()
        assert stat[4] == "0", f"the {who} has no terminal"
        assert int(stat[3]) != os.getsid(session.process.pid), f"the {who} is in a session of its own"

    session.process.send_signal(signal.SIGKILL)
    session.process.wait()
    goes_on(run)

    second = start(80, 24)
    second.sees("●", "long")
    second.hang_up()
    second.process.wait(60)
    goes_on(run)

    third = start(80, 24)
    third.sees("●", "long")
    third.type("q")
    assert third.ends() == 0
    goes_on(run)


@pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")
def test_a_run_outlives_its_tmux_server(workspace: Path, homes: Path, start: Any) -> None:
    (workspace / "configs" / "demo.yaml").unlink()
    (workspace / "configs" / "long.yaml").write_text(CONFIG)
    tmux = ["tmux", "-L", f"labtui-{os.getpid()}", "-f", os.devnull]
    command = [sys.executable, "-P", "-m", "tui", "--workspace", str(workspace)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    subprocess.run(
        [*tmux, "new-session", "-d", "-x", "120", "-y", "40", *command], env=environment, check=True
    )

    def shown() -> str:
        return subprocess.run([*tmux, "capture-pane", "-p"], capture_output=True, text=True).stdout

    try:
        until(lambda: "no runs yet" in shown(), "the screens are drawn")
        subprocess.run([*tmux, "send-keys", "n"], check=True)
        until(lambda: "new run of long" in shown(), "the form is open")
        until(lambda: "5000" in shown(), "the form is filled")
        subprocess.run([*tmux, "send-keys", "C-s"], check=True)
        until(lambda: list_runs(Workspace(workspace)), "the run is made")
        [run] = list_runs(Workspace(workspace))
        until(lambda: summarise(run).epoch >= 1, "the first epoch ends")
    finally:
        subprocess.run([*tmux, "kill-server"], check=True)
    goes_on(run)
    session = start(80, 24)
    session.sees("●", "long")
    stop_run(run)
    assert wait_run(run, 60).state == "stopped"
