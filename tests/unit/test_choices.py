"""What was chosen on the screens is there at the next start, whatever has become of the file."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.config.workspace import state_path
from tui.read.choices import Choices
from tui.theme import DARK, LIGHT, default_theme


def test_choices_are_kept_everywhere_or_in_one_workspace(tmp_path: Path) -> None:
    first, other = Choices(tmp_path / "a"), Choices(tmp_path / "b")
    first.choose("theme", "nord")
    first.choose("sort", "best", here=True)
    first.write()
    other.choose("smoothing", 0.9)
    other.choose("sort", "name", here=True)
    other.choose("roots", {"x": "/y", "z": 3}, here=True)
    other.write()
    again, elsewhere = Choices(tmp_path / "a"), Choices(tmp_path / "b")
    assert (again.text("theme"), again.text("sort", here=True), again.number("smoothing")) == (
        "nord",
        "best",
        0.9,
    )
    assert elsewhere.text("sort", here=True) == "name"
    assert elsewhere.words("roots") == {"x": "/y"}
    assert Choices(tmp_path / "c").text("sort", here=True) == ""


@pytest.mark.parametrize("content", [b"", b"[1]", b'{"everywhere": 3, "workspaces": {"w": []}}', b"\xff"])
def test_a_damaged_file_is_no_choice_and_is_written_anew(tmp_path: Path, content: bytes) -> None:
    file = state_path() / "screens.json"
    file.parent.mkdir(parents=True)
    file.write_bytes(content)
    choices = Choices(tmp_path)
    assert (choices.text("theme"), choices.number("smoothing"), choices.words("roots")) == ("", 0.0, {})
    choices.choose("theme", "dracula")
    choices.write()
    assert Choices(tmp_path).text("theme") == "dracula"


def test_where_nothing_can_be_written_a_choice_holds_until_the_end(tmp_path: Path) -> None:
    state_path().parent.mkdir(parents=True, exist_ok=True)
    state_path().write_text("a file where the folder should be")
    choices = Choices(tmp_path)
    choices.choose("theme", "nord")
    choices.write()
    assert choices.text("theme") == "nord"
    assert Choices(tmp_path).text("theme") == ""


def test_only_the_workspaces_used_last_are_kept(tmp_path: Path) -> None:
    for number in range(53):
        choices = Choices(tmp_path / f"{number}")
        choices.choose("sort", "name", here=True)
        choices.write()
    kept = [Choices(tmp_path / f"{number}").text("sort", here=True) for number in range(53)]
    assert kept == [""] * 3 + ["name"] * 50


def test_which_theme_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TEXTUAL_THEME", raising=False)
    monkeypatch.setenv("COLORFGBG", "0;15")
    assert (default_theme(), default_theme("nord")) == (LIGHT.name, "nord")
    monkeypatch.setenv("TEXTUAL_THEME", DARK.name)
    assert default_theme("nord") == DARK.name
