"""What reaches the terminal is harmless, and every error is a sentence and a code."""

from __future__ import annotations

import errno
import json
import os
import signal
import sys
import time
from argparse import Namespace
from collections.abc import Callable

import pytest

import core.cli.commands.ls as ls
from core.cli import output
from core.cli.cells import cell_len
from core.cli.main import main
from core.cli.output import any_width, out, out_json, say, table
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


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_that_ends_a_command_lets_it_clean_up(
    number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    cleaned = []

    def run(_: Namespace) -> int:
        try:
            os.kill(os.getpid(), number)
            time.sleep(60)
        finally:
            cleaned.append(True)
        return 0

    monkeypatch.setattr(ls, "run", run)
    before = signal.signal(number, signal.SIG_DFL)
    try:
        with pytest.raises(SystemExit) as caught:
            main(["ls"])
        assert signal.getsignal(number) is signal.SIG_DFL
    finally:
        signal.signal(number, before)
    assert (caught.value.code, cleaned) == (128 + number, [True])


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


@pytest.fixture
def room(monkeypatch: pytest.MonkeyPatch) -> Callable[[int | None], None]:
    """A terminal of so many columns; None: none."""

    def set_room(columns: int | None) -> None:
        monkeypatch.setattr(output, "_room", columns)

    return set_room


ROWS = [
    ("20261130-강아지-1a2b", "日本語の学習", "✗ failed: " + "数が合わない " * 20, "3/3", "0.9123@3", "5 m"),
    ("20261130-cat-77aa", "plain", "✓ finished", "12/200", "0.5", "now"),
]
HEADER = ("id", "name", "state", "epoch", "best", "started")


def ends(line: str, cell: str) -> int:
    """The terminal column in which `cell` ends."""
    return cell_len(line[: line.index(cell) + len(cell)])


def test_tables_are_measured_in_cells(room: Callable[[int | None], None]) -> None:
    room(None)
    lines = table(HEADER, ROWS, "kllRRr")
    assert ends(lines[1], "0.9123@3") == ends(lines[2], "  0.5") == ends(lines[0], "best")
    assert ends(lines[1], "3/3") == ends(lines[2], "12/200") == ends(lines[0], "epoch")
    assert cell_len(lines[1]) > 200, "in a pipe nothing is cut"


@pytest.mark.parametrize("columns", [120, 100, 80, 64])
def test_tables_fit_the_terminal(room: Callable[[int | None], None], columns: int) -> None:
    room(columns)
    lines = table(HEADER, ROWS, "kllRRr")
    assert all(cell_len(line) <= columns for line in lines[:3])
    assert lines[1].startswith("20261130-강아지-1a2b ")
    assert "0.9123@3" in lines[1]
    assert "12/200" in lines[2]
    assert "…" in lines[1]
    assert "✓ finis" in lines[2]


def test_columns_without_room_follow_below(room: Callable[[int | None], None]) -> None:
    header = ("checkpoint", *(f"val/metric_{i}" for i in range(9)), "size", "")
    rows = [
        (f"a01-e000{row}", *(f"{row + i / 10:.4f}" for i in range(9)), "1.7 MB", "best") for row in range(2)
    ]
    for columns, parts in ((200, 1), (80, 3), (50, 5), (5, 11)):
        room(columns)
        lines = table(header, rows, "k" + "r" * 10)
        blocks = "\n".join(lines).split("\n\n")
        assert len(blocks) == parts
        assert all(cell_len(line) <= max(columns, 35) for line in lines)
        cells = [block.split("\n")[1].split() for block in blocks]
        assert {row[0] for row in cells} == {"a01-e0000"}
        assert [cell for row in cells for cell in row[1:] if cell != "best"] == [
            *(f"{i / 10:.4f}" for i in range(9)),
            "1.7",
            "MB",
        ]
    with any_width():
        assert len(table(header, rows, "k" + "r" * 10)) == 3


def test_only_commands_on_a_terminal_are_fitted(
    monkeypatch: pytest.MonkeyPatch, room: Callable[[int | None], None]
) -> None:
    room(33)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "77")
    output.fit_terminal()
    assert output._room == 77
    monkeypatch.setattr(sys.stdout, "isatty", lambda: False, raising=False)
    output.fit_terminal()
    assert output._room is None
