"""Jobs as processes: slots shared with runs, stops and kills, deaths at any moment, trackers left alone."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from core.config.workspace import Workspace
from core.errors import StateError
from core.launch import control, dispatch
from core.launch.jobs import active_jobs, start_job, stop_job, wait_job
from core.launch.queue import QueueView
from core.launch.queue_reasons import waiting_reasons
from core.launch.slots import busy_slots
from core.store.attempts import begin_attempt, write_exit, write_result
from core.store.files import read_json
from core.store.jobs import JobState, list_jobs, read_job
from core.store.locks import acquire, is_held, run_lock_path
from core.store.paths import JobPaths, RunPaths
from core.store.process import from_json, send
from core.store.records import ENDED
from core.store.runs import remove_run
from core.store.state import derive_state
from tests.process.process_tools import stub_run, until

KILLS = 60 if os.environ.get("LABTUI_SOAK") else 6


@pytest.fixture
def lab(stubbed: Workspace) -> Iterator[Workspace]:
    """A workspace with one slot, whose supervisors start the stub."""
    yield stubbed
    for found in active_jobs(stubbed):
        try:
            stop_job(found.job, kill=True)
        except StateError:
            continue
    until(lambda: not active_jobs(stubbed), "all jobs have ended")


def new_run(lab: Workspace, do: str = "finish", **more: Any) -> RunPaths:
    return stub_run(lab, do, device="cpu", **more)


@pytest.fixture
def run(lab: Workspace) -> RunPaths:
    """A run that has ended."""
    made = new_run(lab)
    attempt = begin_attempt(made, 1, slot="cpu0", threads=1)
    write_result(attempt, "finished", epoch=3, step=30)
    write_exit(attempt, code=0, signal=None)
    return made


def begins(job: JobPaths) -> None:
    until((job.root / "seen.json").exists, f"{job.root.name} begins")


def ended(job: JobPaths) -> JobState:
    found = wait_job(job, 30)
    assert found.state in ENDED
    return found


def test_a_job_finishes(lab: Workspace, run: RunPaths) -> None:
    before = derive_state(run), sorted(path.name for path in run.attempts.iterdir())
    job = start_job(lab, run, "measure", {"do": "count", "total": 5})
    found = ended(job)
    assert (found.state, found.done, found.total, found.now) == ("finished", 5, 5, "part 5")
    until(job.exit.exists, "its supervisor notes the exit")
    left = read_json(job.exit) or {}
    assert (left["code"], left["signal"], left["oom_kill"]) == (0, None, False)
    began = read_json(job.start) or {}
    assert (began["slot"], began["gpu"]) == ("cpu0", None)
    assert began["trainer"]["pid"] > 0
    assert (derive_state(run), sorted(path.name for path in run.attempts.iterdir())) == before
    assert oct(job.log.stat().st_mode & 0o777) == "0o600"
    until(lambda: not any(busy for _, busy in busy_slots()), "the slot is free")


def test_a_job_fails_with_its_reason(lab: Workspace, run: RunPaths) -> None:
    found = ended(start_job(lab, run, "measure", {"do": "fail"}))
    assert (found.state, found.reason) == ("failed", "told to fail")
    assert derive_state(run).state == "finished"


def test_jobs_and_runs_share_slots_in_order(lab: Workspace, run: RunPaths) -> None:
    first = start_job(lab, run, "measure", {"do": "wait"})
    begins(first)
    training = new_run(lab, "wait")
    second = start_job(lab, run, "measure", {"do": "count", "total": 1})
    assert [work.name for work in QueueView().works()] == [training.id, f"{run.id} measure-0002"]
    assert QueueView().waiting() == [training]
    holder = f"{run.id.split('-', 2)[2]} measure-0001"
    assert waiting_reasons() == {
        str(training.root): f"waiting for a free CPU slot: 1 run has it: {holder}",
        str(second.root): f"waiting for a free CPU slot: 1 run has it: {holder}, 1 before it",
    }
    assert [job.name for job in active_jobs(lab)] == ["measure-0001", "measure-0002"]
    stop_job(first)
    assert ended(first).state == "stopped"
    until(lambda: derive_state(training).state == "running", "who came first trains")
    assert read_job(second).state == "queued"
    control.stop_run(training)
    assert ended(second).state == "finished"


def test_a_job_runs_beside_the_training_of_its_run(lab: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABTUI_CPU_SLOTS", "2")
    run = new_run(lab, "wait")
    dispatch.dispatch()
    until(lambda: derive_state(run).state == "running", "it trains")
    job = start_job(lab, run, "measure", {"do": "count", "total": 3})
    assert ended(job).state == "finished"
    assert derive_state(run).state == "running"
    control.stop_run(run)
    until(lambda: derive_state(run).state == "stopped", "it stops")


def test_stop_is_pressed_twice(lab: Workspace, run: RunPaths) -> None:
    job = start_job(lab, run, "measure", {"do": "wait"})
    begins(job)
    until(lambda: (read_json(job.start) or {})["trainer"], "its process is noted")
    stop_job(job)
    stop_job(job)
    assert ended(job).state == "stopped"
    with pytest.raises(StateError, match="is stopped"):
        stop_job(job)


def test_a_frozen_job_is_killed(lab: Workspace, run: RunPaths) -> None:
    job = start_job(lab, run, "measure", {"do": "freeze"})
    begins(job)
    with pytest.raises(StateError, match="is running; stop it before"):
        remove_run(run)
    stop_job(job, kill=True)
    found = ended(job)
    assert (found.state, found.reason) == ("stopped", "killed; what was done before stays")
    until(lambda: not any(busy for _, busy in busy_slots()), "the slot is free")
    remove_run(run)
    assert not run.root.exists()


def test_kill_works_without_a_supervisor(lab: Workspace, run: RunPaths) -> None:
    job = start_job(lab, run, "measure", {"do": "freeze"})
    begins(job)
    until(lambda: (read_json(job.start) or {})["trainer"], "its process is noted")
    supervisor = from_json((read_json(job.start) or {})["supervisor"])
    assert supervisor is not None
    send(supervisor, signal.SIGKILL)
    until(lambda: "supervisor has died" in read_job(job).reason, "it goes on alone")
    stop_job(job, kill=True)
    assert ended(job).state == "stopped"


@pytest.mark.parametrize("target", ["supervisor", "process", "both"])
def test_deaths_at_any_moment(target: str, lab: Workspace, run: RunPaths) -> None:
    """Whatever is killed when: the job ends in a state, the slot is free, the run is as it was, rm works."""
    rng = random.Random(f"{target}{os.environ.get('LABTUI_SOAK', '')}")
    before = derive_state(run)
    whole = start_job(lab, run, "measure", {"do": "count", "total": 20})
    began = time.monotonic()
    assert ended(whole).state == "finished"
    took = time.monotonic() - began
    hits = 0
    while hits < KILLS // 3:
        job = start_job(lab, run, "measure", {"do": "count", "total": 20})
        time.sleep(rng.uniform(0, took))  # the random moment of the kill
        started = read_json(job.start) or {}
        for part in {"supervisor": ["supervisor"], "process": ["trainer"]}.get(
            target, ["supervisor", "trainer"]
        ):
            identity = from_json(started.get(part))
            hits += identity is not None and send(identity, signal.SIGKILL)
        found = ended(job)
        assert found.state in ("finished", "failed", "lost"), found
        assert found.state == "finished" or found.reason
        until(lambda: not any(busy for _, busy in busy_slots()), "the slot is free")
        assert derive_state(run) == before
    assert ended(start_job(lab, run, "measure", {"do": "count", "total": 1})).state == "finished"
    numbers = [job.number for job in list_jobs(run)]
    assert sorted(numbers) == list(range(1, len(numbers) + 1))
    for lock in ("sup", "train"):
        held = acquire(run_lock_path(run, lock))  # type: ignore[arg-type]
        assert held is not None
        held.release()
    remove_run(run)
    assert not run.root.exists()


def test_a_killed_maker_leaves_a_whole_job_or_none(lab: Workspace, run: RunPaths) -> None:
    """Every write operation of `create_job` may be the last one of its process."""
    from core.store import faults, jobs

    with faults.recording() as steps:
        jobs.create_job(run, "measure", {"do": "finish"})
    for number in range(1, len(steps) + 1):
        pid = os.fork()
        if pid == 0:
            faults.arm(f"{number}:kill")
            try:
                jobs.create_job(run, "measure", {"do": "finish"})
            finally:
                os._exit(0)
        os.waitpid(pid, 0)
        assert all(job.asked["do"] == "finish" and job.state == "queued" for job in list_jobs(run))
    jobs.create_job(run, "measure", {"do": "finish"})
    assert not [path for path in run.jobs.iterdir() if path.name.startswith(".")]
    until(lambda: not dispatch.dispatch() and not active_jobs(lab), "all of them finish", 60)
    assert {(job.state, job.reason) for job in list_jobs(run)} == {("finished", "")}


TRACKER = """
import os, sys, time
from pathlib import Path
run = Path(sys.argv[1])
(run / "tracker.json").write_text(__import__("json").dumps({
    "pid": os.getpid(), "attempt": sys.argv[2], "session": os.getsid(0) == os.getpid(),
    "gpus": os.environ.get("CUDA_VISIBLE_DEVICES"),
    "locks": [os.readlink(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd")
              if os.path.exists(f"/proc/self/fd/{fd}")],
}))
child = os.fork()
if child == 0:
    os.setsid()
    (run / "tracker_child").write_text(str(os.getpid()))
print("hello", flush=True)
while not (run / "tracker_stop").exists():
    time.sleep(0.01)
"""


@pytest.mark.parametrize(
    "log", [{"wandb": "offline"}, {"wandb": "off", "tensorboard": True}, {"wandb": "off"}, {}]
)
def test_a_tracker_outlives_its_run(
    lab: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, log: dict[str, Any]
) -> None:
    """It and what it starts are nobody's leftovers; it holds no lock; jobs have none."""
    (tmp_path / "tracker.py").write_text(TRACKER)
    monkeypatch.setenv("STUB_TRACKER", str(tmp_path / "tracker.py"))
    run = new_run(lab, "finish", log=log)
    assert dispatch.dispatch() == [run.id]
    until(run.attempt(1).exit.exists, "the run has ended")
    if log in ({}, {"wandb": "off"}):
        assert not run.tracking.exists()
        return
    until((run.root / "tracker_child").exists, "the tracker has started")
    until(lambda: not any(busy for _, busy in busy_slots()), "the slot is free")
    told = json.loads((run.root / "tracker.json").read_text())
    child = int((run.root / "tracker_child").read_text())
    assert (told["attempt"], told["session"], told["gpus"]) == ("1", True, "")
    assert not [path for path in told["locks"] if path.endswith(".lock")]
    assert all(psutil.Process(pid).status() != "zombie" for pid in (told["pid"], child))
    assert "hello\n" in run.attempt(1).log.read_text()
    (run.root / "tracker_stop").touch()
    until(lambda: not psutil.pid_exists(child), "it ends by itself")


def test_a_tracker_that_cannot_start_stops_nothing(
    lab: Workspace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("STUB_TRACKER", str(tmp_path / "missing.py"))
    run = new_run(lab, "finish", log={"wandb": "online"})
    dispatch.dispatch()
    until(lambda: derive_state(run).state in ENDED, "it ends")
    assert derive_state(run).state == "finished"
    until(lambda: "missing.py" in run.attempt(1).log.read_text(), "its log says what is missing")


def test_what_a_supervisor_dispatches_outlives_it(lab: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """It adopts the orphans of its trainer, but not the supervisors that it starts meanwhile."""
    monkeypatch.setenv("LABTUI_CPU_SLOTS", "2")
    monkeypatch.setenv("STUB_DISPATCH_EVERY", "0.1")
    first = new_run(lab, "wait")
    assert dispatch.dispatch() == [first.id]
    until(lambda: derive_state(first).state == "running", "the first one trains")
    second = new_run(lab, "wait")
    until(lambda: derive_state(second).state == "running", "its supervisor starts the second one")
    control.stop_run(first)
    until(lambda: not is_held(run_lock_path(first, "sup")), "the first supervisor is gone")
    state = derive_state(second)
    assert (state.state, state.reason) == ("running", "")
    control.stop_run(second)
    until(lambda: derive_state(second).state == "stopped", "the second one stops")
