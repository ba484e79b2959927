"""The runs of a workspace: found by what people type, summed up one line each, kept fresh cheaply."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable
from pathlib import Path

from core.config.workspace import Workspace
from core.errors import RunsFolderError, UsageError
from core.os_errors import sentence
from core.reading import is_folder
from core.store.attempts import numbers as attempt_numbers
from core.store.files import modified, peek_json
from core.store.json_values import number_of
from core.store.metrics import MetricsReader
from core.store.paths import RUN_ID, RunPaths
from core.store.records import RunSummary
from core.store.runs import read_meta
from core.store.summary import broken
from core.store.summary import summarise as _summarise
from core.store.summary_cache import Stamp, load_index, save_index
from core.text import clean, did_you_mean

LAST = "@last"
# A folder changed this recently may change again without a new time stamp.
_RACY = 2_000_000_000
_SAVE_AFTER = 50
_STAMPED = re.compile(r"\d{8}-\d{6}-")
_STAMP_LENGTH = 16
_REQUEST = re.compile(r"\d+\.json")


def list_runs(workspace: Workspace) -> list[RunPaths]:
    """All runs, newest first. Raises RunsFolderError."""
    found = (RunPaths(workspace.runs / name) for name in _run_names(workspace.runs))
    return [run for run in found if is_run(run)]


def is_run(run: RunPaths) -> bool:
    """Whether a folder is a run's: it has a spec.json, or at least was asked for something. Never raises.

    One that cannot be looked into is: it must not hide.
    """
    try:
        os.lstat(run.spec)
        return True
    except (FileNotFoundError, NotADirectoryError):
        pass
    except OSError:
        return True
    try:
        return any(_REQUEST.fullmatch(name) for name in os.listdir(run.requests))
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True


def find_run(workspace: Workspace, ref: str) -> RunPaths:
    """The run that `ref` means (`_find`). Raises RunsFolderError as well when its folder keeps us out."""
    run = _find(workspace, ref)
    try:
        os.stat(run.spec)
    except (FileNotFoundError, NotADirectoryError):
        pass
    except OSError as error:
        raise RunsFolderError(f"Run {run.id} cannot be looked at: {sentence(error)}") from error
    return run


def _find(workspace: Workspace, ref: str) -> RunPaths:
    """The run meant by an id, a unique prefix or part of one, a name, `@last`, or a path to its folder.

    Raises UsageError which lists the candidates, or names the nearest one; RunsFolderError.
    """
    runs = list_runs(workspace)
    if not runs:
        raise UsageError(f"There are no runs in {workspace.runs} yet; labtui train --config FILE starts one.")
    if ref == LAST:
        return _latest(runs)
    by_id = {run.id: run for run in runs}
    word = ref.rstrip("/")
    if "/" in word:
        path = Path(os.path.abspath(os.path.expanduser(word)))
        if path.parent == workspace.runs and path.name in by_id:
            return by_id[path.name]
    if word in by_id:
        return by_id[word]
    names = {run.id: read_meta(run)["name"] for run in runs} if word else {}
    lower = word.lower()
    for fits in (
        lambda run: names[run.id] in (ref, word),
        lambda run: run.id.startswith(word),
        lambda run: lower in run.id.lower() or lower in names[run.id].lower(),
    ):
        found = [run for run in runs if word and fits(run)]
        if len(found) == 1:
            return found[0]
        if found:
            raise UsageError(
                f"'{clean(word)}' matches {len(found)} runs: {_listed(found, names)}. Type more of it."
            )
    guess = did_you_mean(word, [*filter(None, names.values()), *by_id])
    raise UsageError(f"No run is called '{clean(ref)}'{guess}; labtui ls lists them.")


def summarise(run: RunPaths, cache: MetricsReader | None = None) -> RunSummary:
    """One line about a run. `cache` is a reader of its metrics (`steps=False`) to go on from.

    Never raises: the line of a run that cannot be summed up says why, whatever was found in its folder.
    """
    try:
        return _summarise(run, cache)
    except Exception as error:
        return broken(run, error)


class Catalogue:
    """Summaries of all runs, re-read only where something can have changed. Used by one thread at a time.

    Ended runs are taken from memory, or from an index in the cache folder, as long as the folder times that
    every change moves stand still.
    """

    def __init__(self, workspace: Workspace, *, index: bool = True) -> None:
        self.workspace = workspace
        self.complete = False
        self._known: dict[str, tuple[Stamp, RunSummary]] = load_index(workspace.runs) if index else {}
        self._readers: dict[str, MetricsReader] = {}
        self._index = index
        self._unsaved = 0

    def refresh(self, budget: float | None = None) -> list[RunSummary]:
        """Summaries, newest first.

        With a `budget`, older runs that are not known yet are left out when so many seconds are over;
        `complete` says whether any were. Call again to go on. Raises RunsFolderError.
        """
        runs = str(self.workspace.runs)
        deadline = None if budget is None else time.monotonic() + budget
        names = _run_names(self.workspace.runs)
        summaries: list[RunSummary] = []
        self.complete = True
        for name in names:
            known = self._known.get(name)
            try:
                stamp = _stamp(f"{runs}/{name}", known[0][-1] if known is not None else 0)
                if stamp is None:
                    continue
                if known is not None and known[0] == stamp:
                    summaries.append(known[1])
                    continue
                if deadline is not None and time.monotonic() > deadline and summaries:
                    self.complete = False
                    continue
                # Another attempt may be the newest by now.
                stamp = _stamp(f"{runs}/{name}")
            except OSError as error:
                summaries.append(broken(RunPaths(self.workspace.runs / name), error))
                continue
            summary = None if stamp is None else self._read(name, stamp)
            if summary is not None:
                summaries.append(summary)
        self._forget(names)
        if self.complete and self._unsaved >= _SAVE_AFTER:
            self.save()
        return summaries

    def save(self) -> None:
        """Write what is known about ended runs to the index, for the next start; never fails."""
        if self._index and self._unsaved:
            save_index(self.workspace.runs, self._known)
            self._unsaved = 0

    def _read(self, name: str, stamp: Stamp) -> RunSummary | None:
        run = RunPaths(self.workspace.runs / name)
        if not is_run(run):
            return None
        reader = self._readers.get(name) or MetricsReader(run.metrics, steps=False)
        summary = summarise(run, reader)
        self._known.pop(name, None)
        # `lost` may be a trainer that has not taken its lock yet.
        if summary.state in ("finished", "stopped", "failed"):
            self._readers.pop(name, None)
            # A file that is put right in its place moves no folder's time.
            if not summary.problems and time.time_ns() - max(stamp[:-1]) > _RACY:
                self._known[name] = (stamp, summary)
                self._unsaved += 1
        else:
            self._readers[name] = reader
        return summary

    def _forget(self, names: Iterable[str]) -> None:
        if len(self._known) + len(self._readers) == 0:
            return
        there = set(names)
        for gone in self._known.keys() - there:
            del self._known[gone]
            self._unsaved += 1
        for gone in self._readers.keys() - there:
            del self._readers[gone]


def _run_names(runs: Path) -> list[str]:
    """Names of folders that can be runs, newest first. Raises RunsFolderError unless there is no folder."""
    try:
        with os.scandir(runs) as entries:
            names = [entry.name for entry in entries if RUN_ID.fullmatch(entry.name) and is_folder(entry)]
    except OSError as error:
        if isinstance(error, FileNotFoundError) and not os.path.lexists(runs):
            return []
        raise RunsFolderError(f"The runs cannot be looked at: {sentence(error)}") from error
    names.sort(reverse=True)
    return names


def _stamp(root: str, attempt: int | None = None) -> Stamp | None:
    """Times of the folders which every change to an ended run touches, and the number of its newest attempt.

    `attempt` is that number where it is known: a later one comes with a request. Results may arrive late, as
    with rsync. None when it is no run folder. Raises OSError when the folder cannot be looked into.
    """
    try:
        times = os.stat(root).st_mtime_ns, os.stat(f"{root}/requests").st_mtime_ns
    except (FileNotFoundError, NotADirectoryError):
        return None
    if attempt is None:
        attempt = max(attempt_numbers(RunPaths(Path(root))), default=0)
    return *times, modified(f"{root}/attempts/{attempt:04d}") if attempt else 0, attempt


def _latest(runs: list[RunPaths]) -> RunPaths:
    """The run that was made last. Names that begin with the time need no look inside; others do."""
    stamped = [run for run in runs if _STAMPED.match(run.id)]
    newest = stamped[0].id[:_STAMP_LENGTH] if stamped else ""
    asked = [run for run in runs if not _STAMPED.match(run.id) or run.id.startswith(newest)]

    def created(run: RunPaths) -> float:
        return number_of((peek_json(run.spec) or {}).get("created")) or 0.0

    return max(asked, key=created)


def _listed(runs: list[RunPaths], names: dict[str, str]) -> str:
    shown = [f"{run.id} ({names[run.id]})" if names.get(run.id) else run.id for run in runs[:5]]
    return ", ".join(shown) + (f" and {len(runs) - 5} more" if len(runs) > 5 else "")
