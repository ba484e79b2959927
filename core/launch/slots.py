"""Places to train: CPU slots and GPU slots, taken by held locks."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from core.errors import UsageError
from core.launch.gpus import (
    MissingGpuError,
    SilentGpuError,
    allowed,
    busy_limit,
    describe,
    lock_name,
    named,
    slot_folder,
    slots_per_gpu,
    strangers,
    who_blocks,
)
from core.launch.gpus import require_gpus as require_gpus
from core.launch.nvml import Gpu, Look, look, read_gpus, unlisted_cards
from core.store.locks import Lock, acquire, is_held
from core.text import any_of, clean

SLOTS_ENV = "LABTUI_CPU_SLOTS"
_CORES_A_SLOT = 4
_MAX_THREADS = 8
# Those who only look at a lock hold it for an instant.
_PATIENCE = 0.005


@dataclass(frozen=True)
class Slot:
    """One place to train; `threads` is what a run with `threads: auto` gets."""

    name: str
    threads: int
    path: Path
    gpu: Gpu | None = None


@dataclass(frozen=True)
class Need:
    """What work wants: `device` as in a config, `gpus` it names, `visible` what its owner may use."""

    device: str = "auto"
    gpus: tuple[int | str, ...] = ()
    visible: str | None = None


@dataclass(frozen=True)
class Holder:
    """Who has a slot: the run's folder, and the job's name when it is a job's."""

    run: Path
    job: str = ""


@dataclass(frozen=True)
class GpuStatus:
    """A GPU as screens show it: `busy` is percent of time, `used` and `total` are bytes of memory.

    `slots` is how many runs may share it, `runs` are the ids of those that do, `strangers` the processes of
    others, as text. Numbers are None where the driver does not support them.
    """

    index: int
    label: str
    name: str
    uuid: str
    bus_id: str
    busy: int | None
    used: int | None
    total: int | None
    slots: int
    runs: tuple[str, ...]
    strangers: tuple[str, ...]
    blocked: bool


def cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0))


def cpu_slots() -> list[Slot]:
    """All CPU slots of this machine: `$LABTUI_CPU_SLOTS`, else one for every four cores."""
    given = os.environ.get(SLOTS_ENV, "")
    if given and not (given.isdigit() and 1 <= int(given) <= 256):
        raise UsageError(f"${SLOTS_ENV}: expected a number from 1 to 256, got '{given}'")
    number = int(given) if given else max(1, cores() // _CORES_A_SLOT)
    return [Slot(f"cpu{i}", _threads(number), slot_path(f"cpu{i}")) for i in range(number)]


def check_settings() -> None:
    """Raises UsageError for a setting of slots in the environment that cannot be."""
    cpu_slots(), slots_per_gpu(), busy_limit()


def gpu_slots(gpu: Gpu, gpus: int) -> list[Slot]:
    """The slots of one of `gpus` GPUs."""
    number = slots_per_gpu()
    threads = _threads(number * max(1, gpus))
    return [
        Slot(f"gpu{gpu.label}/{place}", threads, slot_path(lock_name(gpu, place)), gpu)
        for place in range(number)
    ]


def slot_path(name: str) -> Path:
    """The lock file of a slot."""
    return slot_folder() / f"{name}.lock"


def busy_slots() -> list[tuple[Slot, bool]]:
    """Every slot and whether it is taken, by a run or, for a GPU, by others."""
    board = Board()
    found = [(slot, is_held(slot.path)) for slot in cpu_slots()]
    for gpu in board.gpus:
        slots = gpu_slots(gpu, len(board.gpus))
        held = [is_held(slot.path) for slot in slots]
        blocked = bool(who_blocks(gpu, sum(held)))
        found += [(slot, taken or blocked) for slot, taken in zip(slots, held, strict=True)]
    return found


def gpu_status() -> tuple[GpuStatus, ...]:
    """All GPUs with who is on them; empty without a driver. Takes some ms: call it off the UI's thread."""
    gpus = read_gpus()
    return tuple(_status(gpu, len(gpus)) for gpu in gpus)


def gpu_fault() -> str:
    """What of the GPUs could not be asked, in words; empty when nothing failed."""
    return look().fault


def slot_arguments(slot: Slot) -> list[str]:
    """A slot on a supervisor's command line; `slot_from_arguments` reads it."""
    words = ["--slot", slot.name, "--slot-file", str(slot.path), "--threads", str(slot.threads)]
    return words if slot.gpu is None else [*words, "--gpu", json.dumps(describe(slot.gpu))]


def slot_from_arguments(name: str, path: Path, threads: int, gpu: str | None) -> Slot:
    """The slot that was handed over. Raises ValueError, KeyError when it is none."""
    if gpu is None:
        return Slot(name, threads, path)
    about = json.loads(gpu)
    label = name.removeprefix("gpu").partition("/")[0]
    return Slot(name, threads, path, Gpu(label=label, **about))


def note_holder(lock: Lock, holder: Holder) -> None:
    """Write into a held lock file who has it, for people to read."""
    data = json.dumps({"run": os.fspath(holder.run), "job": holder.job}).encode("utf-8", "surrogateescape")
    with suppress(OSError):
        os.ftruncate(lock.fd, 0)
        os.pwrite(lock.fd, data, 0)


def holder(slot: Slot) -> Holder | None:
    """Who has a slot, as far as its lock file says; what it says of a free slot is past."""
    try:
        content = json.loads(slot.path.read_bytes()[:10_000])
        return Holder(Path(content["run"]), str(content["job"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def holder_words(slot: Slot) -> str:
    """The run, and the job, that have a slot, as its lock file says; empty when it says nothing."""
    found = holder(slot)
    return "" if found is None else clean(f"{found.run.name} {found.job}".strip())


@dataclass
class Board:
    """One look at the slots: what was found busy stays so, so that who came first is served first."""

    _seen: Look | None = None
    _busy: set[Path] = field(default_factory=set)

    @property
    def seen(self) -> Look:
        """What the driver says, asked once."""
        if self._seen is None:
            self._seen = look()
        return self._seen

    @property
    def gpus(self) -> tuple[Gpu, ...]:
        """The GPUs of this machine that answer."""
        return self.seen.gpus

    def options(self, need: Need) -> list[Slot]:
        """The slots that would do, the best first.

        `auto` takes a GPU where there is one to be had; without one, `cuda` takes a CPU slot too, and the
        training then says what is missing. Raises MissingGpuError, and SilentGpuError when the driver was
        asked and failed: a GPU that may be there is waited for, and never replaced by a CPU slot.
        """
        if need.device in ("cpu", "mps"):
            return cpu_slots()
        try:
            if need.gpus:
                mine = named(self.gpus, need.gpus, need.visible)
            else:
                mine = allowed(self.gpus, need.visible)
        except MissingGpuError as error:
            if self.seen.fault:
                raise SilentGpuError(self._silence(need)) from error
            raise
        if not mine and self.seen.fault and need.visible != "":
            raise SilentGpuError(self._silence(need))
        if not mine:
            # Cards that nobody can tell apart are one place to train.
            return cpu_slots()[:1] if unlisted_cards() else cpu_slots()
        slots = [gpu_slots(gpu, len(self.gpus)) for gpu in mine]
        return [slot for place in zip(*slots, strict=True) for slot in place]

    def take(self, need: Need) -> tuple[Slot, Lock] | None:
        """A free slot with its lock held, or None. Raises MissingGpuError, OSError.

        The lock comes first, then the look at who is on the GPU: two that start at once never meet there. A
        GPU that was busy at the board's own look is not locked at all: readers would take that for a run.
        """
        try:
            options = self.options(need)
        except SilentGpuError:
            return None
        for slot in options:
            if slot.path in self._busy:
                continue
            if slot.gpu is not None and _is_blocked(slot, slot.gpu, self.gpus):
                self._busy.add(slot.path)
                continue
            lock = acquire(slot.path, timeout=_PATIENCE)
            if lock is None:
                self._busy.add(slot.path)
            elif slot.gpu is not None and _is_blocked(slot, slot.gpu, read_gpus()):
                lock.release()
                self._busy.add(slot.path)
            else:
                return slot, lock
        return None

    def used(self, slot: Slot) -> None:
        """Remember that a slot was given away."""
        self._busy.add(slot.path)

    def reason(self, need: Need) -> str:
        """Why a run with this need waits, in words."""
        try:
            options = self.options(need)
        except (MissingGpuError, SilentGpuError) as error:
            return str(error)
        gpus = list({slot.gpu.uuid: slot.gpu for slot in options if slot.gpu is not None}.values())
        if not gpus:
            held = sum(is_held(slot.path) for slot in options)
            if held < len(options):
                return TURN
            return f"waiting for a free CPU slot: {_have(options)}"
        lines = []
        for gpu in gpus:
            slots = [slot for slot in options if slot.gpu is gpu]
            why = self._why(gpu, slots)
            if not why:
                return TURN
            lines.append((gpu, why))
        if len(lines) == 1:
            return f"waiting for GPU {lines[0][0].label}: {lines[0][1]}"
        return "waiting for a free GPU: " + "; ".join(f"GPU {gpu.label}: {why}" for gpu, why in lines)

    def _silence(self, need: Need) -> str:
        which = f"GPU {', '.join(map(str, need.gpus))}" if need.gpus else "a GPU"
        way = "name another GPU" if need.gpus and self.gpus else "device: cpu trains without one"
        return clean(f"waiting for {which}: {self.seen.fault}; see nvidia-smi, or start again ({way})")

    def _why(self, gpu: Gpu, slots: list[Slot]) -> str:
        """Why none of a GPU's slots can be had; empty when one can."""
        held = sum(is_held(slot.path) for slot in slots)
        if held == len(slots):
            return _have(slots)
        blocking = who_blocks(gpu, held)
        if not blocking:
            return ""
        more = f" and {len(blocking) - 1} more" if len(blocking) > 1 else ""
        return f"{blocking[0]}{more}"


_NAMED = 2
"""Runs that are named where many have the slots."""
_RUN_TIME = re.compile(r"^\d{8}-\d{6}-")
TURN = "waiting for its turn: a slot is free and will be assigned within 10 s"


def _threads(runs: int) -> int:
    return max(1, min(_MAX_THREADS, cores() // runs))


def _have(slots: Sequence[Slot]) -> str:
    """`1 run has it: cifar10-tinyvgg-a-df82`; who, as far as the lock files say."""
    count = f"{len(slots)} runs have them" if len(slots) > 1 else "1 run has it"
    names = [_RUN_TIME.sub("", words) for slot in slots if (words := holder_words(slot))]
    more = [f"{len(names) - _NAMED} more"] if len(names) > _NAMED else []
    return f"{count}: {any_of([*names[:_NAMED], *more], 'and')}" if names else count


def _is_blocked(slot: Slot, gpu: Gpu, every: tuple[Gpu, ...]) -> bool:
    """Whether strangers keep us from the GPU of a slot, as `every` GPU was at a look."""
    now = next((found for found in every if found.uuid == gpu.uuid), None)
    if now is None:
        return True
    others = [other for other in gpu_slots(now, len(every)) if other.path != slot.path]
    return bool(who_blocks(now, sum(is_held(other.path) for other in others)))


def _status(gpu: Gpu, gpus: int) -> GpuStatus:
    held = [slot for slot in gpu_slots(gpu, gpus) if is_held(slot.path)]
    blocking = who_blocks(gpu, len(held))
    return GpuStatus(
        index=gpu.index,
        label=gpu.label,
        name=gpu.name,
        uuid=gpu.uuid,
        bus_id=gpu.bus_id,
        busy=gpu.busy,
        used=gpu.used,
        total=gpu.total,
        slots=slots_per_gpu(),
        runs=tuple(_runs(held)),
        strangers=tuple(map(str, strangers(gpu, len(held)))),
        blocked=bool(blocking),
    )


def _runs(slots: list[Slot]) -> Iterator[str]:
    for slot in slots:
        if words := holder_words(slot):
            yield words
