"""The supervisor and the queue, with a real child process in place of the trainer."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from core.config.workspace import Workspace
from core.launch import control, slots
from core.launch import supervisor as supervisor_module
from core.launch.dispatch import supervisors_path
from core.launch.queue import QueueView, register, waits
from core.launch.supervisor import Launch, supervise
from core.launch.work_item import Work
from core.store import faults
from core.store.files import read_json
from core.store.locks import acquire, is_held, run_lock_path
from core.store.paths import RunPaths
from core.store.runs import add_request, request_stop
from core.store.state import derive_state
from tests.process.process_tools import stub_run, until

# Takes train.lock as the real trainer does, says so, then does what its argument says.
STUB = """
import json, os, signal, sys, time
from core.store.locks import acquire, run_lock_path
from core.store.paths import RunPaths
run, attempt, what = RunPaths(__import__("pathlib").Path(sys.argv[1])), int(sys.argv[2]), sys.argv[3]
lock = acquire(run_lock_path(run, "train"), timeout=1)
if lock is None:
    sys.exit(75)
stop = []
signal.signal(signal.SIGTERM, lambda *_: stop.append(1))
(run.root / "ready").touch()
def result(status):
    (run.attempt(attempt).result).write_text(json.dumps({"status": status, "epoch": 1, "step": 1}))
if what == "finish":
    result("finished")
elif what == "fail":
    print("boom")
    sys.exit(1)
elif what == "wait":
    while not stop:
        signal.pause()
    result("stopped")
elif what == "grandchild":
    import subprocess
    child = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"], start_new_session=True)
    (run.root / "grandchild").write_text(str(child.pid))
    result("finished")
"""


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    made = Workspace(tmp_path / "lab")
    made.runs.mkdir(parents=True)
    register(made)
    return made


@pytest.fixture
def supervisor() -> Iterator[Callable[[RunPaths, str], int]]:
    """Starts a supervisor as a forked process over a stub trainer; returns its pid."""
    pids: list[int] = []

    def start(run: RunPaths, what: str, request: int = 1) -> int:
        taken = slots.Board().take(slots.Need("cpu"))
        assert taken is not None
        slot, slot_lock = taken
        supervisor_lock = acquire(run_lock_path(run, "sup"))
        assert supervisor_lock is not None
        with slot_lock.hand_over(), supervisor_lock.hand_over():
            pid = os.fork()
        if pid:
            slot_lock.release()
            supervisor_lock.release()
            pids.append(pid)
            return pid
        try:
            os.setsid()

            def start_stub(launch: Launch) -> subprocess.Popen[bytes]:
                with launch.attempt.log.open("ab") as log:
                    return subprocess.Popen(
                        [sys.executable, "-c", STUB, str(run.root), str(launch.attempt.number), what],
                        stdout=log,
                        stderr=log,
                        env={**os.environ, **launch.environment},
                        pass_fds=launch.pass_fds,
                        start_new_session=True,
                    )

            supervise(Work(run, request), slot, slot_lock, supervisor_lock, start_stub)
            os._exit(0)
        except BaseException:
            import traceback

            traceback.print_exc()
            os._exit(1)

    yield start
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        except (ProcessLookupError, ChildProcessError):
            pass


def wait_for(pid: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_a_finished_trainer_leaves_its_exit(
    workspace: Workspace, supervisor: Callable[[RunPaths, str], int]
) -> None:
    run = stub_run(workspace)
    assert derive_state(run).state == "queued"
    assert wait_for(supervisor(run, "finish")) == 0
    assert derive_state(run).state == "finished"
    attempt = run.attempt(1)
    left = read_json(attempt.exit)
    assert left is not None
    assert (left["code"], left["signal"], left["oom_kill"]) == (0, None, False)
    started = read_json(attempt.start)
    assert started is not None
    assert started["request"] == 1
    assert started["trainer"]["pid"] > 0
    assert not [slot for slot, busy in slots.busy_slots() if busy]


def test_a_failed_trainer_is_failed_and_its_log_kept(
    workspace: Workspace, supervisor: Callable[[RunPaths, str], int]
) -> None:
    run = stub_run(workspace)
    wait_for(supervisor(run, "fail"))
    assert derive_state(run).state == "failed"
    assert run.attempt(1).log.read_text() == "boom\n"
    assert read_json(run.attempt(1).exit)["code"] == 1  # type: ignore[index]


def test_a_killed_trainer_says_so(workspace: Workspace, supervisor: Callable[[RunPaths, str], int]) -> None:
    run = stub_run(workspace)
    pid = supervisor(run, "wait")
    until((run.root / "ready").exists, "the stub runs")
    until(lambda: (read_json(run.attempt(1).start) or {}).get("trainer"), "the trainer's pid is recorded")
    os.kill(read_json(run.attempt(1).start)["trainer"]["pid"], signal.SIGKILL)  # type: ignore[index]
    wait_for(pid)
    state = derive_state(run)
    assert state.state == "failed"
    assert "SIGKILL" in state.reason
    assert read_json(run.attempt(1).exit)["oom_kill"] is False  # type: ignore[index]


def test_stop_reaches_the_trainer(workspace: Workspace, supervisor: Callable[[RunPaths, str], int]) -> None:
    run = stub_run(workspace)
    pid = supervisor(run, "wait")
    until((run.root / "ready").exists, "the stub runs")
    until(lambda: (read_json(run.attempt(1).start) or {}).get("trainer"), "the trainer's pid is recorded")
    assert derive_state(run).state == "running"
    control.stop_run(run)
    control.stop_run(run)
    wait_for(pid)
    assert derive_state(run).state == "stopped"


def test_kill_ends_the_trainer(workspace: Workspace, supervisor: Callable[[RunPaths, str], int]) -> None:
    run = stub_run(workspace)
    pid = supervisor(run, "wait")
    until((run.root / "ready").exists, "the stub runs")
    control.stop_run(run, kill=True)
    wait_for(pid)
    state = derive_state(run)
    assert (state.state, state.reason) == ("stopped", "killed; nothing was saved yet")


def test_what_a_trainer_leaves_behind_is_ended(
    workspace: Workspace, supervisor: Callable[[RunPaths, str], int]
) -> None:
    run = stub_run(workspace)
    wait_for(supervisor(run, "grandchild"))
    grandchild = int((run.root / "grandchild").read_text())
    until(
        lambda: not psutil.pid_exists(grandchild) or psutil.Process(grandchild).status() == "zombie",
        "the orphan in its own session is gone",
    )


def test_a_run_outlives_its_watcher(workspace: Workspace, supervisor: Callable[[RunPaths, str], int]) -> None:
    run = stub_run(workspace)
    pid = supervisor(run, "wait")
    until((run.root / "ready").exists, "the stub runs")
    until(lambda: (read_json(run.attempt(1).start) or {}).get("trainer"), "the trainer's pid is recorded")
    os.kill(pid, signal.SIGKILL)
    wait_for(pid)
    assert not is_held(run_lock_path(run, "sup"))
    assert derive_state(run).state == "running"
    assert [busy for _, busy in slots.busy_slots()] == [True], "the trainer keeps the slot"
    control.stop_run(run)
    until(lambda: derive_state(run).state == "stopped", "the orphan stops")
    until(lambda: [busy for _, busy in slots.busy_slots()] == [False], "the slot is free again")


def test_kill_works_without_a_supervisor(
    workspace: Workspace, supervisor: Callable[[RunPaths, str], int]
) -> None:
    run = stub_run(workspace)
    pid = supervisor(run, "wait")
    until((run.root / "ready").exists, "the stub runs")
    until(lambda: (read_json(run.attempt(1).start) or {}).get("trainer"), "the trainer's pid is recorded")
    os.kill(pid, signal.SIGKILL)
    wait_for(pid)
    control.stop_run(run, kill=True)
    until(lambda: derive_state(run).state == "stopped", "as it was asked to, although nobody wrote exit.json")


def test_a_stop_before_the_start_is_kept(
    workspace: Workspace, supervisor: Callable[[RunPaths, str], int]
) -> None:
    run = stub_run(workspace)
    control.stop_run(run)
    assert derive_state(run).state == "stopped"
    assert not waits(run)
    wait_for(supervisor(run, "finish"))
    assert not run.attempt(1).root.exists()


def test_the_queue_is_first_come_first_served(workspace: Workspace) -> None:
    runs = [stub_run(workspace, f"r{i}") for i in range(4)]
    view = QueueView()
    assert [run.id for run in view.waiting()] == [run.id for run in runs]
    request_stop(runs[1])
    assert [run.id for run in view.waiting()] == [runs[0].id, runs[2].id, runs[3].id]
    later = stub_run(workspace, "r9")
    assert view.waiting()[-1].id == later.id
    assert [run.id for run in QueueView().waiting()] == [run.id for run in view.waiting()]


def test_a_resumed_run_waits_again(workspace: Workspace, supervisor: Callable[[RunPaths, str], int]) -> None:
    run = stub_run(workspace)
    view = QueueView()
    assert view.waiting() == [run]
    wait_for(supervisor(run, "finish"))
    assert view.waiting() == []
    add_request(run, None, 5)
    assert view.waiting() == [run]


def test_a_trainer_that_found_the_lock_held_does_not_count(
    workspace: Workspace, supervisor: Callable[[RunPaths, str], int]
) -> None:
    run = stub_run(workspace)
    other = acquire(run_lock_path(run, "train"))
    assert other is not None
    wait_for(supervisor(run, "finish"))
    assert read_json(run.attempt(1).exit)["code"] == 75  # type: ignore[index]
    other.release()
    assert derive_state(run).state == "queued"
    assert waits(run)


def test_busy_slots_leave_a_waiter_behind(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """A slot held by a trainer without supervisor: someone has to dispatch when it ends."""
    from core.launch.dispatch import dispatch

    taken = slots.Board().take(slots.Need("cpu"))
    assert taken is not None
    run = stub_run(workspace)
    assert dispatch() == []
    try:
        until(lambda: acquire_exclusive_fails(supervisors_path()), "a waiter lives")
    finally:
        request_stop(run)
        taken[1].release()
    until(lambda: not acquire_exclusive_fails(supervisors_path()), "the waiter ends when nothing waits")


def test_what_cannot_begin_is_not_tried_at_once_again(
    workspace: Workspace, supervisor: Callable[[RunPaths, str], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk: the run stays queued, and its supervisor waits before anybody tries again."""
    tried: list[str] = []
    monkeypatch.setattr(supervisor_module, "_DISPATCH_EVERY", 0.5)
    monkeypatch.setattr(supervisor_module, "dispatch", lambda view: tried.append("again"))
    run = stub_run(workspace)
    began = time.monotonic()
    faults.arm("1+:enospc")
    try:
        pid = supervisor(run, "finish")
    finally:
        faults.arm("")
    assert wait_for(pid) == 1
    assert time.monotonic() - began >= 0.5
    assert derive_state(run).state == "queued"
    assert not any(busy for _, busy in slots.busy_slots())


def test_a_dispatcher_that_fails_ends_no_watch(
    workspace: Workspace, supervisor: Callable[[RunPaths, str], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(view: object) -> None:
        (workspace.root / "asked").touch()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(supervisor_module, "_DISPATCH_EVERY", 0.1)
    monkeypatch.setattr(supervisor_module, "dispatch", broken)
    run = stub_run(workspace)
    pid = supervisor(run, "wait")
    until((run.root / "ready").exists, "the stub runs")
    until((workspace.root / "asked").exists, "the supervisor looked for others")
    control.stop_run(run)
    assert wait_for(pid) == 0
    assert (read_json(run.attempt(1).exit) or {})["code"] == 0


# Says which signals wait, asks to be ended before it listens, and ends as a trainer does that was asked to.
SLEEPY = """
import os, signal, sys
from pathlib import Path
from core.engine.stop import StopFlag, install_handlers
root = Path(sys.argv[1])
(root / "born").write_text(str(sorted(map(int, signal.pthread_sigmask(signal.SIG_BLOCK, [])))))
while not (root / "go").exists():
    pass
stop = StopFlag()
install_handlers(stop)
(root / "told").write_text(str(stop()))
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_a_stop_before_the_trainer_listens_waits_for_it(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    run = stub_run(workspace)
    attempt = Work(run, 1).begin("cpu0", 1, None)
    monkeypatch.setattr(Work, "command", lambda *_: [sys.executable, "-c", SLEEPY, str(run.root)])
    child = supervisor_module.start_trainer(Launch(Work(run, 1), attempt, {}, ()))
    until((run.root / "born").exists, "it lives and does not listen yet")
    child.send_signal(number)  # type: ignore[attr-defined]
    (run.root / "go").touch()
    assert child.wait() == 0, "the signal did not end it"
    assert (run.root / "told").read_text() == "True", "it heard of it when it listened"
    assert number not in signal.pthread_sigmask(signal.SIG_BLOCK, []), "only the child is deaf"


def test_a_stop_that_ends_the_trainer_is_a_stop(
    workspace: Workspace, supervisor: Callable[[RunPaths, str], int]
) -> None:
    run = stub_run(workspace)
    pid = supervisor(run, "wait")
    until((run.root / "ready").exists, "the stub runs")
    until(lambda: (read_json(run.attempt(1).start) or {}).get("trainer"), "the trainer's pid is recorded")
    request_stop(run)
    os.kill(read_json(run.attempt(1).start)["trainer"]["pid"], signal.SIGINT)  # type: ignore[index]
    wait_for(pid)
    state = derive_state(run)
    assert (state.state, state.reason) == (
        "stopped",
        "stopped before it began to save; nothing was saved yet",
    )


@pytest.mark.parametrize("fault", ["no pidfd", "no room to note the trainer", "no leftovers to be had"])
def test_best_effort_ends_no_watch(
    workspace: Workspace,
    supervisor: Callable[[RunPaths, str], int],
    monkeypatch: pytest.MonkeyPatch,
    fault: str,
) -> None:
    def broken(*_: object) -> None:
        raise OSError(38, "Function not implemented")

    where, name = {
        "no pidfd": (os, "pidfd_open"),
        "no room to note the trainer": (supervisor_module, "note_trainer"),
        "no leftovers to be had": (supervisor_module, "_end_leftovers"),
    }[fault]
    monkeypatch.setattr(where, name, broken)
    run = stub_run(workspace)
    pid = supervisor(run, "wait")
    until((run.root / "ready").exists, "the stub runs")
    control.stop_run(run, kill=True)
    assert wait_for(pid) == 0
    assert derive_state(run).state == "stopped"
    assert (read_json(run.attempt(1).exit) or {})["signal"] == signal.SIGKILL


@pytest.mark.parametrize("name", ["log.txt", "start.json"])
def test_a_trainer_that_cannot_be_started_fails_with_the_reason(
    workspace: Workspace,
    supervisor: Callable[[RunPaths, str], int],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise OSError(12, "Cannot allocate memory", name)

    monkeypatch.setattr(subprocess, "Popen", broken)
    run = stub_run(workspace)
    assert wait_for(supervisor(run, "finish")) == 0
    state = derive_state(run)
    assert state.state == "failed"
    assert state.reason == f"its process could not be started: the machine is out of memory: {name}"


def test_a_waiter_looks_once_more_when_it_has_let_go(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is queued between its last look and its end has seen it alive, and left the waiting to it."""
    from core.launch import queue_waiter

    looks: list[bool] = []

    def dispatch(view: QueueView | None = None) -> list[str]:
        looks.append(acquire_exclusive_fails(supervisors_path()))
        if view is not None:
            view.left = 0
        return []

    monkeypatch.setattr(queue_waiter, "dispatch", dispatch)
    queue_waiter.wait_for_slots(0.01)
    assert looks == [True, False]


def test_no_fault_ends_a_waiter(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    from core.launch import apart, queue_waiter

    faults = iter([OSError(24, "Too many open files"), MemoryError(), IndexError("x")])

    def dispatch(view: QueueView | None = None) -> list[str]:
        for fault in faults:
            raise fault
        return ["started"]

    monkeypatch.setattr(queue_waiter, "dispatch", dispatch)
    queue_waiter.wait_for_slots(0.001)
    told = apart.supervisor_log().read_text()
    assert [word in told for word in ("too many open files", "MemoryError", "IndexError")] == [True] * 3


def test_a_run_that_is_removed_before_its_supervisor_looks_holds_up_nobody(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[object] = []
    monkeypatch.setattr(supervisor_module, "dispatch", lambda view: tried.append(view))
    taken, gone = slots.Board().take(slots.Need("cpu")), RunPaths(workspace.runs / "gone")
    assert taken is not None
    slot, lock = taken
    words = ["--request", "1", *slots.slot_arguments(slot), "--slot-lock", str(os.dup(lock.fd))]
    supervisor_module.main([str(gone.root), *words, "--supervisor-lock", str(os.dup(lock.fd))])
    lock.release()
    assert tried == [None], "others are looked for"
    assert not any(busy for _, busy in slots.busy_slots())


def acquire_exclusive_fails(path: Path) -> bool:
    lock = acquire(path)
    if lock is None:
        return True
    lock.release()
    return False


@pytest.mark.parametrize(("value", "number"), [("1", 1), ("3", 3)])
def test_slots_share_the_cores(value: str, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABTUI_CPU_SLOTS", value)
    found = slots.cpu_slots()
    assert len(found) == number
    assert all(1 <= slot.threads <= max(1, slots.cores() // number) for slot in found)


def test_slot_setting_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    from core.errors import UsageError

    monkeypatch.setenv("LABTUI_CPU_SLOTS", "many")
    with pytest.raises(UsageError, match=r"LABTUI_CPU_SLOTS.*'many'"):
        slots.cpu_slots()


def test_exit_json_is_plain(workspace: Workspace, supervisor: Callable[[RunPaths, str], int]) -> None:
    run = stub_run(workspace)
    wait_for(supervisor(run, "finish"))
    assert set(json.loads(run.attempt(1).exit.read_text())) == {"code", "signal", "oom_kill", "time"}
    assert (run.attempt(1).exit.stat().st_mode & 0o777) == 0o600
