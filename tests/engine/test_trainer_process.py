"""The trainer as a process: lock, signals, exit codes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.engine.attempt import run_attempt
from core.engine.stop import StopFlag
from core.store.attempts import begin_attempt
from core.store.checkpoints import choose
from core.store.files import read_json
from core.store.locks import acquire, run_lock_path
from core.store.metrics import MetricsTail
from core.store.paths import RunPaths

ROOT = Path(__file__).parents[2]


def start(run: RunPaths, attempt: int, **options: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "core.engine", str(run.root), str(attempt)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        **options,
    )


def until(condition: Callable[[], object], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_lock_then_sigterm(lab: Any, sha: Any) -> None:
    run = lab.create("epochs=100000", "checkpoint.every=100000", "measure.every=100000")
    begin_attempt(run, 1, slot="cpu0", threads=1)
    trainer = start(run, 1)
    until(lambda: MetricsTail(run.metrics).read()[0], trainer)
    assert acquire(run_lock_path(run, "train")) is None
    second = start(run, 2)
    said, _ = second.communicate(timeout=60)
    assert second.returncode == 75
    assert said == f"Another trainer works on {run.id}: this one ends.\n"
    trainer.send_signal(signal.SIGTERM)
    trainer.send_signal(signal.SIGHUP)
    log, _ = trainer.communicate(timeout=60)
    assert trainer.returncode == 0, log
    result = read_json(run.attempt(1).result)
    assert result is not None
    assert result["status"] == "stopped"
    assert choose(run, "last").step == result["step"]
    lock = acquire(run_lock_path(run, "train"))
    assert lock is not None
    lock.release()


@pytest.mark.parametrize("number", signal.valid_signals() & {1, 2, 10, 12, 15})
def test_a_signal_before_torch_is_there_only_sets_the_flag(lab: Any, number: int) -> None:
    """Handlers stand before the seconds of importing torch."""
    script = (
        "import sys; from core.engine.stop import StopFlag, install_handlers; import os\n"
        "flag = StopFlag(); install_handlers(flag)\n"
        f"os.kill(os.getpid(), {number})\n"
        "print(flag(), 'torch' in sys.modules, 'numpy' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.stdout.split() == ["True", "False", "False"]


def test_entry_takes_lock_and_handlers_before_torch() -> None:
    script = "import core.engine.__main__, sys; print('torch' in sys.modules, 'pydantic' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-P", "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.stdout.split() == ["False", "False"]


def test_failure_is_exit_code_error_file_and_sentence(lab: Any, capsys: pytest.CaptureFixture[str]) -> None:
    run = lab.create()
    run.config.write_text("model: nonsense\n")
    attempt = begin_attempt(run, 1, slot="cpu0", threads=1)
    assert run_attempt(run, attempt.number, StopFlag()) == 1
    error = read_json(attempt.error)
    assert error is not None
    assert error["type"] == "ConfigError"
    assert "nonsense" in error["message"]
    said = capsys.readouterr().err
    assert "Traceback" not in said, "nothing of the code is at fault"
    assert said.rstrip().endswith(error["message"].splitlines()[-1])


def test_stop_marker_is_looked_for_once_a_second(tmp_path: Path) -> None:
    marker = tmp_path / "0001.stop"
    flag = StopFlag(marker)
    assert not flag()
    marker.touch()
    assert not flag()
    deadline = time.monotonic() + 10
    while not flag():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    marker.unlink()
    assert flag()


def test_a_detector_with_few_open_files(box_lab: Any, forked: Callable[[RunPaths, str], int]) -> None:
    """No workers: neither many open files nor shared memory are needed, however many images there are."""
    run = box_lab.create("epochs=2", "workers=4", "measure.splits=[train, val]")
    assert forked(run, "files=48") == 0, run.attempt(1).log.read_text()
    assert read_json(run.attempt(1).result)["status"] == "finished"
    assert len(list(run.predictions.iterdir())) == 5
