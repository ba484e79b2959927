"""`tag`, `note`, `pin`, and finding runs by what was written on them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from core.cli.main import main
from core.config.workspace import Workspace
from core.store.annotate import set_archived
from core.store.checkpoints import list_checkpoints, save_files
from core.store.paths import RunPaths
from core.store.runs import create_run, read_meta


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    (tmp_path / "configs").mkdir()
    monkeypatch.chdir(tmp_path)
    return Workspace(tmp_path)


def make_run(workspace: Workspace, name: str) -> RunPaths:
    run = create_run(
        workspace,
        config_name="small",
        config_text="model: tinyvgg_a\n",
        model="tinyvgg_a",
        metric="val/accuracy",
        metric_mode="max",
        total_epochs=3,
        argv=["labtui"],
        name=name,
    )
    for epoch in (1, 2):
        values = {"val/accuracy": epoch / 10}
        save_files(
            run, f"a01-e000{epoch}", b"x", {"attempt": 1, "epoch": epoch, "step": epoch, "metrics": values}
        )
    return run


def test_tags_are_added_and_taken_away(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    run = make_run(workspace, "first")
    assert main(["tag", "first", "+good", "old", "-b"]) == 0
    assert capsys.readouterr().out == "good old\n"
    assert main(["tag", "first", "-old", "+new", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"id": run.id, "tags": ["good", "new"]}
    assert main(["tag", "first"]) == 0
    assert capsys.readouterr().out == "good new\n"
    assert read_meta(run)["tags"] == ("good", "new")
    assert main(["tag", "first", "+"]) == 2
    assert "must not be empty" in capsys.readouterr().err
    assert main(["tag", "first", "-x", "--jsn"]) == 2
    assert "no '--jsn' here" in capsys.readouterr().err


def test_ls_finds_runs_by_tag(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    runs = [make_run(workspace, name) for name in ("first", "second")]
    main(["tag", "first", "good", "big"])
    main(["tag", "second", "good"])
    capsys.readouterr()
    for words, expected in ((["good"], {0, 1}), (["good", "big"], {0}), (["bad"], set())):
        argv = [part for word in words for part in ("--tag", word)]
        assert main(["ls", "--json", *argv]) == 0
        found = {run["id"] for run in json.loads(capsys.readouterr().out)}
        assert found == {runs[at].id for at in expected}
    assert main(["ls", "--tag", "bad"]) == 0
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "none of the 2 runs matches\n")
    assert main(["ls"]) == 0
    assert "good, big" in capsys.readouterr().out


def test_runs_that_were_put_away_are_listed_on_request(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    run = make_run(workspace, "first")
    set_archived(run, True)
    assert main(["ls", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []
    assert main(["ls", "--json", "--archived"]) == 0
    assert [item["id"] for item in json.loads(capsys.readouterr().out)] == [run.id]


def test_a_note_is_written_printed_and_removed(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    run = make_run(workspace, "first")
    assert main(["note", "first", "lr", "too", "high \x1b[2J"]) == 0
    assert main(["note", "first"]) == 0
    assert capsys.readouterr().out == "lr too high ␛[2J\n"
    assert main(["show", "first"]) == 0
    assert "note       lr too high" in capsys.readouterr().out
    assert main(["note", "first", "", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"id": run.id, "note": ""}


def test_a_checkpoint_is_pinned_and_given_free(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    run = make_run(workspace, "first")
    assert main(["pin", "first", "best", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"id": run.id, "checkpoint": "a01-e0002", "pinned": True}
    assert [point.pinned for point in list_checkpoints(run)] == [False, True]
    assert main(["show", "first"]) == 0
    assert "pinned" in capsys.readouterr().out
    assert main(["pin", "first", "2", "--off"]) == 0
    assert "no longer pinned" in capsys.readouterr().err
    assert [point.pinned for point in list_checkpoints(run)] == [False, False]
    assert main(["pin", "first", "9"]) == 4
