"""The state of a run, derived from locks and files each time and never stored."""

from __future__ import annotations

import os
import re
import signal
from dataclasses import dataclass
from pathlib import Path

from core.reading import exists
from core.store import attempts as attempt_files
from core.store import files, locks, process
from core.store.json_values import integer_of, number_of, text_or_none
from core.store.paths import RunPaths
from core.store.records import Attempt, DerivedState, Request, State
from core.text import clean

WAITING = "waiting for a free slot"
KILLED = "killed"
_ENDING = "its process has ended; how is being written down"
DISK_FULL_EXIT = 74
"""Exit code (EX_IOERR) of a trainer that could not even write why it failed: the disk is full."""
_ASKING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_SIDECAR = re.compile(r"(a(\d{2,})-e(\d{4,})(?:-s(\d{6,}))?)\.json")
_SMALL_FILE = 8192
_LINE = 300
_GPU_MEMORY = ("OutOfMemoryError", "torch.OutOfMemoryError", "torch.cuda.OutOfMemoryError")


def requests(run: RunPaths) -> list[Request]:
    """All requests, oldest first; those that cannot be read have a `problem`."""
    names = _names(run)
    return [_read_request(run, number, names) for number in _numbers(names)]


def newest_request(run: RunPaths) -> Request | None:
    """The request that counts, or None where there is none. An unreadable one counts, and has a `problem`."""
    names = _names(run)
    numbers = _numbers(names)
    return _read_request(run, numbers[-1], names) if numbers else None


def is_untouched(run: RunPaths) -> bool:
    """Whether the newest request can begin: it can be read, nobody has begun it and nobody called it off."""
    request = newest_request(run)
    if request is None or request.problem or request.stop or request.kill:
        return False
    return all(attempt.locked_out for attempt in attempts_of(run, request)) and not _lost_attempts(run)


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
    attempt. stopped: asked to, the last attempt died of the signal that says so. failed: its last attempt has
    exit.json. lost: none of these.
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
        odd = "" if supervised else "its supervisor has died; the trainer continues alone"
        return state("stopping" if asked_to_stop else "running", odd)
    for attempt in reversed(mine):
        if attempt.status == "finished":
            return state("finished")
        if attempt.status == "stopped":
            return state("stopped")
    if supervised:
        if last is not None and last.trainer and not last.exited and not process.is_same(last.trainer):
            return state("stopping" if asked_to_stop else "running", _ENDING)
        return state("starting")
    counted = [attempt for attempt in mine if not attempt.locked_out]
    if not counted:
        if asked_to_stop:
            return state("stopped")
        damage = request.problem or _lost_attempts(run)
        return state("lost", damage) if damage else state("queued", WAITING)
    last = counted[-1]
    number = last.number
    if last.exited:
        if ended := obeyed(last, request.stop, request.kill):
            return state("stopped", f"{ended}; {_kept(run)}")
        return state("failed", failure(last, run.attempt(number).log))
    name, reason = lost(last, run.root.parent, "supervisor and trainer died together")
    if name == "running" and asked_to_stop:
        name = "stopping"
    if request.kill and name == "lost" and not last.problems:
        return state("stopped", f"{KILLED}; {_kept(run)}")
    return state(name, reason)


def _lost_attempts(run: RunPaths) -> str:
    """Why a run without attempts of its newest request is none that waits; empty when it does."""
    try:
        names = os.listdir(run.attempts)
    except FileNotFoundError:
        names = []
    except OSError as error:
        return f"attempts/ cannot be read ({error.strerror})"
    # The first attempt writes model.json, and no fork inherits it.
    if not any(name.isdecimal() for name in names) and exists(run.model):
        return "it has trained (model.json is there), but attempts/ is empty"
    return ""


def obeyed(attempt: Attempt, stop: bool, kill: bool) -> str:
    """How a process ended that was asked to and left no result: in words, empty when that is not why.

    A stop that comes before the process can listen ends it by the very signal that asks for it.
    """
    if attempt.error or attempt.error_type:
        return ""
    if kill and attempt.signal == signal.SIGKILL:
        return KILLED
    if (stop or kill) and attempt.signal in _ASKING:
        return "stopped before it began to save"
    return ""


def _kept(run: RunPaths) -> str:
    """Which checkpoint stays of a run that was ended, by the names in its folder."""
    try:
        names = os.listdir(run.checkpoints)
    except OSError:
        names = []
    found = [match for name in names if (match := _SIDECAR.fullmatch(name))]
    if not found:
        return "nothing was saved yet"
    # Within an epoch, its steps come before its end.
    newest = max(found, key=lambda match: (int(match[2]), int(match[3]), int(match[4] or 10**12)))
    return f"its last checkpoint is {newest[1]}"


def failure(attempt: Attempt, log: Path) -> str:
    """Why an attempt (or a job) with an exit.json and no result failed, in words."""
    if attempt.problems and not attempt.error:
        return f"its result cannot be read: {attempt.problems[0].removesuffix('.')}"
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
    if attempt.code == DISK_FULL_EXIT:
        return "the disk is full: nothing more could be written; make room, then resume"
    if attempt.code:
        said = _last_log_line(log)
        return f"exit code {attempt.code}" + (f": {said}" if said else "")
    return "ended without a result"


def lost(attempt: Attempt, runs: Path, usual: str) -> tuple[State, str]:
    """State and reason, as far as it can be known, of an attempt that nobody holds and nobody ended.

    `usual` is the reason when nothing better is known. Another host's work on a network disk is not judged
    from here. A process that still lives is none that was lost, whatever became of its locks.
    """
    if process.is_same(attempt.trainer):
        return "running", "its lock file was deleted; the process runs"
    host = attempt.supervisor.get("host")
    if isinstance(host, str) and host != process.host():
        host = clean(host[:_LINE])
        if locks.is_network(str(runs)):
            return "running", f"started on {host}: whether it is alive can only be seen there"
        return "lost", f"started on {host}, and no process here runs it"
    if attempt.supervisor.get("boot_id", process.boot_id()) != process.boot_id():
        return "lost", "the machine was restarted"
    if attempt.error:
        return "lost", f"{_first_line(attempt.error)} (its supervisor had died)"
    if attempt.problems:
        return "lost", f"its result cannot be read: {attempt.problems[0].removesuffix('.')}"
    if _is_full(runs):
        return "lost", "the disk is full: how it ended could not be written; make room, then resume"
    return "lost", usual


def _is_full(folder: Path) -> bool:
    """Whether the disk of a folder takes not even a small file now."""
    try:
        room = os.statvfs(folder)
    except OSError:
        return False
    return room.f_blocks > 0 and room.f_bavail * room.f_frsize < _SMALL_FILE


def attempts_of(run: RunPaths, request: Request) -> list[Attempt]:
    """The attempts of the newest request, ascending: read from the newest down to the first older one.

    One whose start.json does not say for which request it was is of this one unless it ended before that was
    made: what has begun must never begin again by itself.
    """
    mine: list[Attempt] = []
    for number in reversed(attempt_files.numbers(run)):
        attempt = attempt_files.read_attempt(run, number)
        if attempt.request == request.number or (not attempt.request and _may_be_of(run, attempt, request)):
            mine.append(attempt)
        elif 0 < attempt.request < request.number:
            break
    return mine[::-1]


def _may_be_of(run: RunPaths, attempt: Attempt, request: Request) -> bool:
    if request.number > 1 and attempt.ended is not None and attempt.ended < request.time:
        return False
    # An empty folder is no attempt.
    came_of_it = attempt.problems or attempt.status or attempt.exited or attempt.error_type
    return bool(came_of_it) or exists(run.attempt(attempt.number).log)


def _names(run: RunPaths) -> set[str]:
    try:
        return set(os.listdir(run.requests))
    except OSError:
        return set()


def _numbers(names: set[str]) -> list[int]:
    stems = (name[:-5] for name in names if name.endswith(".json"))
    numbers = (int(stem) for stem in stems if stem.isascii() and stem.isdigit())
    return sorted(number for number in numbers if f"{number:04d}.json" in names)


def _read_request(run: RunPaths, number: int, names: set[str]) -> Request:
    problems: list[str] = []
    content = files.look_json(f"{run.root}/requests/{number:04d}.json", problems)
    start, when = content.get("from"), content.get("time")
    total = integer_of(content.get("total_epochs"))
    if total is None:
        problems.append(f"requests/{number:04d}.json does not say how many epochs to train.")
        start, total = None, 0
    return Request(
        number=number,
        start=text_or_none(start),
        total_epochs=total,
        time=number_of(when) or 0.0,
        stop=f"{number:04d}.stop" in names,
        kill=f"{number:04d}.kill" in names,
        problem=problems[0].removesuffix(".") if problems else "",
    )


def _first_line(text: str) -> str:
    line = text.strip().split("\n", 1)[0].strip()
    return line if len(line) <= _LINE else line[: _LINE - 1] + "…"


def _last_log_line(log: Path) -> str:
    from core.store.logs import tail_file

    lines = tail_file(log, limit=4096).split("\n")
    return _first_line(next((line for line in reversed(lines) if line.strip()), ""))
