"""Copies of a run's metrics for W&B and TensorBoard, sent by a process of its own beside the trainer.

Nothing here is needed to train: whatever goes wrong becomes a line in `runs/<id>/tracking/log.txt` (and in
the attempt's log, where the user can do something about it) and the end of the sidecar only.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

TRACKERS: tuple[str, ...] = ("wandb", "tensorboard")
"""The packages, which are also the keys of the config's `log` section."""


def available() -> dict[str, str | None]:
    """The installed version of each tracker, or None; nothing is imported."""
    return {name: _version(name) for name in TRACKERS}


def wanted(log: Mapping[str, Any]) -> tuple[str, ...]:
    """The trackers that a `log` section (plain values, as in spec.json) asks for."""
    on = {"wandb": log.get("wandb") in ("online", "offline"), "tensorboard": log.get("tensorboard") is True}
    return tuple(name for name in TRACKERS if on[name])


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
