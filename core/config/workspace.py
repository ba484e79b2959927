"""Where things are: the workspace with its configs and runs, and the user's state and cache folders."""

from __future__ import annotations

import os
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from core.errors import StateFolderError, UsageError
from core.text import clean

_PROBE = 4096
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


def config_path(workspace: Workspace, name: str) -> Path:
    """The file of a config by the name that the lists show. Raises UsageError when it has gone."""
    for path in config_files(workspace):
        if clean(path.stem) == name:
            return path
    raise UsageError(f"The config {name} is no longer in {workspace.configs}.")


def shipped_configs() -> Path | None:
    """The configs that came with labtui: beside the packages in a checkout, else in `sys.prefix`."""
    for folder in (Path(__file__).parents[2] / "configs", Path(sys.prefix) / "share" / "labtui" / "configs"):
        if folder.is_dir():
            return folder
    return None


def state_path() -> Path:
    """`$XDG_STATE_HOME/labtui` (locks, slots, the queue); not made. For readers."""
    return _xdg("XDG_STATE_HOME", ".local/state") / "labtui"


def state_home() -> Path:
    """`state_path`, made 0700. Raises StateFolderError."""
    folder = state_path()
    try:
        return _private(folder)
    except OSError as error:
        raise _not_writable(folder, error) from error


def require_state_home() -> None:
    """Find out before anything is made whether the state folder takes what a start writes there.

    Raises StateFolderError.
    """
    folder = state_home()
    probe = folder / f".probe-{os.getpid()}-{threading.get_ident()}"
    try:
        try:
            probe.write_bytes(bytes(_PROBE))
        finally:
            with suppress(OSError):
                probe.unlink(missing_ok=True)
    except OSError as error:
        raise _not_writable(folder, error) from error


def cache_path() -> Path:
    """`$XDG_CACHE_HOME/labtui` (pixel caches); not made. For readers, which can do without."""
    return _xdg("XDG_CACHE_HOME", ".cache") / "labtui"


def cache_home() -> Path:
    """`cache_path`, made 0700. Raises OSError."""
    return _private(cache_path())


def _xdg(variable: str, default: str) -> Path:
    value = os.environ.get(variable, "")
    if os.path.isabs(value):
        return Path(value)
    # As `Path.home()`, which raises for a user without a home.
    home = os.path.expanduser("~")
    return Path(home if os.path.isabs(home) else os.sep) / default


def _private(folder: Path) -> Path:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def _not_writable(folder: Path, error: OSError) -> StateFolderError:
    why = (error.strerror or type(error).__name__).lower()
    return StateFolderError(
        f"The state folder {clean(str(folder))} cannot be written ({why}): labtui keeps its queue and its "
        "locks there. Make room or make it writable, or set XDG_STATE_HOME to one of your folders."
    )
