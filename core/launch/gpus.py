"""GPUs as places to train: who is on them, which of them a run may take."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from core import humanise
from core.config.workspace import state_path
from core.errors import LabError, UsageError
from core.launch.nvml import Gpu, look
from core.store.locks import is_held
from core.store.process import host_tag
from core.text import clean

BUSY_ENV = "LABTUI_GPU_BUSY_MB"
GPU_SLOTS_ENV = "LABTUI_GPU_SLOTS"
SLOT_ENV = "LABTUI_SLOT"
"""In the environment of a trainer and all it starts: the lock file of its slot."""
_BUSY_MB = 500
_MB = 10**6
# Memory that no listed process accounts for: contexts of the driver, rounding.
_UNLISTED = 10**9
_UNLISTED_SHARE = 0.05


class MissingGpuError(UsageError):
    """A GPU that a config names is not there, or not ours to use."""


class SilentGpuError(LabError):
    """The driver was asked for GPUs and failed: what is there cannot be known now. It may pass."""


@dataclass(frozen=True)
class Stranger:
    """A process on a GPU that is none of labtui's; `used` is bytes, `pid` 0 when it is not listed."""

    pid: int
    name: str
    used: int

    def __str__(self) -> str:
        who = f"pid {self.pid} ({self.name})" if self.pid else self.name
        return f"{who} uses {humanise.size(self.used)}" if self.used else f"{who} is on it"


def _number(variable: str, given: str, default: int, low: int, high: int) -> int:
    if not given:
        return default
    if not (given.isascii() and given.isdigit() and low <= int(given) <= high):
        raise UsageError(f"${variable}: expected a number from {low} to {high}, got '{clean(given)}'")
    return int(given)


def slots_per_gpu() -> int:
    """How many runs share a GPU: `$LABTUI_GPU_SLOTS`, else 1. Raises UsageError."""
    return _number(GPU_SLOTS_ENV, os.environ.get(GPU_SLOTS_ENV, ""), 1, 1, 64)


def busy_limit() -> int:
    """Bytes from which on a stranger makes a GPU busy: `$LABTUI_GPU_BUSY_MB`, else 500 MB; 0: never."""
    return _number(BUSY_ENV, os.environ.get(BUSY_ENV, ""), _BUSY_MB, 0, 10**9) * _MB


def strangers(gpu: Gpu, ours: int = 0) -> tuple[Stranger, ...]:
    """Processes on a GPU that belong to no run which holds a slot, the largest first.

    `ours` is how many of its slots are held. Where the driver does not tell the memory of each process, all
    that is left over counts for a stranger when there is a single one, else nothing. Inside a container the
    processes of others are not listed: their memory shows in the sum, and only while none of it can be ours.
    """
    known, foreign, silent = 0, list[Stranger](), False
    listed = gpu.processes or ()
    own = {process.pid for process in listed if _is_ours(process.pid)}
    if ours and not own:
        # Numbers from another process namespace cannot be looked up: ours are among them.
        own = {process.pid for process in listed if not os.path.exists(f"/proc/{process.pid}")}
    for process in listed:
        if process.pid in own:
            known += process.used or 0
            silent = silent or process.used is None
        else:
            foreign.append(Stranger(process.pid, _name(process.pid), process.used or 0))
    unlisted = (gpu.used or 0) - known - gpu.drawing - sum(item.used for item in foreign)
    blind = [item for item in foreign if not item.used]
    if len(blind) == 1 and not silent and unlisted > 0:
        foreign[foreign.index(blind[0])] = Stranger(blind[0].pid, blind[0].name, unlisted)
    elif not foreign and not known and not ours and unlisted > _tolerated(gpu):
        foreign.append(Stranger(0, "something that is not listed", unlisted))
    return tuple(sorted(foreign, key=lambda item: (-item.used, item.pid)))


def who_blocks(gpu: Gpu, ours: int = 0) -> tuple[Stranger, ...]:
    """The strangers that make a GPU busy: together they use more than the limit."""
    limit = busy_limit()
    if not limit:
        return ()
    found = strangers(gpu, ours)
    return found if sum(item.used for item in found) > limit else ()


def allowed(gpus: Sequence[Gpu], visible: str | None) -> tuple[Gpu, ...]:
    """The GPUs that a `CUDA_VISIBLE_DEVICES` lets through, in its order; None lets all through.

    As CUDA reads it: indices (here always in PCI order) or the beginning of a UUID; an entry that names
    nothing hides itself and all that follow.
    """
    if visible is None:
        return tuple(gpus)
    chosen: dict[str, Gpu] = {}
    for word in visible.split(","):
        found = _matching(gpus, word.strip())
        if not found:
            break
        chosen.update((gpu.uuid, gpu) for gpu in found)
    return tuple(chosen.values())


def named(gpus: Sequence[Gpu], wanted: Iterable[int | str], visible: str | None = None) -> tuple[Gpu, ...]:
    """The GPUs that a config names, by index or the beginning of a UUID.

    Raises MissingGpuError for one that is not there (or not allowed), which says what is.
    """
    mine = allowed(gpus, visible)
    chosen: dict[str, Gpu] = {}
    for item in wanted:
        found = _matching(mine, str(item))
        if not found:
            there = ", ".join(f"{gpu.label} ({gpu.name}, {gpu.uuid})" for gpu in mine) or "none"
            hidden = _matching(gpus, str(item))
            why = f"CUDA_VISIBLE_DEVICES={clean(visible or '')} hides it" if hidden else "it does not exist"
            raise MissingGpuError(
                f"gpus: GPU {clean(str(item))} cannot be used, {why}; this machine has: {there}"
            )
        chosen.update((gpu.uuid, gpu) for gpu in found)
    return tuple(chosen.values())


def require_gpus(wanted: Sequence[int | str] | None) -> None:
    """Raises MissingGpuError when a config names a GPU that this process cannot use.

    When the driver does not answer, nothing is said: the run will wait until it does.
    """
    if wanted:
        seen = look()
        if not seen.fault:
            named(seen.gpus, wanted, os.environ.get("CUDA_VISIBLE_DEVICES"))


def describe(gpu: Gpu) -> dict[str, str | int]:
    """What start.json keeps of a GPU."""
    return {"index": gpu.index, "name": gpu.name, "bus_id": gpu.bus_id, "uuid": gpu.uuid}


def lock_name(gpu: Gpu, place: int) -> str:
    """The name of the lock of one of a GPU's slots; keyed by UUID, since indices move."""
    return f"gpu-{re.sub(r'[^A-Za-z0-9-]', '_', gpu.uuid)}-{place}"


def _matching(gpus: Sequence[Gpu], word: str) -> list[Gpu]:
    if word.isascii() and word.isdigit():
        # The index of a GPU in slices stands for all of its slices.
        return [gpu for gpu in gpus if gpu.index == int(word)]
    exact = [gpu for gpu in gpus if word in (gpu.uuid, gpu.label)]
    begun = [gpu for gpu in gpus if word.startswith(("GPU-", "MIG-")) and gpu.uuid.startswith(word)]
    return exact or (begun if len(begun) == 1 else [])


def _is_ours(pid: int) -> bool:
    """Whether a process belongs to a run which holds a slot: its environment names a lock that is held."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            variables = file.read().split(b"\0")
    except OSError:
        return False
    start = f"{SLOT_ENV}=".encode()
    lock = os.fsdecode(next((line[len(start) :] for line in variables if line.startswith(start)), b""))
    return bool(lock) and os.path.dirname(lock) == str(slot_folder()) and is_held(lock)


def slot_folder() -> Path:
    """Where the locks of slots lie: a folder per host, since a home may be shared between machines.

    Where it cannot be made, nothing is held, and whoever takes a slot hears of it.
    """
    folder = state_path() / "slots" / host_tag()
    with suppress(OSError):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def _name(pid: int) -> str:
    try:
        return clean(psutil.Process(pid).name()[:50]) or "unknown"
    except (psutil.Error, OSError):
        return "unknown"


def _tolerated(gpu: Gpu) -> float:
    return max(_UNLISTED, _UNLISTED_SHARE * (gpu.total or 0))
