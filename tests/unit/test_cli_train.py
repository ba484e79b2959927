"""What `labtui train` and `resume` ask for: nothing here starts a process."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import core.cli.commands.resume as resume
import core.cli.commands.train as train
from core.cli.config_runs import change_options, change_words
from core.cli.main import main
from core.config.load import Loaded, apply_overrides, changed_fields, dump, load_experiment
from core.config.workspace import Workspace
from core.store.attempts import begin_attempt, write_exit, write_result
from core.store.paths import RunPaths
from core.store.runs import create_run

CONFIG = """\
data: {format: synthetic, root: ../data/small, synthetic: {classes: 2, groups: 1, images: 20, size: 16}}
model: tinyvgg_a
epochs: 3
batch: 4
workers: 0
"""
BOXES = ("model=retinanet_resnet50_fpn", "data.synthetic.boxes=true", "data.synthetic.size=64")

Tell = Callable[[], tuple[str, str]]


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "small.yaml").write_text(CONFIG)
    monkeypatch.chdir(tmp_path)
    return Workspace(tmp_path)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch, workspace: Workspace) -> list[dict[str, Any]]:
    """What the launch room is asked for; a new run is made, but nothing started."""
    asked: list[dict[str, Any]] = []

    def start_run(place: Workspace, loaded: Loaded, **more: Any) -> RunPaths:
        asked.append({"start": loaded.experiment, "source": loaded.source, **more})
        return make_run(place, loaded, name=more["name"])

    def resume_run(_: Workspace, run: RunPaths, **more: Any) -> RunPaths:
        asked.append({"resume": run.id, **more})
        return run

    monkeypatch.setattr(train, "disk_words", lambda *_: "")
    monkeypatch.setattr(train, "start_run", start_run)
    monkeypatch.setattr(train, "resume_run", resume_run)
    monkeypatch.setattr(resume, "resume_run", resume_run)
    return asked


def make_run(workspace: Workspace, loaded: Loaded, *, name: str = "", ended: str = "") -> RunPaths:
    run = create_run(
        workspace,
        config_name=loaded.name,
        config_text=dump(loaded.experiment),
        model=loaded.experiment.model,
        metric="val/accuracy",
        metric_mode="max",
        total_epochs=loaded.experiment.epochs,
        argv=["labtui", "train"],
        name=name,
    )
    if ended:
        attempt = begin_attempt(run, 1, slot="cpu0", threads=1)
        if ended in ("finished", "stopped"):
            write_result(attempt, ended, epoch=3, step=9)
        if ended != "lost":
            write_exit(attempt, code=0 if ended != "failed" else 1, signal=None)
    return run


def made(workspace: Workspace, ended: str = "", *overrides: str, name: str = "") -> RunPaths:
    return make_run(
        workspace, load_experiment("small", overrides, workspace=workspace), name=name, ended=ended
    )


def test_train_starts_a_run_and_prints_its_id(
    workspace: Workspace, calls: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "--config", "small"]) == 0
    captured = capsys.readouterr()
    (run,) = [path.name for path in workspace.runs.iterdir() if not path.name.startswith(".")]
    assert captured.out == f"{run}\n"
    assert run in captured.err
    assert calls[0]["source"] == workspace.configs / "small.yaml"
    assert calls[0]["argv"] == ["labtui", "train", "--config", "small"]


def test_json_is_one_document_with_the_id(
    workspace: Workspace, calls: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "--config", "small", "--json"]) == 0
    (run,) = [path.name for path in workspace.runs.iterdir() if not path.name.startswith(".")]
    assert json.loads(capsys.readouterr().out) == {"id": run}


def test_flags_change_the_config(workspace: Workspace, calls: list[dict[str, Any]]) -> None:
    words = "--epochs 7 --batch 5 --worker 1 --prefetch 3 --device cpu --set learning_rate=1e-3"
    argv = ["train", "--config", "configs/small.yaml", "--checkpoint", "first", *words.split()]
    assert main(argv) == 0
    experiment = calls[0]["start"]
    assert (experiment.epochs, experiment.batch, experiment.workers, experiment.prefetch) == (7, 5, 1, 3)
    assert (experiment.device, experiment.learning_rate, calls[0]["name"]) == ("cpu", 0.001, "first")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (["mode=head"], "warning: mode head with weights none: everything but the head is random"),
        (
            ["mode=split", "back_lr=0.01", "head_lr=0.1"],
            "warning: mode split with weights none: what back_lr",
        ),
        (
            [*BOXES, "weights=none", "trainable_layers=2"],
            "warning: trainable_layers 2",
        ),
        (["model=mobilenet_v3_small", "weights=imagenet", "mode=head"], ""),
        ([*BOXES, "weights=none"], ""),
        (["mode=full"], ""),
    ],
)
def test_a_part_that_stays_random_is_warned_of(
    workspace: Workspace,
    calls: list[dict[str, Any]],
    capsys: pytest.CaptureFixture[str],
    settings: list[str],
    words: str,
) -> None:
    options = [part for setting in settings for part in ("--set", setting)]
    assert main(["train", "--config", "small", *options]) == 0
    warned = [line for line in capsys.readouterr().err.splitlines() if line.startswith("warning")]
    assert len(warned) == bool(words)
    assert "".join(warned).startswith(words)


def test_a_flag_beats_set(workspace: Workspace, calls: list[dict[str, Any]]) -> None:
    assert main(["train", "--config", "small", "--set", "batch=6", "--batch", "5"]) == 0
    assert calls[0]["start"].batch == 5


def test_every_problem_of_a_config_is_told_and_nothing_starts(
    workspace: Workspace, calls: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    (workspace.configs / "small.yaml").write_text(CONFIG.replace("epochs: 3", "epoch: 3") + "lr: 0,001\n")
    assert main(["train", "--config", "small"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert len(captured.err.splitlines()) == 2
    assert "'epochs'" in captured.err
    assert "'learning_rate'" in captured.err
    assert calls == []


def test_a_config_that_is_not_there_is_named_with_the_nearest(
    workspace: Workspace, calls: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "--config", "smal"]) == 2
    assert "did you mean 'small" in capsys.readouterr().err


def test_further_epochs_without_a_run_start_one(workspace: Workspace, calls: list[dict[str, Any]]) -> None:
    assert main(["train", "--config", "small", "--epoch", "2"]) == 0
    assert calls[0]["start"].epochs == 2


@pytest.mark.parametrize("option", ["--more", "--epoch"])
def test_further_epochs_continue_the_newest_finished_run(
    option: str, workspace: Workspace, calls: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    run = made(workspace, "finished")
    assert main(["train", "--config", "small", option, "2"]) == 0
    captured = capsys.readouterr()
    assert captured.out == f"{run.id}\n"
    assert f"continuing {run.id}" in captured.err
    assert [(call["resume"], call["more"]) for call in calls] == [(run.id, 2)]


def test_operational_settings_do_not_make_another_config(
    workspace: Workspace, calls: list[dict[str, Any]]
) -> None:
    run = made(workspace, "finished", "workers=3", "tags=[x]", "epochs=9")
    assert main(["train", "--config", "small", "--epoch", "2", "--prefetch", "4"]) == 0
    assert calls[0]["resume"] == run.id


def test_the_run_with_equal_settings_wins_over_a_newer_one_with_others(
    workspace: Workspace, calls: list[dict[str, Any]]
) -> None:
    same = made(workspace, "finished")
    made(workspace, "finished", "learning_rate=0.5")
    assert main(["train", "--config", "small", "--epoch", "1"]) == 0
    assert calls[0]["resume"] == same.id


@pytest.mark.parametrize("option", ["--name", "--checkpoint"])
def test_a_name_singles_out_the_run(option: str, workspace: Workspace, calls: list[dict[str, Any]]) -> None:
    one = made(workspace, "finished", name="one")
    made(workspace, "finished", name="two")
    assert main(["train", "--config", "small", "--epoch", "1", option, "one"]) == 0
    assert main(["train", "--config", "small", "--epoch", "1", option, "three"]) == 0
    assert calls[0]["resume"] == one.id
    assert calls[1]["name"] == "three"


@pytest.mark.parametrize("state", ["stopped", "failed", "lost", ""])
def test_further_epochs_of_an_unfinished_run_are_refused(
    state: str, workspace: Workspace, calls: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    run = made(workspace, state)
    assert main(["train", "--config", "small", "--epoch", "2"]) == 5
    captured = capsys.readouterr()
    assert captured.out == ""
    assert f"labtui {'resume' if state else 'wait'} {run.id}" in captured.err
    assert "--new" in captured.err
    assert calls == []


def test_an_edited_config_is_refused_with_the_keys_and_both_ways_out(
    workspace: Workspace, calls: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    run = made(workspace, "finished")
    (workspace.configs / "small.yaml").write_text(CONFIG.replace("batch: 4", "batch: 8\nlearning_rate: 0.5"))
    assert main(["train", "--config", "small", "--epoch", "2"]) == 2
    err = capsys.readouterr().err
    for words in ("learning_rate 0.01 -> 0.5", "batch 4 -> 8", "--new"):
        assert words in err
    assert calls == []
    (command,) = re.findall(rf"`labtui (resume {run.id} --fork .*)` forks", err)
    assert command.endswith("--more 2 --set learning_rate=0.5 --set batch=8")


def test_settings_of_any_kind_can_be_typed_back(workspace: Workspace) -> None:
    old = load_experiment("small", workspace=workspace).experiment
    words = [
        "augment.color_jitter={hue: 0.1}",
        "augment.hflip=true",
        "optimizer.momentum=0",
        "data.classes=[a, 'no']",
    ]
    new = load_experiment("small", words, workspace=workspace).experiment
    keys = changed_fields(old, new).result
    assert len(keys) == 4
    options = shlex.split(change_options(new, keys))
    assert options[::2] == ["--set"] * 4
    assert apply_overrides(old, options[1::2]) == new
    assert "augment.hflip false -> true" in change_words(old, new, keys)
    back = shlex.split(change_options(old, keys))
    assert apply_overrides(new, back[1::2]) == old


def test_new_starts_another_run_whatever_there_is(workspace: Workspace, calls: list[dict[str, Any]]) -> None:
    made(workspace, "failed")
    assert main(["train", "--config", "small", "--epoch", "2", "--new"]) == 0
    assert calls[0]["start"].epochs == 2


def test_without_epoch_every_train_is_a_new_run(workspace: Workspace, calls: list[dict[str, Any]]) -> None:
    made(workspace, "finished")
    assert main(["train", "--config", "small"]) == 0
    assert "start" in calls[0]


def test_missing_data_are_named_before_anything_starts(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "--config", "small", "--data", "./nowhere"]) in (2, 3)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert str(workspace.root / "nowhere") in captured.err
    assert not workspace.runs.exists() or not [
        path for path in workspace.runs.iterdir() if path.name[0] != "."
    ]


def test_resume_says_what_it_will_do_and_asks_for_it(
    workspace: Workspace, calls: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    run = made(workspace, "failed")
    assert main(["resume", "@last", "--json"]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out) == {"id": run.id}
    assert run.id in captured.err
    asked = calls[0]
    assert (asked["resume"], asked["start"], asked["total"], asked["more"]) == (run.id, "last", None, None)
    assert (asked["overrides"], asked["fork"]) == ([], False)


def test_resume_of_an_unknown_run_or_checkpoint_is_refused(
    workspace: Workspace, calls: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    run = made(workspace, "failed")
    assert main(["resume", "nothing-like-it"]) == 2
    assert "'nothing-like-it'" in capsys.readouterr().err
    assert main(["resume", run.id, "--from", "best"]) == 4
    assert "no checkpoint" in capsys.readouterr().err
    assert calls == []
