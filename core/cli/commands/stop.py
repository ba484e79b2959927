"""`labtui stop RUN`: save and stop; `--kill` ends it at once."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from core.cli.output import out_json, say
from core.cli.parser import add_json, add_run
from core.launch.control import stop_run
from core.store.catalogue import find_run
from core.store.state import derive_state


def add(parser: ArgumentParser) -> None:
    add_run(parser)
    parser.add_argument("--kill", action="store_true", help="end it at once, without saving")
    add_json(parser)


def run(args: Namespace) -> int:
    found = find_run(args.workspace, args.run)
    was = derive_state(found).state
    stop_run(found, kill=args.kill)
    state = derive_state(found).state
    if args.json:
        out_json({"id": found.id, "state": state})
    elif was == "queued" and state == "stopped":
        say(f"{found.id} is taken off the queue; `labtui resume {found.id}` queues it again")
    elif args.kill:
        say(f"{found.id} is being killed; its last checkpoint stays")
    else:
        say(f"{found.id} saves a checkpoint and stops; `labtui wait {found.id}` waits until it has")
    return 0
