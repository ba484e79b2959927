"""Class names as files write them: white space put right, near misses told, never merged."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from functools import lru_cache

from core.text import clean


@lru_cache(maxsize=4096)
def spelled(name: str) -> str:
    """A class name without white space around it, single blanks in it, accents composed; case as it is."""
    return clean(" ".join(unicodedata.normalize("NFC", name).split()))


def near_misses(names: Iterable[str]) -> list[tuple[str, ...]]:
    """Groups of names that differ only in letter case, in signs between words, or in accents."""
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(_bare(name), []).append(name)
    return [tuple(group) for group in groups.values() if len(group) > 1]


def said_of(group: tuple[str, ...], counts: Mapping[str, int]) -> str:
    """`Navicula alpha (4 objects) and navicula alpha (1)`."""
    first, *others = (f"'{name}' ({counts.get(name, 0)})" for name in group)
    return f"{first} and {', '.join(others)}"


def _bare(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name).casefold()
    letters = "".join(sign for sign in plain if sign.isalnum())
    return letters or name
