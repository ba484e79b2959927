"""Small picture folders and runs on them, trained in this process."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from core.config.load import apply_overrides, dump, parse_experiment
from core.config.resolve_defaults import resolve_metric
from core.config.workspace import Workspace
from core.data.cache import cached_pixels, cached_whole
from core.engine.stop import StopFlag
from core.engine.train import train_run
from core.metrics import mode_of
from core.store.attempts import begin_attempt, write_exit
from core.store.checkpoints import choose
from core.store.forks import inherited_id, prepare_fork
from core.store.metrics import History, read_history
from core.store.paths import RunPaths
from core.store.records import Checkpoint
from core.store.runs import add_request, create_run, requests

# Tiny work, in as many processes as there are cores: a second thread would only wait for the first.
torch.set_num_threads(1)

CONFIG = """\
data: {{root: {root}}}
model: tinyvgg_a
epochs: 3
batch: 8
learning_rate: 0.02
augment: {{pad_crop: 4, hflip: true}}
device: cpu
threads: 1
"""
COUNTS = {"train": 17, "val": 9, "test": 5}
BOX_CONFIG = """\
data:
  format: coco
  root: {root}
  train: {{images: train, annotations: train.json}}
  val: {{images: val, annotations: val.json}}
  test: {{images: test, annotations: test.json}}
model: fasterrcnn_small
image_size: {{min: 48, max: 64}}
predict: {{score_floor: 0.01}}
epochs: 3
batch: 4
learning_rate: 0.003
optimizer: {{name: adamw}}
augment: {{hflip: true, vflip: true}}
device: cpu
threads: 1
"""
BOX_COUNTS = {"train": 13, "val": 7, "test": 5}


def draw_folder(root: Path, counts: dict[str, int] = COUNTS, classes: int = 3, size: int = 32) -> Path:
    """Class folders of noisy PNGs whose mean colour tells the class; `counts` images a class and split."""
    random = np.random.default_rng(0)
    for split, count in counts.items():
        for label in range(classes):
            folder = root / split / f"class{label}"
            folder.mkdir(parents=True)
            for index in range(count):
                pixels = random.integers(0, 120, (size, size, 3))
                pixels[..., label % 3] += 90
                Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{index:03d}.png")
    return root


def draw_boxes(root: Path, counts: dict[str, int] = BOX_COUNTS) -> Path:
    """Grey PNGs of two sizes with up to two coloured boxes each, every fifth empty, as COCO files."""
    random = np.random.default_rng(7)
    names, colours = ("red", "green", "blue"), np.eye(3) * 170 + 40
    for split, count in counts.items():
        (root / split).mkdir(parents=True)
        images: list[dict[str, Any]] = []
        annotations: list[dict[str, Any]] = []
        for index in range(count):
            width, height = (96, 72) if index % 3 else (64, 64)
            pixels = np.full((height, width, 3), random.integers(60, 90))
            pixels = pixels + random.integers(-9, 10, (height, width, 1))
            file = f"{index:02d}.png"
            images.append({"id": index + 1, "file_name": file, "width": width, "height": height})
            for number in range(0 if index % 5 == 4 else 1 + index % 2):
                label = (index + number) % 3
                w, h = random.integers(16, 30, 2).tolist()
                x = int(random.integers(number * width // 2, number * width // 2 + width // 2 - w + 1))
                y = int(random.integers(2, height - h))
                pixels[y : y + h, x : x + w] = colours[label]
                annotations.append(
                    {
                        "id": len(annotations) + 1,
                        "image_id": index + 1,
                        "category_id": label + 1,
                        "bbox": [x, y, w, h],
                        "area": w * h,
                        "iscrowd": 0,
                    }
                )
            Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(root / split / file)
        categories = [{"id": number, "name": name} for number, name in enumerate(names, 1)]
        content = {"images": images, "annotations": annotations, "categories": categories}
        (root / f"{split}.json").write_text(json.dumps(content))
    return root


class StopAfter(StopFlag):
    """Asks to stop before the step after `steps` were taken in this attempt."""

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.left = steps

    def __call__(self) -> bool:
        self.left -= 1
        return self.left < 0


@dataclass(frozen=True)
class Lab:
    """A workspace whose runs are trained here, without supervisor."""

    workspace: Workspace
    pictures: Path
    config: str = CONFIG

    def create(self, *overrides: str) -> RunPaths:
        """A new run of the config with its first request."""
        text = self.config.format(root=self.pictures)
        experiment = apply_overrides(parse_experiment(text, self.workspace.root / "c.yaml"), overrides)
        metric = resolve_metric(experiment)
        return create_run(
            self.workspace,
            config_name="tiny",
            config_text=dump(experiment),
            model=experiment.model,
            metric=metric,
            metric_mode=mode_of(metric),
            total_epochs=experiment.epochs,
            argv=[],
        )

    def attempt(self, run: RunPaths, stop: StopFlag | None = None) -> str:
        """Work on the newest request."""
        number = begin_attempt(run, requests(run)[-1].number, slot="cpu0", threads=1).number
        return train_run(run, number, stop or StopFlag())

    def train(self, *overrides: str, stop: StopFlag | None = None) -> RunPaths:
        run = self.create(*overrides)
        self.attempt(run, stop)
        return run

    def resume(
        self, run: RunPaths, start: str = "last", *, total: int = 3, stop: StopFlag | None = None
    ) -> str:
        add_request(run, choose(run, start).id, total)
        return self.attempt(run, stop)

    def fork(self, parent: RunPaths, start: str, *overrides: str, total: int) -> RunPaths:
        """A fork's folder, as the launch room makes it."""
        checkpoint = choose(parent, start)
        stored = parse_experiment(parent.config.read_text(), parent.config)
        experiment = apply_overrides(stored, overrides)
        changed = [text.split("=")[0] for text in overrides]
        metric = resolve_metric(experiment)
        return create_run(
            self.workspace,
            config_name="tiny",
            config_text=dump(experiment),
            model=experiment.model,
            metric=metric,
            metric_mode=mode_of(metric),
            total_epochs=total,
            argv=[],
            parent={"run": parent.id, "checkpoint": checkpoint.id},
            start=inherited_id(checkpoint),
            prepare=lambda new: prepare_fork(parent, checkpoint, new, changed),
        )


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """3 classes; 51 training, 27 validation, 15 test images."""
    return draw_folder(tmp_path_factory.mktemp("pictures") / "set")


@pytest.fixture(scope="session")
def warm_cache(tmp_path_factory: pytest.TempPathFactory, pictures: Path) -> Path:
    """A cache folder with the pixels of `pictures` in it, so that no test stops while they are decoded."""
    cache = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(cache))
        for split, count in COUNTS.items():
            paths = [f"{split}/class{label}/{i:03d}.png" for label in range(3) for i in range(count)]
            for size in (32, 36):
                cached_pixels(pictures, paths, size)
                cached_whole(pictures, paths, size)
    return cache


@pytest.fixture
def lab(
    tmp_path: Path, pictures: Path, warm_cache: Path, homes: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Lab]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(warm_cache))
    workspace = Workspace(tmp_path / "lab")
    workspace.runs.mkdir(parents=True)
    threads = torch.get_num_threads()
    yield Lab(workspace, pictures)
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def box_pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """3 classes of boxes; 13 training, 7 validation, 5 test images as COCO files."""
    return draw_boxes(tmp_path_factory.mktemp("boxes") / "set")


@pytest.fixture(scope="session")
def box_run(tmp_path_factory: pytest.TempPathFactory, box_pictures: Path, warm_cache: Path) -> RunPaths:
    """A finished run of BOX_CONFIG, train measured too. For reading only; its pixels are in `warm_cache`."""
    home = tmp_path_factory.mktemp("box_run")
    workspace = Workspace(home / "lab")
    workspace.runs.mkdir(parents=True)
    threads = torch.get_num_threads()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(warm_cache))
        patch.setenv("XDG_STATE_HOME", str(home / "state"))
        run = Lab(workspace, box_pictures, BOX_CONFIG).train("measure.splits=[train, val]")
    torch.set_num_threads(threads)
    return run


@pytest.fixture
def box_lab(lab: Lab, box_pictures: Path, box_run: RunPaths) -> Lab:
    """A workspace for small detectors, whose pixels are decoded already."""
    return Lab(lab.workspace, box_pictures, BOX_CONFIG)


@pytest.fixture(scope="session")
def fault_worker(warm_cache: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that forks trainers."""
    script = Path(__file__).with_name("fault_worker.py")
    with subprocess.Popen(
        [sys.executable, "-P", str(script)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "XDG_CACHE_HOME": str(warm_cache), "PYTHONPATH": str(Path(__file__).parents[2])},
    ) as process:
        yield process
        assert process.stdin
        process.stdin.close()


@pytest.fixture
def forked(fault_worker: subprocess.Popen[str]) -> Callable[[RunPaths, str], int]:
    """Work on the newest request in a forked trainer with a fault: its exit status (negative: the signal)."""

    def of(run: RunPaths, fault: str) -> int:
        attempt = begin_attempt(run, requests(run)[-1].number, slot="cpu0", threads=1)
        assert fault_worker.stdin
        assert fault_worker.stdout
        fault_worker.stdin.write(f"{run.root} {attempt.number} {fault}\n")
        fault_worker.stdin.flush()
        status = int(fault_worker.stdout.readline())
        dead = status < 0
        write_exit(attempt, code=None if dead else status, signal=-status if dead else None)
        return status

    return of


@pytest.fixture
def stop_after() -> type[StopAfter]:
    """`stop_after(n)`: a flag that lets n steps be taken."""
    return StopAfter


@pytest.fixture
def sha() -> Callable[[RunPaths | Checkpoint], str]:
    """Hash over weights, buffers, momentum and generators of a checkpoint (a run: its last one)."""

    def of(what: RunPaths | Checkpoint) -> str:
        checkpoint = choose(what, "last") if isinstance(what, RunPaths) else what
        content = torch.load(checkpoint.file, weights_only=True)
        digest = hashlib.sha256()
        for key in ("model", "optimizer", "scheduler", "epochs_done", "step", "step_in_epoch", "best", "rng"):
            _feed(digest, content[key])
        for key in ("schedule", "ema", "scaler", "early_stop"):
            _feed(digest, content[key])
        return digest.hexdigest()

    return of


@pytest.fixture
def curve() -> Callable[[RunPaths], list[dict[str, float]]]:
    """The epoch rows without times."""

    def of(run: RunPaths) -> list[dict[str, float]]:
        history: History = read_history(run.metrics)
        times = ("t", "attempt", "images/s")
        return [
            {key: value for key, value in row.items() if key not in times and not key.startswith("time/")}
            for row in history.epochs
        ]

    return of


def _feed(digest: Any, value: object) -> None:
    if isinstance(value, torch.Tensor):
        digest.update(value.contiguous().numpy().tobytes())
    elif isinstance(value, dict):
        for key in sorted(value, key=str):
            digest.update(str(key).encode())
            _feed(digest, value[key])
    elif isinstance(value, (list, tuple)):
        for item in value:
            _feed(digest, item)
    else:
        digest.update(repr(value).encode())
