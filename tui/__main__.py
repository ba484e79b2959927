"""Entry of `labtui`: the screens without a command, else the command line."""

from __future__ import annotations

import os
import sys

import core

# Before the first line is on the screen, every import counts: typing is left out, too.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from core.cli.output import StyledLine
    from core.config.workspace import Workspace
    from core.store.metrics import History
    from core.store.paths import RunPaths
    from core.store.records import RunSummary


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

    return run_command(arguments, open_ui=open_screens, draw_charts=draw_charts)


def open_screens(workspace: Workspace | None) -> int:
    """Open the screens of a workspace (None: found as everywhere); only now is anything of them imported."""
    from tui.start import run

    return run(workspace)


def draw_charts(
    run: RunPaths, summary: RunSummary, history: History, width: int, *, every: bool, ascii_only: bool
) -> Iterable[StyledLine]:
    """The charts of a run as text, for commands; what draws them is imported only now."""
    from tui.chart.as_text import text_charts

    return text_charts(run, summary, history, width, every=every, ascii_only=ascii_only)


def _straight_to_the_screens() -> int:
    """Without a command nothing of the command line is imported before the first paint."""
    try:
        return open_screens(None)
    except Exception as error:
        from core.errors import LabError

        if not isinstance(error, LabError):
            raise
        from core.cli.main import explain

        return explain(error)


def foreign_core() -> str:
    """What is wrong when another package called `core` came first on the path; else the empty string."""
    ours = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
    theirs = os.path.realpath(core.__file__ or next(iter(core.__path__)))
    folder = os.path.dirname(theirs) if os.path.isfile(theirs) else theirs
    if os.path.dirname(folder) == ours:
        return ""
    return (
        f"another package called 'core' hides labtui's own: {folder}; "
        "install labtui in its own environment (pipx install) or take that folder off PYTHONPATH"
    )


if __name__ == "__main__":
    sys.exit(main())
