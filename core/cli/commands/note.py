"""`labtui note RUN TEXT`: a note on a run."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from core.cli.output import out, out_json
from core.cli.parser import add_json, add_run
from core.store.annotate import set_note
from core.store.catalogue import find_run
from core.store.runs import read_meta


def add(parser: ArgumentParser) -> None:
    parser.description = 'Write a note on a run; without TEXT print it. An empty TEXT ("") removes it.'
    add_run(parser)
    parser.add_argument("text", metavar="TEXT", nargs="*", help="the new note; it replaces the old one")
    add_json(parser)


def run(args: Namespace) -> int:
    found = find_run(args.workspace, args.run)
    if args.text:
        set_note(found, " ".join(args.text))
    note = read_meta(found)["note"]
    if args.json:
        out_json({"id": found.id, "note": note})
    elif note and not args.text:
        out(note)
    return 0
