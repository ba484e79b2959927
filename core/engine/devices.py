"""Whether torch can use the device that an attempt was given, and why not."""

from __future__ import annotations

import re

import torch

from core.engine.log import log
from core.errors import MissingFileError, RunFailedError, UnreadableError
from core.reading import read_text
from core.text import clean

DRIVER_FILE = "/proc/driver/nvidia/version"
_VERSION = re.compile(r"\b(\d{3,}\.\d+(?:\.\d+)?)\b")


def is_gpu(slot: str) -> bool:
    """Whether a slot of this name holds a GPU."""
    return slot.startswith("gpu")


def require_gpu(slot: str) -> None:
    """Raises RunFailedError when the slot has a GPU that torch cannot use: nothing falls back to the CPU."""
    if is_gpu(slot) and not torch.cuda.is_available():
        raise RunFailedError(
            f"The slot {clean(slot)} has a GPU that torch cannot use: {why_no_cuda()}. Nothing was trained "
            "on the CPU instead; see labtui doctor, or ask for the CPU: device: cpu."
        )


def require_device(device: str) -> None:
    """Raises RunFailedError, with torch's reason, when `device` (cpu, cuda or mps) is not there."""
    if device == "cuda" and not torch.cuda.is_available():
        reason = why_no_cuda()
    elif device == "mps" and not torch.backends.mps.is_available():
        built = torch.backends.mps.is_built()
        reason = "macOS or this machine has no MPS" if built else "this torch is built without MPS"
    else:
        return
    raise RunFailedError(
        f"This run computes on {device}, which torch does not find here: {reason}. Run it where the device "
        "is, or fork it with --set device=cpu."
    )


def tell_unused_gpu(slot: str, device: str, chosen: bool) -> None:
    """Say so in the log where a GPU was given and is not computed on; `chosen`: the config says so."""
    if is_gpu(slot) and device != "cuda":
        why = f"device: {device}" if chosen else f"its first attempt chose {device}: fork it to use the GPU"
        log(f"note: the GPU of slot {clean(slot)} is not used: {why}")


def why_no_cuda() -> str:
    """torch's own reason, its version, and the driver's where it is known."""
    words = [f"torch {torch.__version__}"]
    version = driver_version()
    words.append(f"driver {version}" if version else "no NVIDIA driver found")
    return f"{_reason()} ({', '.join(words)})"


def driver_version() -> str:
    """The version of the NVIDIA driver that is loaded; empty when there is none or it does not say."""
    try:
        found = _VERSION.search(read_text(DRIVER_FILE))
    except (MissingFileError, UnreadableError):
        return ""
    return found[1] if found else ""


def _reason() -> str:
    if torch.version.cuda is None:
        return "it is built without CUDA"
    try:
        torch.cuda.init()  # type: ignore[no-untyped-call]
        torch.zeros(1, device="cuda")
    except (RuntimeError, AssertionError) as error:
        lines = clean(str(error), newlines=True).strip().splitlines()
        return lines[0][:300].rstrip(". ") if lines else type(error).__name__
    return "it does not say why"
