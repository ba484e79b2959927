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
    "ten times too large": ([[200, 200, 400, 400], [1000, 900, 600, 600], [100, 1, 50, 5]], "scaled"),
    "one that is far too large": ([[2000, 20, 40, 40], *[[20, 20, 60, 60]] * 3], ""),
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
        "scaled": ("reach far outside their image",),
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


@pytest.mark.parametrize(
    ("boxes", "kind"),
    [
        ([[20, 150, 40, 40], [10, 5, 20, 180], [90, 100, 9, 60]], "yxhw"),
        ([[20, 60, 95, 199], [10, 105, 20, 180], [70, 100, 99, 160]], "yxyx"),
        ([[150, 20, 40, 40], [5, 10, 180, 20], [100, 90, 60, 9]], ""),
    ],
    ids=["y before x", "y before x, corners", "x before y"],
)
def test_x_and_y_in_turn(boxes: list[list[float]], kind: str) -> None:
    """In images of 200 x 100."""
    doubt = doubt_of(np.array(boxes, float), np.array([[200, 100]] * len(boxes), float))
    assert (doubt.kind if doubt else "") == kind


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda x, y, w, h: [x, y, w, h], False),
        (lambda x, y, w, h: [x / 10, y / 10, w / 10, h / 10], True),
        (lambda x, y, w, h: [160 - x, y, w, h], True),
    ],
    ids=["as they are", "ten times too small", "mirrored"],
)
def test_results_that_touch_no_object(images: Path, change: Any, told: bool) -> None:
    """What boxes inside their images may be is told only by the objects there."""
    objects = [[5.0 + 3 * n, 60.0 + 4 * n, 30.0, 30.0] for n in range(12)]
    (images / "annotations.json").write_text(json.dumps(truth(objects)))
    results = [
        {"image_id": 1 + n % 2, "category_id": 1, "bbox": change(*four), "score": 0.9}
        for n, four in enumerate(objects, 1)
    ]
    (images / "results.json").write_text(json.dumps(results))
    (images / "configs").mkdir()
    files = images / "annotations.json", images / "results.json"
    made = import_predictions(Workspace(images), *files, images)
    assert any("its boxes touch 0 of 12 objects" in note for note in made.notes) is told
