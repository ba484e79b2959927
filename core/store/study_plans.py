"""Which two trials of a study get further seeds until their verdict stands; fixed before the first look."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from core.config.workspace import Workspace, state_home
from core.errors import StateError
from core.store import files
from core.text import clean

_FOLDER = ".studies"


@dataclass(frozen=True)
class Plan:
    """Pairs of trials `first` and `second` are added up to `at_most`, fixed before the first look."""

    first: str
    second: str
    at_most: int

    @property
    def pair(self) -> frozenset[str]:
        return frozenset((self.first, self.second))


def read_plans(workspace: Workspace, study: str) -> tuple[Plan, ...]:
    """The plans of a study, oldest first. Raises UnreadableError when their file cannot be read."""
    stored = files.read_json(workspace.runs / _FOLDER / f"{study}.json") or {}
    plans = []
    for item in stored.get("until_decided") or ():
        if isinstance(item, dict):
            first, second, most = item.get("first"), item.get("second"), item.get("at_most")
            if isinstance(first, str) and isinstance(second, str) and isinstance(most, int):
                plans.append(Plan(clean(first), clean(second), most))
    return tuple(plans)


def add_plan(workspace: Workspace, study: str, plan: Plan) -> None:
    """Keep a plan before its first look. The same one twice is fine.

    Raises StateError for another number of pairs of the same two: the level was shared over the first one's.
    """
    plans = read_plans(workspace, study)
    for old in plans:
        if old.pair == plan.pair:
            if old.at_most != plan.at_most:
                raise StateError(
                    f"{plan.first} and {plan.second} are already being tested with at most {old.at_most} "
                    f"pairs, and the chance of a false verdict is shared among these; "
                    f"use --at-most {old.at_most}"
                )
            return
    folder = workspace.runs / _FOLDER
    if not workspace.runs.is_dir():
        files.make_dir(workspace.runs, exist_ok=True)
    files.make_dir(folder, exist_ok=True)
    value = [{"first": p.first, "second": p.second, "at_most": p.at_most} for p in (*plans, plan)]
    files.write_json(folder / f"{study}.json", {"format": 1, "until_decided": value})


def driver_lock(workspace: Workspace, study: str, pair: Iterable[str]) -> Path:
    """The lock that is held while a process adds pairs to two trials; its log lies beside it (`.log`)."""
    folder = state_home() / "studies"
    folder.mkdir(mode=0o700, exist_ok=True)
    key = "\n".join([str(workspace.root), study, *sorted(pair)])
    return folder / f"{hashlib.sha256(key.encode(errors='surrogateescape')).hexdigest()[:16]}.lock"
