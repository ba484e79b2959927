"""`labtui measure RUN`: measures checkpoints in the background and follows until it is done."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Mapping, Sequence
from typing import Any

from core.cli.carry_out import carry_out
from core.cli.metric_tables import class_table, metric_lines
from core.cli.output import out, say
from core.cli.parser import add_json, not_negative, positive
from core.config.names import is_detector
from core.errors import UsageError
from core.evaluate.plan import plan_measure
from core.launch.jobs import start_job
from core.store.catalogue import Catalogue, find_run
from core.store.files import peek_json
from core.store.jobs import JobState
from core.store.json_documents import cleaned
from core.store.measures import read_row
from core.store.metrics import decode_numbers
from core.store.paths import RunPaths
from core.words import job_ending

_DESCRIPTION = """\
Measure checkpoints of a run: losses, accuracies or COCO's 12 numbers, per class; and save the predictions.

What has been measured already is not measured again, so a stopped or killed measurement continues when the
same command is given again. A checkpoint that cannot be read is named and left out (exit 4); the others
are measured. It runs as a job in its own slot: Ctrl-C stops it and keeps what is done, a lost connection
leaves it running. The test images are measured only when --splits asks for them.

`labtui measure --config F` does for a detector what the lab's measure.py did: the validation loss and the mAP
of the training images, of every checkpoint of the config's newest run (--checkpoint NAME is --name NAME)."""


def add(parser: ArgumentParser) -> None:
    parser.description = _DESCRIPTION
    parser.add_argument(
        "run", metavar="RUN", nargs="?", help="run id, unique prefix or part of it, name, or @last"
    )
    parser.add_argument("--config", metavar="F", help="the newest run of this config, instead of RUN")
    parser.add_argument(
        "--name",
        "--checkpoint",
        dest="name",
        metavar="NAME",
        help="with --config: its newest run with this name",
    )
    parser.add_argument(
        "--at",
        metavar="WHICH",
        default="all",
        help="all, best, last, epochs or checkpoint ids, like 5,10,best (default: all)",
    )
    parser.add_argument(
        "--splits",
        metavar="S",
        type=_words,
        help="val, train, test, separated by commas (default: val; for a detector by --config val,train)",
    )
    parser.add_argument(
        "--data",
        metavar="D",
        help="other data with the same classes: a folder, or the name of a file in configs/data/; "
        "a folder without train and val is measured whole, as val",
    )
    parser.add_argument(
        "--batch", metavar="N", type=positive, help="images at a time; does not change results"
    )
    parser.add_argument(
        "--worker", metavar="N", type=not_negative, help="accepted for compatibility, no effect"
    )
    parser.add_argument(
        "--prefetch", metavar="N", type=positive, help="accepted for compatibility, no effect"
    )
    parser.add_argument("--detach", action="store_true", help="only start the job and print its name")
    add_json(parser)


def run(args: Namespace) -> int:
    found = _run(args)
    plan = plan_measure(
        args.workspace,
        found,
        at=args.at,
        splits=args.splits or _usual_splits(args, found),
        data=args.data,
        batch=args.batch,
        workers=args.worker,
        prefetch=args.prefetch,
    )
    for note in plan.notes:
        say(f"{found.id}: {note}")
    job = start_job(args.workspace, found, "measure", plan.content)
    known = f", {plan.done} of them already measured" if plan.done else ""
    say(f"{job.root.name} of {found.id}: {plan.total} to measure on {', '.join(plan.splits)}{known}")
    return carry_out(job, args, document, _tell)


def document(state: JobState) -> dict[str, Any]:
    """What `--json` prints."""
    return {
        "id": state.job.run.id,
        "job": state.name,
        "state": state.state,
        "reason": state.reason,
        "rows": [
            {**row, "per_class": cleaned(_per_class(state.job.run, row))}
            for row in state.result.get("rows", [])
        ],
        "unreadable": state.result.get("unreadable", []),
    }


def row_lines(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """A table of measure rows: checkpoint, split, images and every metric that one of them has."""
    cells = [
        (
            (str(row.get("checkpoint")), str(row.get("split")), str(row.get("n"))),
            decode_numbers(row.get("metrics") or {}),
        )
        for row in rows
    ]
    return metric_lines(("checkpoint", "split", "images"), cells, "llr")


def classes_lines(run: RunPaths, rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Where one checkpoint was measured: how each class does, split by split."""
    lines: list[str] = []
    if len({row.get("checkpoint") for row in rows}) == 1:
        for row in rows:
            lines += ["", *class_table(_per_class(run, row), f"class, {row.get('split')}")]
    return lines


def _per_class(run: RunPaths, row: Mapping[str, Any]) -> tuple[Any, ...]:
    measured = read_row(run, str(row.get("file")))
    return measured.per_class if measured else ()


def _tell(state: JobState, *, as_json: bool) -> None:
    rows = state.result.get("rows") or []
    if rows and not as_json:
        for line in [*row_lines(rows), *classes_lines(state.job.run, rows)]:
            out(line)
    for marked in state.result.get("unreadable") or []:
        say(f"{marked.get('checkpoint')} was left out: {marked.get('reason')}")
    say(job_ending(state))


def _run(args: Namespace) -> RunPaths:
    if (args.run is None) == (args.config is None):
        raise UsageError("labtui measure: give RUN, or --config F for the newest run of a config")
    if args.run is not None:
        if args.name:
            raise UsageError(
                "labtui measure: --name is only used with --config; --at chooses checkpoints of a run"
            )
        return find_run(args.workspace, args.run)
    from core.config.layers import find_config

    source = find_config(args.config, args.workspace)
    for summary in Catalogue(args.workspace).refresh():
        if summary.config == source.stem and args.name in (None, summary.name):
            return RunPaths(args.workspace.runs / summary.id)
    name = f" with the name {args.name}" if args.name else ""
    raise UsageError(f"{source} has no run{name} yet: `labtui train --config {args.config}` starts one")


def _usual_splits(args: Namespace, found: RunPaths) -> list[str]:
    """The lab's measure.py took a config and measured its detector on the training images too."""
    detector = is_detector(str((peek_json(found.spec) or {}).get("model")))
    return ["val", "train"] if detector and args.config is not None else ["val"]


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]
