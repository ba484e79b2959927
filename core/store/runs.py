"""Runs made, asked for more, stopped, renamed and removed."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from core.config.workspace import Workspace
from core.errors import StateError, UsageError
from core.store import attempts, files, jobs, locks, process, state
from core.store.changes import mark_changed, require_active, require_writable
from core.store.changes import meta_lock as meta_lock
from core.store.json_values import text_of, texts_in
from core.store.origin import asked_by
from core.store.paths import FORMAT, RUN_ID, JobPaths, RunPaths
from core.store.records import ACTIVE
from core.store.version import code_version
from core.text import clean

requests = state.requests

NAME_LIMIT = 100
_NOTE_LIMIT = 10_000
_NEW, _TRASH = ".new", ".trash"
_LOCK_PATIENCE = 5.0
_ENV_NAMES = frozenset({"PYTHONHASHSEED", "SLURM_JOB_ID"})
_ENV_PREFIXES = ("CUDA_", "NCCL_", "OMP_")


def create_run(
    workspace: Workspace,
    *,
    config_name: str,
    config_text: str,
    model: str,
    metric: str,
    metric_mode: str,
    total_epochs: int,
    argv: Sequence[str],
    name: str = "",
    tags: Sequence[str] = (),
    parent: Mapping[str, str] | None = None,
    start: str | None = None,
    device: str = "auto",
    gpus: Sequence[int | str] | None = None,
    mode: str = "full",
    log: Mapping[str, Any] | None = None,
    code: tuple[str, bytes] | None = None,
    imported: bool = False,
    prepare: Callable[[RunPaths], None] | None = None,
) -> RunPaths:
    """Make a run with its first request: visible whole or not at all, in a folder of its own.

    `parent` is `{"run", "checkpoint"}` of a fork, `start` the id under which its start checkpoint lies in the
    new run (`a00-e0005`); `prepare` fills in what it inherits, before the run becomes visible. `log` says
    which trackers follow it, `code` is the file name and content of a network that the user wrote, kept in
    `code/`. An `imported` run was trained elsewhere and is only looked at: its `prepare` records an attempt
    that has ended (`attempts.record_attempt`). Raises UsageError for a name that cannot be, OSError when the
    disk does not take it (nothing stays then).
    """
    if metric_mode not in ("max", "min"):
        raise ValueError(f"metric_mode is {metric_mode!r}, not 'max' or 'min'")
    now = time.time()
    meta = _checked_meta({"name": name, "tags": list(tags), "note": "", "archived": False})
    spec = {
        "format": FORMAT,
        "config": config_name,
        "model": model,
        "metric": metric,
        "metric_mode": metric_mode,
        "epochs": total_epochs,
        "created": now,
        "argv": list(argv),
        "device": device,
        "gpus": None if gpus is None else list(gpus),
        "mode": mode,
        "log": dict(log or {}),
        "priority": 0,
        "parent": dict(parent) if parent else None,
        "code": code_version(),
        "env": kept_environment(os.environ),
    }
    if imported:
        spec["imported"] = True
    if code is not None:
        spec["model_code"] = {"file": code[0], "sha256": hashlib.sha256(code[1]).hexdigest()}
    runs = workspace.runs
    if not runs.is_dir():
        if not workspace.root.is_dir():
            raise UsageError(f"The workspace {workspace.root} does not exist; labtui init makes one.")
        files.make_dir(runs, exist_ok=True)
    _sweep(runs)
    new = RunPaths(runs / files.temporary_name(_NEW[1:]).removesuffix(".tmp"))
    files.make_dir(new.root)
    try:
        for folder in (new.requests, new.attempts, new.checkpoints, new.measures, new.predictions):
            files.make_dir(folder)
        files.write_bytes(new.config, config_text.encode("utf-8", "surrogateescape"))
        files.write_json(new.meta, meta)
        files.write_json(new.request(1), _request(start, total_epochs, now))
        if code is not None:
            files.make_dir(new.code)
            files.write_bytes(new.code / code[0], code[1])
        if prepare is not None:
            prepare(new)
        run = _publish(new, spec, config_name, now)
    except BaseException:
        with suppress(OSError):
            files.remove_tree(new.root)
        raise
    mark_changed(runs, run.id)
    return run


def add_request(run: RunPaths, start: str | None, total_epochs: int) -> int:
    """Ask an ended run to go on from checkpoint `start` (None: from scratch) to `total_epochs`.

    Returns the request's number. The same wish made twice at once, or again while the first is under way, is
    one request. Raises StateError when the run is active with another one.
    """
    require_writable(run)
    newest = _newest_number(run)
    derived = state.derive_state(run)
    if derived.state in ACTIVE:
        current = state.newest_request(run)
        if current and (current.start, current.total_epochs) == (start, total_epochs):
            return current.number
        raise StateError(
            f"Run {run.id} is {derived.state} with another request; stop it first, then resume it."
        )
    number = newest + 1
    try:
        files.create_json(run.request(number), _request(start, total_epochs, time.time()))
    except FileExistsError:
        winner = files.peek_json(run.request(number)) or {}
        if (winner.get("from"), winner.get("total_epochs")) != (start, total_epochs):
            raise StateError(
                f"Run {run.id} was asked to continue from {clean(str(winner.get('from')))} to epoch "
                f"{clean(str(winner.get('total_epochs')))} at the same moment; stop it first to ask for more."
            ) from None
    mark_changed(run.root.parent, run.id)
    return number


def request_stop(run: RunPaths, kill: bool = False) -> int:
    """Mark the newest request as to be stopped (`kill`: ended without saving); returns its number.

    Only the wish is written, also where spec.json has been lost. Raises StateError when the run has ended.
    """
    require_writable(run, damaged=True)
    derived = state.derive_state(run)
    require_active(f"Run {run.id}", derived.state)
    number = derived.request
    files.touch_exclusive(run.stop_marker(number))
    if kill:
        files.touch_exclusive(run.kill_marker(number))
    mark_changed(run.root.parent, run.id)
    return number


def remove_run(run: RunPaths) -> None:
    """Delete a run that has ended. It disappears at once and is then deleted.

    Raises StateError for an active run (on a network disk also one that another host has begun and not
    ended), one that is being changed or forked, a link, or a run of a newer format.
    """
    if not RUN_ID.fullmatch(run.id):
        raise StateError(f"'{clean(run.id)}' is not a run id; nothing was deleted.")
    if run.root.is_symlink():
        raise StateError(f"Run {run.id} is a link to {run.root.resolve()}; remove the link by hand.")
    require_writable(run)
    held: list[locks.Lock] = []
    # The supervisor of a run that has just ended holds its lock a moment longer.
    patience = 0.2 if state.derive_state(run).state in ACTIVE else _LOCK_PATIENCE
    try:
        for kind in ("sup", "train"):
            lock = locks.acquire(locks.run_lock_path(run, kind), timeout=patience)
            if lock is None:
                raise StateError(f"Run {run.id} is running; stop it before you remove it.")
            held.append(lock)
        for job in jobs.job_paths(run):
            held += _job_locks(job)
        # Held by whoever forks the run: the fork gets its prefix and its split, or never begins.
        held.append(meta_lock(run))
        _require_ended_elsewhere(run)
        if _is_queued(run):
            raise StateError(f"Run {run.id} is queued; stop it before you remove it.")
        trash = run.root.parent / files.temporary_name(_TRASH[1:]).removesuffix(".tmp")
        files.rename(run.root, trash)
    finally:
        for lock in held:
            lock.release()
    mark_changed(run.root.parent, run.id)
    for lock in held:
        # Only those outside the run's folder are still there.
        files.unlink(lock.path)
    files.remove_tree(trash)


def _require_ended_elsewhere(run: RunPaths) -> None:
    """Locks say nothing of another host. Raises StateError when one has begun what it has not ended."""
    tried = (attempts.read_attempt(run, number) for number in reversed(attempts.numbers(run)))
    begun = [("training", attempt) for attempt in tried if not attempt.locked_out][:1]
    begun += [(job.root.name, attempts.read_folder(str(job.root), job.number)) for job in jobs.job_paths(run)]
    for what, attempt in begun:
        if attempt.status or attempt.exited or state.lost(attempt, run.root.parent, "")[0] not in ACTIVE:
            continue
        if process.is_same(attempt.trainer):
            raise StateError(f"Run {run.id} is still {what}, though its lock file is gone: stop it first.")
        host = clean(str(attempt.supervisor.get("host"))[:NAME_LIMIT])
        raise StateError(
            f"Run {run.id} is on a network disk and {host} has begun {what} without saying that it ended: "
            f"remove it there. If {host} is gone for good, delete the folder {clean(str(run.root))} by hand."
        )


def _job_locks(job: JobPaths) -> list[locks.Lock]:
    """Both locks of a job that has ended. Raises StateError for one that runs or waits."""
    name = f"Job {job.root.name} of run {job.run.id}"
    patience = 0.2 if jobs.read_job(job).state in ACTIVE else _LOCK_PATIENCE
    held: list[locks.Lock] = []
    try:
        for kind in ("sup", "work"):
            lock = locks.acquire(locks.job_lock_path(job, kind), timeout=patience)
            if lock is None:
                raise StateError(f"{name} is running; stop it before you remove the run.")
            held.append(lock)
        if jobs.is_untouched(job):
            raise StateError(f"{name} is queued; stop it before you remove the run.")
    except BaseException:
        for lock in held:
            lock.release()
        raise
    return held


def read_meta(run: RunPaths, problems: list[str] | None = None) -> dict[str, Any]:
    """`{"name", "tags", "note", "archived"}`, cleaned; defaults where the file lacks them. Never raises.

    That the file is there but cannot be read is added to `problems`.
    """
    return _meta_of(files.look_json(run.meta, [] if problems is None else problems))


def _meta_of(stored: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": text_of(stored.get("name"), NAME_LIMIT),
        "note": text_of(stored.get("note"), _NOTE_LIMIT, newlines=True),
        "tags": texts_in(stored.get("tags"), NAME_LIMIT),
        "archived": stored.get("archived") is True,
    }


def change_meta(run: RunPaths, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Write what `change` makes of what `read_meta` gives, under the run's meta lock.

    Raises UsageError for values that cannot be, StateError when the run is locked or of a newer format,
    UnreadableError when meta.json cannot be read: what somebody wrote in it is not replaced.
    """
    require_writable(run)
    with meta_lock(run):
        stored = files.read_json(run.meta) or {}
        changes = _checked_meta(change(_meta_of(stored)))
        files.write_json(run.meta, {**stored, **changes})
    mark_changed(run.root.parent, run.id)


def kept_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The variables a run records: CUDA_*, NCCL_*, OMP_*, PYTHONHASHSEED, SLURM_JOB_ID and no other."""
    return {
        key: clean(value)
        for key, value in sorted(environ.items())
        if key in _ENV_NAMES or key.startswith(_ENV_PREFIXES)
    }


def _request(start: str | None, total_epochs: int, now: float) -> dict[str, Any]:
    return {"from": start, "total_epochs": total_epochs, "time": now, **asked_by(os.environ)}


def _publish(new: RunPaths, spec: dict[str, Any], config_name: str, now: float) -> RunPaths:
    """Rename the finished folder to a free id, which its spec.json holds."""
    slug = re.sub(r"[^A-Za-z0-9._-]+", "-", config_name).strip("-.")[:60] or "run"
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime(now))
    while True:
        run = RunPaths(new.root.parent / f"{stamp}-{slug}-{secrets.token_hex(2)}")
        if run.root.exists():
            continue
        files.write_json(new.spec, {"format": FORMAT, "id": run.id, **spec})
        try:
            files.rename(new.root, run.root)
            return run
        except OSError:
            # Taken in the meantime by another: a folder with content is never replaced.
            if not run.root.exists() or not new.root.exists():
                raise


def _checked_meta(meta: dict[str, Any]) -> dict[str, Any]:
    name = meta.get("name", "")
    if name and (name.startswith(("-", "@", ".", "/")) or name != name.strip() or clean(name) != name):
        raise UsageError(
            f"'{clean(name)}' cannot be a run's name: it must not start with '-', '@', '.' or '/', contain "
            "control characters, or start or end with a space."
        )
    for what, text in [("name", name), *(("tag", tag) for tag in meta.get("tags", ()))]:
        if len(text) > NAME_LIMIT:
            raise UsageError(f"The {what} '{clean(text[:20])}…' is longer than {NAME_LIMIT} characters.")
    if "note" in meta:
        meta["note"] = clean(meta["note"][:_NOTE_LIMIT], newlines=True)
    if "tags" in meta:
        meta["tags"] = [clean(tag) for tag in meta["tags"]]
    return meta


def _newest_number(run: RunPaths) -> int:
    names = (name[:-5] for name in os.listdir(run.requests) if name.endswith(".json"))
    return max((int(name) for name in names if name.isascii() and name.isdigit()), default=0)


def _is_queued(run: RunPaths) -> bool:
    """As derive_state says while we hold both locks ourselves."""
    return state.is_untouched(run)


def _sweep(runs: Path) -> None:
    """Remove folders that a dead process was making or deleting."""
    with suppress(OSError):
        for entry in os.scandir(runs):
            if entry.name.startswith((f"{_NEW}.", f"{_TRASH}.")) and files.is_abandoned(
                entry.path, entry.name
            ):
                with suppress(OSError):
                    files.remove_tree(entry.path)
