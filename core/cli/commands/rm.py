"""`labtui rm RUN`: deletes a run's folder after a question."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path

from core.cli.output import out_json, say
from core.cli.parser import add_json, add_run
from core.config.workspace import require_state_home
from core.errors import StateFolderError, UsageError
from core.humanise import size
from core.store.catalogue import find_run, summarise
from core.store.runs import remove_run, request_stop


def add(parser: ArgumentParser) -> None:
    add_run(parser)
    parser.add_argument("--yes", action="store_true", help="do not ask before deleting")
    add_json(parser)


def run(args: Namespace) -> int:
    found = find_run(args.workspace, args.run)
    summary = summarise(found)
    octets = folder_bytes(found.root)
    if not args.yes:
        if not sys.stdin.isatty():
            raise UsageError(f"say --yes to delete {found.id}: there is no terminal to ask on")
        say(f"delete {found.id} ({summary.label}, epoch {summary.epoch}, {size(octets)}) for good? [y/N] ")
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            say("kept")
            return 0
    if summary.state == "queued" and not _can_start():
        # It would wait for ever: nothing is started without a state folder.
        request_stop(found)
    remove_run(found)
    if args.json:
        out_json({"id": found.id, "bytes": octets})
    else:
        say(f"deleted {found.id}, {size(octets)} freed")
    return 0


def _can_start() -> bool:
    try:
        require_state_home()
    except StateFolderError:
        return False
    return True


def folder_bytes(folder: Path) -> int:
    """Bytes that deleting `folder` frees: files that nothing else links to."""
    total = 0
    for path in folder.rglob("*"):
        try:
            status = path.lstat()
        except FileNotFoundError:
            continue
        if not path.is_dir() and status.st_nlink == 1:
            total += status.st_size
    return total
