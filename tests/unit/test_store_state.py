"""The state table row by row, and every point where something can die."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from core.store import attempts as attempt_files
from core.store import locks, process, state
from core.store.attempts import (
    attempts,
    begin_attempt,
    note_trainer,
    write_error,
    write_exit,
    write_result,
)
from core.store.locks import acquire, run_lock_path
from core.store.paths import AttemptPaths, RunPaths
from core.store.state import derive_state, is_untouched


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the wait for the disk, which changes nothing that a test can see."""
    monkeypatch.setattr(os, "fsync", lambda fd: None)


@pytest.fixture
def run(tmp_path: Path) -> RunPaths:
    """A run with request 1, fresh from create_run as far as states go."""
    run = RunPaths(tmp_path / "runs" / "r1")
    for folder in (run.requests, run.attempts):
        folder.mkdir(parents=True)
    run.spec.write_text('{"format": 1, "id": "r1"}')
    ask(run, 1)
    return run


def ask(run: RunPaths, number: int, start: str | None = None, total: int = 5) -> None:
    run.request(number).write_text(json.dumps({"from": start, "total_epochs": total, "time": 1.0}))


def begin(run: RunPaths, request: int = 1, **more: Any) -> AttemptPaths:
    return begin_attempt(run, request, slot="cpu0", threads=2, **more)


@contextmanager
def held(run: RunPaths, *kinds: str) -> Iterator[None]:
    with ExitStack() as stack:
        for kind in kinds:
            lock = acquire(run_lock_path(run, kind))  # type: ignore[arg-type]
            assert lock is not None
            stack.enter_context(lock)
        yield


def seen(run: RunPaths) -> tuple[str, str]:
    derived = derive_state(run)
    return derived.state, derived.reason


ODD = "its supervisor has died; the trainer continues alone"
TOGETHER = "supervisor and trainer died together"
WAITING = "waiting for a free slot"


# Each row: what happened, which locks are held, the state. The names are the table's.
ROWS: dict[str, tuple[Callable[[RunPaths], object], tuple[str, ...], tuple[str, str]]] = {
    "queued: just created": (lambda run: None, (), ("queued", WAITING)),
    "queued: dispatcher died between locks and spawn": (lambda run: None, (), ("queued", WAITING)),
    "starting: supervisor before its attempt": (lambda run: None, ("sup",), ("starting", "")),
    "starting: trainer imports": (begin, ("sup",), ("starting", "")),
    "running": (begin, ("sup", "train"), ("running", "")),
    "running: supervisor died": (begin, ("train",), ("running", ODD)),
    "stopping": (lambda run: (begin(run), stop(run)), ("sup", "train"), ("stopping", "")),
    "stopping: kill asked": (lambda run: (begin(run), stop(run, "kill")), ("train",), ("stopping", ODD)),
    "stopped: while queued": (lambda run: stop(run), (), ("stopped", "")),
    "finished": (lambda run: end(begin(run), "finished"), (), ("finished", "")),
    "finished: supervisor still there": (lambda run: end(begin(run), "finished"), ("sup",), ("finished", "")),
    "finished: supervisor had died": (
        lambda run: write_result(begin(run), "finished", epoch=5, step=50),
        (),
        ("finished", ""),
    ),
    "finished: whatever the exit code": (
        lambda run: end(begin(run), "finished", code=1),
        (),
        ("finished", ""),
    ),
    "stopped": (lambda run: (stop(run), end(begin(run), "stopped")), (), ("stopped", "")),
    "failed: exit code": (lambda run: exited(begin(run), code=3), (), ("failed", "exit code 3")),
    "failed: no result": (lambda run: exited(begin(run), code=0), (), ("failed", "ended without a result")),
    "failed: killed": (lambda run: exited(begin(run), signal=9), (), ("failed", "killed by SIGKILL")),
    "stopped: before it could listen": (
        lambda run: (stop(run), exited(begin(run), signal=15)),
        (),
        ("stopped", "stopped before it began to save; nothing was saved yet"),
    ),
    "stopped: killed as asked": (
        lambda run: (stop(run), stop(run, "kill"), saved(run), exited(begin(run), signal=9)),
        (),
        ("stopped", "killed; its last checkpoint is a02-e0003"),
    ),
    "stopped: killed as asked, nobody wrote it down": (
        lambda run: (stop(run), stop(run, "kill"), begin(run)),
        (),
        ("stopped", "killed; nothing was saved yet"),
    ),
    "failed: killed although asked to save": (
        lambda run: (stop(run), exited(begin(run), signal=9)),
        (),
        ("failed", "killed by SIGKILL"),
    ),
    "failed: a signal that nobody asked for": (
        lambda run: exited(begin(run), signal=15),
        (),
        ("failed", "killed by SIGTERM"),
    ),
    "failed: an error of its own while it was asked to stop": (
        lambda run: (stop(run), exited(failed(begin(run), "DataError", "no images"), signal=15)),
        (),
        ("failed", "no images"),
    ),
    "failed: the disk took nothing more": (
        lambda run: exited(begin(run), code=74),
        (),
        ("failed", "the disk is full: nothing more could be written; make room, then resume"),
    ),
    "failed: odd signal": (lambda run: exited(begin(run), signal=77), (), ("failed", "killed by signal 77")),
    "failed: out of memory": (
        lambda run: exited(begin(run), signal=9, oom_kill=True),
        (),
        ("failed", "out of memory (killed by the kernel)"),
    ),
    "failed: error": (
        lambda run: exited(failed(begin(run), "DataError", "no images in /x\nmore"), code=1),
        (),
        ("failed", "no images in /x"),
    ),
    "failed: error without words": (
        lambda run: exited(failed(begin(run), "KeyError", ""), code=1),
        (),
        ("failed", "KeyError"),
    ),
    "failed: GPU memory": (
        lambda run: exited(failed(begin(run), "OutOfMemoryError", "CUDA out of ...", epoch=7), code=1),
        (),
        ("failed", "out of GPU memory, epoch 7"),
    ),
    "failed: says the last log line": (
        lambda run: exited(logged(begin(run), "x\nModuleNotFoundError: no \x1b[2Jnet\n\n"), code=1),
        (),
        ("failed", "exit code 1: ModuleNotFoundError: no ␛[2Jnet"),
    ),
    "lost: all died": (begin, (), ("lost", TOGETHER)),
    "lost: error written, supervisor dead": (
        lambda run: failed(begin(run), "DataError", "no images"),
        (),
        ("lost", "no images (its supervisor had died)"),
    ),
    "lost: reboot": (
        lambda run: begin(run, supervisor={**process.identify(), "boot_id": "an earlier one"}),
        (),
        ("lost", "the machine was restarted"),
    ),
    "lost: another machine": (
        lambda run: begin(run, supervisor={**process.identify(), "host": "box\x1b7"}),
        (),
        ("lost", "started on box␛7, and no process here runs it"),
    ),
    "queued: another trainer held the lock": (
        lambda run: exited(begin(run), code=75),
        (),
        ("queued", WAITING),
    ),
    "failed: an attempt that found the lock held does not hide it": (
        lambda run: (exited(begin(run), code=3), exited(begin(run), code=75)),
        (),
        ("failed", "exit code 3"),
    ),
    "lost: the same": (lambda run: (begin(run), exited(begin(run), code=75)), (), ("lost", TOGETHER)),
    "queued: asked to go on": (
        lambda run: (end(begin(run), "finished"), ask(run, 2, "a01-e0005", 9)),
        (),
        ("queued", WAITING),
    ),
    "queued: the old stop does not stop the new request": (
        lambda run: (stop(run), end(begin(run), "stopped"), ask(run, 2, "a01-e0003")),
        (),
        ("queued", WAITING),
    ),
    "starting: the old result is not the new one": (
        lambda run: (end(begin(run), "finished"), ask(run, 2, "a01-e0005", 9)),
        ("sup",),
        ("starting", ""),
    ),
    "queued: a folder without start.json is no attempt": (
        lambda run: run.attempt(1).root.mkdir(),
        (),
        ("queued", WAITING),
    ),
    "queued: an attempt half made": (
        lambda run: (run.attempts / ".new.abcdef-1-00.tmp").mkdir(),
        (),
        ("queued", WAITING),
    ),
}


def stop(run: RunPaths, how: str = "stop") -> None:
    (run.requests / f"0001.{how}").touch()


def saved(run: RunPaths) -> None:
    """Sidecars of checkpoints; the last one is within an epoch that another ended."""
    run.checkpoints.mkdir()
    for name in ("a01-e0009", "a02-e0002", "a02-e0003-s000020", "a02-e0003", "a02-e0004.tmp"):
        (run.checkpoints / f"{name}.json").touch()


def end(attempt: AttemptPaths, status: str, code: int = 0) -> None:
    write_result(attempt, status, epoch=5, step=50)
    write_exit(attempt, code=code, signal=None)


def exited(
    attempt: AttemptPaths, code: int | None = None, signal: int | None = None, oom_kill: bool = False
) -> None:
    write_exit(attempt, code=code, signal=signal, oom_kill=oom_kill)


def failed(attempt: AttemptPaths, kind: str, message: str, epoch: int = 2) -> AttemptPaths:
    write_error(attempt, kind, message, epoch=epoch, step=20)
    return attempt


def logged(attempt: AttemptPaths, text: str) -> AttemptPaths:
    attempt.log.write_text(text)
    return attempt


@pytest.mark.parametrize("name", ROWS)
def test_the_table(run: RunPaths, name: str) -> None:
    prepare, kinds, expected = ROWS[name]
    prepare(run)
    with held(run, *kinds):
        assert seen(run) == expected
    assert expected[0] == name.split(":")[0]


def test_what_is_derived_names_its_request_and_attempt(run: RunPaths) -> None:
    end(begin(run), "finished")
    ask(run, 2, "a01-e0005", 9)
    exited(begin(run, 2), code=1)
    derived = derive_state(run)
    assert (derived.request, derived.attempt, derived.total_epochs) == (2, 2, 9)


def test_a_full_disk_is_named_when_nothing_else_is_known(
    run: RunPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(run)
    real = os.statvfs(run.root)
    full = os.statvfs_result((*real[:3], 0, 0, *real[5:]))
    monkeypatch.setattr(os, "statvfs", lambda path: full)
    assert seen(run)[0] == "lost"
    assert seen(run)[1].startswith("the disk is full: how it ended could not be written")


@pytest.mark.parametrize("damage", ["", "{", "null", '{"total_epochs": "9"}', '{"total_epochs": true}'])
def test_a_damaged_request_counts_and_never_begins(run: RunPaths, damage: str) -> None:
    """What was asked for is not known: the one before it has been answered, and is not asked again."""
    end(begin(run), "finished")
    run.request(2).write_text(damage)
    derived = derive_state(run)
    assert (derived.state, derived.request) == ("lost", 2)
    assert "0002.json" in derived.reason
    assert not is_untouched(run)
    run.request(2).unlink()
    assert derive_state(run).state == "finished"
    run.request(1).unlink()
    assert seen(run) == ("lost", "no request in r1/requests can be read")


@pytest.mark.parametrize("content", [None, "", "{", "[]", '{"request": "1"}'])
@pytest.mark.parametrize("ended", ["finished", "stopped", "failed", "killed"])
def test_what_has_begun_never_waits_again(run: RunPaths, content: str | None, ended: str) -> None:
    """Whatever becomes of start.json."""
    attempt = begin(run)
    attempt.log.write_text("epoch 1/5\n")
    if ended == "failed":
        exited(attempt, code=1)
    elif ended != "killed":
        end(attempt, ended)
    attempt.start.unlink()
    if content is not None:
        attempt.start.write_text(content)
    assert derive_state(run).state == {"killed": "lost"}.get(ended, ended)
    assert not is_untouched(run)


def test_an_attempt_of_the_request_before_is_not_taken_for_one_of_this(run: RunPaths) -> None:
    attempt = begin(run)
    end(attempt, "finished")
    ask(run, 2, "a01-e0005", 9)
    attempt.start.write_text("")
    assert derive_state(run).state == "finished", "no time says which it was"
    content = json.loads(attempt.result.read_text())
    request = json.loads(run.request(2).read_text())
    run.request(2).write_text(json.dumps({**request, "time": content["time"] + 1}))
    assert seen(run) == ("queued", WAITING)
    assert is_untouched(run)


def test_a_run_whose_attempts_are_gone_does_not_begin_anew(run: RunPaths) -> None:
    end(begin(run), "finished")
    run.model.write_text("{}")
    shutil.rmtree(run.attempts)
    assert derive_state(run).state == "lost"
    assert not is_untouched(run)
    run.attempts.write_text("a file")
    assert derive_state(run).state == "lost"
    assert not is_untouched(run)


def test_a_vanished_folder_is_lost(tmp_path: Path) -> None:
    assert derive_state(RunPaths(tmp_path / "gone")).state == "lost"


@pytest.mark.parametrize("name", ["start.json", "result.json", "error.json", "exit.json"])
@pytest.mark.parametrize(
    "content", [b"", b"\x00", b"[]", b'{"request": [], "status": {}, "code": "x"}', b"\xff"]
)
def test_damaged_attempt_files_never_raise(run: RunPaths, name: str, content: bytes) -> None:
    attempt = failed(begin(run), "E", "m")
    end(attempt, "finished")
    (attempt.root / name).write_bytes(content)
    assert derive_state(run).state in ("finished", "failed", "lost", "queued")
    assert len(attempts(run)) == 1


def test_times_do_not_matter(run: RunPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that jumps a day either way, and file times to match, change no state."""
    end(begin(run), "stopped")
    ask(run, 2, "a01-e0003")
    begin(run, 2)
    for shift in (-86_400, 86_400):
        now = time.time() + shift
        monkeypatch.setattr(time, "time", lambda now=now: now)
        for path in run.root.rglob("*"):
            os.utime(path, (now, now))
        assert derive_state(run).state == "lost"
        with held(run, "train"):
            assert derive_state(run).state == "running"


def test_a_run_that_ends_while_one_looks_is_not_lost(run: RunPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    """The attempt begins after the locks were looked at, and before the files are."""
    real = state.newest_request
    taken: list[locks.Lock] = []

    def begins_meanwhile(run: RunPaths) -> object:
        if not taken:
            lock = acquire(run_lock_path(run, "sup"))
            assert lock is not None
            taken.append(lock)
            begin(run)
        return real(run)

    monkeypatch.setattr(state, "newest_request", begins_meanwhile)
    assert derive_state(run).state == "starting"
    taken[0].release()
    assert derive_state(run).state == "lost"


def test_on_a_network_disk_another_hosts_run_is_not_judged(
    run: RunPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(run, supervisor={**process.identify(), "host": "node7"})
    monkeypatch.setattr(locks, "is_network", lambda folder: True)
    derived = derive_state(run)
    assert derived.state == "running"
    assert "node7" in derived.reason


def test_attempts_are_numbered_and_read_back(run: RunPaths) -> None:
    first = begin(run, argv=["python", "-m", "x"])
    note_trainer(first, process.identify())
    second = begin(run)
    assert (first.number, second.number) == (1, 2)
    read = attempts(run)
    assert [attempt.number for attempt in read] == [1, 2]
    assert process.is_same(read[0].trainer)
    assert process.is_same(read[0].supervisor)
    assert read[0].slot == "cpu0"
    assert read[1].trainer == {}
    assert json.loads(first.start.read_text())["argv"] == ["python", "-m", "x"]


def test_an_attempt_never_takes_a_number_that_exists(run: RunPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that appears between counting and naming keeps its content."""
    begin(run)
    before = run.attempt(1).start.read_text()
    monkeypatch.setattr(attempt_files, "numbers", lambda run: [])
    assert begin(run).number == 2
    assert run.attempt(1).start.read_text() == before


def test_reasons_are_bounded_and_clean(run: RunPaths) -> None:
    exited(failed(begin(run), "E", "x" * 10_000 + "\x1b]52;c;aGk=\x07"), code=1)
    assert len(derive_state(run).reason) <= 300
    ask(run, 2)
    exited(failed(begin(run, 2), "E\x1b[2J", "a\tb\x1b[2J\x9b2J\u202e"), code=1)
    assert derive_state(run).reason == "a    b␛[2J\ufffd2J\ufffd"


def test_a_status_that_is_none_is_refused(run: RunPaths) -> None:
    with pytest.raises(ValueError, match="status"):
        write_result(begin(run), "done", epoch=1, step=1)
