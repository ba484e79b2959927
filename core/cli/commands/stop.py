"""`labtui stop RUN`: save and stop; `--kill` ends it at once; `--job` is about a job of the run."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from core.cli.output import out_json, say
from core.cli.parser import add_job, add_json, add_run
from core.launch.control import stop_run
from core.launch.jobs import stop_job
from core.store.catalogue import find_run
from core.store.jobs import find_job, read_job
from core.store.paths import JobPaths
from core.store.state import derive_state


def add(parser: ArgumentParser) -> None:
    parser.description = (
        "Save a checkpoint and stop; a resume continues from there. With --job a measuring or predicting job "
        "of the run stops, keeping what it has done, and training continues."
    )
    add_run(parser)
    parser.add_argument("--kill", action="store_true", help="end it at once, without saving")
    add_job(parser, "stop this job instead of the training")
    add_json(parser)


def run(args: Namespace) -> int:
    found = find_run(args.workspace, args.run)
    if args.job is not None:
        return _stop_job(find_job(found, args.job), args)
    was = derive_state(found).state
    stop_run(found, kill=args.kill)
    state = derive_state(found).state
    if args.json:
        out_json({"id": found.id, "state": state})
    elif was == "queued" and state == "stopped":
        say(f"{found.id} is removed from the queue; `labtui resume {found.id}` queues it again")
    elif args.kill:
        say(f"{found.id} is being killed; its last checkpoint stays")
    else:
        say(f"{found.id} saves a checkpoint and stops; `labtui wait {found.id}` waits until it has")
    return 0


def _stop_job(job: JobPaths, args: Namespace) -> int:
    stop_job(job, kill=args.kill)
    name = job.root.name
    if args.json:
        out_json({"id": job.run.id, "job": name, "state": read_job(job).state})
    else:
        say(f"{name} of {job.run.id} {'is being killed' if args.kill else 'stops'}; what is done stays")
    return 0
