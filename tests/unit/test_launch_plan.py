"""What a resume or a fork would do, and what it refuses."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from core.config.load import Loaded, dump, load_experiment, parse_experiment
from core.config.workspace import Workspace
from core.errors import CheckpointError, ConfigError, DataError, LabError, StateError, UsageError
from core.launch import control
from core.launch.plan import plan_resume
from core.store import attempts
from core.store.checkpoints import choose, list_checkpoints, save_files, verify
from core.store.files import read_json
from core.store.metrics import MetricsWriter, read_history
from core.store.paths import RunPaths, checkpoint_id
from core.store.runs import create_run, requests

CONFIG = """\
data: {format: synthetic, root: pictures, synthetic: {images: 60, classes: 4, groups: 2, size: 32}}
model: tinyvgg_a
epochs: 6
batch: 8
learning_rate: 0.01
"""


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "small.yaml").write_text(CONFIG)
    return Workspace(tmp_path)


@pytest.fixture
def loaded(workspace: Workspace) -> Loaded:
    return load_experiment("small", workspace=workspace)


def made(
    workspace: Workspace,
    loaded: Loaded,
    epochs: int,
    status: str = "stopped",
    goal: int = 6,
    rates: Mapping[str, float] | None = None,
) -> RunPaths:
    """A run with `epochs` epochs behind it, each with a checkpoint and a record."""
    run = create_run(
        workspace,
        config_name=loaded.name,
        config_text=dump(loaded.experiment),
        model=loaded.experiment.model,
        metric="val/accuracy",
        metric_mode="max",
        total_epochs=goal,
        argv=["labtui", "train"],
    )
    attempt = attempts.begin_attempt(run, 1, slot="cpu0", threads=1)
    scores = [0.2, 0.5, 0.9, 0.4, 0.3, 0.1]
    with MetricsWriter(run.metrics) as metrics:
        for epoch in range(1, epochs + 1):
            values = {
                "train/loss": 1.0 / epoch,
                "val/accuracy": scores[epoch - 1],
                **(rates or {"lr": 0.01}),
                "time/epoch": 60.0,
            }
            step = {"scope": "step", "train/loss": 1.0}
            metrics.write({"t": 1.0, "epoch": epoch, "step": epoch * 10 - 5, "attempt": 1, **step})
            metrics.write(
                {"t": 1.0, "epoch": epoch, "step": epoch * 10, "attempt": 1, "scope": "epoch", **values}
            )
            sidecar = {
                "attempt": 1,
                "epoch": epoch,
                "step": epoch * 10,
                "metrics": values,
                "mid_epoch": False,
            }
            save_files(run, checkpoint_id(1, epoch), bytes([epoch]) * 100, sidecar)
    if status in ("finished", "stopped"):
        attempts.write_result(attempt, status, epoch=epochs, step=epochs * 10)
    attempts.write_exit(attempt, code=0 if status in ("finished", "stopped") else 1, signal=None)
    return run


@pytest.fixture(autouse=True)
def no_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "dispatch", lambda: [])
    # A process of its own; its checkpoints are real ones in tests/engine.
    monkeypatch.setattr(control, "require_fit", lambda *_: [])


def test_continues_to_the_old_goal(workspace: Workspace, loaded: Loaded) -> None:
    plan = plan_resume(made(workspace, loaded, 3))
    assert plan.start is not None
    assert (plan.start.id, plan.total_epochs, plan.forks) == ("a01-e0003", 6, False)
    assert plan.sentence == "continues at epoch 4 with lr 1e-2 until epoch 6; ≈ 3 m; + 300 B"


@pytest.mark.parametrize("mode", ["split", "full", "head"])
def test_the_sentence_names_the_rates_that_count(workspace: Workspace, mode: str) -> None:
    text = f"{CONFIG}mode: {mode}\nweights: none\n"
    rates = {"lr": 0.005}
    if mode == "split":
        text += "back_lr: 1e-4\nhead_lr: 3e-2\n"
        rates = {"lr": 5e-5, "lr/back": 5e-5, "lr/head": 1.5e-2}
    (workspace.configs / "parts.yaml").write_text(text)
    run = made(workspace, load_experiment("parts", workspace=workspace), 3, rates=rates)
    now = plan_resume(run).sentence
    forked = plan_resume(run, fork=True, overrides=["batch=4"]).sentence
    if mode == "split":
        assert "with lr 5e-5 (back) and 1.5e-2 (head) until" in now
        assert "with lr 1e-4 (back) and 3e-2 (head) until" in forked
    else:
        assert "with lr 5e-3 until" in now
        assert "with lr 1e-2 until" in forked


@pytest.mark.parametrize(
    ("options", "start", "goal"),
    [
        ({"more": 7}, "a01-e0006", 13),
        ({"start": "best", "more": 2}, "a01-e0003", 5),
        ({"start": "4", "total": 9}, "a01-e0004", 9),
        ({"start": "a01-e0002"}, "a01-e0002", 6),
        ({"overrides": ["epochs=8"]}, "a01-e0006", 8),
    ],
)
def test_start_and_goal(
    workspace: Workspace, loaded: Loaded, options: dict[str, object], start: str, goal: int
) -> None:
    plan = plan_resume(made(workspace, loaded, 6, "finished"), **options)  # type: ignore[arg-type]
    assert plan.start is not None
    assert (plan.start.id, plan.total_epochs, plan.forks) == (start, goal, False)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({}, StateError, "already finished at epoch 6 of 6: nothing to do.*--more"),
        ({"total": 5}, StateError, "at epoch 6 of 5: nothing to do"),
        ({"more": 0}, UsageError, "1 or more"),
        ({"more": 1, "total": 8}, UsageError, "either"),
        ({"start": "9"}, CheckpointError, "no checkpoint '9'.*a01-e0006"),
        ({"overrides": ["learning_rte=1"]}, ConfigError, "learning_rate"),
        ({"overrides": ["workers=3"], "more": 1}, UsageError, "workers.*--fork"),
    ],
)
def test_refusals(
    workspace: Workspace, loaded: Loaded, options: dict[str, object], error: type[LabError], words: str
) -> None:
    with pytest.raises(error, match=words):
        plan_resume(made(workspace, loaded, 6, "finished"), **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("schedule", "more", "said"),
    [("cosine", 2, True), ("onecycle", 1, True), ("cosine", None, False), ("step", 9, False)],
)
def test_that_a_schedule_has_ended_is_said_before_the_start(
    workspace: Workspace, schedule: str, more: int | None, said: bool
) -> None:
    settings = {"step": "step, every: 2", "cosine": "cosine", "onecycle": "onecycle, peak: 0.3"}[schedule]
    (workspace.configs / "s.yaml").write_text(f"{CONFIG}scheduler: {{name: {settings}}}\n")
    run = made(workspace, load_experiment("s", workspace=workspace), 6 if more else 3)
    sentence = plan_resume(run, more=more).sentence
    assert (f"its {schedule} schedule ends at epoch 6" in sentence) is said
    assert "schedule" not in plan_resume(run, more=more or 1, fork=True).sentence


def test_queued_run_cannot_be_resumed_twice(workspace: Workspace, loaded: Loaded) -> None:
    run = made(workspace, loaded, 3)
    control.resume_run(workspace, run)
    with pytest.raises(StateError, match="queued: stop it first"):
        plan_resume(run)


def test_nothing_saved_starts_anew(workspace: Workspace, loaded: Loaded) -> None:
    run = made(workspace, loaded, 0, "failed")
    plan = plan_resume(run)
    assert plan.start is None
    assert plan.sentence.startswith("nothing was saved yet: starts again at epoch 1")
    control.resume_run(workspace, run)
    assert requests(run)[-1].start is None
    with pytest.raises(CheckpointError, match="nothing to fork"):
        plan_resume(run, fork=True)


@pytest.mark.parametrize("damage", [b"", b"\x06" * 99, b"\x06" * 50 + b"\x07" + b"\x06" * 49])
def test_a_damaged_checkpoint_is_named_with_the_newest_good_one(
    workspace: Workspace, loaded: Loaded, damage: bytes
) -> None:
    run = made(workspace, loaded, 6, "failed")
    choose(run, "last").file.write_bytes(damage)
    with pytest.raises(CheckpointError, match=r"a01-e0006\.pt.*--from a01-e0005"):
        plan_resume(run, more=1)
    assert plan_resume(run, start="a01-e0005", more=1).total_epochs == 6


def test_resume_adds_one_request(workspace: Workspace, loaded: Loaded) -> None:
    run = made(workspace, loaded, 3)
    same = control.resume_run(workspace, run, start="2", more=2)
    assert same == run
    newest = requests(run)[-1]
    assert (newest.number, newest.start, newest.total_epochs) == (2, "a01-e0002", 4)


def test_a_changed_result_setting_forks(workspace: Workspace, loaded: Loaded) -> None:
    parent = made(workspace, loaded, 6, "finished")
    parent.split.write_text("{}")
    parent.resolved.write_text('{"threads": 1}')
    fork = control.resume_run(
        workspace, parent, start="best", more=2, overrides=["learning_rate=1e-3"], argv=["labtui", "resume"]
    )
    assert fork != parent
    spec = read_json(fork.spec)
    assert spec is not None
    assert spec["parent"] == {"run": parent.id, "checkpoint": "a01-e0003"}
    assert spec["epochs"] == 5
    request = requests(fork)[0]
    assert (request.start, request.total_epochs) == ("a00-e0003", 5)
    stored = parse_experiment(fork.config.read_text(), fork.config)
    assert (stored.learning_rate, stored.epochs) == (0.001, 5)
    [start] = list_checkpoints(fork)
    assert (start.id, start.attempt, start.epoch) == ("a00-e0003", 0, 3)
    assert verify(start) is None
    assert start.file.samefile(choose(parent, "3").file)
    history = read_history(fork.metrics)
    assert [(row["epoch"], row["attempt"]) for row in history.epochs] == [(1, 0), (2, 0), (3, 0)]
    assert [row["step"] for row in history.steps] == [5, 15, 25]
    assert fork.split.exists()
    assert fork.resolved.exists()
    assert len(requests(parent)) == 1, "the parent is left alone"


@pytest.mark.parametrize(
    ("overrides", "split", "resolved"),
    [
        (["data.split.seed=7"], False, True),
        (["threads=2"], True, False),
        (["device=cpu"], True, False),
        (["batch=4"], True, True),
    ],
)
def test_what_a_fork_inherits(
    workspace: Workspace, loaded: Loaded, overrides: Sequence[str], split: bool, resolved: bool
) -> None:
    parent = made(workspace, loaded, 2)
    parent.split.write_text("{}")
    parent.resolved.write_text("{}")
    fork = control.resume_run(workspace, parent, overrides=overrides, fork=True)
    assert (fork.split.exists(), fork.resolved.exists()) == (split, resolved)


@pytest.mark.parametrize("overrides", [[], ["batch=4"], ["learning_rate=0.5"]], ids=["same", "batch", "rate"])
def test_a_run_that_lost_its_lists_of_images_goes_on_only_with_other_data(
    workspace: Workspace, loaded: Loaded, overrides: Sequence[str]
) -> None:
    """They would be drawn anew: the validation images could be among those that it learned."""
    run = made(workspace, loaded, 2)
    run.model.write_text("{}")
    before = sorted(workspace.runs.iterdir())
    with pytest.raises(DataError, match=r"has lost its split\.json.*start a new run"):
        control.resume_run(workspace, run, more=1, overrides=overrides, fork=bool(overrides))
    assert (len(requests(run)), sorted(workspace.runs.iterdir())) == (1, before), "nothing was made"
    assert plan_resume(run, more=1, overrides=["data.split.seed=7"]).forks


def test_removing_the_parent_leaves_the_fork_whole(workspace: Workspace, loaded: Loaded) -> None:
    from core.store.runs import remove_run

    parent = made(workspace, loaded, 2)
    fork = control.resume_run(workspace, parent, fork=True)
    remove_run(parent)
    assert verify(choose(fork, "last")) is None


def test_a_fork_of_a_running_run_is_fine(workspace: Workspace, loaded: Loaded) -> None:
    from core.store.locks import acquire, run_lock_path

    run = made(workspace, loaded, 3, "failed")
    lock = acquire(run_lock_path(run, "train"))
    assert lock is not None
    with lock:
        with pytest.raises(StateError, match="running: stop it first, or fork it"):
            plan_resume(run)
        assert plan_resume(run, overrides=["learning_rate=1e-4"]).forks


def test_stop_of_an_ended_run_is_refused(workspace: Workspace, loaded: Loaded) -> None:
    with pytest.raises(StateError, match="is stopped: there is nothing to stop"):
        control.stop_run(made(workspace, loaded, 3))


def test_start_checks_the_data_folder(workspace: Workspace) -> None:
    from core.errors import DataError

    missing = load_experiment("small", ["data.format=folder", "data.synthetic=null"], workspace=workspace)
    with pytest.raises((DataError, ConfigError), match="pictures"):
        control.start_run(workspace, missing, argv=[])
    assert not workspace.runs.exists() or not list(workspace.runs.glob("2*"))


def test_start_records_what_it_was_asked(workspace: Workspace, loaded: Loaded) -> None:
    run = control.start_run(workspace, loaded, argv=["labtui", "train", "--config", "small"], name="first")
    spec = json.loads(run.spec.read_text())
    assert spec["argv"] == ["labtui", "train", "--config", "small"]
    assert (spec["metric"], spec["metric_mode"], spec["epochs"]) == ("val/accuracy", "max", 6)
    assert read_json(run.meta)["name"] == "first"  # type: ignore[index]
