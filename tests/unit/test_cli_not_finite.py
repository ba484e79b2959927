"""What is no number is counted by kind, and never read as missing."""

from __future__ import annotations

import math

import pytest

from core.cli.metric_tables import odd_line, shown
from core.humanise import MISSING, not_finite, number


def test_kinds_are_counted_apart() -> None:
    rows = [
        {"t": 1.0, "val/loss": math.nan},
        {"val/loss": math.inf, "train/loss": -math.inf},
        {"val/loss": 1.0},
    ]
    assert odd_line(rows) == ["not finite: val/loss 1 NaN, 1 ∞; train/loss 1 -∞"]
    assert odd_line([{"val/loss": 1.0}]) == []
    assert not_finite(0, 2, 0) == "2 ∞"


@pytest.mark.parametrize("name", ["time/epoch", "images/s", "val/loss", "lr", "val/accuracy"])
def test_no_kind_of_metric_hides_one(name: str) -> None:
    assert number(name, math.nan) == "NaN"
    assert number(name, -math.inf) == "-∞"
    assert number(name, None) == MISSING


def test_only_no_objects_is_no_precision() -> None:
    assert shown("val/map", -1.0) == MISSING
    assert shown("val/map", -math.inf) == "-∞"
