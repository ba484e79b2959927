"""`labtui resume RUN`: go on from a checkpoint, with more epochs, or as a fork with other settings."""

from __future__ import annotations

import os
from argparse import ArgumentParser, Namespace
from pathlib import Path

from core.cli.output import out, out_json, say
from core.cli.parser import add_json, add_run, add_settings, positive
from core.errors import StateError
from core.launch.control import plan_resume, resume_run
from core.store.catalogue import find_run
from core.store.paths import RunPaths

_DESCRIPTION = """\
Continue a run from its last checkpoint, or from the one that --from names; the curves are joined.
A setting that changes results makes a fork: a new run that starts from the checkpoint."""


def add(parser: ArgumentParser) -> None:
    parser.description = _DESCRIPTION
    add_run(parser)
    parser.add_argument(
        "--from",
        dest="start",
        metavar="WHICH",
        default="last",
        help="an epoch, best, last or a checkpoint id (default: last)",
    )
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--epochs", metavar="TOTAL", type=positive, help="train up to epoch TOTAL")
    length.add_argument("--more", metavar="N", type=positive, help="train N more epochs from the checkpoint")
    add_settings(parser, "change one setting; may be repeated")
    parser.add_argument(
        "--root", metavar="DIR", type=Path, help="where the run's images are now, if they were moved"
    )
    parser.add_argument("--fork", action="store_true", help="make a new run even if nothing changes")
    parser.add_argument("--foreground", action="store_true", help="follow the run; Ctrl-C saves and stops it")
    add_json(parser)


def run(args: Namespace) -> int:
    found = find_run(args.workspace, args.run)
    if args.root is not None:
        _move(found, args.root)
    plan = plan_resume(
        found, start=args.start, total=args.epochs, more=args.more, overrides=args.settings, fork=args.fork
    )
    say(f"{found.id}: {plan.sentence}")
    going = resume_run(
        args.workspace,
        found,
        start=args.start,
        total=args.epochs,
        more=args.more,
        overrides=args.settings,
        fork=args.fork,
        argv=args.argv,
        tell=say,
    )
    if args.json:
        out_json({"id": going.id})
    else:
        out(going.id)
    if args.foreground:
        from core.cli.follow import follow

        return follow(going)
    return 0


def _move(run: RunPaths, folder: Path) -> None:
    from core.datasets.dataset import read_dataset
    from core.datasets.moved import move_root

    dataset = read_dataset(run)
    if dataset is None:
        raise StateError(f"run {run.id} has not listed its images yet: its config says where they are")
    move_root(run, dataset, Path(os.path.abspath(folder)))
