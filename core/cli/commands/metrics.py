"""`labtui metrics RUN`: the current records, without what a resume superseded."""

from __future__ import annotations

import csv
import sys
from argparse import ArgumentParser, Namespace

from core.cli.output import out, out_json, plain, say, table
from core.cli.parser import add_json, add_run
from core.errors import UsageError
from core.humanise import number
from core.store.catalogue import find_run
from core.store.metrics import read_history
from core.store.records import Record
from core.store.report import metrics_document

_PLACE = ("epoch", "step", "attempt", "t")
_LAB = {
    "train_loss": ("train/loss",),
    "train_acc": ("train/accuracy",),
    "val_loss": ("val/loss", "val/loss_random"),
    "val_acc": ("val/accuracy", "val/accuracy_random"),
}


def add(parser: ArgumentParser) -> None:
    add_run(parser)
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--csv", action="store_true", help="one row an epoch, as comma-separated values")
    add_json(form)
    parser.add_argument(
        "--format",
        choices=("labtui", "lab"),
        default="labtui",
        help="lab: the columns epoch, train_loss, train_acc, val_loss, val_acc (with --csv)",
    )


def run(args: Namespace) -> int:
    if args.format == "lab" and not args.csv:
        raise UsageError("labtui metrics: --format lab goes with --csv")
    found = find_run(args.workspace, args.run)
    if args.json:
        out_json(metrics_document(found))
        return 0
    history = read_history(found.metrics, steps=False)
    if args.csv and args.format == "lab":
        _write_lab_csv(history.epochs)
    elif args.csv:
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


def _write_lab_csv(rows: list[Record]) -> None:
    """The lab's four columns; what was only measured under random changes stands for the plain measure."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(["epoch", *_LAB])
    for row in rows:
        values = (next((row[name] for name in names if name in row), "") for names in _LAB.values())
        writer.writerow([row["epoch"], *map(plain, values)])


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
