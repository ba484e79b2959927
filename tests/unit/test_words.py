"""Words for runs and jobs, whichever command or screen says them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from core import words
from core.errors import StateError
from core.launch.control import stop_run
from core.store.attempts import begin_attempt, write_result
from core.store.files import make_dir, write_json
from core.store.jobs import create_job, request_job_stop
from core.store.paths import RunPaths
from core.store.records import Best, RunSummary
from core.store.runs import request_stop
from tui.widgets.run_table import outlook


def run_of(state: str = "running", **changed: Any) -> RunSummary:
    plain = {"id": "r", "name": "", "config": "a", "model": "m", "reason": "", "epoch": 3, "epochs": 9}
    plain |= {"best": None, "parent": None, "created": 100.0, "started": None, "ended": None, "metric": "x"}
    return RunSummary(**{**plain, "state": state, **changed})


@pytest.mark.parametrize(
    ("run", "state", "line"),
    [
        (run_of(), "running", "● running"),
        (run_of("finished", early_stop=3), "finished early", "✓ finished early"),
        (run_of("failed", reason="disk full, epoch 7"), "failed", "✗ failed: disk full, epoch 7"),
        (run_of("stopped", early_stop=3), "stopped", "■ stopped"),
        (run_of("queued", reason="waits"), "queued", "… queued: waits"),
    ],
)
def test_state_of_a_run(run: RunSummary, state: str, line: str) -> None:
    assert (words.run_state(run), words.run_state_line(run)) == (state, line)
    if run.state in ("finished", "stopped"):
        assert outlook(run)[0] == state


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"seconds_per_epoch": 60.0}, "≈ 6 m"),
        ({}, ""),
        ({"seconds_per_epoch": 60.0, "epoch": 9}, ""),
        ({"seconds_per_epoch": 60.0, "state": "finished"}, ""),
        ({"seconds_per_epoch": 60.0, "state": "stopping"}, "≈ 6 m"),
    ],
)
def test_time_left(changed: dict[str, Any], said: str) -> None:
    assert words.run_time_left(run_of(**changed)) == said


def test_best_value_and_age() -> None:
    assert words.best_value(run_of()) == "–"
    assert words.best_value(run_of(best=Best("val/loss", 1.7784, 12, None))) == "1.778@12"
    assert words.run_age(run_of(), 140.0) == "40 s"
    assert words.run_age(run_of(), 140.0, by_minute=True) == "now"
    assert words.run_age(run_of(started=10.0), 140.0, by_minute=True) == "2 m"
    assert words.run_age(run_of(created=0.0), 140.0) == "–"
    assert [words.ago(text) for text in ("now", "2 m", "–")] == ["now", "2 m ago", "–"]


def test_what_has_ended_is_refused_in_the_same_words(tmp_path: Path) -> None:
    run = RunPaths(tmp_path / "runs" / "20260101-000000-a-0001")
    make_dir(run.root.parent)
    make_dir(run.root)
    make_dir(run.requests)
    write_json(run.spec, {"format": 1, "epochs": 1})
    write_json(run.requests / "0001.json", {"from": None, "total_epochs": 1, "time": 1.0})
    attempt = begin_attempt(run, 1, slot="cpu0", threads=1)
    write_result(run.attempt(attempt.number), "finished", epoch=1, step=1)
    job = create_job(run, "measure", {})
    request_job_stop(job)
    said = []
    for stop in (lambda: stop_run(run), lambda: request_stop(run), lambda: request_job_stop(job)):
        with pytest.raises(StateError) as caught:
            stop()
        said.append(str(caught.value))
    assert said[0] == said[1] == f"Run {run.id} is finished: there is nothing to stop."
    assert said[2] == f"Job measure-0001 of run {run.id} is stopped: there is nothing to stop."
