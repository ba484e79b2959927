"""What the screens cost: `python tests/bench/bench_ui.py [--rounds 5]`.

Start: the real program on a pseudo-terminal of 120x40, from its spawn to its first paint. Charts, tables: CPU
time of this process. Following: bytes sent and CPU share while a run is written at 10 records a second.
"""

from __future__ import annotations

import argparse
import asyncio
import fcntl
import json
import os
import pty
import select
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

PROGRAM = """\
import sys
from tui import start, terminal
def opened(self, title, real=terminal.Terminal.open):
    # As the program goes on by itself, only that the first paint leaves a note.
    real(self, title)
    import gc, json, os, time
    os.environ.update(start._TOOLKIT)
    gc.disable()
    from pathlib import Path
    from tui.app import LabApp
    ready = LabApp.on_ready
    def on_ready(self):
        status = Path("/proc/self/status").read_text().split("VmRSS:")[1].split()[0]
        heavy = [name for name in ("torch", "numpy", "plotext", "pydantic", "yaml") if name in sys.modules]
        note = {"cpu": time.process_time(), "rss": int(status), "heavy": heavy}
        Path(sys.argv[1]).write_text(json.dumps(note))
        ready(self)
    LabApp.on_ready = on_ready
terminal.Terminal.open = opened
sys.exit(start.run())
"""


class Terminal:
    """labtui on a pseudo-terminal; counts what it sends."""

    def __init__(self, workspace: Path, note: Path) -> None:
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
        self.sent = 0
        self.first: float | None = None
        self.started = time.monotonic()
        self.note = note
        environment = {**os.environ, "TERM": "xterm-256color", "PYTHONPATH": str(ROOT)}
        environment["LABTUI_WORKSPACE"] = str(workspace)
        # As after an installation, where all is compiled.
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        environment["PYTHONPYCACHEPREFIX"] = str(note.parent / "compiled")
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-c", PROGRAM, str(note)],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            env=environment,
        )
        os.close(slave)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        while True:
            try:
                data = os.read(self.master, 65536)
            except OSError:
                return
            if self.first is None:
                self.first = time.monotonic() - self.started
            self.sent += len(data)

    def ready(self) -> dict[str, Any]:
        """Figures at the first paint."""
        while not self.note.exists() or not self.note.read_text():
            if self.process.poll() is not None:
                raise SystemExit(f"labtui ended with {self.process.returncode}")
            select.select([], [], [], 0.005)
        return {**json.loads(self.note.read_text()), "first": self.first}

    def cpu(self) -> float:
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def rss(self) -> float:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1024

    def close(self) -> None:
        os.write(self.master, b"q")
        self.process.wait(30)
        os.close(self.master)


def say(what: str, values: list[float], unit: str, aim: str) -> None:
    middle = statistics.median(values)
    print(f"{what:52} {middle:9.1f} {unit:5} ({min(values):.1f} to {max(values):.1f})  aim {aim}", flush=True)


def milliseconds(action: Callable[[], object], rounds: int) -> list[float]:
    spent = []
    for _ in range(rounds):
        begin = time.process_time()
        action()
        spent.append((time.process_time() - begin) * 1000)
    return spent


def make_run(workspace: Path, epochs: int) -> Any:
    """A running run whose metrics the bench writes."""
    from core.config.workspace import Workspace
    from core.store.locks import acquire, run_lock_path
    from core.store.runs import create_run

    run = create_run(
        Workspace(workspace),
        config_name="demo",
        config_text="model: tinyvgg_a\n",
        model="tinyvgg_a",
        metric="val/accuracy",
        metric_mode="max",
        total_epochs=epochs,
        argv=[],
    )
    run.attempt(1).root.mkdir()
    run.attempt(1).start.write_text(json.dumps({"request": 1, "time": time.time()}))
    return run, acquire(run_lock_path(run, "train"))


def step(number: int) -> dict[str, Any]:
    place = {"t": time.time(), "epoch": number // 1000 + 1, "step": number, "attempt": 1, "scope": "step"}
    values = {f"train/{name}": 1 / (number + 1) for name in ("loss", "accuracy", "a", "b", "c", "d", "e")}
    part = {"step_in_epoch": number % 1000 + 1, "steps_per_epoch": 1000, "time/step": 0.1}
    return {**place, **part, **values}


def bench_start(folder: Path, rounds: int) -> None:
    workspace = folder / "start"
    (workspace / "configs").mkdir(parents=True)
    figures = []
    for number in range(rounds + 1):
        terminal = Terminal(workspace, folder / f"note{number}")
        figures.append(terminal.ready())
        terminal.close()
    del figures[0]
    say("something on the screen (wall)", [f["first"] * 1000 for f in figures], "ms", "50")
    say("first paint (CPU)", [f["cpu"] * 1000 for f in figures], "ms", "<= 350")
    say("memory at the first paint", [f["rss"] / 1024 for f in figures], "MB", "<= 100")
    heavy = sorted({name for f in figures for name in f["heavy"]})
    found = ", ".join(heavy) or "none of torch, numpy, plotext, pydantic, yaml"
    print(f"{'loaded before the first paint':52} {found}", flush=True)


def bench_charts(rounds: int) -> None:
    import numpy as np

    from tui.chart.axes import Sticky
    from tui.chart.compose import ChartData, Curve, compose
    from tui.chart.view_state import ViewState
    from tui.read.series import Series

    rng = np.random.default_rng(0)
    for points in (1_000, 10_000, 1_000_000):
        curves = []
        for number in range(4):
            x = np.arange(points, dtype=float)
            series = Series()
            series.extend(
                np.stack([x / 1000, x, x, np.exp(-3 * x / points) + 0.05 * rng.standard_normal(points)])
            )
            curves.append(Curve(str(number), "abcd"[number], series.view(), number))
        data, sticky = ChartData("loss", tuple(curves), "key", live=True), Sticky()
        compose(data, ViewState("step"), sticky, 100, 30)
        spent = milliseconds(lambda d=data, s=sticky: compose(d, ViewState("step"), s, 100, 30), 3 * rounds)  # type: ignore[misc]
        say(f"one chart of 100x30, 4 lines of {points:,} points", spent, "ms", "8")


def bench_table(rounds: int) -> None:
    from textual.app import App

    from core.store.records import Best, RunSummary
    from tui.widgets.run_table import RunTable, sort_runs

    runs = [
        RunSummary(
            id=f"r{n:06}",
            name=f"run {n}",
            config="demo",
            model="tinyvgg_a",
            state="finished",
            reason="",
            epoch=10,
            epochs=10,
            best=Best("val/accuracy", n / 10_000, 7, None),
            parent=None,
            created=float(n),
            started=float(n),
            ended=n + 60.0,
            metric="val/accuracy",
        )
        for n in range(10_000)
    ]

    class Bench(App[None]):
        def compose(self) -> Any:
            yield RunTable()

    async def run() -> None:
        app = Bench()
        async with app.run_test(size=(120, 40)) as pilot:
            table = app.query_one(RunTable)
            fill: list[float] = []
            sort: list[float] = []
            move: list[float] = []
            for _ in range(rounds):
                for spent, action in (
                    (fill, lambda: table.set_rows(list(runs))),
                    (sort, lambda: table.set_rows(sort_runs(runs, "best"))),
                    (move, lambda: table.action_move(1)),
                ):
                    begin = time.process_time()
                    action()
                    await pilot.pause()
                    spent.append((time.process_time() - begin) * 1000)
            say("10,000 runs into the table and drawn", fill, "ms", "14")
            say("10,000 runs sorted by best and drawn", sort, "ms", "15")
            say("cursor down in 10,000 runs, drawn", move, "ms", "<= 30")

    asyncio.run(run())


def bench_following(folder: Path, seconds: float) -> None:
    from core.store.metrics import MetricsWriter

    workspace = folder / "follow"
    (workspace / "configs").mkdir(parents=True)
    run, lock = make_run(workspace, 50)
    with MetricsWriter(run.metrics) as writer:
        for number in range(3000):
            writer.write(step(number))
        terminal = Terminal(workspace, folder / "follow-note")
        terminal.ready()
        select.select([], [], [], 3.0)
        sent, cpu, begin = terminal.sent, terminal.cpu(), time.monotonic()
        number = 3000
        while time.monotonic() - begin < seconds:
            writer.write(step(number))
            number += 1
            select.select([], [], [], 0.1)
        span = time.monotonic() - begin
        say("following 10 records/s: share of a core", [100 * (terminal.cpu() - cpu) / span], "%", "<= 5")
        say("following 10 records/s: sent", [(terminal.sent - sent) / span / 1000], "kB/s", "<= 2.4")
        say("memory while following", [terminal.rss()], "MB", "<= 100")
    lock.release()
    run.attempt(1).result.write_text(
        json.dumps({"status": "finished", "epoch": 3, "step": 3, "time": time.time()})
    )
    select.select([], [], [], 4.0)
    sent, cpu, begin = terminal.sent, terminal.cpu(), time.monotonic()
    select.select([], [], [], seconds)
    span = time.monotonic() - begin
    say("a finished run: share of a core", [100 * (terminal.cpu() - cpu) / span], "%", "<= 1")
    say("a finished run: sent", [(terminal.sent - sent) / span], "B/s", "0")
    terminal.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=8.0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        os.environ |= {"XDG_STATE_HOME": str(folder / "state"), "XDG_CACHE_HOME": str(folder / "cache")}
        bench_start(folder, arguments.rounds)
        bench_charts(arguments.rounds)
        bench_table(arguments.rounds)
        bench_following(folder, arguments.seconds)


if __name__ == "__main__":
    main()
