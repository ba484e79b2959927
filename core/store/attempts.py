"""The attempts of a run: written by its supervisor and trainer, one writer a file."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from core.store import files, process
from core.store.changes import mark_changed, require_writable
from core.store.json_values import integer_of, mapping_of, number_of, text_of
from core.store.leftovers import settle
from core.store.paths import AttemptPaths, RunPaths
from core.store.records import Attempt

_GPU = frozenset({"index", "name", "bus_id", "uuid"})


def numbers(run: RunPaths) -> list[int]:
    """The numbers of all attempts, ascending."""
    try:
        return sorted(int(name) for name in os.listdir(run.attempts) if name.isascii() and name.isdigit())
    except OSError:
        return []


def begin_attempt(
    run: RunPaths,
    request: int,
    *,
    slot: str,
    threads: int,
    gpu: Mapping[str, Any] | None = None,
    argv: Sequence[str] = (),
    supervisor: Mapping[str, Any] | None = None,
) -> AttemptPaths:
    """Make the next attempt's folder with its `start.json`: visible whole or not at all.

    Temporary files of dead writers are swept first. `gpu` is `{"name", "bus_id", "uuid", "index"}` when the
    slot has one; `supervisor` is `process.identify()` by default.
    Raises StateError for a run of a newer format, OSError when the disk does not take it.
    """
    require_writable(run)
    sweep_temporaries(run)
    files.make_dir(run.attempts, exist_ok=True)
    new = AttemptPaths(run.attempts / files.temporary_name("new"))
    files.make_dir(new.root)
    start = {
        "request": request,
        **start_content(slot=slot, threads=threads, gpu=gpu, argv=argv, supervisor=supervisor),
    }
    try:
        files.write_json(new.start, start)
        number = max(numbers(run), default=0) + 1
        while True:
            attempt = run.attempt(number)
            try:
                files.rename(new.root, attempt.root)
                break
            except OSError:
                # Two supervisors cannot be at work (sup.lock), yet a taken number must never be lost.
                if not attempt.root.exists() or not new.root.exists():
                    raise
                number += 1
    except BaseException:
        with suppress(OSError):
            files.remove_tree(new.root)
        raise
    mark_changed(run.root.parent, run.id)
    return attempt


def start_content(
    *,
    slot: str,
    threads: int,
    gpu: Mapping[str, Any] | None = None,
    argv: Sequence[str] = (),
    supervisor: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """What `start.json` of an attempt and of a job have in common."""
    return {
        "time": time.time(),
        "supervisor": dict(process.identify() if supervisor is None else supervisor),
        "trainer": None,
        "slot": slot,
        "threads": threads,
        "gpu": None if gpu is None else dict(gpu),
        "argv": list(argv),
    }


def note_trainer(attempt: AttemptPaths, trainer: Mapping[str, Any]) -> None:
    """Add the trainer's identity (`process.identify(pid)`) to `start.json`.

    Raises OSError, UnreadableError: what cannot be read is not replaced.
    """
    start = files.read_json(attempt.start) or {}
    files.write_json(attempt.start, {**start, "trainer": dict(trainer)})


def write_result(
    attempt: AttemptPaths,
    status: str,
    *,
    epoch: int,
    step: int,
    early_stop: Mapping[str, int] | None = None,
) -> None:
    """The trainer's last act, after its last checkpoint: `status` is `finished` or `stopped`.

    `early_stop` says that a finished run ended before its goal: `epoch` and `best_epoch`.
    """
    if status not in ("finished", "stopped"):
        raise ValueError(f"status is {status!r}, not 'finished' or 'stopped'")
    content: dict[str, Any] = {"status": status, "epoch": epoch, "step": step, "time": time.time()}
    if early_stop is not None:
        content["early_stop"] = dict(early_stop)
    _write(attempt, attempt.result, content)


def write_error(
    attempt: AttemptPaths,
    kind: str,
    message: str,
    *,
    epoch: int | None = None,
    step: int | None = None,
    reserve: files.Reserve | None = None,
) -> None:
    """Why the trainer gives up; `kind` is the exception's class name, `message` a sentence for people.

    `reserve` is space for the file (`files.reserve(attempt.error)`), for a full disk. Raises OSError.
    """
    content = {"type": kind, "message": message, "epoch": epoch, "step": step, "time": time.time()}
    _write(attempt, attempt.error, content, reserve)


def write_exit(
    attempt: AttemptPaths,
    *,
    code: int | None,
    signal: int | None,
    oom_kill: bool = False,
    reserve: files.Reserve | None = None,
) -> None:
    """How the trainer's process ended, seen by its supervisor; `reserve` as in `write_error`."""
    content = {"code": code, "signal": signal, "oom_kill": oom_kill, "time": time.time()}
    _write(attempt, attempt.exit, content, reserve)


def record_attempt(
    run: RunPaths, status: str, *, epoch: int, step: int, started: float, ended: float
) -> AttemptPaths:
    """Write down an attempt at request 1 that ended before the run was made: for runs trained elsewhere.

    `run` is still hidden, or nobody works on it. Raises OSError.
    """
    attempt = run.attempt(1)
    files.make_dir(attempt.root)
    start = start_content(slot="", threads=0, supervisor={})
    files.write_json(attempt.start, {"request": 1, **start, "time": started})
    files.write_json(attempt.result, {"status": status, "epoch": epoch, "step": step, "time": ended})
    files.write_json(attempt.exit, {"code": 0, "signal": None, "oom_kill": False, "time": ended})
    return attempt


def read_attempt(run: RunPaths, number: int) -> Attempt:
    """One attempt as far as its files go; never raises."""
    return read_folder(f"{run.root}/attempts/{number:04d}", number)


def read_folder(folder: str, number: int) -> Attempt:
    """What the files of an attempt, or of a job, say; never raises."""
    root = f"{folder}/"
    problems: list[str] = []
    start = files.look_json(root + "start.json", problems)
    result = files.look_json(root + "result.json", problems)
    end = files.look_json(root + "exit.json", problems)
    error: dict[str, Any] = {}
    status = result.get("status")
    if status not in ("finished", "stopped"):
        status = ""
        error = files.look_json(root + "error.json", problems)
    times = [number_of(part.get("time")) for part in (end, result, error)]
    return Attempt(
        number=number,
        request=integer_of(start.get("request")) or 0,
        started=number_of(start.get("time")),
        ended=next((value for value in times if value is not None), None),
        status=status,
        exited=bool(end),
        code=integer_of(end.get("code")),
        signal=integer_of(end.get("signal")),
        oom_kill=end.get("oom_kill") is True,
        error_type=text_of(error.get("type"), 100, newlines=True).strip(),
        error=text_of(error.get("message"), 2000, newlines=True).strip(),
        error_epoch=integer_of(error.get("epoch")),
        supervisor=mapping_of(start.get("supervisor")),
        trainer=mapping_of(start.get("trainer")),
        slot=text_of(start.get("slot"), 100, newlines=True).strip(),
        gpu={key: _shown(value) for key, value in mapping_of(start.get("gpu")).items() if key in _GPU},
        early_stop=_early_stop(result.get("early_stop")),
        epoch=integer_of(result.get("epoch")),
        problems=tuple(problems),
    )


def attempts(run: RunPaths) -> list[Attempt]:
    """All attempts, oldest first."""
    return [read_attempt(run, number) for number in numbers(run)]


def sweep_temporaries(run: RunPaths) -> list[str]:
    """Remove what dead writers left in a run folder; returns the removed names.

    Called when an attempt begins. Files that a living process is writing stay.
    """
    removed = settle(run)
    for folder in (run.root, run.requests, run.measures, run.predictions, run.attempts):
        removed += files.sweep(folder)
    for number in numbers(run):
        removed += files.sweep(run.attempt(number).root)
    with suppress(OSError):
        for entry in os.scandir(run.attempts):
            if entry.name.startswith(".new.") and files.is_abandoned(entry.path, entry.name):
                with suppress(OSError):
                    files.remove_tree(entry.path)
                    removed.append(entry.name)
    return removed


def _write(
    attempt: AttemptPaths,
    path: os.PathLike[str],
    content: Mapping[str, Any],
    reserve: files.Reserve | None = None,
) -> None:
    try:
        files.write_json(path, content)
    except OSError as error:
        if reserve is None or error.errno not in files.DISK_FULL:
            raise
        reserve.write(files.encode(content))
    run = attempt.root.parent.parent
    mark_changed(run.parent, run.name)


def _early_stop(value: object) -> Mapping[str, int] | None:
    numbers = {key: integer_of(mapping_of(value).get(key)) for key in ("epoch", "best_epoch")}
    known = {key: number for key, number in numbers.items() if number is not None}
    return known if "epoch" in known else None


def _shown(value: object) -> object:
    return text_of(value, 200, newlines=True).strip() if isinstance(value, str) else integer_of(value)
