"""`labtui metrics RUN`: the current records, without what a resume superseded."""

from __future__ import annotations

import csv
import sys
from argparse import ArgumentParser, Namespace

from core.cli.lab_columns import lab_table
from core.cli.metric_tables import metric_lines, odd_line, shown
from core.cli.output import out, out_json, plain, say
from core.cli.parser import add_json, add_run
from core.cli.text_charts import print_charts
from core.errors import UsageError
from core.store.catalogue import find_run
from core.store.files import peek_json
from core.store.json_documents import metrics_document
from core.store.lineage import holds_id
from core.store.measures import measures
from core.store.metrics import History
from core.store.paths import RunPaths
from core.store.records import Record
from core.store.restore import read_run_history

_PLACE = ("epoch", "step", "attempt", "t")


def add(parser: ArgumentParser) -> None:
    add_run(parser)
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--csv", action="store_true", help="one row per epoch, as comma-separated values")
    form.add_argument("--plot", action="store_true", help="all charts as text instead of the table")
    add_json(form)
    parser.add_argument(
        "--format",
        choices=("labtui", "lab"),
        default="labtui",
        help="lab (with --csv): the columns epoch, train_loss, train_acc, val_loss, val_acc of a classifier; "
        "of a detector train/loss to val/mar_medium, 22 in all, row n for epoch n, empty where nothing was "
        "measured, -1.0 where no object counts; `labtui measure RUN --splits train` fills train/map",
    )


def run(args: Namespace) -> int:
    if args.format == "lab" and not args.csv:
        raise UsageError("labtui metrics: --format lab is only used with --csv")
    found = find_run(args.workspace, args.run)
    if args.json:
        out_json(metrics_document(found))
        return 0
    history = read_run_history(found, steps=False)
    if history.note:
        say(f"note: {history.note}")
    if args.plot:
        print_charts(args.draw_charts, found, history, every=True)
    elif args.csv and args.format == "lab":
        _write_lab_csv(found, history)
    elif args.csv:
        _write_csv(history.epochs)
    elif history.epochs:
        for line in [*_lines(history.epochs), *map(_final_line, history.finals), *odd_line(history.epochs)]:
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


def _write_lab_csv(found: RunPaths, history: History) -> None:
    model = str((peek_json(found.spec) or {}).get("model"))
    writer = csv.writer(sys.stdout, lineterminator="\n")
    measured = [row for row in measures(found) if holds_id(history.lineage, row.checkpoint)]
    writer.writerows(map(plain, row) for row in lab_table(model, history.epochs, measured))


def _cell(text: str) -> str:
    """`text` so that no spreadsheet takes it for a formula."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text


def _lines(rows: list[Record]) -> list[str]:
    names = _measured(rows)
    cells = [((str(row["epoch"]),), {name: row[name] for name in names if name in row}) for row in rows]
    return metric_lines(("epoch",), cells, "r")


def _final_line(row: Record) -> str:
    """What was measured once, at the end, with the best checkpoint."""
    values = (f"{name} {shown(name, value)}" for name, value in row.items() if name not in _PLACE)
    return f"at the end, epoch {row['epoch']}:  " + "  ".join(values)
