"""`labtui metrics RUN`: the current records, without what a resume superseded."""

from __future__ import annotations

import csv
import sys
from argparse import ArgumentParser, Namespace
from typing import Any

from core.cli.output import out, out_json, plain, say, table
from core.cli.parser import add_json, add_run
from core.humanise import number
from core.store.catalogue import find_run
from core.store.metrics import History, read_history
from core.store.records import Record

_LEADING = ("epoch", "step", "attempt", "t")


def add(parser: ArgumentParser) -> None:
    add_run(parser)
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--csv", action="store_true", help="one row an epoch, as comma-separated values")
    add_json(form)


def run(args: Namespace) -> int:
    found = find_run(args.workspace, args.run)
    history = read_history(found.metrics)
    if args.json:
        out_json(metrics_document(found.id, history))
    elif args.csv:
        _write_csv(history.epochs)
    elif history.epochs:
        for line in [*_lines(history.epochs), *map(_final_line, history.finals)]:
            out(line)
    else:
        say(f"{found.id} has no epoch yet")
    return 0


def metrics_document(run_id: str, history: History) -> dict[str, Any]:
    """Current rows only, of epochs, of steps and of what is measured once at the end, and how many were
    superseded."""
    return {
        "id": run_id,
        "epochs": history.epochs,
        "steps": list(history.steps),
        "final": history.finals,
        "superseded": history.superseded_count,
    }


def _columns(rows: list[Record]) -> list[str]:
    """All names in the order in which they first appear, epoch and step in front."""
    names = dict.fromkeys(name for record in rows for name in record)
    return [name for name in _LEADING if name in names] + [name for name in names if name not in _LEADING]


def _write_csv(rows: list[Record]) -> None:
    columns = _columns(rows)
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(columns or ["epoch"])
    for record in rows:
        writer.writerow([plain(record.get(name, "")) for name in columns])


def _lines(rows: list[Record]) -> list[str]:
    names = [name for name in _columns(rows) if name not in _LEADING]
    cells = [[str(record["epoch"]), *(number(name, record.get(name)) for name in names)] for record in rows]
    return table(["epoch", *names], cells, "r" * (len(names) + 1))


def _final_line(record: Record) -> str:
    """What was measured once, at the end, with the best checkpoint."""
    values = (f"{name} {number(name, value)}" for name, value in record.items() if name not in _LEADING)
    return f"at the end, epoch {record['epoch']}:  " + "  ".join(values)
