"""What `auto` means on this machine: settled by a run's first attempt, kept by all later ones."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from typing import Any

import torch

from core.config.schema import Experiment
from core.engine.log import log
from core.errors import RunFailedError
from core.store.files import read_json, write_json
from core.store.paths import RunPaths

THREADS_ENV = "LABTUI_THREADS"
_EVAL_PIXELS = 2**20
_EVAL_BATCH = 256


@dataclass(frozen=True)
class Resolved:
    """Choices that change the bits of a result.

    device: cpu, cuda or mps; precision: float32 or bfloat16 (autocast); memory_format: channels_last or
    contiguous; optimizer: flavour of the update, fused or default; eval_batch: images in a measuring batch.
    """

    device: str
    threads: int
    memory_format: str
    optimizer: str
    precision: str
    eval_batch: int
    torch: str


def resolve(run: RunPaths, experiment: Experiment) -> Resolved:
    """The run's stored choices, or fresh ones, stored; applied to this process.

    Raises RunFailedError when the device is not there.
    """
    stored = _read(run)
    resolved = stored or _choose(experiment)
    _check_device(resolved.device)
    if stored is None:
        write_json(run.resolved, asdict(resolved))
    elif stored.torch != str(torch.__version__):
        log(
            f"note: this run began with torch {stored.torch}, now {torch.__version__}: last digits may differ"
        )
    torch.set_num_threads(resolved.threads)
    if resolved.device == "cuda":
        torch.backends.cudnn.benchmark = True
        torch.set_float32_matmul_precision("high")
    return resolved


def _read(run: RunPaths) -> Resolved | None:
    stored: dict[str, Any] | None = read_json(run.resolved)
    if stored is None:
        return None
    try:
        return Resolved(**{name: stored[name] for name in Resolved.__dataclass_fields__})
    except KeyError as error:
        raise RunFailedError(
            f"{run.resolved} lacks {error.args[0]!r}: it is damaged; fork one of the run's checkpoints."
        ) from None


def _choose(experiment: Experiment) -> Resolved:
    device = experiment.device if experiment.device != "auto" else _best_device()
    cuda = device == "cuda" and torch.cuda.is_available()
    return Resolved(
        device=device,
        threads=experiment.threads if isinstance(experiment.threads, int) else _auto_threads(),
        memory_format="contiguous" if device == "mps" else "channels_last",
        optimizer="default" if device == "mps" else "fused",
        precision="bfloat16" if cuda and torch.cuda.get_device_capability() >= (8, 0) else "float32",
        eval_batch=max(1, min(_EVAL_BATCH, _EVAL_PIXELS // experiment.image_size**2)),
        torch=str(torch.__version__),
    )


def _best_device() -> str:
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def _auto_threads() -> int:
    given = os.environ.get(THREADS_ENV, "")
    return int(given) if given.isdigit() and int(given) > 0 else len(os.sched_getaffinity(0))


def _check_device(device: str) -> None:
    missing = (device == "cuda" and not torch.cuda.is_available()) or (
        device == "mps" and not torch.backends.mps.is_available()
    )
    if missing:
        raise RunFailedError(
            f"This run computes on {device}, which torch does not find here: run it where the device is, or "
            "fork it with --set device=cpu."
        )
