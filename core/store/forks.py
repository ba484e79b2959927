"""A fork's inheritance: start checkpoint, curve so far, split."""

from __future__ import annotations

from collections.abc import Sequence

from core.errors import CheckpointError
from core.reading import HUGE, exists, find_bytes, read_bytes
from core.store.changes import require_lists
from core.store.files import link, make_dir, read_json, write_bytes, write_json
from core.store.image_roots import ROOT_NAME
from core.store.metrics import encode
from core.store.paths import RunPaths, checkpoint_id
from core.store.records import Checkpoint
from core.store.restore import read_run_history
from core.store.runs import meta_lock

INHERITED_ATTEMPT = 0
_RESOLVED_FROM = frozenset(
    {"device", "threads", "precision", "image_size", "image_size.min", "image_size.max"}
)


def prepare_fork(parent: RunPaths, checkpoint: Checkpoint, new: RunPaths, changed: Sequence[str]) -> None:
    """Fill the folder of a fork before it can be seen.

    The checkpoint becomes attempt 0's (a hard link where possible, so that removing the parent costs
    nothing); the parent's records on the way to it, superseded ones too, become the first lines of the new
    metrics. The split goes along unless `data` changed, the resolved threads and the like unless what they
    follow from did.

    Raises CheckpointError when the parent has dropped the checkpoint meanwhile, UnreadableError when what is
    to go along cannot be read, DataError when it lost its split,
    StateError when the parent is gone or being changed.
    """
    make_dir(new.checkpoints, exist_ok=True)
    # Until all is taken over, retention must not come between file and sidecar, nor may the parent go.
    with meta_lock(parent):
        _take_over(parent, checkpoint, new, changed)


def _take_over(parent: RunPaths, checkpoint: Checkpoint, new: RunPaths, changed: Sequence[str]) -> None:
    identifier = inherited_id(checkpoint)
    sidecar = read_json(checkpoint.file.with_suffix(".json"))
    if sidecar is None:
        raise CheckpointError(
            f"Run {parent.id} no longer keeps {checkpoint.id}; choose another checkpoint to fork from."
        )
    link(checkpoint.file, new.checkpoints / f"{identifier}.pt")
    write_json(
        new.checkpoints / f"{identifier}.json", {**sidecar, "id": identifier, "attempt": INHERITED_ATTEMPT}
    )
    history = read_run_history(parent)
    last_epoch = checkpoint.epoch - 1 if checkpoint.mid_epoch else checkpoint.epoch
    epochs, steps = history.line_to(checkpoint.attempt, last_epoch, checkpoint.step)
    rows = [*((row, "epoch") for row in epochs), *((row, "step") for row in steps)]
    rows.sort(key=lambda pair: (pair[0]["step"], pair[1] == "epoch"))
    lines = [encode({**row, "scope": scope, "attempt": INHERITED_ATTEMPT}) for row, scope in rows]
    write_bytes(new.metrics, b"".join(lines))
    if not any(key == "data" or key.startswith("data.") for key in changed):
        require_lists(parent)
        if exists(parent.objects):
            link(parent.objects, new.objects)
        if exists(parent.split):
            write_bytes(new.split, read_bytes(parent.split, HUGE))
        if (named := find_bytes(parent.predictions / ROOT_NAME)) is not None:
            write_bytes(new.predictions / ROOT_NAME, named)
    if not _RESOLVED_FROM & set(changed) and exists(parent.resolved):
        write_bytes(new.resolved, read_bytes(parent.resolved))


def inherited_id(checkpoint: Checkpoint) -> str:
    """The name of a parent's checkpoint inside its fork: `a00-e0005`."""
    return checkpoint_id(
        INHERITED_ATTEMPT, checkpoint.epoch, checkpoint.step if checkpoint.mid_epoch else None
    )
