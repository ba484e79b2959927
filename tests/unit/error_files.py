"""Predictions to look at errors of: the worked example, random ones, and files of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from core.analysis.boxes import Detections, Objects, detections, objects
from core.analysis.errors import Errors
from core.analysis.predictions import BoxPredictions, ClassPredictions, Origin

SPECIES = ("Encyonema silesiacum", "Encyonema ventricosum", "Navicula reichardtiana")


def example() -> tuple[Objects, Detections]:
    """The worked example: four objects and eight predictions in one image of 200 x 200."""
    there = objects(
        [[[20, 20, 60, 60], [100, 20, 140, 60], [20, 120, 60, 160], [100, 120, 140, 160]]], [[0, 1, 2, 1]]
    )
    boxes = [
        [20, 20, 60, 60],
        [102, 20, 142, 60],
        [104, 20, 144, 60],
        [22, 20, 62, 60],
        [100, 120, 140, 160],
        [20, 140, 60, 180],
        [160, 160, 190, 190],
        [100, 120, 140, 160],
    ]
    scores = [0.95, 0.9, 0.8, 0.7, 0.65, 0.6, 0.55, 0.3]
    return there, detections([boxes], [[0, 0, 1, 0, 0, 2, 2, 1]], [scores])


def boxed(
    there: Objects,
    found: Detections,
    names: tuple[str, ...] = SPECIES,
    *,
    train: list[int] | None = None,
    root: Path = Path("/nowhere"),
) -> Errors:
    """Errors of objects and detections; images are called 0.png, 1.png, ... and are 200 x 200."""
    paths = tuple(f"{index}.png" for index in range(found.images))
    origin = Origin(Path("x.npz"), "a01-e0001", "", root, paths, names)
    sizes = np.full((found.images, 2), 200)
    none = np.zeros(len(there.classes), np.int64)
    source = BoxPredictions(origin, found, there, sizes, (), (), there.ignore, none, 0.0, 0.5, 100)
    return Errors(source, train)


def classified(
    labels: Any, probabilities: Any, names: tuple[str, ...] = SPECIES, *, train: list[int] | None = None
) -> Errors:
    """Errors of class probabilities (n, classes)."""
    table = np.asarray(probabilities, np.float32)
    paths = tuple(f"{index}.png" for index in range(len(table)))
    origin = Origin(Path("x.npz"), "a01-e0001", "", Path("/nowhere"), paths, names)
    truth = None if labels is None else np.asarray(labels, np.int64)
    return Errors(ClassPredictions(origin, truth, table, None, None, {}), train)


def crowded(seed: int, images: int = 4, classes: int = 3) -> tuple[Objects, Detections]:
    """Few places, scores and classes, so that ties of score and IoU, crowds and difficult objects abound."""
    random = np.random.default_rng(seed)
    rows = [int(random.integers(0, 7)) for _ in range(images)]
    guesses = [int(random.integers(0, 12)) for _ in range(images)]

    def boxes(count: int) -> Any:
        corner = random.integers(0, 4, (count, 2)) * 5.0
        return np.concatenate((corner, corner + random.integers(2, 5, (count, 2)) * 5.0), axis=1)

    there = objects(
        [boxes(count) for count in rows],
        [random.integers(0, classes, count) for count in rows],
        crowd=[random.random(count) < 0.15 for count in rows],
        ignore=[random.random(count) < 0.15 for count in rows],
    )
    found = detections(
        [boxes(count) for count in guesses],
        [random.integers(0, classes, count) for count in guesses],
        [random.integers(1, 6, count) / 5 for count in guesses],
    )
    return there, found
