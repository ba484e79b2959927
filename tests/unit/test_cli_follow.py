"""Signals while a run is followed: what stops the run, what only stops the showing."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

import core.cli.follow as follow_module
from core.cli.follow import follow
from core.config.workspace import Workspace
from core.errors import StateError
from core.store.attempts import begin_attempt, write_exit, write_result
from core.store.locks import acquire, run_lock_path
from core.store.metrics import MetricsWriter
from core.store.paths import AttemptPaths, RunPaths
from core.store.runs import create_run

Event = Callable[[], None]


class Scene:
    """A run under way in this very process; `plan` is what happens between two looks at it."""

    def __init__(self, root: Path) -> None:
        self.run: RunPaths = create_run(
            Workspace(root),
            config_name="small",
            config_text="model: tinyvgg_a\n",
            model="tinyvgg_a",
            metric="val/accuracy",
            metric_mode="max",
            total_epochs=3,
            argv=["labtui"],
        )
        self.locks = [acquire(run_lock_path(self.run, kind)) for kind in ("sup", "train")]
        self.attempt: AttemptPaths = begin_attempt(self.run, 1, slot="cpu0", threads=1)
        self.plan: list[Event] = []
        self.stops = 0

    def happen(self, _: float) -> None:
        assert self.plan, "nothing more was to happen, yet the run is still followed"
        self.plan.pop(0)()

    def stop(self, run: RunPaths) -> None:
        assert run == self.run
        self.stops += 1

    def epoch(self) -> None:
        with MetricsWriter(self.run.metrics) as metrics:
            row = {"t": 1.0, "epoch": 1, "step": 5, "attempt": 1, "scope": "epoch", "train/loss": 0.5}
            metrics.write({**row, "val/accuracy": 0.75, "time/epoch": 2.0, "images/s": 10.0})

    def end(self, how: str) -> Event:
        def happen() -> None:
            if how == "failed":
                write_exit(self.attempt, code=1, signal=None)
            else:
                write_result(self.attempt, how, epoch=1, step=5)
            self.release()

        return happen

    def release(self) -> None:
        for lock in self.locks:
            assert lock is not None
            lock.release()


def signalled(number: int) -> Event:
    return lambda: os.kill(os.getpid(), number)


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    made = Scene(tmp_path)
    monkeypatch.setattr(follow_module, "time", SimpleNamespace(sleep=made.happen))
    monkeypatch.setattr(follow_module, "stop_run", made.stop)
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    yield made
    made.release()
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)] == before


@pytest.mark.parametrize(("how", "code"), [("finished", 0), ("stopped", 0), ("failed", 4)])
def test_the_runs_end_is_the_code(
    how: str, code: int, scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    scene.plan = [scene.epoch, scene.end(how)]
    assert follow(scene.run) == code
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "running"
    assert lines[1].startswith("epoch 1/3  train/loss 0.5000  val/accuracy 0.7500  10 images/s")
    assert how in lines[-1]
    assert scene.stops == 0


def test_what_was_written_just_before_the_end_is_shown(
    scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    def both() -> None:
        scene.epoch()
        scene.end("finished")()

    scene.plan = [both]
    assert follow(scene.run) == 0
    assert "epoch 1/3" in capsys.readouterr().err


def test_the_first_interrupt_stops_and_waits(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    scene.plan = [signalled(signal.SIGINT), lambda: None, scene.end("stopped")]
    assert follow(scene.run) == 130
    assert scene.stops == 1
    err = capsys.readouterr().err
    assert "saving a checkpoint" in err
    assert f"labtui resume {scene.run.id}" in err


def test_the_second_interrupt_detaches(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    scene.plan = [signalled(signal.SIGINT), signalled(signal.SIGINT)]
    assert follow(scene.run) == 130
    assert scene.stops == 1
    assert f"{scene.run.id} continues in the background" in capsys.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM])
def test_a_hang_up_only_ends_the_showing(number: int, scene: Scene) -> None:
    scene.plan = [signalled(number)]
    assert follow(scene.run) == 0
    assert scene.stops == 0


def test_under_nohup_a_hang_up_changes_nothing(scene: Scene) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        scene.plan = [signalled(signal.SIGHUP), scene.end("finished")]
        assert follow(scene.run) == 0
        assert scene.plan == []
    finally:
        signal.signal(signal.SIGHUP, before)


def test_an_interrupt_as_the_run_ends_is_no_error(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def too_late(_: RunPaths) -> None:
        scene.end("finished")()
        raise StateError("there is nothing to stop")

    monkeypatch.setattr(follow_module, "stop_run", too_late)
    scene.plan = [signalled(signal.SIGINT)]
    assert follow(scene.run) == 0
    assert "finished at epoch" in capsys.readouterr().err


def test_records_of_earlier_attempts_are_not_told_again(
    scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    with MetricsWriter(scene.run.metrics) as metrics:
        metrics.write({"t": 1.0, "epoch": 1, "step": 5, "attempt": 0, "scope": "epoch", "train/loss": 9.0})
    scene.plan = [scene.epoch, scene.end("finished")]
    assert follow(scene.run) == 0
    err = capsys.readouterr().err
    assert "9.000" not in err
    assert err.count("epoch 1/3") == 1
