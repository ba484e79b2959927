"""The command line's words: one sentence for every mistake, the nearest valid name, the right code."""

from __future__ import annotations

import pytest

from core.cli.main import COMMANDS, main
from core.config.workspace import Workspace


def told(argv: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    code = main(argv)
    captured = capsys.readouterr()
    return code, captured.out, captured.err


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["trian"], ["no command 'trian'", "did you mean 'train'"]),
        (["config", "chek", "x"], ["no action 'chek'", "did you mean 'check'"]),
        (["config"], ["missing ACTION"]),
        (["train"], ["missing --config", "labtui train --help"]),
        (["train", "--confg", "x"], ["--config"]),
        (
            ["train", "--config", "x", "--epoch", "0"],
            ["--more/--epoch: expected a whole number of at least 1, got '0'"],
        ),
        (["train", "--config", "x", "--epoch", "two"], ["--epoch", "got 'two'"]),
        (["train", "--config", "x", "--more", "1", "--epochs", "2"], ["not allowed with", "--more"]),
        (
            ["train", "--config", "x", "--epoch", "1", "--epochs", "2"],
            ["--epochs", "not allowed with", "--epoch"],
        ),
        (["train", "--config", "x", "--worker", "-1"], ["--worker", "at least 0"]),
        (["train", "--config", "x", "--set", "lr"], ["--set: expected key=value, got 'lr'"]),
        (["train", "--config", "x", "--forground"], ["no '--forground'", "did you mean '--foreground'"]),
        (["resume"], ["missing RUN"]),
        (["resume", "r", "--more", "1", "--epochs", "2"], ["not allowed with"]),
        (["wait", "r", "--timeout", "-1"], ["--timeout: expected a number of seconds, got '-1'"]),
        (["wait", "r", "--timeout", "inf"], ["--timeout"]),
        (["metrics", "r", "--csv", "--json"], ["--json", "not allowed with", "--csv"]),
        (["ls", "extra"], ["no 'extra' here"]),
    ],
)
def test_a_wrong_word_is_one_sentence_and_code_2(
    argv: list[str], words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = told(argv, capsys)
    assert code == 2
    assert out == ""
    assert err.startswith("labtui")
    assert err.count("\n") == 1
    assert [word for word in words if word not in err] == []


def test_options_are_never_abbreviated(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = told(["train", "--conf", "x"], capsys)
    assert code == 2
    assert "--config" in err


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = told([command, "--help"], capsys)
    assert (code, err) == (0, "")
    assert out.startswith(f"usage: labtui {command}")
    assert "--workspace" in out


def test_help_lists_every_command_and_code(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = told(["--help"], capsys)
    assert code == 0
    assert [name for name in COMMANDS if f"\n    {name} " not in out] == []
    assert "exit codes: 0 done, 2 usage or config, 3 data, 4 the run failed, 5 not possible" in out


def test_version_is_that_of_the_installed_package(capsys: pytest.CaptureFixture[str]) -> None:
    from importlib.metadata import version

    assert told(["--version"], capsys) == (0, f"labtui {version('labtui')}\n", "")


@pytest.mark.parametrize("order", ["before", "after"])
def test_workspace_is_taken_before_and_after_the_command(
    order: str, tmp_path: object, capsys: pytest.CaptureFixture[str]
) -> None:
    place = ["--workspace", str(tmp_path)]
    argv = [*place, "ls"] if order == "before" else ["ls", *place]
    code, out, err = told(argv, capsys)
    assert (code, out) == (0, "")
    assert f"no runs in {tmp_path}/runs" in err


def test_a_workspace_that_is_not_there_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = told(["ls", "--workspace", "/no/such/place"], capsys)
    assert code == 2
    assert "there is no folder /no/such/place" in err
    assert "labtui init" in err


def test_without_a_command_the_screens_open(tmp_path: object) -> None:
    opened: list[Workspace] = []

    def open_ui(workspace: Workspace) -> int:
        opened.append(workspace)
        return 7

    assert main(["--workspace", str(tmp_path)], open_ui=open_ui) == 7
    assert [str(workspace.root) for workspace in opened] == [str(tmp_path)]


def test_without_screens_a_command_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = told([], capsys)
    assert code == 2
    assert "missing COMMAND" in err
