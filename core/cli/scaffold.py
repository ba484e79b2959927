"""Making a workspace from the configs that came with labtui."""

from __future__ import annotations

from pathlib import Path

from core.config.workspace import shipped_configs
from core.errors import UsageError
from core.reading import read_bytes
from core.store.outputs import filled, write_new

GITIGNORE = "# runs are data\n*\n!.gitignore\n"


def make_workspace(folder: Path) -> list[Path]:
    """Make `folder` a workspace; returns the files made. What is there already is left alone.

    Raises UsageError when the folder's name is taken by a file or the shipped configs are missing.
    """
    root = folder.expanduser().resolve()
    if root.exists() and not root.is_dir():
        raise UsageError(f"{root} is a file, not a folder")
    shipped = shipped_configs()
    if shipped is None:
        raise UsageError("the configs that come with labtui are missing: install labtui again")
    with filled(root):
        return _made(root, shipped)


def _made(root: Path, shipped: Path) -> list[Path]:
    made = []
    for source in sorted(shipped.rglob("*.yaml")):
        target = root / "configs" / source.relative_to(shipped)
        if target.exists():
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.resolve() != target.resolve():
            write_new(target, read_bytes(source))
            made.append(target)
    (root / "configs").mkdir(parents=True, exist_ok=True)
    runs = root / "runs"
    runs.mkdir(mode=0o700, parents=True, exist_ok=True)
    ignore = runs / ".gitignore"
    if not ignore.exists():
        write_new(ignore, GITIGNORE)
        made.append(ignore)
    return made
