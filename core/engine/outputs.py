"""What a validation pass leaves: a measure row and a predictions file, by checkpoint and split."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np

from core.engine.task import Measurement
from core.store.files import make_dir, read_json, write_bytes, write_json
from core.store.metrics import encode_value
from core.store.paths import RunPaths


def measure_path(run: RunPaths, checkpoint: str, split: str) -> Path:
    """Where the measure row of a checkpoint and a split lies."""
    return run.measures / f"{checkpoint}-{split}.json"


def read_measure(run: RunPaths, checkpoint: str, sha256: str, split: str) -> dict[str, Any] | None:
    """The measure row, or None when there is none of this very checkpoint file."""
    row = read_json(measure_path(run, checkpoint, split))
    return row if row is not None and row.get("sha256") == sha256 else None


def write_outputs(run: RunPaths, checkpoint: str, sha256: str, split: str, measured: Measurement) -> None:
    """Write predictions, then the measure row, which says that both are there.

    `sha256` is that of the checkpoint file, empty when none was kept of this epoch. Raises OSError.
    """
    if measured.predictions:
        make_dir(run.predictions, exist_ok=True)
        buffer = io.BytesIO()
        np.savez_compressed(
            buffer, **measured.predictions, checkpoint=np.array(checkpoint), sha256=np.array(sha256)
        )
        write_bytes(run.predictions / f"{checkpoint}-{split}.npz", buffer.getvalue())
    make_dir(run.measures, exist_ok=True)
    write_json(
        measure_path(run, checkpoint, split),
        {
            "checkpoint": checkpoint,
            "sha256": sha256,
            "split": split,
            "settings": dict(measured.settings),
            "n": measured.images,
            **{name: encode_value(value) for name, value in measured.metrics.items()},
            "per_class": list(measured.per_class),
        },
    )
