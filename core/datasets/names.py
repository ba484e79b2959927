"""Class names as files write them: white space put right, near misses told, never merged."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache

from core.datasets.findings import Findings
from core.text import clean


@lru_cache(maxsize=4096)
def spelled(name: str) -> str:
    """A class name without white space around it, single blanks in it, accents composed; case as it is."""
    return clean(" ".join(unicodedata.normalize("NFC", name).split()))


def visible(name: str) -> str:
    """A name with its accents composed, and with a sign for each blank that cannot be seen: `cat␣`."""
    text = clean(unicodedata.normalize("NFC", name))
    inner = text.strip()
    start = text.find(inner)
    return (
        "␣" * start
        + re.sub("  +", lambda found: "␣" * len(found[0]), inner)
        + "␣" * (len(text) - start - len(inner))
    )


def named_after(splits: Iterable[Collection[str]]) -> dict[str, str]:
    """The class of each folder name in the splits; where one split has two that only blanks tell apart, these
    are made visible in all.
    """
    alike, folders = set(), set()
    for split in splits:
        folders |= {*split}
        written: dict[str, set[str]] = {}
        for folder in split:
            written.setdefault(spelled(folder), set()).add(visible(folder))
        alike |= {name for name, ways in written.items() if len(ways) > 1 or not name}
    return {folder: visible(folder) if spelled(folder) in alike else spelled(folder) for folder in folders}


def near_misses(names: Iterable[str]) -> list[tuple[str, ...]]:
    """Groups of names that differ only in letter case, in signs between words, or in accents."""
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(_bare(name), []).append(name)
    return [tuple(group) for group in groups.values() if len(group) > 1]


def suspect_names(counts: Mapping[str, int], found: Findings) -> None:
    """Warn of class names that are nearly the same; `counts`: training objects, or images, of each class."""
    for group in near_misses(counts):
        found.warn("", f"class names differ little: {said_of(group, counts)}; they are kept apart")


def said_of(group: tuple[str, ...], counts: Mapping[str, int]) -> str:
    """`Navicula alpha (4 objects) and navicula alpha (1)`."""
    first, *others = (f"'{name}' ({counts.get(name, 0)})" for name in group)
    return f"{first} and {', '.join(others)}"


def _bare(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name).casefold()
    letters = "".join(sign for sign in plain if sign.isalnum())
    return letters or name
