"""What the run store costs: `python tests/bench/bench_store.py [--runs 10000] [--rows 1000000]`.

CPU seconds of this process, medians of rounds with the smallest and largest value behind them.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from core.config.workspace import Workspace
from core.store import attempts, files
from core.store.catalogue import Catalogue, list_runs
from core.store.metrics import MetricsReader, MetricsWriter, encode, read_history
from core.store.paths import RunPaths
from core.store.state import derive_state


def measure(action: Callable[[], object], rounds: int = 5) -> list[float]:
    """CPU seconds of each round."""
    spent = []
    for _ in range(rounds):
        begin = time.process_time()
        action()
        spent.append(time.process_time() - begin)
    return spent


def say(what: str, seconds: list[float], aim: str) -> None:
    middle = statistics.median(seconds)
    scale, unit = (1e6, "us") if middle < 1e-3 else (1e3, "ms") if middle < 1 else (1, "s")
    low, high = min(seconds) * scale, max(seconds) * scale
    print(f"{what:48} {middle * scale:9.1f} {unit:2} ({low:.1f} to {high:.1f})  aim {aim}", flush=True)


def step_row(step: int) -> dict[str, object]:
    return {
        "t": 1.7e9 + step * 0.1,
        "epoch": step // 1500 + 1,
        "step": step,
        "attempt": 1,
        "scope": "step",
        "train/loss": round(3 * random.random(), 6),
        "train/accuracy": round(random.random(), 6),
        "lr": 1e-4,
    }


def epoch_row(epoch: int, step: int) -> dict[str, object]:
    return {
        **step_row(step),
        "epoch": epoch,
        "scope": "epoch",
        "val/loss": round(3 * random.random(), 6),
        "val/accuracy": round(random.random(), 6),
        "time/epoch": 60.0,
    }


def bench_metrics(folder: Path, rows: int) -> None:
    path = folder / "metrics.jsonl"
    with open(path, "wb") as file:
        for step in range(1, rows + 1):
            file.write(encode(step_row(step)))
            if step % 1500 == 0:
                file.write(encode(epoch_row(step // 1500, step)))
    print(f"metrics.jsonl: {rows} rows, {path.stat().st_size / 1e6:.0f} MB")
    say("open all rows (History)", measure(lambda: read_history(path), 3), "< 2 s")
    say("open rows of epochs only", measure(lambda: read_history(path, steps=False), 3), "-")
    reader = MetricsReader(path)
    reader.poll()
    say("poll with nothing new", measure(reader.poll, 200), "-")
    step = rows
    with MetricsWriter(path) as writer:
        tails = []
        for _ in range(50):
            for _ in range(20):
                step += 1
                writer.write(step_row(step))
            tails += measure(reader.poll, 1)
        say("20 new rows at its end into the History", tails, "< 1 ms")
        for _ in range(20):
            step += 1
            writer.write(step_row(step))
        record = step_row(step + 1)
        writes = [spent / 1000 for spent in measure(lambda: [writer.write(record) for _ in range(1000)], 20)]
        say("write one record", writes, "-")


def make_runs(workspace: Workspace, count: int) -> None:
    """Ended runs of 13 epochs, written without fsync."""
    lines = b"".join(encode(epoch_row(epoch, epoch * 100)) for epoch in range(1, 14))
    for number in range(count):
        run = RunPaths(workspace.runs / f"20250101-{number:06d}-bench-{number % 65536:04x}")
        for folder in (run.root, run.requests, run.attempts, run.checkpoints, run.attempt(1).root):
            folder.mkdir(parents=True)
        spec = {"format": 1, "id": run.id, "config": "bench", "model": "tinyvgg_v4", "epochs": 13}
        spec |= {"metric": "val/accuracy", "metric_mode": "max", "created": 1.7e9 + number, "parent": None}
        contents = {
            run.spec: spec,
            run.meta: {"name": "", "tags": [], "note": "", "archived": False},
            run.request(1): {"from": None, "total_epochs": 13, "time": 1.7e9},
            run.attempt(1).start: {"request": 1, "time": 1.7e9, "supervisor": {}, "trainer": None},
            run.attempt(1).result: {"status": "finished", "epoch": 13, "step": 1300, "time": 1.7e9},
            run.attempt(1).exit: {"code": 0, "signal": None, "oom_kill": False, "time": 1.7e9},
        }
        for path, content in contents.items():
            path.write_bytes(files.encode(content))  # type: ignore[arg-type]
        run.metrics.write_bytes(lines)
        old = (1_700_000_000, 1_700_000_000)
        os.utime(run.requests, old)
        os.utime(run.root, old)


def bench_runs(folder: Path, count: int) -> None:
    workspace = Workspace(folder)
    make_runs(workspace, count)
    print(f"{count} ended runs")
    say("derived state of all", measure(lambda: [derive_state(run) for run in list_runs(workspace)], 3), "-")
    say("list of the newest, 0.2 s at most", measure(lambda: Catalogue(workspace).refresh(0.2), 3), "< 1 s")
    say(
        "summaries of all, nothing known",
        measure(lambda: Catalogue(workspace, index=False).refresh(), 3),
        "-",
    )
    catalogue = Catalogue(workspace)
    catalogue.refresh()
    catalogue.save()
    say("summaries of all, from the index", measure(lambda: Catalogue(workspace).refresh(), 5), "< 1 s")
    say("refresh", measure(catalogue.refresh, 10), "< 150 ms")
    run = list_runs(workspace)[0]
    say("derived state of one", measure(lambda: [derive_state(run) for _ in range(100)], 5), "-")
    say("attempts of one", measure(lambda: attempts.attempts(run), 20), "-")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--rows", type=int, default=1_000_000)
    given = parser.parse_args()
    random.seed(0)
    with tempfile.TemporaryDirectory(prefix="bench-store-") as name:
        os.environ["XDG_CACHE_HOME"] = os.environ["XDG_STATE_HOME"] = name
        bench_metrics(Path(name), given.rows)
        bench_runs(Path(name) / "lab", given.runs)


if __name__ == "__main__":
    main()
