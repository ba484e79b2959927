"""Series: nothing is lost between points and pixels, views stand still, smoothing passes over gaps."""

from __future__ import annotations

import numpy as np
import pytest

from tui.read.series import BLOCK, Odd, Series


def rows(y: object, start: int = 0) -> np.ndarray:
    """(4, n): epoch counts in thousands of steps, time two seconds a step."""
    values = np.asarray(y, dtype=float)
    step = np.arange(start, start + len(values), dtype=float)
    return np.stack([step / 1000, step, 2 * step, values])


def filled(y: object) -> Series:
    series = Series()
    series.extend(rows(y))
    return series


def test_few_points_are_exact() -> None:
    view = filled([3.0, 1.0, 2.0]).view()
    x, y = view.points("step", 0, 2, 100)
    assert x.tolist() == [0, 1, 2]
    assert y.tolist() == [3, 1, 2]
    assert view.x("time").tolist() == [0, 2, 4]


@pytest.mark.parametrize("at", [0, 1, BLOCK - 1, BLOCK, 123_456, 199_999])
@pytest.mark.parametrize("value", [-50.0, 50.0])
def test_a_single_spike_survives_the_pyramid(at: int, value: float) -> None:
    y = np.zeros(200_000)
    y[at] = value
    x, drawn = filled(y).view().points("step", 0, 199_999, 200)
    assert len(drawn) < 10_000
    hit = np.flatnonzero(drawn == value)
    assert len(hit) >= 1
    assert abs(x[hit[0]] - at) < BLOCK


def test_blocks_equal_the_plain_extremes() -> None:
    y = np.random.default_rng(0).normal(size=10 * BLOCK + 17)
    series = Series()
    for part in np.array_split(y, 37):
        series.extend(rows(part, len(series)))
    blocks = series.view().blocks
    cut = y[: 10 * BLOCK].reshape(10, BLOCK)
    expected = [
        cut[:, 0],
        cut[:, -1],
        cut.min(axis=1),
        cut.max(axis=1),
        np.where(cut > 0, cut, np.inf).min(axis=1),
    ]
    np.testing.assert_array_equal(blocks, expected)


def test_a_block_without_any_finite_value_breaks_the_line() -> None:
    y = np.ones(100 * BLOCK)
    y[40 * BLOCK : 43 * BLOCK] = np.nan
    _, drawn = filled(y).view().points("step", 0, len(y), 10)
    assert np.isnan(drawn).sum() == 3 * 4


def test_zoom_keeps_a_neighbour_on_either_side() -> None:
    x, _ = filled(range(100)).view().points("step", 10.5, 20.5, 100)
    assert x.tolist() == list(range(10, 22))


def test_a_narrow_window_of_a_long_series_is_exact() -> None:
    y = np.arange(1_000_000.0)
    x, drawn = filled(y).view().points("step", 500_000, 500_400, 200)
    np.testing.assert_array_equal(drawn, x)
    assert 401 <= len(x) <= 403


@pytest.mark.parametrize("count", [50, 100 * BLOCK])
def test_log_leaves_out_what_is_not_positive(count: int) -> None:
    y = np.full(count, 0.1)
    y[3], y[7] = 0.0, -1.0
    view = filled(y).view()
    _, drawn = view.points("step", 0, count, 10, log=True)
    np.testing.assert_allclose(drawn[np.isfinite(drawn)], -1.0)
    assert view.odd("step", 0, count) == Odd(not_positive=2)
    assert view.odd("step", 4, count) == Odd(not_positive=1)


def test_what_is_not_finite_is_counted_by_kind_and_window() -> None:
    view = filled([1.0, np.inf, -np.inf, np.nan, 2.0]).view()
    assert view.odd("step", 0, 4) == Odd(1, 1, 1)
    assert view.odd("time", 3, 5) == Odd(down=1)
    assert view.odd("step", 3, 3) == Odd(nan=1)
    assert view.last("step") == (4.0, 2.0)


def test_last_looks_past_a_long_gap() -> None:
    assert filled([1.0, *[np.nan] * 3 * BLOCK]).view().last("time") == (0.0, 1.0)
    assert filled([np.nan]).view().last("step") is None


def test_a_view_stands_still_while_the_series_grows() -> None:
    series = filled([1.0, 2.0])
    before = series.view()
    series.extend(rows(np.full(5000, 9.0), 2))
    assert before.y.tolist() == [1.0, 2.0]
    assert len(series.view()) == 5002


def averaged(y: list[float], weight: float) -> np.ndarray:
    """The moving average value by value, from the first on."""
    out = np.full(len(y), np.nan)
    total = norm = 0.0
    for index, value in enumerate(y):
        if np.isfinite(value):
            total, norm = weight * total + value, weight * norm + 1
            out[index] = total / norm
    return out


def test_smoothing_is_the_unbiased_moving_average() -> None:
    x, out = filled([4.0, 0.0, np.nan, 8.0]).view().smoothed("step", 0, 3, 40, 0.5)
    assert x.tolist() == [0, 1, 2, 3]
    assert out[0] == pytest.approx(4.0)
    assert out[1] == pytest.approx((0.5 * 4) / (1 + 0.5))
    assert np.isnan(out[2])
    assert out[3] == pytest.approx((8 + 0.25 * 4) / (1 + 0.5 + 0.25))


@pytest.mark.parametrize("weight", [0.6, 0.9, 0.97])
@pytest.mark.parametrize("count", [30, 5000, 60_000])
def test_what_is_smoothed_is_the_same_in_every_window(count: int, weight: float) -> None:
    values = np.random.default_rng(count).normal(1.0, 0.5, count)
    values[count // 3] = np.nan
    values[count // 2] = np.inf
    view = filled(values.tolist()).view()
    for log in (False, True):
        with np.errstate(invalid="ignore"):
            drawn = np.log10(np.where(values > 0, values, np.nan)) if log else values
        wanted = averaged(drawn.tolist(), weight)
        for start, end, width in ((0, count - 1, 80), (0, count - 1, 400), (count * 0.7, count * 0.9, 120)):
            x, y = view.smoothed("step", start, end, width, weight, log=log)
            assert len(x) <= 4 * width + 2
            np.testing.assert_allclose(y, wanted[x.astype(int)], rtol=1e-5, atol=1e-6)


def test_smoothing_of_nothing_finite() -> None:
    _, y = filled([np.nan, np.nan]).view().smoothed("step", 0, 1, 40, 0.9)
    assert np.isnan(y).all()
