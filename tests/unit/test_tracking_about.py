"""What trackers are told of a run, and how an attempt's end is seen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from core import tracking
from core.config.load import dump, parse_experiment
from core.config.workspace import Workspace
from core.store.attempts import begin_attempt, write_error, write_exit, write_result
from core.store.locks import acquire, run_lock_path
from core.store.paths import RunPaths
from core.store.runs import change_meta, create_run
from core.tracking import available, wanted
from core.tracking.about import describe, flattened, log_section, model_name, tracker_id
from core.tracking.ending import Ending, Outcome
from core.tracking.journal import Journal
from core.tracking.worker import EXIT_FAILED, work

CONFIG = """\
data: {format: synthetic, root: /data/demo}
model: tinyvgg_a
mode: full
epochs: 3
tags: [baseline]
"""


def make_run(folder: Path, log: dict[str, Any] | None = None, text: str = CONFIG, **fields: Any) -> RunPaths:
    given = {"model": "tinyvgg_a", "tags": ["baseline", "night"], "name": "first"} | fields
    return create_run(
        Workspace(folder),
        config_name="demo",
        config_text=text,
        metric="val/accuracy",
        metric_mode="max",
        total_epochs=3,
        argv=["labtui"],
        log={"wandb": "offline", "tensorboard": True} if log is None else log,
        **given,
    )


def test_project_is_the_model_and_group_the_mode(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    about = describe(run, log_section(run))
    assert (about.project, about.group, about.name) == ("tinyvgg_a", "full", "first")
    assert about.tags == ("baseline", "night")
    assert about.id == run.id
    assert (about.metric, about.metric_mode) == ("val/accuracy", "max")
    assert about.config["learning_rate"] == 0.01
    assert about.config["optimizer"]["name"] == "sgd"
    assert about.config["labtui"]["run"] == run.id
    assert "parent" not in about.config["labtui"]


def test_a_chosen_project_wins_and_a_run_without_name_is_called_as_in_the_list(tmp_path: Path) -> None:
    run = make_run(tmp_path, {"wandb": "online", "project": "moths", "entity": "lab"}, name="", tags=[])
    about = describe(run, log_section(run))
    assert about.project == "moths"
    assert about.name == f"demo-{run.id[-4:]}"
    assert about.tags == ("baseline",)


def test_name_and_note_of_now_count(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    change_meta(run, lambda _: {"name": "better", "note": "a\nb"})
    about = describe(run, {})
    assert (about.name, about.note) == ("better", "a\nb")


def test_a_fork_names_its_parent(tmp_path: Path) -> None:
    run = make_run(tmp_path, parent={"run": "20260101-000000-demo-aaaa", "checkpoint": "a01-e0005"})
    labtui = describe(run, {}).config["labtui"]
    assert (labtui["parent"], labtui["parent_checkpoint"]) == ("20260101-000000-demo-aaaa", "a01-e0005")


def test_what_cannot_be_read_is_left_out(tmp_path: Path) -> None:
    run = make_run(tmp_path, text="model: [\x00")
    about = describe(run, log_section(run))
    assert (about.project, about.group) == ("tinyvgg_a", "full")
    assert about.config == {"labtui": about.config["labtui"]}
    run.spec.write_text("{")
    assert describe(run, log_section(run)).project == "labtui"


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("tinyvgg_a", "tinyvgg_a"),
        ("/home/me/my net.py:build", "my net"),
        ("net.py:build", "net"),
        ("", "labtui"),
    ],
)
def test_a_users_network_is_called_like_its_file(model: str, name: str) -> None:
    assert model_name(model) == name


def test_the_id_stays_the_same_and_within_its_limit() -> None:
    short = "20261125-080000-demo-1a2b"
    assert tracker_id(short) == short
    long = f"20261125-080000-{'c' * 60}-1a2b"
    assert len(tracker_id(long)) == 64
    assert tracker_id(long) == tracker_id(long) != tracker_id(long[:-1] + "c")


def test_settings_of_an_older_run_come_from_its_config(tmp_path: Path) -> None:
    text = dump(parse_experiment(f"{CONFIG}log: {{tensorboard: true}}\n", tmp_path / "c.yaml"))
    run = make_run(tmp_path, text=text)
    spec = run.spec.read_text().replace('"log"', '"was"')
    run.spec.write_text(spec)
    assert wanted(log_section(run)) == ("tensorboard",)


@pytest.mark.parametrize(
    ("log", "on"),
    [
        ({}, ()),
        ({"wandb": "off", "tensorboard": False}, ()),
        ({"wandb": "online"}, ("wandb",)),
        ({"wandb": "offline", "tensorboard": True}, ("wandb", "tensorboard")),
        ({"wandb": True, "tensorboard": "yes"}, ()),
    ],
)
def test_which_trackers_are_wanted(log: dict[str, Any], on: tuple[str, ...]) -> None:
    assert wanted(log) == on


def test_versions_are_told_without_an_import(monkeypatch: pytest.MonkeyPatch) -> None:
    assert set(available()) == {"wandb", "tensorboard"}
    monkeypatch.setattr(tracking, "TRACKERS", ("pytest", "no-such-package"))
    assert available() == {"pytest": pytest.__version__, "no-such-package": None}


def test_nested_settings_get_dotted_keys() -> None:
    assert flattened({"a": {"b": {"c": 1}, "d": [1]}, "e": None}) == {"a.b.c": 1, "a.d": [1], "e": None}


def test_a_missing_package_is_a_line_with_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run(tmp_path)
    attempt = begin_attempt(run, 1, slot="cpu0", threads=1)
    run.tracking.mkdir()
    monkeypatch.setattr("core.tracking.worker.available", lambda: {"wandb": None, "tensorboard": None})
    assert work(run, 1, "wandb") == EXIT_FAILED
    line = "wandb: the package wandb is not installed, so no copy is made: pip install wandb\n"
    assert attempt.log.read_text().endswith(line)
    assert (run.tracking / "log.txt").read_text().endswith(f"attempt 1 {line}")


def test_lines_are_clean_and_short_and_never_fail(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    journal = Journal(run, 1, "wandb")
    journal.tell("no folder yet")
    run.tracking.mkdir()
    journal.note("a\x1b[2Jb\nc" + "x" * 1000)
    (line,) = (run.tracking / "log.txt").read_text().splitlines()
    assert "a␛[2Jb␊cxx" in line
    assert len(line) < 600


def test_the_end_of_an_attempt_is_seen(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    attempt = begin_attempt(run, 1, slot="cpu0", threads=1)
    supervisor = acquire(run_lock_path(run, "sup"))
    assert supervisor is not None
    with supervisor:
        ending = Ending(run, 1)
        assert not ending.seen()
        write_result(attempt, "finished", epoch=3, step=30)
        assert not ending.seen(), "its supervisor still has a word to say"
        write_exit(attempt, code=0, signal=None)
        assert ending.seen()
        begin_attempt(run, 1, slot="cpu0", threads=1)
        assert not Ending(run, 2).seen()
    assert ending.outcome() == Outcome("finished")


def test_without_supervisor_and_trainer_it_is_over(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    begin_attempt(run, 1, slot="cpu0", threads=1)
    trainer = acquire(run_lock_path(run, "train"))
    assert trainer is not None
    ending = Ending(run, 1)
    with trainer:
        assert not ending.seen()
        assert not ending.seen(), "the trainer goes on alone"
    assert not ending.seen(), "once is not enough: a supervisor may be about to start the trainer"
    assert ending.seen()
    assert ending.outcome() == Outcome("lost")
    assert not ending.is_gone()
    begin_attempt(run, 1, slot="cpu0", threads=1)
    assert Ending(run, 1).seen(), "a later attempt has begun"
    run.spec.unlink()
    assert Ending(run, 2).is_gone()


def test_failures_are_told_with_their_reason(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    attempt = begin_attempt(run, 1, slot="cpu0", threads=1)
    write_error(
        attempt, "RunFailedError", "The loss is not finite (NaN) at epoch 4, step 33.", epoch=4, step=33
    )
    write_exit(attempt, code=1, signal=None)
    assert Ending(run, 1).outcome() == Outcome("failed", "The loss is not finite (NaN) at epoch 4, step 33.")
    attempt = begin_attempt(run, 1, slot="cpu0", threads=1)
    write_exit(attempt, code=None, signal=9)
    assert Ending(run, 2).outcome() == Outcome("failed", "killed by SIGKILL")
    attempt = begin_attempt(run, 1, slot="cpu0", threads=1)
    write_result(attempt, "stopped", epoch=1, step=10)
    assert Ending(run, 3).outcome() == Outcome("stopped")
