"""Rare moments: other containers, no descriptors left, a job made while checkpoints go, a dying trainer."""

from __future__ import annotations

import errno
import os
import signal
from pathlib import Path

import pytest

from core.config.workspace import Workspace
from core.engine.stop import StopFlag, install_handlers
from core.errors import StateError
from core.store import files, process
from core.store.attempts import begin_attempt, note_trainer
from core.store.changes import meta_lock
from core.store.jobs import create_job, job_paths
from core.store.locks import acquire, is_held, run_lock_path
from core.store.metrics import MetricsTail, MetricsWriter
from core.store.paths import RunPaths
from core.store.runs import create_run, request_stop
from core.store.state import derive_state


@pytest.fixture
def run(tmp_path: Path) -> RunPaths:
    settings = {"config_name": "c", "config_text": "", "model": "m", "metric": "x", "metric_mode": "max"}
    return create_run(Workspace(tmp_path), total_epochs=5, argv=[], **settings)  # type: ignore[arg-type]


def test_a_live_writer_in_another_container_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its number may be nobody's here."""
    real = os.readlink
    tags = set()
    for namespace in ("pid:[1]", "pid:[2]"):
        process.host_tag.cache_clear()
        monkeypatch.setattr(
            os, "readlink", lambda path, name=namespace: name if "ns/pid" in path else real(path)
        )
        tags.add(process.host_tag())
        (tmp_path / files.temporary_name("x.json").replace(f"-{os.getpid()}-", "-99999999-")).touch()
    assert len(tags) == 2
    assert len(files.sweep(tmp_path)) == 1, "only that of this namespace is surely dead"
    process.host_tag.cache_clear()


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE])
def test_what_cannot_be_asked_counts_as_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refused(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    (tmp_path / "a.lock").touch()
    assert not is_held(tmp_path / "a.lock")
    monkeypatch.setattr(os, "open", refused)
    assert is_held(tmp_path / "a.lock")


def test_a_job_is_not_made_while_checkpoints_go(run: RunPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.store.changes._LOCK_PATIENCE", 0.01)
    with meta_lock(run), pytest.raises(StateError, match="is changing run"):
        create_job(run, "measure", {"at": ["a01-e0001"]})
    assert job_paths(run) == []
    assert os.listdir(run.jobs) == []
    create_job(run, "measure", {"at": ["a01-e0001"]})


def test_a_dying_trainer_is_not_starting(run: RunPaths) -> None:
    attempt = begin_attempt(run, 1, slot="cpu0", threads=1)
    with acquire(run_lock_path(run, "sup")):  # type: ignore[union-attr]
        assert derive_state(run).state == "starting"
        note_trainer(attempt, process.identify())
        assert derive_state(run).state == "starting", "it has not its lock yet"
        note_trainer(attempt, {**process.identify(), "ticks": 1})
        assert derive_state(run).state == "running"
        request_stop(run)
        assert derive_state(run).state == "stopping"


def test_what_a_network_forks_can_be_ended() -> None:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    before |= {number: signal.getsignal(number) for number in (signal.SIGUSR1, signal.SIGUSR2)}
    try:
        install_handlers(StopFlag())
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            os.write(writer, b"r")
            signal.alarm(30)
            while True:
                signal.pause()
        assert os.read(reader, 1) == b"r"
        os.kill(child, signal.SIGTERM)
        _, status = os.waitpid(child, 0)
        assert os.WTERMSIG(status) == signal.SIGTERM
        assert signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@pytest.mark.parametrize("chunk", [64, 1000, 1 << 18])
@pytest.mark.parametrize("counts", [[], [5], [300, 1], [40, 0, 70], [3, 200]], ids=str)
def test_following_an_attempt_passes_over_the_earlier_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, counts: list[int], chunk: int
) -> None:
    monkeypatch.setattr("core.store.metrics.CHUNK", chunk)
    path = tmp_path / "metrics.jsonl"
    if counts:
        with MetricsWriter(path) as writer:
            for attempt, count in enumerate(counts, 1):
                for step in range(count):
                    writer.write({"t": 1.0, "step": step, "attempt": attempt, "scope": "step", "lr": 0.1})
    newest = max(len(counts), 1)
    tail = MetricsTail(path)
    tail.skip_before(newest)
    records, _ = tail.read()
    assert [record["step"] for record in records] == list(range(counts[-1] if counts else 0))
    assert (tail.offset > 0) is bool(sum(counts))
    with MetricsWriter(path) as writer:
        writer.write({"t": 2.0, "step": 999, "attempt": newest, "scope": "step"})
    records, again = tail.read()
    assert ([record["step"] for record in records], again) == ([999], False)
