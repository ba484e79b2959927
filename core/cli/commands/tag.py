"""`labtui tag RUN +good -old`: words to find a run by."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import cast

from core.cli.output import out, out_json
from core.cli.parser import Parser, add_json, add_run, undashed
from core.store.annotate import set_tags
from core.store.catalogue import find_run
from core.store.runs import read_meta

_DESCRIPTION = """\
Add tags to a run (`good` or `+good`) and remove them (`-old`); without words, print them.
`labtui ls --tag good` lists the runs that have one."""


def add(parser: ArgumentParser) -> None:
    parser.description = _DESCRIPTION
    cast(Parser, parser).dashed_words = True
    add_run(parser)
    parser.add_argument("words", metavar="WORD", nargs="*", type=undashed, help="+word or word, or -word")
    add_json(parser)


def run(args: Namespace) -> int:
    found = find_run(args.workspace, undashed(args.run))
    add_words = [word.removeprefix("+") for word in args.words if not word.startswith("-")]
    remove = [word[1:] for word in args.words if word.startswith("-")]
    tags = set_tags(found, add_words, remove) if args.words else read_meta(found)["tags"]
    if args.json:
        out_json({"id": found.id, "tags": list(tags)})
    elif tags:
        out(" ".join(tags) if not any(" " in tag for tag in tags) else ", ".join(tags))
    return 0
