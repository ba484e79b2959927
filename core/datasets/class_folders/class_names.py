"""The names of classes in a file of their own, one a line: classes.txt."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from core.datasets.names import spelled
from core.errors import DataError, MissingFileError, UnreadableError
from core.reading import read_text, shown

_NUMBERED = re.compile(r"(\d+)(?:\s*[,:;=]\s*|\s*[.)-]\s+|\s+)(.+)")


class ClassNames(NamedTuple):
    """The names of a classes.txt, as `written` on its lines and without the numbers before them.

    `first` is the number of the first name; None when the lines are not numbered, and `names` are `written`.
    """

    names: tuple[str, ...]
    written: tuple[str, ...]
    first: int | None = None


def class_names_in(file: Path) -> ClassNames | None:
    """The names in a classes.txt, one a line, perhaps numbered; None when there is no such file.

    `0 cat`, `0: cat`, `0. cat`, `0) cat` and `0 - cat` are numbered lines.
    A number counts as one only where all lines have one, they count up by one from 0 or 1, and no two lines
    are the same without it: `1 euro` and `2 euro` are two names.

    Raises UnreadableError when it is there but unreadable or empty: other names would only be guessed.
    """
    try:
        text = read_text(file)
    except MissingFileError:
        return None
    if not text.strip():
        raise UnreadableError(shown(file), "it is empty: write one class name a line, or remove it")
    lines = tuple(name for line in text.splitlines() if (name := spelled(line)))
    found = [match for line in lines if (match := _NUMBERED.fullmatch(line))]
    names = tuple(match[2].strip() for match in found)
    if names and len(set(names)) == len(lines):
        first = int(found[0][1])
        if first in (0, 1) and [int(match[1]) for match in found] == list(range(first, first + len(names))):
            return ClassNames(names, lines, first)
    return ClassNames(lines, lines)


def named(labels: Sequence[str], known: ClassNames, shown: str) -> Mapping[str, str]:
    """Class name of each label, for numbers of `known` names.

    As the file numbers them; where it does not, from 0, or from 1 when they must be.

    Raises DataError when a number has no name, or a name two numbers.
    """
    names = known.names
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise DataError(f"{shown} has numbers for labels, but classes.txt has the name '{twice}' twice.")
    numbers = {label: int(label) for label in labels}
    least, most = min(numbers.values()), max(numbers.values())
    start = known.first if known.first is not None else 1 if least >= 1 and most == len(names) else 0
    wrong = [label for label, number in numbers.items() if not start <= number < len(names) + start]
    if wrong:
        raise DataError(f"{shown} has the label {wrong[0]}, but classes.txt has {len(names)} names.")
    return {label: names[number - start] for label, number in numbers.items()}
