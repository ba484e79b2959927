"""Signals reach the process that was meant, and nobody else."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from core.store.process import Identity, from_json, identity_of, is_alive, send


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    yield process
    process.kill()
    process.wait()


def test_identity_survives_json(sleeper: subprocess.Popen[bytes]) -> None:
    identity = identity_of(sleeper.pid)
    assert identity is not None
    assert from_json(identity.as_json()) == identity
    assert is_alive(identity)


def test_signal_reaches_the_process(sleeper: subprocess.Popen[bytes]) -> None:
    identity = identity_of(sleeper.pid)
    assert identity is not None
    assert send(identity, signal.SIGTERM)
    assert sleeper.wait() == -signal.SIGTERM


@pytest.mark.parametrize("change", [{"ticks": 1}, {"boot_id": "another boot"}, {"host": "elsewhere"}])
def test_a_stranger_is_never_signalled(sleeper: subprocess.Popen[bytes], change: dict[str, Any]) -> None:
    identity = identity_of(sleeper.pid)
    assert identity is not None
    stranger = dataclasses.replace(identity, **change)
    assert not is_alive(stranger)
    assert not send(stranger, signal.SIGKILL)
    assert sleeper.poll() is None


def test_a_reaped_pid_is_gone() -> None:
    process = subprocess.Popen([sys.executable, "-c", "pass"])
    identity = identity_of(process.pid) or Identity(process.pid, 0, "", "")
    process.wait()
    assert not send(identity, signal.SIGKILL)


def test_a_zombie_counts_as_dead() -> None:
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    try:
        assert identity_of(pid) is None
    finally:
        os.waitpid(pid, 0)


@pytest.mark.parametrize("data", [None, {}, {"pid": "x"}, {"pid": 1, "ticks": 2, "host": "h"}, [1]])
def test_torn_identity_is_none(data: object) -> None:
    assert from_json(data) is None
