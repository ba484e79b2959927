"""`labtui data add PATH`, `labtui data samples CONFIG`: data sets found on disk, described and shown."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable

from core.cli.parser import Parser


def add(parser: ArgumentParser) -> None:
    parser.description = "Work on data sets."
    parser.add_subparsers(dest="action", metavar="ACTION", required=True, parser_class=Parser)


def run(args: Namespace) -> int:
    act: Callable[[Namespace], int] = args.act
    return act(args)
