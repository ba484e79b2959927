"""What can be done to runs, from any screen: a question in a dialog, then core.launch in a thread."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from core import humanise
from core.text import clean
from tui.lab import Lab

if TYPE_CHECKING:
    from core.store.jobs import JobState
    from core.store.paths import RunPaths
    from core.store.records import Checkpoint, RunSummary
    from tui.dialogs.confirm import ConfirmDialog

_ABOUT_A_RUN = frozenset(
    {"resume", "fork", "stop", "kill", "measure", "errors", "edit", "mark", "open", "report"}
)


def possible(action: str, run: RunSummary | None) -> bool:
    """Whether an action on a run makes sense for this one now; True for actions that are about no run."""
    if action not in _ABOUT_A_RUN:
        return True
    if run is None:
        return False
    from core.store.records import ACTIVE

    if action == "resume":
        return run.state not in ACTIVE and not run.imported
    if action == "fork":
        return not run.imported
    if action in ("stop", "kill"):
        return run.state in ACTIVE
    return run.epoch > 0 if action in ("measure", "errors", "report") else True


def resume(lab: Lab, run: RunSummary, *, start: str = "last", fork: bool = False) -> None:
    """Ask how to go on with a run, then do it."""
    from tui.dialogs.resume import ResumeDialog

    lab.push_screen(ResumeDialog(run, start=start, fork=fork))


def stop(lab: Lab, run: RunSummary) -> None:
    """Ask, then save and stop."""
    from core.launch.control import stop_run
    from tui.dialogs.confirm import ConfirmDialog

    waiting = run.state == "queued"
    question = ConfirmDialog(
        f"Stop {run.label}?",
        "It waits in the queue and has not started; it is removed."
        if waiting
        else f"It finishes the current step in epoch {run.epoch + 1}, saves a checkpoint and stops."
        " `r` continues from there.",
        yes="remove from queue" if waiting else "stop and save",
        no="keep waiting" if waiting else "keep training",
    )
    _ask(lab, question, partial(stop_run, run_paths(lab, run)))


def kill(lab: Lab, run: RunSummary) -> None:
    """Ask, then end it at once."""
    from core.launch.control import stop_run
    from tui.dialogs.confirm import ConfirmDialog

    question = ConfirmDialog(
        f"Kill {run.label}?",
        "It ends at once and nothing is saved: what was trained since the last checkpoint"
        f" (epoch {run.epoch}) is lost. `s` stops and saves.",
        yes="kill",
        no="keep training",
        danger=True,
    )
    _ask(lab, question, partial(stop_run, run_paths(lab, run), kill=True))


def measure(lab: Lab, run: RunSummary, *, checkpoint: str = "", splits: Sequence[str] = ()) -> None:
    """Ask what to measure, then start a job for it."""
    from tui.dialogs.measure import MeasureDialog

    lab.push_screen(MeasureDialog(run, checkpoint=checkpoint, splits=splits))


def stop_job(lab: Lab, run: RunSummary, job: JobState) -> None:
    """Ask, then end a job; what it has done stays."""
    from core.launch import jobs
    from tui.dialogs.confirm import ConfirmDialog

    done = f"{job.done} of {job.total} are done and stay; " if job.total else ""
    question = ConfirmDialog(
        f"Stop {job.name} of {run.label}?",
        f"{done}the same job continues from there.",
        yes="stop it",
        no="keep measuring",
    )
    _ask(lab, question, partial(jobs.stop_job, job.job))


def pin(lab: Lab, run: RunSummary, checkpoint: Checkpoint) -> None:
    """Pin a checkpoint, so that it is never removed, or give it free again."""
    from core.store import annotate

    lab.perform(partial(annotate.pin, run_paths(lab, run), checkpoint.id, not checkpoint.pinned))


def edit(lab: Lab, run: RunSummary) -> None:
    """Change name, tags, note, or put the run away."""
    from tui.dialogs.edit import EditDialog

    lab.push_screen(EditDialog(run))


def report(lab: Lab, words: Sequence[str], name: str) -> None:
    """Write a report of runs, or of a study by its file, into a new folder; says where."""
    workspace = lab.workspace

    def write() -> str:
        from tui.children import call

        folder = free_name(workspace.root / "reports", f"report-{name}")
        folder.parent.mkdir(exist_ok=True)
        made = call(workspace, "report", *words, "--out", str(folder))
        return f"report written: {clean(made['html'])} ({humanise.size(made['bytes'])})"

    lab.notify(f"writing the report of {name} …", markup=False)
    lab.perform(write, lambda text: lab.notify(text, markup=False, timeout=20))


def free_name(folder: Path, name: str, suffix: str = "") -> Path:
    """`name` in `folder`, with a number behind it when it is taken."""
    path, number = folder / f"{name}{suffix}", 1
    while path.exists():
        number += 1
        path = folder / f"{name}-{number}{suffix}"
    return path


def _ask(lab: Lab, question: ConfirmDialog, action: Callable[[], None]) -> None:
    lab.push_screen(question, lambda yes: lab.perform(action) if yes else None)


def run_paths(lab: Lab, run: RunSummary) -> RunPaths:
    """The files of a run of this workspace."""
    from core.store.paths import RunPaths

    return RunPaths(lab.workspace.runs / run.id)
