"""What can be done to several runs at once: a question that names them, then core.store or core.launch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from core import humanise
from core.errors import LabError
from tui.lab import Lab
from tui.run_actions import run_paths

if TYPE_CHECKING:
    from core.store.paths import RunPaths
    from core.store.records import RunSummary

Runs = Sequence["RunSummary"]
_NAMED = 8
"""Runs that a question names, one a line."""


def names(runs: Runs) -> str:
    """`rn-full`, or `3 runs`."""
    return runs[0].label if len(runs) == 1 else f"{len(runs)} runs"


def possible(runs: Runs) -> dict[str, str]:
    """What can be done with these runs now, by what it is called, with what it does."""
    from core.store.records import ACTIVE

    active = [run for run in runs if run.state in ACTIVE]
    actions = {"tag": "add a tag to each"}
    if any(run.tags for run in runs):
        actions["untag"] = "remove a tag from each that has it"
    if not all(run.archived for run in runs):
        actions["archive"] = "out of the list until `a` shows them; nothing is deleted"
    if any(run.archived for run in runs):
        actions["unarchive"] = "back into the list"
    if active:
        actions["stop"] = f"save and stop {names(active)}"
    actions["delete"] = "for good, with checkpoints" if not active else "for good; what trains is left alone"
    return actions


def ask(lab: Lab, runs: Runs) -> None:
    """Ask what to do with runs, then do it."""
    from tui.dialogs.choose import Choice, ChooseDialog

    choices = [Choice(name, note) for name, note in possible(runs).items()]

    def chosen(name: str | None) -> None:
        if name is not None:
            act(lab, name, runs)

    lab.push_screen(ChooseDialog(f"With {names(runs)}", choices), chosen)


def act(lab: Lab, action: str, runs: Runs) -> None:
    """Do one of the actions, after the question that it needs."""
    if action in ("tag", "untag"):
        _ask_for_tag(lab, action, runs)
    elif action in ("archive", "unarchive"):
        from core.store.annotate import set_archived

        _on_each(lab, runs, f"{action}d", lambda run: set_archived(run, action == "archive"))
    elif action == "stop":
        _stop(lab, runs)
    else:
        _delete(lab, runs)


def _ask_for_tag(lab: Lab, action: str, runs: Runs) -> None:
    from core.store.annotate import set_tags
    from tui.dialogs.choose import Choice, ChooseDialog

    adds = action == "tag"
    tags = sorted({tag for run in (lab.snapshot.runs if adds else runs) for tag in run.tags})

    def chosen(tag: str | None) -> None:
        if tag is not None:
            words = f"tagged {tag}" if adds else f"untagged {tag}"
            _on_each(lab, runs, words, lambda run: set_tags(run, *(([tag],) if adds else ((), [tag]))))

    free = "or type a new tag" if adds else ""
    lab.push_screen(
        ChooseDialog(f"{action.capitalize()} {names(runs)}", [*map(Choice, tags)], free=free), chosen
    )


def _stop(lab: Lab, runs: Runs) -> None:
    from core.launch.control import stop_run
    from core.store.records import ACTIVE
    from tui.dialogs.confirm import ConfirmDialog

    active = [run for run in runs if run.state in ACTIVE]
    question = ConfirmDialog(
        f"Stop {names(active)}?",
        f"{_listed(active)}\n\nEach finishes its current step and saves a checkpoint; "
        "what waits is taken out of the queue.",
        yes="stop and save",
        no="keep training",
    )
    lab.push_screen(question, lambda yes: _on_each(lab, active, "told to stop", stop_run) if yes else None)


def _delete(lab: Lab, runs: Runs) -> None:
    from core.store.records import ACTIVE
    from core.store.runs import remove_run
    from tui.dialogs.confirm import ConfirmDialog

    ended = [run for run in runs if run.state not in ACTIVE]
    if not ended:
        lab.notify(f"{names(runs)}: still active, so not deleted; s stops it first", markup=False)
        return
    left = len(runs) - len(ended)
    kept = f"\n\n{left} still active: not deleted." if left else ""
    question = ConfirmDialog(
        f"Delete {names(ended)} for good?",
        f"{_listed(ended)}\n\nSettings, metrics, checkpoints and predictions are deleted. "
        f"`archive` only hides them.{kept}",
        yes="delete",
        no="keep",
        danger=True,
    )
    lab.push_screen(question, lambda yes: _on_each(lab, ended, "deleted", remove_run) if yes else None)


def _listed(runs: Runs) -> str:
    """The runs one a line, each with how far it is."""
    lines = [f"  {run.label}  {run.state} {run.epoch}/{run.epochs}" for run in runs[:_NAMED]]
    more = len(runs) - len(lines)
    return "\n".join([*lines, *([f"  and {humanise.count(more)} more"] if more else [])])


def _on_each(lab: Lab, runs: Runs, done: str, action: Callable[[RunPaths], object]) -> None:
    """Do `action` to each run; one that cannot be does not keep the others from it."""

    def every() -> tuple[int, list[str]]:
        faults = []
        for run in runs:
            try:
                action(run_paths(lab, run))
            except (LabError, OSError) as error:
                faults.append(f"{run.label}: {error}")
        return len(runs) - len(faults), faults

    def told(outcome: tuple[int, list[str]]) -> None:
        count, faults = outcome
        if count:
            what = runs[0].label if len(runs) == 1 else f"{count} run{'s' * (count > 1)}"
            lab.notify(f"{what} {done}", markup=False)
        if faults:
            from tui.dialogs.text import TextDialog

            lab.push_screen(TextDialog(f"Not {done}", "\n".join(faults), bad=True))

    lab.perform(every, told)
