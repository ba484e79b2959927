"""Words that narrow the list of runs down: text, `state=failed`, `best>0.3`."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from core.text import any_of, did_you_mean

if TYPE_CHECKING:
    from core.store.records import RunSummary

_STATES = ("queued", "starting", "running", "stopping", "finished", "stopped", "failed", "lost")
_CONDITION = re.compile(r"([a-z_]+)(>=|<=|>|<|=)(.*)")
_COMPARED: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
    "=": operator.eq,
}
_NUMBERS: dict[str, Callable[[RunSummary], float | None]] = {
    "best": lambda run: run.best.value if run.best is not None else None,
    "epoch": lambda run: run.epoch,
    "epochs": lambda run: run.epochs,
    "loss": lambda run: run.last.get("val/loss"),
    "lr": lambda run: run.last.get("lr"),
}


def _texts(run: RunSummary) -> Mapping[str, str]:
    return {
        "name": run.label,
        "id": run.id,
        "config": run.config,
        "model": run.model,
        "mode": run.mode,
        "state": run.state,
        "tag": " ".join(run.tags),
        "note": run.note,
        "reason": run.reason,
    }


_TEXTS = ("name", "id", "config", "model", "mode", "state", "tag", "note", "reason", "archived")
FIELDS = (*_TEXTS, *_NUMBERS)


def matches(run: RunSummary, query: str) -> bool:
    """Every word of `query` is found in the run; `state=failed` and `best>0.3` look at one field only."""
    if not query:
        return True
    texts = _texts(run)
    everything = " ".join(texts.values()).lower()
    texts = {**texts, "archived": "yes" if run.archived else "no"}
    for word in query.lower().split():
        condition = _CONDITION.fullmatch(word)
        field, sign, value = condition.groups() if condition is not None else ("", "", "")
        if field in texts and sign == "=":
            if value not in texts[field].lower():
                return False
        elif field in _NUMBERS and _number(value) is not None:
            # A name may have it, too: `[lr=0.1]`.
            if not _holds(_NUMBERS[field](run), sign, _number(value)) and word not in everything:
                return False
        elif word not in everything:
            return False
    return True


def problem(query: str) -> str:
    """What of `query` is no condition, and what is, in a sentence; empty when all of it is understood."""
    for word in query.lower().split():
        condition = _CONDITION.fullmatch(word)
        if condition is None:
            continue
        field, sign, value = condition.groups()
        if field not in FIELDS:
            return f"{field} is no field{did_you_mean(field, FIELDS)}; there are {any_of(FIELDS, 'and')}"
        if field in _NUMBERS and _number(value) is None:
            return f"{field}{sign} needs a number, as in {field}{sign}0.3" if value else ""
        if field not in _NUMBERS and sign != "=":
            return f"{field} is text: {field}={value or '…'}"
        if field == "state" and not any(value in state for state in _STATES):
            return f"no state {value}{did_you_mean(value, _STATES)}; there are {any_of(_STATES, 'and')}"
    return ""


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _holds(value: float | None, sign: str, limit: float | None) -> bool:
    return value is not None and limit is not None and _COMPARED[sign](value, limit)
