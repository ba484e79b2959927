"""Epochs that metrics.jsonl has lost, put back from what else knows them: checkpoints and measure rows."""

from __future__ import annotations

import math
import os
from collections.abc import Collection, Iterator

from core.errors import UnreadableError
from core.reading import check_regular
from core.store import files, state
from core.store.attempts import numbers, read_attempt
from core.store.checkpoints import CHECKPOINT_ID, checkpoint_ids, read_checkpoint
from core.store.history import History
from core.store.lineage import Lineage
from core.store.measures import ROW_NAME, read_row
from core.store.metrics import read_history
from core.store.paths import RunPaths, checkpoint_id
from core.store.records import ENDED, Record

_Place = tuple[int, int]  # attempt, epoch


def read_run_history(run: RunPaths, *, steps: bool = True) -> History:
    """A run's metrics with the epochs that the file of an ended run has lost; `History.note` says which."""
    history = read_history(run.metrics, steps=steps)
    seen = state.observe(run)
    if seen.state.state in ENDED:
        restore(run, history, seen.state.total_epochs, (seen.attempts[-1].epoch if seen.attempts else 0) or 0)
    return history


def restore(run: RunPaths, history: History, total_epochs: int, reached: int) -> str:
    """Put the epochs that `history` lacks back into it, from checkpoints and measure rows of this run.

    `reached` is the epoch at which the newest attempt ended, 0 when it does not say. Returns a sentence on
    what was lost and what was put back, also in `History.note`; empty when nothing lacks. Meant for a run
    that has ended: one that trains writes its rows itself.
    """
    rows = history.epochs
    if not (rows and len(rows) == rows[-1]["epoch"] == total_epochs):
        _restore(run, history, reached)
    return history.note


def _restore(run: RunPaths, history: History, reached: int) -> None:
    saved = _places(checkpoint_ids(run))
    measured = _places(_measured(run))
    have = {row["epoch"] for row in history.epochs}
    known = {(row["attempt"], row["epoch"]) for row in history.superseded_epochs}
    lost = {place for place in saved | measured if place[1] not in have} - known
    inherited = max((epoch for attempt, epoch in saved if attempt == 0), default=0)
    gone = set(range(inherited + 1, reached + 1)) - have
    if not (lost or gone) or (files.peek_json(run.spec) or {}).get("imported") is True:
        return
    pace = _steps_per_epoch(run, history, saved)
    rows = (_row(run, place, place in saved, pace) for place in _on_the_way(run, history, lost))
    found = sorted((row for row in rows if row is not None), key=lambda row: row["epoch"])
    epochs = [row["epoch"] for row in found]
    if lacking := sorted(gone.union(epochs)):
        history.epochs = sorted((*history.epochs, *found), key=lambda row: row["epoch"])
        history.version += 1
        history.note = _sentence(run, lacking, epochs)


def _places(names: Collection[str]) -> set[_Place]:
    """Attempt and epoch of the ids that stand for whole epochs."""
    matches = (CHECKPOINT_ID.fullmatch(name) for name in names)
    return {(int(match[1]), int(match[2])) for match in matches if match is not None and match[3] is None}


def _measured(run: RunPaths) -> list[str]:
    """The ids of the checkpoints that have a row of the run's own validation images."""
    try:
        matches = [ROW_NAME.fullmatch(name) for name in os.listdir(run.measures)]
    except OSError:
        return []
    return [match[1] for match in matches if match is not None and match[2] == "val" and not match[3]]


def _on_the_way(run: RunPaths, history: History, lost: Collection[_Place]) -> Iterator[_Place]:
    """Those of the lost epochs that the weights of the newest attempt went through, each once."""
    starts = {resume.attempt: resume.checkpoint for resume in history.resumes}
    asked = {request.number: request.start for request in state.requests(run) if not request.problem}
    line = Lineage()
    for attempt in sorted({*numbers(run), *(number for number, _ in lost)}):
        mine = [epoch for number, epoch in lost if number == attempt]
        request = read_attempt(run, attempt).request
        if attempt in starts or request in asked:
            start = starts.get(attempt) or asked.get(request)
            line.take_over(attempt, start, _epochs_before(start), math.inf if start else 0)
        elif mine:
            line.take_over(attempt, None, min(mine) - 1, math.inf)
    return (place for place in lost if line.holds(place[0], epoch=place[1]))


def _epochs_before(start: str | None) -> int:
    """Whole epochs behind the checkpoint of this id."""
    match = CHECKPOINT_ID.fullmatch(start or "")
    return 0 if match is None else int(match[2]) - (match[3] is not None)


def _steps_per_epoch(run: RunPaths, history: History, saved: Collection[_Place]) -> float:
    """From the last epoch of which both are known; 0 when there is none."""
    for row in reversed(history.epochs):
        if row["step"]:
            return float(row["step"] / row["epoch"])
    for place in sorted(saved, reverse=True):
        checkpoint = read_checkpoint(run, checkpoint_id(*place))
        if checkpoint is not None and checkpoint.epoch:
            return checkpoint.step / checkpoint.epoch
    return 0.0


def _row(run: RunPaths, place: _Place, saved: bool, pace: float) -> Record | None:
    """An epoch's row as its checkpoint and its measure row know it; None when neither can be read."""
    attempt, epoch = place
    identifier = checkpoint_id(attempt, epoch)
    checkpoint = read_checkpoint(run, identifier) if saved else None
    measured = read_row(run, f"{identifier}-val.json")
    values = {f"val/{name}": value for name, value in measured.metrics.items()} if measured else {}
    if checkpoint is not None:
        return {
            "t": checkpoint.time,
            "epoch": epoch,
            "step": checkpoint.step,
            "attempt": attempt,
            **values,
            **checkpoint.metrics,
        }
    if not values:
        return None
    time = os.stat(run.measures / f"{identifier}-val.json").st_mtime
    return {"t": time, "epoch": epoch, "step": round(epoch * pace), "attempt": attempt, **values}


def _sentence(run: RunPaths, gone: list[int], found: list[int]) -> str:
    what = f"metrics.jsonl {_fault(run)}{_epochs(gone)}"
    lost = sorted(set(gone) - set(found))
    if not found:
        return f"{what}; they are in no checkpoint or measurement."
    shown = "they are" if not lost else f"{_epochs(found)} {'is' if len(found) == 1 else 'are'}"
    rest = f", {_epochs(lost)} {'is' if len(lost) == 1 else 'are'} lost" if lost else ""
    return f"{what}: {shown} shown from checkpoints and measurements{rest}."


def _fault(run: RunPaths) -> str:
    try:
        status = os.stat(run.metrics)
        check_regular(status, run.metrics)
    except FileNotFoundError:
        return "is missing, and with it "
    except UnreadableError as error:
        return f"cannot be read ({error.reason}), nor "
    except OSError as error:
        return f"cannot be read ({error.strerror}), nor "
    return "is empty: it lacks " if status.st_size == 0 else "lacks "


def _epochs(numbers: list[int]) -> str:
    """`epoch 3`, `epochs 1 to 5`, `epochs 1, 3 to 5`."""
    parts: list[list[int]] = []
    for number in numbers:
        if parts and number == parts[-1][-1] + 1:
            parts[-1].append(number)
        else:
            parts.append([number])
    words = [str(part[0]) if len(part) == 1 else f"{part[0]} to {part[-1]}" for part in parts]
    return f"epoch{'s' * (len(numbers) > 1)} {', '.join(words)}"
