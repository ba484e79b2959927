"""Values of damaged or foreign JSON: each is what it should be, or nothing."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from core.store.json_values import (
    integer_of,
    mapping_of,
    mappings_in,
    metric_of,
    number_of,
    stored_metric,
    text_of,
    text_or_none,
    texts_in,
)

ODD: tuple[Any, ...] = (
    None,
    True,
    False,
    7,
    -3,
    2.5,
    math.nan,
    math.inf,
    "",
    "a\x1b[2J",
    [],
    ["a", 1],
    {},
    {"a": 1},
)


@pytest.mark.parametrize("value", ODD, ids=range(len(ODD)))
def test_odd_values_become_nothing(value: Any) -> None:
    number = type(value) in (int, float) and math.isfinite(value)
    assert number_of(value) == (float(value) if number else None)
    assert integer_of(value) == (value if type(value) is int else None)
    assert integer_of(value, 0) == (value if type(value) is int and value >= 0 else None)
    assert mapping_of(value) == (value if isinstance(value, dict) else {})
    assert text_or_none(value) == (text_of(value) if isinstance(value, str) else None)
    assert text_of(value) == {"a\x1b[2J": "a␛[2J"}.get(value if isinstance(value, str) else "", "")


def test_lists_keep_what_fits() -> None:
    items = ["ab", 3, None, {"n": 1}, ["c"], "d\x00", True]
    assert texts_in(items, 1) == ("a", "d")
    assert mappings_in(items) == [{"n": 1}]
    assert texts_in({"a": 1}) == ()
    assert mappings_in("text") == []
    assert text_of("a\nb", newlines=True) == "a\nb"
    assert text_of("a\nb", 1) == "a"


@pytest.mark.parametrize("value", [0.5, -1e300, float("nan"), float("inf"), float("-inf")])
def test_a_metric_comes_back_from_its_file(value: float) -> None:
    stored = json.loads(json.dumps(stored_metric(value), allow_nan=False))
    read = metric_of(stored)
    assert read is not None
    assert read == value or (math.isnan(read) and math.isnan(value))


@pytest.mark.parametrize("odd", [None, "nan", "inf", "1.5", [], {}, 10**300])
def test_what_is_no_metric(odd: object) -> None:
    assert metric_of(odd) is None
