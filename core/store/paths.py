"""The names inside a run folder (format 1)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

FORMAT = 1
RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


@dataclass(frozen=True)
class AttemptPaths:
    """One attempt's folder, `attempts/0001/`."""

    root: Path

    @property
    def number(self) -> int:
        return int(self.root.name)

    @property
    def start(self) -> Path:
        return self.root / "start.json"

    @property
    def result(self) -> Path:
        return self.root / "result.json"

    @property
    def error(self) -> Path:
        return self.root / "error.json"

    @property
    def exit(self) -> Path:
        return self.root / "exit.json"

    @property
    def log(self) -> Path:
        return self.root / "log.txt"


@dataclass(frozen=True)
class JobPaths(AttemptPaths):
    """The folder of a job, `jobs/measure-0001/`: an attempt's files and what was asked for."""

    @property
    def kind(self) -> str:
        return self.root.name.rpartition("-")[0]

    @property
    def number(self) -> int:
        return int(self.root.name.rpartition("-")[2])

    @property
    def run(self) -> RunPaths:
        return RunPaths(self.root.parents[1])

    @property
    def job(self) -> Path:
        return self.root / "job.json"

    @property
    def progress(self) -> Path:
        return self.root / "progress.json"

    @property
    def stop(self) -> Path:
        """There once the job was asked to stop."""
        return self.root / "stop"

    @property
    def kill(self) -> Path:
        """There once the job was asked to end without a result."""
        return self.root / "kill"


@dataclass(frozen=True)
class RunPaths:
    """A run's folder; `root` is absolute and its name is the run id."""

    root: Path

    @property
    def id(self) -> str:
        return self.root.name

    @property
    def spec(self) -> Path:
        return self.root / "spec.json"

    @property
    def config(self) -> Path:
        return self.root / "config.yaml"

    @property
    def meta(self) -> Path:
        return self.root / "meta.json"

    @property
    def pins(self) -> Path:
        return self.root / "pins.json"

    @property
    def split(self) -> Path:
        return self.root / "split.json"

    @property
    def objects(self) -> Path:
        """The boxes of the images in `split`, for data that have boxes."""
        return self.root / "objects.npz"

    @property
    def requests(self) -> Path:
        return self.root / "requests"

    @property
    def attempts(self) -> Path:
        return self.root / "attempts"

    @property
    def metrics(self) -> Path:
        return self.root / "metrics.jsonl"

    @property
    def checkpoints(self) -> Path:
        return self.root / "checkpoints"

    @property
    def measures(self) -> Path:
        return self.root / "measures"

    @property
    def intervals(self) -> Path:
        """What measures are worth over images, by the names of the measures."""
        return self.root / "intervals"

    @property
    def predictions(self) -> Path:
        return self.root / "predictions"

    @property
    def resolved(self) -> Path:
        """Threads, device, layout and the like, resolved once by the first attempt."""
        return self.root / "resolved.json"

    @property
    def model(self) -> Path:
        """Layers and parameters, written by the first attempt."""
        return self.root / "model.json"

    @property
    def code(self) -> Path:
        """The run's own copy of a network that the user wrote."""
        return self.root / "code"

    @property
    def jobs(self) -> Path:
        return self.root / "jobs"

    @property
    def tracking(self) -> Path:
        """What trackers beside labtui's own files write."""
        return self.root / "tracking"

    def job(self, kind: str, number: int) -> JobPaths:
        return JobPaths(self.jobs / f"{kind}-{number:04d}")

    def attempt(self, number: int) -> AttemptPaths:
        return AttemptPaths(self.attempts / f"{number:04d}")

    def request(self, number: int) -> Path:
        return self.requests / f"{number:04d}.json"

    def stop_marker(self, number: int) -> Path:
        return self.requests / f"{number:04d}.stop"

    def kill_marker(self, number: int) -> Path:
        return self.requests / f"{number:04d}.kill"


def checkpoint_id(attempt: int, epoch: int, step: int | None = None) -> str:
    """`a01-e0005` at an epoch's end, `a01-e0005-s000123` (global step) within epoch 5."""
    base = f"a{attempt:02d}-e{epoch:04d}"
    return base if step is None else f"{base}-s{step:06d}"
