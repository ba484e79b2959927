"""Which columns a table shows at a width, and how wide; a column of the list of runs is one entry."""

from __future__ import annotations

import math
from typing import Any

import pytest

from core.metrics import mode_of
from core.store.records import Best
from tui.widgets.columns import ANY, Column, fitted
from tui.widgets.run_table import COLUMNS, SORTS, RunColumn, RunTable, sort_of_column, sort_runs


def widths(columns: list[Column], width: int) -> dict[str, int]:
    return {column.key: column.width for column in fitted(columns, width)}


NAMED = [
    Column("sign", "", 1),
    Column("name", "name", 6, max=20, share=3),
    Column("score", "score", 5, priority=2, spare=4),
    Column("age", "age", 3, priority=1),
    Column("words", "words", 4, max=ANY),
]


@pytest.mark.parametrize(
    ("width", "shown"),
    [
        (14, {"sign": 1, "name": 6, "words": 4}),
        (18, {"sign": 1, "name": 6, "age": 3, "words": 4}),
        (27, {"sign": 1, "name": 14, "age": 3, "words": 5}),
        (28, {"sign": 1, "name": 10, "score": 5, "age": 3, "words": 4}),
        (60, {"sign": 1, "name": 20, "score": 5, "age": 3, "words": 26}),
    ],
)
def test_columns_come_by_priority_and_grow_by_their_share(width: int, shown: dict[str, int]) -> None:
    assert widths(NAMED, width) == shown
    assert list(widths(NAMED, width)) == [column.key for column in NAMED if column.key in shown]


def test_where_not_even_the_fixed_ones_fit_the_last_are_cut_and_left_out() -> None:
    assert widths(NAMED, 11) == {"sign": 1, "name": 6, "words": 2}
    assert widths(NAMED, 9) == {"sign": 1, "name": 6}
    assert widths(NAMED, 0) == {}


def test_a_wider_column_takes_the_place_of_one_of_its_key() -> None:
    columns = [
        Column("kind", "kind", 5),
        Column("kind", "kind", 12, priority=1, spare=10),
        Column("rest", "", 2, max=ANY),
    ]
    assert widths(columns, 25) == {"kind": 5, "rest": 18}
    assert widths(columns, 26) == {"kind": 12, "rest": 12}


def test_a_column_that_follows_another_does_not_come_without_it() -> None:
    columns = [Column("a", "", 9, priority=1), Column("b", "", 2, priority=2, after="a"), Column("c", "", 2)]
    assert widths(columns, 12) == {"c": 2}
    assert widths(columns, 16) == {"a": 9, "b": 2, "c": 2}


def test_a_column_takes_no_more_than_it_can_use() -> None:
    columns = [Column("name", "", 10, max=4), Column("rest", "", 2, max=ANY)]
    assert widths(columns, 30) == {"name": 4, "rest": 24}


@pytest.mark.parametrize("width", [*range(0, 40, 3), *range(40, 240, 17)])
def test_nothing_is_wider_than_the_table(width: int) -> None:
    shown = fitted(NAMED, width)
    assert sum(column.width + 1 for column in shown) <= width + 1
    assert all(column.width > 0 for column in shown)


METRICS = [
    ("val/accuracy", False),
    ("val/accuracy_macro", False),
    ("val/map_50", False),
    ("val/top5", False),
    ("val/loss", True),
    ("val/loss_random", True),
    ("val/loss_classifier", True),
    ("val/my_loss_mean", True),
]


@pytest.mark.parametrize(("metric", "less"), METRICS, ids=[name for name, _ in METRICS])
def test_the_better_run_comes_first_whatever_it_is_judged_by(summary: Any, metric: str, less: bool) -> None:
    values = {"high": 0.9, "middle": 0.5, "low": 0.1, "broken": math.nan}
    mode = mode_of(metric)
    assert mode == ("min" if less else "max")
    runs = [summary(id=name, best=Best(metric, value, 1, None, mode=mode)) for name, value in values.items()]
    runs.append(summary(id="none", best=None))
    names = [run.id for run in sort_runs(runs, "best")]
    assert names[:3] == (["low", "middle", "high"] if less else ["high", "middle", "low"])
    assert set(names[3:]) == {"broken", "none"}


def test_the_direction_that_a_run_has_stored_counts(summary: Any) -> None:
    runs = [
        summary(id=f"{mode}{value}", best=Best("val/distance", value, 1, None, mode=mode))
        for mode in ("min", "max")
        for value in (1.0, 2.0)
    ]
    names = [run.id for run in sort_runs(runs, "best")]
    assert names.index("min1.0") < names.index("min2.0")
    assert names.index("max2.0") < names.index("max1.0")


def test_runs_of_different_metrics_are_not_ranked_against_each_other(summary: Any) -> None:
    values = {"val/map": (0.31, 0.48), "val/accuracy": (0.76, 0.29), "val/loss": (0.2, 0.9)}
    runs = [
        summary(id=f"{metric} {value}", best=Best(metric, value, 1, None))
        for place in (0, 1)
        for metric, value in ((metric, both[place]) for metric, both in values.items())
    ]
    names = [run.id for run in sort_runs(runs, "best")]
    assert [name.split()[0] for name in names] == [metric for metric in sorted(values) for _ in range(2)]
    assert names[0::2] == ["val/accuracy 0.76", "val/loss 0.2", "val/map 0.48"]


def test_a_new_column_is_one_entry(summary: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = RunColumn(
        lambda table: [Column("model", "model", 10, priority=9, spare=16)],
        lambda table, row: (row.model, "muted"),
        order="config",
    )
    monkeypatch.setitem(COLUMNS, "model", entry)
    table = RunTable()
    assert "model" in {column.key for column in table.columns(160)}
    assert "model" not in {column.key for column in table.columns(70)}
    assert table.cells(summary(model="retinanet"))["model"] == ("retinanet", "muted")
    assert sort_of_column("model") == "config"


def test_every_column_has_a_cell_and_a_known_order(summary: Any) -> None:
    table = RunTable()
    table.has_boxes = True
    cells = table.cells(summary())
    declared = {column.key for column in table.declared()}
    assert declared == set(COLUMNS) == set(cells)
    assert {entry.order for entry in COLUMNS.values()} - {""} <= set(SORTS)
    assert sort_of_column("epoch") == "epoch"
    assert sort_of_column("nothing") is None
    assert sort_of_column("nothing") is None
