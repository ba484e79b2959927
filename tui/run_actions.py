"""What can be done to runs, from any screen: a question, then core.launch in a thread."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from textual.content import Content

from core import humanise
from core.config.workspace import Workspace, config_files
from core.errors import UsageError
from core.reading import read_text
from core.text import clean
from tui.start import shown_path

if TYPE_CHECKING:
    from core.config.schema import Experiment
    from core.store.jobs import JobState
    from core.store.paths import RunPaths
    from core.store.records import Checkpoint, RunSummary
    from tui.dialogs.confirm import ConfirmDialog
    from tui.screens.base import LabScreen, LiveScreen

_ABOUT_A_RUN = frozenset(
    {"resume", "fork", "stop", "kill", "measure", "errors", "edit", "mark", "open", "report"}
)


def plain(text: str) -> Content:
    """Text for titles, buttons and lists, which would otherwise be read as markup."""
    return Content(text)


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


def launch(screen: LabScreen, config: str) -> None:
    """Open the form for a new run of `config`."""
    from tui.screens.launch import LaunchScreen

    screen.app.push_screen(LaunchScreen(config))


def pictures_of_config(screen: LabScreen, config: str) -> None:
    """Show what a config trains on."""
    from tui.screens.samples import SamplesScreen

    workspace = screen.lab.workspace

    def dumped() -> str:
        from core.config.load import dump, load_experiment

        return dump(load_experiment(config_path(workspace, config), workspace=workspace).experiment)

    screen.app.push_screen(SamplesScreen(config, dumped))


def data_of_config(screen: LabScreen, config: str) -> None:
    """Show the figures of what a config trains on."""
    from tui.screens.data import DataScreen

    workspace = screen.lab.workspace

    def loaded() -> Experiment:
        from core.config.load import load_experiment

        return load_experiment(config_path(workspace, config), workspace=workspace).experiment

    screen.app.push_screen(DataScreen(config, loaded))


def pictures_of_run(screen: LabScreen, run: RunSummary) -> None:
    """Show what a run trains on."""
    from tui.screens.samples import SamplesScreen

    config = _paths(screen, run).config
    screen.app.push_screen(SamplesScreen(run.label, lambda: read_text(config)))


def config_path(workspace: Workspace, name: str) -> Path:
    """The file of a config by the name that the list shows. Raises UsageError when it has gone."""
    for path in config_files(workspace):
        if clean(path.stem) == name:
            return path
    raise UsageError(f"The config {name} is no longer in {workspace.configs}.")


def resume(screen: LabScreen, run: RunSummary, *, start: str = "last", fork: bool = False) -> None:
    """Ask how to go on with a run, then do it."""
    from tui.dialogs.resume import ResumeDialog

    screen.app.push_screen(ResumeDialog(run, start=start, fork=fork))


def stop(screen: LabScreen, run: RunSummary) -> None:
    """Ask, then save and stop."""
    from core.launch.control import stop_run
    from tui.dialogs.confirm import ConfirmDialog

    waiting = run.state == "queued"
    question = ConfirmDialog(
        f"Stop {run.label}?",
        "It waits in the queue and has not begun; it is taken out."
        if waiting
        else f"It finishes the current step in epoch {run.epoch + 1}, saves a checkpoint and stops."
        " `r` goes on from there.",
        yes="remove from queue" if waiting else "stop and save",
        no="go on waiting" if waiting else "go on training",
    )
    _ask(screen, question, partial(stop_run, _paths(screen, run)))


def kill(screen: LabScreen, run: RunSummary) -> None:
    """Ask, then end it at once."""
    from core.launch.control import stop_run
    from tui.dialogs.confirm import ConfirmDialog

    question = ConfirmDialog(
        f"Kill {run.label}?",
        "It ends at once and nothing is saved: what was trained since the last checkpoint"
        f" (epoch {run.epoch}) is lost. `s` stops and saves.",
        yes="kill",
        no="go on training",
        danger=True,
    )
    _ask(screen, question, partial(stop_run, _paths(screen, run), kill=True))


def measure(screen: LabScreen, run: RunSummary, *, checkpoint: str = "", splits: Sequence[str] = ()) -> None:
    """Ask what to measure, then start a job for it."""
    from tui.dialogs.measure import MeasureDialog

    screen.app.push_screen(MeasureDialog(run, checkpoint=checkpoint, splits=splits))


def errors(screen: LabScreen, run: RunSummary, *, checkpoint: str = "") -> None:
    """Show what a run gets wrong: at `checkpoint`, or where it was best."""
    from tui.screens.errors import ErrorsScreen

    screen.app.push_screen(ErrorsScreen(run, _paths(screen, run).root, checkpoint))


def stop_job(screen: LabScreen, run: RunSummary, job: JobState) -> None:
    """Ask, then end a job; what it has done stays."""
    from core.launch import jobs
    from tui.dialogs.confirm import ConfirmDialog

    done = f"{job.done} of {job.total} are done and stay; " if job.total else ""
    question = ConfirmDialog(
        f"Stop {job.name} of {run.label}?",
        f"{done}the same job given again does the rest.",
        yes="stop it",
        no="go on",
    )
    _ask(screen, question, partial(jobs.stop_job, job.job))


def pin(screen: LabScreen, run: RunSummary, checkpoint: Checkpoint) -> None:
    """Pin a checkpoint, so that it is never removed, or give it free again."""
    from core.store import annotate

    screen.lab.perform(partial(annotate.pin, _paths(screen, run), checkpoint.id, not checkpoint.pinned))


def edit(screen: LabScreen, run: RunSummary) -> None:
    """Change name, tags, note, or put the run away."""
    from tui.dialogs.edit import EditDialog

    screen.app.push_screen(EditDialog(run))


def report(screen: LiveScreen, words: Sequence[str], name: str) -> None:
    """Write a report of runs, or of a study by its file, into a new folder; says where."""
    workspace = screen.lab.workspace

    def write() -> str:
        from tui.children import call

        folder = free_name(workspace.root / "reports", f"report-{name}")
        folder.parent.mkdir(exist_ok=True)
        made = call(workspace, "report", *words, "--out", str(folder))
        return f"report written: {clean(made['html'])} ({humanise.size(made['bytes'])})"

    screen.notify(f"writing the report of {name} …", markup=False)
    screen.lab.perform(write, lambda text: screen.notify(text, markup=False, timeout=20))


def free_name(folder: Path, name: str, suffix: str = "") -> Path:
    """`name` in `folder`, with a number behind it when it is taken."""
    path, number = folder / f"{name}{suffix}", 1
    while path.exists():
        number += 1
        path = folder / f"{name}-{number}{suffix}"
    return path


def studies(screen: LiveScreen) -> None:
    """Open the study of the workspace; of several, ask which."""
    from tui.dialogs.choose import Choice, ChooseDialog
    from tui.screens.study import StudyScreen

    workspace = screen.lab.workspace

    def find() -> list[Path]:
        # What the screen needs is loaded here, off the UI thread: it takes a second on a busy machine.
        from core.config.study import study_files

        for module in ("tui.read.study_reader", "tui.screens.study_text", "tui.chart.band"):
            importlib.import_module(module)
        return study_files(workspace)

    def found(files: list[Path]) -> None:
        names = {clean(path.stem): path for path in files}

        def chosen(name: str | None) -> None:
            if name is not None:
                screen.app.push_screen(StudyScreen(names[name]))

        if not files:
            where = shown_path(workspace.configs / "studies")
            screen.notify(
                f"no studies in {where}: `labtui study --help` shows how one looks", markup=False, timeout=10
            )
        elif len(files) == 1:
            screen.app.push_screen(StudyScreen(files[0]))
        else:
            screen.app.push_screen(ChooseDialog("Which study?", [Choice(name) for name in names]), chosen)

    screen.lab.perform(find, found)


def _ask(screen: LabScreen, question: ConfirmDialog, action: Callable[[], None]) -> None:
    screen.app.push_screen(question, lambda yes: screen.lab.perform(action) if yes else None)


def _paths(screen: LabScreen, run: RunSummary) -> RunPaths:
    from core.store.paths import RunPaths

    return RunPaths(screen.lab.workspace.runs / run.id)
