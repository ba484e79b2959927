"""What the study screen does to a study: queue what lacks, keep its table."""

from __future__ import annotations

from pathlib import Path

from core.cli.study_text import WRITERS
from core.cli.study_view import StudyView, open_study, runs_of
from core.config.workspace import Workspace
from core.launch.study import Step, StudyRuns, advance
from core.store.outputs import write_new

TABLES = {"md": "markdown", "csv": "one row per run, full precision", "tex": "LaTeX"}
"""Kinds of table by their suffix, with a word about each."""


def go_on(path: Path, workspace: Workspace, *, failed_of: str = "") -> Step:
    """Queue what the study in `path` lacks now; with `failed_of`, only the failed runs of that trial.

    The runs are looked at anew: what somebody else has queued meanwhile is not queued again.
    """
    study, _, added = open_study(path, workspace, most=None)
    runs = runs_of(study, added, StudyRuns(workspace))
    if failed_of:
        runs = tuple(run for run in runs if run.trial == failed_of and run.status == "failed")
    argv = ["labtui", "study", str(path), *["--retry"] * bool(failed_of)]
    return advance(workspace, study, runs, argv=argv, retry=bool(failed_of))


def step_words(step: Step) -> str:
    """What came of it, in a sentence or two."""
    parts = []
    if new := len(step.started):
        parts.append(f"queued {new} new run{'s' * (new != 1)}")
    if again := len(step.resumed):
        parts.append("1 run continues" if again == 1 else f"{again} runs continue")
    if gone := len(step.withdrawn):
        parts.append(f"{gone} run{'s' * (gone != 1)} removed from the queue")
    parts += [step.stopped] if step.stopped else []
    parts += step.failures[:5]
    return "; ".join(parts) or "nothing to queue: no run is missing"


def keep_table(view: StudyView, kind: str, path: Path) -> Path:
    """Write the table as `md`, `csv` or `tex` to the new file `path`. Raises FileExistsError."""
    path.parent.mkdir(exist_ok=True)
    write_new(path, f"{WRITERS[kind](view)}\n")
    return path
