"""Training speed: the real loop against the same step on one resident batch, and against a plain loop.

Images per CPU-second (all threads of this process) in interleaved rounds: median (lowest to highest). Shares
are taken round by round. The real loop is `core.engine.loop.Loop` on a run folder: batches out of 50,000
resident images, augmentation, loss, optimiser, sums and step records. The plain loop is ImageFolder, PIL
transforms and a DataLoader (no workers) around the same model.
"""

from __future__ import annotations

import argparse
import itertools
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from core.config.fields import resolve_normalize
from core.config.load import parse_experiment
from core.config.schema import Experiment
from core.data.batches import Batch, ImageStore, Normalisation, TrainBatches
from core.engine.checkpoint import DataKey, serialise
from core.engine.classification import Classification, augmentation_of, build_classifier
from core.engine.loop import Loop, LoopSettings
from core.engine.optim import build_optimizer
from core.engine.resolve import Resolved
from core.engine.state import TrainState
from core.store.checkpoints import save_files
from core.store.metrics import MetricsWriter
from core.store.paths import RunPaths

IMAGES = 50_000
FILES = 1024
CASES = {
    "v4, pad-crop + flip": "model: tinyvgg_v4\naugment: {pad_crop: 4, hflip: true}",
    "A, pad-crop + flip": "model: tinyvgg_a\naugment: {pad_crop: 4, hflip: true}",
    "A, scale 36 + flip + colour": (
        "model: tinyvgg_a\naugment: {scale: 36, hflip: true, color_jitter: "
        "{brightness: 0.2, contrast: 0.2, saturation: 0.2, hue: 0.2}}"
    ),
}


class BenchTask(Classification):
    """Random images in memory; an epoch is the next `steps` batches of one long epoch."""

    def __init__(self, experiment: Experiment, resolved: Resolved, steps: int) -> None:
        self.device = torch.device("cpu")
        self.classes = tuple("0123456789")
        self.splits = ()
        self._resolved = resolved
        augmentation = augmentation_of(experiment)
        side = augmentation.stored_size
        self._train = TrainBatches(
            ImageStore(
                torch.randint(0, 256, (IMAGES + 2, side, side, 3), dtype=torch.uint8),
                torch.randint(0, 10, (IMAGES,)),
                size=experiment.image_size,
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
        chain.append(transforms.RandomHorizontalFlip())
        if augment.color_jitter:
            colour = augment.color_jitter
            chain.append(
                transforms.ColorJitter(colour.brightness, colour.contrast, colour.saturation, colour.hue)
            )
        chain += [transforms.ToTensor(), transforms.Normalize(*resolve_normalize(self.experiment))]
        pictures_set = datasets.ImageFolder(str(pictures), transforms.Compose(chain))
        model = build_classifier(
            self.experiment, 10, Resolved("cpu", 1, "contiguous", "default", "float32", 1, "")
        )
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
        model = build_classifier(self.experiment, 10, self.resolved)
        return model, TrainState(
            model, build_optimizer(model, self.experiment, self.resolved.optimizer), None
        )


def costs(bench: Bench, step_seconds: float) -> list[str]:
    """CPU cost of records and of a checkpoint, as shares of a step and of an epoch of 1,563 steps."""
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
    epoch = 1563 * step_seconds
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument("--seconds", type=float, default=0.25, help="about this long a round and loop")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--batch", type=int, default=32)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    load = os.getloadavg()[0]
    resolved = Resolved(
        "cpu", given.threads, "channels_last", "fused", "float32", 256, str(torch.__version__)
    )
    print(f"torch {torch.__version__}, {given.threads} threads, batch {given.batch}, load {load:.1f}")
    with tempfile.TemporaryDirectory() as folder:
        pictures = draw_pictures(Path(folder) / "pictures")
        for number, (name, text) in enumerate(CASES.items()):
            config = f"{text}\ndata: {{root: {folder}}}\nbatch: {given.batch}\n"
            experiment = parse_experiment(config, Path(folder) / "bench.yaml")
            bench = Bench(experiment, resolved, 4, Path(folder) / f"case{number}")
            limit = bench.limit()
            timed(limit, 4, given.batch)
            bench.steps = max(4, round(given.seconds * timed(limit, 4, given.batch) / given.batch))
            loops = {"real loop": bench.real(), "limit": limit, "plain loop": bench.plain(pictures)}
            results: dict[str, list[float]] = {key: [] for key in loops}
            for turn in range(given.rounds + 1):
                order = list(loops) if turn % 2 else list(loops)[::-1]
                for key in order:
                    speed = timed(loops[key], bench.steps, given.batch)
                    if turn:
                        results[key].append(speed)
            print(f"{name}, {bench.steps} steps a round, {given.rounds} rounds")
            for key, values in results.items():
                print(f"  {key:11} {spread(values)} images per CPU-second")
            for key in ("limit", "plain loop"):
                ratios = [a / b for a, b in zip(results["real loop"], results[key], strict=True)]
                print(f"  real loop / {key}: {spread(ratios, '.3f')}")
            for line in costs(bench, given.batch / statistics.median(results["real loop"])):
                print(line, flush=True)


if __name__ == "__main__":
    main()
