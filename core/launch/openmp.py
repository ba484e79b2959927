"""OpenMP settings of a trainer: how long an idle thread spins before it sleeps."""

from __future__ import annotations

import os
import time

_WINDOW = 0.2
_SPARE = 0.35


def thread_environment(threads: int, *, alone: bool) -> dict[str, str]:
    """Threads and spinning of a trainer; `alone`: no other work wants its cores.

    TinyVGG A at batch 32 on two cores, images a second: alone, two threads that sleep at once do 590, those
    that spin 20,000 times 713 (the default, which spins for longer, 840; one thread 480). Beside another job
    on one of the cores, sleeping ones do 410 and spinning ones 90: whoever waits for a core is then waited
    for by a thread that burns the other one. So threads spin only where they have the machine to themselves.
    """
    variables = ("LABTUI_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
    environment = dict.fromkeys(variables, str(threads))
    if threads > 1:
        environment["GOMP_SPINCOUNT"] = "20000" if alone else "0"
    return environment


def has_room(threads: int, cores: int, busy: float) -> bool:
    """Whether `threads` find cores of their own where `busy` cores' worth of time goes elsewhere."""
    return cores - busy >= threads - _SPARE


def busy_cores(window: float = _WINDOW) -> float:
    """Cores' worth of time that went to anything in the next `window` seconds.

    Measured, since a load average still holds the run that has just ended; the load average where the
    kernel does not count (some containers).
    """
    first = _jiffies()
    time.sleep(window)
    last = _jiffies()
    if first is not None and last is not None:
        idle, whole = last[0] - first[0], last[1] - first[1]
        if whole > 0:
            return (os.cpu_count() or 1) * min(1.0, max(0.0, 1 - idle / whole))
    return os.getloadavg()[0]


def _jiffies() -> tuple[int, int] | None:
    """Idle (or waiting for a disk) and all ticks since boot, over all cores."""
    try:
        with open("/proc/stat", encoding="ascii") as file:
            fields = [int(word) for word in file.readline().split()[1:9]]
    except (OSError, ValueError):
        return None
    return (fields[3] + fields[4], sum(fields)) if len(fields) > 4 else None
