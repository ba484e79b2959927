"""Detection: COCO's numbers, loading of large pictures, training of the small Faster R-CNN.

CPU time of this process in interleaved rounds: median (lowest to highest); ratios are taken round by round.

AP: 439 pictures with 100 detections each and about two objects, 68 classes (jittered objects and false
alarms): labtui's evaluator against torchmetrics' MeanAveragePrecision with its default backend, pycocotools,
update and compute together.

Loading: JPEGs of 2112 x 1584 pixels for a network that sees 1067 x 800: as torchvision's reference does it
(PIL, floats, the network's own resizing), what building the cache costs once, and batches out of the cache.

Training: 192 x 144 pixels, 12 objects a picture: the real loop on a run folder against the same steps on one
resident batch.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from core.analysis.boxes import Detections, Objects, detections, objects
from core.analysis.coco_ap import average_precision
from core.config.load import parse_experiment
from core.data.augment import Jitter
from core.data.box_epoch_rng import BoxAugmentation
from core.data.boxes_batches import BoxBatches
from core.data.boxes_store import PictureStore, cached_pictures, fitted_sizes
from core.data.boxes_targets import make_targets
from core.datasets.boxes.box_arrays import Boxes
from core.datasets.dataset import FileList, make_dataset
from core.engine.checkpoint import DataKey
from core.engine.loop import Loop, LoopSettings
from core.engine.optim import build_optimizer
from core.engine.optimizer_step import take_step
from core.engine.resolve import Resolved
from core.engine.schedule import schedule_of
from core.engine.state import TrainState
from core.engine.tasks import make_task
from core.models.modes import apply_mode, set_train_mode
from core.models.registry import build_model
from core.store.metrics import MetricsWriter
from core.store.paths import RunPaths

IMAGES, FOUND, CLASSES = 439, 100, 68
LARGE = (2112, 1584)
SIDES = (800, 1333)
REFERENCE = "as torchvision's reference"
CPU = torch.device("cpu")
TRAINING = """\
data: {{format: voc, root: {root}}}
model: fasterrcnn_small
image_size: {{min: 144, max: 192}}
batch: 4
optimizer: {{name: adamw}}
augment: {{hflip: true, vflip: true, color_jitter: {{brightness: 0.15}}}}
clip_norm: 5.0
"""


def cpu_seconds(work: Callable[[], object]) -> float:
    begun = time.process_time()
    work()
    return time.process_time() - begun


def rounds_of(works: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """CPU-seconds by name; one round more than asked for is taken, and the first thrown away."""
    found: dict[str, list[float]] = {name: [] for name in works}
    for turn in range(rounds + 1):
        for name in list(works) if turn % 2 else list(works)[::-1]:
            used = cpu_seconds(works[name])
            if turn:
                found[name].append(used)
    return found


def spread(values: list[float], form: str = ".3f") -> str:
    return f"{statistics.median(values):{form}} ({min(values):{form}} to {max(values):{form}})"


def ratio(above: list[float], below: list[float], form: str = ".2f") -> str:
    return spread([a / b for a, b in zip(above, below, strict=True)], form)


def simulated() -> tuple[Objects, Detections]:
    """Objects, and as many detections a picture as count: shifted objects and false alarms."""
    random = np.random.default_rng(0)
    true_boxes, true_labels, boxes, labels, scores = [], [], [], [], []
    for _ in range(IMAGES):
        count = int(random.integers(1, 4))
        low = random.uniform(0, 1200, (count, 2))
        own = np.concatenate([low, low + random.uniform(60, 700, (count, 2))], 1)
        kinds = random.integers(0, CLASSES, count)
        picked = random.integers(0, count, FOUND)
        shifted = own[picked] + random.normal(0, 12, (FOUND, 4))
        alarm = random.random(FOUND) < 0.6
        start = random.uniform(0, 1400, (FOUND, 2))
        shifted[alarm] = np.concatenate([start, start + random.uniform(20, 600, (FOUND, 2))], 1)[alarm]
        shifted[:, 2:] = np.maximum(shifted[:, 2:], shifted[:, :2] + 1)
        true_boxes.append(own)
        true_labels.append(kinds)
        boxes.append(shifted.astype(np.float32))
        labels.append(np.where(alarm, random.integers(0, CLASSES, FOUND), kinds[picked]))
        scores.append(random.random(FOUND).astype(np.float32))
    return objects(true_boxes, true_labels), detections(boxes, labels, scores)


def precision_bench(rounds: int) -> Iterator[str]:
    from torchmetrics.detection import MeanAveragePrecision

    truth, found = simulated()
    results: dict[str, Any] = {}

    def ours() -> None:
        results["labtui"] = average_precision(truth, found, CLASSES).summary["map"]

    lists = list(as_tensors(truth, found))

    def theirs() -> None:
        metric = MeanAveragePrecision()
        for guess, target in lists:
            metric.update([guess], [target])
        results["torchmetrics"] = float(metric.compute()["map"])

    works: dict[str, Callable[[], object]] = {"labtui": ours, "torchmetrics": theirs}
    seconds = rounds_of(works, rounds)
    for name, values in seconds.items():
        yield f"  {name:13} {spread(values)} CPU-s  map {results[name]:.6f}"
    yield f"  torchmetrics / labtui: {ratio(seconds['torchmetrics'], seconds['labtui'])}"


def as_tensors(truth: Objects, found: Detections) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    for index in range(truth.images):
        own = slice(found.offsets[index], found.offsets[index + 1])
        there = slice(truth.offsets[index], truth.offsets[index + 1])
        yield (
            {
                "boxes": torch.tensor(found.boxes[own]).float(),
                "scores": torch.tensor(found.scores[own]).float(),
                "labels": torch.tensor(found.classes[own]),
            },
            {
                "boxes": torch.tensor(truth.boxes[there]).float(),
                "labels": torch.tensor(truth.classes[there]),
            },
        )


def drawn_boxes(sizes: list[tuple[int, int]], each: int) -> Boxes:
    """`each` random objects in every picture."""
    random = np.random.default_rng(0)
    extent = np.repeat(np.array(sizes, np.float64), each, axis=0)
    low = random.uniform(0, 0.85, (len(extent), 2))
    corners = np.concatenate([low, low + random.uniform(0.05, 0.15, low.shape)], 1) * np.tile(extent, 2)
    count = len(corners)
    none = np.zeros(count, np.bool_)
    return Boxes(
        np.arange(len(sizes) + 1) * each,
        corners.astype(np.float32),
        random.integers(0, 3, count),
        none,
        none,
        np.ones(count, np.float32),
        np.zeros(count, np.int64),
        np.array(sizes, np.int32),
        tuple(map(str, range(len(sizes)))),
    )


def loading_bench(rounds: int, folder: Path, count: int = 16) -> Iterator[str]:
    from torchvision.models.detection.transform import GeneralizedRCNNTransform
    from torchvision.transforms.functional import to_tensor

    random = np.random.default_rng(0)
    names = [f"{index}.jpg" for index in range(count)]
    for name in names:
        small = Image.fromarray(random.integers(0, 256, (198, 264, 3), np.uint8))
        small.resize(LARGE, Image.Resampling.BICUBIC).save(folder / name, quality=88)
    size = statistics.mean((folder / name).stat().st_size for name in names)
    sizes = np.array([LARGE] * count)
    transform = GeneralizedRCNNTransform(*SIDES, [0.5] * 3, [0.25] * 3).eval()
    homes = (folder / f"cache{number}" for number in range(1000))

    def reference() -> None:
        for start in range(0, count, 4):
            images = []
            for name in names[start : start + 4]:
                with Image.open(folder / name) as picture:
                    images.append(to_tensor(picture.convert("RGB")))
            transform(images)

    def build() -> None:
        os.environ["XDG_CACHE_HOME"] = str(next(homes))
        cached_pictures(folder, names, sizes, SIDES)

    build()
    kept = os.environ["XDG_CACHE_HOME"]
    fitted = fitted_sizes(sizes, SIDES)
    boxes = make_targets(drawn_boxes([LARGE] * count, 2), fitted, ignore_difficult=True)

    def batches(augmentation: BoxAugmentation) -> Callable[[], None]:
        def run() -> None:
            os.environ["XDG_CACHE_HOME"] = kept
            store = PictureStore(cached_pictures(folder, names, sizes, SIDES), fitted, CPU)
            for _ in BoxBatches(store, boxes, augmentation, batch=4, seed=0).epoch(1):
                pass

        return run

    jitter = Jitter(brightness=0.2, contrast=0.2, saturation=0.2)
    seconds = rounds_of(
        {
            REFERENCE: reference,
            "building the cache": build,
            "out of the cache": batches(BoxAugmentation()),
            "the same, flipped and scaled": batches(BoxAugmentation((0.8, 1.25), True, True)),
            "the same, with colours": batches(BoxAugmentation((0.8, 1.25), True, True, jitter)),
        },
        rounds,
    )
    yield f"  {count} JPEGs of {size / 1e3:.0f} kB, batches of 4, CPU-ms a picture"
    for name, values in seconds.items():
        yield f"  {name:29} {spread([1e3 * value / count for value in values], '.2f')}"
    yield f"  reference / out of the cache: {ratio(seconds[REFERENCE], seconds['out of the cache'], '.1f')}"


def training_bench(rounds: int, folder: Path, steps: int = 10) -> Iterator[str]:
    pictures = folder / "pictures"
    pictures.mkdir()
    random = np.random.default_rng(0)
    experiment = parse_experiment(TRAINING.format(root=pictures), folder / "bench.yaml")
    batch, count = experiment.batch, steps * experiment.batch
    names = [f"{index}.png" for index in range(count)]
    for name in names:
        Image.fromarray(random.integers(0, 256, (144, 192, 3), np.uint8)).save(pictures / name)
    boxes = drawn_boxes([(192, 144)] * count, 12)
    files = FileList(tuple(names), (-1,) * count, (0,) * count)
    dataset = make_dataset(pictures, ("a", "b", "c"), {"train": files}, boxes={"train": boxes})
    resolved = Resolved("cpu", 1, "channels_last", "fused", "float32", 4, "")
    task = make_task(experiment, dataset, resolved, batch_norm=False, cancelled=lambda: False)
    real, limit = state_of(experiment, steps), state_of(experiment, steps)
    run = RunPaths(folder / "run")
    run.root.mkdir()
    settings = LoopSettings(
        1,
        1,
        "val/map",
        "max",
        "val/map",
        1,
        1,
        (),
        {},
        DataKey("", (), 0, batch),
        lambda model: set_train_mode(model, experiment),
    )
    loop = Loop(run, task, real, MetricsWriter(run.metrics), resolved, settings, lambda: False)
    resident = next(task.batches(1, 0))

    def epoch() -> None:
        real.sums.reset()
        real.step_in_epoch = 0
        assert loop._train_epoch()

    def same_batch() -> None:
        set_train_mode(limit.model, experiment)
        for _ in range(steps):
            take_step(limit, task.step(limit.model, resident).loss)

    seconds = rounds_of({"real loop": epoch, "one resident batch": same_batch}, rounds)
    for name, values in seconds.items():
        yield f"  {name:19} {spread([count / value for value in values], '.1f')} images per CPU-second"
    yield f"  real loop / resident batch: {ratio(seconds['one resident batch'], seconds['real loop'], '.3f')}"


def state_of(experiment: Any, steps: int) -> TrainState:
    torch.manual_seed(0)
    model = build_model(experiment, 3).to(memory_format=torch.channels_last)
    groups = apply_mode(model, experiment)
    schedule = schedule_of(experiment, tuple(group.lr for group in groups), steps)
    return TrainState(model, build_optimizer(groups, experiment, "fused"), schedule, clip_norm=5.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="", help="AP, loading or training")
    given = parser.parse_args()
    torch.set_num_threads(1)
    load, cores = os.getloadavg()[0], len(os.sched_getaffinity(0))
    print(f"torch {torch.__version__}, 1 thread of {cores} cores, load {load:.1f}, {given.rounds} rounds")
    with tempfile.TemporaryDirectory() as name:
        os.environ["XDG_CACHE_HOME"] = str(Path(name) / "cache")
        benches: dict[str, tuple[str, Callable[[], Iterator[str]]]] = {
            "AP": (
                f"AP of {IMAGES} pictures x {FOUND} detections x {CLASSES} classes",
                lambda: precision_bench(given.rounds),
            ),
            "loading": (
                f"loading {LARGE[0]} x {LARGE[1]} at {SIDES[0]} px",
                lambda: loading_bench(given.rounds, Path(name)),
            ),
            "training": (
                "training fasterrcnn_small, 192 x 144, batch 4",
                lambda: training_bench(given.rounds, Path(name)),
            ),
        }
        for key, (title, bench) in benches.items():
            if given.only in key:
                print(title)
                for line in bench():
                    print(line, flush=True)


if __name__ == "__main__":
    main()
