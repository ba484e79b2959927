"""Text from outside made harmless."""

from __future__ import annotations

import pytest
from rich.cells import cell_len

from core.text import clean


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b[31mb", "a␛[31mb"),
        ("a\tb\nc", "a    b␊c"),
        ("left\u202eright", "left\ufffdright"),
        ("規조 [red]x[/red]", "規조 [red]x[/red]"),
        ("👩\u200d🔬", "👩\u200d🔬"),
        ("❤\u200d🔥", "❤\u200d🔥"),
        ("a\u200db", "a\u200cb"),
        ("\u200d", "\u200c"),
        ("a\u3164\u00adb", "a\ufffd\ufffdb"),
        ("\u1100\u1172", "\u1100\u1172"),
    ],
)
def test_signs_that_a_terminal_acts_on(text: str, shown: str) -> None:
    assert clean(text) == shown


def test_line_feeds_stay_when_wanted() -> None:
    assert clean("a\nb\rc", newlines=True) == "a\nb␍c"


@pytest.mark.parametrize("between", ["\u200d", "\u3164", "\u115f", "\u1160", "\uffa0", "\u00ad"])
def test_what_joins_letters_leaves_their_width(between: str) -> None:
    """Cells of the whole are those of its letters: columns stay aligned in every terminal."""
    whole = clean(f"a{between}b")
    assert cell_len(whole) == sum(map(cell_len, whole))
