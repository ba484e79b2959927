"""`labtui pin RUN CHECKPOINT`: a checkpoint that no retention removes."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from core.cli.output import out_json, say
from core.cli.parser import add_json, add_run
from core.store.annotate import pin
from core.store.catalogue import find_run
from core.store.checkpoints import look_up


def add(parser: ArgumentParser) -> None:
    parser.description = "Keep a checkpoint for good, whatever `checkpoint.keep` says; --off removes the pin."
    add_run(parser)
    parser.add_argument("checkpoint", metavar="CHECKPOINT", help="an epoch, best, last or a checkpoint id")
    parser.add_argument("--off", action="store_true", help="unpin: it may be removed again")
    add_json(parser)


def run(args: Namespace) -> int:
    found = find_run(args.workspace, args.run)
    looked_up = look_up(found, args.checkpoint)
    chosen = looked_up.checkpoint
    if looked_up.note:
        say(f"{found.id}: {looked_up.note}")
    pin(found, chosen.id, not args.off)
    if args.json:
        out_json({"id": found.id, "checkpoint": chosen.id, "pinned": not args.off})
    else:
        say(f"{chosen.id} of {found.id} is {'no longer pinned' if args.off else 'pinned: it stays'}")
    return 0
