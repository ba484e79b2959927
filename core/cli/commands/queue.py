"""`labtui queue`: the places to train on this machine, what runs on them and what waits, and why."""

from __future__ import annotations

import contextlib
from argparse import ArgumentParser, Namespace
from dataclasses import asdict

from core.cli.output import out, out_json, say, table
from core.cli.parser import add_json
from core.errors import RunsFolderError, StateFolderError
from core.humanise import size, state_glyph
from core.launch.jobs import active_jobs
from core.launch.queue import QueueView, register
from core.launch.queue_reasons import waiting_reasons
from core.launch.slots import GpuStatus, busy_slots, gpu_fault, gpu_status, holder_words
from core.launch.work_item import Work
from core.store.catalogue import Catalogue
from core.store.records import ACTIVE
from core.words import job_progress


def add(parser: ArgumentParser) -> None:
    parser.description = (
        "Show the GPUs and slots of this machine, the runs and jobs of this workspace that are running, and "
        "all that wait, in the order in which they are served, each with the reason."
    )
    add_json(parser)


def run(args: Namespace) -> int:
    if args.workspace.runs.is_dir():
        # To look at the queue needs no state folder that can be written.
        with contextlib.suppress(OSError, StateFolderError):
            register(args.workspace)
    slots, gpus, fault = busy_slots(), gpu_status(), gpu_fault()
    try:
        summaries = Catalogue(args.workspace).refresh()
    except RunsFolderError as error:
        # What waits in other workspaces can be shown all the same.
        say(str(error))
        summaries = []
    active = [summary for summary in summaries if summary.state in ACTIVE and summary.state != "queued"]
    jobs = [job for job in active_jobs(args.workspace) if job.state != "queued"]
    view = QueueView()
    waiting = view.works()
    reasons = waiting_reasons(waiting)
    if args.json:
        out_json(
            {
                "gpus": [asdict(gpu) for gpu in gpus],
                "gpu_fault": fault,
                "slots": [
                    {
                        "name": slot.name,
                        "threads": slot.threads,
                        "busy": busy,
                        "holder": holder_words(slot) if busy else "",
                    }
                    for slot, busy in slots
                ],
                "running": [summary.id for summary in active],
                "jobs": [{"id": job.job.run.id, "job": job.name, "state": job.state} for job in jobs],
                "queued": [_document(work, reasons) for work in waiting],
                "problems": view.problems,
            }
        )
        return 0
    for gpu in gpus:
        out(_gpu_line(gpu))
    if fault:
        out(f"GPUs: {fault}")
    for slot, busy in slots:
        words = [slot.name, "busy" if busy else "free", f"{slot.threads} threads"]
        out("  ".join([*words, holder_words(slot)] if busy else words).rstrip())
    rows = [
        (f"{state_glyph(summary.state)} {summary.state}", summary.id, f"{summary.epoch}/{summary.epochs}")
        for summary in active
    ]
    rows += [
        (f"{state_glyph(job.state)} {job.state}", f"{job.job.run.id} {job.name}", job_progress(job))
        for job in jobs
    ]
    rows += [
        (f"{state_glyph('queued')} {place}.", work.name, _why(work, reasons, str(args.workspace.root)))
        for place, work in enumerate(waiting, start=1)
    ]
    for line in table(("", "", ""), rows, "kkl")[1:]:
        out(line)
    for where, why in view.problems.items():
        say(f"passed over {where}: {why}")
    return 0


def _document(work: Work, reasons: dict[str, str]) -> dict[str, str]:
    found = {
        "id": work.run.id,
        "workspace": str(work.run.root.parents[1]),
        "reason": reasons.get(_key(work), ""),
    }
    return found if work.job is None else {**found, "job": work.job.root.name}


def _why(work: Work, reasons: dict[str, str], here: str) -> str:
    home = str(work.run.root.parents[1])
    return "  ".join(filter(None, [reasons.get(_key(work), ""), home if home != here else ""]))


def _key(work: Work) -> str:
    """Where `waiting_reasons` keeps the reason of a run or a job."""
    return str(work.run.root if work.job is None else work.job.root)


def _gpu_line(gpu: GpuStatus) -> str:
    """`GPU 0  NVIDIA A100  00000000:3B:00.0  97 %  21 GB of 85 GB  20261125-...`."""
    words = [f"GPU {gpu.label}", gpu.name, gpu.bus_id]
    if gpu.busy is not None:
        words.append(f"{gpu.busy} %")
    if gpu.used is not None and gpu.total is not None:
        words.append(f"{size(gpu.used)} of {size(gpu.total)}")
    words += [*gpu.runs, *gpu.strangers]
    return "  ".join(words)
