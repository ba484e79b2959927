"""`labtui ls`: the runs of the workspace, newest first."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from core.cli.output import out, out_json, say, table
from core.cli.parser import add_json
from core.cli.shapes import best_words, run_document, started_words, state_words, time_left
from core.store.catalogue import list_runs, summarise


def add(parser: ArgumentParser) -> None:
    add_json(parser)


def run(args: Namespace) -> int:
    summaries = [summarise(found) for found in list_runs(args.workspace)]
    if args.json:
        out_json([run_document(summary) for summary in summaries])
        return 0
    if not summaries:
        say(f"no runs in {args.workspace.runs} yet: `labtui train --config FILE` starts one")
        return 0
    rows = [
        (
            summary.id,
            summary.name,
            state_words(summary),
            f"{summary.epoch}/{summary.epochs}",
            best_words(summary),
            started_words(summary),
            time_left(summary),
        )
        for summary in summaries
    ]
    header = ("id", "name", "state", "epoch", "best", "started", "left")
    for line in table(header, rows, "lllrrrr"):
        out(line)
    return 0
