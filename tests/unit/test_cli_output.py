"""What reaches the terminal is harmless, and every error is a sentence and a code."""

from __future__ import annotations

import errno
import json
import sys
from argparse import Namespace
from collections.abc import Callable

import pytest

import core.cli.commands.ls as ls
from core.cli.main import main
from core.cli.output import out, out_json, say, table
from core.errors import (
    CheckpointError,
    ConfigError,
    DataError,
    Problem,
    RunFailedError,
    StateError,
    UsageError,
)

HOSTILE = "a\x1b]52;c;ZXZpbA==\x07b\x9b2Jc\u202ed"


def test_text_for_both_streams_is_cleaned(capsys: pytest.CaptureFixture[str]) -> None:
    out(HOSTILE)
    say(HOSTILE)
    captured = capsys.readouterr()
    for text in (captured.out, captured.err):
        assert text.startswith("a␛]52")
        assert not set(text) & {"\x1b", "\x07", "\x9b", "\u202e"}


def test_json_is_ascii_and_has_no_bare_nan(capsys: pytest.CaptureFixture[str]) -> None:
    out_json({"name": HOSTILE, "loss": float("nan"), "worst": (float("inf"), float("-inf"))})
    text = capsys.readouterr().out
    assert text.isascii()
    assert "\x1b" not in text
    assert json.loads(text) == {"name": HOSTILE, "loss": "NaN", "worst": ["Infinity", "-Infinity"]}


def test_table_lines_up() -> None:
    assert table(("id", "n"), [("a", "1"), ("bbb", "22")], "lr") == ["id    n", "a     1", "bbb  22"]


def raising(error: BaseException) -> Callable[[Namespace], int]:
    def run(_: Namespace) -> int:
        raise error

    return run


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UsageError("no such run"), 2),
        (ConfigError([Problem(None, 0, "epochs", "expected a whole number")]), 2),
        (DataError("the folder is empty"), 3),
        (CheckpointError("a01-e0003 is cut short"), 4),
        (RunFailedError("out of memory"), 4),
        (StateError("it is running"), 5),
        (OSError(errno.ENOSPC, "No space left on device", "/runs/x"), 4),
        (RuntimeError("odd"), 4),
        (KeyboardInterrupt(), 130),
    ],
)
def test_every_error_is_a_sentence_and_a_code(
    error: BaseException, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(ls, "run", raising(error))
    assert main(["ls"]) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert "Traceback" not in captured.err
    assert ("/runs/x: the disk is full" if isinstance(error, OSError) else str(error)) in captured.err


def test_debug_shows_where(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ls, "run", raising(UsageError("no such run")))
    monkeypatch.setenv("LABTUI_DEBUG", "1")
    with pytest.raises(UsageError):
        main(["ls"])


def test_a_reader_that_has_gone_is_no_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: object, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(ls, "run", raising(BrokenPipeError()))
    monkeypatch.setattr(sys, "stdout", open(f"{tmp_path}/out", "w"))  # noqa: SIM115
    assert main(["ls"]) == 0
    assert capfd.readouterr().err == ""
