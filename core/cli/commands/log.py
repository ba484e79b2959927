"""`labtui log RUN`: what the trainer or a job printed, cleaned of control characters."""

from __future__ import annotations

import sys
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator

from core.cli.output import say
from core.cli.parser import add_job, add_run, positive
from core.errors import UsageError
from core.store.attempts import numbers
from core.store.catalogue import find_run
from core.store.jobs import find_job, read_job
from core.store.logs import read_file, read_log
from core.store.paths import JobPaths, RunPaths
from core.store.records import ENDED
from core.store.state import derive_state

_INTERVAL = 0.3


def add(parser: ArgumentParser) -> None:
    add_run(parser)
    parser.add_argument("-f", "--follow", action="store_true", help="follow the log until the run ends")
    which = parser.add_mutually_exclusive_group()
    add_job(which, "the log of this job instead of the training's")
    which.add_argument(
        "--attempt", metavar="N", type=positive, help="the log of attempt N (default: the newest)"
    )


def run(args: Namespace) -> int:
    found = find_run(args.workspace, args.run)
    if args.job is not None:
        for text in job_log(find_job(found, args.job), follow=args.follow):
            sys.stdout.write(text)
            sys.stdout.flush()
        return 0
    known = numbers(found)
    if args.attempt is not None and args.attempt not in known:
        raise UsageError(f"{found.id} has no attempt {args.attempt}; it has {len(known)}")
    if args.follow:
        for text in followed(found, args.attempt):
            sys.stdout.write(text)
            sys.stdout.flush()
    elif known:
        for text, _ in _pieces(_attempt(found, args.attempt or known[-1]), 0):
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
            for text, reached in _pieces(_attempt(found, number), offset):
                offset = reached
                yield text
        if ended:
            return
        time.sleep(interval)


def job_log(job: JobPaths, *, follow: bool, interval: float = _INTERVAL) -> Iterator[str]:
    """A job's log; with `follow` also all that comes, until the job has ended."""
    offset = 0
    while True:
        ended = not follow or read_job(job).state in ENDED
        for text, reached in _pieces(lambda start: read_file(job.log, start), offset):
            offset = reached
            yield text
        if ended:
            return
        time.sleep(interval)


def _attempt(found: RunPaths, number: int) -> Callable[[int], tuple[str, int]]:
    return lambda start: read_log(found, number, start) if number else ("", start)


def _pieces(read: Callable[[int], tuple[str, int]], offset: int) -> Iterator[tuple[str, int]]:
    """Bounded pieces of a log from `offset` on, each with the offset behind it."""
    while True:
        text, offset = read(offset)
        if not text:
            return
        yield text, offset
