"""What NVML says about this machine's GPUs.

*None* and *asked, and failed* are two things: without a driver there is no GPU, but a driver that does not
answer says nothing about what is there. A number that the driver does not support is None.
"""

from __future__ import annotations

import ctypes
import importlib
import os
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from core.text import clean

NVML_ENV = "LABTUI_NVML"
"""The module that speaks NVML, by default nvidia-ml-py's; another one with the same functions, for tests."""
_LIBRARY = "libnvidia-ml.so.1"
_FAULTS = (AttributeError, OSError, TypeError, ValueError)
# NVML's error numbers: driver not loaded, library not found, no GPU.
_NO_DRIVER = frozenset({9, 12, 28})
# Invalid argument, not supported, no permission, not found, function not found.
_UNSUPPORTED = frozenset({2, 3, 4, 6, 13})
_CARD = re.compile(r"nvidia\d+")
_WORDS = 200

_absent = False
_open: tuple[int, Any] | None = None


@dataclass(frozen=True)
class GpuProcess:
    """A process that computes on a GPU; `used` is its memory in bytes, None when the driver does not say."""

    pid: int
    used: int | None


@dataclass(frozen=True)
class Gpu:
    """A GPU, or a slice of one (MIG). Numbers are None where the driver does not support them.

    `index` is that of nvidia-smi (PCI order) and `label` the same as text, `0.1` for slice 1 of GPU 0;
    `used` and `total` are bytes of memory, `busy` percent of time. `processes` is None when they cannot be
    listed; `drawing` are the bytes that processes with graphics hold.
    """

    index: int
    label: str
    uuid: str
    name: str
    bus_id: str
    used: int | None = None
    total: int | None = None
    busy: int | None = None
    processes: tuple[GpuProcess, ...] | None = None
    drawing: int = 0


@dataclass(frozen=True)
class Look:
    """`gpus` in the order of their index; `fault` says what could not be asked, empty when nothing failed."""

    gpus: tuple[Gpu, ...] = ()
    fault: str = ""


def read_gpus() -> tuple[Gpu, ...]:
    """The GPUs that answer, in the order of their index; empty without a driver."""
    return look().gpus


def look() -> Look:
    """Ask for all GPUs.

    That there is no driver is found out once per process. Takes some ms where there is one.
    """
    try:
        nvml = _driver()
    except _DriverError as error:
        return Look(fault=f"the NVIDIA driver does not answer ({error})")
    if nvml is None:
        return Look()
    faults = (nvml.NVMLError, *_FAULTS)
    try:
        count = int(nvml.nvmlDeviceGetCount())
    except faults as error:
        _forget()
        return Look(fault=f"the NVIDIA driver does not answer ({_said(error)})")
    found: list[Gpu] = []
    silent: list[str] = []
    for index in range(count):
        # A GPU that fell off the bus must not hide the others.
        try:
            found.extend(_devices(nvml, index, faults))
        except faults as error:
            silent.append(f"GPU {index} does not answer ({_said(error)})")
    return Look(tuple(found), "; ".join(silent))


def unlisted_cards() -> bool:
    """Whether the kernel has NVIDIA cards although there is no NVML to ask, as in some containers."""
    try:
        return _driver() is None and any(_CARD.fullmatch(name) for name in os.listdir("/dev"))
    except (_DriverError, OSError):
        return False


class _DriverError(Exception):
    """NVML is there but does not start."""


def _driver() -> Any:
    """The NVML module, initialised in this process, or None where there is no driver. Raises _DriverError."""
    global _absent, _open
    if _absent:
        return None
    if _open is not None and _open[0] == os.getpid():
        return _open[1]
    named = os.environ.get(NVML_ENV, "")
    try:
        if not named:
            # Cheaper than to import the module only to hear the same from it.
            ctypes.CDLL(_LIBRARY)
        nvml = importlib.import_module(named or "pynvml")
        fault: type[Exception] = nvml.NVMLError
    except (ImportError, *_FAULTS):
        _absent = True
        return None
    try:
        nvml.nvmlInit()
    except (fault, *_FAULTS) as error:
        if getattr(error, "value", None) not in _NO_DRIVER:
            # It may pass (a driver that is being updated, say): ask again with the next call.
            raise _DriverError(_said(error)) from error
        _absent = True
        return None
    _open = (os.getpid(), nvml)
    return nvml


def _forget() -> None:
    """Begin anew with the next call: the driver was restarted, say."""
    global _open, _absent
    _open, _absent = None, False


def _devices(nvml: Any, index: int, faults: tuple[type[Exception], ...]) -> Iterator[Gpu]:
    handle = nvml.nvmlDeviceGetHandleByIndex(index)

    def ask(default: Any, name: str, *arguments: Any, needed: bool = False) -> Any:
        """`default` for what the driver does not support; `needed`: raises for what it fails to say."""
        try:
            return getattr(nvml, name)(*arguments)
        except faults as error:
            value = getattr(error, "value", None)
            if needed and isinstance(value, int) and value not in _UNSUPPORTED:
                raise
            return default

    bus = ask(None, "nvmlDeviceGetPciInfo", handle)
    bus_id = _text(getattr(bus, "busId", ""))
    name = _text(ask("", "nvmlDeviceGetName", handle)) or "GPU"
    if ask([0, 0], "nvmlDeviceGetMigMode", handle)[0] == 1:
        for place in range(int(ask(0, "nvmlDeviceGetMaxMigDeviceCount", handle))):
            piece = ask(None, "nvmlDeviceGetMigDeviceHandleByIndex", handle, place)
            if piece is None:
                continue
            title = _text(ask("", "nvmlDeviceGetName", piece)) or f"{name} MIG"
            with suppress(*faults):
                yield _read(nvml, ask, piece, index, f"{index}.{place}", title, bus_id)
        return
    yield _read(nvml, ask, handle, index, str(index), name, bus_id)


def _read(
    nvml: Any, ask: Callable[..., Any], handle: Any, index: int, label: str, name: str, bus_id: str
) -> Gpu:
    """One device.

    Raises the driver's error when it has no UUID (nothing could be held then), or when the driver fails to
    say who is on it: it would pass for free.
    """
    # Version 2 does not count what the driver keeps for itself as used.
    memory = ask(None, "nvmlDeviceGetMemoryInfo", handle, getattr(nvml, "nvmlMemory_v2", None))
    if memory is None:
        memory = ask(None, "nvmlDeviceGetMemoryInfo", handle, needed=True)
    rates = ask(None, "nvmlDeviceGetUtilizationRates", handle)
    processes = ask(None, "nvmlDeviceGetComputeRunningProcesses", handle, needed=True)
    drawing = ask([], "nvmlDeviceGetGraphicsRunningProcesses", handle)
    return Gpu(
        index=index,
        label=label,
        uuid=_text(nvml.nvmlDeviceGetUUID(handle)),
        name=name,
        bus_id=bus_id,
        used=_whole(getattr(memory, "used", None)),
        total=_whole(getattr(memory, "total", None)),
        busy=_whole(getattr(rates, "gpu", None)),
        processes=None if processes is None else tuple(_process(item) for item in processes),
        drawing=sum(_process(item).used or 0 for item in drawing),
    )


def _process(item: Any) -> GpuProcess:
    return GpuProcess(int(item.pid), _whole(getattr(item, "usedGpuMemory", None)))


def _said(error: BaseException) -> str:
    return clean(str(error).strip()[:_WORDS]) or type(error).__name__


def _text(value: Any) -> str:
    return clean(value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value))


def _whole(value: Any) -> int | None:
    """A number the driver gave; None for what it does not support (which may read as 2**64 - 1)."""
    return value if isinstance(value, int) and 0 <= value < 1 << 62 else None
