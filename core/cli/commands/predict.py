"""`labtui predict RUN IMAGES...`: the classes of new images, or the objects in them, by a checkpoint."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Mapping, Sequence
from typing import Any

from core.cli.carry_out import carry_out
from core.cli.output import out, say, table
from core.cli.parser import add_json, add_run
from core.evaluate.plan import plan_predict
from core.launch.jobs import start_job
from core.store.catalogue import find_run
from core.store.jobs import JobState
from core.words import job_ending

_DESCRIPTION = """\
Look at new images: a table of the most probable classes, or of the most confident boxes, and a set of
predictions in the run's folder.

Images that cannot be read are named and left out; the exit code is then 3."""
_SHOWN = 3


def add(parser: ArgumentParser) -> None:
    parser.description = _DESCRIPTION
    add_run(parser)
    parser.add_argument("images", metavar="IMAGES", nargs="+", help="image files, and folders of them")
    parser.add_argument(
        "--at", metavar="WHICH", help="best, last, an epoch or a checkpoint id (default: best, else last)"
    )
    parser.add_argument("--detach", action="store_true", help="only start the job and print its name")
    add_json(parser)


def run(args: Namespace) -> int:
    found = find_run(args.workspace, args.run)
    plan = plan_predict(found, args.images, at=args.at)
    if plan.note:
        say(f"{found.id}: {plan.note}")
    job = start_job(args.workspace, found, "predict", plan.content)
    say(f"{job.root.name} of {found.id}: {len(plan.images)} images with {plan.checkpoint.id}")
    return carry_out(job, args, document, _tell)


def document(state: JobState) -> dict[str, Any]:
    """What `--json` prints; `file` lies in the run's folder predictions/."""
    result = state.result
    name = result.get("file")
    return {
        "id": state.job.run.id,
        "job": state.name,
        "state": state.state,
        "reason": state.reason,
        "checkpoint": state.asked.get("checkpoint"),
        "file": str(state.job.run.predictions / name) if isinstance(name, str) else None,
        "images": result.get("images", []),
        "skipped": result.get("skipped", []),
        "damaged": result.get("damaged", []),
    }


def image_lines(images: Sequence[Mapping[str, Any]]) -> list[str]:
    """A row an image: its path and the likeliest classes, or the number of boxes and the surest."""
    boxes = any("found" in image for image in images)
    rows = [
        (
            str(image["path"]),
            *([str(image.get("found"))] if boxes else []),
            *(
                f"{item['class']} {item.get('probability', item.get('score')):.3f}"
                for item in image["top"][:_SHOWN]
            ),
        )
        for image in images
    ]
    header = ("image", "boxes", "top") if boxes else ("image", "top")
    width = max(len(header), *map(len, rows))
    return table(
        [*header, *[""] * (width - len(header))],
        [(*row, *[""] * (width - len(row))) for row in rows],
        "lr" if boxes else "",
    )


def _tell(state: JobState, *, as_json: bool) -> None:
    images = state.result.get("images") or []
    if images and not as_json:
        for line in image_lines(images):
            out(line)
    for left_out in state.result.get("skipped") or []:
        say(f"left out: {left_out.get('reason')}")
    for damaged in state.result.get("damaged") or []:
        say(f"note: {damaged.get('reason')}")
    if images:
        say(f"saved as {state.job.run.predictions / str(state.result.get('file'))}")
    say(job_ending(state))
