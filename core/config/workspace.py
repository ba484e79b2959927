"""Where things are: the workspace with its configs and runs, and the user's state and cache folders."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

WORKSPACE_ENV = "LABTUI_WORKSPACE"


@dataclass(frozen=True)
class Workspace:
    """A folder with `configs/` and `runs/`; `root` is absolute."""

    root: Path

    @property
    def configs(self) -> Path:
        return self.root / "configs"

    @property
    def runs(self) -> Path:
        return self.root / "runs"


def find_workspace(given: Path | None = None) -> Workspace:
    """`given`, else `$LABTUI_WORKSPACE`, else the nearest parent with `configs/`, else the current folder."""
    if given is not None:
        return Workspace(given.expanduser().resolve())
    if named := os.environ.get(WORKSPACE_ENV):
        return Workspace(Path(named).expanduser().resolve())
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "configs").is_dir():
            return Workspace(folder)
    return Workspace(here)


def config_files(workspace: Workspace) -> list[Path]:
    """The configs that can be trained, by name; `_*.yaml`, `defaults.yaml` and `data/` are left out."""
    if not workspace.configs.is_dir():
        return []
    found = (
        path
        for path in workspace.configs.iterdir()
        if path.suffix in (".yaml", ".yml")
        and not path.name.startswith(("_", "."))
        and path.stem != "defaults"
        and path.is_file()
    )
    return sorted(found, key=lambda path: (path.stem, path.name))


def shipped_configs() -> Path | None:
    """The configs that came with labtui: beside the packages in a checkout, else in `sys.prefix`."""
    for folder in (Path(__file__).parents[2] / "configs", Path(sys.prefix) / "share" / "labtui" / "configs"):
        if folder.is_dir():
            return folder
    return None


def state_home() -> Path:
    """`$XDG_STATE_HOME/labtui` (locks, slots), made 0700."""
    return _private(_xdg("XDG_STATE_HOME", ".local/state") / "labtui")


def cache_home() -> Path:
    """`$XDG_CACHE_HOME/labtui` (pixel caches), made 0700."""
    return _private(_xdg("XDG_CACHE_HOME", ".cache") / "labtui")


def _xdg(variable: str, default: str) -> Path:
    value = os.environ.get(variable, "")
    return Path(value) if os.path.isabs(value) else Path.home() / default


def _private(folder: Path) -> Path:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder
