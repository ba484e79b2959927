"""What a terminal says of the pictures it can draw, and what is sent to one that can."""

from __future__ import annotations

import os
import re
import sys

import pytest
from PIL import Image

from tui.widgets.full_picture import Abilities, _key, ask, encoded, fitted, understood


@pytest.mark.parametrize(
    ("answer", "abilities"),
    [
        (b"\x1b[?62;4;22c", Abilities("sixel")),
        (b"\x1b[?4c", Abilities("sixel")),
        (b"\x1b[?64;14;24;40c", Abilities("")),
        (b"\x1b_Gi=4207;OK\x1b\\\x1b[6;18;9t\x1b[?62;c", Abilities("kitty", (9, 18))),
        (b"\x1b_Gi=4207;OK\x1b\\\x1b[?65;4;6c", Abilities("sixel")),
        (b"\x1b_Gi=4207;ENOTSUPPORTED:no\x1b\\\x1b[?62c", Abilities("")),
        (b"\x1b_Gi=1;OK\x1b\\\x1b[?62c", Abilities("")),
        (b"\x1b[6;0;0t\x1b[?1;2c", Abilities("")),
        (b"ab\x1b[?62;4c", Abilities("sixel")),
        (b"", Abilities("")),
    ],
)
def test_answers(answer: bytes, abilities: Abilities) -> None:
    assert understood(answer) == abilities


def test_asking_ends_with_the_last_answer_or_in_time() -> None:
    source, terminal = os.pipe()
    screen, target = os.pipe()
    try:
        os.write(terminal, b"\x1b[6;18;9t\x1b[?62;4c")
        assert ask(source, target, 60) == b"\x1b[6;18;9t\x1b[?62;4c"
        assert os.read(screen, 100).endswith(b"\x1b[c")
        os.write(terminal, b"j\x03")
        assert ask(source, target, 60) == b"j\x03"
        assert ask(source, target, 0.01) == b""
        os.close(terminal)
        assert ask(source, target, 60) == b""
    finally:
        for end in (source, screen, target):
            os.close(end)


@pytest.mark.parametrize(
    "late", ["\x1b[6;20;10t", "\x1b[?62;4c", "\x1b_Gi=4207;OK\x1b\\", "\x1b[I", "\x1b[12;40R"]
)
@pytest.mark.parametrize("key", ["x", "\x1b", "\x03", "\x1b[A"])
def test_what_a_terminal_says_late_is_no_key(late: str, key: str) -> None:
    source, terminal = os.pipe()
    try:
        os.write(terminal, f"{late}{key}".encode())
        assert _key(source) == key.encode()
        os.close(terminal)
        assert _key(source) == b""
    finally:
        os.close(source)


@pytest.mark.parametrize(
    ("size", "room", "cells"),
    [
        ((640, 480), (80, 24), (64, 24)),
        ((64, 48), (80, 24), (64, 24)),
        ((2000, 100), (80, 24), (80, 2)),
        ((1, 5000), (80, 24), (1, 24)),
    ],
)
def test_the_shape_is_kept_in_cells(
    size: tuple[int, int], room: tuple[int, int], cells: tuple[int, int]
) -> None:
    assert fitted(size, *room, (10, 20)) == cells


@pytest.mark.parametrize(
    ("protocol", "starts", "end"),
    [
        ("sixel", '\x1bP0;0;0q"1;1;400;300', ""),
        ("kitty", "\x1b_Gi=[0-9]+,m=[01],f=100,q=2;", "\x1b_Ga=d,I=[0-9]+\x1b\\\\"),
    ],
)
def test_what_is_sent(protocol: str, starts: str, end: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the package itself, at the size of the cells, without a word to the terminal of this process."""
    pytest.importorskip("textual_image")
    monkeypatch.setenv("NO_COLOR", "1")
    before = sys.__stdout__
    text, after = encoded(Image.new("RGB", (400, 300), "red"), Abilities(protocol, (10, 20)), 80, 15)
    assert re.search(starts, text)
    assert re.fullmatch(end, after)
    assert text.count("\n") == 15
    assert "▀" not in text
    assert sys.__stdout__ is before
    assert "TEXTUAL_CELL_WIDTH" not in os.environ
    if protocol == "kitty":
        assert text.count("\U0010eeee") == 40 * 15
        assert "\x1b[38;2;" in text
