"""Predictions files as measuring leaves them, and steps through the screen of errors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tui.errors.screen import ErrorsScreen
from tui.widgets.case_table import CaseTable
from tui.widgets.matrix import Matrix

SIZES = [(80, 24), (120, 34), (160, 50)]
NAMES = ("cat", "dog", "eel")

# Image 0: a cat found, a dog taken for a cat (0.9) with an extra label on the first cat (0.6).
# Image 1: a dog missed, a box on nothing (0.7), another below the usual threshold (0.3).
# Image 2: a dog taken for a cat (0.55).
TRUTH = [
    [(10, 10, 50, 50, 0), (60, 10, 110, 60, 1)],
    [(20, 20, 60, 60, 1)],
    [(30, 30, 90, 90, 1)],
]
FOUND = [
    [(10, 10, 50, 50, 0, 0.95), (60, 10, 110, 62, 0, 0.9), (11, 10, 50, 50, 2, 0.6)],
    [(100, 80, 140, 110, 2, 0.7), (100, 10, 140, 50, 2, 0.3)],
    [(30, 30, 90, 88, 0, 0.55)],
]
MATRIX = [[1, 0, 0, 0], [2, 0, 0, 1], [0, 0, 0, 0], [0, 0, 2, 0]]


def write_boxes(
    file: Path,
    root: Path,
    *,
    names: tuple[str, ...] = NAMES,
    truth: list[Any] = TRUTH,
    found: list[Any] = FOUND,
    paths: list[str] | None = None,
    floor: float = 0.05,
    pictures: bool = True,
    labelled: bool = True,
    side: tuple[int, int] = (160, 120),
) -> None:
    """A predictions file of boxes as measuring leaves it, with its images."""
    paths = paths if paths is not None else [f"{number:04d}.png" for number in range(len(truth))]
    root.mkdir(parents=True, exist_ok=True)
    if pictures:
        for number, path in enumerate(paths):
            Image.new("RGB", side, (40 * number % 255, 90, 160)).save(root / path)
    real = np.array([row for rows in truth for row in rows], float).reshape(-1, 5)
    seen = np.array([row for rows in found for row in rows], float).reshape(-1, 6)
    file.parent.mkdir(parents=True, exist_ok=True)
    objects = {
        "gt_offsets": np.cumsum([0, *map(len, truth)]),
        "gt_boxes": real[:, :4],
        "gt_labels": real[:, 4].astype(int),
        "gt_crowd": np.zeros(len(real), bool),
        "gt_difficult": np.zeros(len(real), bool),
        "gt_area": (real[:, 2] - real[:, 0]) * (real[:, 3] - real[:, 1]),
        "gt_source": np.zeros(len(real), int),
        "ignore_difficult": np.array(True),
    }
    np.savez(
        file,
        image_offsets=np.cumsum([0, *map(len, found)]),
        boxes=seen[:, :4],
        labels=seen[:, 4].astype(int),
        scores=seen[:, 5],
        sizes=np.array([side] * len(truth)),
        score_floor=np.array(floor),
        nms_iou=np.array(0.5),
        max_det=np.array(100),
        class_names=np.array(names),
        paths=np.array(paths),
        root=np.array(str(root)),
        format=np.array(1),
        checkpoint=np.array("a01-e0002"),
        sha256=np.array(""),
        **(objects if labelled else {}),
    )


def write_classes(file: Path, root: Path, labels: list[int], guesses: list[int]) -> None:
    """A predictions file of a classifier."""
    root.mkdir(parents=True, exist_ok=True)
    probabilities = np.full((len(labels), 3), 0.1, np.float32)
    probabilities[np.arange(len(labels)), guesses] = 0.8
    paths = [f"{number}.png" for number in range(len(labels))]
    for path in paths:
        Image.new("RGB", (8, 8), "red").save(root / path)
    file.parent.mkdir(parents=True, exist_ok=True)
    np.savez(
        file,
        probabilities=probabilities,
        labels=np.array(labels),
        class_names=np.array(NAMES),
        paths=np.array(paths),
        root=np.array(str(root)),
        format=np.array(1),
    )


async def settled(ui: Any) -> None:
    """Wait until nothing is computed any more."""
    await ui.pilot.pause()
    await ui.until(lambda: not isinstance(ui.app.screen, ErrorsScreen) or ui.app.screen.newest.idle)
    await ui.pilot.pause()


async def press(ui: Any, *keys: str) -> None:
    for key in keys:
        await ui.press(key)
        await settled(ui)


async def open_errors(ui: Any) -> ErrorsScreen:
    await ui.press("e")
    await ui.until(lambda: isinstance(ui.app.screen, ErrorsScreen))
    screen: ErrorsScreen = ui.app.screen
    await ui.until(lambda: screen.model.view is not None)
    await settled(ui)
    return screen


def table(screen: ErrorsScreen) -> CaseTable:
    return screen.query_one("#cases", CaseTable)


def cells(screen: ErrorsScreen) -> list[list[int]]:
    return [list(row) for row in screen.query_one(Matrix).counts.cells]


def many() -> tuple[tuple[str, ...], list[Any], list[Any]]:
    """68 classes of 17 genera; the first is taken for the last once, for its neighbour twice."""
    names = tuple(f"Genus{number // 4:02d} species{number}" for number in range(68))
    truth = [[(10, 10, 60, 60, number)] for number in range(68) for _ in range(3)]
    found = [[(10, 10, 60, 60, row[0][4], 0.9)] for row in truth]
    for image, label in ((0, 67), (1, 1), (2, 1)):
        found[image] = [(10, 10, 60, 60, label, 0.8)]
    return names, truth, found
