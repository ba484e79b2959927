"""A study's runs: found by settings, queued where they lack, pairs added until a verdict stands."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.cli.main import main
from core.cli.study_text import WRITERS
from core.cli.study_until import plan_of, until_decided
from core.cli.study_view import StudyView, look, open_study
from core.config.schema import Experiment
from core.config.study import load_study
from core.config.workspace import Workspace
from core.errors import DataError, StateError, UsageError
from core.launch import study as study_runs
from core.launch.study import StudyRuns, advance
from core.store.paths import RunPaths
from tests.unit.study_files import STUDY, made, settings, workspace_at


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return workspace_at(tmp_path)


def seen(workspace: Workspace) -> StudyView:
    study, plans, added = open_study(workspace.configs / "studies" / "s.yaml", workspace)
    return look(study, plans, added, StudyRuns(workspace))


def statuses(view: StudyView) -> dict[tuple[str, int], str]:
    return {(run.trial, run.seed): run.status for run in view.runs}


def test_runs_count_by_their_settings_whoever_started_them(workspace: Workspace) -> None:
    made(workspace, settings(workspace, "learning_rate=0.01", "workers=0"), [0.1, 0.5, 0.4], name="by hand")
    made(workspace, settings(workspace, "learning_rate=0.1", "seed=1"), [0.2, 0.3], status="stopped")
    made(workspace, settings(workspace, "learning_rate=0.02"), [0.9, 0.9, 0.9])
    made(
        workspace,
        settings(workspace, "learning_rate=0.1"),
        [0.9, 0.9, 0.9],
        parent={"run": "x", "checkpoint": "y"},
    )
    view = seen(workspace)
    assert statuses(view) == {
        ("slow", 0): "finished",
        ("slow", 1): "missing",
        ("fast", 0): "missing",
        ("fast", 1): "stopped",
    }
    run = view.runs[0]
    assert (run.best, run.best_epoch, run.last, run.minutes) == (0.5, 2, 0.4, 3.0)
    assert run.columns == {"val/loss": 0.5}  # of the epoch that is judged, not its own best


def test_only_the_study_s_epochs_count(workspace: Workspace) -> None:
    made(workspace, settings(workspace, "learning_rate=0.01"), [0.1, 0.2, 0.3, 0.8, 0.9], epochs=5)
    run = seen(workspace).runs[0]
    assert (run.status, run.best, run.best_epoch, run.last, run.minutes) == ("finished", 0.3, 3, 0.3, 3.0)


def test_a_shorter_run_is_said_and_goes_on(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    done = made(workspace, settings(workspace, "learning_rate=0.01"), [0.1, 0.2], epochs=2)
    view = seen(workspace)
    assert view.runs[0].status == "short"
    assert (
        "seed 0 ended at epoch 2 of 3: not averaged" in view.table.cells[-1].notes + view.table.cells[0].notes
    )
    resumed: list[tuple[str, int | None]] = []

    def resume(_: Workspace, run: RunPaths, *, total: int | None, argv: object) -> RunPaths:
        resumed.append((run.id, total))
        return run

    monkeypatch.setattr(study_runs, "resume_run", resume)
    monkeypatch.setattr(study_runs, "start_run", lambda *_, **__: done)
    step = advance(workspace, view.study, view.runs, argv=[])
    assert resumed == [(done.id, 3)]
    assert len(step.started) == 3


def test_the_one_that_is_furthest_counts(workspace: Workspace) -> None:
    experiment = settings(workspace, "learning_rate=0.01")
    made(workspace, experiment, [0.9], status="stopped")
    whole = made(workspace, experiment, [0.1, 0.2, 0.3])
    made(workspace, experiment, [0.5], status="")
    assert seen(workspace).runs[0].id == whole.id


def started(workspace: Workspace, value: Callable[[Experiment], float]) -> Callable[..., RunPaths]:
    """A stand-in for start_run whose runs have ended at once."""

    def start(_: Workspace, loaded: Any, *, argv: object, name: str = "") -> RunPaths:
        best = value(loaded.experiment)
        return made(workspace, loaded.experiment, [0.1, best, 0.1], name=name, tags=loaded.experiment.tags)

    return start


def test_what_lacks_is_queued_once(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(study_runs, "start_run", started(workspace, lambda e: e.learning_rate))
    view = seen(workspace)
    assert len(advance(workspace, view.study, view.runs, argv=[]).started) == 4
    view = seen(workspace)
    assert set(statuses(view).values()) == {"finished"}
    assert advance(workspace, view.study, view.runs, argv=[]) == study_runs.Step()
    # A trial added to the file is added; what has finished stays.
    path = workspace.configs / "studies" / "s.yaml"
    path.write_text(STUDY.rstrip("]\n") + ", {name: new, batch: 8}]\n")
    view = seen(workspace)
    assert [key for key, status in statuses(view).items() if status == "missing"] == [("new", 0), ("new", 1)]


def test_one_run_that_cannot_be_queued_does_not_hold_up_the_others(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = started(workspace, lambda e: e.learning_rate)

    def start(where: Workspace, loaded: Any, **options: Any) -> RunPaths:
        if loaded.experiment.learning_rate == 0.01 and loaded.experiment.seed == 0:
            raise DataError("the data are gone")
        return good(where, loaded, **options)

    monkeypatch.setattr(study_runs, "start_run", start)
    view = seen(workspace)
    step = advance(workspace, view.study, view.runs, argv=[])
    assert step.failures == ("slow, seed 0: the data are gone",)
    assert len(step.started) == 3


@pytest.mark.parametrize(
    ("rule", "word"),
    [
        pytest.param("failures: 1", "1 run has failed", id="failures"),
        pytest.param("minutes: 3", "4 minutes", id="minutes"),
    ],
)
def test_stop_rules(workspace: Workspace, rule: str, word: str) -> None:
    path = workspace.configs / "studies" / "s.yaml"
    path.write_text(f"{STUDY}stop: {{{rule}}}\n")
    experiment = settings(workspace, "learning_rate=0.01")
    made(workspace, experiment, [0.1, 0.2, 0.3])
    run = made(workspace, settings(workspace, "learning_rate=0.1"), [0.1], status="")
    attempt = run.attempt(1)
    attempt.root.mkdir()
    attempt.start.write_text(json.dumps({"request": 1, "time": 1.0}))
    attempt.exit.write_text(json.dumps({"code": 1, "signal": None, "oom_kill": False, "time": 2.0}))
    waiting = made(
        workspace, settings(workspace, "learning_rate=0.1", "seed=1"), [], status="", tags=("study:s",)
    )
    view = seen(workspace)
    assert statuses(view)[("fast", 1)] == "queued"
    step = advance(workspace, view.study, view.runs, argv=[])
    assert word in step.stopped
    assert step.withdrawn == (waiting.id,)
    assert step.started == ()


def decide(workspace: Workspace, at_most: int, **options: Any) -> tuple[StudyView, Any, list[str]]:
    path = workspace.configs / "studies" / "s.yaml"
    plan = plan_of(path, workspace, ("slow", "fast"), at_most, None)
    said: list[str] = []
    view, verdict = until_decided(
        path,
        workspace,
        plan,
        data=None,
        argv=[],
        say=said.append,
        show=lambda *_: None,
        pause=options.get("pause", lambda _: None),
    )
    return view, verdict, said


def test_until_decided_ends_at_the_first_verdict(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def value(e: Experiment) -> float:
        return (
            0.5
            + (0.2 if e.learning_rate == 0.1 else 0)
            + 0.001 * ((7 * e.seed + int(10 * e.learning_rate)) % 5)
        )

    monkeypatch.setattr(study_runs, "start_run", started(workspace, value))
    _, verdict, _ = decide(workspace, 12)
    assert verdict.outcome == "less"
    assert verdict.pairs == verdict.looks[0]
    assert len(list(workspace.runs.glob("2*"))) == 2 * verdict.pairs
    again, same, _ = decide(workspace, 12)
    assert same == verdict
    assert again.table.versus["slow"].verdict == verdict
    # The added seeds count in the table too, and no further ones are queued by a plain look.
    assert advance(workspace, again.study, again.runs, argv=[]) == study_runs.Step()


def test_until_decided_ends_with_its_budget(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    def value(e: Experiment) -> float:
        return 0.5 + (0.01 if (e.seed % 2 == 0) == (e.learning_rate == 0.1) else 0)

    monkeypatch.setattr(study_runs, "start_run", started(workspace, value))
    _, verdict, _ = decide(workspace, 9)
    assert (verdict.pairs, verdict.outcome) == (9, "undecided")


def test_until_decided_goes_on_where_it_was(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        study_runs, "start_run", started(workspace, lambda e: e.learning_rate + e.seed / 1000)
    )

    def leave(_: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        decide(workspace, 12, pause=leave)
    before = len(list(workspace.runs.glob("2*")))
    _, verdict, _ = decide(workspace, 12)
    assert verdict.decided
    assert len(list(workspace.runs.glob("2*"))) == 2 * verdict.pairs >= before


def test_plans_are_fixed_before_the_first_look(workspace: Workspace) -> None:
    path = workspace.configs / "studies" / "s.yaml"
    plan_of(path, workspace, ("slow", "fast"), 12, None)
    assert plan_of(path, workspace, ("fast", "slow"), 12, None).at_most == 12
    with pytest.raises(StateError, match="already being tested with at most 12 pairs"):
        plan_of(path, workspace, ("slow", "fast"), 20, None)
    with pytest.raises(UsageError, match="cannot be compared with itself"):
        plan_of(path, workspace, ("slow", "slow"), 12, None)
    with pytest.raises(UsageError, match="--at-most 5: too few pairs to decide anything, the minimum is 6"):
        plan_of(path, workspace, ("slow", "fast"), 5, None)


def whole(workspace: Workspace) -> StudyView:
    for rate, values in (("0.01", (0.5, 0.6)), ("0.1", (0.7, 0.9))):
        for seed, value in enumerate(values):
            made(workspace, settings(workspace, f"learning_rate={rate}", f"seed={seed}"), [0.1, value, 0.2])
    return seen(workspace)


def test_the_table_in_all_formats(workspace: Workspace) -> None:
    view = whole(workspace)
    text = {name: write(view) for name, write in WRITERS.items()}
    assert "fast   2  0.8000 ± 0.1414" in text["text"]
    assert "cannot be decided: 2 pairs, 6 needed" in text["text"]
    assert "| fast | 2 | 0.8000 ± 0.1414 |" in text["md"]
    assert r"fast & 2 & 0.8000 $\pm$ 0.1414 &" in text["tex"]
    assert r"s: 4 of 4 runs" not in text["tex"]
    rows = list(csv.DictReader(io.StringIO(text["csv"])))
    assert [(row["trial"], row["seed"], row["best val/accuracy"], row["counted"]) for row in rows] == [
        ("fast", "0", "0.7", "yes"),
        ("fast", "1", "0.9", "yes"),
        ("slow", "0", "0.5", "yes"),
        ("slow", "1", "0.6", "yes"),
    ]


def test_names_that_are_formulas_or_markup_are_harmless(workspace: Workspace) -> None:
    path = workspace.configs / "studies" / "s.yaml"
    path.write_text(STUDY.replace("name: slow", "name: '=1+1|*'").replace("name: fast", "name: 'a_b&c'"))
    view = whole(workspace)
    assert '"\'=1+1|*"' in WRITERS["csv"](view) or "'=1+1|*" in WRITERS["csv"](view)
    assert r"=1+1\|\*" in WRITERS["md"](view)
    assert r"a\_b\&c" in WRITERS["tex"](view)


def test_the_command(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    whole(workspace)
    at = ["--workspace", str(workspace.root)]
    assert main([*at, "study", "s", "--table", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [(cell["trial"], cell["n"], cell["mean"]) for cell in document["cells"]] == [
        ("fast", 2, pytest.approx(0.8)),
        ("slow", 2, pytest.approx(0.55)),
    ]
    assert document["cells"][1]["against"]["outcome"] == "too_few"
    assert document["cells"][1]["against"]["needed"] == 4
    out = workspace.root / "t.md"
    assert main([*at, "study", "s", "--table", "--format", "md", "--out", str(out)]) == 0
    assert out.read_text().startswith("# s\n")
    assert main([*at, "study", "s", "--table", "--out", str(out)]) == 2
    assert main([*at, "study"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "s"
    assert main([*at, "study", "nope", "--table"]) == 2
    assert main([*at, "study", "s", "--table", "--baseline", "slo"]) == 0
    assert "against slow" in capsys.readouterr().out


def test_a_dry_run_queues_nothing(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    made(workspace, settings(workspace, "learning_rate=0.01"), [0.1], status="stopped")
    assert main(["--workspace", str(workspace.root), "study", "s", "--dry-run"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "s: 0 of 4 runs, 3 not queued, 1 stopped"
    assert lines[1].startswith("slow, seed 0: continues from epoch 1 (")
    assert lines[2:] == ["slow, seed 1: starts", "fast, seed 0: starts", "fast, seed 1: starts"]
    assert len(list(workspace.runs.glob("2*"))) == 1


def test_studies_do_not_share_runs_of_other_data(workspace: Workspace) -> None:
    made(workspace, settings(workspace, "learning_rate=0.01"), [0.1, 0.2, 0.3])
    study = load_study(
        workspace.configs / "studies" / "s.yaml", workspace=workspace, data=str(workspace.root)
    )
    assert {run.status for run in StudyRuns(workspace).look(study)} == {"missing"}
