"""Why queued runs and jobs wait, in words."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from core.errors import LabError
from core.launch.apart import apart
from core.launch.delays import delay
from core.launch.dispatch import nobody_dispatches
from core.launch.queue import QueueView, in_order
from core.launch.slots import TURN, Board
from core.launch.work_item import Work, newest
from core.store.paths import RunPaths
from core.store.records import RunSummary

_STARTING = 0.5
_NOBODY = "a slot is free, but no process is left to assign it: `labtui dispatch` starts it"


def waiting_reason(run: RunPaths) -> str:
    """Why a queued run waits: who has the GPU or the slot it wants, and how many come first.

    Empty when it does not wait.
    """
    return waiting_reasons().get(str(run.root), "")


def waiting_reasons(works: Sequence[Work] | None = None, *, served: bool = False) -> dict[str, str]:
    """The same of all that waits (or of `works`, in the order of the queue), from one look at the slots.

    Keys are run folders, and job folders. `served`: whoever asks gives free slots away itself. What could not
    begin says why. Never raises for one of them; takes some ms where there is a GPU: call it off the UI's
    thread. Raises UsageError, OSError.
    """
    board = Board()
    reasons: dict[str, str] = {}
    ahead: dict[str, int] = {}
    for work in QueueView().works() if works is None else works:
        with apart(reasons, work.root):
            if why := _held(work):
                reasons[str(work.root)] = why
                continue
            reason = board.reason(work.need())
            if reason == TURN and not (served or _is_served()):
                reason = _NOBODY
            before = ahead.get(reason, 0)
            ahead[reason] = before + 1
            reasons[str(work.root)] = reason + (f", {before} before it" if before else "")
    return reasons


def _is_served() -> bool:
    """Whether a process lives that gives free slots away; one that is just starting is waited for."""
    deadline = time.monotonic() + _STARTING
    while nobody_dispatches():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def _held(work: Work) -> str:
    """Why it could not begin, whatever slot is free; empty when it was not tried yet."""
    try:
        work.check()
    except LabError as error:
        return str(error)
    held = delay(work)
    return "" if held is None else str(held)


def explain(summaries: Iterable[RunSummary], runs: Path) -> list[RunSummary]:
    """Summaries whose queued ones say why they wait; `runs` is the folder that they are in.

    Those that wait in other workspaces are not counted as being before them.
    """
    found = list(summaries)
    queued: list[Work] = []
    reasons: dict[str, str] = {}
    for summary in found:
        if summary.state == "queued":
            with apart(reasons, runs / summary.id):
                work = newest(RunPaths(runs / summary.id))
                queued += [] if work is None else [work]
    if not queued and not reasons:
        return found
    reasons |= waiting_reasons(in_order(queued))
    return [
        dataclasses.replace(summary, reason=reasons.get(str(runs / summary.id), summary.reason))
        if summary.state == "queued"
        else summary
        for summary in found
    ]
