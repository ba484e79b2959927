"""How long idle threads spin: only where the run has the cores to itself."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.launch import openmp, supervisor
from core.launch.nvml import Gpu
from core.launch.slots import Need, Slot
from core.launch.supervisor import trainer_environment
from core.store.locks import Lock, acquire


@pytest.mark.parametrize(
    ("threads", "alone", "expected"), [(1, True, None), (1, False, None), (2, True, "20000"), (2, False, "0")]
)
def test_spin_counts(threads: int, alone: bool, expected: str | None) -> None:
    environment = openmp.thread_environment(threads, alone=alone)
    assert environment.get("GOMP_SPINCOUNT") == expected
    assert environment["OMP_NUM_THREADS"] == environment["LABTUI_THREADS"] == str(threads)


@pytest.mark.parametrize(
    ("threads", "cores", "busy", "room"),
    [(2, 2, 0.0, True), (2, 2, 0.3, True), (2, 2, 0.5, False), (2, 2, 1.0, False), (8, 64, 40.0, True)],
)
def test_room_for_all_threads(threads: int, cores: int, busy: float, room: bool) -> None:
    assert openmp.has_room(threads, cores, busy) == room


@pytest.mark.parametrize(
    ("ticks", "busy"),
    [([(100, 200), (140, 240)], 0.0), ([(100, 200), (120, 240)], 2.0), ([(1, 2), (1, 42)], 4.0)],
)
def test_busy_cores_are_measured(
    ticks: list[tuple[int, int]], busy: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the ticks that passed in the window, not from what has been."""
    told: Iterator[tuple[int, int]] = iter(ticks)
    monkeypatch.setattr(openmp, "_jiffies", lambda: next(told))
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    assert openmp.busy_cores(0) == pytest.approx(busy)


@pytest.mark.parametrize("told", [None, (5, 5)])
def test_without_ticks_the_load_average_counts(
    told: tuple[int, int] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openmp, "_jiffies", lambda: told)
    monkeypatch.setattr(os, "getloadavg", lambda: (1.5, 9.0, 9.0))
    assert openmp.busy_cores(0) == 1.5


def test_the_kernels_own_ticks() -> None:
    told = openmp._jiffies()
    assert told is None or 0 <= told[0] <= told[1]


@pytest.fixture
def lock(tmp_path: Path) -> Iterator[Lock]:
    held = acquire(tmp_path / "slot.lock")
    assert held is not None
    with held:
        yield held


@pytest.mark.parametrize(
    ("busy", "slots", "gpu", "spin"),
    [(0.0, "1", False, "20000"), (1.0, "1", False, "0"), (0.0, "2", False, "0"), (0.0, "1", True, "0")],
)
def test_a_trainers_environment(
    busy: float, slots: str, gpu: bool, spin: str, lock: Lock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LABTUI_CPU_SLOTS", slots)
    monkeypatch.setattr(supervisor, "busy_cores", lambda: busy)
    monkeypatch.setattr(supervisor, "cores", lambda: 2)
    card = Gpu(1, "1", "GPU-feed", "A100", "0:1") if gpu else None
    environment = trainer_environment(Need("auto"), Slot("s", 2, lock.path, card), lock)
    assert environment["GOMP_SPINCOUNT"] == spin
    assert environment["CUDA_DEVICE_ORDER"] == "PCI_BUS_ID"
    assert environment.get("CUDA_VISIBLE_DEVICES") == ("GPU-feed" if gpu else ""), (
        "a CPU slot is no way to a GPU"
    )
    assert environment["LABTUI_LOCK_FDS"] == str(lock.fd)
