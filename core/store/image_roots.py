"""Where the images of a run lie now, when they are no longer where they were measured.

Kept beside the predictions, in `predictions/root.json`: the folder of today by the one of then.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from core.store import files
from core.store.changes import mark_changed, require_writable
from core.store.paths import FORMAT, RunPaths
from core.store.runs import meta_lock

ROOT_NAME = "root.json"


def remembered_root(run: RunPaths, measured: Path) -> Path | None:
    """The folder that was named in place of `measured`; never raises."""
    found = _roots(files.peek_json(run.predictions / ROOT_NAME) or {}).get(str(measured))
    return Path(found) if found is not None else None


def save_root(run: RunPaths, measured: Path, now: Path) -> None:
    """Remember `now`, made absolute, in place of `measured`.

    Raises StateError when the run is locked or of a newer format, UnreadableError when what was remembered
    cannot be read, OSError.
    """
    require_writable(run)
    with meta_lock(run):
        write_root(run, measured, now)
    mark_changed(run.root.parent, run.id)


def write_root(run: RunPaths, measured: Path, now: Path) -> None:
    """The same for a run that nobody else can see yet. Raises UnreadableError or OSError."""
    stored = files.read_json(run.predictions / ROOT_NAME) or {}
    roots = {**_roots(stored), str(measured): str(now.absolute())}
    files.write_json(run.predictions / ROOT_NAME, {"format": FORMAT, "roots": roots})


def _roots(stored: Mapping[str, Any]) -> dict[str, str]:
    roots = stored.get("roots")
    pairs = roots.items() if isinstance(roots, dict) else ()
    return {old: new for old, new in pairs if isinstance(new, str) and new and "\0" not in new}
