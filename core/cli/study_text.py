"""The table of a study in text, markdown, CSV and LaTeX."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Sequence

from core import humanise
from core.analysis.paired import LEVEL, MOST_NEEDED, Verdict
from core.analysis.study_table import Cell, Spread, StudyTable, Versus
from core.cli.output import table as text_table
from core.cli.study_view import StudyView
from core.humanise import MISSING
from core.metrics import Mode

# A cell that begins like this is a formula to spreadsheet programs.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_TEX = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
_TEX |= {sign: f"\\{sign}" for sign in "&%$#_{}"}


def short(name: str) -> str:
    """`val/accuracy_tta` without its split."""
    return name.rsplit("/", 1)[-1]


def spread_text(metric: str, value: Spread | None) -> str:
    """`.7841 ± .0031`, or the single value."""
    if value is None:
        return MISSING
    mean = humanise.number(metric, value.mean)
    return mean if value.sd is None else f"{mean} ± {humanise.number(metric, value.sd)}"


def difference_text(verdict: Verdict) -> str:
    """`-.0120 [-.0190, -.0040]`."""
    if verdict.mean is None:
        return MISSING
    text = f"{verdict.mean:+.4f}"
    return text if verdict.low is None else f"{text} [{verdict.low:+.4f}, {verdict.high:+.4f}]"


def verdict_words(verdict: Verdict, mode: Mode) -> str:
    """What the pairs tell, in words: `better`, `worse`, or why it cannot be said."""
    pairs = f"{verdict.pairs} pair{'s' if verdict.pairs != 1 else ''}"
    if verdict.decided:
        better = (verdict.outcome == "more") == (mode == "max")
        p = f"p {verdict.test.p:.3g}" if verdict.test else ""
        return f"{'better' if better else 'worse'} ({pairs}, {p})"
    if verdict.looks and verdict.pairs < verdict.looks[0]:
        return f"cannot be decided yet: {pairs}, the first test is at {verdict.looks[0]}"
    if verdict.outcome == "too_few":
        return f"cannot be decided: {pairs}, {verdict.pairs + (verdict.needed or 0)} needed"
    if verdict.needed is not None and verdict.needed >= MOST_NEEDED:
        return f"within chance ({pairs}): the difference is too small to detect"
    return f"within chance ({pairs}): about {verdict.needed} more would decide"


def versus_words(versus: Versus | None, mode: Mode) -> str:
    """The last column: difference to the baseline, its interval and the verdict."""
    if versus is None:
        return ""
    if versus.verdict is None:
        return versus.refused
    return f"{difference_text(versus.verdict)}  {verdict_words(versus.verdict, mode)}"


def notes(view: StudyView) -> list[str]:
    """What the table rests on, a sentence each."""
    table, study = view.table, view.study
    which = "the best epoch" if table.judge == "best" else "the last epoch"
    lines = [
        f"{table.metric} of {which} of {table.epochs}; ± is the standard deviation over seeds; a seed "
        f"changes {' and '.join(_VARIED[key] for key in study.vary)}."
    ]
    compared = sum(item.verdict is not None and not item.verdict.looks for item in table.versus.values())
    if table.baseline:
        words = f"Differences are to {table.baseline}, over seeds that both have"
        if compared > 1:
            words += f"; {compared} comparisons share the {LEVEL:.0%} chance of a false verdict (Holm)"
        lines.append(f"{words}. A verdict needs the BCa interval and the exact sign-flip test to agree.")
    lines += [
        f"{plan.first} and {plan.second}: seeds are added up to {plan.at_most} pairs; the tests share the "
        f"{LEVEL:.0%} (Bonferroni)."
        for plan in view.plans
    ]
    lines += [f"{note[:1].upper()}{note[1:]}." for note in table.notes]
    for cell in table.cells:
        lines += [f"{cell.trial}: {note}." for note in cell.notes]
    return lines


_VARIED = {"seed": "weights, order and augmentation", "data.split.seed": "the split"}


def effect_lines(view: StudyView) -> list[str]:
    """Which settings matter."""
    lines = []
    for effect in view.table.effects:
        ends = f"{effect.levels[0].level or 'unset'} over {effect.levels[-1].level or 'unset'}"
        interval = "" if effect.low is None else f" [{effect.low:+.4f}, {effect.high:+.4f}]"
        if effect.p is None:
            verdict = f"{effect.blocks} blocks: too few to tell"
        else:
            verdict = f"p {effect.p:.3g}" if effect.decided else f"within chance (p {effect.p:.2g})"
        lines.append(f"{effect.key}: {ends} {effect.spread:.4f}{interval}, {verdict}")
    return lines


def header(view: StudyView) -> list[str]:
    """The titles of the columns."""
    table, study = view.table, view.study
    other = "last" if table.judge == "best" else "best"
    return [
        "trial",
        "n",
        short(table.metric),
        *(short(name) for name in study.columns),
        other,
        "minutes",
        f"against {table.baseline}" if table.baseline else "",
    ]


def rows(view: StudyView) -> list[list[str]]:
    """A row a trial."""
    table = view.table
    return [
        [
            cell.trial,
            str(cell.value.n) if cell.value else "0",
            spread_text(table.metric, cell.value),
            *(spread_text(name, cell.columns.get(name)) for name in view.study.columns),
            spread_text(table.metric, cell.last if table.judge == "best" else cell.best),
            MISSING if cell.minutes is None else f"{cell.minutes:.1f}",
            _tail(cell, table),
        ]
        for cell in table.cells
    ]


def _tail(cell: Cell, table: StudyTable) -> str:
    if cell.value is None:
        return _why_empty(cell)
    return (
        "the best" if cell.trial == table.baseline else versus_words(table.versus.get(cell.trial), table.mode)
    )


def _why_empty(cell: Cell) -> str:
    states: dict[str, int] = {}
    for run in cell.runs:
        states[run.status] = states.get(run.status, 0) + 1
    words = ", ".join(f"{count} {status}" for status, count in states.items() if status != "finished")
    reasons = list(dict.fromkeys(run.reason for run in cell.runs if run.status == "failed" and run.reason))
    return f"{words}: {reasons[0]}" if reasons else words


def progress_line(view: StudyView) -> str:
    """`14 of 17 runs, 2 running, 1 waiting, about 38 m left`."""
    done = view.count("finished") + sum(run.early for run in view.runs if run.status == "short")
    parts = [f"{view.study.name}: {done} of {len(view.runs)} runs"]
    for status, word in (("running", "running"), ("queued", "waiting"), ("missing", "not queued")):
        if count := view.count(status):
            parts.append(f"{count} {word}")
    for status in ("failed", "lost", "stopped"):
        if count := view.count(status):
            parts.append(f"{count} {status}")
    if view.left and view.count("running", "queued"):
        parts.append(f"{humanise.eta(view.left)} left")
    return ", ".join(parts)


def as_text(view: StudyView) -> str:
    lines = [
        progress_line(view),
        "",
        *text_table(header(view), rows(view), "l" + "r" * (len(header(view)) - 2)),
    ]
    if effects := effect_lines(view):
        lines += ["", "what matters", *(f"  {line}" for line in effects)]
    return "\n".join([*lines, "", *notes(view)])


def as_markdown(view: StudyView) -> str:
    cells = [header(view), *rows(view)]
    made = ["| " + " | ".join(_md(text) for text in row) + " |" for row in cells]
    made.insert(
        1,
        "|"
        + "|".join("---" if index in (0, len(cells[0]) - 1) else "---:" for index in range(len(cells[0])))
        + "|",
    )
    lines = [f"# {_md(view.study.name)}", "", progress_line(view), "", *made, ""]
    if effects := effect_lines(view):
        lines += ["What matters:", "", *(f"- {_md(line)}" for line in effects), ""]
    return "\n".join([*lines, *(f"- {_md(line)}" for line in notes(view))])


def as_csv(view: StudyView) -> str:
    """A row a run that exists, then nothing else: numbers in full, for other programs."""
    table, study = view.table, view.study
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    names = ["trial", *study.factors, "seed", "run", "status", "epochs", "counted"]
    writer.writerow(
        [*names, f"best {table.metric}", "best epoch", f"last {table.metric}", *study.columns, "minutes"]
    )
    for cell in table.cells:
        counted = {run.seed for run in cell.counted}
        for run in cell.runs:
            values = [
                run.best,
                run.best_epoch or None,
                run.last,
                *(run.columns.get(name) for name in study.columns),
            ]
            row = [
                cell.trial,
                *(cell.levels.get(key, "") for key in study.factors),
                run.seed,
                run.id,
                run.status,
                run.epoch,
                "yes" if run.seed in counted else "no",
                *("" if value is None else repr(value) for value in values),
                f"{run.minutes:.3f}",
            ]
            writer.writerow([_harmless(item) for item in row])
    return out.getvalue().rstrip("\n")


def as_latex(view: StudyView) -> str:
    titles, body = header(view), rows(view)
    columns = "l" + "r" * (len(titles) - 2) + "l"
    lines = [f"% {line}" for line in notes(view)]
    lines += [
        f"\\begin{{tabular}}{{{columns}}}",
        "\\hline",
        " & ".join(map(_tex, titles)) + r" \\",
        "\\hline",
    ]
    lines += [" & ".join(map(_tex, row)) + r" \\" for row in body]
    return "\n".join([*lines, "\\hline", "\\end{tabular}"])


WRITERS: dict[str, Callable[[StudyView], str]] = {
    "text": as_text,
    "md": as_markdown,
    "csv": as_csv,
    "tex": as_latex,
}


def document(view: StudyView) -> dict[str, object]:
    """The table as JSON has it."""
    table = view.table
    return {
        "study": view.study.name,
        "metric": table.metric,
        "mode": table.mode,
        "judge": table.judge,
        "epochs": table.epochs,
        "baseline": table.baseline,
        "cells": [
            {
                "trial": cell.trial,
                "settings": dict(cell.levels),
                "n": cell.value.n if cell.value else 0,
                "mean": cell.value.mean if cell.value else None,
                "sd": cell.value.sd if cell.value else None,
                "best": _spread_document(cell.best),
                "last": _spread_document(cell.last),
                "columns": {name: _spread_document(value) for name, value in cell.columns.items()},
                "minutes": cell.minutes,
                "notes": list(cell.notes),
                "against": _versus_document(table.versus.get(cell.trial), table.mode),
                "runs": [
                    {
                        "id": run.id,
                        "seed": run.seed,
                        "status": run.status,
                        "epoch": run.epoch,
                        "best": run.best,
                        "best_epoch": run.best_epoch,
                        "last": run.last,
                        "columns": dict(run.columns),
                        "counted": run in cell.counted,
                        "reason": run.reason,
                    }
                    for run in cell.runs
                ],
            }
            for cell in table.cells
        ],
        "effects": [
            {
                "key": effect.key,
                "levels": [
                    {"level": item.level, "mean": item.mean, "effect": item.effect} for item in effect.levels
                ],
                "blocks": effect.blocks,
                "spread": effect.spread,
                "low": effect.low,
                "high": effect.high,
                "p": effect.p,
            }
            for effect in table.effects
        ],
        "notes": notes(view),
    }


def _spread_document(value: Spread | None) -> dict[str, object] | None:
    return None if value is None else {"mean": value.mean, "sd": value.sd, "n": value.n}


def _versus_document(versus: Versus | None, mode: Mode) -> dict[str, object] | None:
    if versus is None:
        return None
    verdict = versus.verdict
    if verdict is None:
        return {"refused": versus.refused}
    return {
        "pairs": verdict.pairs,
        "difference": verdict.mean,
        "low": verdict.low,
        "high": verdict.high,
        "p": verdict.test.p if verdict.test else None,
        "level": verdict.level,
        "outcome": verdict.outcome,
        "needed": verdict.needed,
        "words": verdict_words(verdict, mode),
    }


def _md(text: str) -> str:
    return re.sub(r"([\\|`*_<>\[\]])", r"\\\1", text)


def _tex(text: str) -> str:
    for sign, written in (("±", r"$\pm$"), ("–", "--"), ("≈", r"$\approx$")):
        text = "".join(_TEX.get(letter, letter) for letter in text) if sign == "±" else text
        text = text.replace(sign, written)
    return text


def _harmless(item: object) -> object:
    return (
        f"'{item}" if isinstance(item, str) and item.startswith(_FORMULA) and not _is_number(item) else item
    )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def sentences(items: Sequence[str]) -> str:
    """Lines of a list that may be long: the first 20."""
    shown = list(items[:20])
    return "\n".join([*shown, f"and {len(items) - 20} more"] if len(items) > 20 else shown)
