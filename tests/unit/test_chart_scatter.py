"""One metric against another: where points lie, how early and late are told apart, what is said beside it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from core.store.records import Best
from tui.chart.axes import LABEL_WIDTH, Sticky
from tui.chart.charts import CHARTS
from tui.chart.compose import ACCENT, ChartData, ChartPicture
from tui.chart.scatter import RAMP, RAMP_STYLE, ScatterData, compose_scatter, numbered, steps
from tui.chart.views import of_chart
from tui.read.curves import Curves
from tui.read.series import Series, SeriesView

WIDTH, HEIGHT = 60, 16
LOSS = next(kind.name for kind in CHARTS if kind.against)


def data(x: list[float], y: list[float], **changed: Any) -> ScatterData:
    values: dict[str, Any] = {"key": "r", "names": ("val/loss", "val/map")}
    epochs = np.arange(1.0, len(x) + 1)
    return ScatterData(LOSS, epochs, np.array(x), np.array(y), **{**values, **changed})


def draw(
    points: ScatterData, width: int = WIDTH, height: int = HEIGHT, marker: str = "braille"
) -> ChartPicture:
    return compose_scatter(points, Sticky(), width, height, marker)


def words(picture: ChartPicture) -> list[str]:
    return ["".join(row) for row in picture.chars]


def legend(picture: ChartPicture) -> str:
    return "".join(text for text, _ in picture.legend)


def series(epochs: list[float], values: list[float]) -> SeriesView:
    made = Series()
    at = np.array(epochs)
    made.extend(np.stack([at, at, at, np.array(values)]))
    return made.view()


def test_a_point_lies_where_its_values_say() -> None:
    picture = draw(data([0.0, 1.0, 0.5], [0.0, 1.0, 0.5]))
    rows, columns = np.nonzero(picture.chars == "•")
    places = sorted(zip(columns.tolist(), rows.tolist(), strict=True))
    assert len(places) == 3
    (left, low), (middle, half), (right, high) = places
    assert low > half > high
    assert (left, right) == (LABEL_WIDTH + 1, WIDTH - 1)
    assert middle - left == pytest.approx((right - left) / 2, abs=1)


def test_early_and_late_differ_in_colour_and_are_numbered() -> None:
    count = 50
    picture = draw(data(np.linspace(2, 0.5, count).tolist(), np.linspace(0, 0.5, count).tolist()))
    found = picture.styles[picture.chars == "•"]
    assert {RAMP_STYLE, RAMP_STYLE + RAMP - 1} <= set(found.tolist())
    rows = words(picture)[:-2]
    assert {"1", "50"} <= {word for row in rows for word in row[LABEL_WIDTH + 1 :].replace("•", " ").split()}
    assert legend(picture).startswith(f"epoch 1 {'•' * RAMP} 50")


def test_steps_go_from_first_to_last() -> None:
    assert steps(np.arange(1.0, 9.0)).tolist() == list(range(8))
    assert steps(np.array([4.0])).tolist() == [0]
    assert numbered(1) == [0]
    assert numbered(3) == [2, 0, 1]
    assert set(numbered(50)) == {0, 12, 24, 37, 49}


def test_of_points_in_one_cell_the_latest_is_seen() -> None:
    picture = draw(data([1.0, 1.0, 1.0, 0.2], [0.5, 0.5, 0.5, 0.1]))
    styles = picture.styles[picture.chars == "•"].tolist()
    assert sorted(styles) == [RAMP_STYLE + int(steps(np.arange(1.0, 5.0))[2]), RAMP_STYLE + RAMP - 1]


def test_the_best_epoch_is_a_star_with_its_value() -> None:
    picture = draw(data([2.0, 1.0, 0.9], [0.1, 0.46, 0.4], best=2))
    assert picture.styles[picture.chars == "★"].tolist() == [ACCENT]
    assert "★ 0.4600@2" in legend(picture)
    assert (draw(data([2.0, 1.0], [0.1, 0.4], best=2), marker="ascii").chars == "*").sum() == 1


@pytest.mark.parametrize("size", [(1, 1), (8, 3), (20, 4), (200, 60)])
@pytest.mark.parametrize("count", [0, 1, 2, 300])
def test_any_size_and_number(size: tuple[int, int], count: int) -> None:
    values = np.linspace(0, 1, count).tolist()
    picture = draw(data(values, values, empty="no data yet: starting"), *size)
    assert picture.chars.shape == size[::-1]
    if count == 0 and size[0] > 30:
        assert any("no data yet: starting" in line for line in words(picture))


def test_scores_never_leave_0_to_1() -> None:
    picture = draw(data([0.9, 0.99], [0.97, 0.99], names=("val/map_75", "val/map_50")))
    labels = [line[:LABEL_WIDTH].strip() for line in words(picture)[:-2]]
    assert max(float(label) for label in labels if label) <= 1


def test_axes_hold_still_while_a_run_goes_on() -> None:
    sticky = Sticky()
    few = data([2.0, 1.0], [0.1, 0.3], live=True)
    compose_scatter(few, sticky, WIDTH, HEIGHT)
    before = sticky.x, sticky.y
    compose_scatter(data([2.0, 1.0, 1.5], [0.1, 0.3, 0.2], live=True), sticky, WIDTH, HEIGHT)
    assert (sticky.x, sticky.y) == before
    compose_scatter(data([3.0, 1.0], [0.1, 0.8], live=True), sticky, WIDTH, HEIGHT)
    assert sticky.x is not None
    assert sticky.y is not None
    assert sticky.x[1] >= 3
    assert sticky.y[1] >= 0.8


def test_only_epochs_in_which_both_were_measured(summary: Any) -> None:
    nan = float("nan")
    curves = Curves(
        {
            "val/loss": series([1, 2, 3, 4], [2.0, nan, 1.0, 0.5]),
            "val/map": series([2, 3, 4], [0.1, 0.2, 0.3]),
        },
        {},
        {},
    )
    run = summary(metric="val/map", best=Best("val/map", 0.3, 4, None))
    found = of_chart(run, curves, LOSS, "step")
    assert isinstance(found, ScatterData)
    assert found.epochs.tolist() == [3, 4]
    assert (found.x.tolist(), found.y.tolist(), found.best) == ([1.0, 0.5], [0.2, 0.3], 4)
    assert isinstance(of_chart(run, curves, "map", "epoch"), ChartData)


def test_nothing_measured_says_when_it_will_be(summary: Any) -> None:
    found = of_chart(summary(metric="val/map", state="starting"), None, LOSS, "epoch")
    assert isinstance(found, ScatterData)
    assert found.empty == "no data yet: starting"
