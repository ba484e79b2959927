"""The state of a run, derived from locks and files each time and never stored."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from pathlib import Path

from core.store import attempts as attempt_files
from core.store import files, locks, process
from core.store.paths import RunPaths
from core.store.records import Attempt, DerivedState, Request, State
from core.text import clean

WAITING = "waiting for a free slot"
_LINE = 300
_GPU_MEMORY = ("OutOfMemoryError", "torch.OutOfMemoryError", "torch.cuda.OutOfMemoryError")


def requests(run: RunPaths) -> list[Request]:
    """All readable requests, oldest first."""
    names = _names(run)
    found = (_read_request(run, number, names) for number in _numbers(names))
    return [request for request in found if request is not None]


def newest_request(run: RunPaths) -> Request | None:
    """The request that counts, or None in a damaged folder."""
    names = _names(run)
    for number in reversed(_numbers(names)):
        if request := _read_request(run, number, names):
            return request
    return None


@dataclass(frozen=True)
class Observed:
    """A run's newest request (None in a damaged folder), its attempts, and the state that follows."""

    request: Request | None
    attempts: tuple[Attempt, ...]
    state: DerivedState


def derive_state(run: RunPaths) -> DerivedState:
    """The state of the newest request; the first rule that holds, in the order of the table. Never raises.

    running, stopping: train.lock is held (stopping: the request has a stop marker). finished, stopped: an
    attempt of the request has that result. starting: sup.lock is held. queued, stopped: the request has no
    attempt. failed: its last attempt has exit.json. lost: none of these.
    """
    return observe(run).state


def observe(run: RunPaths) -> Observed:
    """`derive_state` with what it was derived from.

    Locks are looked at before files: whoever gives a lock up has written its last file by then. An attempt
    may begin in between, so "lost" has to be seen twice of the same attempt.
    """
    seen = _look(run)
    for _ in range(3):
        if seen.state.state != "lost":
            break
        before, seen = seen, _look(run)
        if seen.state == before.state:
            break
    return seen


def _look(run: RunPaths) -> Observed:
    training, supervised = locks.is_run_locked(run, "train"), locks.is_run_locked(run, "sup")
    request = newest_request(run)
    if request is None:
        # A lock still counts: the folder may be half deleted under a running trainer.
        reason = f"no request in {clean(run.id)}/requests can be read"
        return Observed(None, (), DerivedState("running" if training else "lost", reason, 0, 0, 0))
    mine = attempts_of(run, request)
    return Observed(request, tuple(mine), _derive(run, request, mine, training, supervised))


def _derive(
    run: RunPaths, request: Request, mine: list[Attempt], training: bool, supervised: bool
) -> DerivedState:
    last = mine[-1] if mine else None
    number = last.number if last else 0

    def state(name: State, reason: str = "") -> DerivedState:
        return DerivedState(name, reason, request.number, number, request.total_epochs)

    asked_to_stop = request.stop or request.kill
    if training:
        odd = "" if supervised else "its supervisor has died; the trainer goes on alone"
        return state("stopping" if asked_to_stop else "running", odd)
    for attempt in reversed(mine):
        if attempt.status == "finished":
            return state("finished")
        if attempt.status == "stopped":
            return state("stopped")
    if supervised:
        return state("starting")
    counted = [attempt for attempt in mine if not attempt.locked_out]
    if not counted:
        return state("stopped") if asked_to_stop else state("queued", WAITING)
    last = counted[-1]
    number = last.number
    if last.exited:
        return state("failed", failure(last, run.attempt(number).log))
    name, reason = lost(last, run.root.parent, "supervisor and trainer died together")
    return state(name, reason)


def failure(attempt: Attempt, log: Path) -> str:
    """Why an attempt (or a job) with an exit.json and no result failed, in words."""
    if attempt.error_type in _GPU_MEMORY:
        epoch = f", epoch {attempt.error_epoch}" if attempt.error_epoch else ""
        return f"out of GPU memory{epoch}"
    if attempt.error or attempt.error_type:
        return _first_line(attempt.error) or attempt.error_type
    if attempt.oom_kill:
        return "out of memory (killed by the kernel)"
    if attempt.signal:
        try:
            return f"killed by {signal.Signals(attempt.signal).name}"
        except ValueError:
            return f"killed by signal {attempt.signal}"
    if attempt.code:
        said = _last_log_line(log)
        return f"exit code {attempt.code}" + (f": {said}" if said else "")
    return "ended without a result"


def lost(attempt: Attempt, runs: Path, usual: str) -> tuple[State, str]:
    """State and reason, as far as it can be known, of an attempt that nobody holds and nobody ended.

    `usual` is the reason when nothing better is known. Another host's work on a network disk is not judged
    from here.
    """
    host = attempt.supervisor.get("host")
    if isinstance(host, str) and host != process.host():
        host = clean(host[:_LINE])
        if locks.is_network(str(runs)):
            return "running", f"started on {host}: whether it is alive can only be seen there"
        return "lost", f"started on {host}, and nothing holds it here"
    if attempt.supervisor.get("boot_id", process.boot_id()) != process.boot_id():
        return "lost", "the machine was restarted"
    if attempt.error:
        return "lost", f"{_first_line(attempt.error)} (its supervisor had died)"
    return "lost", usual


def attempts_of(run: RunPaths, request: Request) -> list[Attempt]:
    """The attempts of the newest request, ascending: read from the newest down to the first older one."""
    mine: list[Attempt] = []
    for number in reversed(attempt_files.numbers(run)):
        attempt = attempt_files.read_attempt(run, number)
        if attempt.request == request.number:
            mine.append(attempt)
        elif attempt.request:
            break
    return mine[::-1]


def _names(run: RunPaths) -> set[str]:
    try:
        return set(os.listdir(run.requests))
    except OSError:
        return set()


def _numbers(names: set[str]) -> list[int]:
    stems = (name[:-5] for name in names if name.endswith(".json"))
    return sorted(int(stem) for stem in stems if stem.isascii() and stem.isdigit())


def _read_request(run: RunPaths, number: int, names: set[str]) -> Request | None:
    content = files.read_json(f"{run.root}/requests/{number:04d}.json")
    if content is None:
        return None
    start, total, when = content.get("from"), content.get("total_epochs"), content.get("time")
    if not isinstance(total, int) or isinstance(total, bool):
        return None
    return Request(
        number=number,
        start=clean(start) if isinstance(start, str) else None,
        total_epochs=total,
        time=float(when) if isinstance(when, int | float) else 0.0,
        stop=f"{number:04d}.stop" in names,
        kill=f"{number:04d}.kill" in names,
    )


def _first_line(text: str) -> str:
    line = text.strip().split("\n", 1)[0].strip()
    return line if len(line) <= _LINE else line[: _LINE - 1] + "…"


def _last_log_line(log: Path) -> str:
    from core.store.logs import tail_file

    lines = tail_file(log, limit=4096).split("\n")
    return _first_line(next((line for line in reversed(lines) if line.strip()), ""))
