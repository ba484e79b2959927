"""What `auto` means on this machine: settled by a run's first attempt, kept by all later ones."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch

from core.config.schema import Experiment
from core.engine.amp import choose_precision
from core.engine.devices import is_gpu, require_device, require_gpu, tell_unused_gpu
from core.engine.log import log
from core.errors import RunFailedError
from core.reading import exists
from core.store.files import read_json, write_json
from core.store.paths import RunPaths
from core.text import clean

THREADS_ENV = "LABTUI_THREADS"
_EVAL_PIXELS = 2**20
_EVAL_BATCH = 256


@dataclass(frozen=True)
class Resolved:
    """Choices that change the bits of a result.

    device: cpu, cuda or mps; precision: float32, bfloat16 or float16 (autocast); memory_format:
    channels_last or contiguous; optimizer: flavour of the update, fused or default; eval_batch: images in a
    measuring batch; crops: random ones are cut out of the whole image, or of the square in its centre, as in
    runs of earlier versions.
    """

    device: str
    threads: int
    memory_format: str
    optimizer: str
    precision: str
    eval_batch: int
    torch: str
    crops: str = "whole"


def resolve(run: RunPaths, experiment: Experiment, slot: str = "") -> Resolved:
    """The run's stored choices, or fresh ones, stored; applied to this process.

    A fork has its parent's, but for a precision that it names itself. `slot` is what the attempt was given:
    on one with a GPU nothing falls back to the CPU, and GPUs that the config names are not done without.
    Raises RunFailedError, before anything is stored, when the device is not there or lacks the precision.
    """
    stored = read_resolved(run)
    device = stored.device if stored else experiment.device
    if device in ("auto", "cuda"):
        require_gpu(slot)
    if stored is None and device == "auto" and experiment.gpus and slot and not is_gpu(slot):
        raise RunFailedError(
            f"This run names GPUs (gpus: {', '.join(map(str, experiment.gpus))}) and was given the slot "
            f"{clean(slot)}, which has none: see labtui doctor, or ask for the CPU: device: cpu."
        )
    require_device(stored.device if stored else _device(experiment))
    tell_unused_gpu(slot, device if device != "auto" else "cuda", experiment.device == device)
    resolved = stored or choose_resolved(experiment)
    if stored is None and exists(run.model):
        log(
            f"note: {run.resolved.name} of this run is gone: device {resolved.device}, precision "
            f"{resolved.precision}, threads {resolved.threads} and the like were chosen anew, so numbers may "
            "differ"
        )
    if experiment.precision not in ("auto", resolved.precision):
        resolved = replace(resolved, precision=choose_precision(experiment, resolved.device))
    if not _may_fuse(experiment, resolved.device, resolved.precision):
        resolved = replace(resolved, optimizer="default")
    if resolved != stored:
        write_json(run.resolved, asdict(resolved))
    if stored is not None and stored.torch != str(torch.__version__):
        log(
            f"note: this run began with torch {stored.torch}, now {torch.__version__}: last digits may differ"
        )
    torch.set_num_threads(resolved.threads)
    set_backend(resolved, experiment)
    return resolved


def set_backend(resolved: Resolved, experiment: Experiment) -> None:
    """How kernels are chosen on a GPU: the same in training and in jobs, so that numbers come out again."""
    if resolved.device == "cuda":
        # Trying out algorithms pays only where all batches have one shape.
        torch.backends.cudnn.benchmark = not experiment.is_detector
        torch.set_float32_matmul_precision("high")


def read_resolved(run: RunPaths) -> Resolved | None:
    """The run's stored choices, None before its first attempt. Raises RunFailedError when damaged."""
    stored: dict[str, Any] | None = read_json(run.resolved)
    if stored is None:
        return None
    try:
        known = {"crops": "centre", **stored}
        return Resolved(**{name: known[name] for name in Resolved.__dataclass_fields__})
    except KeyError as error:
        raise RunFailedError(
            f"{run.resolved} lacks {error.args[0]!r}: it is damaged; fork one of the run's checkpoints."
        ) from None


def choose_resolved(experiment: Experiment) -> Resolved:
    """What a first attempt here would settle on, without looking whether the device is there.

    Raises RunFailedError when the device lacks the precision that the config names.
    """
    device = _device(experiment)
    precision = choose_precision(experiment, device)
    return Resolved(
        device=device,
        threads=experiment.threads if isinstance(experiment.threads, int) else _auto_threads(),
        memory_format="contiguous" if device == "mps" else "channels_last",
        optimizer="fused" if _may_fuse(experiment, device, precision) else "default",
        precision=precision,
        eval_batch=max(1, min(_EVAL_BATCH, _EVAL_PIXELS // _pixels(experiment))),
        torch=str(torch.__version__),
    )


def _pixels(experiment: Experiment) -> int:
    """Pixels of an image that the network sees, at most."""
    if experiment.is_detector:
        return experiment.sides[0] * experiment.sides[1]
    return experiment.side**2


def _device(experiment: Experiment) -> str:
    if experiment.device != "auto":
        return experiment.device
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def _may_fuse(experiment: Experiment, device: str, precision: str) -> bool:
    kind = experiment.optimizer.kind
    return device != "mps" and kind.fused and (precision != "float16" or kind.fused_in_float16)


def _auto_threads() -> int:
    given = os.environ.get(THREADS_ENV, "")
    return int(given) if given.isdigit() and int(given) > 0 else len(os.sched_getaffinity(0))
