"""CPU slots: how many runs train at once, and with how many threads each."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from core.config.workspace import state_home
from core.errors import UsageError
from core.store.locks import Lock, acquire, is_held
from core.store.process import host_tag

SLOTS_ENV = "LABTUI_CPU_SLOTS"
_CORES_A_SLOT = 4
_MAX_THREADS = 8


@dataclass(frozen=True)
class Slot:
    """One place to train; `threads` is what a run with `threads: auto` gets."""

    name: str
    threads: int
    path: Path


def cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0))


def cpu_slots() -> list[Slot]:
    """All CPU slots of this machine: `$LABTUI_CPU_SLOTS`, else one for every four cores."""
    given = os.environ.get(SLOTS_ENV, "")
    if given and not (given.isdigit() and 1 <= int(given) <= 256):
        raise UsageError(f"${SLOTS_ENV}: expected a number from 1 to 256, got '{given}'")
    number = int(given) if given else max(1, cores() // _CORES_A_SLOT)
    threads = max(1, min(_MAX_THREADS, cores() // number))
    return [Slot(f"cpu{i}", threads, slot_path(f"cpu{i}")) for i in range(number)]


def slot_path(name: str) -> Path:
    """The lock file of a slot, in a folder per host (a home may be shared between machines)."""
    folder = state_home() / "slots" / host_tag()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder / f"{name}.lock"


def take_slot() -> tuple[Slot, Lock] | None:
    """A free slot with its lock held, or None when all are busy."""
    for slot in cpu_slots():
        lock = acquire(slot.path)
        if lock is not None:
            return slot, lock
    return None


def busy_slots() -> list[tuple[Slot, bool]]:
    """Every slot and whether it is taken."""
    return [(slot, is_held(slot.path)) for slot in cpu_slots()]


def thread_environment(threads: int, slots: int) -> dict[str, str]:
    """OpenMP settings of a trainer.

    Idle threads that spin cost a shared machine 5 to 15 times the CPU, idle threads that sleep cost a quiet
    one a third of its speed: a short spin, or none where several runs share the cores.
    """
    variables = ("LABTUI_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
    environment = dict.fromkeys(variables, str(threads))
    if threads > 1:
        environment["GOMP_SPINCOUNT"] = "20000" if slots == 1 else "0"
    return environment
