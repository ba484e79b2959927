"""What is done to a study from its screen: a question, then the work in a thread or a process of its own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from core.text import clean
from tui import run_actions
from tui.lab import Lab
from tui.screens import study_text

if TYPE_CHECKING:
    from core.analysis.study_table import Cell
    from core.cli.study_view import StudyView

_MORE = ("1", "2", "3", "5", "10")


class StudyHost(Protocol):
    """The screen of a study: its file, the app, and where a sentence is shown."""

    path: Path

    @property
    def lab(self) -> Lab: ...

    def say(self, text: str) -> None:
        """Show a sentence."""

    def done(self, text: str) -> None:
        """Show what was done, and read the study anew."""


def start(screen: StudyHost, view: StudyView) -> None:
    """Ask, then queue what the study lacks."""
    from tui.dialogs.confirm import ConfirmDialog

    question = study_text.start_question(view)
    if not question:
        screen.say(study_text.nothing_lacks(view))
        return
    dialog = ConfirmDialog(
        f"Start the missing runs of {view.study.name}?", question, yes="queue them", no="cancel"
    )
    screen.lab.push_screen(dialog, lambda yes: _go_on(screen, "") if yes else None)


def retry(screen: StudyHost, view: StudyView, cell: Cell) -> None:
    """Ask, then go on with the failed runs of a trial."""
    from tui.dialogs.confirm import ConfirmDialog

    failed = [run for run in cell.runs if run.status == "failed"]
    reasons = dict.fromkeys(
        f"seed {run.seed}, epoch {run.epoch + 1}: {run.reason or 'failed'}" for run in failed
    )
    dialog = ConfirmDialog(
        f"Resume the failed runs of {cell.trial}?",
        "\n".join(
            [*list(reasons)[:8], f"Each continues from its last checkpoint to epoch {view.study.epochs}."]
        ),
        yes="resume",
        no="cancel",
    )
    screen.lab.push_screen(dialog, lambda yes: _go_on(screen, cell.trial) if yes else None)


def _go_on(screen: StudyHost, failed_of: str) -> None:
    path, workspace = screen.path, screen.lab.workspace

    def work() -> str:
        from core.cli.study_steps import go_on, step_words

        return step_words(go_on(path, workspace, failed_of=failed_of))

    screen.lab.perform(work, screen.done)


def more_seeds(screen: StudyHost, view: StudyView, cell: Cell) -> None:
    """Ask how many more seeds a trial is to have, then show the line to write into the file."""
    from tui.dialogs.choose import Choice, ChooseDialog
    from tui.dialogs.text import TextDialog

    path = screen.path
    seeds = [run.seed for run in cell.runs]

    def asked(count: str | None) -> None:
        if count is None:
            return
        if not (count.isascii() and count.isdecimal() and 0 < int(count) <= 1000):
            screen.say(f"expected a number of seeds up to 1000, got {count}")
            return

        def work() -> str:
            from core.cli.study_seeds import more_seeds

            line = more_seeds(path, view.study, cell.trial, seeds, int(count))
            return study_text.seeds_words(line, cell.trial)

        def shown(text: str) -> None:
            screen.lab.push_screen(TextDialog(f"More seeds for {cell.trial}", text))

        screen.lab.perform(work, shown)

    title = f"How many more seeds for {cell.trial}? It has {len(seeds)}."
    choices = [Choice(number, f"{len(seeds) + int(number)} in all") for number in _MORE]
    screen.lab.push_screen(ChooseDialog(title, choices, current="3", free="or type a number"), asked)


def until_decided(screen: StudyHost, view: StudyView, cell: Cell, marked: list[str]) -> None:
    """Ask for the most pairs, then start the process that adds seeds to two trials."""
    from tui.dialogs.until import UntilDialog

    second = study_text.second_of(view, cell.trial, marked)
    if not second:
        screen.say("the study has one trial: there is nothing to decide")
        return
    path, workspace = screen.path, screen.lab.workspace
    known = next((plan for plan in view.plans if plan.pair == {cell.trial, second}), None)

    def asked(at_most: int | None) -> None:
        if at_most is None:
            return

        def work() -> str:
            from core.cli.study_until import plan_of
            from core.store.study_plans import driver_lock
            from tui.children import detach

            plan = plan_of(path, workspace, (cell.trial, second), at_most, None)
            lock = driver_lock(workspace, path.stem, plan.pair)
            log = lock.with_suffix(".log")
            words = [
                "study",
                str(path),
                "--until-decided",
                plan.first,
                plan.second,
                "--at-most",
                str(at_most),
            ]
            detach(workspace, *words, log=log, lock=lock)
            return f"adding seeds to {plan.first} and {plan.second}; its log: {clean(str(log))}"

        screen.lab.perform(work, screen.done)

    at_most = known.at_most if known else 20
    screen.lab.push_screen(UntilDialog(cell.trial, second, at_most=at_most, fixed=known is not None), asked)


def table(screen: StudyHost, view: StudyView) -> None:
    """Ask for the kind of file, then write the table into a new one."""
    from core.cli.study_steps import TABLES, keep_table
    from tui.dialogs.choose import Choice, ChooseDialog

    folder = screen.lab.workspace.root / "reports"

    def asked(kind: str | None) -> None:
        if kind is None:
            return

        def work() -> str:
            path = run_actions.free_name(folder, view.study.name, f".{kind}")
            return f"table written: {clean(str(keep_table(view, kind, path)))}"

        screen.lab.perform(work, screen.done)

    choices = [Choice(kind, note) for kind, note in TABLES.items()]
    screen.lab.push_screen(ChooseDialog("The table as", choices, current="md"), asked)


def runs(screen: StudyHost, view: StudyView, cell: Cell) -> None:
    """Choose one of a trial's runs and open it."""
    from tui.dialogs.choose import ChooseDialog

    by_seed = {f"seed {run.seed}": run for run in cell.runs}

    def chosen(seed: str | None) -> None:
        if seed is None:
            return
        if run_id := by_seed[seed].id:
            from tui.screens.run import RunScreen

            screen.lab.push_screen(RunScreen(run_id))
        else:
            screen.say(f"{seed} of {cell.trial} has no run yet: s starts it")

    screen.lab.push_screen(
        ChooseDialog(f"Runs of {cell.trial}", study_text.run_choices(view, cell), wide=True), chosen
    )
