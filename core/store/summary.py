"""One line about a run: its state, how far it is and how good."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence

from core import os_errors
from core.errors import LabError
from core.metrics import Mode, as_mode
from core.reading import exists, shown
from core.store import attempts as attempt_files
from core.store import files, state
from core.store.history import History
from core.store.json_values import integer_of, mapping_of, number_of, text_of
from core.store.metrics import MetricsReader
from core.store.paths import RunPaths, checkpoint_id
from core.store.records import ACTIVE, ENDED, Attempt, Best, Record, RunSummary, State
from core.store.restore import restore
from core.store.runs import read_meta
from core.text import clean

_PLACE = frozenset({"t", "epoch", "step", "attempt"})
_PACE_OVER = 3
_REASON = 300
_NO_SPEC = "its spec.json is missing: put it back"


def summarise(run: RunPaths, reader: MetricsReader | None = None) -> RunSummary:
    """What `ls` says about a run; never raises. `reader` (`steps=False`) is polled and can be kept."""
    if reader is None:
        reader = MetricsReader(run.metrics, steps=False)
    # The state first: rows that a trainer adds in between only make the summary newer, not wrong.
    seen = state.observe(run)
    derived, mine = seen.state, seen.attempts
    reader.poll()
    history = reader.history
    problems: list[str] = []
    spec = files.look_json(run.spec, problems)
    meta = read_meta(run, problems)
    request = seen.request
    if request is not None and request.problem and derived.reason != request.problem:
        problems.append(request.problem)
    problems += [problem for attempt in mine for problem in attempt.problems]
    latest = mine[-1] if mine else _latest(run)
    reached = (latest.epoch if latest else 0) or 0
    if derived.state in ENDED and (told := restore(run, history, derived.total_epochs, reached)):
        problems.append(told)
    metric = text_of(spec.get("metric"), 200)
    last = history.epochs[-1] if history.epochs else None
    return RunSummary(
        id=run.id,
        name=meta["name"],
        config=text_of(spec.get("config"), 200),
        model=text_of(spec.get("model"), 200),
        state=derived.state,
        reason=derived.reason or ("" if spec or exists(run.spec) else _NO_SPEC),
        epoch=last["epoch"] if last else reached,
        epochs=derived.total_epochs or integer_of(spec.get("epochs")) or 0,
        best=_best(run, history, metric, as_mode(spec.get("metric_mode"), metric)),
        parent=text_of(mapping_of(spec.get("parent")).get("run"), 200) or None,
        created=number_of(spec.get("created")) or 0.0,
        started=latest.started if latest else None,
        ended=None if derived.state in ACTIVE else _ended(latest, last),
        metric=metric,
        last={name: value for name, value in last.items() if name not in _PLACE} if last else {},
        seconds_per_epoch=_pace(history.epochs),
        tags=meta["tags"],
        note=meta["note"],
        archived=meta["archived"],
        imported=spec.get("imported") is True,
        early_stop=_early_stop(mine) if derived.state == "finished" else None,
        finished_at=_finished_at(run, derived.state, history),
        mode=text_of(spec.get("mode"), 200),
        problems=tuple(_in_run(run, problem) for problem in problems),
    )


def _in_run(run: RunPaths, problem: str) -> str:
    """A sentence with the paths of a run's files as they are inside its folder."""
    return problem.replace(f"{shown(run.root)}/", "")


def broken(run: RunPaths, error: BaseException) -> RunSummary:
    """The line of a run that cannot be summed up, with the reason: it must not hide the others."""
    if isinstance(error, OSError) and error.errno:
        words = os_errors.reason(error)
    else:
        words = str(error) if isinstance(error, LabError) else repr(error)
    return RunSummary(
        id=run.id,
        name="",
        config="",
        model="",
        state="lost",
        reason=clean(f"it cannot be read: {words}"[:_REASON]),
        epoch=0,
        epochs=0,
        best=None,
        parent=None,
        created=0.0,
        started=None,
        ended=None,
        metric="",
    )


def _best(run: RunPaths, history: History, metric: str, mode: Mode) -> Best | None:
    row = history.best(metric, mode)
    if row is None:
        return None
    identifier = checkpoint_id(row["attempt"], row["epoch"])
    kept = os.path.exists(f"{run.root}/checkpoints/{identifier}.json")
    found = identifier if kept else None
    return Best(metric, row[metric], row["epoch"], found, row.get("val/map_50"), identifier, mode)


def _early_stop(mine: Sequence[Attempt]) -> int | None:
    """The epoch at which the newest finished attempt ended before its goal."""
    ended = next((attempt for attempt in reversed(mine) if attempt.status == "finished"), None)
    return None if ended is None or ended.early_stop is None else ended.early_stop["epoch"]


def _reached(history: History) -> int:
    return int(history.epochs[-1]["epoch"]) if history.epochs else 0


def _finished_at(run: RunPaths, now: State, history: History) -> int | None:
    """The epoch at which a run had finished that then could not go on, and learned nothing more."""
    if now not in ("failed", "lost"):
        return None
    trained = max((row["attempt"] for row in history.epochs), default=0)
    for number in reversed(attempt_files.numbers(run)):
        attempt = attempt_files.read_attempt(run, number)
        if attempt.status == "finished":
            return (attempt.epoch or _reached(history)) if trained <= number else None
    return None


def _latest(run: RunPaths) -> Attempt | None:
    numbers = attempt_files.numbers(run)
    return attempt_files.read_attempt(run, numbers[-1]) if numbers else None


def _ended(attempt: Attempt | None, last: Record | None) -> float | None:
    if attempt is not None and attempt.ended is not None:
        return attempt.ended
    return number_of(last["t"]) if last else None


def _pace(epochs: list[Record]) -> float | None:
    """Mean seconds of the last epochs that this run itself trained."""
    spent = [row["time/epoch"] for row in epochs[-_PACE_OVER:] if row["attempt"] and "time/epoch" in row]
    spent = [seconds for seconds in spent if math.isfinite(seconds)]
    return sum(spent) / len(spent) if spent else None
