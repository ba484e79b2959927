"""Intervals of mAP and of accuracy over images, and of a study's verdict: CPU seconds, median of rounds."""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from core.analysis.boxes import detections, objects
from core.analysis.errors import Errors
from core.analysis.estimates import estimates
from core.analysis.paired import LEVEL, paired_verdict, planned_looks, sign_flip
from core.analysis.predictions import BoxPredictions, ClassPredictions, Origin
from tests.bench.bench_chance import two_detectors


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--studies", type=int, default=300, help="simulated null studies")
    parser.add_argument("--sets", type=int, default=20, help="simulated sets whose interval is looked at")
    args = parser.parse_args()
    boxes = detector(439, 100, 68)
    show("mAP of 439 images x 100 boxes x 68 classes, 1,000 draws", lambda: estimates(boxes), args.rounds)
    classes = classifier(10_000, 10)
    show("accuracy, F1, areas of 10,000 images, 10 classes", lambda: estimates(classes), args.rounds)
    values = np.random.default_rng(0).normal(0, 1, 10)
    show("verdict on 10 pairs", lambda: paired_verdict(values.tolist()), args.rounds)
    false_verdicts(args.studies)
    for images, names in ((72, 3), (437, 68)):
        coverage(images, names, args.sets)


def coverage(images: int, classes: int, sets: int) -> None:
    """How often the interval of mAP holds the mean over sets of that size."""
    found = [estimates(two_detectors(seed, images, classes)[0]) for seed in range(sets)]
    ends = [item.metrics["map"] for item in found if item is not None]
    mean = float(np.mean([item.value for item in ends]))
    inside = np.mean([(item.low or 0) <= mean <= (item.high or 1) for item in ends])
    print(
        f"mAP of {images} images, {classes} classes, {sets} sets: {inside:.1%} of the 95 % intervals hold it"
    )


def show(what: str, call: Callable[[], object], rounds: int) -> None:
    seconds = []
    for _ in range(rounds):
        start = time.process_time()
        call()
        seconds.append(time.process_time() - start)
    print(f"{what}: {statistics.median(seconds):.2f} CPU-s ({min(seconds):.2f} to {max(seconds):.2f})")


def false_verdicts(studies: int) -> None:
    """How often two equal settings are told apart."""
    random = np.random.default_rng(0)
    for pairs in (6, 8, 10):
        found = [paired_verdict(random.normal(0, 1, pairs).tolist()).outcome for _ in range(studies)]
        print(
            f"{pairs} pairs, {studies} null studies: 'A is better' in {found.count('more') / studies:.1%}, "
            f"either in {1 - found.count('undecided') / studies:.1%} (level {LEVEL:.0%} for either)"
        )
    for most in (10, 14):
        claimed = 0
        for _ in range(studies):
            values = random.normal(0, 1, most).tolist()
            looks = planned_looks(most)
            share = LEVEL / len(looks)
            claimed += any(
                sign_flip(values[:n]).p <= share and paired_verdict(values[:n], at_most=most).decided
                for n in looks
            )
        print(f"until decided, at most {most} pairs: either in {claimed / studies:.1%} (level {LEVEL:.0%})")


def detector(images: int, found: int, classes: int) -> Errors:
    random = np.random.default_rng(0)
    share = 1 / np.arange(1, classes + 1)
    corners = random.uniform(0, 1500, (images, found, 2))
    boxes = np.concatenate((corners, corners + random.uniform(40, 300, corners.shape)), axis=2)
    labels = random.choice(classes, (images, found), p=share / share.sum())
    truth = [
        row[:count] + random.normal(0, 8, (count, 4))
        for row, count in zip(boxes, random.integers(1, 4, images), strict=True)
    ]
    there = objects(truth, [row[: len(part)] for row, part in zip(labels, truth, strict=True)])
    answers = detections(list(boxes), list(labels), list(random.random((images, found))))
    none = np.zeros(len(there.classes), np.int64)
    sizes = np.full((images, 2), 2000)
    about = origin(images, classes)
    return Errors(BoxPredictions(about, answers, there, sizes, (), (), there.ignore, none, 0.0, 0.5, found))


def classifier(images: int, classes: int) -> Errors:
    random = np.random.default_rng(0)
    labels = random.integers(0, classes, images)
    logits = random.normal(0, 1, (images, classes)) + 2 * np.eye(classes)[labels]
    table = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return Errors(ClassPredictions(origin(images, classes), labels, table.astype(np.float32), None, None, {}))


def origin(images: int, classes: int) -> Origin:
    paths = tuple(f"{image}.png" for image in range(images))
    names = tuple(f"class {label}" for label in range(classes))
    return Origin(Path("x.npz"), "a01-e0001", "", Path("/nowhere"), paths, names)


if __name__ == "__main__":
    main()
