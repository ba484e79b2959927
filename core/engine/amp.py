"""Number format of the forward pass: what a machine can do, and the tools that a format needs."""

from __future__ import annotations

import contextlib
from typing import Any, Protocol

import torch

from core.config.schema import Experiment
from core.errors import RunFailedError

_DTYPES = {"bfloat16": torch.bfloat16, "float16": torch.float16}


class HasPrecision(Protocol):
    """`core.engine.resolve.Resolved`, as far as it matters here."""

    @property
    def device(self) -> str: ...

    @property
    def precision(self) -> str: ...


def choose_precision(experiment: Experiment, device: str) -> str:
    """float32, bfloat16 or float16 on `device` (cpu, cuda, mps), which is there.

    Raises RunFailedError for a format that the device does not have or has only in slow emulation.
    """
    wanted = experiment.precision
    if wanted == "auto":
        return "bfloat16" if device == "cuda" and _cuda_has_bfloat16() else "float32"
    if wanted == "bfloat16" and device == "cpu" and not cpu_has_bfloat16():
        raise RunFailedError(
            "precision bfloat16 is many times slower than float32 on this CPU, which has neither AVX512_BF16 "
            "nor AMX: use precision float32 or auto, or a GPU."
        )
    if wanted == "bfloat16" and device == "cuda" and not _cuda_has_bfloat16():
        raise RunFailedError("This GPU has no bfloat16: use precision float16 or float32.")
    if wanted == "float16" and device != "cuda":
        raise RunFailedError(
            f"precision float16 needs an NVIDIA GPU, and this run computes on {device}: use precision "
            "float32 or auto."
        )
    return wanted


def cpu_has_bfloat16() -> bool:
    """Whether this CPU multiplies bfloat16 in hardware."""
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def autocast(resolved: HasPrecision) -> contextlib.AbstractContextManager[Any]:
    """The context of a forward pass in the resolved precision."""
    dtype = _DTYPES.get(resolved.precision)
    if dtype is None:
        return contextlib.nullcontext()
    return torch.autocast(resolved.device, dtype=dtype)


def make_scaler(resolved: HasPrecision) -> torch.amp.GradScaler | None:
    """What keeps small gradients of float16 from vanishing; None for formats with a wide exponent."""
    if resolved.precision != "float16":
        return None
    return torch.amp.GradScaler(resolved.device)


def _cuda_has_bfloat16() -> bool:
    return torch.cuda.is_available() and torch.cuda.get_device_capability() >= (8, 0)
