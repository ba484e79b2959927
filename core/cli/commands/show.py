"""`labtui show RUN`: one run with its checkpoints."""

from __future__ import annotations

import time
from argparse import ArgumentParser, Namespace

from core.cli.output import out, out_json, table
from core.cli.parser import add_json, add_run
from core.cli.words import best_words, started_words, state_words, time_left
from core.humanise import MISSING, age, count, number, size
from core.store.catalogue import find_run, summarise
from core.store.checkpoints import list_checkpoints
from core.store.paths import RunPaths
from core.store.records import ACTIVE, Checkpoint, RunSummary
from core.store.report import show_document


def add(parser: ArgumentParser) -> None:
    add_run(parser)
    add_json(parser)


def run(args: Namespace) -> int:
    found = find_run(args.workspace, args.run)
    if args.json:
        out_json(show_document(found))
        return 0
    summary = summarise(found)
    for line in [*_facts(found, summary), *_checkpoint_lines(summary, list_checkpoints(found))]:
        out(line)
    return 0


def _facts(found: RunPaths, summary: RunSummary) -> list[str]:
    facts = {
        "run": summary.id,
        "name": summary.name,
        "state": state_words(summary),
        "config": f"{summary.config}, {summary.model}",
        "epoch": f"{summary.epoch}/{summary.epochs}",
        "best": f"{summary.metric} {best_words(summary)}",
        "started": f"{started_words(summary)} ago",
        "left": time_left(summary) if summary.state in ACTIVE else "",
        "fork of": summary.parent or "",
        "tags": ", ".join(summary.tags),
        "note": summary.note,
        "folder": str(found.root),
    }
    return [f"{name:8}  {value}" for name, value in facts.items() if value]


def _checkpoint_lines(summary: RunSummary, checkpoints: list[Checkpoint]) -> list[str]:
    if not checkpoints:
        return ["", "no checkpoints yet"]
    names = sorted({name for item in checkpoints for name in item.metrics if "/" in name})
    now = time.time()
    best = summary.best.checkpoint if summary.best else None
    rows = [
        (
            item.id,
            str(item.epoch),
            count(item.step),
            *(number(name, item.metrics[name]) if name in item.metrics else MISSING for name in names),
            size(item.bytes),
            age(max(0.0, now - item.time)),
            _remark(item, best),
        )
        for item in checkpoints
    ]
    header = ("checkpoint", "epoch", "step", *names, "size", "age", "")
    return ["", *table(header, rows, "lrr" + "r" * len(names) + "rr")]


def _remark(checkpoint: Checkpoint, best: str | None) -> str:
    if checkpoint.id == best:
        return "★ best"
    if checkpoint.superseded:
        return "superseded"
    return "within the epoch" if checkpoint.mid_epoch else ""
