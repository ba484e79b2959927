"""Entry of `labtui`: the screens without a command, else the command line."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import core

if TYPE_CHECKING:
    from core.config.workspace import Workspace


def main(argv: Sequence[str] | None = None) -> int:
    """Run labtui with `argv` (default: the process's own arguments); returns the exit code."""
    foreign = foreign_core()
    if foreign:
        sys.stderr.write(f"{foreign}\n")
        return 2
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments:
        return _straight_to_the_screens()
    from core.cli.main import main as run_command

    return run_command(arguments, open_ui=open_screens)


def open_screens(workspace: Workspace) -> int:
    """Open the screens; only now is anything of them imported."""
    from tui.app import run

    return run(workspace)


def _straight_to_the_screens() -> int:
    """Without a command nothing of the command line is imported before the first paint."""
    from core.config.workspace import find_workspace
    from core.errors import LabError

    try:
        return open_screens(find_workspace())
    except LabError as error:
        from core.cli.main import explain

        return explain(error)


def foreign_core() -> str:
    """What is wrong when another package called `core` came first on the path; else the empty string."""
    ours = Path(__file__).resolve().parents[1]
    theirs = Path(core.__file__ or next(iter(core.__path__))).resolve()
    folder = theirs.parent if theirs.is_file() else theirs
    if folder.parent == ours:
        return ""
    return (
        f"another package called 'core' is in the way: {folder}; "
        "install labtui in an environment of its own (pipx install) or take that folder off PYTHONPATH"
    )


if __name__ == "__main__":
    sys.exit(main())
