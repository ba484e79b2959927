"""`labtui ls`: the runs of the workspace, newest first."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from core.cli.output import out, out_json, say, table
from core.cli.parser import add_json
from core.humanise import MISSING
from core.launch.queue_reasons import explain
from core.store.catalogue import Catalogue
from core.store.json_documents import list_document
from core.store.records import RunSummary
from core.words import best_value, run_age, run_state_line, run_time_left

_HEADER = ("id", "name", "state", "epoch", "best", "started", "left", "tags")


def add(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--tag", metavar="WORD", action="append", default=[], help="only runs with this tag; may be repeated"
    )
    parser.add_argument("--archived", action="store_true", help="also archived runs")
    add_json(parser)


def run(args: Namespace) -> int:
    catalogue = Catalogue(args.workspace)
    every = catalogue.refresh()
    catalogue.save()
    summaries = [summary for summary in explain(every, args.workspace.runs) if _is_meant(summary, args)]
    if args.json:
        out_json(list_document(summaries))
    elif summaries:
        for line in table(_HEADER, [_row(summary) for summary in summaries], "kllRRrrl"):
            out(line)
        for summary in summaries:
            for problem in summary.problems:
                say(f"note: {summary.id}: {problem}")
    elif every:
        say(f"none of the {len(every)} runs matches")
    else:
        say(f"no runs in {args.workspace.runs} yet: `labtui train --config FILE` starts one")
    return 0


def _is_meant(summary: RunSummary, args: Namespace) -> bool:
    return set(args.tag) <= set(summary.tags) and (args.archived or not summary.archived)


def _row(summary: RunSummary) -> tuple[str, ...]:
    return (
        summary.id,
        summary.name,
        run_state_line(summary),
        f"{summary.epoch}/{summary.epochs}",
        best_value(summary),
        run_age(summary),
        run_time_left(summary) or MISSING,
        ", ".join(summary.tags),
    )
