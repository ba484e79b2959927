"""`labtui COMMAND ...`: finds the command's module, runs it and turns errors into a sentence and a code."""

from __future__ import annotations

import importlib
import os
import signal
import sys
from argparse import Action, Namespace
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from core.cli.output import INTERRUPTED, fit_terminal, out, prepare_streams, say, silence_stdout
from core.cli.parser import Parser, add_workspace
from core.cli.text_charts import DrawCharts
from core.config.workspace import Workspace, find_workspace
from core.errors import LabError, UsageError
from core.os_errors import sentence

DEBUG_ENV = "LABTUI_DEBUG"

OpenUI = Callable[[Workspace], int]

COMMANDS = {
    "train": "start a run in the background",
    "resume": "continue from a checkpoint, or fork with other settings",
    "stop": "save a checkpoint and stop; or stop a job",
    "wait": "wait until a run or a job ends",
    "log": "what a run or a job printed",
    "ls": "list the runs",
    "show": "one run: state, best epoch, checkpoints, network, measures",
    "metrics": "a run's numbers, epoch by epoch",
    "diff": "two runs: settings that differ, best and last values",
    "measure": "measure checkpoints on any split or on other data",
    "predict": "classes of new images, or objects in them",
    "errors": "what a run gets wrong: matrix, kinds, cases, comparison",
    "predictions": "import detections of other tools as a run, export ours",
    "tag": "tags to find a run by",
    "note": "a note on a run",
    "pin": "keep a checkpoint, whatever checkpoint.keep says",
    "rm": "delete a run",
    "import": "make runs of the lab's old checkpoint files",
    "data": "describe, check and count a data set; look at its images",
    "config": "check a config, or list the keys of one",
    "study": "a grid of settings x seeds as runs, and its table",
    "report": "a report of runs or a study: markdown, pictures, one HTML file",
    "pack": "put a run into one file, to share it",
    "unpack": "make a packed run a run of this workspace",
    "queue": "what is running and what is waiting",
    "dispatch": "start queued runs, as far as slots are free",
    "init": "make a workspace",
    "demo": "a small run to look at, in a new workspace",
    "doctor": "what this machine has and what is missing",
}
"""Every command with its line of help; `core.cli.commands.<name>` has `add(parser)` and `run(args)`."""
_MODULES = {"import": "import_files"}

_EPILOG = """\
Without a command the screens open. `labtui COMMAND --help` tells more.
exit codes: 0 done, 2 usage or config, 3 data, 4 the run failed, 5 not possible in this state, 130 interrupted
"""


def main(
    argv: Sequence[str] | None = None, *, open_ui: OpenUI | None = None, draw_charts: DrawCharts | None = None
) -> int:
    """Run one command; returns the exit code.

    What the screens' package does for commands is handed in: `open_ui` opens the screens on a workspace (what
    happens without a command, and at the end of `demo`), `draw_charts` draws a run's charts as text.
    """
    prepare_streams()
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        code = _run(arguments, open_ui, draw_charts)
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        silence_stdout()
        return 0
    except KeyboardInterrupt:
        say("interrupted")
        return INTERRUPTED
    except Exception as error:
        if os.environ.get(DEBUG_ENV):
            raise
        return explain(error)


def explain(error: Exception) -> int:
    """Say what went wrong in one sentence; returns the exit code."""
    if isinstance(error, LabError):
        say(str(error))
        return error.exit_code
    if isinstance(error, OSError) and error.errno:
        say(sentence(error))
    else:
        say(f"unexpected {type(error).__name__}: {error}; run it again with {DEBUG_ENV}=1 to see where")
    return LabError.exit_code


def build_parser() -> Parser:
    """The whole command line; a command's own arguments are added when it is used."""
    parser = Parser(
        prog="labtui",
        description="Train vision models in the background, watch them, stop them, resume them.",
        epilog=_EPILOG,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version")
    add_workspace(parser, default=None)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=Parser, title="commands")
    for name, line in COMMANDS.items():
        commands.add_parser(name, help=line, description=_sentence(line), fill=_filler(name))
    return parser


def _run(arguments: list[str], open_ui: OpenUI | None, draw_charts: DrawCharts | None) -> int:
    try:
        args = build_parser().parse_args(arguments)
    except SystemExit as leaving:
        return leaving.code if isinstance(leaving.code, int) else 0
    args.argv = ["labtui", *arguments]
    args.open_ui, args.draw_charts = open_ui, draw_charts
    args.workspace = _workspace(args.workspace, args.command)
    if args.command is None:
        if open_ui is None:
            raise UsageError("labtui: missing COMMAND; see `labtui --help`")
        return open_ui(args.workspace)
    if args.command != "demo":
        # Which opens the screens at its end.
        fit_terminal()
    run: Callable[[Namespace], int] = args.run_command
    with _cleaning_up():
        return run(args)


@contextmanager
def _cleaning_up() -> Iterator[None]:
    """Inside, a signal that ends the process lets it end its children and remove its temporary files."""

    def end(number: int, _: object) -> None:
        raise SystemExit(128 + number)

    before = {}
    with suppress(ValueError):  # Not in the main thread.
        for number in (signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is signal.SIG_DFL:
                before[number] = signal.signal(number, end)
    try:
        yield
    finally:
        for number in before:
            if signal.getsignal(number) is end:
                signal.signal(number, signal.SIG_DFL)


def _workspace(given: Path | None, command: str | None) -> Workspace:
    if given is not None and not given.is_dir() and command not in ("init", "demo"):
        raise UsageError(f"there is no folder {given}; `labtui init {given}` makes a workspace there")
    return find_workspace(given)


def _filler(name: str) -> Callable[[Parser], None]:
    def fill(parser: Parser) -> None:
        module = importlib.import_module(f"core.cli.commands.{_MODULES.get(name, name)}")
        module.add(parser)
        add_workspace(parser)
        parser.set_defaults(run_command=module.run)

    return fill


def _sentence(line: str) -> str:
    return f"{line[0].upper()}{line[1:]}."


class _Version(Action):
    """Looks the version up only when it is asked for."""

    def __call__(self, parser: Any, *_: Any, **__: Any) -> None:
        from importlib.metadata import PackageNotFoundError, version

        try:
            out(f"labtui {version('labtui')}")
        except PackageNotFoundError:
            out("labtui (not installed)")
        parser.exit()
