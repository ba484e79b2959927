"""Which predictions the screen of errors opens, and whose numbers stand in its header."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from rich.cells import cell_len

from core.analysis.cases import Case
from core.analysis.prediction_files import PredictionSet
from core.store.files import write_json
from core.store.paths import RunPaths
from core.store.records import Best, RunSummary
from tui.errors.panes import header
from tui.errors.source import about, chosen, sources
from tui.widgets.case_table import CaseTable


def source(checkpoint: str, split: str, key: str = "") -> PredictionSet:
    return PredictionSet(Path(f"{checkpoint}-{split}.npz"), checkpoint, split, key)


VAL, TRAIN = source("a01-e0001", "val"), source("a01-e0001", "train")
NEW, OTHER = source("a01-e0002", "new", "0003"), source("a01-e0001", "val", "1a2b3c4d")


@pytest.mark.parametrize(
    ("found", "opened"),
    [
        ([NEW, VAL], VAL),
        ([NEW], NEW),
        ([NEW, TRAIN], TRAIN),
        ([TRAIN, VAL], TRAIN),
        ([OTHER, VAL], VAL),
        ([OTHER], OTHER),
        ([NEW, OTHER], OTHER),
        ([], None),
    ],
)
def test_predictions_with_truth_open_first(
    summary: Callable[..., RunSummary], found: list[PredictionSet], opened: PredictionSet | None
) -> None:
    best = Best(metric="val/map", value=0.9, epoch=2, checkpoint="a01-e0002")
    assert chosen(found, replace(summary(), best=best)) == opened


def test_sets_of_new_images_say_how_many(tmp_path: Path) -> None:
    run = RunPaths(tmp_path)
    run.predictions.mkdir()
    names = ("a01-e0002-val", "a01-e0003-train", "a01-e0003-new-0002", "a01-e0003-new-0010")
    for name in names:
        file = run.predictions / f"{name}.npz"
        file.touch()
        os.utime(file, (time.time() + 60, time.time() + 60))
    write_json(run.predictions / "a01-e0003-new-0010.json", {"images": [{}]})
    found = sources(run)
    assert [item.file.stem for item in found] == [names[1], names[0], names[3], names[2]]
    assert [about(item) for item in found] == ["", "", "1 image, now", "now"]


@pytest.mark.parametrize(("sha256", "value"), [("a" * 64, "0.7500"), ("b" * 64, "0.5000"), ("", "0.5000")])
def test_measured_numbers_are_those_of_the_same_checkpoint(tmp_path: Path, sha256: str, value: str) -> None:
    run = RunPaths(tmp_path)
    run.measures.mkdir()
    row = {"checkpoint": "a01-e0001", "sha256": "a" * 64, "split": "val", "settings": {}, "n": 4}
    write_json(run.measures / "a01-e0001-val.json", {**row, "accuracy": 0.75, "per_class": []})
    errors: Any = SimpleNamespace(
        source=SimpleNamespace(origin=SimpleNamespace(sha256=sha256)),
        kind="classification",
        summary={"accuracy": 0.5},
    )
    view: Any = SimpleNamespace(errors=errors, agnostic_nms=None, ap=None)
    assert header.measured_summary(view, run, Path("a01-e0001-val.npz"), 120)[1] == f"accuracy {value}"


@pytest.mark.parametrize(
    ("width", "said"),
    [
        (150, "72 images, 4 objects, 7 boxes ≥ 0.50"),
        (109, "72 images, 4 objects, 7 boxes ≥ 0.50"),
        (80, "72 images, 4 objects, 7 boxes ≥ 0.50"),
        (70, "72 images, 4 objects, 7 boxes"),
        (62, "72 img 4 obj 7 boxes"),
        (50, "7 boxes"),
        (40, ""),
    ],
)
def test_the_line_above_says_as_much_as_fits(
    summary: Callable[..., RunSummary], error_files: ModuleType, width: int, said: str
) -> None:
    view = error_files.boxed(*error_files.example()).at(0.5)
    view.errors.images = 72
    run = replace(summary(), name="short")
    left, right = header.top(run, VAL, view, "AP 0.4819 (all scores)", width=width)
    text = "".join(words for words, _ in left)
    assert text.rpartition("val")[2].strip() == said
    assert cell_len(text) + cell_len("".join(words for words, _ in right)) < width


@pytest.mark.parametrize(
    ("prediction", "mixed", "numbers"),
    [
        (3, False, ["score", "iou", "objects", "boxes", "kind"]),
        (None, False, ["objects", "boxes", "kind"]),
        (None, True, ["score", "iou", "objects", "boxes", "kind"]),
    ],
)
def test_cases_without_a_prediction_have_no_score(
    prediction: int | None, mixed: bool, numbers: list[str]
) -> None:
    table = CaseTable()
    table.mixed = mixed
    table.set_rows([made_case("BloodImage_00390.jpg", prediction)])
    keys = [column.key for column in table.columns(80)]
    assert keys[:2] == ["sign", "image"]
    assert keys[2 : 2 + len(numbers)] == numbers


@pytest.mark.parametrize(("width", "room"), [(36, 16), (50, 20), (80, 20)])
def test_names_of_images_come_before_numbers(width: int, room: int) -> None:
    table = CaseTable()
    table.set_rows([made_case("BloodImage_00390.jpg", None)])
    columns = {column.key: column.width for column in table.columns(width)}
    assert columns["image"] >= room
    assert sum(columns.values()) + len(columns) <= width + 1


def made_case(path: str, prediction: int | None) -> Case:
    return Case(
        image=0,
        path=path,
        kind="missed" if prediction is None else "confused",
        object=1,
        prediction=prediction,
        truth=0,
        predicted=None if prediction is None else 1,
        score=None if prediction is None else 0.9,
        iou=None,
        objects=11,
        boxes=9,
    )
