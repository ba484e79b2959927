"""Locks across real processes: who holds one, and when it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from core.store.locks import acquire, is_held

HOLD = """
import sys
from pathlib import Path
from core.store.locks import acquire
lock = acquire(Path(sys.argv[1]), timeout=5)
print("held" if lock else "refused", flush=True)
sys.stdin.read()
"""
ADOPT = """
import sys
from pathlib import Path
from core.store.locks import adopt
lock = adopt(int(sys.argv[2]), Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def children() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts Python programs that say a word when they are ready and end when their stdin closes."""
    started: list[subprocess.Popen[str]] = []

    def start(program: str, *args: object, pass_fds: tuple[int, ...] = ()) -> subprocess.Popen[str]:
        child = subprocess.Popen(
            [sys.executable, "-c", program, *map(str, args)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            pass_fds=pass_fds,
        )
        started.append(child)
        return child

    yield start
    for child in started:
        child.kill()
        child.communicate()


def word(child: subprocess.Popen[str]) -> str:
    assert child.stdout is not None
    return child.stdout.readline().strip()


def in_fork(action: Callable[[], bool]) -> bool:
    """What `action` says in a child made by os.fork."""
    pid = os.fork()
    if pid == 0:
        try:
            os._exit(0 if action() else 1)
        finally:
            os._exit(2)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert code in (0, 1), f"the child failed ({code})"
    return code == 0


def test_sigkill_frees_a_lock(tmp_path: Path, children: Callable[..., subprocess.Popen[str]]) -> None:
    path = tmp_path / "a"
    child = children(HOLD, path)
    assert word(child) == "held"
    assert is_held(path)
    assert acquire(path) is None
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert not is_held(path)


def test_a_lock_lives_on_in_the_child_it_was_handed_to(
    tmp_path: Path, children: Callable[..., subprocess.Popen[str]]
) -> None:
    """No gap: the parent lets go, the child holds; it ends with the child's SIGKILL."""
    path = tmp_path / "a"
    lock = acquire(path)
    assert lock is not None
    with lock.hand_over() as fd:
        child = children(ADOPT, path, fd, pass_fds=(fd,))
    lock.release()
    assert is_held(path)
    assert word(child) == "held"
    assert is_held(path)
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert not is_held(path)


def test_a_child_that_was_not_handed_the_lock_has_it_not(
    tmp_path: Path, children: Callable[..., subprocess.Popen[str]]
) -> None:
    path = tmp_path / "a"
    lock = acquire(path)
    assert lock is not None
    child = children("import sys; print('up', flush=True); sys.stdin.read()")
    assert word(child) == "up"
    lock.release()
    assert not is_held(path), "the child lives, the lock is free"
    assert child.poll() is None


def test_forked_workers_do_not_hold_locks(tmp_path: Path) -> None:
    """A data worker that outlives its trainer must not keep the run locked."""
    path = tmp_path / "a"
    lock = acquire(path)
    assert lock is not None
    end_r, end_w = os.pipe()
    up_r, up_w = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(end_w)
        os.write(up_w, b"x")
        os.read(end_r, 1)
        os._exit(0 if lock.fd == -1 else 1)
    os.read(up_r, 1)
    lock.release()
    held = is_held(path)
    os.close(end_w)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert not held
    assert code == 0


def test_a_fork_inside_hand_over_keeps_the_lock(tmp_path: Path) -> None:
    """The supervisor's double fork: the first half ends, the second goes on holding."""
    path = tmp_path / "a"
    lock = acquire(path)
    assert lock is not None
    end_r, end_w = os.pipe()
    up_r, up_w = os.pipe()
    with lock.hand_over():
        pid = os.fork()
        if pid == 0:
            os.close(end_w)
            # A grandchild made later, outside the block, must not have it.
            grandchild_free = in_fork(lambda: lock.fd == -1)
            os.write(up_w, b"y" if grandchild_free else b"n")
            os.read(end_r, 1)
            os._exit(0)
    lock.release()
    assert os.read(up_r, 1) == b"y"
    assert is_held(path)
    os.close(end_w)
    os.waitpid(pid, 0)
    assert not is_held(path)


def test_probes_do_not_keep_an_owner_out(
    tmp_path: Path, children: Callable[..., subprocess.Popen[str]]
) -> None:
    """Owners try again for 5 s; readers that look all the time do not stop them."""
    path = tmp_path / "a"
    path.touch()
    done = threading.Event()

    def probe() -> None:
        while not done.is_set():
            is_held(path)

    threads = [threading.Thread(target=probe) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        assert word(children(HOLD, path)) == "held"
    finally:
        done.set()
        for thread in threads:
            thread.join()


def test_one_of_many_gets_the_lock(tmp_path: Path, children: Callable[..., subprocess.Popen[str]]) -> None:
    program = HOLD.replace("timeout=5", "timeout=0")
    words = [word(child) for child in [children(program, tmp_path / "a") for _ in range(5)]]
    assert sorted(words) == ["held"] + ["refused"] * 4


def test_adopting_what_was_never_inherited_fails(
    tmp_path: Path, children: Callable[..., subprocess.Popen[str]]
) -> None:
    (tmp_path / "a").touch()
    child = children(ADOPT, tmp_path / "a", 77)
    assert word(child) == ""
    assert child.wait() != 0


# A trainer that was handed its slot's lock, with a worker of its own.
TRAIN = """
import os, sys, time
import core.store.locks
worker = os.fork()
if worker == 0:
    print(os.getpid(), flush=True)
    time.sleep(600)
time.sleep(600)
"""


def test_workers_do_not_keep_the_slot_of_a_dead_trainer(
    tmp_path: Path, children: Callable[..., subprocess.Popen[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stuck in one item, they may outlive it by far."""
    lock = acquire(tmp_path / "cpu0.lock")
    assert lock is not None
    monkeypatch.setenv("LABTUI_LOCK_FDS", str(lock.fd))
    trainer = children(TRAIN, pass_fds=(lock.fd,))
    worker = int(word(trainer))
    try:
        lock.release()
        assert is_held(lock.path), "by the trainer"
        trainer.kill()
        trainer.wait()
        os.kill(worker, 0)
        assert not is_held(lock.path)
    finally:
        os.kill(worker, signal.SIGKILL)


@pytest.mark.parametrize("given", ["", "x", "7,,", "999999", "0"])
def test_odd_descriptors_in_the_environment(
    given: str, children: Callable[..., subprocess.Popen[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LABTUI_LOCK_FDS", given)
    program = (
        "import os, core.store.locks; pid = os.fork(); print('fine', flush=True) if pid else os._exit(0)"
    )
    assert word(children(program)) == "fine"
