"""Letters in pictures: each from the first font that has it, and told when none has."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from PIL import Image, ImageDraw

from core.analysis import fonts
from core.analysis.drawing import draw_case
from core.analysis.fonts import VARIABLE, Fonts, font_advice, font_of, missing_letters
from core.errors import UsageError

OWN = fonts._OWN
DEJAVU = next((place for place in fonts._PLACES if "DejaVu" in place and Path(place).is_file()), "")
CYRILLIC = "Ж"
"""DejaVu has it, Pillow's own font has not."""
needs_dejavu = pytest.mark.skipif(not DEJAVU, reason="DejaVu Sans is not installed")


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine with no font but Pillow's own."""
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setattr(fonts, "_PLACES", ())
    monkeypatch.setattr(fonts, "_asked", lambda _: "")
    caches = (fonts._font_of, fonts._installed, fonts._named)
    for cache in caches:
        cache.cache_clear()
    yield
    for cache in caches:
        cache.cache_clear()


def ink(text: str, size: int = 20) -> bytes:
    picture = Image.new("L", (200, 40), "white")
    Fonts(size).write(ImageDraw.Draw(picture), (2, 2), text)
    return picture.tobytes()


def test_letters_that_no_font_has() -> None:
    assert missing_letters(["Encyonema [b]", "\u200d\ufe0f\u202e 규조", f"규{CYRILLIC}"]) == f"규조{CYRILLIC}"
    # Decomposed, as some file systems have it, it is the same letter.
    assert missing_letters(["\u1100\u1172"]) == "규"
    assert ink("규") == ink("조") != ink("a")


@pytest.mark.parametrize(
    ("texts", "advice"),
    [
        (["Navicula"], ""),
        (["규조"], "no font here has 규조: set LABTUI_FONT to a font file, or pip install 'labtui[korean]'"),
        ([CYRILLIC], f"no font here has {CYRILLIC}: set LABTUI_FONT to a font file"),
        (["가나다라마바"], "no font here has 가나다라마…: set LABTUI_FONT to a font file, or pip install"),
    ],
)
def test_what_to_do_about_them(texts: list[str], advice: str) -> None:
    assert font_advice(texts).startswith(advice)
    assert bool(font_advice(texts)) == bool(advice)


@pytest.mark.parametrize(("name", "words"), [("gone.ttf", "does not exist"), ("words.ttf", "is not a font")])
def test_a_font_that_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error_files: ModuleType, name: str, words: str
) -> None:
    (tmp_path / "words.ttf").write_text("no font")
    monkeypatch.setenv(VARIABLE, str(tmp_path / name))
    view = error_files.boxed(*error_files.example()).at(0.5)
    for act in (lambda: Fonts(12), lambda: font_advice(["a"]), lambda: draw_case(view, view.cases()[0])):
        with pytest.raises(UsageError, match=f"LABTUI_FONT: .*{name} {words}"):
            act()


@needs_dejavu
def test_fonts_are_asked_in_turn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert font_of(CYRILLIC) is None
    home = tmp_path / "home"
    at_home = home / ".fonts" / "sub" / "x.TTF"
    at_home.parent.mkdir(parents=True)
    shutil.copy(DEJAVU, at_home)
    (at_home.parent / "a.otf").write_text("no font")
    monkeypatch.setattr(Path, "home", lambda: home)
    assert font_of(CYRILLIC) == font_of("a") == str(at_home)
    package = tmp_path / "site" / "koreanize_matplotlib"
    (package / "fonts").mkdir(parents=True)
    (package / "__init__.py").write_text("raise SystemExit('it was imported')")
    shutil.copy(DEJAVU, package / "fonts" / "NanumGothic.ttf")
    monkeypatch.setattr(sys, "path", [str(tmp_path / "site"), *sys.path])
    fonts._installed.cache_clear()
    fonts._font_of.cache_clear()
    assert font_of(CYRILLIC) == str(package / "fonts" / "NanumGothic.ttf")
    monkeypatch.setenv(VARIABLE, DEJAVU)
    assert font_of(CYRILLIC) == DEJAVU


@needs_dejavu
def test_letters_of_two_fonts_stand_side_by_side(monkeypatch: pytest.MonkeyPatch) -> None:
    before = ink(f"a{CYRILLIC}b")
    monkeypatch.setattr(fonts, "_installed", lambda _: (OWN, DEJAVU))
    fonts._font_of.cache_clear()
    mixed = Fonts(20)
    assert list(mixed._runs(f"ab {CYRILLIC}{CYRILLIC} c")) == [
        (OWN, "ab "),
        (DEJAVU, f"{CYRILLIC}{CYRILLIC} "),
        (OWN, "c"),
    ]
    parts = [fonts._opened(OWN, 20).getlength("a"), fonts._opened(DEJAVU, 20).getlength(CYRILLIC)]
    assert mixed.length(f"a{CYRILLIC}") == pytest.approx(sum(parts))
    assert ink(f"a{CYRILLIC}b") != before
    assert missing_letters([f"a{CYRILLIC}규"]) == "규"


def test_korean_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    fonts._installed.cache_clear()
    fonts._font_of.cache_clear()
    if font_of("규") is None:
        pytest.skip("no Korean font is installed")
    assert ink("규") != ink("조")


def test_long_titles_are_broken(error_files: ModuleType) -> None:
    there, found = error_files.example()
    short = error_files.boxed(there, found, ("A", "B", "C")).at(0.5)
    long = error_files.boxed(there, found, tuple(f"{'long ' * 8}{n}" for n in range(3))).at(0.5)
    heights = [draw_case(view, view.cases(1, 0)[0]).height for view in (short, long)]
    assert heights[1] > heights[0]
