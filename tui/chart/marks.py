"""Rows that are marked: a letter and a series colour each, the same in table and chart."""

from __future__ import annotations

import string
from collections.abc import Mapping

MOST = 8

Marks = Mapping[str, tuple[str, int]]
"""Letter and number of the series colour by the key of a row."""


def toggled(marks: Marks, key: str) -> dict[str, tuple[str, int]] | None:
    """`marks` with `key` or without it; None when as many are marked as there are colours."""
    if key in marks:
        return {other: mark for other, mark in marks.items() if other != key}
    if len(marks) >= MOST:
        return None
    used = {color for _, color in marks.values()}
    color = next(number for number in range(MOST) if number not in used)
    return {**marks, key: (string.ascii_uppercase[color], color)}
