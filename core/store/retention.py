"""Which checkpoints stay when a run keeps only some, and how the others go."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from typing import Literal

from core.errors import CheckpointError
from core.store import files, locks
from core.store.checkpoints import CHECKPOINT_ID, choose, list_checkpoints
from core.store.guard import mark_changed, require_writable
from core.store.jobs import active_jobs
from core.store.paths import RunPaths
from core.store.records import Checkpoint
from core.store.state import newest_request

Keep = int | Literal["all"]
_LOCK_PATIENCE = 2.0


def prune(run: RunPaths, keep: Keep, protect: Iterable[str] = ()) -> list[str]:
    """Remove the checkpoints that `keep` does not call for; returns their ids.

    What stays: the newest `keep` of the run's curve (superseded ones count as older than all of it), the
    best one, pinned ones, the start of the newest request, what waiting or running jobs are to look at, and
    `protect`. With "all" nothing is touched. Called by the run's trainer only, which holds train.lock. The
    sidecar goes first, so that a checkpoint is whole or not there; files that an earlier, killed call left
    without one are removed too. Does nothing when somebody is changing pins at this moment.

    Raises OSError when a file cannot be removed.
    """
    if keep == "all":
        return []
    if keep < 1:
        raise ValueError(f"keep is {keep}, not 'all' or at least 1")
    require_writable(run)
    lock = locks.acquire(locks.run_lock_path(run, "meta"), timeout=_LOCK_PATIENCE)
    if lock is None:
        return []
    with lock:
        every = list_checkpoints(run)
        staying = kept(run, every, keep, protect)
        gone = [checkpoint for checkpoint in every if checkpoint.id not in staying]
        for checkpoint in gone:
            files.unlink(checkpoint.file.with_suffix(".json"))
            files.unlink(checkpoint.file)
        _sweep(run)
        if gone:
            files.sync_folder(run.checkpoints)
            mark_changed(run.root.parent, run.id)
    return [checkpoint.id for checkpoint in gone]


def kept(run: RunPaths, every: list[Checkpoint], keep: int, protect: Iterable[str] = ()) -> frozenset[str]:
    """The ids out of `every` that stay."""
    newest = sorted(every, key=lambda item: (not item.superseded, item.step, item.attempt))[-keep:]
    staying = {item.id for item in newest} | {item.id for item in every if item.pinned} | set(protect)
    with suppress(CheckpointError):
        staying.add(choose(run, "best").id)
    request = newest_request(run)
    if request is not None and request.start is not None:
        staying.add(request.start)
    for job in active_jobs(run):
        staying |= _named(job.asked)
    return frozenset(staying)


def _named(asked: object) -> set[str]:
    """All checkpoint ids in the content of a job.json, under whatever key."""
    if isinstance(asked, str):
        return {asked} if CHECKPOINT_ID.fullmatch(asked) else set()
    if isinstance(asked, dict):
        return set().union(*map(_named, asked.values()))
    if isinstance(asked, list):
        return set().union(*map(_named, asked))
    return set()


def _sweep(run: RunPaths) -> None:
    """Remove checkpoint files without a sidecar: halves of a save or a removal that died."""
    names = set(os.listdir(run.checkpoints))
    for name in names:
        stem = name.removesuffix(".pt")
        if stem != name and CHECKPOINT_ID.fullmatch(stem) and f"{stem}.json" not in names:
            files.unlink(run.checkpoints / name)
