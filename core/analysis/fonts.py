"""Fonts for pictures: each letter from the first font that has it, so that Korean, Latin and symbols mix.

First `LABTUI_FONT`, then what systems install, the NanumGothic of the package koreanize_matplotlib, fonts in
the home folder, what fontconfig knows, and last Pillow's own.
"""

from __future__ import annotations

import os
import subprocess
import unicodedata
from collections.abc import Iterable, Iterator
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import UsageError
from core.text import clean

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw
    from PIL.ImageFont import FreeTypeFont

VARIABLE = "LABTUI_FONT"
# Those with Korean first, so that names with and without it look alike.
_PLACES = (
    "/usr/share/fonts/truetype/nanum/NanumGothic.ttf",
    "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/noto-cjk/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/google-noto-cjk/NotoSansCJK-Regular.ttc",
    "/System/Library/Fonts/AppleSDGothicNeo.ttc",
    "C:/Windows/Fonts/malgun.ttf",
    "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf",
    "/usr/share/fonts/TTF/DejaVuSans.ttf",
)
_PACKAGE, _IN_PACKAGE = "koreanize_matplotlib", "fonts/NanumGothic.ttf"
_HOMES = (".local/share/fonts", ".fonts")
_SUFFIXES = (".ttf", ".otf", ".ttc")
_MOST_AT_HOME = 300
_OWN = ""
"""Stands for the font that Pillow brings along."""
_PROBE = 24
# No font has a letter at a code point that never will be one.
_NO_LETTER = "\U0010ffff"
_SHOWN = 5
# Control pictures stand for what no name should hold; hardly a font has them.
_PLAIN = dict.fromkeys(range(0x2400, 0x2422), "\ufffd")
_ANSWERS: dict[str, str] = {}
"""What fontconfig said, by script: a process for each letter would take its time."""


class Fonts:
    """The fonts for text of one size, in pixels. Raises UsageError when LABTUI_FONT is none."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._first = next(_files())

    @property
    def height(self) -> int:
        """From the top of the line to below its deepest letter."""
        return int(self._font(self._first).getbbox("Äg")[3])

    def length(self, text: str) -> float:
        """How wide `text` is."""
        return sum(self._font(file).getlength(part) for file, part in self._runs(text))

    def write(self, draw: ImageDraw, at: tuple[float, float], text: str, fill: str = "black") -> None:
        """Draw one line whose top left corner is `at`."""
        x, y = at
        base = y + self._font(self._first).getmetrics()[0]
        for file, part in self._runs(text):
            font = self._font(file)
            draw.text((x, base), part, fill=fill, font=font, anchor="ls")
            x += font.getlength(part)

    def _font(self, file: str) -> FreeTypeFont:
        return _opened(file, self.size)

    def _runs(self, text: str) -> Iterator[tuple[str, str]]:
        """Parts of `text` with the font of each; a letter that no font has is left to the first one."""
        file, part = self._first, ""
        for letter in _letters(text):
            if _is_nothing(letter):
                # Joiners and the like matter only within the font that they stand in.
                part += letter if _has(file, letter) else ""
                continue
            found = file if _stays(file, letter) else (font_of(letter) or self._first)
            if found != file and part:
                yield file, part
                part = ""
            file, part = found, part + letter
        if part:
            yield file, part


def font_of(letter: str) -> str | None:
    """The file of the first font that has a letter, None when there is none."""
    return _font_of(letter, os.environ.get(VARIABLE, ""), str(Path.home()))


def missing_letters(texts: Iterable[str]) -> str:
    """The letters of `texts` that no font here has, each once. Raises UsageError when LABTUI_FONT is none."""
    letters = dict.fromkeys(_letters("".join(texts)))
    return "".join(letter for letter in letters if not _is_nothing(letter) and font_of(letter) is None)


def font_advice(texts: Iterable[str]) -> str:
    """What to do about letters that cannot be drawn, empty when all can be. Raises as `missing_letters`."""
    missing = missing_letters(texts)
    if not missing:
        return ""
    shown = f"{missing[:_SHOWN]}{'…' if len(missing) > _SHOWN else ''}"
    korean = any(unicodedata.name(letter, "").startswith("HANGUL") for letter in missing)
    package = ", or pip install 'labtui[korean]'" if korean else ""
    return f"no font here has {shown}: set {VARIABLE} to a font file{package}"


@lru_cache(maxsize=4096)
def _font_of(letter: str, _named: str, _home: str) -> str | None:
    for file in _files():
        if _has(file, letter):
            return file
    found = _asked(letter)
    return found if found and _has(found, letter) else None


def _files() -> Iterator[str]:
    """Font files that can be opened, the preferred first."""
    named = os.environ.get(VARIABLE, "")
    if named:
        yield _named(named)
    yield from _installed(str(Path.home()))


@lru_cache(maxsize=8)
def _named(value: str) -> str:
    file = os.path.expanduser(value)
    if not _opens(file):
        what = "is not a font that can be read" if os.path.isfile(file) else "does not exist"
        raise UsageError(f"{VARIABLE}: {clean(value)} {what}: name a .ttf, .otf or .ttc file, or unset it.")
    return file


@lru_cache(maxsize=8)
def _installed(home: str) -> tuple[str, ...]:
    below = [
        str(file)
        for folder in _HOMES
        for file in sorted(Path(home, folder).rglob("*"))
        if file.suffix.lower() in _SUFFIXES
    ]
    files = [*filter(os.path.isfile, _PLACES), *_packaged(), *below[:_MOST_AT_HOME]]
    return (*filter(_opens, files), _OWN)


def _packaged() -> list[str]:
    """The font in koreanize_matplotlib, which is found without being imported: that would need matplotlib."""
    found = find_spec(_PACKAGE)
    folders = found.submodule_search_locations if found is not None else None
    files = [os.path.join(folder, _IN_PACKAGE) for folder in folders or ()]
    return [file for file in files if os.path.isfile(file)]


def _asked(letter: str) -> str:
    """The font that fontconfig has for a letter, or nothing; it is asked once for each script."""
    script = unicodedata.name(letter, "").partition(" ")[0]
    if script not in _ANSWERS:
        command = ["fc-match", "-f", "%{file}", f":charset={ord(letter):x}"]
        try:
            listed = subprocess.run(command, capture_output=True, text=True, timeout=5, check=False)
            _ANSWERS[script] = listed.stdout.strip()
        except (OSError, subprocess.SubprocessError, ValueError):
            _ANSWERS[script] = ""
    file = _ANSWERS[script]
    return file if os.path.isfile(file) and _opens(file) else ""


def _opens(file: str) -> bool:
    try:
        _opened(file, _PROBE)
    except (OSError, ValueError):
        return False
    return True


@lru_cache(maxsize=256)
def _opened(file: str, size: int) -> FreeTypeFont:
    from PIL import ImageFont

    if file == _OWN:
        own = ImageFont.load_default(size)
        assert isinstance(own, ImageFont.FreeTypeFont)
        return own
    return ImageFont.truetype(file, size)


@lru_cache(maxsize=16384)
def _has(file: str, letter: str) -> bool:
    """Whether a font draws a letter otherwise than one that it cannot have."""
    drawn = _drawn(file, letter)
    return drawn is not None and drawn != _drawn(file, _NO_LETTER)


@lru_cache(maxsize=1024)
def _drawn(file: str, letter: str) -> tuple[float, tuple[int, int], bytes] | None:
    font = _opened(file, _PROBE)
    try:
        mask = font.getmask(letter)
        return font.getlength(letter), mask.size, bytes(mask)
    except (OSError, ValueError):
        return None


def _letters(text: str) -> str:
    return unicodedata.normalize("NFC", text).translate(_PLAIN)


def _stays(file: str, letter: str) -> bool:
    """Spaces and accents stay with what is before them."""
    near = letter.isspace() or unicodedata.category(letter).startswith("M")
    return near and _has(file, letter)


def _is_nothing(letter: str) -> bool:
    """Whether a letter draws nothing by itself: joiners, marks of direction, variation selectors."""
    return unicodedata.category(letter) in ("Cc", "Cf", "Cs", "Zl", "Zp") or "\ufe00" <= letter <= "\ufe0f"
