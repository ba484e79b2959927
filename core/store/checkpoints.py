"""Checkpoints on disk: the file first, then its sidecar, which is what makes it exist."""

from __future__ import annotations

import dataclasses
import errno
import hashlib
import os
import re
import shutil
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import CheckpointError, RunFailedError
from core.humanise import number
from core.humanise import size as human_size
from core.metrics import Mode, as_mode, rank
from core.store import files
from core.store.attempts import numbers
from core.store.changes import mark_changed
from core.store.history import best_of
from core.store.json_values import integer_of, mapping_of, number_of
from core.store.lineage import CHECKPOINT_ID as CHECKPOINT_ID
from core.store.lineage import Lineage, add_checkpoints
from core.store.metrics import History, MetricsReader, decode_numbers, encode_value, is_finite
from core.store.paths import RunPaths, checkpoint_id
from core.store.records import Checkpoint, Record
from core.text import clean

_READERS_KEPT = 32
_readers: dict[str, MetricsReader] = {}
_lock = threading.Lock()
_SHA256 = re.compile(r"[0-9a-f]{64}")


def save_files(
    run: RunPaths, checkpoint: str, data: bytes | memoryview, sidecar: Mapping[str, Any]
) -> Checkpoint:
    """Write `<id>.pt`, then `<id>.json`, whose `bytes`, `sha256` and `time` are filled in if missing.

    Raises RunFailedError when the disk is full, OSError for other faults, CheckpointError when another
    checkpoint of this id exists. Older checkpoints stay as they are, and nothing half-written stays.
    """
    if not CHECKPOINT_ID.fullmatch(checkpoint):
        raise ValueError(f"{checkpoint!r} is not a checkpoint id")
    file, side = run.checkpoints / f"{checkpoint}.pt", run.checkpoints / f"{checkpoint}.json"
    view = memoryview(data).cast("B")
    content = {"id": checkpoint, "bytes": len(view), "time": time.time(), **sidecar}
    if "sha256" not in content:
        content["sha256"] = hashlib.sha256(view).hexdigest()
    content["metrics"] = {
        key: encode_value(value) for key, value in dict(sidecar.get("metrics") or {}).items()
    }
    existing = _read(side, frozenset())
    if existing is not None:
        if existing.sha256 == content["sha256"] and verify(existing) is None:
            return existing
        raise CheckpointError(
            f"Run {run.id} has another checkpoint {checkpoint} already; the old one was kept."
        )
    written = False
    try:
        files.make_dir(run.checkpoints, exist_ok=True)
        # In this order, so that what a kill leaves is known as ours (`leftovers`).
        with files.staged(side, files.encode(content)):
            files.write_bytes(file, view)
            written = True
    except OSError as error:
        if written and not side.exists():
            with suppress(OSError):
                file.unlink()
        if error.errno in files.DISK_FULL:
            raise RunFailedError(_disk_full(run, checkpoint, len(view))) from error
        if error.errno == errno.EFBIG:
            raise RunFailedError(
                f"Checkpoint {checkpoint} needs {human_size(len(view))}, but files are limited to less in "
                f"{run.checkpoints}: raise the limit (ulimit -f), or use another file system, then resume."
            ) from error
        raise
    mark_changed(run.root.parent, run.id)
    saved = _read(side, frozenset())
    if saved is None:
        raise CheckpointError(f"Checkpoint {checkpoint} of run {run.id} vanished while it was being written.")
    return saved


def list_checkpoints(run: RunPaths) -> list[Checkpoint]:
    """All complete checkpoints by epoch, step and attempt; the superseded ones are marked."""
    pinned = pinned_in(files.peek_json(run.pins) or {})
    found = []
    for name in checkpoint_ids(run):
        checkpoint = _read(f"{run.root}/checkpoints/{name}.json", pinned)
        if checkpoint is not None:
            found.append(checkpoint)
    found.sort(key=lambda item: (item.epoch, item.step, item.attempt))
    if found and len(numbers(run)) > 1:
        line = add_checkpoints(lineage(run), [(item.attempt, item.epoch, item.step) for item in found])
        found = [
            dataclasses.replace(item, superseded=not line.holds(item.attempt, step=item.step))
            for item in found
        ]
    return found


@dataclass(frozen=True)
class Chosen:
    """What a word for a checkpoint names; `note` says so when it had to be another than the word means."""

    checkpoint: Checkpoint
    note: str = ""


def choose(run: RunPaths, which: str) -> Checkpoint:
    """The checkpoint that `look_up` finds, without its note."""
    return look_up(run, which).checkpoint


def look_up(run: RunPaths, which: str) -> Chosen:
    """`best` (by the run's metric), `last`, an epoch's number, or an id.

    best and last look only at what the run's curve goes through; a fork's best is its own when it has one.
    Where the best epoch, or the last, has no checkpoint, the nearest thing to it is taken and said.
    Raises CheckpointError which names what there is.
    """
    every = list_checkpoints(run)
    if not every:
        raise CheckpointError(
            f"Run {run.id} has no checkpoint yet; the first one is saved when an epoch ends."
        )
    current = [item for item in every if not item.superseded] or every
    if which == "last":
        return _last(run, current)
    if which == "best":
        return _best(run, current)
    for item in every:
        if item.id == which:
            return Chosen(item)
    if which.isascii() and which.isdigit():
        at = [item for item in every if str(item.epoch) == which.lstrip("0") and not item.mid_epoch]
        if at:
            return Chosen(max(at, key=lambda item: (not item.superseded, item.attempt)))
    raise CheckpointError(
        f"Run {run.id} has no checkpoint '{clean(which[:60])}'; it has {_listed(every)}. "
        "Name one by epoch or id, or say best or last."
    )


def verify(checkpoint: Checkpoint) -> str | None:
    """None when the file is what was saved, else one sentence that names it."""
    try:
        with open(checkpoint.file, "rb") as file:
            octets = os.fstat(file.fileno()).st_size
            if octets != checkpoint.bytes:
                return (
                    f"Checkpoint {checkpoint.file} is damaged: it has {octets} bytes, not the "
                    f"{checkpoint.bytes} that were saved."
                )
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        return f"Checkpoint {checkpoint.file} cannot be read ({error.strerror})."
    if digest != checkpoint.sha256:
        return f"Checkpoint {checkpoint.file} is damaged: its content is not what was saved (sha256 differs)."
    return None


def newest_good(run: RunPaths, but: str = "") -> Checkpoint | None:
    """The latest undamaged checkpoint on the run's curve, else the latest undamaged one of all.

    `but` is the id of one that is no good for other reasons.
    """
    every = sorted(
        list_checkpoints(run), key=lambda item: (not item.superseded, item.step, item.attempt), reverse=True
    )
    return next((item for item in every if item.id != but and verify(item) is None), None)


def best_row(run: RunPaths, every: list[Checkpoint] | None = None) -> Record | None:
    """The epoch that is shown as the run's best, a row of its curve; its checkpoint may be gone.

    Epochs that metrics.jsonl has lost are known by their checkpoints, which are `every` that there is.
    """
    metric, mode = _metric(run)
    with _followed(run) as history:
        rows = list(history.epochs)
    have = {row["epoch"] for row in rows}
    for item in list_checkpoints(run) if every is None else every:
        if not (item.superseded or item.mid_epoch or item.epoch in have):
            rows.append({"attempt": item.attempt, "epoch": item.epoch, "step": item.step, **item.metrics})
    return best_of(rows, metric, mode)


def best_id(run: RunPaths, every: list[Checkpoint] | None = None) -> str:
    """What the best epoch's measure rows and predictions are named by; empty when there is none yet."""
    row = best_row(run, every)
    return "" if row is None else checkpoint_id(row["attempt"], row["epoch"])


def _metric(run: RunPaths) -> tuple[str, Mode]:
    spec = files.peek_json(run.spec) or {}
    metric = spec.get("metric")
    name = metric if isinstance(metric, str) else ""
    return name, as_mode(spec.get("metric_mode"), name)


def _last(run: RunPaths, candidates: list[Checkpoint]) -> Chosen:
    found = max(candidates, key=lambda item: (item.step, item.attempt))
    with _followed(run) as history:
        epoch = history.epochs[-1]["epoch"] if history.epochs else 0
    if epoch <= found.epoch:
        return Chosen(found)
    return Chosen(found, f"epoch {epoch}, the last one, has no checkpoint: {found.id} is the newest")


def _best(run: RunPaths, candidates: list[Checkpoint]) -> Chosen:
    metric, mode = _metric(run)
    row, wanted = best_row(run, candidates), best_id(run, candidates)
    for item in candidates:
        if item.id == wanted:
            return Chosen(item)
    ends = [item for item in candidates if not item.mid_epoch]
    measured = [item for item in ends if is_finite(item.metrics.get(metric))]
    if not measured:
        raise CheckpointError(
            f"No checkpoint of run {run.id} has a value of {clean(metric) or 'its metric'}; it has "
            f"{_listed(candidates)}. Name one by epoch or id."
        )
    own = [item for item in measured if item.attempt > 0] or measured
    found = max(own, key=lambda item: (rank(item.metrics[metric], mode), -item.step, item.attempt))
    if row is None:
        return Chosen(found)
    return Chosen(
        found,
        f"the best epoch, {row['epoch']} with {clean(metric)} {number(metric, row[metric])}, has no "
        f"checkpoint: {found.id} with {number(metric, found.metrics[metric])} is the best that was kept",
    )


def _listed(found: list[Checkpoint]) -> str:
    names = [item.id for item in found]
    return ", ".join(names if len(names) <= 8 else [*names[:3], "…", *names[-4:]])


def lineage(run: RunPaths) -> Lineage:
    """How the run's curve came about, by its metrics."""
    with _followed(run) as history:
        return history.lineage.copy()


@contextmanager
def _followed(run: RunPaths) -> Iterator[History]:
    """The rows of epochs so far. What was read is remembered, as the file may be long and only grows."""
    key = str(run.metrics)
    with _lock:
        reader = _readers.pop(key, None) or MetricsReader(run.metrics, steps=False)
        reader.poll()
        _readers[key] = reader
        if len(_readers) > _READERS_KEPT:
            del _readers[next(iter(_readers))]
        yield reader.history


def checkpoint_ids(run: RunPaths) -> list[str]:
    """The ids of all that look complete: file and sidecar are there."""
    try:
        names = set(os.listdir(run.checkpoints))
    except OSError:
        return []
    stems = (name[:-3] for name in names if name.endswith(".pt"))
    return [stem for stem in stems if CHECKPOINT_ID.fullmatch(stem) and f"{stem}.json" in names]


def pinned_in(stored: Mapping[str, Any]) -> frozenset[str]:
    """The ids of pinned checkpoints in the content of pins.json, those that are gone included."""
    pinned = stored.get("pinned")
    items = pinned if isinstance(pinned, list) else []
    return frozenset(item for item in items if isinstance(item, str))


def read_checkpoint(run: RunPaths, checkpoint: str) -> Checkpoint | None:
    """One checkpoint by its id, without pins and lineage, or None when there is none. Never raises."""
    return _read(f"{run.root}/checkpoints/{checkpoint}.json", frozenset())


def _read(side: str | Path, pinned: frozenset[str]) -> Checkpoint | None:
    """The checkpoint that a sidecar describes, or None when it is not a sidecar of this name."""
    content = files.peek_json(side, 1 << 20)
    stem = os.path.basename(side)[: -len(".json")]
    if content is None or content.get("id") != stem:
        return None
    numbers = [content.get(key) for key in ("attempt", "epoch", "step", "bytes")]
    if any(integer_of(value, 0) is None for value in numbers):
        return None
    sha, metrics, when = content.get("sha256"), content.get("metrics"), content.get("time")
    if not (isinstance(sha, str) and _SHA256.fullmatch(sha)):
        return None
    return Checkpoint(
        id=stem,
        attempt=content["attempt"],
        epoch=content["epoch"],
        step=content["step"],
        file=Path(os.path.dirname(side)) / f"{stem}.pt",
        bytes=content["bytes"],
        sha256=sha,
        metrics=decode_numbers(mapping_of(metrics)),
        time=number_of(when) or 0.0,
        mid_epoch=content.get("mid_epoch") is True,
        pinned=stem in pinned,
        for_best=content.get("saved_for") == "best",
    )


def _disk_full(run: RunPaths, checkpoint: str, needed: int) -> str:
    try:
        free = f"; {human_size(shutil.disk_usage(run.checkpoints).free)} are free"
    except OSError:
        free = ""
    return (
        f"The disk is full: checkpoint {checkpoint} needs {human_size(needed)} in {run.checkpoints}{free}. "
        f"Older checkpoints are intact; make room, then run: labtui resume {run.id}"
    )
