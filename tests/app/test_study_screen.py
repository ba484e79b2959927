"""The study screen: what it says of trials and runs, and what its keys do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from core.config.load import dump, load_experiment
from core.errors import StateError
from core.launch import study as study_runs
from core.store.attempts import record_attempt
from core.store.locks import acquire
from core.store.metrics import MetricsWriter
from core.store.paths import RunPaths
from core.store.runs import create_run
from core.store.study_plans import driver_lock, read_plans
from tui import children
from tui.palette import screen_commands
from tui.screens.run import RunScreen
from tui.screens.runs import RunsScreen
from tui.screens.study import StudyScreen
from tui.widgets.chart import Chart

STUDY = """base: ../demo.yaml
epochs: 4
seeds: 3
columns: [val/loss]
trials:
  - {name: slow, learning_rate: 0.01}
  - {name: fast, learning_rate: 0.1}
  - {name: "[wild]", learning_rate: 0.5, seeds: 1}
"""


class Said(list[str]):
    """What was said in the corner, which pilots do not draw."""

    def has(self, *words: str) -> bool:
        return any(all(word in text for word in words) for text in self)


@pytest.fixture(autouse=True)
def said(monkeypatch: pytest.MonkeyPatch) -> Said:
    texts = Said()
    monkeypatch.setattr("tui.app.LabApp.notify", lambda _, text, **__: texts.append(text))
    return texts


SIZES = [(80, 24), (160, 50)]


@pytest.fixture
def study(lab: Any) -> Path:
    file: Path = lab.workspace.configs / "studies" / "rates.yaml"
    file.parent.mkdir()
    file.write_text(STUDY)
    return file


def train(
    lab: Any, rate: float, seed: int, values: list[float], *, status: str = "finished", reason: str = ""
) -> RunPaths:
    """A run with these accuracies, as if it had been trained."""
    words = [f"learning_rate={rate}", f"seed={seed}", "epochs=4"]
    experiment = load_experiment("demo", words, workspace=lab.workspace).experiment

    def prepare(new: RunPaths) -> None:
        with MetricsWriter(new.metrics) as writer:
            for epoch, value in enumerate(values, 1):
                row = {"val/accuracy": value, "val/loss": 1 - value, "time/epoch": 60.0, "lr": rate}
                writer.write({"t": 1.0, "epoch": epoch, "step": epoch, "attempt": 1, "scope": "epoch", **row})
        split = {"class_names": ["x"], "splits": {"val": {"paths": ["1.png"], "labels": [0], "sizes": [1]}}}
        new.split.write_text(json.dumps(split))
        if status != "failed":
            record_attempt(new, status, epoch=len(values), step=len(values), started=1.0, ended=2.0)

    run = create_run(
        lab.workspace,
        config_name="demo",
        config_text=dump(experiment),
        model=experiment.model,
        metric="val/accuracy",
        metric_mode="max",
        total_epochs=4,
        argv=["labtui"],
        prepare=prepare,
    )
    if status == "failed":
        lab.attempt(run)
        lab.end(run, status, len(values), reason)
    return run


def fill(lab: Any) -> None:
    """Three seeds of each, and a failed run of the third trial."""
    for seed in range(3):
        train(lab, 0.01, seed, [0.1, 0.2, 0.3, 0.4 + 0.01 * seed])
        train(lab, 0.1, seed, [0.2, 0.5, 0.6, 0.7 + 0.02 * seed])
    train(lab, 0.5, 0, [0.1, 0.1], status="failed", reason="out of memory")


async def opened(ui: Any, *words: str) -> StudyScreen:
    await ui.press("u")
    await ui.until(lambda: isinstance(ui.app.screen, StudyScreen))
    await ui.sees(*words)
    screen: StudyScreen = ui.app.screen
    return screen


@pytest.mark.some(1)
@pytest.mark.parametrize("size", SIZES, ids=str)
async def test_the_table_says_which_is_better_and_whether_we_know(
    lab: Any, study: Path, drive: Any, size: tuple[int, int]
) -> None:
    fill(lab)
    async with drive(*size) as ui:
        screen = await opened(ui, "rates", "6 of 7 runs", "1 failed", "fast", "slow", "[wild]")
        await ui.sees("0.7200 ± 0.0200", "0.4100 ± 0.0100", "the best", "cannot be decided: 3 pairs")
        await ui.sees("1 failed: out of")
        lines = ui.lines()
        assert len(lines) == size[1]
        assert lines[-1].strip().endswith("help")
        order = [
            next(at for at, line in enumerate(lines) if name in line) for name in ("fast", "slow", "[wild]")
        ]
        assert order == sorted(order)
        chart = screen.query_one("#curves", Chart)
        assert chart.size.height >= 6
        await ui.sees("mean and range over seeds", "fast (3 seeds)")
        if size[0] >= 110:
            assert ("-0.3100 [" in ui.text()) == (size[0] == 160)
            await ui.sees("learning_rate: 0.1 over 0.01 0.3100", "blocks: too few")
        else:
            await ui.press("tab")
            await ui.sees("learning_rate: 0.1 over 0.01 0.3100", "blocks: too few")


async def test_a_failed_trial_says_why_and_how_to_go_on(
    lab: Any, study: Path, drive: Any, said: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only its failed runs continue: what is missing beside them is not started."""
    fill(lab)
    study.write_text(STUDY.replace("seeds: 1}", "seeds: 2}"))
    monkeypatch.setattr(study_runs, "start_run", lambda *_, **__: pytest.fail("a new run was started"))
    resumed: list[int | None] = []
    monkeypatch.setattr(
        study_runs, "resume_run", lambda _, run, *, total, argv: (resumed.append(total), run)[1]
    )
    async with drive(120, 34) as ui:
        await opened(ui, "[wild]")
        assert "resume failed" not in ui.footer
        await ui.press("G")
        await ui.sees("seed 0 failed at epoch 3 (r resumes, ⏎ opens it): out of memory", "resume failed")
        await ui.press("r")
        await ui.sees("Resume the failed runs of [wild]?", "seed 0, epoch 3: out of memory", "to epoch 4")
        await ui.press("y")
        await ui.until(lambda: said.has("1 run continues"))
        assert resumed == [4]


async def test_it_fills_as_runs_end(lab: Any, study: Path, drive: Any) -> None:
    train(lab, 0.01, 0, [0.1, 0.2, 0.3, 0.4])
    async with drive(120, 34) as ui:
        await opened(ui, "1 of 7 runs", "6 not queued", "the best")
        train(lab, 0.1, 0, [0.2, 0.5, 0.6, 0.9])
        await ui.sees("2 of 7 runs", "5 not queued", "0.9000")


async def test_enter_opens_the_runs_of_a_trial_and_esc_comes_back(lab: Any, study: Path, drive: Any) -> None:
    fill(lab)
    async with drive(120, 34) as ui:
        screen = await opened(ui, "fast", "the best")
        await ui.press("down", "enter")
        await ui.sees("Runs of slow", "seed 2", "✓ finished  4/4  0.4200@4")
        await ui.press("down", "enter")
        await ui.until(lambda: isinstance(ui.app.screen, RunScreen))
        await ui.sees("0.4100@4")
        await ui.press("escape")
        assert ui.app.screen is screen
        assert screen.table.cursor_key == "slow"


async def test_a_seed_without_a_run_says_so(lab: Any, study: Path, drive: Any, said: Said) -> None:
    train(lab, 0.01, 0, [0.1, 0.2, 0.3, 0.4])
    async with drive(120, 34) as ui:
        await opened(ui, "slow", "the best")
        await ui.press("enter")
        await ui.sees("seed 1", "· missing")
        await ui.press("down", "enter")
        await ui.until(lambda: said.has("seed 1 of slow has no run yet: s starts it"))


async def test_start_asks_with_the_number_and_queues(
    lab: Any, study: Path, drive: Any, said: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(lab, 0.01, 0, [0.1, 0.2, 0.3, 0.4])
    train(lab, 0.01, 1, [0.1, 0.2], status="stopped")
    queued: list[str] = []

    def start(workspace: Any, loaded: Any, *, argv: Any, name: str) -> RunPaths:
        queued.append(name)
        return RunPaths(workspace.runs / name)

    monkeypatch.setattr(study_runs, "start_run", start)
    monkeypatch.setattr(study_runs, "resume_run", lambda _, run, **__: (queued.append(run.id), run)[1])
    async with drive(120, 34) as ui:
        await opened(ui, "1 of 7 runs")
        await ui.press("s")
        await ui.sees("Start the missing runs of rates?", "5 new runs and 1 stopped", "to epoch 4")
        await ui.press("n")
        assert queued == []
        await ui.press("s")
        await ui.sees("Start the missing runs of rates?")
        await ui.press("y")
        await ui.until(lambda: said.has("queued 5 new runs; 1 run continues"))
        assert len(queued) == 6
        assert "rates fast s2" in queued


async def test_nothing_to_start_says_so(lab: Any, study: Path, drive: Any, said: Said) -> None:
    fill(lab)
    async with drive(120, 34) as ui:
        await opened(ui, "6 of 7 runs")
        await ui.press("s")
        await ui.until(lambda: said.has("nothing to queue: 1 failed: r on their trial resumes them"))


async def test_more_seeds_shows_the_line_and_leaves_the_file(lab: Any, study: Path, drive: Any) -> None:
    fill(lab)
    async with drive(120, 34) as ui:
        await opened(ui, "fast", "the best")
        await ui.press("plus")
        await ui.sees("How many more seeds for fast? It has 3.", "6 in all")
        await ui.press("enter")
        await ui.sees("line 7, for the trial fast", "seeds: 6", "3 more runs", "does not change the file")
        await ui.press("enter")
        assert study.read_text() == STUDY
        study.write_text(STUDY.replace("learning_rate: 0.1}", "learning_rate: 0.1, seeds: 6}"))
        await ui.sees("6 of 10 runs", "3 not queued")


async def test_until_decided_states_the_plan_and_starts_a_process_of_its_own(
    lab: Any, study: Path, drive: Any, said: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(lab)
    started: list[tuple[str, ...]] = []
    held = []

    def detach(workspace: Any, *words: str, log: Path, lock: Path) -> None:
        started.append(words)
        held.append(acquire(lock))

    monkeypatch.setattr(children, "detach", detach)
    async with drive(120, 34) as ui:
        await opened(ui, "fast", "the best")
        await ui.press("down", "D")
        await ui.sees("slow against fast, until decided", "20 pairs at", "from 9 on", "share the 5 %")
        await ui.press("ctrl+u")
        await ui.type("2")
        await ui.sees("expected a number of pairs from 6 to 1000: fewer are not enough")
        await ui.press("enter")
        assert started == []
        await ui.press("backspace", "8", "enter")
        await ui.sees("adding seeds: slow, fast")
        assert said.has("adding seeds to slow and fast; its log:")
        assert started == [("study", str(study), "--until-decided", "slow", "fast", "--at-most", "8")]
        assert [plan.at_most for plan in read_plans(lab.workspace, "rates")] == [8]
        for lock in held:
            lock.release()
        await ui.until(lambda: "adding seeds: slow, fast" not in ui.text())


async def test_a_driver_that_ends_at_once_says_why(lab: Any, study: Path, tmp_path: Path) -> None:
    lock = driver_lock(lab.workspace, "rates", ("slow", "fast"))
    with pytest.raises(StateError, match="no trial is called 'slo2'"):
        children.detach(
            lab.workspace,
            *("study", str(study), "--until-decided", "slo2", "fast"),
            log=tmp_path / "log",
            lock=lock,
        )


@pytest.mark.parametrize(
    ("kind", "word"), [("md", "| trial"), ("csv", "trial,learning_rate"), ("tex", "tabular")]
)
async def test_the_table_is_written_to_a_new_file(
    lab: Any, study: Path, drive: Any, said: Said, kind: str, word: str
) -> None:
    fill(lab)
    folder = lab.workspace.root / "reports"
    folder.mkdir()
    (folder / f"rates.{kind}").write_text("mine")
    async with drive(160, 34) as ui:
        await opened(ui, "fast", "the best")
        await ui.press("w")
        await ui.sees("The table as")
        await ui.type(kind)
        await ui.press("enter")
        await ui.until(lambda: said.has("table written:", f"rates-2.{kind}"))
    assert (folder / f"rates.{kind}").read_text() == "mine"
    assert word in (folder / f"rates-2.{kind}").read_text()


async def test_reports_of_the_study_and_of_runs_say_where(
    lab: Any, study: Path, drive: Any, said: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(lab)
    asked: list[tuple[str, ...]] = []

    def call(workspace: Any, *words: str) -> dict[str, object]:
        asked.append(words)
        return {"html": f"{words[-1]}/report.html", "bytes": 1_200_000}

    monkeypatch.setattr(children, "call", call)
    async with drive(160, 34) as ui:
        run_id = ui.app.screen.current_run.id
        await ui.press("R")
        await ui.until(lambda: said.has("report written:", "(1.2 MB)"))
        await opened(ui, "fast", "the best")
        await ui.press("R")
        await ui.until(lambda: len(asked) == 2)
    folder = str(lab.workspace.root / "reports")
    assert asked[0] == ("report", run_id, "--out", f"{folder}/report-{run_id}")
    assert asked[1] == ("report", str(study), "--out", f"{folder}/report-rates")


async def test_marked_trials_share_the_chart(lab: Any, study: Path, drive: Any) -> None:
    fill(lab)
    async with drive(160, 50) as ui:
        await opened(ui, "fast (3 seeds)")
        await ui.press("space", "space")
        await ui.sees("A fast (3 seeds)", "B slow (3 seeds)")
        await ui.press("k", "k", "space")
        await ui.until(lambda: "fast (3 seeds)" not in ui.text())


async def test_all_problems_of_the_file_in_one_dialog(lab: Any, study: Path, drive: Any) -> None:
    fill(lab)
    study.write_text(STUDY.replace("learning_rate: 0.01", "lerning_rate: 0.01").replace("0.1}", "fast}"))
    async with drive(120, 34) as ui:
        await ui.press("u")
        await ui.sees("The study's file", "lerning_rate", "did you mean")
        await ui.press("escape")
        await ui.sees("the file has problems")
        study.write_text(STUDY)
        await ui.sees("6 of 7 runs", "the best")
        assert "problems" not in ui.text()


async def test_several_studies_are_listed(lab: Any, study: Path, drive: Any) -> None:
    (study.parent / "other.yaml").write_text("base: ../demo.yaml\ngrid: {batch: [16, 32]}\n")
    async with drive(120, 34) as ui:
        await ui.press("u")
        await ui.sees("Which study?", "other", "rates")
        await ui.press("enter")
        await ui.sees("0 of 2 runs", "2 not queued", "batch", "16", "32", "no trial has ended yet")
        assert ui.app.screen.table.labels == {"batch=16": "16", "batch=32": "32"}
        await ui.press("escape")
        assert isinstance(ui.app.screen, RunsScreen)


async def test_no_study_says_where_they_stand(lab: Any, drive: Any, said: Said) -> None:
    async with drive() as ui:
        await ui.press("u")
        await ui.until(lambda: said.has("no studies in", "labtui study --help"))


async def test_every_key_is_in_the_palette_and_in_the_help(lab: Any, study: Path, drive: Any) -> None:
    fill(lab)
    async with drive(120, 50) as ui:
        assert "Studies" in {command.title for command in screen_commands(ui.app, ui.app.screen)}
        screen = await opened(ui, "fast", "the best")
        titles = {command.title for command in screen_commands(ui.app, screen)}
        assert {
            "Start missing runs",
            "More seeds",
            "Until decided",
            "Mark",
            "Write table",
            "Report",
        } <= titles
        await ui.press("question_mark")
        await ui.sees("more seeds", "until decided", "resume failed", "zoom in")
        assert "fork" not in ui.text()
