"""`labtui show RUN`: one run with its network, checkpoints, measures and jobs."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from core.cli.estimate_lines import show_lines
from core.cli.metric_tables import odd_line
from core.cli.output import out, out_json
from core.cli.parser import add_json, add_run
from core.cli.show_lines import (
    checkpoint_lines,
    class_lines,
    fact_lines,
    job_lines,
    layer_lines,
    measure_lines,
)
from core.cli.text_charts import print_charts
from core.launch.queue_reasons import explain
from core.store.catalogue import find_run, summarise
from core.store.checkpoints import list_checkpoints
from core.store.jobs import list_jobs
from core.store.json_documents import model_summary, show_document
from core.store.measures import measures
from core.store.restore import read_run_history

_DESCRIPTION = """\
Show a run: its state, whether to train further, its network and which parts are trained, the disk space that
it uses, checkpoints, what was measured, jobs, and the accuracy or precision of each class at the best
checkpoint."""


def add(parser: ArgumentParser) -> None:
    parser.description = _DESCRIPTION
    add_run(parser)
    parser.add_argument("--layers", action="store_true", help="list all layers, however many there are")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--plot", action="store_true", help="draw curves of its metric and its loss below")
    add_json(form)


def run(args: Namespace) -> int:
    from core.cli.run_outlook import outlook_document, outlook_of

    found = find_run(args.workspace, args.run)
    history = read_run_history(found, steps=False)
    if args.json:
        outlook = outlook_document(outlook_of(found, summarise(found), history))
        out_json({**show_document(found), "outlook": outlook})
        return 0
    (summary,) = explain([summarise(found)], found.root.parent)
    rows, jobs = measures(found), list_jobs(found)
    network = model_summary(found)
    parts = [
        fact_lines(found, summary, network, outlook_of(found, summary, history)),
        odd_line(history.epochs),
        checkpoint_lines(found, summary, list_checkpoints(found), jobs),
        measure_lines(rows),
        show_lines(found, rows),
        class_lines(found, rows),
        job_lines(jobs),
        layer_lines(network, every=args.layers),
    ]
    for place, lines in enumerate(filter(None, parts)):
        for line in ["", *lines] if place else lines:
            out(line)
    if args.plot:
        out()
        print_charts(args.draw_charts, found, history)
    return 0
