"""`labtui queue`: the slots of this machine and what waits for one."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from core.cli.output import out, out_json, table
from core.cli.parser import add_json
from core.humanise import state_glyph
from core.launch.queue import QueueView, register
from core.launch.slots import busy_slots
from core.store.catalogue import Catalogue
from core.store.records import ACTIVE


def add(parser: ArgumentParser) -> None:
    parser.description = (
        "Show the slots of this machine, the runs of this workspace that train, and all that wait."
    )
    add_json(parser)


def run(args: Namespace) -> int:
    if args.workspace.runs.is_dir():
        register(args.workspace)
    slots = busy_slots()
    summaries = Catalogue(args.workspace).refresh()
    active = [summary for summary in summaries if summary.state in ACTIVE and summary.state != "queued"]
    waiting = QueueView().waiting()
    if args.json:
        out_json(
            {
                "slots": [{"name": slot.name, "threads": slot.threads, "busy": busy} for slot, busy in slots],
                "running": [summary.id for summary in active],
                "queued": [{"id": found.id, "workspace": str(found.root.parents[1])} for found in waiting],
            }
        )
        return 0
    for slot, busy in slots:
        out(f"{slot.name}  {'busy' if busy else 'free'}  {slot.threads} threads")
    rows = [
        (f"{state_glyph(summary.state)} {summary.state}", summary.id, f"{summary.epoch}/{summary.epochs}")
        for summary in active
    ]
    rows += [
        (f"{state_glyph('queued')} {place}.", found.id, str(found.root.parents[1]))
        for place, found in enumerate(waiting, start=1)
    ]
    for line in table(("", "", ""), rows)[1:]:
        out(line)
    return 0
