from __future__ import annotations

import os
import tracemalloc
from pathlib import Path

import pytest

from core.store.logs import LINE_LIMIT, read_log, tail_log
from core.store.paths import RunPaths


@pytest.fixture
def run(tmp_path: Path) -> RunPaths:
    run = RunPaths(tmp_path / "run")
    for number in (1, 2):
        run.attempt(number).root.mkdir(parents=True)
    return run


def test_no_log_is_empty(run: RunPaths, tmp_path: Path) -> None:
    assert tail_log(run) == ""
    assert tail_log(RunPaths(tmp_path / "none")) == ""
    os.mkfifo(run.attempt(2).log)
    assert tail_log(run) == ""


def test_the_newest_attempt_counts(run: RunPaths) -> None:
    run.attempt(1).log.write_text("first\n")
    run.attempt(2).log.write_text("second\n")
    assert (tail_log(run), tail_log(run, 1)) == ("second\n", "first\n")


def test_a_log_cannot_reach_the_terminal(run: RunPaths) -> None:
    run.attempt(2).log.write_bytes(
        b"\x1b[31mred\x1b[0m \x1b]52;c;cGF5bG9hZA==\x07 \x1b[2J \xff\xfe \x00 50 %\r100 %\r\nend\n"
    )
    text = tail_log(run)
    assert text.startswith("red ␛]52;c;cGF5bG9hZA==␇ ␛[2J \ufffd\ufffd ␀ 50 %\n100 %\nend\n")
    assert not any(ord(char) < 0x20 and char != "\n" for char in text)


def test_the_tail_starts_at_a_line(run: RunPaths) -> None:
    run.attempt(2).log.write_text("".join(f"line {n}\n" for n in range(1000)))
    assert tail_log(run, limit=30) == "line 997\nline 998\nline 999\n"


def test_following_a_log_gives_every_character_once(run: RunPaths) -> None:
    log = run.attempt(2).log
    content = "größer ▸ 😀 done\n".encode() * 3
    text, offset = "", 0
    with open(log, "ab", buffering=0) as file:
        for byte in content:
            file.write(bytes([byte]))
            more, offset = read_log(run, 2, offset)
            text += more
    assert text == content.decode()
    assert read_log(run, 2, offset) == ("", offset)
    log.write_text("new\n")
    assert read_log(run, 2, offset) == ("new\n", 4), "a log that shrank is read anew"


def test_a_huge_line_is_bounded(run: RunPaths) -> None:
    """A sparse file stands for a line of 1 GB."""
    log = run.attempt(2).log
    with open(log, "wb") as file:
        file.write(b"start\n")
        file.truncate(1 << 30)
    tracemalloc.start()
    text = tail_log(run)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(text) <= LINE_LIMIT
    assert peak < 8e6
