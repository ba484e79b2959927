"""What is left of a run's curve when metrics.jsonl is cut, emptied or gone."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from core.config.workspace import Workspace
from core.store.attempts import begin_attempt, write_exit, write_result
from core.store.checkpoints import save_files
from core.store.json_documents import metrics_document, show_document
from core.store.metrics import MetricsWriter
from core.store.paths import RunPaths, checkpoint_id
from core.store.restore import read_run_history
from core.store.runs import add_request, create_run
from core.store.summary import summarise

SCORES = {1: 0.25, 2: 0.5, 3: 0.375, 4: 0.75, 5: 0.625}


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda fd: None)


def train(run: RunPaths, attempt: int, request: int, epochs: range, *, kept: set[int]) -> None:
    """Rows of some epochs, checkpoints of those kept, a measure row of every one."""
    folder = begin_attempt(run, request, slot="cpu0", threads=1)
    with MetricsWriter(run.metrics) as metrics:
        for epoch in epochs:
            place = {"t": float(epoch), "epoch": epoch, "step": epoch * 10, "attempt": attempt}
            score = SCORES[epoch] + 0.01 * (attempt - 1)
            metrics.write({**place, "scope": "step", "train/loss": 1.0})
            metrics.write({**place, "scope": "epoch", "train/loss": 1 / epoch, "val/accuracy": score})
            identifier = checkpoint_id(attempt, epoch)
            if epoch in kept:
                side = {"attempt": attempt, "epoch": epoch, "step": epoch * 10, "mid_epoch": False}
                values = {"train/loss": 1 / epoch, "val/accuracy": score}
                save_files(run, identifier, b"x" * epoch, {**side, "metrics": values})
            row = {"checkpoint": identifier, "sha256": "", "split": "val", "n": 9, "accuracy": score}
            (run.measures / f"{identifier}-val.json").write_text(json.dumps(row))
    write_result(folder, "finished", epoch=epochs[-1], step=epochs[-1] * 10)
    write_exit(folder, code=0, signal=None)


def made(folder: Path, epochs: int = 5) -> RunPaths:
    return create_run(
        Workspace(folder),
        config_name="tiny",
        config_text="epochs: 5\n",
        model="tinyvgg_a",
        metric="val/accuracy",
        metric_mode="max",
        total_epochs=epochs,
        argv=[],
    )


@pytest.fixture
def run(tmp_path: Path) -> RunPaths:
    found = made(tmp_path)
    train(found, 1, 1, range(1, 6), kept={2, 4, 5})
    return found


def scores(run: RunPaths) -> dict[int, float]:
    return {row["epoch"]: row["val/accuracy"] for row in read_run_history(run).epochs}


def cut(run: RunPaths, rows: int) -> None:
    lines = run.metrics.read_bytes().splitlines(keepends=True)
    run.metrics.write_bytes(b"".join(lines[: 2 * rows]) + lines[-1][:20])


DAMAGES = {
    "missing": (lambda run: run.metrics.unlink(), "metrics.jsonl is missing, and with it epochs 1 to 5"),
    "empty": (lambda run: run.metrics.write_bytes(b""), "metrics.jsonl is empty: it lacks epochs 1 to 5"),
    "cut": (lambda run: cut(run, 3), "metrics.jsonl lacks epochs 4 to 5"),
    "first lines gone": (
        lambda run: run.metrics.write_bytes(b"".join(run.metrics.read_bytes().splitlines(True)[2:])),
        "metrics.jsonl lacks epoch 1",
    ),
    "a pipe": (
        lambda run: (run.metrics.unlink(), os.mkfifo(run.metrics)),
        "metrics.jsonl cannot be read (it is a named pipe, not a regular file), nor epochs 1 to 5",
    ),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_the_curve_is_put_together_and_said(run: RunPaths, name: str) -> None:
    whole = scores(run)
    assert summarise(run).problems == ()
    damage, words = DAMAGES[name]
    damage(run)
    assert scores(run) == pytest.approx(whole)
    summary = summarise(run)
    assert (summary.state, summary.epoch, summary.epochs) == ("finished", 5, 5)
    assert summary.best is not None
    assert (summary.best.epoch, summary.best.value) == (4, 0.75)
    (said,) = summary.problems
    assert said.startswith(words)
    assert "shown from checkpoints and measurements" in said
    assert show_document(run)["problems"] == [said]
    assert metrics_document(run)["note"] == said
    steps = [row["step"] for row in metrics_document(run)["epochs"]]
    assert steps == [10, 20, 30, 40, 50]


def test_what_nothing_knows_is_lost_and_said(run: RunPaths) -> None:
    for epoch in (1, 3):
        (run.measures / f"a01-e000{epoch}-val.json").unlink()
    run.metrics.unlink()
    assert list(scores(run)) == [2, 4, 5]
    assert "epochs 1, 3 are lost" in summarise(run).problems[0]
    for path in (*run.checkpoints.iterdir(), *run.measures.iterdir()):
        path.unlink()
    summary = summarise(run)
    assert (summary.epoch, summary.best) == (5, None)
    assert summary.problems == (
        "metrics.jsonl is missing, and with it epochs 1 to 5; they are in no checkpoint or measurement.",
    )


def test_what_was_left_is_not_put_back(run: RunPaths) -> None:
    """Attempt 2 went on from epoch 2: epochs 3 to 5 of the first are not of its curve."""
    add_request(run, "a01-e0002", 4)
    train(run, 2, 2, range(3, 5), kept={3})
    before = scores(run)
    run.metrics.unlink()
    assert scores(run) == pytest.approx(before)
    assert before == pytest.approx({1: 0.25, 2: 0.5, 3: 0.385, 4: 0.76})


def test_a_resume_that_failed_at_once_lacks_nothing(run: RunPaths) -> None:
    add_request(run, "a01-e0002", 8)
    with MetricsWriter(run.metrics) as metrics:
        metrics.write({"resume": "a01-e0002", "attempt": 2, "epoch": 2, "step": 20, "t": 9.0})
    write_exit(begin_attempt(run, 2, slot="cpu0", threads=1), code=1, signal=None)
    assert list(scores(run)) == [1, 2]
    assert summarise(run).problems == ()


def test_a_run_that_trains_writes_its_rows_itself(tmp_path: Path) -> None:
    run = made(tmp_path)
    train(run, 1, 1, range(1, 3), kept={1, 2})
    run.metrics.unlink()
    add_request(run, "a01-e0002", 5)
    assert summarise(run).state == "queued"
    assert summarise(run).problems == ()
    assert scores(run) == {}
