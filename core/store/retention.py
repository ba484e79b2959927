"""Which checkpoints stay when a run keeps only some, and how the others go."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import Literal

from core.errors import CheckpointError, StateError
from core.store import files, locks
from core.store.changes import mark_changed, require_writable
from core.store.checkpoints import choose, list_checkpoints
from core.store.jobs import active_jobs, named_checkpoints
from core.store.leftovers import remove_files, settle
from core.store.paths import RunPaths
from core.store.records import Checkpoint
from core.store.state import newest_request

Keep = int | Literal["all"]
_LOCK_PATIENCE = 2.0


def prune(run: RunPaths, keep: Keep, protect: Iterable[str] = ()) -> list[str]:
    """Remove the checkpoints that `keep` does not call for; returns their ids.

    What stays: the newest `keep` of the run's curve (superseded ones count as older than all of it), the
    best one, pinned ones, the start of the newest request, what waiting or running jobs are to look at, and
    `protect`. With "all" only those go that were saved between because they were the best so far, and no
    longer are; superseded ones stay. Called by the run's trainer only, which holds train.lock. A removal that
    was killed is finished by a later one (`leftovers`); files that are none of ours stay. Does nothing when
    somebody is changing pins at this moment.

    Raises OSError when a file cannot be removed; UnreadableError or StateError, with nothing removed, when a
    file that says what must stay cannot be read.
    """
    if keep != "all" and keep < 1:
        raise ValueError(f"keep is {keep}, not 'all' or at least 1")
    require_writable(run)
    lock = locks.acquire(locks.run_lock_path(run, "meta"), timeout=_LOCK_PATIENCE)
    if lock is None:
        return []
    with lock:
        settle(run)
        every = list_checkpoints(run)
        if keep == "all" and not any(item.for_best for item in every):
            return []
        staying = kept(run, every, keep, protect)
        gone = [checkpoint for checkpoint in every if checkpoint.id not in staying]
        for checkpoint in gone:
            remove_files(checkpoint.file)
        if gone:
            files.sync_folder(run.checkpoints)
            mark_changed(run.root.parent, run.id)
    return [checkpoint.id for checkpoint in gone]


def kept(run: RunPaths, every: list[Checkpoint], keep: Keep, protect: Iterable[str] = ()) -> frozenset[str]:
    """The ids out of `every` that stay. Raises UnreadableError or StateError when that cannot be known."""
    # As `every` and `choose` take a file that they cannot read for one that says nothing.
    for path in (run.pins, run.spec):
        files.read_json(path)
    lasting = [item for item in every if not item.for_best or (keep == "all" and item.superseded)]
    newest = sorted(lasting, key=lambda item: (not item.superseded, item.step, item.attempt))
    if keep != "all":
        newest = newest[-keep:]
    staying = {item.id for item in newest} | {item.id for item in every if item.pinned} | set(protect)
    with suppress(CheckpointError):
        staying.add(choose(run, "best").id)
    request = newest_request(run)
    if request is not None and request.problem:
        raise StateError(f"{request.problem}.")
    if request is not None and request.start is not None:
        staying.add(request.start)
    for job in active_jobs(run):
        staying |= named_checkpoints(files.read_json(job.job.job))
    return frozenset(staying)
