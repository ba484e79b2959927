"""Whole charts as characters: what a reader sees in awkward cases."""

from __future__ import annotations

import re

import numpy as np
import pytest

from tui.chart.axes import LABEL_WIDTH, Sticky
from tui.chart.compose import ACCENT, MUTED, SERIES_STYLE, ChartData, ChartPicture, Curve, compose
from tui.chart.view_state import ViewState
from tui.read.series import Series, SeriesView

WIDTH, HEIGHT = 60, 14


def curve_of(y: object, epochs: object = None) -> SeriesView:
    values = np.asarray(y, dtype=float)
    epoch = np.arange(1, len(values) + 1) if epochs is None else np.asarray(epochs)
    series = Series()
    series.extend(np.stack([epoch, epoch * 100, epoch * 75.0, values]).astype(float))
    return series.view()


def chart(y: object, *, title: str = "loss", **options: object) -> ChartData:
    curve = Curve("val", "v", curve_of(y), 1)
    return ChartData(title, (curve,), "key", **options)  # type: ignore[arg-type]


def draw(data: ChartData, view: ViewState | None = None, sticky: Sticky | None = None) -> ChartPicture:
    return compose(data, view or ViewState(), sticky or Sticky(), WIDTH, HEIGHT)


def lines(picture: ChartPicture) -> list[str]:
    return ["".join(row) for row in picture.chars]


def y_labels(picture: ChartPicture) -> list[float]:
    found = [line[:LABEL_WIDTH].strip() for line in lines(picture)]
    return [float(label) for label in found if label]


def x_labels(picture: ChartPicture) -> list[str]:
    return lines(picture)[-1].replace("epoch", "").split()


def title(picture: ChartPicture) -> str:
    return "".join(text for text, _ in picture.title)


def inked(picture: ChartPicture) -> np.ndarray:
    """Cells with dots of a line."""
    return np.vectorize(lambda sign: "\u2800" < sign <= "\u28ff")(picture.chars)


@pytest.mark.parametrize("y", [[], [float("nan")], [float("nan"), float("inf")]])
def test_nothing_to_draw_says_so(y: list[float]) -> None:
    picture = draw(chart(y, empty="no data yet: first epoch ends in ≈ 40 s"))
    assert any("no data yet: first epoch ends in ≈ 40 s" in line for line in lines(picture))
    assert not inked(picture).any()


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("value", [0.0, 1.0, 0.7])
@pytest.mark.parametrize("live", [False, True])
def test_flat_and_short_accuracy(count: int, value: float, live: bool) -> None:
    picture = draw(chart([value] * count, title="accuracy", bounded=True, live=live))
    labels = y_labels(picture)
    assert labels
    assert min(labels) >= 0
    assert max(labels) <= 1
    assert all(label.isdigit() for label in x_labels(picture)), x_labels(picture)
    assert inked(picture).any() or "v" in "".join(lines(picture))


def test_flat_loss_of_zero_has_no_negative_axis() -> None:
    assert min(y_labels(draw(chart([0.0, 0.0, 0.0])))) == 0


def test_log_scale_counts_what_it_leaves_out() -> None:
    picture = draw(chart([1.0, 0.1, 0.0, 0.01]), ViewState(log=True))
    assert "log" in title(picture)
    assert "1 point not shown on log scale" in title(picture)
    assert {0.01, 0.1, 1.0} <= set(y_labels(picture))
    assert "not shown" not in title(draw(chart([1.0, 0.1, 0.0, 0.01])))


@pytest.mark.parametrize("y", [[0.0, 0.0, 0.0], [-0.1], [0.0, -5.0]])
def test_log_scale_with_nothing_positive(y: list[float]) -> None:
    picture = draw(chart(y), ViewState(log=True))
    assert f"{len(y)} point{'s' * (len(y) > 1)} not shown" in title(picture)
    assert not inked(picture).any()


def test_nan_is_told_and_breaks_the_line() -> None:
    picture = draw(chart([0.5, 0.4, float("nan"), 0.3, 0.2]))
    assert "1 NaN" in title(picture)
    columns = inked(picture).any(axis=0)[LABEL_WIDTH + 1 :]
    middle = len(columns) // 2
    assert not columns[middle - 2 : middle + 3].any()


def test_what_is_left_out_is_counted_by_kind_in_the_window() -> None:
    nan, up = float("nan"), float("inf")
    y = [nan, up, up, -up, -1.0, *[0.5] * 60, 0.4, nan, 0.0]
    assert "1 NaN, 2 ∞, 1 -∞" not in title(draw(chart(y[4:])))
    assert title(draw(chart(y))).endswith(" 2 NaN, 2 ∞, 1 -∞")
    late = draw(chart(y), ViewState(log=True, zoom=(0.9, 1.0)))
    assert title(late).endswith(" 1 point not shown on log scale 1 NaN")
    assert title(draw(chart([nan, -up]))).endswith(" 1 NaN, 1 -∞")


def test_validation_every_third_epoch_is_a_joined_line() -> None:
    train = Curve("train", "t", curve_of(np.linspace(0.2, 0.6, 10)), 0, dotted=True)
    val = Curve("val", "v", curve_of([0.3, 0.5, 0.6, 0.62], [3, 6, 9, 10]), 1)
    picture = draw(ChartData("accuracy", (train, val), "key", bounded=True))
    of_val = inked(picture) & (picture.styles == SERIES_STYLE + 1)
    columns = np.flatnonzero(of_val.any(axis=0))
    share = (columns[0] - LABEL_WIDTH - 1) / (WIDTH - LABEL_WIDTH - 2)
    assert share == pytest.approx((3 - 1) / (10 - 1), abs=0.04)
    assert (np.diff(columns) == 1).all()


def test_the_best_epoch_has_a_star_at_its_place() -> None:
    data = ChartData(
        "accuracy", (Curve("val", "v", curve_of([0.2, 0.9, 0.4]), 1, best=(2, 0.9)),), "key", bounded=True
    )
    picture = draw(data)
    row, column = np.argwhere(picture.chars == "★")[0]
    assert picture.styles[row, column] == ACCENT
    assert column == pytest.approx(LABEL_WIDTH + 1 + (WIDTH - LABEL_WIDTH - 2) / 2, abs=1)
    assert row <= 2
    assert "★ 0.9000@2" in "".join(text for text, _ in picture.legend)


def test_superseded_epochs_are_apart_and_grey() -> None:
    current = Curve("val", "v", curve_of([0.2, 0.3, 0.35]), 1)
    ghost = Curve("val", "v", curve_of([0.9, 0.95], [2, 3]), 1, ghost=True)
    picture = draw(ChartData("accuracy", (ghost, current), "key", bounded=True))
    grey = np.argwhere(inked(picture) & (picture.styles == MUTED))
    mine = np.argwhere(inked(picture) & (picture.styles == SERIES_STYLE + 1))
    assert len(grey)
    assert len(mine)
    assert grey[:, 0].max() + 3 < mine[:, 0].min()
    assert "".join(text for text, _ in picture.legend).count("val") == 1


def test_series_differ_without_colour() -> None:
    a = Curve("train", "t", curve_of([0.2, 0.4, 0.6]), 0, dotted=True)
    b = Curve("val", "v", curve_of([0.3, 0.5, 0.7]), 1)
    picture = draw(ChartData("accuracy", (a, b), "key", bounded=True))
    text = "\n".join(lines(picture)[:-2])
    assert "t" in text
    assert "v" in text


def test_epochs_drawn_before_stay_where_they_are() -> None:
    """What a growing chart sends over SSH is its new columns only."""
    rng = np.random.default_rng(1)
    y = 0.5 + 0.1 * rng.random(40)
    sticky, changed = Sticky(), []
    before: ChartPicture | None = None
    for count in range(20, 41):
        picture = draw(chart(y[:count], title="accuracy", bounded=True, live=True), sticky=sticky)
        if before is not None:
            changed.append(int((picture.chars != before.chars).sum()))
        before = picture
    assert np.median(changed) <= 14


def test_zoom_shows_a_part_with_its_own_range() -> None:
    data = chart(np.r_[np.linspace(9, 1, 50), np.full(50, 0.5)])
    zoomed = draw(data, ViewState().zoomed(0.25))
    assert "zoom" in title(zoomed)
    assert int(x_labels(zoomed)[0]) > 70
    assert max(y_labels(zoomed)) < 1


@pytest.mark.parametrize("axis", ["epoch", "step", "time"])
@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize("smoothing", [0.0, 0.9])
@pytest.mark.parametrize("count", [1, 13, 40_000])
def test_all_views_draw(axis: str, log: bool, smoothing: float, count: int) -> None:
    y = 2 * np.exp(-np.linspace(0, 3, count)) + 0.01
    picture = draw(chart(y), ViewState(axis, log, smoothing))
    assert inked(picture).any() or "v" in "".join(lines(picture))
    assert all(len(line) == WIDTH for line in lines(picture))


@pytest.mark.parametrize("width", range(0, 24, 3))
@pytest.mark.parametrize("height", range(0, 8, 2))
def test_no_size_is_too_small(width: int, height: int) -> None:
    picture = compose(chart([1.0, 0.5, 0.2]), ViewState(), Sticky(), width, height)
    assert picture.chars.shape == (height, width)


def test_a_rule_marks_an_epoch_behind_the_line() -> None:
    data = ChartData("loss", (Curve("val", "v", curve_of([1, 2, 3.0]), 1),), "key", at_epoch=2)
    picture = draw(data)
    rows, columns = np.nonzero(picture.chars == "┊")
    assert len(rows) > HEIGHT // 2
    assert len(set(columns.tolist())) == 1


def test_the_end_of_training_is_marked_when_it_came_early() -> None:
    curve = Curve("val", "v", curve_of([1, 2, 3.0]), 1, best=(3, 3.0))
    data = ChartData("accuracy", (curve,), "key", early_stop=3, at_epoch=2)
    picture = draw(data)
    assert "finished early@3" in title(picture)
    early, cursor = np.nonzero(picture.chars == "╎")[1], np.nonzero(picture.chars == "┊")[1]
    assert len(set(early.tolist())) == 1
    assert early[0] > cursor[0]


def test_a_chart_that_is_always_on_a_log_scale() -> None:
    steps = [0.01] * 5 + [0.001] * 5 + [0.0001] * 5
    picture = draw(chart(steps, title="lr", log=True))
    assert "log" in title(picture)
    assert {0.01, 0.001, 0.0001} <= set(y_labels(picture))


def test_overlay_of_four_long_runs_is_bounded_in_points() -> None:
    """A million points a run come down to a few thousand before anything is drawn."""
    view = curve_of(np.random.default_rng(0).normal(size=1_000_000))
    x, _ = view.points("step", 0, 1e9, 2 * WIDTH)
    assert len(x) < 5 * 1_000_000 / 256 + 2 * 256


def test_no_room_is_kept_beyond_the_goal() -> None:
    assert x_labels(draw(chart([0.4], live=True, goal=2))) == ["1", "2"]
    assert "5" in x_labels(draw(chart([0.4], live=True)))
    assert x_labels(draw(chart([0.4, 0.5, 0.6], live=True, goal=2)))[-1] == "3"


@pytest.mark.parametrize("axis", ["epoch", "step", "time"])
def test_one_point_is_seen_with_ticks_that_differ(axis: str) -> None:
    for view in (ViewState(axis), ViewState(axis, zoom=(0.5, 1.0)), ViewState(axis, log=True)):
        picture = draw(chart([0.4]), view)
        assert any("v" in line for line in lines(picture))
        ticks = re.split(r"\s{2,}", lines(picture)[-1].replace(axis, "").strip())
        assert len(set(ticks)) == len(ticks)
        values = y_labels(picture)
        assert len(set(values)) == len(values)
