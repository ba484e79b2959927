"""Classes, layers, jobs and checkpoints in words: what is said, in which order, and what is left out."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from core.store.jobs import JobState
from core.store.measures import Measured
from core.store.paths import JobPaths
from core.store.records import Checkpoint
from core.store.usage import Usage
from tui.dialogs.edit import tag_changes
from tui.read.class_rows import SORTS, Means, averages, class_rows
from tui.read.run_detail import Detail
from tui.screens import run_text
from tui.screens.runs_text import gpu_spans
from tui.widgets.checkpoint_table import CheckpointTable, measured_of
from tui.widgets.class_table import ClassTable
from tui.widgets.layer_table import LayerTable, layer_rows
from tui.widgets.run_filter import matches
from tui.widgets.run_table import outlook

PER_CLASS = [
    {"class": "cat", "n": 40, "correct": 30, "accuracy": 0.75},
    {"class": "dog", "n": 50, "correct": 20, "accuracy": 0.4},
    {"class": "\x1b[31mbird", "n": 10, "correct": 10, "accuracy": 1.0},
    {"class": "eel", "n": 0, "correct": 0, "accuracy": None},
]
MODEL = {
    "model": "resnet18",
    "parameters": 11_181_642,
    "trainable": 5130,
    "parts": [
        {"name": "backbone", "parameters": 11_176_512, "trainable": 0},
        {"name": "head", "parameters": 5130, "trainable": 5130},
    ],
    "layers": [
        {"name": "conv1", "type": "Conv2d", "shape": [64, 16, 16], "parameters": 9408, "trainable": 0},
        {"name": "relu", "type": "ReLU", "shape": [64, 16, 16], "parameters": 0, "trainable": 0},
        {"name": "fc", "type": "Linear", "shape": [10], "parameters": 5130, "trainable": 5130},
    ],
}


def text(spans: Any) -> str:
    return "".join(part for part, _ in spans)


@pytest.mark.parametrize(
    ("order", "names"),
    [
        ("worst", ["dog", "cat", "␛[31mbird", "eel"]),
        ("best", ["␛[31mbird", "cat", "dog", "eel"]),
        ("images", ["dog", "cat", "␛[31mbird", "eel"]),
        ("name", ["cat", "dog", "eel", "␛[31mbird"]),
        ("class order", ["cat", "dog", "␛[31mbird", "eel"]),
    ],
)
def test_classes_in_order(order: str, names: list[str]) -> None:
    assert [row.name for row in sorted(class_rows(PER_CLASS), key=SORTS[order])] == names


def test_micro_and_macro_leave_absent_classes_out() -> None:
    means = averages(class_rows(PER_CLASS))
    assert means.micro == 60 / 100
    assert means.macro == pytest.approx((0.75 + 0.4 + 1.0) / 3)
    assert (means.classes, means.count) == (3, 100)


def test_all_predicted_as_the_largest_class() -> None:
    """95 against 5: micro 0.95, macro 0.5."""
    rows = class_rows([{"class": "a", "n": 95, "correct": 95}, {"class": "b", "n": 5, "correct": 0}])
    means = averages(rows)
    assert (means.micro, means.macro) == (0.95, 0.5)


BOXES = [
    {"class": "Eunotia", "n": 39, "ap": 0.5, "ap_50": 0.8, "ap_75": 0.4, "recall": 0.6},
    {"class": "unseen", "n": 0, "ap": None, "ap_50": None, "ap_75": None, "recall": None},
    {"class": "never found", "n": 6, "ap": 0.0, "ap_50": 0.0, "ap_75": 0.0, "recall": 0.0},
    {"class": "\x1b[31mrare", "n": 5, "ap": 0.25, "ap_50": 0.5, "ap_75": -1, "recall": float("nan")},
]


@pytest.mark.parametrize(
    ("order", "names"),
    [
        ("worst", ["never found", "␛[31mrare", "Eunotia", "unseen"]),
        ("best", ["Eunotia", "␛[31mrare", "never found", "unseen"]),
        ("images", ["Eunotia", "never found", "␛[31mrare", "unseen"]),
    ],
)
def test_classes_with_boxes_in_order(order: str, names: list[str]) -> None:
    assert [row.name for row in sorted(class_rows(BOXES), key=SORTS[order])] == names


def test_a_class_with_boxes_in_a_row() -> None:
    table = ClassTable()
    table.set_rows(class_rows(BOXES))
    assert [column.key for column in table.columns(80)][1:7] == [
        *("name", "images", "ap", "ap_50", "ap_75", "recall")
    ]
    eunotia, unseen, never, rare = (table.cells(row) for row in class_rows(BOXES))
    assert [eunotia[key][0] for key in ("images", "ap", "ap_50", "ap_75", "recall")] == [
        *("39", "0.5000", "0.8000", "0.4000", "0.6000")
    ]
    assert [unseen[key] for key in ("images", "ap", "ap_50", "ap_75", "recall")] == [
        *(("0", "muted"), *[("–", "muted")] * 4)
    ]
    assert unseen["bar"] == ("", "accent")
    assert never["ap"] == ("0.0000", "text")
    assert (rare["ap"][0], rare["ap_75"][0], rare["recall"][0]) == ("0.2500", "–", "–")


def test_map_is_the_mean_over_classes_with_objects_and_says_n() -> None:
    means = averages(class_rows(BOXES))
    assert means.macro == pytest.approx((0.5 + 0.0 + 0.25) / 3)
    assert means.at_50 == pytest.approx((0.8 + 0.0 + 0.5) / 3)
    assert (means.micro, means.classes, means.count) == (None, 3, 50)
    line = text(run_text.class_line(row(split="val"), "val", means, "worst", best=False)[1])
    assert line == "AP 0.2500  AP50 0.4333  mean of 3 classes, n = 50 objects "
    brief = text(run_text.class_line(row(split="val"), "val", means, "worst", best=False, brief=True)[1])
    assert brief == "AP 0.2500  AP50 0.4333  n = 50 "


def test_without_objects_nothing_is_said_of_ap() -> None:
    means = averages(class_rows(BOXES[1:2]))
    line = text(run_text.class_line(row(split="val"), "val", means, "worst", best=False)[1])
    assert line == "n = 0: no AP without objects "


def test_an_absent_class_is_a_dash_with_no_images() -> None:
    row = class_rows(PER_CLASS)[3]
    cells = ClassTable().cells(row)
    assert cells["accuracy"] == ("–", "muted")
    assert cells["images"] == ("0", "muted")


@pytest.mark.parametrize("item", [None, 3, {}, {"n": 3}, {"n": 2, "correct": 3}, {"n": "2", "correct": 1}])
def test_what_is_no_class_is_left_out(item: Any) -> None:
    assert class_rows([item]) == []


@pytest.mark.parametrize("width", range(50, 200, 7))
def test_tables_fill_the_width_and_no_more(width: int) -> None:
    classes, layers = ClassTable(), LayerTable()
    classes._longest, layers._names, layers._types, layers._shapes = 60, 70, 30, 20
    for table in (classes, layers):
        assert sum(column.width + 1 for column in table.columns(width)) <= width + 1


def test_the_network_by_parts_then_layers() -> None:
    rows = layer_rows(MODEL)
    assert [row.name for row in rows] == ["all", "backbone", "head", "conv1", "relu", "fc"]
    cells = [LayerTable().cells(row) for row in rows]
    assert cells[1]["trainable"] == ("frozen", "warning")
    assert cells[4]["parameters"][0] == "–"
    assert cells[3]["shape"] == ("64 x 16 x 16", "muted")
    assert cells[5]["trainable"][0].replace("\u2009", " ") == "5 130"


def test_one_part_is_not_told_twice() -> None:
    assert [row.name for row in layer_rows({**MODEL, "parts": MODEL["parts"][:1]})][:2] == ["all", "conv1"]
    assert layer_rows(None) == []
    assert [row.name for row in layer_rows({"layers": [3, {"name": 4}], "parts": "x"})] == ["all", "4"]


def job(state: str, **parts: Any) -> JobState:
    values: dict[str, Any] = {
        **{"kind": "measure", "number": 1, "reason": "", "done": None, "total": None, "now": ""},
        **{"created": 0.0, "started": None, "ended": None},
    }
    return JobState(JobPaths(Path("/runs/r/jobs/measure-0001")), state=state, **{**values, **parts})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("made", "said", "unsaid"),
    [
        (
            job("running", done=3, total=12, now="a01-e0005 train", started=1000.0),
            ["● measure", "3 of 12", "a01-e0005 train", "≈ 5 m", "M stops it"],
            [],
        ),
        (job("queued", reason="waiting for GPU 0"), ["… measure", "waiting for GPU 0"], ["of"]),
        (job("stopping", done=1, total=2), ["◍ measure", "1 of 2", "stopping"], []),
        (job("finished", done=12, total=12, ended=1050.0), ["✓ measure finished", "12 of 12"], ["M stops"]),
        (
            job("finished", done=11, total=12, ended=1050.0, result={"unreadable": [{"checkpoint": "x"}]}),
            ["1 checkpoint unreadable"],
            [],
        ),
        (job("failed", reason="out of memory", ended=1050.0), ["✗ measure failed", "out of memory"], []),
    ],
)
def test_a_job_in_a_line(made: JobState, said: list[str], unsaid: list[str]) -> None:
    line = text(run_text.jobs_line([made], now=1100.0))
    assert all(word in line for word in said), line
    assert not any(word in line for word in unsaid), line


def test_an_old_job_is_not_told_and_an_active_one_comes_first() -> None:
    old = job("finished", ended=10.0)
    assert run_text.jobs_line([old], now=5000.0) == []
    assert "● measure" in text(run_text.jobs_line([old, job("running", started=4990.0)], now=5000.0))


def checkpoint(**parts: Any) -> Checkpoint:
    values: dict[str, Any] = {
        **{"id": "a01-e0003", "attempt": 1, "epoch": 3, "step": 60, "file": Path("/x.pt"), "bytes": 1000},
        **{"sha256": "5" * 64, "metrics": {"val/accuracy": 0.5}, "time": time.time(), "mid_epoch": False},
    }
    return Checkpoint(**{**values, **parts})


def row(**parts: Any) -> Measured:
    values: dict[str, Any] = {
        **{"checkpoint": "a01-e0003", "split": "train", "key": "", "sha256": "5" * 64, "images": 400},
        **{"metrics": {"loss": 0.7, "accuracy": 0.8123}},
    }
    return Measured(**{**values, **parts})


def test_only_rows_of_the_file_and_the_runs_own_settings_count() -> None:
    rows = [
        row(),
        row(split="test", sha256="6" * 64),
        row(split="val", key="0123abcd"),
        row(checkpoint="a01-e0009"),
    ]
    found = measured_of(rows, [checkpoint()])
    assert {name: set(splits) for name, splits in found.items()} == {"a01-e0003": {"train"}}


def test_measured_splits_are_columns_once_there_are_some() -> None:
    table = CheckpointTable()
    assert not [column for column in table.columns(200) if column.key.endswith("score")]
    table.measured = measured_of([row(), row(split="test")], [checkpoint()])
    assert [column.key for column in table.columns(200) if column.key.endswith("score")] == [
        *("train score", "test score")
    ]
    cells = table.cells(checkpoint())
    assert cells["train score"] == ("0.8123", "text")
    assert table.cells(checkpoint(id="a01-e0004"))["train score"] == ("–", "muted")
    for width in range(40, 200, 7):
        assert sum(column.width + 1 for column in table.columns(width)) <= width + 1


def test_a_detectors_checkpoints_show_map_50_and_no_empty_column() -> None:
    table = CheckpointTable()
    table.metric = "val/map"
    metrics = {"val/map": 0.46, "val/map_50": 0.62, "train/loss": 0.4}
    table.set_rows([checkpoint(metrics=metrics)])
    assert [column.key for column in table.columns(100)][:5] == ["sign", "epoch", "own", "beside", "step"]
    assert "train" not in [column.key for column in table.columns(200)]
    cells = table.cells(checkpoint(metrics=metrics))
    assert (cells["own"], cells["beside"]) == (("0.4600", "text"), ("0.6200", "text"))
    table.measured = measured_of([row(metrics={"loss": 1.0, "map": 0.9})], [checkpoint()])
    assert table.cells(checkpoint(metrics=metrics))["train score"] == ("0.9000", "text")


def test_of_a_detectors_measures_the_main_numbers_are_told() -> None:
    detail = Detail("r", (checkpoint(),))
    metrics = {
        "loss": 0.7,
        "loss_box_reg": 0.2,
        "map": 0.46,
        "map_50": 0.62,
        "map_small": 0.1,
        "mar_100": 0.5,
    }
    left = text(run_text.about_checkpoint(checkpoint(), detail, {"train": row(metrics=metrics)})[0])
    assert left == " a01-e0003  train: map 0.4600  map_50 0.6200  mar_100 0.5000 (400 images)"
    brief = run_text.about_checkpoint(checkpoint(), detail, {"train": row(metrics=metrics)}, brief=True)[0]
    assert text(brief) == " a01-e0003  train 0.4600"


def test_pinned_best_and_unreadable_have_signs() -> None:
    table = CheckpointTable()
    table.best, table.unreadable = "a01-e0003", {"a01-e0004": "damaged"}
    signs = [
        text(table.cells(item)["sign"]) for item in (checkpoint(pinned=True), checkpoint(id="a01-e0004"))
    ]
    assert signs == [" ★⚑ ", " ✗  "]
    assert table.cells(checkpoint(id="a01-e0004"))["id"] == ("a01-e0004 unreadable", "bad")


def test_the_checkpoint_under_the_cursor_in_words() -> None:
    detail = Detail(
        "r", (checkpoint(),), unreadable={"a01-e0004": "it has 3 bytes"}, usage=Usage(5_000_000, 4_000_000, 0)
    )
    left, right = run_text.about_checkpoint(checkpoint(pinned=True), detail, {"train": row()})
    assert "a01-e0003  pinned  train: accuracy 0.8123 (400 images)" in text(left)
    assert text(right) == "run 5.0 MB, 4.0 MB of it checkpoints "
    assert "it has 3 bytes" in text(run_text.about_checkpoint(checkpoint(id="a01-e0004"), detail, {})[0])
    brief, right = run_text.about_checkpoint(checkpoint(), detail, {"train": row()}, brief=True)
    assert text(brief) == " a01-e0003  train 0.8123"
    assert text(right) == "run 5.0 MB "


def test_both_accuracies_are_named() -> None:
    left, right = run_text.class_line(row(split="val"), "val", Means(0.6, 0.7167, 3, 400), "worst", best=True)
    assert text(left) == " val of a01-e0003 ★ best  400 images  worst first"
    assert text(right) == "micro 0.6000 over all images  macro 0.7167 mean of 3 classes "
    brief = run_text.class_line(row(), "train", Means(0.6, 0.7, 3, 400), "name", best=False, brief=True)
    assert text(brief[1]) == "micro 0.6000  macro 0.7000 "
    assert "other data" in text(
        run_text.class_line(row(key="0123abcd"), "val", Means(0.6, 0.7, 3, 400), "worst", best=False)[0]
    )


def test_checkpoints_sort_by_epoch_whatever_the_attempt() -> None:
    names = ["a02-e0003", "a01-e0010", "a01-e0002", "a01-e0002-s000123", "junk"]
    ordered = sorted(names, key=run_text.epoch_of)
    assert ordered == ["junk", "a01-e0002", "a01-e0002-s000123", "a02-e0003", "a01-e0010"]


@pytest.mark.parametrize(
    ("before", "typed", "add", "remove"),
    [
        (("a", "b"), "a, b", [], []),
        (("a", "b"), "b, c d , c d", ["c d"], ["a"]),
        ((), "", [], []),
        (("a",), " , ", [], ["a"]),
    ],
)
def test_tags_as_they_are_typed(
    before: tuple[str, ...], typed: str, add: list[str], remove: list[str]
) -> None:
    assert tag_changes(before, typed) == (add, remove)


def gpu(index: int, **parts: Any) -> Any:
    from core.launch.slots import GpuStatus

    values: dict[str, Any] = {
        **{"label": str(index), "name": "NVIDIA A100", "uuid": f"GPU-{index}", "bus_id": "", "busy": 83},
        **{"used": 21_000_000_000, "total": 80_000_000_000, "slots": 1, "runs": ("r",), "strangers": ()},
        **{"blocked": False},
    }
    return GpuStatus(index=index, **{**values, **parts})


def test_gpus_one_by_one_while_there_is_room() -> None:
    assert text(gpu_spans([gpu(0)], 160)) == " GPU0 A100 83 % 21/80 GB "
    assert text(gpu_spans([gpu(0), gpu(1, busy=None, used=None)], 160)) == " GPU0 83 % 21/80 GB  GPU1 – "
    assert text(gpu_spans([gpu(n, runs=("r",) * (n < 3)) for n in range(8)], 160)) == " GPU 3/8 busy "
    assert text(gpu_spans([gpu(0), gpu(1, runs=(), blocked=True)], 80)) == " GPU 2/2 busy "
    assert gpu_spans([], 160) == []


def test_a_gpu_that_others_use_warns() -> None:
    assert gpu_spans([gpu(0, blocked=True, runs=())], 160)[0][1] == "warning"
    assert gpu_spans([gpu(0, runs=())], 160)[0][1] == "muted"


@pytest.mark.parametrize(
    ("fields", "made", "said"),
    [
        ({"state": "finished", "ended": 9.0}, job("running", done=3, total=9), "measure 3 of 9"),
        (
            {"state": "finished", "ended": 9.0},
            job("queued", reason="waiting for GPU 0"),
            "measure: waiting for GPU 0",
        ),
        ({"state": "running", "epoch": 0}, job("running"), "first epoch"),
        ({"state": "finished", "early_stop": 8}, None, "finished early"),
        ({"state": "finished", "imported": True}, None, "imported"),
    ],
)
def test_outlook_with_jobs(summary: Any, fields: dict[str, Any], made: JobState | None, said: str) -> None:
    assert outlook(summary(**fields), made)[0] == said


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("mode=split", True),
        ("mode=head", False),
        ("archived=yes", True),
        ("archived=no", False),
        ("model=res", True),
    ],
)
def test_filter_by_mode_and_archive(summary: Any, query: str, found: bool) -> None:
    assert matches(summary(mode="split", archived=True, model="resnet18"), query) is found
