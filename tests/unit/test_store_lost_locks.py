"""Lock files that are deleted while their process lives (git clean, rsync --delete) change no state."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from core.config.workspace import Workspace
from core.engine.stop import StopFlag
from core.errors import StateError
from core.store import process
from core.store.attempts import begin_attempt, note_trainer, write_exit
from core.store.jobs import begin_job, create_job, read_job
from core.store.locks import acquire, is_held, renew, run_lock_path
from core.store.paths import RunPaths
from core.store.runs import add_request, create_run, remove_run, request_stop
from core.store.state import derive_state


@pytest.fixture
def run(tmp_path: Path) -> RunPaths:
    lab = Workspace(tmp_path)
    settings = {"config_name": "c", "config_text": "", "model": "m", "metric": "x", "metric_mode": "max"}
    return create_run(lab, total_epochs=5, argv=[], **settings)  # type: ignore[arg-type]


def test_a_living_trainer_is_never_lost(run: RunPaths) -> None:
    attempt = begin_attempt(run, 1, slot="cpu0", threads=1)
    assert derive_state(run).state == "lost"
    me = process.identify()
    note_trainer(attempt, me)
    assert (derive_state(run).state, derive_state(run).reason) == (
        "running",
        "its lock file was deleted; the process runs",
    )
    with pytest.raises(StateError, match="running"):
        add_request(run, None, 9)
    with pytest.raises(StateError, match="still training, though its lock file is gone: stop it first"):
        remove_run(run)
    request_stop(run)
    assert derive_state(run).state == "stopping"
    note_trainer(attempt, {**me, "ticks": me["ticks"] + 1})
    assert derive_state(run).state == "lost", "another process has its number now"
    write_exit(attempt, code=None, signal=9)
    assert derive_state(run).state == "failed"


def test_a_living_job_is_never_lost(run: RunPaths) -> None:
    job = create_job(run, "measure", {})
    begin_job(job, slot="cpu0", threads=1, gpu=None)
    assert read_job(job).state == "lost"
    note_trainer(job, process.identify())
    assert read_job(job).state == "running"
    job.stop.touch()
    assert read_job(job).state == "stopping"
    with pytest.raises(StateError, match="still measure-0001"):
        remove_run(run)


@pytest.mark.parametrize("remake", [False, True], ids=["deleted", "made anew"])
@pytest.mark.parametrize("how", [lambda _: renew, StopFlag], ids=["at once", "by a trainer"])
def test_a_lost_lock_is_taken_anew(
    run: RunPaths, how: Callable[[Path], Callable[[], object]], remake: bool
) -> None:
    path = run_lock_path(run, "train")
    with acquire(path) as lock:  # type: ignore[union-attr]
        assert renew() == []
        path.unlink()
        if remake:
            path.touch()
        assert not is_held(path)
        how(run.stop_marker(1))()
        assert is_held(path)
        assert acquire(path) is None
        assert lock.fd >= 0
    assert not is_held(path)


def test_what_another_holds_by_now_is_left_to_it(run: RunPaths) -> None:
    path = run_lock_path(run, "train")
    with acquire(path):  # type: ignore[union-attr]
        path.unlink()
        with acquire(path):  # type: ignore[union-attr]
            assert renew() == []
        assert renew() == [path]


def test_a_shared_lock_stays_shared(tmp_path: Path) -> None:
    with acquire(tmp_path / "alive", shared=True):  # type: ignore[union-attr]
        (tmp_path / "alive").unlink()
        assert renew() == [tmp_path / "alive"]
        assert is_held(tmp_path / "alive", shared=True)
        assert not is_held(tmp_path / "alive")
