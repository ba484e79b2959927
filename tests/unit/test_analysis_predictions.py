"""Predictions files as readers get them: both kinds, and nothing from a damaged or newer one."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.analysis.predictions import BoxPredictions, ClassPredictions, read_predictions
from core.errors import DataError

COMMON: dict[str, Any] = {
    "format": np.array(1),
    "checkpoint": np.array("a01-e0005"),
    "sha256": np.array("ab" * 32),
    "root": np.array("/data/set"),
    "paths": np.array(["a.png", "b/ü.png"]),
    "class_names": np.array(["cat", "dog\x1b[31m", "owl"]),
}
BOXES: dict[str, Any] = {
    **COMMON,
    "image_offsets": np.array([0, 2, 3]),
    "boxes": np.array([[0, 0, 10, 10], [1, 2, 3, 4], [5, 5, 9, 9]], np.float32),
    "scores": np.array([0.9, 0.5, 0.25], np.float32),
    "labels": np.array([2, 0, 1]),
    "sizes": np.array([[20, 10], [30, 40]], np.int32),
    "score_floor": np.array(0.05),
    "nms_iou": np.array(0.5),
    "max_det": np.array(100),
    "category_ids": np.array([1, 5, 9]),
}
TRUTH: dict[str, Any] = {
    "gt_offsets": np.array([0, 0, 2]),
    "gt_boxes": np.array([[5, 5, 9, 9], [0, 0, 30, 40]], np.float32),
    "gt_labels": np.array([1, 1]),
    "gt_crowd": np.array([False, True]),
    "gt_difficult": np.array([True, False]),
    "gt_area": np.array([12.5, 1200], np.float32),
    "gt_source": np.array([7, 0]),
    "ignore_difficult": np.array(True),
    "image_ids": np.array(["11", "12"]),
}
CLASSES: dict[str, Any] = {
    **COMMON,
    "labels": np.array([0, 2]),
    "probabilities": np.array([[0.5, 0.25, 0.25], [0, 0, 1]], np.float32),
}


def saved(path: Path, arrays: dict[str, Any]) -> Path:
    np.savez_compressed(path, **arrays)
    return path


def test_boxes(tmp_path: Path) -> None:
    read = read_predictions(saved(tmp_path / "p.npz", BOXES | TRUTH))
    assert isinstance(read, BoxPredictions)
    assert read.origin.paths == ("a.png", "b/ü.png")
    assert read.origin.root == Path("/data/set")
    assert (read.origin.checkpoint, read.origin.sha256) == ("a01-e0005", "ab" * 32)
    assert "\x1b" not in read.origin.class_names[1]
    assert read.found.images == 2
    assert read.found.offsets.tolist() == [0, 2, 3]
    assert read.found.boxes.tolist() == BOXES["boxes"].tolist()
    assert read.found.classes.tolist() == [2, 0, 1]
    assert read.found.scores.tolist() == [float(np.float32(s)) for s in (0.9, 0.5, 0.25)]
    assert read.objects is not None
    assert read.objects.images == 2
    assert read.objects.crowd.tolist() == [False, True]
    assert read.objects.ignore.tolist() == [True, False]
    assert read.objects.area.tolist() == [12.5, 1200]
    assert read.difficult.tolist() == [True, False]
    assert read.source.tolist() == [7, 0]
    assert read.sizes.tolist() == [[20, 10], [30, 40]]
    assert (read.image_ids, read.category_ids) == (("11", "12"), (1, 5, 9))
    assert (read.score_floor, read.nms_iou, read.max_det) == (0.05, 0.5, 100)


def test_difficult_objects_that_count(tmp_path: Path) -> None:
    arrays = {**BOXES, **TRUTH, "ignore_difficult": np.array(False)}
    read = read_predictions(saved(tmp_path / "p.npz", arrays))
    assert isinstance(read, BoxPredictions)
    assert read.objects is not None
    assert read.objects.ignore.tolist() == [False, False]
    assert read.difficult.tolist() == [True, False]


def test_boxes_of_new_images(tmp_path: Path) -> None:
    read = read_predictions(saved(tmp_path / "p.npz", BOXES))
    assert isinstance(read, BoxPredictions)
    assert read.objects is None
    assert read.image_ids == ()
    assert len(read.difficult) == len(read.source) == 0


def test_nothing_found_anywhere(tmp_path: Path) -> None:
    nothing = {
        "image_offsets": np.zeros(3, np.int64),
        "boxes": np.zeros((0, 4), np.float32),
        "scores": np.zeros(0, np.float32),
        "labels": np.zeros(0, np.int64),
    }
    read = read_predictions(saved(tmp_path / "p.npz", BOXES | TRUTH | nothing))
    assert isinstance(read, BoxPredictions)
    assert read.found.images == 2
    assert read.found.boxes.shape == (0, 4)


def test_classes(tmp_path: Path) -> None:
    more = {"tta_probabilities": CLASSES["probabilities"][::-1]}
    read = read_predictions(saved(tmp_path / "p.npz", CLASSES | more))
    assert isinstance(read, ClassPredictions)
    assert read.labels is not None
    assert read.labels.tolist() == [0, 2]
    assert read.probabilities is not None
    assert read.probabilities[1].tolist() == [0, 0, 1]
    assert read.top_classes is None
    assert read.tta["probabilities"][0].tolist() == [0, 0, 1]


def test_only_the_likeliest_classes_and_no_labels(tmp_path: Path) -> None:
    arrays = {
        **COMMON,
        "top_probabilities": np.array([[0.5, 0.25], [1, 0]], np.float32),
        "top_classes": np.array([[0, 1], [2, 0]], np.int32),
    }
    del arrays["format"]
    read = read_predictions(saved(tmp_path / "p.npz", arrays))
    assert isinstance(read, ClassPredictions)
    assert read.labels is None
    assert read.probabilities is None
    assert read.top_classes is not None
    assert read.top_classes.tolist() == [[0, 1], [2, 0]]


@pytest.mark.parametrize(
    "change",
    [
        {"image_offsets": np.array([0, 2, 4])},
        {"image_offsets": np.array([0, 3, 2])},
        {"image_offsets": np.array([1, 2, 3])},
        {"image_offsets": np.array([0, 1, 2, 3])},
        {"boxes": BOXES["boxes"][:2]},
        {"boxes": np.full((3, 4), np.nan, np.float32)},
        {"labels": np.array([2, 0, 3])},
        {"labels": np.array([-1, 0, 1])},
        {"scores": np.array([0.5, 0.5])},
        {"sizes": BOXES["sizes"][:1]},
        {"gt_labels": np.array([1, 5])},
        {"gt_area": np.array([1.0])},
        {"gt_offsets": np.array([0, 2])},
        {"paths": np.array(["a.png"])},
    ],
)
def test_arrays_that_do_not_fit(tmp_path: Path, change: dict[str, Any]) -> None:
    path = saved(tmp_path / "p.npz", {**BOXES, **TRUTH, **change})
    with pytest.raises(DataError, match=r"p\.npz cannot be read"):
        read_predictions(path)


@pytest.mark.parametrize(
    "change",
    [
        {"probabilities": np.zeros((2, 4))},
        {"labels": np.array([0, 3])},
        {"labels": np.array([0])},
        {"probabilities": np.array([object()])},
    ],
)
def test_probabilities_that_do_not_fit(tmp_path: Path, change: dict[str, Any]) -> None:
    path = saved(tmp_path / "p.npz", {**CLASSES, **change})
    with pytest.raises(DataError, match=r"p\.npz cannot be read"):
        read_predictions(path)


@pytest.mark.parametrize("missing", ["boxes", "paths", "score_floor", "gt_crowd", "root"])
def test_arrays_that_are_missing(tmp_path: Path, missing: str) -> None:
    arrays = BOXES | TRUTH
    del arrays[missing]
    with pytest.raises(DataError, match="measure the checkpoint again"):
        read_predictions(saved(tmp_path / "p.npz", arrays))


def test_no_pickle_is_opened(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> Any:
            return Path.touch, (tmp_path / "exploded",)

    path = tmp_path / "p.npz"
    np.savez(path, **{**COMMON, "probabilities": np.array([Bomb()], dtype=object)}, allow_pickle=True)
    with pytest.raises(DataError, match=r"p\.npz cannot be read"):
        read_predictions(path)
    assert not (tmp_path / "exploded").exists()


def test_files_that_are_none(tmp_path: Path) -> None:
    path = tmp_path / "p.npz"
    with pytest.raises(DataError, match=r"p\.npz is missing"):
        read_predictions(path)
    whole = saved(path, BOXES | TRUTH).read_bytes()
    random = np.random.default_rng(0)
    for length in random.integers(0, len(whole), 40).tolist():
        path.write_bytes(whole[:length])
        with pytest.raises(DataError):
            read_predictions(path)
    path.write_bytes(b"\x93NUMPY")
    with pytest.raises(DataError):
        read_predictions(path)


def test_bytes_turned_over_are_an_error_or_harmless(tmp_path: Path) -> None:
    path = tmp_path / "p.npz"
    whole = bytearray(saved(path, BOXES | TRUTH).read_bytes())
    random = np.random.default_rng(1)
    for place in random.integers(0, len(whole), 200).tolist():
        damaged = bytearray(whole)
        damaged[place] ^= 0xFF
        path.write_bytes(damaged)
        with contextlib.suppress(DataError):
            assert isinstance(read_predictions(path), BoxPredictions)


def test_newer_formats_are_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "p.npz", {**BOXES, "format": np.array(2)})
    with pytest.raises(DataError, match=r"p\.npz was written by a newer labtui: update labtui"):
        read_predictions(path)
