"""The disk that a run will take, said before it starts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.config.workspace import Workspace
from core.errors import LabError
from core.humanise import size

if TYPE_CHECKING:
    from core.config.schema import Experiment

PATIENCE = 20.0
"""Seconds after which a start no longer waits for the estimate."""


def disk_words(workspace: Workspace, experiment: Experiment, timeout: float = PATIENCE) -> str:
    """`disk: ≈ 21 MB for 30 checkpoints and their predictions, 118 GB free`, a warning when that is too much.

    Empty when it cannot be known within `timeout` seconds: a start never fails for want of it.
    """
    from core.datasets.outline import outline
    from core.launch.preview import describe, disk_estimate, free_space, predictions_bytes, saved_checkpoints

    try:
        data = outline(experiment.data)
    except (LabError, OSError):
        # The start itself says what is wrong with the data.
        return ""
    told = describe(experiment, len(data.classes), timeout)
    checkpoint = told.get("checkpoint_bytes")
    if not isinstance(checkpoint, int):
        return ""
    needed = disk_estimate(experiment, checkpoint, predictions_bytes(experiment, data))
    number = saved_checkpoints(experiment, experiment.epochs)
    words = f"≈ {size(needed)} for {number} checkpoint{'s' if number > 1 else ''} and their predictions"
    free = free_space(workspace)
    if free is not None and needed > free:
        return (
            f"warning: the run will take {words}, but only {size(free)} are free: make room, or keep fewer "
            "with --set checkpoint.keep=3"
        )
    return f"disk: {words}" + ("" if free is None else f", {size(free)} free")
