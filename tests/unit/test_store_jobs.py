"""Jobs on disk: made whole, numbered once, their state derived as a run's is."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from core.config.workspace import Workspace
from core.errors import StateError, UsageError
from core.store import faults, files, jobs, process
from core.store.attempts import begin_attempt, write_error, write_exit, write_result
from core.store.jobs import (
    begin_job,
    create_job,
    find_job,
    is_untouched,
    list_jobs,
    read_job,
    request_job_stop,
    take_job,
    write_progress,
)
from core.store.locks import acquire, job_lock_path
from core.store.paths import JobPaths, RunPaths
from core.store.runs import create_run, remove_run
from core.store.state import derive_state

EVIL = "\x1b]52;c;aGk=\x07\x9b2J\u202e"


@pytest.fixture
def run(tmp_path: Path) -> RunPaths:
    lab = Workspace(tmp_path)
    return create_run(
        lab,
        config_name="demo",
        config_text="epochs: 5\n",
        model="tinyvgg_a",
        metric="val/accuracy",
        metric_mode="max",
        total_epochs=5,
        argv=[],
        device="cuda",
        gpus=[1],
    )


def end(job: JobPaths, status: str) -> None:
    files.write_json(job.result, {"status": status, "time": 7.0, "rows": []})
    write_exit(job, code=0, signal=None)


def test_a_job_is_made_whole(run: RunPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    job = create_job(run, "measure", {"at": ["a01-e0001"], "splits": ["test"], "batch": None})
    asked = json.loads(job.job.read_text())
    assert asked.pop("time") > 0
    assert asked.pop("asked_by")["host"] == process.host()
    assert asked == {
        "kind": "measure",
        "device": "cuda",
        "gpus": [1],
        "visible": "0,1",
        "at": ["a01-e0001"],
        "splits": ["test"],
        "batch": None,
    }
    assert job.root == run.root / "jobs" / "measure-0001"
    assert (job.root.stat().st_mode & 0o777, job.job.stat().st_mode & 0o777) == (0o700, 0o600)
    found = read_job(job)
    assert (found.state, found.reason, found.done, found.total) == (
        "queued",
        "waiting for a free slot",
        None,
        None,
    )
    assert run.id in (run.root.parent / ".changed").read_text()


def test_a_job_follows_where_the_run_computes(run: RunPaths) -> None:
    assert json.loads(create_job(run, "measure", {}).job.read_text())["device"] == "cuda"
    files.write_json(run.resolved, {"device": "cpu"})
    assert json.loads(create_job(run, "measure", {}).job.read_text())["device"] == "cpu"
    own = create_job(run, "measure", {"device": "auto", "gpus": None})
    assert json.loads(own.job.read_text())["gpus"] is None


def test_numbers_count_by_kind(run: RunPaths) -> None:
    names = [create_job(run, kind, {}).root.name for kind in ("measure", "predict", "measure", "predict")]
    assert names == ["measure-0001", "predict-0001", "measure-0002", "predict-0002"]
    assert [job.name for job in list_jobs(run)] == names, "oldest first"


def test_jobs_made_at_once_are_all_kept(run: RunPaths) -> None:
    threads = [threading.Thread(target=create_job, args=(run, "measure", {"n": n})) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    made = list_jobs(run)
    assert {job.number for job in made} == set(range(1, 9))
    assert {job.asked["n"] for job in made} == set(range(8))


@pytest.mark.parametrize("kind", ["", "Measure", "a/b", "../x", "measure-1"])
def test_kinds_are_words(run: RunPaths, kind: str) -> None:
    with pytest.raises(ValueError, match="not a kind"):
        create_job(run, kind, {})


def test_jobs_are_found_by_name(run: RunPaths) -> None:
    first = create_job(run, "measure", {})
    assert find_job(run, "1") == find_job(run, "measure-1") == find_job(run, "measure-0001") == first
    create_job(run, "predict", {})
    assert find_job(run, "measure-1") == first
    for word in ("1", "measure-2", "", "x", "measure-0001/../..", EVIL):
        with pytest.raises(UsageError, match="measure-0001, predict-0001") as error:
            find_job(run, word)
        assert "\x1b" not in str(error.value)


def test_a_job_from_queue_to_end(run: RunPaths) -> None:
    before = derive_state(run)
    job = create_job(run, "measure", {})
    with acquire(job_lock_path(job, "sup")):  # type: ignore[union-attr]
        assert read_job(job).state == "starting"
        begin_job(job, slot="cpu0", threads=2)
        assert not is_untouched(job)
        with pytest.raises(FileExistsError):
            begin_job(job, slot="cpu1", threads=2)
        lock = take_job(job)
        assert lock is not None
        assert take_job(job, timeout=0) is None
        write_progress(job, 3, 8, f"a01-e0003 val{EVIL}")
        found = read_job(job)
        assert (found.state, found.reason, found.done, found.total, found.slot) == (
            "running",
            "",
            3,
            8,
            "cpu0",
        )
        assert found.now.startswith("a01-e0003 val")
        assert "\x1b" not in found.now
        assert found.ended is None
        request_job_stop(job)
        request_job_stop(job)
        assert read_job(job).state == "stopping"
        end(job, "finished")
        lock.release()
        assert read_job(job).state == "finished"
    found = read_job(job)
    assert (found.state, found.result["rows"]) == ("finished", [])
    assert found.started is not None
    assert found.ended is not None
    assert found.created <= found.started <= found.ended
    assert derive_state(run) == before
    assert not (run.attempts / "0001").exists()
    with pytest.raises(StateError, match=f"measure-0001 of run {run.id} is finished"):
        request_job_stop(job)


def test_a_job_called_off_is_stopped(run: RunPaths) -> None:
    job = create_job(run, "measure", {})
    request_job_stop(job, kill=True)
    assert read_job(job).state == "stopped"
    assert not is_untouched(job)


HERE = {"boot_id": process.boot_id(), "host": process.host(), "pid": 1, "ticks": 1}


@pytest.mark.parametrize(
    ("left", "state", "reason"),
    [
        ({"exit": {"code": 1, "signal": None, "oom_kill": False}}, "failed", "exit code 1: last words"),
        ({"exit": {"code": None, "signal": 9, "oom_kill": False}}, "failed", "killed by SIGKILL"),
        (
            {"exit": {"code": None, "signal": 9, "oom_kill": True}},
            "failed",
            "out of memory (killed by the kernel)",
        ),
        (
            {"exit": {"code": 1, "signal": None}, "error": {"type": "X", "message": f"no{EVIL}\nmore"}},
            "failed",
            "no␛]52;c;aGk=␇�2J�",
        ),
        ({"start": HERE}, "lost", "supervisor and job died together"),
        ({"start": {**HERE, "boot_id": "another"}}, "lost", "the machine was restarted"),
        ({"start": {**HERE, "host": "far"}}, "lost", "started on far, and no process here runs it"),
        ({"result": {"status": "stopped"}, "exit": {"code": 0}}, "stopped", ""),
        ({"result": {"status": "finished"}, "exit": {"code": None, "signal": 9}}, "finished", ""),
    ],
)
def test_what_ended_it(run: RunPaths, left: dict[str, Any], state: str, reason: str) -> None:
    job = create_job(run, "measure", {})
    files.write_json(job.start, {"time": 1.0, "supervisor": left.get("start", HERE), "slot": "cpu0"})
    job.log.write_text("first words\nlast words\n")
    for name in ("exit", "result", "error"):
        if name in left:
            files.write_json(getattr(job, name), {**left[name], "time": 2.0})
    found = read_job(job)
    assert (found.state, found.reason) == (state, reason)


def test_a_supervisor_may_die_alone(run: RunPaths) -> None:
    job = create_job(run, "measure", {})
    begin_job(job, slot="cpu0", threads=1)
    with take_job(job):  # type: ignore[union-attr]
        found = read_job(job)
    assert (found.state, found.reason) == ("running", "its supervisor has died; the job continues alone")


@pytest.mark.parametrize("name", ["job.json", "progress.json", "start.json", "result.json", "exit.json"])
@pytest.mark.parametrize("data", [b"", b"{", b"[1]", b"\xff", b'{"done": "x", "time": [], "status": 7}'])
def test_torn_files_never_raise(run: RunPaths, name: str, data: bytes) -> None:
    job = create_job(run, "measure", {})
    begin_job(job, slot="cpu0", threads=1)
    (job.root / name).write_bytes(data)
    found = read_job(job)
    assert found.state in ("queued", "failed", "lost", "stopped")
    assert list_jobs(run) == [found]


def test_what_is_no_job_is_left_alone(run: RunPaths) -> None:
    create_job(run, "measure", {})
    for name in ("notes", "measure-1", "measure-x", ".hidden-0001"):
        (run.jobs / name).mkdir()
    (run.jobs / "measure-0009").symlink_to(run.root)
    assert [job.name for job in list_jobs(run)] == ["measure-0001"]


def test_remains_of_dead_makers_are_swept(run: RunPaths) -> None:
    job = create_job(run, "measure", {})
    dead = f"{process.host_tag()}-{2**22 + 1}-abcdef01"
    (run.jobs / f".new.{dead}").mkdir()
    (job.root / f".progress.json.{dead}.tmp").touch()
    living = run.jobs / f".new.{process.host_tag()}-{os.getpid()}-abcdef01"
    living.mkdir()
    assert len(jobs.sweep_jobs(run)) == 2
    assert sorted(path.name for path in run.jobs.iterdir()) == [living.name, "measure-0001"]


@pytest.mark.parametrize("fault", ["enospc", "eio"])
def test_a_full_disk_leaves_no_job(run: RunPaths, fault: str) -> None:
    with faults.recording() as steps:
        create_job(run, "measure", {})
    for number in range(1, len(steps) + 1):
        before = {job.name for job in list_jobs(run)}
        faults.arm(f"{number}:{fault}")
        try:
            create_job(run, "measure", {})
        except OSError:
            # Only making the name durable, the last step but the hint, may fail with the job there.
            assert {job.name for job in list_jobs(run)} == before or number == len(steps) - 1
        finally:
            faults.arm("")
        assert all(job.asked["kind"] == "measure" for job in list_jobs(run))
        assert not [path for path in run.jobs.iterdir() if path.name.startswith(".")]


def test_rm_waits_for_jobs(run: RunPaths) -> None:
    attempt = begin_attempt(run, 1, slot="cpu0", threads=1)
    write_result(attempt, "finished", epoch=5, step=50)
    write_exit(attempt, code=0, signal=None)
    ended, waiting = create_job(run, "measure", {}), create_job(run, "measure", {})
    begin_job(ended, slot="cpu0", threads=1)
    end(ended, "finished")
    with pytest.raises(StateError, match=r"measure-0002 .* is queued; stop it before you remove"):
        remove_run(run)
    request_job_stop(waiting)
    begun = create_job(run, "predict", {})
    begin_job(begun, slot="cpu0", threads=1)
    lock = take_job(begun)
    assert lock is not None
    with lock, pytest.raises(StateError, match=r"predict-0001 .* is running; stop it"):
        remove_run(run)
    write_error(begun, "ValueError", "x")
    remove_run(run)
    assert not run.root.exists()
    assert [path.name for path in run.root.parent.iterdir()] == [".changed"]
