"""Text from outside made harmless, and near misses found."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterable, Sequence

# C0 and DEL become their control pictures; C1, direction marks, separators and letters that are drawn as
# nothing, or as one cell or none, become U+FFFD.
_UNSEEN = (0x00AD, 0x034F, 0x115F, 0x1160, 0x180E, 0x200B, *range(0x2060, 0x2065), 0x3164, 0xFFA0)
_TABLE: dict[int, str] = {code: chr(0x2400 + code) for code in range(0x20)}
_TABLE[0x7F] = "\u2421"
_TABLE.update(
    dict.fromkeys(
        [
            *range(0x80, 0xA0),
            0x200E,
            0x200F,
            *range(0x202A, 0x202F),
            *range(0x2066, 0x206A),
            0x2028,
            0x2029,
            0xFEFF,
            *_UNSEEN,
        ],
        "\ufffd",
    )
)
_TABLE.update(dict.fromkeys(range(0xD800, 0xE000), "\ufffd"))
_TABLE[0x09] = "    "
_JOINER = "\u200d"
# Between letters that are no emoji terminals do not agree on how wide what is joined is.
_LOOSE_JOINER = re.compile(f"{_JOINER}(?![\u2190-\u2bff\U0001f000-\U0001faff])")
_NUMBER = re.compile(
    "[0-9]+(?:[\u2009.,:][0-9]+)*(?:[eE][-+]?[0-9]+)?"
    "(?:[ \u2009]?(?:[kMGT]?B|ms|[kMGsmhd%])(?![A-Za-z0-9_]))?"
)
_NON_JOINER = "\u200c"
_KEEP_NEWLINES = {key: value for key, value in _TABLE.items() if key != 0x0A}


def clean(text: str, *, newlines: bool = False) -> str:
    """Return `text` with nothing in it that a terminal would act on.

    Applied where text is read (names, logs, file names, errors), so that no widget has to think of it.
    Tabs become four spaces; line feeds stay only when `newlines` is set.
    """
    if _JOINER in text:
        text = _LOOSE_JOINER.sub(_NON_JOINER, text)
    return text.translate(_KEEP_NEWLINES if newlines else _TABLE)


def shown(path: str | os.PathLike[str]) -> str:
    """A path as messages show it: bytes that are no UTF-8 as `\\xNN`, nothing that a terminal acts on."""
    return clean(os.fsencode(path).decode("utf-8", "backslashreplace"))


def nearest(word: str, choices: Iterable[str]) -> str | None:
    """The choice that `word` was probably meant to be, or None."""
    by_plain = {choice.lower().replace("-", "_"): choice for choice in choices}
    found = difflib.get_close_matches(word.lower().replace("-", "_"), by_plain, n=1, cutoff=0.6)
    return by_plain[found[0]] if found else None


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """` (did you mean 'x'?)`, or the empty string."""
    guess = nearest(word, [choice for choice in choices if choice != word])
    return f" (did you mean '{guess}'?)" if guess else ""


def any_of(words: Sequence[str], last: str = "or") -> str:
    """`plateau, step or cosine`."""
    return f" {last} ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))


def middle_cut(text: str, width: int) -> str:
    """`text` in at most `width` characters, cut in the middle, where names differ least.

    A number in it stays whole where there is room; of a longer one the end is left, after the ellipsis.
    """
    if len(text) <= width:
        return text
    if width <= 1:
        return "…"[:width]
    tail = width // 2
    start = number_start(text, len(text) - tail)
    if start is not None and len(text) - start < width:
        tail = len(text) - start
    head = width - tail - 1
    start = number_start(text, head)
    if start is not None:
        if number_start(text, len(text) - tail) == start:
            tail += head - start
        head = start
    return f"{text[:head]}…{text[len(text) - tail :]}"


def number_start(text: str, place: int) -> int | None:
    """Where the number begins, unit included, that a cut of `text` at `place` would go through."""
    for found in _NUMBER.finditer(text):
        if found.start() >= place:
            return None
        if place < found.end():
            return found.start()
    return None
