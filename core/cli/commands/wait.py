"""`labtui wait RUN`: blocks until the run, or one of its jobs, has ended."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from core.cli import job_exit
from core.cli.output import out_json, say
from core.cli.parser import add_job, add_json, add_run, seconds
from core.errors import RunFailedError, StateError
from core.launch.control import wait_run
from core.launch.jobs import wait_job
from core.store.catalogue import find_run, summarise
from core.store.jobs import find_job
from core.store.json_documents import job_document, summary_document
from core.store.paths import JobPaths, RunPaths
from core.store.records import ACTIVE, RunSummary
from core.words import job_ending


def add(parser: ArgumentParser) -> None:
    parser.description = (
        "Wait until a run or a job has finished or was stopped (exit 0), or has failed or is lost (exit 4)."
    )
    add_run(parser)
    parser.add_argument("--timeout", metavar="S", type=seconds, help="give up after S seconds (exit 5)")
    add_job(parser, "wait for this job instead of the training")
    add_json(parser)


def run(args: Namespace) -> int:
    found = find_run(args.workspace, args.run)
    if args.job is not None:
        return _wait_job(find_job(found, args.job), args)
    wait_run(found, args.timeout)
    summary = summarise(found)
    if args.json:
        out_json(summary_document(summary))
    if summary.state in ACTIVE:
        raise StateError(f"{found.id} is still {summary.state} after {args.timeout:g} s")
    say(ending(found, summary))
    return exit_code(summary)


def _wait_job(job: JobPaths, args: Namespace) -> int:
    state = wait_job(job, args.timeout)
    if args.json:
        out_json({"id": job.run.id, **job_document(state)})
    if state.state in ACTIVE:
        raise StateError(f"{state.name} of {job.run.id} is still {state.state} after {args.timeout:g} s")
    say(job_ending(state))
    return job_exit.exit_code(state)


def exit_code(summary: RunSummary) -> int:
    """0 for a run that ended as asked, 4 for one that failed or is lost."""
    return RunFailedError.exit_code if summary.state in ("failed", "lost") else 0


def ending(found: RunPaths, summary: RunSummary) -> str:
    """How the run ended and what can be done now, in one sentence."""
    at = f"at epoch {summary.epoch} of {summary.epochs}"
    if summary.state == "finished":
        best = summary.best
        tail = f"; best {best.metric} {best.value:.4f} at epoch {best.epoch}" if best else ""
        early = " early" if summary.early_stop is not None else ""
        return f"{found.id} finished{early} {at}{tail}"
    if summary.state == "stopped":
        how = f" ({summary.reason})" if summary.reason else ""
        return f"{found.id} stopped {at}{how}; `labtui resume {found.id}` continues it"
    reason = f": {summary.reason}" if summary.reason else ""
    return (
        f"{found.id} {'failed' if summary.state == 'failed' else 'was lost'} {at}{reason}; "
        f"`labtui log {found.id}` shows its log, `labtui resume {found.id}` continues it"
    )
