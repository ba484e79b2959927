"""Making a workspace from the configs that came with labtui."""

from __future__ import annotations

import shutil
from pathlib import Path

from core.config.workspace import shipped_configs
from core.errors import UsageError

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
    made = []
    for source in sorted(shipped.rglob("*.yaml")):
        target = root / "configs" / source.relative_to(shipped)
        if target.exists():
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.resolve() != target.resolve():
            shutil.copyfile(source, target)
            made.append(target)
    (root / "configs").mkdir(parents=True, exist_ok=True)
    runs = root / "runs"
    runs.mkdir(mode=0o700, parents=True, exist_ok=True)
    ignore = runs / ".gitignore"
    if not ignore.exists():
        ignore.write_text(GITIGNORE, encoding="utf-8")
        made.append(ignore)
    return made
