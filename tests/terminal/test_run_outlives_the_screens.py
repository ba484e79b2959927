"""From the form to a trained epoch, through a lost terminal, to a stop from a new one, really trained."""

from __future__ import annotations

import select
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from core.store.catalogue import summarise
from core.store.files import read_json
from core.store.paths import RunPaths
from core.store.records import RunSummary

CONFIG = """\
data:
  format: synthetic
  root: ../data/tiny
  synthetic: {groups: 1, classes: 2, images: 40, size: 16, imbalance: 1}
model: tinyvgg_a
batch: 8
epochs: 99999
threads: 1
checkpoint: {every: 100}
measure: {every: 100}
"""


def wait(condition: Callable[[], object], what: str, seconds: float = 120.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, what
        select.select([], [], [], 0.05)


def test_a_run_outlives_the_screens(start: Any, workspace: Path) -> None:
    (workspace / "configs" / "demo.yaml").write_text(CONFIG)
    first = start()
    first.sees("no runs yet")
    first.type("n")
    first.sees("new run of demo", "40 pictures")
    first.type("\x13")
    first.sees("●", "/99999", seconds=120)
    run = RunPaths(next(path for path in (workspace / "runs").iterdir() if not path.name.startswith(".")))

    def now() -> RunSummary:
        return summarise(run)

    wait(lambda: now().epoch >= 1, "no epoch was trained")
    trainer = (read_json(run.attempt(1).start) or {})["trainer"]["pid"]
    session_of = Path(f"/proc/{trainer}/stat").read_text().rpartition(")")[2].split()[3]
    assert int(session_of) != first.process.pid
    first.hang_up()
    first.process.wait(10)

    before = now().epoch
    wait(lambda: now().epoch > before, "it stopped with the terminal")
    assert now().state == "running"

    second = start()
    second.sees("●", "/99999")
    second.type("s")
    second.sees("Stop", "checkpoint and stops")
    second.type("y")
    second.sees("■", "stopped")
    wait(lambda: now().state == "stopped", "it did not stop")
    result = read_json(run.attempt(1).result) or {}
    assert result["status"] == "stopped"
    assert any(path.suffix == ".pt" for path in run.checkpoints.iterdir())
