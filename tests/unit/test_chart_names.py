"""Which metric is drawn in which chart, and under which name."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from core.metrics import METRICS
from core.store.records import Best
from tui.chart import charts
from tui.chart.charts import CHARTS, ChartKind, kind_of
from tui.chart.names import family, in_order, line
from tui.chart.scatter import ScatterData
from tui.chart.views import beside, chart_names, is_squashed, of_chart, overlay, single
from tui.read.curves import Curves
from tui.read.series import Series, SeriesView

EVERY = (
    *("train/accuracy", "val/accuracy", "test/accuracy", "val/accuracy_tta", "val/accuracy_random"),
    *("val/accuracy_macro", "val/top5", "train/loss", "val/loss", "val/loss_random", "lr", "lr_back"),
    *("lr_head", "images/s", "time/epoch"),
)


def view_of(*values: float) -> SeriesView:
    series = Series()
    at = np.arange(1, len(values) + 1, dtype=float)
    series.extend(np.stack([at, at * 10, at * 60, np.array(values, dtype=float)]))
    return series.view()


def curves(**changed: SeriesView) -> Curves:
    names = {name: view_of(0.2, 0.5, 0.6) for name in EVERY}
    return Curves({**names, **{name.replace("__", "/"): view for name, view in changed.items()}}, {}, {})


@pytest.mark.parametrize(
    ("name", "chart", "label"),
    [
        ("val/accuracy", "accuracy", "val"),
        ("val/accuracy_tta", "accuracy", "tta"),
        ("val/accuracy_random", "accuracy", "random"),
        ("val/accuracy_macro", "accuracy", "macro"),
        ("val/top5", "top5", "val"),
        ("val/loss_random", "loss", "random"),
        ("train/top5", "top5", "train"),
        ("lr_back", "lr", "back"),
        ("lr/head", "lr", "head"),
        ("lr", "lr", "lr"),
        ("val/map", "map", "val"),
        ("train/map", "map", "train"),
        ("val/map_50", "map", "IoU .50"),
        ("test/map_75", "map", "test IoU .75"),
        ("val/map_small", "map by size", "small"),
        ("val/mar_100", "mar", "100 boxes"),
        ("val/mar_large", "mar by size", "large"),
        ("val/loss_box_reg", "loss terms", "box_reg"),
        ("train/loss_classification", "loss terms", "classification"),
        ("images/s", "s", "images/s"),
    ],
)
def test_family_and_label(name: str, chart: str, label: str) -> None:
    assert family(name) == chart
    assert line(name)[0] == label


def test_lines_of_a_chart_differ_in_letter_and_colour() -> None:
    for chart in ("accuracy", "loss", "lr"):
        lines = [line(name) for name in EVERY if family(name) == chart]
        assert len({letter for _, letter, _ in lines}) == len(lines)
        assert len({color for _, _, color in lines}) == len(lines)


def test_one_chart_for_what_is_read_side_by_side() -> None:
    assert chart_names([curves()], "val/accuracy") == ["accuracy", "loss", "top5", "lr", "images/s"]
    assert chart_names([curves()], "val/accuracy_tta")[:2] == ["accuracy", "loss"]


def test_every_measurement_is_a_line_with_its_name(summary: Any) -> None:
    run = summary(metric="val/accuracy_tta", best=Best("val/accuracy_tta", 0.6, 3, None))
    chart = single(run, curves(), "accuracy", "epoch")
    assert [curve.label for curve in chart.curves] == [*("train", "val", "test", "tta", "random", "macro")]
    assert [curve.label for curve in chart.curves if curve.best] == ["tta"]
    assert [curve.label for curve in chart.curves if curve.dotted] == ["train"]


def test_a_top_5_of_one_throughout_is_no_line(summary: Any) -> None:
    chart = single(summary(), curves(val__top5=view_of(1.0, 1.0, 1.0)), "top5", "epoch")
    assert "val" not in [curve.label for curve in chart.curves]
    chart = single(summary(), curves(val__top5=view_of(0.9, 1.0, 1.0)), "top5", "epoch")
    assert "val" in [curve.label for curve in chart.curves]


def test_runs_over_each_other_show_what_they_go_by(summary: Any) -> None:
    plain, tta = summary(id="a", metric="val/accuracy"), summary(id="b", metric="val/accuracy_tta")
    both = {"a": curves(), "b": curves()}
    chart = overlay([plain, tta], both, {"a": ("A", 0), "b": ("B", 1)}, "accuracy", "epoch")
    assert len([curve for curve in chart.curves if curve.color == 0]) == 3
    assert len([curve for curve in chart.curves if curve.color == 1]) == 4


@pytest.mark.parametrize(
    ("rates", "squashed"),
    [
        ([0.01] * 20, False),
        ([0.01] * 10 + [0.001] * 10, False),
        ([0.01] * 10 + [0.001] * 10 + [0.0001] * 10, True),
        ([0.01 * (1 + np.cos(np.pi * epoch / 30)) / 2 for epoch in range(31)], False),
        ([0.0, 0.0], False),
        ([float("nan")], False),
    ],
)
def test_learning_rates_that_need_a_log_scale(rates: list[float], squashed: bool, summary: Any) -> None:
    assert is_squashed(view_of(*rates)) is squashed
    own = curves(lr=view_of(*rates))
    del own.epochs["lr_back"], own.epochs["lr_head"]  # type: ignore[attr-defined]
    assert single(summary(), own, "lr", "epoch").log is squashed


DETECTOR = (
    *("train/loss", "train/loss_classifier", "train/loss_box_reg", "val/loss", "val/loss_classifier"),
    *("val/loss_box_reg", "val/map", "val/map_50", "val/map_75", "val/map_large", "val/mar_1", "val/mar_10"),
    *("train/map", "train/map_50", "grad_norm", "lr", "images/s", "time/epoch"),
)


def detector() -> Curves:
    return Curves({name: view_of(0.2, 0.5, 0.6) for name in DETECTOR}, {}, {})


def test_charts_of_a_detector_in_the_order_of_looking() -> None:
    assert chart_names([detector()], "val/map") == [
        *("map", "loss", "loss terms", "lr", "val/map against val/loss", "val/map_50 against val/map_75"),
        *("grad_norm", "map by size", "mar", "images/s"),
    ]
    assert chart_names([detector()], "val/loss")[:3] == ["loss", "map", "loss terms"]
    assert chart_names([], "val/map") == ["map", "loss"]


def test_map_with_its_further_ious_but_of_training_itself_alone(summary: Any) -> None:
    run = summary(metric="val/map", best=Best("val/map", 0.6, 3, None))
    chart = single(run, detector(), "map", "epoch")
    assert [(curve.label, curve.letter) for curve in chart.curves] == [
        *(("train", "t"), ("val", "v"), ("IoU .50", "5"), ("IoU .75", "7"))
    ]
    assert [curve.best for curve in chart.curves if curve.label == "val"] == [(3, 0.6)]
    assert chart.bounded
    assert [curve.label for curve in single(run, detector(), "map", "epoch", further=False).curves] == [
        *("train", "val")
    ]


def test_a_term_is_one_colour_with_a_small_letter_in_training(summary: Any) -> None:
    curves = single(summary(metric="val/map"), detector(), "loss terms", "epoch").curves
    assert [(curve.label, curve.letter, curve.color, curve.dotted) for curve in curves] == [
        ("classifier", "C", 0, False),
        ("classifier", "c", 0, True),
        ("box_reg", "B", 1, False),
        ("box_reg", "b", 1, True),
    ]


def test_loss_itself_has_no_terms_in_it(summary: Any) -> None:
    chart = single(summary(metric="val/map"), detector(), "loss", "epoch")
    assert [curve.label for curve in chart.curves] == ["train", "val"]


def test_four_charts_of_marked_runs(summary: Any) -> None:
    runs = [summary(id=name, metric="val/map") for name in "ab"]
    own = {"a": detector(), "b": Curves({"val/map": view_of(0.1)}, {}, {})}
    marks = {"a": ("A", 0), "b": ("B", 1)}
    charts = beside(runs, own, marks, "epoch", apart=True)
    assert [chart.title for chart in charts] == ["train/loss", "val/loss", "train/map", "val/map"]
    assert [[curve.letter for curve in chart.curves] for chart in charts] == [["A"], ["A"], ["A"], ["A", "B"]]
    assert not any(curve.dotted for chart in charts for curve in chart.curves)
    assert charts[2].empty == "not measured: m measures train"
    assert [chart.title for chart in beside(runs, own, marks, "epoch", apart=False)] == ["map", "loss"]


def test_one_run_that_is_not_marked_has_its_own_charts(summary: Any) -> None:
    run = summary(id="a", metric="val/accuracy")
    charts = beside([run], {"a": curves()}, {}, "epoch", apart=False)
    assert [chart.title for chart in charts] == ["accuracy", "loss"]
    assert [curve.label for curve in charts[0].curves] == ["train", "val", "test"]


def test_lines_in_a_fixed_order() -> None:
    names = ["val/top5", "val/accuracy", "train/accuracy", "val/accuracy_tta"]
    assert in_order(names) == ["train/accuracy", "val/accuracy", "val/top5", "val/accuracy_tta"]


def test_every_metric_of_the_registry_has_a_chart_of_the_registry() -> None:
    drawn = {name for kind in CHARTS if kind.against is None for name in kind.metrics}
    assert {metric.name for metric in METRICS} - drawn == {"time/epoch"}
    assert all(kind.metrics for kind in CHARTS)


@pytest.mark.parametrize(
    ("chart", "tasks", "bounded"),
    [
        ("accuracy", {"classification"}, True),
        ("map by size", {"detection"}, True),
        ("loss", {"classification", "detection"}, False),
        ("val/map against val/loss", {"detection"}, False),
        ("my own", set(), False),
    ],
)
def test_what_an_entry_says(chart: str, tasks: set[str], bounded: bool) -> None:
    assert kind_of(chart).tasks == tasks
    assert kind_of(chart).bounded is bounded


def test_a_new_chart_is_one_entry(monkeypatch: pytest.MonkeyPatch, summary: Any) -> None:
    added = ChartKind("val/top5 against val/accuracy", against=("val/accuracy", "val/top5"))
    monkeypatch.setattr(charts, "CHARTS", (ChartKind("my_loss", drops=True), added, *CHARTS))
    measured = curves(val__my_loss=view_of(*[0.01] * 10, *[0.001] * 10, *[0.0001] * 10))
    names = chart_names([measured], "val/accuracy")
    assert names[:4] == ["accuracy", "my_loss", added.name, "loss"]
    assert single(summary(), measured, "my_loss", "epoch").log
    assert not isinstance(of_chart(summary(), measured, "loss", "epoch"), ScatterData)
    drawn = of_chart(summary(), measured, added.name, "epoch")
    assert isinstance(drawn, ScatterData)
    assert drawn.names == ("val/accuracy", "val/top5")
