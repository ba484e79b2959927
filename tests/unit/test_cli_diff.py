"""`diff`: settings that differ, best and last values, and when numbers cannot be compared."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from core.cli.compare import compare
from core.cli.main import main
from core.config.load import apply_overrides, dump, parse_experiment
from core.config.workspace import Workspace
from core.store.files import write_json
from core.store.metrics import MetricsWriter
from core.store.paths import RunPaths
from core.store.runs import create_run

VAL = {"paths": ["val/a/0.png", "val/b/0.png"], "labels": [0, 1], "sizes": [9, 9]}
SPLIT = {"class_names": ["a", "b"], "fingerprint": "one", "splits": {"train": {}, "val": VAL}}
EVAL = {"resize": 32, "crop": "centre", "precision": "float32"}


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    (tmp_path / "configs").mkdir()
    monkeypatch.chdir(tmp_path)
    return Workspace(tmp_path)


def make_run(
    workspace: Workspace,
    name: str,
    accuracies: list[float],
    *overrides: str,
    split: dict[str, Any] | None = SPLIT,
    settings: dict[str, Any] = EVAL,
) -> RunPaths:
    base = parse_experiment("data: {root: /pictures}\nmodel: tinyvgg_a\n", workspace.root / "config")
    run = create_run(
        workspace,
        config_name="small",
        config_text=dump(apply_overrides(base, overrides)),
        model="tinyvgg_a",
        metric="val/accuracy",
        metric_mode="max",
        total_epochs=3,
        argv=["labtui"],
        name=name,
    )
    with MetricsWriter(run.metrics) as metrics:
        for epoch, accuracy in enumerate(accuracies, 1):
            stamp = {"t": 1.0, "epoch": epoch, "step": epoch, "attempt": 1, "scope": "epoch"}
            metrics.write({**stamp, "val/accuracy": accuracy, "val/loss": 1 - accuracy, "lr": 0.1})
    if split is not None:
        write_json(run.split, split)
    row = {"checkpoint": "a01-e0001", "sha256": "0" * 64, "split": "val", "n": 2, "settings": settings}
    write_json(run.measures / "a01-e0001-val.json", row)
    return run


def test_settings_and_values(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    make_run(workspace, "one", [0.5, 0.75, 0.625])
    make_run(workspace, "two", [0.5, 0.875], "learning_rate=0.001", "optimizer.momentum=0.8", "workers=4")
    assert main(["diff", "one", "two"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "setting             one   two",
        "learning_rate       0.01  0.001",
        "optimizer.momentum  0.9   0.8",
        "workers             2     4      no effect on results",
        "",
        "              best one  best two    delta  last one  last two",
        "val/accuracy  0.7500@2  0.8750@2  +0.1250  0.6250@3  0.8750@2",
        "val/loss      0.2500@2  0.1250@2  -0.1250  0.3750@3  0.1250@2",
    ]


def test_json(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    runs = [make_run(workspace, "one", [0.5, 0.75]), make_run(workspace, "two", [0.875], "seed=1")]
    assert main(["diff", runs[0].id, runs[1].id, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [run["id"] for run in document["runs"]] == [run.id for run in runs]
    assert document["settings"] == [{"key": "seed", "first": 0, "second": 1, "result": True}]
    assert document["metrics"][0] == {
        "name": "val/accuracy",
        "mode": "max",
        "best": [{"value": 0.75, "epoch": 2}, {"value": 0.875, "epoch": 1}],
        "last": [{"value": 0.75, "epoch": 2}, {"value": 0.875, "epoch": 1}],
        "delta": 0.125,
    }
    assert (document["comparable"], document["differences"]) == (True, [])


def test_the_same_run_has_no_differences(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    run = make_run(workspace, "one", [])
    assert main(["diff", "one", "one"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"first   {run.id}  one",
        f"second  {run.id}  one",
        "",
        "all settings are the same",
    ]
    assert main(["diff", "one", "none"]) == 2


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"class_names": ["a", "c"]}, "the classes differ: only the first has b; only the second has c"),
        ({"class_names": ["b", "a"]}, "the classes are in another order"),
        (
            {
                "splits": {"val": {"paths": ["val/a/0.png"], "labels": [0], "sizes": [9]}},
                "fingerprint": "two",
            },
            "the validation images differ: 2 and 1",
        ),
        (
            {"splits": {"val": {**VAL, "paths": ["val/a/0.png", "val/b/1.png"]}}, "fingerprint": "two"},
            "the validation images differ: 1 of 2 are the same",
        ),
    ],
)
def test_other_images_or_classes_forbid_a_delta(
    other: dict[str, Any], words: str, workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    first = make_run(workspace, "one", [0.5])
    second = make_run(workspace, "two", [0.75], split={**SPLIT, **other})
    assert compare(first, second).differences == (words,)
    assert main(["diff", "one", "two"]) == 0
    out = capsys.readouterr().out
    assert f"no comparison: {words}" in out
    assert "+0.2500" not in out


def test_other_training_images_alone_do_not(workspace: Workspace) -> None:
    first = make_run(workspace, "one", [0.5])
    split = {**SPLIT, "fingerprint": "two", "splits": {"train": {"paths": ["x"]}, "val": VAL}}
    assert compare(first, make_run(workspace, "two", [0.75], split=split)).comparable


def test_other_ways_of_measuring_are_said(workspace: Workspace) -> None:
    first = make_run(workspace, "one", [0.5])
    second = make_run(workspace, "two", [0.5], settings={**EVAL, "resize": 36, "tta": []})
    assert compare(first, second).differences == ("they are measured differently: resize 32 and 36",)
    without = make_run(workspace, "three", [0.5], split=None)
    assert compare(first, without).differences == (f"{without.id} has no list of the images",)
