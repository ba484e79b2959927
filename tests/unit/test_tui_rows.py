"""Rows of the run table and the config list: what is said, and that it fits."""

from __future__ import annotations

from typing import Any

import pytest
from rich.cells import cell_len

from core.store.records import Best
from core.words import run_time_left
from tui.cell_text import cut, fit, progress
from tui.chart.view_state import ViewState
from tui.widgets.case_words import share
from tui.widgets.config_list import ALL, config_rows, state_counts
from tui.widgets.run_filter import matches
from tui.widgets.run_table import RunTable, any_boxes, outlook, sort_runs

WIDE = "実験名前テスト"


@pytest.mark.parametrize("text", ["", "a", "abcdefghij", WIDE, f"a{WIDE}b", "🙂🙂", "e\u0301te"])
@pytest.mark.parametrize("width", range(0, 12))
@pytest.mark.parametrize("middle", [False, True])
def test_text_fits_exactly(text: str, width: int, middle: bool) -> None:
    assert cell_len(cut(text, width, middle=middle)) <= width
    assert cell_len(fit(text, width, middle=middle)) == width
    assert cell_len(fit(text, width, "right")) == width


def test_names_are_cut_in_the_middle() -> None:
    assert fit("bccd-frcnn-full-lr1e-3", 15, middle=True) == "bccd-fr…-lr1e-3"


@pytest.mark.parametrize(
    ("done", "total", "bar"), [(0, 10, "░░░░"), (5, 10, "▓▓░░"), (9, 3, "▓▓▓▓"), (1, 0, "░░░░")]
)
def test_progress_bar(done: int, total: int, bar: str) -> None:
    assert progress(done, total, 4) == bar


@pytest.mark.parametrize("width", range(50, 220, 3))
def test_columns_fill_the_width_and_no_more(width: int) -> None:
    columns = RunTable().columns(width)
    assert sum(column.width + 1 for column in columns) <= width + 1
    assert {"sign", "name", "epoch", "best", "left"} <= {column.key for column in columns}
    if width >= 75:
        assert "started" in {column.key for column in columns}


@pytest.mark.parametrize(
    ("fields", "text", "tone"),
    [
        ({"state": "failed", "reason": "out of GPU memory, epoch 7"}, "out of GPU memory, epoch 7", "bad"),
        ({"state": "lost", "reason": "the machine was restarted"}, "the machine was restarted", "bad"),
        ({"state": "queued", "reason": "waiting for a free slot"}, "waiting for a free slot", "muted"),
        ({"state": "running", "epoch": 0, "epochs": 5}, "first epoch", "text"),
        ({"state": "running", "epoch": 3, "epochs": 5, "seconds_per_epoch": 60.0}, "≈ 2 m", "text"),
        ({"state": "stopping"}, "saving", "warning"),
        ({"state": "finished", "started": 0.0, "ended": 120.0}, "took 2 m", "muted"),
        ({"state": "stopped"}, "stopped", "muted"),
    ],
)
def test_outlook(summary: Any, fields: dict[str, Any], text: str, tone: str) -> None:
    assert outlook(summary(**fields)) == (text, tone)


def test_no_estimate_without_a_timed_epoch(summary: Any) -> None:
    assert run_time_left(summary(state="running", epoch=0, epochs=9)) == ""


def test_cells_of_a_fresh_run_show_dashes(summary: Any) -> None:
    cells = RunTable().cells(summary(state="queued"))
    assert cells["best"] == ("–", "muted")
    assert cells["loss"] == ("–", "muted")


def test_best_carries_its_epoch_and_nan_warns(summary: Any) -> None:
    run = summary(best=Best("val/accuracy", 0.80761, 12, "a01-e0012"), last={"val/loss": float("nan")})
    cells = RunTable().cells(run)
    assert cells["best"] == ("0.8076@12", "text")
    assert cells["loss"] == ("NaN", "warning")


def test_map_50_of_the_best_epoch_beside_map(summary: Any) -> None:
    found = summary(metric="val/map", best=Best("val/map", 0.4634, 38, None, 0.4933))
    other = summary(id="other", best=Best("val/accuracy", 0.9, 3, None))
    table = RunTable()
    table.has_boxes = any_boxes([found, other])
    assert [column.key for column in table.columns(70)][3:5] == ["best", "map_50"]
    assert table.cells(found)["map_50"] == ("0.4933", "text")
    assert table.cells(other)["map_50"] == ("–", "muted")
    assert not any_boxes([other, summary(best=None), summary(best=Best("val/map", 0.1, 1, None))])
    for width in range(52, 200, 7):
        assert sum(column.width + 1 for column in table.columns(width)) <= width + 1


def test_sorting_by_best_knows_which_way_is_better(summary: Any) -> None:
    runs = [
        summary(id=name, best=value and Best(metric, value, 1, None))
        for name, metric, value in (("a", "val/accuracy", 0.5), ("b", "val/accuracy", 0.9), ("c", "x", None))
    ]
    assert [run.id for run in sort_runs(runs, "best")] == ["b", "a", "c"]
    losses = [
        summary(id=name, best=Best("val/loss", value, 1, None)) for name, value in (("a", 2.0), ("b", 1.0))
    ]
    assert [run.id for run in sort_runs(losses, "best")] == ["b", "a"]


def test_running_first_when_sorted_by_state(summary: Any) -> None:
    runs = [summary(id=state, state=state) for state in ("finished", "failed", "running", "queued")]
    assert [run.id for run in sort_runs(runs, "state")] == ["running", "queued", "failed", "finished"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", True),
        ("BASE", True),
        ("base lr", True),
        ("state=failed", True),
        ("state=run", False),
        ("config=cifar lr=0.1", True),
        ("tag=ablation", True),
        ("tag=other", False),
        ("[lr=0.1]", True),
        ("nonsense", False),
    ],
)
def test_filter(summary: Any, query: str, found: bool) -> None:
    run = summary(name="Baseline [lr=0.1] [/", config="cifar10", state="failed", tags=("ablation",))
    assert matches(run, query) is found


def test_config_rows_count_runs_and_remember_old_configs(summary: Any) -> None:
    runs = [summary(config="a", state="running"), summary(config="a", state="failed"), summary(config="gone")]
    rows = config_rows(["a", "b"], runs)
    assert [(row.name, sum(row.counts.values()), row.exists) for row in rows] == [
        (ALL, 3, True),
        ("a", 2, True),
        ("b", 0, True),
        ("gone", 1, False),
    ]
    assert [text for text, _ in state_counts(rows[1].counts)] == ["●1 ", "✗1 "]


def test_zoom_and_pan_stay_inside() -> None:
    view = ViewState().zoomed(0.5).zoomed(0.5)
    assert view.zoom == (0.75, 1.0)
    assert view.panned(-100).zoom == (0.0, 0.25)
    assert view.panned(100).zoom == (0.75, 1.0)
    assert view.zoomed(2).zoomed(2).zoom is None
    assert ViewState().panned(0.5).zoom is None
    assert view.next_axis().zoom is None


@pytest.mark.parametrize(
    ("value", "text"), [(None, "–"), (float("nan"), "–"), (0.0, "0.00"), (0.944, "0.94"), (1.0, "1.00")]
)
def test_a_score_of_nothing_is_a_dash(value: float | None, text: str) -> None:
    assert share(value) == text
