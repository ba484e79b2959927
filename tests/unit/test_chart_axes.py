"""Ranges that hold still, ticks that read well."""

from __future__ import annotations

import itertools

import pytest

from tui.chart.axes import (
    LABEL_WIDTH,
    Sticky,
    linear_ticks,
    log_ticks,
    nice_step,
    padded,
    tick_label,
    time_ticks,
)


def test_x_grows_rarely_and_by_a_quarter() -> None:
    sticky = Sticky()
    ranges = [sticky.x_range(1, epoch, live=True, whole=True) for epoch in range(1, 101)]
    assert all(bounds[1] >= epoch for epoch, bounds in enumerate(ranges, 1))
    distinct = [key for key, _ in itertools.groupby(ranges)]
    assert len(distinct) < 16
    assert all(bounds[0] == 1 and bounds[1] == int(bounds[1]) for bounds in distinct)


def test_x_is_exact_when_the_run_has_ended() -> None:
    sticky = Sticky()
    sticky.x_range(1, 5, live=True, whole=True)
    assert sticky.x_range(1, 13, live=False, whole=True) == (1, 13)
    assert sticky.x_range(1, 1, live=False, whole=True) == (1, 2)


def test_y_moves_only_when_exceeded() -> None:
    sticky = Sticky()
    first = sticky.y_range(0.4, 0.6, live=True, floor=0, ceiling=1)
    assert sticky.y_range(0.45, 0.55, live=True, floor=0, ceiling=1) == first
    second = sticky.y_range(0.4, 0.9, live=True, floor=0, ceiling=1)
    assert second[0] <= first[0]
    assert second[1] >= 0.9


@pytest.mark.parametrize("value", [1.0, 0.0, 0.7, 1e-9, 3e12])
def test_a_flat_series_gets_room_but_never_beyond_its_bounds(value: float) -> None:
    ceiling = 1.0 if value <= 1 else None
    low, high = padded(value, value, 0.0, ceiling)
    assert 0 <= low < high
    assert low <= value <= high
    assert ceiling is None or high <= 1.0


@pytest.mark.parametrize(
    "bounds", [(0.0, 1.0), (0.4, 0.8), (0.123, 0.124), (-3.0, 9.0), (0, 3e-8), (1, 5e12)]
)
def test_ticks_are_round_inside_and_few(bounds: tuple[float, float]) -> None:
    ticks = linear_ticks(bounds, 5)
    assert 2 <= len(ticks) <= 7
    slack = 1e-9 * (bounds[1] - bounds[0])
    assert all(bounds[0] - slack <= value <= bounds[1] + slack for value, _ in ticks)
    labels = [label for _, label in ticks]
    assert len(set(labels)) == len(labels)
    assert all(len(label) <= LABEL_WIDTH for label in labels)


@pytest.mark.parametrize("last", [2, 3, 5, 13, 60, 1000, 100_000])
def test_epoch_ticks_are_whole_numbers(last: int) -> None:
    ticks = linear_ticks((1, last), 6, whole=True)
    assert ticks
    assert all(value == int(value) for value, _ in ticks)
    assert all("." not in label or label.endswith("k") for _, label in ticks)


def test_log_ticks_are_decades_or_their_parts() -> None:
    assert [label for _, label in log_ticks((-3, 1), 6)] == ["0.001", "0.01", "0.1", "1", "10"]
    assert [label for _, label in log_ticks((-0.5, 0.5), 6)] == ["0.5", "1", "2"]
    narrow = log_ticks((-0.25, -0.2), 4)
    assert len(narrow) >= 2
    assert all(-0.25 <= value <= -0.2 for value, _ in narrow)


def test_time_ticks_speak_of_time() -> None:
    assert [label for _, label in time_ticks((0, 40), 5)] == ["0 s", "10 s", "20 s", "30 s", "40 s"]
    assert "1 h" in [label for _, label in time_ticks((0, 7300), 5)]
    assert time_ticks((0, 90 * 86400), 5)


@pytest.mark.parametrize(
    ("value", "step", "text"),
    [
        (0, 1, "0"),
        (0.5, 0.25, "0.5"),
        (0.25, 0.05, "0.25"),
        (12, 2, "12"),
        (20000, 5000, "20k"),
        (3e-8, 1e-8, "3e-8"),
        (3e12, 1e12, "3e12"),
        (-0.5, 0.5, "-0.5"),
    ],
)
def test_tick_labels(value: float, step: float, text: str) -> None:
    assert tick_label(value, step) == text


@pytest.mark.parametrize("span", [1e-12, 0.07, 1, 13, 9e15, 0, float("inf"), float("nan")])
def test_steps_are_one_two_or_five(span: float) -> None:
    step = nice_step(span, 5)
    assert f"{step:.0e}"[0] in "125"


def test_learning_rates_have_short_labels_that_differ() -> None:
    assert [label for _, label in linear_ticks((0.0, 2e-4), 5)] == ["0", "5e-5", "1e-4", "1.5e-4", "2e-4"]
    assert [label for _, label in linear_ticks((0.0, 0.02), 5)][1] == "0.005"
    assert [label for _, label in log_ticks((-5, -2), 5)] == ["1e-5", "0.0001", "0.001", "0.01"]
