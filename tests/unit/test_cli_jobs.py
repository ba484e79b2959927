"""`measure`, `predict` and `--job`: what they ask for, show and say. No process is started here."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import core.cli.commands.measure as measure
import core.cli.commands.predict as predict
import core.cli.follow_job as follow
from core.cli.follow_job import follow_job
from core.cli.main import main
from core.config.load import dump, load_experiment
from core.config.workspace import Workspace
from core.store.attempts import write_error, write_exit
from core.store.checkpoints import save_files
from core.store.files import write_json
from core.store.jobs import JobState, begin_job, create_job, read_job, take_job, write_progress
from core.store.locks import Lock
from core.store.paths import JobPaths, RunPaths
from core.store.runs import create_run

CONFIG = "data: {root: %s}\nmodel: tinyvgg_a\nepochs: 2\n"
ROWS = [
    {"checkpoint": "a01-e0001", "split": "val", "n": 30, "metrics": {"loss": 1.25, "accuracy": 0.5}},
    {
        "checkpoint": "a01-e0002",
        "split": "val",
        "n": 30,
        "metrics": {"loss": "NaN", "accuracy": 0.75, "top5": 1.0},
    },
]


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    for split in ("train", "val"):
        for name in ("cat", "dog"):
            (tmp_path / "pictures" / split / name).mkdir(parents=True)
            (tmp_path / "pictures" / split / name / "0.png").write_bytes(b"x")
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "small.yaml").write_text(CONFIG % (tmp_path / "pictures"))
    monkeypatch.chdir(tmp_path)
    return Workspace(tmp_path)


@pytest.fixture
def run(workspace: Workspace) -> RunPaths:
    """Two checkpoints and a list of images."""
    loaded = load_experiment("small", workspace=workspace)
    made = create_run(
        workspace,
        config_name="small",
        config_text=dump(loaded.experiment),
        model="tinyvgg_a",
        metric="val/accuracy",
        metric_mode="max",
        total_epochs=2,
        argv=["labtui"],
    )
    for epoch in (1, 2):
        values = {"attempt": 1, "epoch": epoch, "step": epoch, "metrics": {"val/accuracy": 0.9 - epoch / 10}}
        save_files(made, f"a01-e000{epoch}", b"weights", values)
    write_json(made.split, {"splits": {"train": {}, "val": {}}, "class_names": ["cat", "dog"]})
    return made


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What jobs are asked for; they are made, but nothing is started, and `finish` ends them at once."""
    contents: list[dict[str, Any]] = []

    def start_job(_: Workspace, run: RunPaths, kind: str, content: dict[str, Any]) -> JobPaths:
        contents.append({"kind": kind, **content})
        job = create_job(run, kind, content)
        begin_job(job, slot="cpu0", threads=1)
        finish(job, *outcome)
        return job

    outcome: list[Any] = [{"rows": ROWS, "unreadable": []}]
    monkeypatch.setattr(measure, "start_job", start_job)
    monkeypatch.setattr(predict, "start_job", start_job)
    contents.append({"outcome": outcome})
    return contents


def finish(job: JobPaths, result: dict[str, Any] | None, status: str = "finished") -> None:
    if result is not None:
        write_json(job.result, {"status": status, **result, "time": 2.0})
        write_progress(job, 2, 2)
    write_exit(job, code=0, signal=None)


def test_measure_asks_for_a_job_and_prints_its_rows(
    run: RunPaths, asked: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["measure", run.id]) == 0
    captured = capsys.readouterr()
    assert captured.out.splitlines() == [
        "checkpoint  split  images   loss  accuracy    top5",
        "a01-e0001   val        30  1.250    0.5000       –",
        "a01-e0002   val        30    NaN    0.7500  1.0000",
    ]
    assert f"measure-0001 of {run.id}: 2 to measure on val" in captured.err
    assert f"measure-0001 of {run.id} finished" in captured.err
    wish = asked[1]
    assert (wish["kind"], wish["at"], wish["splits"]) == ("measure", ["a01-e0001", "a01-e0002"], ["val"])
    assert (wish["data"], wish["data_config"], wish["batch"]) == (None, None, None)


def test_measure_takes_its_words(run: RunPaths, asked: list[dict[str, Any]], workspace: Workspace) -> None:
    words = "--at best,2 --splits val,train --batch 7 --worker 0 --prefetch 3 --data pictures --detach"
    assert main(["measure", run.id, *words.split()]) == 0
    wish = asked[1]
    assert (wish["at"], wish["splits"]) == (["a01-e0001", "a01-e0002"], ["val", "train"])
    assert (wish["batch"], wish["workers"], wish["prefetch"], wish["data"]) == (7, 0, 3, "pictures")
    assert wish["data_config"]["root"] == str(workspace.root / "pictures")


def test_measure_json_is_one_document(
    run: RunPaths, asked: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["measure", run.id, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["id"], document["job"], document["state"]) == (run.id, "measure-0001", "finished")
    assert (document["rows"], document["unreadable"]) == ([{**row, "per_class": []} for row in ROWS], [])
    assert main(["measure", run.id, "--json", "--detach"]) == 0
    assert json.loads(capsys.readouterr().out) == {"id": run.id, "job": "measure-0002"}


def test_a_checkpoint_that_was_left_out_is_named_and_is_exit_code_4(
    run: RunPaths, asked: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    reason = "Checkpoint /x/a01-e0002.pt is damaged: it has 3 bytes."
    asked[0]["outcome"][0] = {
        "rows": ROWS[:1],
        "unreadable": [{"checkpoint": "a01-e0002", "reason": reason}],
    }
    assert main(["measure", run.id]) == 4
    captured = capsys.readouterr()
    assert "a01-e0001" in captured.out
    assert f"a01-e0002 was left out: {reason}" in captured.err
    assert main(["show", run.id]) == 0
    shown = capsys.readouterr().out
    assert "unreadable" in shown
    assert f"✗ a01-e0002: {reason}" in shown
    asked[0]["outcome"][0] = {"rows": ROWS, "unreadable": []}
    assert main(["measure", run.id]) == 0
    capsys.readouterr()
    assert main(["show", run.id]) == 0
    assert "unreadable" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("kind", "code"), [("DataError", 3), ("UsageError", 2), ("StateError", 5), ("RuntimeError", 4)]
)
def test_a_failed_job_gives_its_sentence_and_code(
    kind: str,
    code: int,
    run: RunPaths,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def start_job(_: Workspace, run: RunPaths, kind_of_job: str, content: dict[str, Any]) -> JobPaths:
        job = create_job(run, kind_of_job, content)
        begin_job(job, slot="cpu0", threads=1)
        write_error(job, kind, "the images are gone")
        write_exit(job, code=1, signal=None)
        return job

    monkeypatch.setattr(measure, "start_job", start_job)
    assert main(["measure", run.id]) == code
    err = capsys.readouterr().err
    assert f"measure-0001 of {run.id} failed: the images are gone" in err
    assert f"labtui log {run.id} --job measure-0001" in err
    assert main(["wait", run.id, "--job", "1"]) == code


@pytest.mark.parametrize(
    ("argv", "code", "words"),
    [
        (["measure"], 2, "give RUN, or --config F"),
        (["measure", "@last", "--config", "small"], 2, "give RUN, or --config F"),
        (["measure", "--config", "nothing"], 2, "no such config"),
        (["measure", "@last", "--at", "7"], 4, "no checkpoint '7'"),
        (["measure", "@last", "--splits", "test"], 2, "no test images; its splits are train, val"),
        (["measure", "@last", "--splits", "vla"], 2, "did you mean 'val'"),
        (["measure", "@last", "--data", "nowhere"], 2, "nowhere"),
        (["predict", "@last", "nothing.png"], 2, "no file or folder"),
        (["predict", "@last"], 2, "missing IMAGES"),
        (["stop", "@last", "--job", "measure-0009"], 2, "no one job 'measure-0009'"),
    ],
)
def test_what_cannot_be_is_refused_before_a_job_is_made(
    argv: list[str],
    code: int,
    words: str,
    run: RunPaths,
    asked: list[dict[str, Any]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(argv) == code
    captured = capsys.readouterr()
    assert words in captured.err
    assert captured.err.count("\n") == 1
    assert len(asked) == 1


def test_config_means_its_newest_run(
    run: RunPaths, asked: list[dict[str, Any]], workspace: Workspace
) -> None:
    (workspace.configs / "other.yaml").write_text((workspace.configs / "small.yaml").read_text())
    assert main(["measure", "--config", "small", "--detach"]) == 0
    assert asked[1]["at"] == ["a01-e0001", "a01-e0002"]
    assert main(["measure", "--config", "other", "--detach"]) == 2


def test_predict_prints_the_likeliest_classes(
    run: RunPaths, asked: list[dict[str, Any]], workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    top = [{"class": "dog", "probability": 0.75}, {"class": "cat", "probability": 0.25}]
    asked[0]["outcome"][0] = {
        "file": "a01-e0001-new-0001.npz",
        "images": [{"path": "cat/0.png", "top": top}],
        "skipped": [{"path": "bad.png", "reason": "/x/bad.png cannot be read as an image"}],
    }
    assert main(["predict", run.id, "pictures/val"]) == 3
    captured = capsys.readouterr()
    assert captured.out.splitlines() == ["image      top", "cat/0.png  dog 0.750  cat 0.250"]
    assert "left out: /x/bad.png cannot be read as an image" in captured.err
    assert str(run.predictions / "a01-e0001-new-0001.npz") in captured.err
    inside = workspace.root / "pictures" / "val"
    assert asked[1]["images"] == [str(inside / "cat" / "0.png"), str(inside / "dog" / "0.png")]
    assert asked[1]["checkpoint"] == "a01-e0001"
    assert main(["predict", run.id, "pictures/val", "--at", "2", "--json"]) == 3
    document = json.loads(capsys.readouterr().out)
    assert document["images"][0]["top"] == top
    assert (document["checkpoint"], len(document["skipped"])) == ("a01-e0002", 1)


def waiting_job(run: RunPaths) -> JobPaths:
    return create_job(run, "measure", {"at": ["a01-e0001"], "splits": ["val"]})


def test_jobs_are_waited_for_stopped_and_logged_by_name(
    run: RunPaths, capsys: pytest.CaptureFixture[str]
) -> None:
    job = waiting_job(run)
    assert main(["wait", run.id, "--job", "measure-0001", "--timeout", "0"]) == 5
    assert "measure-0001" in capsys.readouterr().err
    assert main(["stop", run.id, "--job", "measure-1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"id": run.id, "job": "measure-0001", "state": "stopped"}
    assert main(["stop", run.id, "--job", "measure-1"]) == 5
    assert "nothing to stop" in capsys.readouterr().err
    assert main(["wait", run.id, "--job", "1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["state"] == "stopped"
    job.log.write_text("a01-e0001 val  accuracy 0.5\x1b[2J\n")
    assert main(["log", run.id, "--job", "1"]) == 0
    assert capsys.readouterr().out == "a01-e0001 val  accuracy 0.5␛[2J\n"
    assert main(["log", run.id, "--job", "1", "--attempt", "1"]) == 2


def test_show_lists_jobs_and_measures(run: RunPaths, capsys: pytest.CaptureFixture[str]) -> None:
    waiting_job(run)
    row = {"checkpoint": "a01-e0001", "sha256": "0" * 64, "split": "val", "settings": {}, "n": 30}
    per_class = [
        {"class": "c\x1bat", "n": 20, "correct": 5, "accuracy": 0.25},
        {"class": "dog", "n": 0, "correct": 0, "accuracy": None},
    ]
    write_json(run.measures / "a01-e0001-val.json", {**row, "accuracy": 0.25, "per_class": per_class})
    other = {"settings": {"data": {"root": "/other"}}, "accuracy": 0.5}
    write_json(run.measures / "a01-e0001-val-0123abcd.json", {**row, **other})
    assert main(["show", run.id]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "measured   split  images  accuracy" in lines
    assert "a01-e0001  val        30    0.5000  /other" in lines
    assert "class, val at a01-e0001  images  correct  accuracy" in lines
    assert "c␛at                         20        5    0.2500" in lines
    assert "dog                           0        0         –" in lines
    assert any(line.startswith("measure-0001  … queued") for line in lines)


class Script:
    """A job that goes on by one step each time it is looked at."""

    def __init__(self, job: JobPaths, *steps: Callable[[JobPaths], object]) -> None:
        self.job = job
        self.steps = list(steps)

    def __call__(self, job: JobPaths) -> JobState:
        if self.steps:
            self.steps.pop(0)(job)
        return read_job(job)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> Callable[[Script], None]:
    def install(script: Script) -> None:
        monkeypatch.setattr(follow, "read_job", script)
        monkeypatch.setattr(time, "sleep", lambda _: None)

    return install


def test_ctrl_c_stops_the_job_and_waits_for_what_it_keeps(
    run: RunPaths, quick: Callable[[Script], None], capsys: pytest.CaptureFixture[str]
) -> None:
    job = waiting_job(run)

    def interrupt(_: JobPaths) -> None:
        os.kill(os.getpid(), 2)

    quick(Script(job, interrupt, lambda _: None, lambda _: None))
    followed = follow_job(job)
    assert job.stop.exists()
    assert (followed.state.state, followed.interrupted, followed.left) == ("stopped", True, False)
    assert "stopping; what is done stays" in capsys.readouterr().err


def test_a_hang_up_leaves_the_job_alone(
    run: RunPaths, quick: Callable[[Script], None], capsys: pytest.CaptureFixture[str]
) -> None:
    job = waiting_job(run)
    quick(Script(job, lambda _: os.kill(os.getpid(), 1)))
    # Under nohup a hang-up would be ignored.
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    try:
        followed = follow_job(job)
    finally:
        signal.signal(signal.SIGHUP, before)
    assert not job.stop.exists()
    assert (followed.left, followed.interrupted, followed.code) == (True, False, 0)
    assert f"labtui wait {run.id} --job measure-0001" in capsys.readouterr().err


def test_plain_lines_tell_each_part_once(
    run: RunPaths, quick: Callable[[Script], None], capsys: pytest.CaptureFixture[str]
) -> None:
    job = waiting_job(run)
    held: list[Lock] = []

    def work(job: JobPaths) -> None:
        begin_job(job, slot="cpu0", threads=1)
        lock = take_job(job)
        assert lock is not None
        held.append(lock)

    def at(done: int, now: str) -> Callable[[JobPaths], object]:
        return lambda job: write_progress(job, done, 2, now)

    def end(job: JobPaths) -> None:
        held.pop().release()
        finish(job, {"rows": ROWS})

    quick(Script(job, work, at(0, "a01-e0001 val"), at(1, "a01-e0002 val"), at(1, "a01-e0002 val"), end))
    follow_job(job)
    lines = capsys.readouterr().err.splitlines()
    assert lines[-2:] == ["0/2  a01-e0001 val", "1/2  a01-e0002 val"]
