"""`labtui dispatch`: starts queued runs as far as there are free slots."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from core.cli.output import out, out_json, say
from core.cli.parser import add_json
from core.launch.delays import forget_all
from core.launch.dispatch import dispatch
from core.launch.queue import QueueView, register


def add(parser: ArgumentParser) -> None:
    parser.description = (
        "Start queued runs of all your workspaces, as far as slots are free; prints their ids. What could "
        "not be started and waits for its next try is tried at once."
    )
    add_json(parser)


def run(args: Namespace) -> int:
    if args.workspace.runs.is_dir():
        register(args.workspace)
    forget_all()
    started = dispatch()
    if args.json:
        out_json({"started": started})
        return 0
    for run_id in started:
        out(run_id)
    view = QueueView()
    view.works()
    for where, why in view.problems.items():
        say(f"passed over {where}: {why}")
    if not started:
        say("nothing to start")
    return 0
