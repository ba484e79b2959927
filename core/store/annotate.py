"""What people write on their runs: tags, note, name, archived or not, pinned checkpoints.

Each change is made under the run's meta lock, so that two labtuis never lose one another's. Text is cleaned;
readers hear of a change through `runs/.changed`.
"""

from __future__ import annotations

from collections.abc import Iterable

from core.errors import CheckpointError, UsageError
from core.store import files
from core.store.changes import mark_changed, require_writable
from core.store.checkpoints import checkpoint_ids, pinned_in
from core.store.paths import RunPaths
from core.store.runs import change_meta, meta_lock, read_meta
from core.text import clean

TAG_LIMIT = 50


def set_tags(run: RunPaths, add: Iterable[str] = (), remove: Iterable[str] = ()) -> tuple[str, ...]:
    """Add and remove tags; returns all there are then, in the order they came.

    Removing one that is not there is fine. Raises UsageError for a tag that cannot be (empty, too long, too
    many of them), StateError for a run of a newer format or one that is being changed.
    """
    wanted = [_tag(tag) for tag in add]
    unwanted = {clean(tag).strip() for tag in remove}

    def changed(tags: tuple[str, ...]) -> list[str]:
        kept = [tag for tag in tags if tag not in unwanted]
        result = list(dict.fromkeys([*kept, *(tag for tag in wanted if tag not in unwanted)]))
        if len(result) > TAG_LIMIT:
            raise UsageError(f"Run {run.id} would have {len(result)} tags; {TAG_LIMIT} is the maximum.")
        return result

    change_meta(run, lambda meta: {"tags": changed(meta["tags"])})
    return tuple(read_meta(run)["tags"])


def set_note(run: RunPaths, text: str) -> None:
    """Replace the note (empty: none); line feeds stay. Raises StateError as `set_tags` does."""
    change_meta(run, lambda _: {"note": text})


def set_name(run: RunPaths, name: str) -> None:
    """Rename a run (empty: no name). Raises UsageError for a name that cannot be, StateError."""
    change_meta(run, lambda _: {"name": name})


def set_archived(run: RunPaths, on: bool) -> None:
    """Put a run away, or take it back. Raises StateError."""
    change_meta(run, lambda _: {"archived": on})


def pin(run: RunPaths, checkpoint: str, on: bool = True) -> None:
    """Pin a checkpoint, so that nothing ever removes it, or give it free again.

    Raises CheckpointError when there is none of this id to pin, StateError as `set_tags` does,
    UnreadableError when pins.json cannot be read: what it says is not replaced.
    """
    require_writable(run)
    with meta_lock(run):
        stored = files.read_json(run.pins) or {}
        pinned = pinned_in(stored)
        if on and checkpoint not in checkpoint_ids(run):
            raise CheckpointError(
                f"Run {run.id} has no checkpoint '{clean(checkpoint[:60])}' to pin; "
                f"labtui show {run.id} lists those that exist."
            )
        wanted = pinned | {checkpoint} if on else pinned - {checkpoint}
        if wanted != pinned:
            files.write_json(run.pins, {**stored, "pinned": sorted(wanted)})
    mark_changed(run.root.parent, run.id)


def _tag(tag: str) -> str:
    tag = clean(tag).strip()
    if not tag:
        raise UsageError("A tag must not be empty.")
    return tag
