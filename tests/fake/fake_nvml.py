"""The part of nvidia-ml-py that labtui uses, over GPUs described in the JSON file `$FAKE_NVML`.

{"init": error name or absent, "value": its number, "gpus": [{"uuid", "name", "bus_id", "used", "total",
"busy", "processes": [{"pid", "used"}], "drawing": [...], "lost": bool, "mig": [gpu, ...]}]}. What a GPU lacks
is "not supported"; where "fault: WORDS" stands, asking fails. The file is read with every call, as the
hardware would be.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

nvmlMemory_v2 = 0x02000028
FILE_ENV = "FAKE_NVML"


class NVMLError(Exception):
    """As nvidia-ml-py's: `value` is the number of the error, 999 an unknown one."""

    def __init__(self, text: str, value: int = 999) -> None:
        super().__init__(text)
        self.value = value


def _world() -> dict[str, Any]:
    return json.loads(Path(os.environ[FILE_ENV]).read_text())


def _part(handle: tuple[int, int], name: str) -> Any:
    index, piece = handle
    gpu = _world()["gpus"][index]
    if piece >= 0:
        gpu = gpu["mig"][piece]
    if name not in gpu:
        raise NVMLError("Not Supported", 3)
    if isinstance(gpu[name], str) and gpu[name].startswith("fault: "):
        raise NVMLError(gpu[name].removeprefix("fault: "))
    return gpu[name]


def nvmlInit() -> None:
    if problem := _world().get("init"):
        raise NVMLError(problem, _world().get("value", 999))


def nvmlDeviceGetCount() -> int:
    if problem := _world().get("count"):
        raise NVMLError(problem)
    return len(_world()["gpus"])


def nvmlDeviceGetHandleByIndex(index: int) -> tuple[int, int]:
    if _world()["gpus"][index].get("lost"):
        raise NVMLError("GPU is lost")
    return index, -1


def nvmlDeviceGetUUID(handle: tuple[int, int]) -> str:
    return _part(handle, "uuid")


def nvmlDeviceGetName(handle: tuple[int, int]) -> bytes:
    return _part(handle, "name").encode()


def nvmlDeviceGetPciInfo(handle: tuple[int, int]) -> SimpleNamespace:
    return SimpleNamespace(busId=_part(handle, "bus_id").encode())


def nvmlDeviceGetMemoryInfo(handle: tuple[int, int], version: int | None = None) -> SimpleNamespace:
    return SimpleNamespace(used=_part(handle, "used"), total=_part(handle, "total"))


def nvmlDeviceGetUtilizationRates(handle: tuple[int, int]) -> SimpleNamespace:
    return SimpleNamespace(gpu=_part(handle, "busy"), memory=0)


def _processes(listed: list[dict[str, Any]]) -> list[SimpleNamespace]:
    return [SimpleNamespace(pid=item["pid"], usedGpuMemory=item["used"]) for item in listed]


def nvmlDeviceGetComputeRunningProcesses(handle: tuple[int, int]) -> list[SimpleNamespace]:
    return _processes(_part(handle, "processes"))


def nvmlDeviceGetGraphicsRunningProcesses(handle: tuple[int, int]) -> list[SimpleNamespace]:
    return _processes(_part(handle, "drawing"))


def nvmlDeviceGetMigMode(handle: tuple[int, int]) -> list[int]:
    return [1 if _part(handle, "mig") else 0, 0]


def nvmlDeviceGetMaxMigDeviceCount(handle: tuple[int, int]) -> int:
    return 7


def nvmlDeviceGetMigDeviceHandleByIndex(handle: tuple[int, int], piece: int) -> tuple[int, int]:
    if piece >= len(_part(handle, "mig")):
        raise NVMLError("Not Found")
    return handle[0], piece
