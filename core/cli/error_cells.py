"""What `--cases GT PRED` and `--kind` name: rows and columns of the matrix, kinds of error."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from core.errors import UsageError
from core.text import clean, did_you_mean

if TYPE_CHECKING:
    from core.analysis.errors import View, Which

ANY, MISSED, FALSE_ALARM = "any", "missed", "false_alarm"
_OPTIONS = {1: "genus", 2: "two"}


def cell(view: View, names: Sequence[str], words: int) -> tuple[Which, Which]:
    """The row and the column of a cell by their two names; `words` of a name make its group, 0: no groups.

    Raises UsageError for names that there are not, and for what is no row or no column.
    """
    row, column = names
    return _place(view, row, words, FALSE_ALARM, MISSED), _place(view, column, words, MISSED, FALSE_ALARM)


def kind_word(view: View, word: str) -> str:
    """A kind of error as it is called, however it was spelt. Raises UsageError when there is none such."""
    plain = _plain(word)
    if plain not in view.kinds:
        hint = did_you_mean(plain, view.kinds)
        if plain == FALSE_ALARM:
            hint = f" (all false alarms: --cases {FALSE_ALARM} {ANY})"
        raise UsageError(f"there is no kind '{clean(word)}', only {', '.join(view.kinds)}{hint}")
    return plain


def _place(view: View, word: str, words: int, here: str, there: str) -> Which:
    """A class or a group by name or number, or one of the words; `here` is one of this side, `there` not."""
    from core.analysis.class_groups import group_members

    names, plain = view.errors.classes, _plain(word)
    if plain == ANY:
        return None
    if plain == here:
        return len(names)
    if plain == there:
        sides = f"--cases {ANY} {MISSED}, --cases {FALSE_ALARM} {ANY}"
        raise UsageError(
            f"objects are {MISSED} and boxes are {FALSE_ALARM}s: say {sides}{_named(names, word)}"
        )
    members = group_members(names, words) if words else {}
    for name in (word, word.strip()):
        if name in members:
            return members[name]
        if name in names:
            return names.index(name)
    listed: Sequence[Which] = list(members.values()) or range(len(names))
    if word.isdecimal() and 1 <= int(word) <= len(listed):
        return listed[int(word) - 1]
    hint = did_you_mean(word, [*names, *members, ANY, MISSED, FALSE_ALARM])
    for count, option in _OPTIONS.items():
        if not words and word.strip() in group_members(names, count):
            hint = f" (with --group {option} it is a group)"
    what = "class or group" if words else "class"
    raise UsageError(f"there is no {what} '{clean(word)}' in this run{hint}")


def _named(names: Sequence[str], word: str) -> str:
    """How to say a class that is called like one of the words."""
    return f"; class {names.index(word) + 1} is called that: say its number" if word in names else ""


def _plain(word: str) -> str:
    return "_".join(word.replace("-", " ").replace("_", " ").lower().split())
