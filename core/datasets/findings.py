"""What was found to be odd in a data set, file by file, and how many objects were mended or dropped."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Literal

from core.text import clean

Level = Literal["error", "warning", "note"]
MANY = 20
"""More findings of one kind are told as one."""
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")
_NAMED = re.compile(r"[\d/\\_]|\w\.\w|[^\x00-\x7f]")


class Why(Enum):
    """Why an object cannot be used, in a few words, and what usually helps when it is so for all of them."""

    SHARES = (
        "coordinates outside 0 to 1",
        "YOLO labels are fractions: divide x and width by the image's width, y and height by its height",
    )
    COLUMNS = (
        "a wrong number of columns",
        "a line is class cx cy w h, a polygon, or a box with keypoints, which data.yaml gives as kpt_shape",
    )
    NUMBERS = ("words instead of numbers", "write plain numbers, with a decimal point")
    CLASS = ("a class that does not exist", "add it to the names of the classes, which count from 0 in YOLO")
    IMAGE = ("an image that does not exist", "the ids of images must be the same in both lists")
    NO_BOX = ("no box", "each object needs its corners")
    SEVERAL = ("something given several times", "give each object one class and each box four numbers")
    NO_AREA = ("no width or height", "are the four numbers those of this format, in its order?")
    OUTSIDE = ("a box outside its image", "do the annotations belong to these images?")
    DUPLICATE = ("the same box twice", "keep it once")
    OTHER = ("another fault", "`labtui data check` lists them")

    @property
    def words(self) -> str:
        return self.value[0]

    @property
    def way_out(self) -> str:
        return self.value[1]


@dataclass(frozen=True)
class Finding:
    """One sentence on one file. `file` is as people should read it, `line` counts from 1, 0 when unknown.

    An error keeps the set from being used; a warning says what was changed, dropped or looks wrong; a note
    what is unusual but fine. `times`: how many of its kind the sentence stands for.
    """

    level: Level
    file: str
    line: int
    text: str
    times: int = 1

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}: " if self.line else f"{self.file}: "
        return f"{place if self.file else ''}{self.text}"


@dataclass
class Findings:
    """Collects findings while a data set is read; each counts once, however often it is met."""

    _items: dict[Finding, None] = field(default_factory=dict)
    _dropped: dict[Finding, tuple[int, Why]] = field(default_factory=dict)
    _repaired: set[tuple[str, int, str]] = field(default_factory=set)

    @property
    def repaired(self) -> int:
        """Objects that were changed and kept."""
        return len(self._repaired)

    @property
    def dropped(self) -> int:
        """Objects that could not be used."""
        return sum(objects for objects, _ in self._dropped.values())

    @property
    def losses(self) -> list[tuple[Finding, int, Why]]:
        """Each sentence on objects that could not be used, how many it is about, and why."""
        return [(item, objects, why) for item, (objects, why) in self._dropped.items()]

    def error(self, file: str, text: str, line: int = 0) -> None:
        self._add("error", file, text, line)

    def warn(self, file: str, text: str, line: int = 0) -> None:
        self._add("warning", file, text, line)

    def note(self, file: str, text: str, line: int = 0) -> None:
        self._add("note", file, text, line)

    def drop(self, file: str, text: str, line: int = 0, *, why: Why = Why.OTHER, objects: int = 1) -> None:
        """Objects, one unless said otherwise, that cannot be used."""
        self._dropped[self._add("warning", file, f"{text}, dropped", line)] = (objects, why)

    def repair(self, file: str, where: str, line: int = 0) -> None:
        """Count an object that was changed and kept; the change itself is a warning."""
        self._repaired.add((file, line, where))

    def add(self, other: Findings) -> None:
        """Take over all that `other` collected."""
        self._items.update(other._items)
        self._dropped.update(other._dropped)
        self._repaired |= other._repaired

    def of(self, level: Level) -> list[Finding]:
        """The findings of one level, in the order of their discovery."""
        return [item for item in self._items if item.level == level]

    def files(self) -> int:
        """How many files have errors or warnings."""
        return len({item.file for item in self._items if item.level != "note" and item.file})

    def _add(self, level: Level, file: str, text: str, line: int) -> Finding:
        item = Finding(level, clean(file), line, clean(text))
        self._items[item] = None
        return item


def fewer(items: Sequence[Finding], most: int = MANY) -> tuple[Finding, ...]:
    """`items` with one sentence for each kind that there are more than `most` of, where its first stood.

    Of one kind are sentences that differ only in numbers, in names of files, and in what is quoted.
    """
    kinds: dict[tuple[Level, str], list[Finding]] = {}
    for item in items:
        kinds.setdefault((item.level, _kind(item.text)), []).append(item)
    kept: dict[Finding, None] = {}
    for item in items:
        alike = kinds[item.level, _kind(item.text)]
        kept[item if len(alike) <= most else _one_of(alike)] = None
    return tuple(kept)


def _kind(text: str) -> str:
    words = (word.strip(".,:;()") for word in _QUOTED.sub("#", text).split())
    return " ".join("#" if _NAMED.search(word) else word for word in words)


def _one_of(alike: Sequence[Finding]) -> Finding:
    first = alike[0]
    files = [item.file for item in alike[1:] if item.file and item.file != first.file]
    more = f"; also {some(dict.fromkeys(files))}" if files else ""
    return Finding(first.level, "", 0, f"{len(alike)} times: {first}{more}", len(alike))


def some(names: Iterable[str], most: int = 5) -> str:
    """The first names of many: `a, b, c and 4 more`."""
    shown = list(names)
    more = f" and {len(shown) - most} more" if len(shown) > most else ""
    return ", ".join(clean(name) for name in shown[:most]) + more


def count(number: int, thing: str, plural: str | None = None) -> str:
    """`1 object`, `3 objects`."""
    return f"{number} {thing if number == 1 else plural or thing + 's'}"


def as_rows(items: Iterable[Finding]) -> list[Mapping[str, str | int]]:
    """Findings as JSON has them: file and text, the line where it is known, and how many it stands for."""
    return [
        {
            "file": item.file,
            **({"line": item.line} if item.line else {}),
            "text": item.text,
            **({"times": item.times} if item.times > 1 else {}),
        }
        for item in items
    ]
