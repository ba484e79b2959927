"""Which predictions the screen of errors opens, and whose numbers stand in its header."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from core.store.files import write_json
from core.store.paths import RunPaths
from core.store.records import Best, RunSummary
from tui.screens.errors_source import Source, chosen, sources
from tui.screens.errors_state import _summary


def source(checkpoint: str, split: str, key: str = "") -> Source:
    return Source(Path(f"{checkpoint}-{split}.npz"), checkpoint, split, key)


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
    summary: Callable[..., RunSummary], found: list[Source], opened: Source | None
) -> None:
    best = Best(metric="val/map", value=0.9, epoch=2, checkpoint="a01-e0002")
    assert chosen(found, replace(summary(), best=best)) == opened


def test_sets_of_new_images_say_how_many(tmp_path: Path) -> None:
    run = RunPaths(tmp_path)
    run.predictions.mkdir()
    names = ("a01-e0002-val", "a01-e0003-train", "a01-e0003-new-0002", "a01-e0003-new-0010")
    for name in names:
        (run.predictions / f"{name}.npz").touch()
    write_json(run.predictions / "a01-e0003-new-0010.json", {"images": [{}]})
    found = sources(run)
    assert [item.file.stem for item in found] == [names[1], names[0], names[3], names[2]]
    assert [item.note for item in found] == ["", "", "1 image, now", "now"]


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
    assert _summary(view, run, Path("a01-e0001-val.npz"), 120)[1] == f"accuracy {value}"
