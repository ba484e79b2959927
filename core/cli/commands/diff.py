"""`labtui diff RUN RUN`: what differs between two runs, and what came of it."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import Any

from core.cli.compare import Comparison, Outcome, Value, compare
from core.cli.compare_classes import class_lines
from core.cli.estimate_lines import estimate_lines
from core.cli.metric_tables import shown as metric_text
from core.cli.output import out, out_json, table
from core.cli.parser import add_json
from core.humanise import MISSING
from core.store.catalogue import find_run, summarise
from core.store.estimates import estimates_document
from core.store.json_documents import summary_document
from core.store.records import RunSummary
from core.text import middle_cut

_DESCRIPTION = """\
Compare two runs: only the settings that differ, then the best and last value of every metric, and the classes
that differ most at each run's best checkpoint.

Best is the best epoch by that metric, its number after @. A difference is only printed when both runs
were measured on the same images, classes and in the same way; else it says what differs."""
_WIDTH = 40
_LABEL = 16


def add(parser: ArgumentParser) -> None:
    parser.description = _DESCRIPTION
    what = "run id, unique prefix or part of it, name, or @last"
    parser.add_argument("first", metavar="RUN", help=what)
    parser.add_argument("second", metavar="RUN", help=what)
    add_json(parser)


def run(args: Namespace) -> int:
    first, second = (find_run(args.workspace, word) for word in (args.first, args.second))
    found = compare(first, second)
    summaries = (summarise(first), summarise(second))
    if args.json:
        out_json(document(found, summaries))
        return 0
    for line in lines(found, summaries):
        out(line)
    return 0


def document(found: Comparison, summaries: tuple[RunSummary, RunSummary]) -> dict[str, Any]:
    """What `--json` prints."""
    return {
        "runs": [summary_document(summary) for summary in summaries],
        "settings": [
            {"key": item.key, "first": item.values[0], "second": item.values[1], "result": item.result}
            for item in found.settings
        ],
        "metrics": [
            {
                "name": item.name,
                "mode": item.mode,
                "best": [_point(value) for value in item.best],
                "last": [_point(value) for value in item.last],
                "delta": item.delta if found.comparable else None,
            }
            for item in found.outcomes
        ],
        "classes": [
            {
                "class": item.name,
                "n": item.n,
                "score": item.score,
                "first": item.values[0],
                "second": item.values[1],
                "delta": item.delta,
            }
            for item in found.classes
        ],
        "intervals": {name: estimates_document(value) for name, value in found.estimates},
        "comparable": found.comparable,
        "differences": list(found.differences),
    }


def lines(found: Comparison, summaries: tuple[RunSummary, RunSummary]) -> list[str]:
    """The same for people."""
    names = [summary.label for summary in summaries]
    shown: list[str] = []
    if names[0] == names[1] or max(map(len, names)) > _LABEL:
        names = ["first", "second"]
        rows = zip(names, summaries, strict=True)
        shown += [f"{word:6}  {summary.id}  {summary.name}".rstrip() for word, summary in rows]
        shown.append("")
    if found.settings:
        settings = [
            (item.key, *(middle_cut(text or MISSING, _WIDTH) for text in item.texts), _remark(item.result))
            for item in found.settings
        ]
        shown += table(("setting", *names, ""), settings, "k")
    else:
        shown.append("all settings are the same")
    if found.outcomes:
        header = ("", f"best {names[0]}", f"best {names[1]}", "delta", f"last {names[0]}", f"last {names[1]}")
        shown += ["", *table(header, [_row(item, found.comparable) for item in found.outcomes], "krrrrr")]
    classes = class_lines(found.classes, (names[0], names[1]))
    if classes:
        ask = f"labtui errors {summaries[0].id} --compare {summaries[1].id}"
        shown += ["", *classes, f"which of these differences is more than chance: {ask}"]
    if found.estimates:
        shown += ["", *estimate_lines(found.estimates)]
    if found.differences:
        shown += ["", *(f"no comparison: {text}" for text in found.differences)]
    return shown


def _row(item: Outcome, comparable: bool) -> tuple[str, ...]:
    delta = f"{item.delta:+.4f}" if comparable and item.delta is not None else MISSING
    best, last = ([_text(item.name, value) for value in values] for values in (item.best, item.last))
    return item.name, *best, delta, *last


def _text(name: str, value: Value | None) -> str:
    return MISSING if value is None else f"{metric_text(name, value.value)}@{value.epoch}"


def _point(value: Value | None) -> dict[str, Any] | None:
    return None if value is None else {"value": value.value, "epoch": value.epoch}


def _remark(result: bool) -> str:
    return "" if result else "no effect on results"
