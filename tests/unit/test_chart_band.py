"""Curves over seeds: what the mean is of, and that no extreme is lost."""

from __future__ import annotations

import numpy as np
import pytest

from tui.chart.axes import LABEL_WIDTH, Sticky
from tui.chart.compose import SERIES_STYLE, ChartPicture, compose
from tui.chart.view_state import ViewState
from tui.chart.views import band_chart
from tui.read.bands import Band, band


def rows(values: list[float], first: int = 1, seconds: float = 60.0) -> list[dict[str, float]]:
    return [
        {"epoch": epoch, "step": epoch * 10, "time/epoch": seconds, "val/x": value}
        for epoch, value in enumerate(values, first)
    ]


def drawn(bands: dict[str, Band | None], view: ViewState | None = None) -> ChartPicture:
    there = {name: made for name, made in bands.items() if made is not None}
    data = band_chart(there, {}, "val/x", bounded=False, empty="none")
    return compose(data, view or ViewState(), Sticky(), 60, 14)


def dots(picture: ChartPicture) -> np.ndarray:
    """Cells with dots of a line or its band."""
    return np.vectorize(lambda sign: "⠀" < sign <= "⣿")(picture.chars)


def test_mean_lowest_and_highest_at_the_epochs_that_all_have() -> None:
    made = band([rows([1, 2, 3, 9]), rows([3, 6, 5], seconds=30.0)], "val/x", 4)
    assert made is not None
    assert made.runs == 2
    assert made.mean.y.tolist() == [2, 4, 4]
    assert made.low.y.tolist() == [1, 2, 3]
    assert made.high.y.tolist() == [3, 6, 5]
    assert made.mean.x("time").tolist() == [45, 90, 135]


def test_epochs_beyond_the_study_s_last_are_left_out() -> None:
    made = band([rows([1, 2, 3])], "val/x", 2)
    assert made is not None
    assert made.mean.y.tolist() == [1, 2]


@pytest.mark.parametrize("histories", [[], [[]], [rows([1.0], first=1), rows([1.0], first=5)]])
def test_without_a_common_epoch_there_is_none(histories: list[list[dict[str, float]]]) -> None:
    assert band(histories, "val/x", 9) is None


@pytest.mark.parametrize(("place", "value"), [(3, 30.0), (16, -25.0), (11, 28.0)])
def test_one_seed_s_extreme_is_on_the_chart(place: int, value: float) -> None:
    """One of three seeds has a spike: the band reaches it, whichever pixel column it falls on."""
    calm = [1.0 + 0.01 * epoch for epoch in range(20)]
    spiked = [*calm[:place], value, *calm[place + 1 :]]
    picture = drawn({"a": band([rows(calm), rows(calm), rows(spiked)], "val/x", 20)})
    labels = {row: "".join(line[:LABEL_WIDTH]).strip() for row, line in enumerate(picture.chars)}
    places = {float(text): row for row, text in labels.items() if text}
    scale = np.polyfit(list(places), list(places.values()), 1)
    inked = np.flatnonzero(dots(picture).any(axis=1))
    reached = inked[0] if value > 0 else inked[-1]
    assert abs(np.polyval(scale, value) - reached) < 1, "\n".join(map("".join, picture.chars))


def test_a_band_has_the_colour_of_its_line_and_says_what_it_is() -> None:
    picture = drawn({"a": band([rows([1, 2, 3]), rows([2, 4, 6])], "val/x", 3)})
    assert set(picture.styles[dots(picture)].tolist()) == {SERIES_STYLE}
    assert "".join(text for text, _ in picture.title).startswith("val/x, mean and range over seeds")
    assert "a (2 seeds)" in "".join(text for text, _ in picture.legend)


def test_one_seed_is_a_line_without_a_band() -> None:
    picture = drawn({"a": band([rows([1, 2, 3])], "val/x", 3)})
    assert "range" not in "".join(text for text, _ in picture.title)
    assert "a (1 seed)" in "".join(text for text, _ in picture.legend)


def test_a_value_that_is_not_finite_is_told() -> None:
    picture = drawn({"a": band([rows([1, float("nan"), 3]), rows([2, 4, 6])], "val/x", 3)})
    assert "1 NaN" in "".join(text for text, _ in picture.title)


def test_smoothing_leaves_the_band_where_single_runs_reach() -> None:
    saw = [1.0, 9.0] * 8
    made = {"a": band([rows(saw), rows([5.0] * 16)], "val/x", 16)}
    plain = drawn(made)
    # Away from the mean, which smoothing changes and whose own course stays in sight, the edges are the same.
    changed = dots(drawn(made, ViewState(smoothing=0.9)))
    assert changed.any(axis=1).tolist() == dots(plain).any(axis=1).tolist()
