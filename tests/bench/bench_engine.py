"""Training speed: the real loop against the same step on one resident batch, and against a plain loop.

Images per CPU-second (all threads of this process) in interleaved rounds: median (lowest to highest). Shares
are taken round by round. The real loop is `core.engine.loop.Loop` on a run folder: batches out of 50,000
resident images, augmentation, loss, optimiser, sums and step records. The plain loop is ImageFolder, PIL
transforms and a DataLoader (no workers) around the same model.

Then two runs at once, each a process with one thread, against the same two one after the other: with one
thread each, and with all cores for whichever runs. These are images per second on the wall.
"""

from __future__ import annotations

import argparse
import itertools
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from core.config.load import parse_experiment
from core.config.resolve_defaults import resolve_normalize
from core.config.schema import Experiment
from core.data.batches import Batch, TrainBatches
from core.data.store import ImageStore, Normalisation
from core.engine.checkpoint import DataKey, serialise
from core.engine.classification import Classification, augmentation_of
from core.engine.loop import Loop, LoopSettings
from core.engine.optim import build_optimizer
from core.engine.resolve import Resolved
from core.engine.schedule import schedule_of
from core.engine.state import TrainState
from core.launch.openmp import thread_environment
from core.launch.spawn import child_environment
from core.models.modes import apply_mode, set_train_mode
from core.models.registry import build_model
from core.store.checkpoints import save_files
from core.store.metrics import MetricsWriter
from core.store.paths import RunPaths

IMAGES = 50_000
FILES = 1024
PAD = "augment: {pad_crop: 4, hflip: true}"
COLOUR = "color_jitter: {brightness: 0.2, contrast: 0.2, saturation: 0.2, hue: 0.2}"
CASES = {
    **{
        f"{letter}, pad-crop + flip, batch {batch}": f"model: tinyvgg_{letter.lower()}\nbatch: {batch}\n{PAD}"
        for letter in ("v4", "A", "D")
        for batch in (32, 128)
    },
    "A, scale 36 + flip + colour, batch 32": (
        f"model: tinyvgg_a\nbatch: 32\naugment: {{scale: 36, hflip: true, {COLOUR}}}"
    ),
    "D, scale [36, 44] + flip, batch 32": (
        "model: tinyvgg_d\nbatch: 32\naugment: {scale: [36, 44], hflip: true}"
    ),
    "D, scale [36, 44] + flip + colour, batch 32": (
        f"model: tinyvgg_d\nbatch: 32\naugment: {{scale: [36, 44], hflip: true, {COLOUR}}}"
    ),
}
PAIR = "v4, pad-crop + flip, batch 32"
SIDE = 32


class BenchTask(Classification):
    """Random images in memory; an epoch is the next `steps` batches of one long epoch."""

    def __init__(self, experiment: Experiment, resolved: Resolved, steps: int) -> None:
        self.device = torch.device("cpu")
        self.classes = tuple("0123456789")
        self.splits = ()
        self._experiment = experiment
        self._resolved = resolved
        augmentation = augmentation_of(experiment)
        side = augmentation.stored_side(SIDE)
        self._train = TrainBatches(
            ImageStore(
                torch.randint(0, 256, (IMAGES + 2, side, side, 3), dtype=torch.uint8),
                torch.randint(0, 10, (IMAGES,)),
                size=experiment.image_size,  # type: ignore[arg-type]
                normalisation=Normalisation(*resolve_normalize(experiment)),
                device=self.device,
            ),
            augmentation,
            batch=experiment.batch,
            seed=0,
            drop_single=True,
        )
        self.steps_per_epoch = steps
        self.images_per_epoch = steps * experiment.batch
        self._endless = itertools.chain.from_iterable(self._train.epoch(n) for n in itertools.count(1))

    def batches(self, epoch: int, first: int) -> Iterator[Batch]:
        return itertools.islice(self._endless, self.steps_per_epoch)


@dataclass
class Bench:
    """One case: what to time, each for `steps` steps."""

    experiment: Experiment
    resolved: Resolved
    steps: int
    folder: Path

    def real(self) -> Callable[[], object]:
        _, state = self._state()
        task = BenchTask(self.experiment, self.resolved, self.steps)
        run = RunPaths(self.folder / "run")
        run.root.mkdir(parents=True, exist_ok=True)
        settings = LoopSettings(
            1,
            1,
            "val/accuracy",
            "max",
            "val/accuracy",
            1,
            1,
            (),
            {},
            DataKey("", (), 0, self.experiment.batch),
            lambda model: set_train_mode(model, self.experiment),
        )
        loop = Loop(run, task, state, MetricsWriter(run.metrics), self.resolved, settings, lambda: False)

        def epoch() -> None:
            state.sums.reset()
            state.step_in_epoch = 0
            assert loop._train_epoch()

        return epoch

    def limit(self) -> Callable[[], object]:
        model, state = self._state()
        batch = next(BenchTask(self.experiment, self.resolved, 1).batches(1, 0))

        def steps() -> None:
            model.train()
            for _ in range(self.steps):
                loss = functional.cross_entropy(model(batch.images), batch.labels)
                state.optimizer.zero_grad(set_to_none=True)
                loss.backward()
                state.optimizer.step()

        return steps

    def plain(self, pictures: Path) -> Callable[[], object]:
        from torchvision import datasets, transforms

        augment = self.experiment.augment
        chain: list[Any] = []
        if augment.pad_crop:
            chain.append(transforms.RandomCrop(32, padding=augment.pad_crop))
        if isinstance(augment.scale, int):
            chain += [transforms.Resize(augment.scale), transforms.RandomCrop(32)]
        if isinstance(augment.scale, tuple):
            low, high = augment.scale
            areas = ((32 / high) ** 2, (32 / low) ** 2)
            chain.append(transforms.RandomResizedCrop(32, scale=areas, ratio=(1.0, 1.0)))
        chain.append(transforms.RandomHorizontalFlip())
        if augment.color_jitter:
            colour = augment.color_jitter
            chain.append(
                transforms.ColorJitter(colour.brightness, colour.contrast, colour.saturation, colour.hue)
            )
        chain += [transforms.ToTensor(), transforms.Normalize(*resolve_normalize(self.experiment))]
        pictures_set = datasets.ImageFolder(str(pictures), transforms.Compose(chain))
        model = build_model(self.experiment, 10)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
        count = min(self.steps, FILES // self.experiment.batch)

        def steps() -> int:
            loader = torch.utils.data.DataLoader(pictures_set, batch_size=self.experiment.batch, shuffle=True)
            model.train()
            for images, labels in itertools.islice(loader, count):
                loss = functional.cross_entropy(model(images), labels)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                loss.item()
            return count

        return steps

    def _state(self) -> tuple[nn.Module, TrainState]:
        experiment = self.experiment
        model = build_model(experiment, 10).to(memory_format=torch.channels_last)
        groups = apply_mode(model, experiment)
        schedule = schedule_of(experiment, tuple(group.lr for group in groups), self.steps)
        optimizer = build_optimizer(groups, experiment, self.resolved.optimizer)
        return model, TrainState(model, optimizer, schedule)


def costs(bench: Bench, step_seconds: float) -> list[str]:
    """Cost of records and of a checkpoint, as shares of a step and of an epoch of 50,000 images."""
    model, state = bench._state()
    functional.cross_entropy(model(torch.zeros(2, 3, 32, 32)), torch.zeros(2, dtype=torch.int64)).backward()
    state.optimizer.step()
    run = RunPaths(bench.folder / "costs")
    run.root.mkdir()
    record = {"t": time.time(), "epoch": 1, "step": 1, "attempt": 1, "scope": "step", "step_in_epoch": 100}
    record |= {"steps_per_epoch": 1563, "train/loss": 1.2345678, "train/accuracy": 0.5, "lr": 0.01}
    record |= {"time/step": 0.0123456, "images/s": 1234.5678}
    count = 2000
    with MetricsWriter(run.metrics) as metrics:
        begun = time.process_time()
        for _ in range(count):
            metrics.write(record)
        write = (time.process_time() - begun) / count
    a_step = min(1.0, 4 * step_seconds) * write
    cpu, wall = [], []
    for number in range(5):
        begun, begun_wall = time.process_time(), time.perf_counter()
        data = serialise(state, DataKey("", (), 0, 32), bench.resolved, {})
        name = f"a01-e{number + 1:04d}"
        about = {"id": name, "attempt": 1, "epoch": number + 1, "step": 1, "mid_epoch": False, "metrics": {}}
        save_files(run, name, data, about)
        cpu.append(time.process_time() - begun)
        wall.append(time.perf_counter() - begun_wall)
    epoch = -(-IMAGES // bench.experiment.batch) * step_seconds
    return [
        f"  step record {write * 1e6:.1f} us, at most 4 a second: {a_step / step_seconds:.3%} of a step",
        f"  checkpoint {len(data) / 1e6:.1f} MB: {statistics.median(cpu) * 1e3:.0f} ms CPU, "
        f"{statistics.median(wall) * 1e3:.0f} ms wall: {statistics.median(wall) / epoch:.3%} of an epoch",
    ]


def timed(work: Callable[[], object], steps: int, batch: int) -> float:
    """Images per CPU-second."""
    begun = time.process_time()
    done = work()
    used = time.process_time() - begun
    return (done if isinstance(done, int) else steps) * batch / used


def spread(values: list[float], form: str = ".0f") -> str:
    return f"{statistics.median(values):{form}} ({min(values):{form}} to {max(values):{form}})"


def draw_pictures(folder: Path) -> Path:
    import numpy as np
    from PIL import Image

    random = np.random.default_rng(0)
    for index in range(FILES):
        path = folder / str(index % 10) / f"{index}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        small = Image.fromarray(random.integers(0, 256, (8, 8, 3), dtype=np.uint8))
        small.resize((32, 32)).save(path, quality=75)
    return folder


class Worker:
    """A process that trains one case with its own threads whenever it is told to."""

    def __init__(self, threads: int, name: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, __file__, "--worker", name, "--threads", str(threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=child_environment(thread_environment(threads, alone=threads > 1)),
            text=True,
        )

    def start(self, seconds: float) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{seconds}\n")
        self.process.stdin.flush()

    def speed(self) -> float:
        """Images per second on the wall of what was started last."""
        assert self.process.stdout is not None
        return float(self.process.stdout.readline())

    def end(self) -> None:
        self.process.communicate()


def work(name: str, threads: int) -> None:
    """A worker's side: for every line with a number of seconds, train that long and answer with the speed."""
    torch.set_num_threads(threads)
    with tempfile.TemporaryDirectory() as folder:
        bench = make_bench(name, threads, Path(folder))
        epoch, images = bench.real(), bench.steps * bench.experiment.batch
        epoch()
        print(0, flush=True)
        for line in sys.stdin:
            begun, done = time.perf_counter(), 0
            while time.perf_counter() - begun < float(line):
                epoch()
                done += images
            print(done / (time.perf_counter() - begun), flush=True)


def side_by_side(rounds: int, seconds: float, threads: int) -> list[str]:
    """Two runs at once, one thread each, against each alone, and against one run with all `threads`."""
    one, two, wide = Worker(1, PAIR), Worker(1, PAIR), Worker(threads, PAIR)
    for worker in (one, two, wide):
        worker.speed()
    alone, at_once, all_cores = [], [], []
    for _ in range(rounds + 1):
        apart = 0.0
        for worker in (one, two):
            worker.start(seconds)
            apart += worker.speed()
        one.start(seconds)
        two.start(seconds)
        at_once.append(one.speed() + two.speed())
        alone.append(apart)
        wide.start(seconds)
        all_cores.append(wide.speed())
    for worker in (one, two, wide):
        worker.end()
    shares = {
        "at once / sum of each alone (1 thread)": [a / b for a, b in zip(at_once, alone, strict=True)],
        f"at once / one after the other ({threads} threads)": [
            a / b for a, b in zip(at_once, all_cores, strict=True)
        ],
    }
    return [
        f"two runs of {PAIR}, {rounds} rounds of {seconds:g} s, images per second",
        f"  at once {spread(at_once[1:])}  alone, summed {spread(alone[1:])}  "
        f"one with {threads} threads {spread(all_cores[1:])}",
        *(f"  {name}: {spread(values[1:], '.3f')}" for name, values in shares.items()),
    ]


def make_bench(name: str, threads: int, folder: Path) -> Bench:
    text = f"{CASES[name]}\ndata: {{root: {folder}}}\n"
    experiment = parse_experiment(text, folder / "bench.yaml")
    resolved = Resolved("cpu", threads, "channels_last", "fused", "float32", 256, str(torch.__version__))
    return Bench(experiment, resolved, 8, folder / re.sub(r"\W+", "-", name))


def share(bench: Bench, pictures: Path, rounds: int, seconds: float) -> Iterator[str]:
    """The lines of one case."""
    batch = bench.experiment.batch
    limit = bench.limit()
    timed(limit, bench.steps, batch)
    bench.steps = max(4, round(seconds * timed(limit, bench.steps, batch) / batch))
    loops = {"real loop": bench.real(), "limit": limit, "plain loop": bench.plain(pictures)}
    results: dict[str, list[float]] = {key: [] for key in loops}
    for turn in range(rounds + 1):
        for key in list(loops) if turn % 2 else list(loops)[::-1]:
            speed = timed(loops[key], bench.steps, batch)
            if turn:
                results[key].append(speed)
    for key, values in results.items():
        yield f"  {key:11} {spread(values)} images per CPU-second"
    for key in ("limit", "plain loop"):
        ratios = [a / b for a, b in zip(results["real loop"], results[key], strict=True)]
        yield f"  real loop / {key}: {spread(ratios, '.3f')}"
    yield from costs(bench, batch / statistics.median(results["real loop"]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument("--seconds", type=float, default=0.25, help="about this long a round and loop")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--only", default="", help="cases whose name contains this")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.worker:
        work(given.worker, given.threads)
        return
    torch.set_num_threads(given.threads)
    load, cores = os.getloadavg()[0], len(os.sched_getaffinity(0))
    print(f"torch {torch.__version__}, {given.threads} threads of {cores} cores, load {load:.1f}")
    with tempfile.TemporaryDirectory() as folder:
        pictures = draw_pictures(Path(folder) / "pictures")
        for name in CASES:
            if given.only in name:
                bench = make_bench(name, given.threads, Path(folder))
                print(f"{name}, {given.rounds} rounds")
                for line in share(bench, pictures, given.rounds, given.seconds):
                    print(line, flush=True)
    if given.only in "two runs":
        for line in side_by_side(given.rounds, 8 * given.seconds, max(2, cores)):
            print(line, flush=True)


if __name__ == "__main__":
    main()
