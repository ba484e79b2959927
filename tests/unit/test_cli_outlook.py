"""`show` answers "train on?"; screens cut the sentence at whole parts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from core.cli.main import main
from core.config.load import dump, load_experiment
from core.config.workspace import Workspace
from core.store.attempts import record_attempt
from core.store.metrics import MetricsWriter
from core.store.paths import RunPaths
from core.store.runs import create_run
from tui.chart.marks import MOST, toggled
from tui.read.outlook_reader import told

CONFIG = "data: {format: synthetic, root: /nowhere}\nmodel: tinyvgg_a\nepochs: 12\n"
RISING = [0.1 + 0.05 * epoch for epoch in range(12)]
FLAT = [0.5, 0.51, 0.5, 0.49, 0.5, 0.51, 0.5, 0.5, 0.49, 0.5, 0.5, 0.49]


def trained(root: Path, values: list[float]) -> tuple[Workspace, RunPaths]:
    (root / "configs").mkdir()
    (root / "configs" / "base.yaml").write_text(CONFIG)
    workspace = Workspace(root)
    experiment = load_experiment("base", [], workspace=workspace).experiment

    def prepare(new: RunPaths) -> None:
        with MetricsWriter(new.metrics) as writer:
            for epoch, value in enumerate(values, 1):
                row = {"val/accuracy": value, "train/loss": 2.0 / epoch, "val/loss": 2.0 / epoch, "lr": 0.01}
                writer.write({"t": 1.0, "epoch": epoch, "step": epoch, "attempt": 1, "scope": "epoch", **row})
        if values:
            record_attempt(new, "finished", epoch=len(values), step=len(values), started=1.0, ended=2.0)

    run = create_run(
        workspace,
        config_name="base",
        config_text=dump(experiment),
        model=experiment.model,
        metric="val/accuracy",
        metric_mode="max",
        total_epochs=12,
        argv=["labtui"],
        prepare=prepare,
    )
    return workspace, run


@pytest.mark.parametrize(
    ("values", "advice", "words"),
    [
        (RISING, "train on", "still getting better"),
        (FLAT, "enough", "flat within noise"),
        (RISING[:3], "wait", "5 are"),
    ],
    ids=["rising", "flat", "young"],
)
def test_show_says_whether_to_train_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], values: list[float], advice: str, words: str
) -> None:
    workspace, run = trained(tmp_path, values)
    assert main(["show", run.id, "--workspace", str(workspace.root)]) == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("train on?")]
    assert line.startswith(f"train on?  {advice}: ")
    assert words in line
    assert main(["show", run.id, "--json", "--workspace", str(workspace.root)]) == 0
    told_of = json.loads(capsys.readouterr().out)["outlook"]
    assert told_of["advice"] == advice
    assert f"train on?  {told_of['sentence']}" == line
    assert told_of["troubles"] == []
    if advice == "wait":
        assert told_of["projection"] is None
    else:
        projection = told_of["projection"]
        assert projection["more"] == 5
        assert projection["low"] < projection["gain"] < projection["high"]


def test_troubles_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    workspace, run = trained(tmp_path, RISING[:6])
    with MetricsWriter(run.metrics) as writer:
        place = {"t": 1.0, "epoch": 7, "step": 7, "attempt": 1, "scope": "epoch"}
        writer.write({**place, "train/loss": float("nan"), "val/accuracy": 0.1})
    assert main(["show", run.id, "--json", "--workspace", str(workspace.root)]) == 0
    found = json.loads(capsys.readouterr().out)["outlook"]
    assert found["advice"] == "mend"
    assert [(item["kind"], item["epoch"]) for item in found["troubles"]] == [("not_finite", 7)]


def test_a_run_without_an_epoch_has_no_outlook(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    workspace, run = trained(tmp_path, [])
    assert main(["show", run.id, "--workspace", str(workspace.root)]) == 0
    assert "train on?" not in capsys.readouterr().out
    assert main(["show", run.id, "--json", "--workspace", str(workspace.root)]) == 0
    assert json.loads(capsys.readouterr().out)["outlook"] is None


SENTENCE = "enough: map +0.01 an epoch over the last 5: flat within noise; best 3 epochs ago; 5 more: +0.0001"


@pytest.mark.parametrize(
    ("room", "shown"),
    [
        (97, SENTENCE),
        (96, "enough: map +0.01 an epoch over the last 5: flat within noise; best 3 epochs ago …"),
        (70, "enough: map +0.01 an epoch over the last 5: flat within noise …"),
        (62, "enough: flat within noise; best 3 epochs ago …"),
        (30, "enough: flat within noise …"),
        (10, "enough: flat within noise …"),
    ],
)
def test_a_sentence_is_cut_at_whole_parts(room: int, shown: str) -> None:
    """Where not even the advice fits, the line itself cuts it: the verdict stands first."""
    assert told(SENTENCE, room) == shown


def test_marks_take_the_first_free_letter_and_end_at_eight() -> None:
    marks: dict[str, tuple[str, int]] = {}
    for number in range(MOST):
        made = toggled(marks, f"run {number}")
        assert made is not None
        marks = made
    assert [letter for letter, _ in marks.values()] == list("ABCDEFGH")
    assert toggled(marks, "one more") is None
    fewer = toggled(marks, "run 2")
    assert fewer is not None
    again = toggled(fewer, "one more")
    assert again is not None
    assert again["one more"] == ("C", 2)
