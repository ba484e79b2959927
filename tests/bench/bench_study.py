"""What a study costs beside the same runs started one by one: `python tests/bench/bench_study.py [--runs 6]`.

Both train the same small networks on one CPU slot. Wall time runs from the start of the first trainer to the
end of the last one, so waiting between runs counts. CPU time of `labtui study --wait` is that of its process.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from core.config.workspace import Workspace
from core.store.catalogue import Catalogue, list_runs
from core.store.history import History
from core.store.metrics import read_history
from core.store.records import ENDED

BASE = """\
data:
  format: synthetic
  root: ../data/drawn
  synthetic: {{groups: 2, classes: 4, images: 1200, size: 32, seed: 0}}
model: tinyvgg_a
learning_rate: 0.01
epochs: {epochs}
batch: 32
optimizer: {{name: sgd, momentum: 0.9}}
threads: 1
"""
STUDY = "base: ../bench.yaml\nseeds: {runs}\ntrials:\n  - {{name: only}}\n"


@dataclass(frozen=True)
class Cost:
    """Seconds: wall time of all runs, their epochs, CPU time of the commands that looked after them."""

    wall: float
    training: float
    commands: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--runs", type=int, default=6)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=2)
    args = parser.parse_args()
    for number in range(1, args.rounds + 1):
        bare = cost(args.runs, args.epochs, study=False)
        study = cost(args.runs, args.epochs, study=True)
        for name, spent in (("bare runs", bare), ("study", study)):
            print(
                f"round {number}, {name:9}: {args.runs} runs in {spent.wall:.1f} s, {spent.training:.1f} s "
                f"of them in epochs; commands {spent.commands:.2f} CPU-s",
                flush=True,
            )
        between = (study.wall - study.training) - (bare.wall - bare.training)
        print(
            f"round {number}: the study adds {between / bare.wall:+.2%} of wall time outside epochs and "
            f"{(study.commands - bare.commands) / bare.wall:+.2%} of CPU time (aim < 2 %)",
            flush=True,
        )


def cost(runs: int, epochs: int, *, study: bool) -> Cost:
    with tempfile.TemporaryDirectory(prefix="labtui-bench-") as folder:
        root = Path(folder)
        (root / "configs/studies").mkdir(parents=True)
        (root / "runs").mkdir()
        (root / "configs/bench.yaml").write_text(BASE.format(epochs=epochs))
        (root / "configs/studies/bench.yaml").write_text(STUDY.format(runs=runs))
        env = {
            **os.environ,
            "LABTUI_CPU_SLOTS": "1",
            "XDG_STATE_HOME": str(root / "state"),
            "XDG_CACHE_HOME": str(root / "cache"),
        }
        before = os.times()
        if study:
            call(root, env, "study", "bench", "--wait")
        else:
            for seed in range(runs):
                call(root, env, "train", "--new", "--config", "bench", "--set", f"seed={seed}")
        wait(root, runs)
        after = os.times()
        commands = after.children_user + after.children_system - before.children_user - before.children_system
        histories = [read_history(run.metrics) for run in list_runs(Workspace(root))]
        starts = [first(history) for history in histories]
        ends = [float(history.epochs[-1]["t"]) for history in histories]
        training = sum(float(row["time/epoch"]) for history in histories for row in history.epochs)
        return Cost(max(ends) - min(starts), training, commands)


def first(history: History) -> float:
    """When the first epoch began."""
    return float(history.epochs[0]["t"]) - float(history.epochs[0]["time/epoch"])


def wait(root: Path, runs: int) -> None:
    catalogue = Catalogue(Workspace(root))
    while True:
        states = [summary.state for summary in catalogue.refresh()]
        if len(states) == runs and all(state in ENDED for state in states):
            break
        time.sleep(0.2)
    if set(states) != {"finished"}:
        raise SystemExit(f"the runs ended as {states}")


def call(root: Path, env: dict[str, str], *arguments: str) -> None:
    command = [sys.executable, "-m", "tui", *arguments, "--workspace", str(root)]
    subprocess.run(
        command, env=env, cwd=root, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )


if __name__ == "__main__":
    main()
