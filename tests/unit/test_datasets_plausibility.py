"""Boxes that may mean something else: one answer for a data set and for predictions that are imported."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from core.analysis.import_predictions import import_predictions
from core.config.schema import DataConfig
from core.config.workspace import Workspace
from core.datasets.check import check_dataset
from core.datasets.plausibility import doubt_of

SIDE = 200
WHOLE = [[20, 20, 40, 40], [100, 90, 60, 60], [0, 0, 200, 200]]
CASES: dict[str, tuple[list[list[float]], str]] = {
    "as they should be": (WHOLE, ""),
    "fractions": ([[0.1, 0.1, 0.2, 0.2]] * 4, "fractions"),
    "one box in fractions": ([[0.5, 0.5, 0.25, 0.3]], "fractions"),
    "fractions that reach out": ([[0.9, 0.2, 1.2, 0.4], [0.1, 0.1, 0.2, 0.2]], "fractions"),
    "fractions that end beyond one": ([[0.9, 0.8, 0.9, 0.9]] * 3, "fractions"),
    "small objects": ([[0, 0, 2, 2], [1, 1, 1, 1], [0, 1, 1, 1]], ""),
    "corners": ([[150, 150, 190, 190], [100, 100, 160, 160], [20, 20, 60, 60]], "xyxy"),
    "corners, few of which show it": ([[150, 150, 190, 190], *[[20, 20, 60, 60]] * 4], "xyxy"),
    "too few of which show it": ([[150, 150, 190, 190], *[[20, 20, 60, 60]] * 5], ""),
    "centres": ([[190, 190, 20, 20], [150, 150, 100, 100], [100, 100, 30, 60]], "cxcywh"),
    "two boxes, which say nothing": ([[150, 150, 190, 190], [100, 100, 160, 160]], ""),
    "one that is neither": ([[150, 150, 60, 190], *[[20, 20, 60, 60]] * 3], ""),
    "by a pixel": ([[150, 150, 51, 51]] * 4, ""),
}


def truth(boxes: list[list[float]]) -> dict[str, Any]:
    images = [{"id": n, "file_name": f"{n}.png", "width": SIDE, "height": SIDE} for n in (1, 2)]
    annotations = [
        {"id": n, "image_id": 1 + n % 2, "category_id": 1 + n % 2, "bbox": four}
        for n, four in enumerate(boxes, 1)
    ]
    categories = [{"id": 1, "name": "A"}, {"id": 2, "name": "B"}]
    return {"images": images, "categories": categories, "annotations": annotations}


@pytest.fixture
def images(tmp_path: Path) -> Path:
    for number in (1, 2):
        Image.new("RGB", (SIDE, SIDE), (number, 0, 0)).save(tmp_path / f"{number}.png")
    return tmp_path


def kind_in(notes: str) -> str:
    """What sentences say that boxes may be."""
    words = {
        "fractions": ("may be fractions", "look like fractions"),
        "xyxy": ("may be xyxy", "none would as x1, y1, x2, y2"),
        "cxcywh": ("may be cxcywh", "none would as centre x, centre y, width, height"),
    }
    kinds = [kind for kind, sentences in words.items() if any(each in notes for each in sentences)]
    assert len(kinds) < 2
    return kinds[0] if kinds else ""


@pytest.mark.parametrize("name", list(CASES))
def test_all_doors_give_the_same_answer(images: Path, name: str) -> None:
    boxes, kind = CASES[name]
    (images / "annotations.json").write_text(json.dumps(truth(boxes)))
    check = check_dataset(DataConfig(root=images))
    assert kind_in(" ".join(item.text for item in check.warnings)) == kind

    # As predictions on whole annotations, and as annotations of predictions.
    for number, (given, results) in enumerate(((WHOLE, boxes), (boxes, WHOLE))):
        workspace = Workspace(images / f"workspace{number}")
        workspace.configs.mkdir(parents=True)
        (images / "gt.json").write_text(json.dumps(truth(given)))  # type: ignore[arg-type]
        found = [{**item, "score": 0.5} for item in truth(results)["annotations"]]  # type: ignore[arg-type]
        (images / "dt.json").write_text(json.dumps(found))
        made = import_predictions(workspace, images / "gt.json", images / "dt.json", images)
        assert kind_in(" ".join(made.notes)) == kind


def test_no_boxes_are_no_doubt() -> None:
    assert doubt_of(np.zeros((0, 4)), np.zeros((0, 2))) is None


def test_boxes_of_images_of_one_pixel_are_no_fractions() -> None:
    assert doubt_of(np.array([[0.0, 0.0, 1.0, 1.0]]), np.array([[1, 1]])) is None
