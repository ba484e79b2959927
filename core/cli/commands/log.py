"""`labtui log RUN`: what the trainer printed, cleaned of control characters."""

from __future__ import annotations

import sys
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator

from core.cli.output import say
from core.cli.parser import add_run, positive
from core.errors import UsageError
from core.store.attempts import numbers
from core.store.catalogue import find_run
from core.store.logs import read_log
from core.store.paths import RunPaths
from core.store.records import ENDED
from core.store.state import derive_state

_INTERVAL = 0.3


def add(parser: ArgumentParser) -> None:
    add_run(parser)
    parser.add_argument("-f", "--follow", action="store_true", help="go on until the run ends")
    parser.add_argument(
        "--attempt", metavar="N", type=positive, help="the log of attempt N (default: the newest)"
    )


def run(args: Namespace) -> int:
    found = find_run(args.workspace, args.run)
    known = numbers(found)
    if args.attempt is not None and args.attempt not in known:
        raise UsageError(f"{found.id} has no attempt {args.attempt}; it has {len(known)}")
    if args.follow:
        for text in followed(found, args.attempt):
            sys.stdout.write(text)
            sys.stdout.flush()
    elif known:
        for text, _ in _pieces(found, args.attempt or known[-1], 0):
            sys.stdout.write(text)
    else:
        say(f"{found.id} has not started yet: there is no log")
    return 0


def followed(found: RunPaths, only: int | None = None, interval: float = _INTERVAL) -> Iterator[str]:
    """The newest attempt's log from its start, then all that comes, until the run has ended.

    Attempts that start meanwhile follow on; with `only`, there is nothing but that attempt.
    """
    attempt = offset = 0
    while True:
        ended = derive_state(found).state in ENDED
        newest = only or max(numbers(found), default=0)
        for number in range(attempt or newest, newest + 1):
            if number != attempt:
                attempt, offset = number, 0
            for text, reached in _pieces(found, number, offset):
                offset = reached
                yield text
        if ended:
            return
        time.sleep(interval)


def _pieces(found: RunPaths, attempt: int, offset: int) -> Iterator[tuple[str, int]]:
    """Bounded pieces of a log from `offset` on, each with the offset behind it."""
    while attempt:
        text, offset = read_log(found, attempt, offset)
        if not text:
            return
        yield text, offset
