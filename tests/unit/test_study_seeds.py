"""More seeds: the line that belongs into the file, and that two processes never add the same pairs."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.cli.study_seeds import more_seeds
from core.cli.study_steps import keep_table, step_words
from core.cli.study_until import until_decided
from core.cli.study_view import look, open_study
from core.config.study import load_study
from core.config.workspace import Workspace
from core.errors import StateError
from core.launch.study import Step, StudyRuns
from core.store.locks import acquire
from core.store.study_plans import Plan, driver_lock
from tui.screens import study_text

BASE = "data: {format: synthetic, root: /nowhere}\nmodel: tinyvgg_a\nepochs: 3\n"
LISTED = """base: base
trials:
  - {name: a, learning_rate: 0.01}
  - name: b
    learning_rate: 0.1
    seeds: [3, 7]
"""
GRID = """base: base
# three of each
seeds: 3
grid: {batch: [16, 32]}
"""
BOTH = "base: base\ngrid: {batch: [16, 32]}\ntrials: [{name: c, batch: 64, seeds: 2}]\n"


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    (tmp_path / "configs" / "studies").mkdir(parents=True)
    (tmp_path / "configs" / "base.yaml").write_text(BASE)
    return Workspace(tmp_path)


@pytest.mark.parametrize(
    ("text", "trial", "count", "line", "said", "runs", "own"),
    [
        (LISTED, "a", 2, 3, "seeds: 3", 2, True),
        (LISTED, "b", 2, 6, "seeds: [3, 7, 8, 9]", 2, True),
        (GRID, "batch=16", 2, 3, "seeds: 5", 4, False),
        (BOTH, "batch=32", 1, 0, "seeds: 2", 2, False),
        (BOTH, "c", 1, 3, "seeds: 3", 1, True),
    ],
    ids=["listed", "listed-own", "grid", "grid-without", "one-listed"],
)
def test_the_line_is_right_and_does_what_it_says(
    workspace: Workspace, text: str, trial: str, count: int, line: int, said: str, runs: int, own: bool
) -> None:
    path = workspace.configs / "studies" / "s.yaml"
    path.write_text(text)
    study = load_study(path, workspace=workspace)
    found = more_seeds(path, study, trial, study.trial(trial).seeds, count)
    assert (found.line, found.text, found.runs, found.own) == (line, said, runs, own)
    assert path.read_text() == text
    seeds = [word for word in text.splitlines() if word.strip().startswith("seeds:")]
    if seeds and "{" not in seeds[0]:
        path.write_text(text.replace(seeds[0].strip(), said))
        if trial != "a":
            assert load_study(path, workspace=workspace).size == study.size + runs
    words = study_text.seeds_words(found, trial)
    assert said in words
    assert ("all trials of the grid" in words) != own


def test_a_pair_that_is_being_decided_is_refused(workspace: Workspace) -> None:
    path = workspace.configs / "studies" / "s.yaml"
    path.write_text(LISTED)
    lock = acquire(driver_lock(workspace, "s", ("b", "a")))
    assert lock is not None
    with lock, pytest.raises(StateError, match="a and b are being decided by another process already"):
        until_decided(path, workspace, Plan("a", "b", 6), data=None, argv=[], say=print, show=lambda *_: None)


def test_another_study_s_pair_has_a_lock_of_its_own(workspace: Workspace, tmp_path: Path) -> None:
    locks = {
        driver_lock(workspace, "s", ("a", "b")),
        driver_lock(workspace, "t", ("a", "b")),
        driver_lock(workspace, "s", ("a", "c")),
        driver_lock(Workspace(tmp_path / "other"), "s", ("a", "b")),
    }
    assert len(locks) == 4


def test_a_table_never_takes_another_s_place(workspace: Workspace, tmp_path: Path) -> None:
    path = workspace.configs / "studies" / "s.yaml"
    path.write_text(GRID)
    view = look(*open_study(path, workspace), StudyRuns(workspace))
    kept = keep_table(view, "md", tmp_path / "reports" / "s.md")
    assert kept.read_text().startswith("# s\n")
    with pytest.raises(FileExistsError):
        keep_table(view, "md", kept)


def test_questions_name_what_would_happen(workspace: Workspace) -> None:
    path = workspace.configs / "studies" / "s.yaml"
    path.write_text(GRID)
    view = look(*open_study(path, workspace), StudyRuns(workspace))
    assert study_text.start_question(view) == "Queues 6 new runs, to epoch 3."
    assert study_text.second_of(view, "batch=16", []) == "batch=32"
    assert study_text.second_of(view, "batch=16", ["batch=16"]) == "batch=32"
    assert step_words(Step(("x",), ("y", "z"))) == "queued 1 new run; 2 runs continue"
    assert step_words(Step()) == "nothing to queue: no run is missing"
    assert step_words(Step(failures=("a, seed 0: no disk",))) == "a, seed 0: no disk"
