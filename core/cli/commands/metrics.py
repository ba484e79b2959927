"""`labtui metrics RUN`: the current records, without what a resume superseded."""

from __future__ import annotations

import csv
import sys
from argparse import ArgumentParser, Namespace

from core.cli.output import out, out_json, plain, say, table
from core.cli.parser import add_json, add_run
from core.humanise import number
from core.store.catalogue import find_run
from core.store.metrics import read_history
from core.store.records import Record
from core.store.report import metrics_document

_PLACE = ("epoch", "step", "attempt", "t")


def add(parser: ArgumentParser) -> None:
    add_run(parser)
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--csv", action="store_true", help="one row an epoch, as comma-separated values")
    add_json(form)


def run(args: Namespace) -> int:
    found = find_run(args.workspace, args.run)
    if args.json:
        out_json(metrics_document(found))
        return 0
    history = read_history(found.metrics, steps=False)
    if args.csv:
        _write_csv(history.epochs)
    elif history.epochs:
        for line in [*_lines(history.epochs), *map(_final_line, history.finals)]:
            out(line)
    else:
        say(f"{found.id} has no epoch yet")
    return 0


def _measured(rows: list[Record]) -> list[str]:
    """Names of the metrics in the order in which they first appear."""
    return list(dict.fromkeys(name for row in rows for name in row if name not in _PLACE))


def _write_csv(rows: list[Record]) -> None:
    columns = [*_PLACE, *_measured(rows)]
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow([_cell(name) for name in columns])
    for row in rows:
        writer.writerow([plain(row.get(name, "")) for name in columns])


def _cell(text: str) -> str:
    """`text` so that no spreadsheet takes it for a formula."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text


def _lines(rows: list[Record]) -> list[str]:
    names = _measured(rows)
    cells = [[str(row["epoch"]), *(number(name, row.get(name)) for name in names)] for row in rows]
    return table(["epoch", *names], cells, "r" * (len(names) + 1))


def _final_line(row: Record) -> str:
    """What was measured once, at the end, with the best checkpoint."""
    values = (f"{name} {number(name, value)}" for name, value in row.items() if name not in _PLACE)
    return f"at the end, epoch {row['epoch']}:  " + "  ".join(values)
