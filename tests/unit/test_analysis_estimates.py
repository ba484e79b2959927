"""Intervals over images of one model: what they hold, what they leave out, and what is stored of them."""

from __future__ import annotations

import math
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from core.analysis.bootstrap import drawn_ap, draws, mean_over_classes, ranked
from core.analysis.estimates import _areas, estimates
from core.cli.estimate_lines import estimate_lines
from core.store.estimates import Estimate, Estimates, estimates_path, read_estimates, write_estimates
from core.store.paths import RunPaths


def test_numbers_by_hand(error_files: ModuleType) -> None:
    labels = [0, 0, 0, 1, 1, 2]
    table = np.array(
        [[0.8, 0.1, 0.1], [0.6, 0.2, 0.2], [0.2, 0.7, 0.1], [0.1, 0.8, 0.1], [0.3, 0.5, 0.2], [0.5, 0.2, 0.3]]
    )
    found = estimates(error_files.classified(labels, table, train=[2, 6, 2]))
    assert found is not None
    values = {name: item.value for name, item in found.metrics.items()}
    assert values["accuracy"] == pytest.approx(4 / 6)
    assert values["accuracy_macro"] == pytest.approx((2 / 3 + 1 + 0) / 3)
    # Class 0: 2 right of 3 named and 3 there; class 1: 2 of 3 named, 2 there; class 2 is never named.
    assert values["f1_macro"] == pytest.approx((2 / 3 + 4 / 5 + 0) / 3)
    assert values["log_loss"] == pytest.approx(-np.log([0.8, 0.6, 0.2, 0.8, 0.5, 0.3]).mean(), rel=1e-6)
    base = {name: item.baseline for name, item in found.metrics.items()}
    assert base["accuracy"] == pytest.approx(2 / 6)
    assert base["accuracy_macro"] == pytest.approx(1 / 3)
    assert base["f1_macro"] == pytest.approx(2 * (2 / 6) / (8 / 6) / 3)
    assert base["roc_auc"] == 0.5
    assert base["pr_auc"] == pytest.approx((3 + 2 + 1) / 6 / 3)
    assert base["log_loss"] == pytest.approx(-(4 / 6 * math.log(0.2) + 2 / 6 * math.log(0.6)))


def test_areas_by_hand() -> None:
    right = np.array([True, False, True, False])
    assert _areas(np.array([0.9, 0.8, 0.7, 0.1]), right) == pytest.approx((0.75, (1 + 2 / 3) / 2))
    # Without any order among the scores: chance.
    assert _areas(np.full(4, 0.5), right) == pytest.approx((0.5, 0.5))


@pytest.mark.parametrize(("right", "images"), [(0.5, 100), (0.9, 400)])
def test_accuracy_is_covered(right: float, images: int, error_files: ModuleType) -> None:
    random, inside, widths = np.random.default_rng(1), 0, []
    for _ in range(60):
        labels = random.integers(0, 3, images)
        guess = np.where(random.random(images) < right, labels, (labels + 1) % 3)
        found = estimates(error_files.classified(labels, np.eye(3)[guess]))
        assert found is not None
        item = found.metrics["accuracy"]
        assert item.low is not None
        assert item.high is not None
        inside += item.low <= right <= item.high
        widths.append(item.high - item.low)
    assert inside >= 52
    assert np.mean(widths) == pytest.approx(2 * 1.96 * math.sqrt(right * (1 - right) / images), rel=0.1)


def test_bootstrapped_ap_is_not_believed_as_it_is(error_files: ModuleType) -> None:
    """The mean of bootstrapped mAP lies above mAP itself: the interval is set back from plain percentiles."""
    there, boxes = error_files.crowded(4, images=240, classes=3)
    found = estimates(error_files.boxed(there, boxes))
    assert found is not None
    scene = error_files.boxed(there, boxes).scene
    drawn = mean_over_classes(drawn_ap(ranked(scene), draws(240, len(boxes.scores), 0)).mean(axis=2))
    plain = np.quantile(drawn[1:], (0.025, 0.975))
    assert drawn[1:].mean() > drawn[0]
    bias = drawn[1:].mean() - drawn[0]
    assert found.metrics["map"].low == pytest.approx(plain[0] - bias)
    assert found.metrics["map"].high == pytest.approx(plain[1] - bias)
    assert (found.images, list(found.metrics)) == (240, ["map", "map_50"])
    for item in found.metrics.values():
        assert item.low is not None
        assert item.high is not None
        assert item.low < item.value < item.high
        assert item.baseline == 0.0
    assert estimates(error_files.boxed(there, boxes)) == found


def test_what_has_no_interval(error_files: ModuleType) -> None:
    few = estimates(error_files.classified([0, 1, 2, 0], np.eye(3)[[0, 1, 1, 0]]))
    assert few is not None
    assert (few.metrics["accuracy"].value, few.metrics["accuracy"].low) == (0.75, None)
    sure = estimates(error_files.classified([0, 1] * 5, np.eye(3)[[0, 1] * 5]))
    assert sure is not None
    assert (sure.metrics["accuracy"].value, sure.metrics["accuracy"].low) == (1.0, None)
    assert estimates(error_files.classified(None, np.eye(3))) is None
    one = estimates(error_files.classified([1] * 6, np.eye(3)[[1, 1, 1, 1, 0, 2]]))
    assert one is not None
    assert "roc_auc" not in one.metrics


def test_what_is_stored_is_read_again(tmp_path: Path) -> None:
    run = RunPaths(tmp_path)
    found = Estimates(
        50, 0.95, 1000, {"accuracy": Estimate(0.8, 0.7, 0.9, 0.1), "log_loss": Estimate(0.5841)}
    )
    write_estimates(run, "a01-e0001-val", "ab", found)
    assert read_estimates(run, "a01-e0001-val", "ab") == found
    assert read_estimates(run, "a01-e0001-val", "cd") is None
    assert read_estimates(run, "a01-e0002-val", "ab") is None
    lines = estimate_lines([("a01-e0001 val", found)])
    assert any("0.8000" in line and "0.7000 to 0.9000" in line and "0.1000" in line for line in lines)
    assert "over images" in lines[-1]
    assert "seed" in lines[-1]


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"format": 1, "sha256": "ab", "metrics": {"x": {"value": "NaN"}}}'],
    ids=["empty", "list", "nothing", "no number"],
)
def test_a_damaged_file_says_nothing(text: str, tmp_path: Path) -> None:
    path = estimates_path(RunPaths(tmp_path), "a01-e0001-val")
    path.parent.mkdir()
    path.write_text(text)
    assert read_estimates(RunPaths(tmp_path), "a01-e0001-val", "ab") is None
