"""How often two equal models are said to differ: simulated comparisons, and the seconds that one takes.

Class k has a share of 1/k, so many classes are on a handful of images. At most 5 % of the comparisons may
flag a class, and at most 5 % a number of the whole set. `--share 1` is the full count.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from core.analysis.boxes import Detections, Objects, detections, objects
from core.analysis.compare import compare
from core.analysis.errors import Errors
from core.analysis.predictions import BoxPredictions, ClassPredictions, Origin

Two = tuple[Errors, Errors]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--share", type=float, default=0.1, help="of the full count of simulations")
    share = parser.parse_args().share
    show("boxes, 437 images, 68 classes", lambda seed: two_detectors(seed, 437, 68), round(80 * share))
    show("classes, 500 images, 50 classes", lambda seed: two_classifiers(seed, 500, 50), round(200 * share))
    show("boxes, 500 images, 50 classes", lambda seed: two_detectors(seed, 500, 50), round(200 * share))


def show(what: str, two: Callable[[int], Two], rounds: int) -> None:
    flagged, whole, seconds = [], [], []
    for seed in range(max(rounds, 1)):
        models = two(seed)
        start = time.process_time()
        found = compare(*models)
        flagged.append(sum(value.beyond_chance for value in found.per_class))
        whole.append([value.beyond_chance for value in found.intervals.values()])
        seconds.append(time.process_time() - start)
    names = list(found.intervals)
    numbers = ", ".join(
        f"{name} {share:.1%}" for name, share in zip(names, np.mean(whole, axis=0), strict=True)
    )
    print(
        f"{what}, {len(flagged)} comparisons: {np.mean(flagged):.2f} classes flagged in each, "
        f"at least one in {np.mean(np.array(flagged) > 0):.1%}; {numbers}; "
        f"{statistics.median(seconds):.2f} CPU-s each"
    )


def two_detectors(seed: int, images: int, classes: int) -> Two:
    """Two models of one quality: objects are found by their visibility, of which both see the same part."""
    random, share = np.random.default_rng(seed), frequencies(classes)
    counts = np.maximum(random.poisson(1.4, images), 1)
    corners = [random.uniform(0, 140, (count, 2)) for count in counts]
    truth = [np.hstack((corner, corner + random.uniform(20, 60, corner.shape))) for corner in corners]
    labels = [random.choice(classes, count, p=share) for count in counts]
    visible = [random.normal(0, 0.8, count) for count in counts]
    there = objects(truth, labels)
    found = [boxed(there, one_detector(random, truth, labels, visible, share), classes) for _ in range(2)]
    return found[0], found[1]


def one_detector(
    random: np.random.Generator,
    truth: list[np.ndarray],
    labels: list[np.ndarray],
    visible: list[np.ndarray],
    share: np.ndarray,
) -> Detections:
    boxes, named, scores = [], [], []
    for corners, label, seen in zip(truth, labels, visible, strict=True):
        sure = 0.7 + seen + random.normal(0, 0.8, len(seen))
        found = sure > -0.4
        moved = corners + random.normal(0, 2.5, corners.shape) * np.exp(-0.2 * sure)[:, None]
        other = random.choice(len(share), len(label), p=share)
        taken = np.where(random.random(len(label)) < 0.15, other, label)
        extra = int(random.poisson(2))
        places = random.uniform(0, 140, (extra, 2))
        alarms = np.hstack((places, places + random.uniform(20, 60, places.shape)))
        boxes.append(np.vstack((moved[found], alarms)))
        named.append(np.concatenate((taken[found], random.choice(len(share), extra, p=share))))
        score = 1 / (1 + np.exp(-sure - random.normal(0, 0.5, len(sure))))
        scores.append(np.concatenate((score[found], random.beta(1, 4, extra))))
    return detections(boxes, named, scores)


def boxed(there: Objects, found: Detections, classes: int) -> Errors:
    none = np.zeros(len(there.classes), np.int64)
    sizes = np.full((there.images, 2), 200)
    about = origin(there.images, classes)
    return Errors(BoxPredictions(about, found, there, sizes, (), (), there.ignore, none, 0.0, 0.5, 100))


def two_classifiers(seed: int, images: int, classes: int) -> Two:
    random = np.random.default_rng(seed)
    labels, hard = random.choice(classes, images, p=frequencies(classes)), random.normal(0, 1, images)
    found = []
    for _ in range(2):
        right = hard + random.logistic(0, 1, images) < 1.4
        guess = np.where(right, labels, (labels + random.integers(1, classes, images)) % classes)
        table = np.eye(classes, dtype=np.float32)[guess]
        found.append(Errors(ClassPredictions(origin(images, classes), labels, table, None, None, {})))
    return found[0], found[1]


def frequencies(classes: int) -> np.ndarray:
    share = 1 / np.arange(1, classes + 1)
    return share / share.sum()


def origin(images: int, classes: int) -> Origin:
    paths = tuple(f"{image}.png" for image in range(images))
    names = tuple(f"class {label}" for label in range(classes))
    return Origin(Path("x.npz"), "a01-e0001", "", Path("/nowhere"), paths, names)


if __name__ == "__main__":
    main()
