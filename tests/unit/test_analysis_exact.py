"""Scores and boxes as they were written: a score of exactly the threshold counts, in whatever precision."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from core.analysis.boxes import Detections, detections, objects
from core.analysis.compare import compare
from core.analysis.errors import Errors, open_errors
from core.analysis.import_predictions import import_predictions
from core.analysis.prediction_files import prediction_sets
from core.analysis.predictions import BoxPredictions
from core.cli.error_document import case_documents
from core.cli.main import main
from core.config.workspace import Workspace

FINE = [[10.1, 20.7, 33.3, 0.1 + 0.2], [1234.567891, 7 / 3, 1e-3, 99.999999], [0.1, 0.2, 100 / 7, 3.3]]
SCORES = [0.7, 0.30000000000000004, 1 / 3]


def scored(error_files: ModuleType, scores: list[float], kind: type[np.floating[Any]]) -> Errors:
    there, found = error_files.example()
    stored = np.array(scores, kind)
    exact = Detections(
        found.offsets, found.boxes, found.classes, stored.astype(np.float64), stored.dtype == np.float32
    )
    made: Errors = error_files.boxed(there, exact)
    return made


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("score", [0.7, 0.1, 0.3, 0.35, 0.9])
def test_a_score_of_the_threshold_counts(
    error_files: ModuleType, kind: type[np.floating[Any]], score: float
) -> None:
    below = float(np.nextafter(kind(score), kind(0)))
    errors = scored(error_files, [score, below, score, below, score, below, score, below], kind)
    view = errors.at(score)
    kept = [0, 2, 4, 6]
    assert np.flatnonzero(view.matching.outcome).tolist() == kept
    assert view.counts((score,)).boxes.sum() == view.counts().boxes.sum() == len(kept)
    assert view.pr_curve().at == len(kept) - 1
    suppressed = errors.at(score, agnostic_nms=1.0)
    assert (suppressed.matching.outcome > 0).sum() == len(kept)
    written = {case["score"] for case in case_documents(view, view.cases(None, None)) if case["score"]}
    assert written == {score}


def test_a_probability_of_the_threshold_counts(error_files: ModuleType) -> None:
    errors = error_files.classified([0, 0], [[0.7, 0.2, 0.1], [0.69, 0.21, 0.1]])
    view = errors.at(0.7)
    assert (view.kinds["correct"], view.kinds["missed"]) == (1, 1)
    assert view.pr_curve(0).at == 0


def test_images_in_another_order_keep_their_precision(error_files: ModuleType) -> None:
    boxes, labels = [[[0, 0, 9, 9]], [[0, 0, 9, 9]]], [[0], [0]]
    found = replace(detections(boxes, labels, [[np.float32(0.7)], [np.float32(0.7)]]), single=True)
    first = error_files.boxed(objects(boxes, labels), found)
    assert isinstance(first.source, BoxPredictions)
    turned = replace(first.source, origin=replace(first.source.origin, paths=("1.png", "0.png")))
    assert compare(first, Errors(turned), score=0.7).counts["both_right"] == 2


def test_imported_numbers_are_those_of_the_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    truth = {
        "images": [{"id": 1, "file_name": "a.png", "width": 2000, "height": 2000}],
        "categories": [{"id": 1, "name": "A"}],
        "annotations": [
            {"id": 5 + row, "image_id": 1, "category_id": 1, "bbox": box} for row, box in enumerate(FINE)
        ],
    }
    results = [
        {"image_id": 1, "category_id": 1, "bbox": box, "score": score}
        for box, score in zip(FINE, SCORES, strict=True)
    ]
    (tmp_path / "configs").mkdir()
    for name, content in (("gt.json", truth), ("dt.json", results)):
        (tmp_path / name).write_text(json.dumps(content))
    files = tmp_path / "gt.json", tmp_path / "dt.json"
    run = import_predictions(Workspace(tmp_path), *files, tmp_path).run
    errors = open_errors(prediction_sets(run)[0].file)
    corners = [[x, y, x + width, y + height] for x, y, width, height in FINE]
    assert errors.scene.found.boxes.tolist() == errors.scene.objects.boxes.tolist() == corners
    assert errors.scene.found.scores.tolist() == SCORES
    assert not errors.scene.found.single
    assert errors.at(0.7).kinds["correct"] == 1
    assert main(["predictions", "--workspace", str(tmp_path), "export", run.id]) == 0
    assert json.loads(capsys.readouterr().out) == [
        {**item, "bbox": pytest.approx(item["bbox"], abs=1e-6)} for item in results
    ]
