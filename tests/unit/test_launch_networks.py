"""Runs of the user's own network, runs on named GPUs, imported runs: what is kept, copied, refused."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from core.config.load import Loaded, dump, load_experiment, parse_experiment
from core.config.workspace import Workspace
from core.errors import StateError, UsageError
from core.launch import control, nvml
from core.launch.gpus import MissingGpuError
from core.launch.plan import plan_resume
from core.launch.queue import QueueView, register
from core.store import attempts
from core.store.checkpoints import save_files
from core.store.files import read_json
from core.store.paths import RunPaths, checkpoint_id
from core.store.records import ENDED
from core.store.runs import create_run
from core.store.state import derive_state
from core.store.summary import summarise

CODE = "def build(classes):\n    return None\n"
CONFIG = """\
data: {format: synthetic, root: pictures, synthetic: {images: 60, classes: 4, groups: 2, size: 32}}
model: ./net.py:build
epochs: 6
mode: head
log: {wandb: offline, project: mine}
checkpoint: {keep: 2}
"""


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.setattr(control, "dispatch", lambda: [])
    monkeypatch.setattr(nvml, "_absent", True)
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "own.yaml").write_text(CONFIG)
    (tmp_path / "configs" / "net.py").write_text(CODE)
    return Workspace(tmp_path)


@pytest.fixture
def loaded(workspace: Workspace) -> Loaded:
    return load_experiment("own", workspace=workspace)


@pytest.fixture
def run(workspace: Workspace, loaded: Loaded) -> RunPaths:
    """A run of the user's network with three epochs behind it."""
    made = control.start_run(workspace, loaded, argv=[])
    attempt = attempts.begin_attempt(made, 1, slot="cpu0", threads=1)
    for epoch in (1, 2, 3):
        sidecar = {"attempt": 1, "epoch": epoch, "step": epoch * 10, "metrics": {}, "mid_epoch": False}
        save_files(made, checkpoint_id(1, epoch), bytes([epoch]) * 100, sidecar)
    attempts.write_result(attempt, "stopped", epoch=3, step=30)
    attempts.write_exit(attempt, code=0, signal=None)
    return made


def test_a_run_keeps_its_network(workspace: Workspace, run: RunPaths) -> None:
    copy = run.code / "net.py"
    assert copy.read_text() == CODE
    assert (copy.stat().st_mode & 0o777, run.code.stat().st_mode & 0o777) == (0o600, 0o700)
    spec = read_json(run.spec) or {}
    assert spec["model_code"] == {"file": "net.py", "sha256": hashlib.sha256(CODE.encode()).hexdigest()}
    stored = parse_experiment(run.config.read_text(), run.config)
    assert stored.model == f"{workspace.configs / 'net.py'}:build", "the path of the original"


def test_what_else_spec_json_holds(run: RunPaths) -> None:
    spec = read_json(run.spec) or {}
    assert (spec["mode"], spec["device"], spec["gpus"]) == ("head", "auto", None)
    assert spec["log"] == {"wandb": "offline", "tensorboard": False, "project": "mine", "entity": None}
    assert "imported" not in spec
    assert summarise(run).mode == "head"


def test_known_networks_have_no_code(workspace: Workspace) -> None:
    loaded = load_experiment("own", ["model=tinyvgg_a", "mode=full"], workspace=workspace)
    run = control.start_run(workspace, loaded, argv=[])
    assert not run.code.exists()
    assert "model_code" not in (read_json(run.spec) or {})


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "net.py does not exist"), ("#" * 1_100_000, "net.py cannot be used: it is longer than 1 MiB")],
)
def test_a_file_that_cannot_be_kept(
    workspace: Workspace, loaded: Loaded, content: str | None, words: str
) -> None:
    path = workspace.configs / "net.py"
    path.unlink()
    if content is not None:
        path.write_text(content)
    with pytest.raises(UsageError, match=words):
        control.start_run(workspace, loaded, argv=[])
    assert not workspace.runs.exists() or not list(workspace.runs.glob("2*"))


def test_a_fork_takes_the_parents_copy(workspace: Workspace, run: RunPaths) -> None:
    """The file has changed meanwhile; the weights belong to the old one."""
    (workspace.configs / "net.py").write_text("changed = True\n")
    fork = control.resume_run(workspace, run, overrides=["learning_rate=1e-3"])
    assert (fork.code / "net.py").read_text() == CODE
    assert (read_json(fork.spec) or {})["model_code"] == (read_json(run.spec) or {})["model_code"]
    (workspace.configs / "net.py").unlink()
    assert control.resume_run(workspace, run, fork=True).code.is_dir()


def test_that_the_file_has_changed_is_said_with_a_way_out_that_works(
    workspace: Workspace, run: RunPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "require_fit", lambda *_: [])
    path = workspace.configs / "net.py"
    assert "copy" not in plan_resume(run, more=1).sentence
    path.write_text("mended = True\n")
    sentence = plan_resume(run, more=1).sentence
    assert "uses its own copy of net.py; the file has changed since: " in sentence
    word = next(word for word in sentence.split() if word.startswith("model="))
    plan = plan_resume(run, more=1, overrides=[word])
    assert (plan.forks, plan.changes.result) == (True, ("model",))
    fork = control.resume_run(workspace, run, more=1, overrides=[word])
    assert (fork.code / "net.py").read_text() == "mended = True\n"
    path.unlink()
    assert "copy" not in plan_resume(run, more=1).sentence, "there is nothing to take instead"


def test_a_fork_with_another_network_takes_that(
    workspace: Workspace, run: RunPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The checkpoint of this run holds no weights to be looked at.
    monkeypatch.setattr(control, "require_fit", lambda *_: [])
    other = workspace.root / "other.py"
    other.write_text("other = True\n")
    fork = control.resume_run(workspace, run, overrides=[f"model={other}:make"])
    assert [path.name for path in fork.code.iterdir()] == ["other.py"]


@pytest.mark.parametrize("damage", ["changed", "gone"])
def test_a_damaged_copy_is_not_passed_on(workspace: Workspace, run: RunPaths, damage: str) -> None:
    if damage == "changed":
        (run.code / "net.py").write_text("evil = True\n")
    else:
        (run.code / "net.py").unlink()
    with pytest.raises(StateError, match=f"net.py is not the network that run {run.id} started with"):
        control.resume_run(workspace, run, fork=True)


def test_forks_never_load_weights(run: RunPaths) -> None:
    with pytest.raises(UsageError, match=r"a fork continues with its checkpoint's weights; .* new run"):
        plan_resume(run, overrides=["weights=/tmp/w.pt"])


def test_weights_that_are_not_there_are_refused_at_the_start(workspace: Workspace) -> None:
    words = ["model=resnet18", "weights=./w.pt"]
    path = Path.cwd() / "w.pt"
    with pytest.raises(UsageError, match=f"weights: the file {path} does not exist; correct the path"):
        control.start_run(workspace, load_experiment("own", words, workspace=workspace), argv=[])
    file = workspace.root / "w.pt"
    file.touch()
    loaded = load_experiment("own", ["model=resnet18", f"weights={file}"], workspace=workspace)
    assert control.start_run(workspace, loaded, argv=[]).spec.exists()


def test_the_plan_counts_what_is_kept(run: RunPaths) -> None:
    """27 epochs at 100 bytes each, of which the two newest and the best stay."""
    assert plan_resume(run, total=30).sentence.endswith("+ 300 B")


@pytest.mark.parametrize("gpus", ["[0]", "[GPU-feed]"])
def test_a_gpu_that_is_not_there_is_refused_at_the_start(workspace: Workspace, gpus: str) -> None:
    loaded = load_experiment("own", [f"gpus={gpus}"], workspace=workspace)
    with pytest.raises(MissingGpuError, match="cannot be used, it does not exist; this machine has: none"):
        control.start_run(workspace, loaded, argv=[])


def imported(workspace: Workspace, loaded: Loaded) -> RunPaths:
    def fill(new: RunPaths) -> None:
        attempts.record_attempt(new, "finished", epoch=2, step=20, started=5.0, ended=9.0)

    run = create_run(
        workspace,
        config_name="old",
        config_text=dump(loaded.experiment),
        model="tinyvgg_a",
        metric="val/accuracy",
        metric_mode="max",
        total_epochs=2,
        argv=[],
        imported=True,
        prepare=fill,
    )
    sidecar = {"attempt": 1, "epoch": 2, "step": 20, "metrics": {}, "mid_epoch": False}
    save_files(run, "a01-e0002", b"x" * 10, sidecar)
    return run


def test_an_imported_run_is_finished_from_the_first(workspace: Workspace, loaded: Loaded) -> None:
    register(workspace)
    run = imported(workspace, loaded)
    assert derive_state(run).state in ENDED
    assert QueueView().works() == []
    summary = summarise(run)
    assert (summary.state, summary.imported, summary.started, summary.ended) == ("finished", True, 5.0, 9.0)


@pytest.mark.parametrize("options", [{"more": 2}, {"fork": True}, {"overrides": ["batch=4"]}])
def test_an_imported_run_does_not_go_on(
    workspace: Workspace, loaded: Loaded, options: dict[str, object]
) -> None:
    run = imported(workspace, loaded)
    file = run.checkpoints / "a01-e0002.pt"
    words = f"imported, read-only: start a new run with weights: {file}"
    with pytest.raises(StateError) as error:
        plan_resume(run, **options)  # type: ignore[arg-type]
    assert words in str(error.value)


def test_a_run_that_ended_early_wants_to_know_how_far(workspace: Workspace, run: RunPaths) -> None:
    attempt = run.attempt(1)
    attempts.write_result(attempt, "finished", epoch=3, step=30, early_stop={"epoch": 3, "best_epoch": 1})
    with pytest.raises(StateError, match=r"finished early at epoch 3 of 6, as it no longer .* --more N"):
        plan_resume(run)
    assert plan_resume(run, more=2).total_epochs == 5
    assert plan_resume(run, start="2").total_epochs == 6
    assert plan_resume(run, fork=True).total_epochs == 6
