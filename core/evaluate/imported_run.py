"""The run folder of weights that were trained elsewhere: checkpoints, curve and an attempt that has ended."""

from __future__ import annotations

import io
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from core.config.load import dump
from core.config.resolve_defaults import resolve_metric
from core.config.schema import Experiment
from core.config.workspace import Workspace
from core.datasets.dataset import Dataset, store_dataset
from core.engine import rng
from core.engine.checkpoint import FORMAT, DataKey
from core.engine.state import RunningSums
from core.evaluate.lab_checkpoint import LOGS, Foreign
from core.metrics import mode_of
from core.store.attempts import record_attempt
from core.store.checkpoints import save_files
from core.store.files import write_bytes, write_json
from core.store.imports import imported_as, write_origin
from core.store.metrics import encode
from core.store.paths import RunPaths, checkpoint_id
from core.store.runs import create_run, read_meta

STEPS_AN_EPOCH = 1563
"""The lab trained on 50,000 images in batches of 32."""


@dataclass(frozen=True)
class Fitted:
    """One file of a series: its content, the bytes of our checkpoint, and the file's sha256."""

    file: Foreign
    data: bytes
    sha256: str


@dataclass(frozen=True)
class Series:
    """Files of one training, by epoch; `curves` has a row of metrics an epoch."""

    name: str
    experiment: Experiment
    fitted: tuple[Fitted, ...]
    curves: Mapping[int, Mapping[str, float]]
    dataset: Dataset | None
    note: str
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Imported:
    """The run that came of a series of files; `known` when it was imported before."""

    run: RunPaths
    files: tuple[Path, ...]
    checkpoints: tuple[str, ...]
    notes: tuple[str, ...] = field(default=())
    known: bool = False

    def document(self) -> dict[str, Any]:
        return {
            "id": self.run.id,
            "files": list(map(str, self.files)),
            "checkpoints": list(self.checkpoints),
            "notes": list(self.notes),
            "known": self.known,
        }


def make_run(workspace: Workspace, series: Series, *, name: str, argv: Sequence[str]) -> Imported:
    """The finished run of a series, visible whole or not at all; the same files again give the same run."""
    files = tuple(fitted.file.path for fitted in series.fitted)
    hashes = [fitted.sha256 for fitted in series.fitted]
    ids = tuple(checkpoint_id(1, fitted.file.epoch) for fitted in series.fitted)
    known = imported_as(workspace, hashes)
    if known is not None:
        return Imported(known, files, ids, known=True)
    now = time.time()

    def fill(new: RunPaths) -> None:
        write_origin(new, files, hashes, time=now)
        write_json(new.meta, {**read_meta(new), "note": series.note})
        if series.dataset is not None:
            store_dataset(new, series.dataset)
        _write_curves(new, series)
        for identifier, fitted in zip(ids, series.fitted, strict=True):
            _save(new, identifier, fitted, series.curves.get(fitted.file.epoch, {}))
        _write_attempt(new, series, now)

    metric = resolve_metric(series.experiment)
    run = create_run(
        workspace,
        config_name=series.name,
        config_text=dump(series.experiment),
        model=series.experiment.model,
        metric=metric,
        metric_mode=mode_of(metric),
        total_epochs=series.experiment.epochs,
        argv=list(argv),
        name=name,
        imported=True,
        prepare=fill,
    )
    return Imported(run, files, ids, series.notes)


def checkpoint_bytes(
    network: nn.Module,
    experiment: Experiment,
    classes: Sequence[str],
    momentum: Mapping[int, Any],
    rate: float | None,
    *,
    epoch: int,
) -> bytes:
    """A checkpoint file as labtui writes them; what the lab did not keep starts afresh in it."""
    optimizer = torch.optim.SGD(
        network.parameters(),
        lr=experiment.learning_rate if rate is None else rate,
        momentum=experiment.optimizer.momentum,
    ).state_dict()
    content = {
        "format": FORMAT,
        "about": {"model": experiment.model, "imported": "true"},
        "model": {key: value.detach().clone() for key, value in network.state_dict().items()},
        "optimizer": {**optimizer, "state": dict(momentum)},
        "scheduler": None,
        "epochs_done": epoch,
        "step": epoch * STEPS_AN_EPOCH,
        "step_in_epoch": 0,
        "best": None,
        "sums": RunningSums().as_dict(),
        "rng": rng.capture(torch.device("cpu")),
        "data": {**asdict(DataKey("", tuple(classes), 0, experiment.batch)), "classes": list(classes)},
    }
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


def _write_curves(new: RunPaths, series: Series) -> None:
    """One record an epoch; its time is that of the first file which holds it."""
    times = {fitted.file.epoch: fitted.file.path.stat().st_mtime for fitted in series.fitted}
    lines = []
    for epoch, row in series.curves.items():
        stamp = {
            "t": times[min((at for at in times if at >= epoch), default=max(times))],
            "epoch": epoch,
            "step": epoch * STEPS_AN_EPOCH,
            "attempt": 1,
            "scope": "epoch",
        }
        lines.append(encode({**stamp, **{name: row[name] for name in LOGS if name in row}}))
    write_bytes(new.metrics, b"".join(lines))


def _save(new: RunPaths, identifier: str, fitted: Fitted, metrics: Mapping[str, float]) -> None:
    epoch = fitted.file.epoch
    sidecar = {
        "attempt": 1,
        "epoch": epoch,
        "step": epoch * STEPS_AN_EPOCH,
        "metrics": dict(metrics),
        "time": fitted.file.path.stat().st_mtime,
        "mid_epoch": False,
    }
    save_files(new, identifier, fitted.data, sidecar)


def _write_attempt(new: RunPaths, series: Series, now: float) -> None:
    epochs = series.experiment.epochs
    attempt = record_attempt(
        new, "finished", epoch=epochs, step=epochs * STEPS_AN_EPOCH, started=now, ended=now
    )
    lines = [series.note, *(f"note: {note}" for note in series.notes)]
    write_bytes(attempt.log, "".join(f"{line}\n" for line in lines).encode("utf-8", "replace"))
