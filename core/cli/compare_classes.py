"""The classes of two runs beside each other, each at its run's best checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from core.cli.output import table
from core.errors import CheckpointError
from core.humanise import MISSING, number
from core.store.checkpoints import best_id, choose, list_checkpoints
from core.store.json_values import integer_of, mappings_in, number_of
from core.store.measures import measures
from core.store.paths import RunPaths
from core.text import clean, middle_cut

_SHOWN = 20
_NAME = 40


@dataclass(frozen=True)
class ClassOutcome:
    """`score` is `ap` or `accuracy`; `n` objects or images; a value is None where the class has none."""

    name: str
    n: int
    score: str
    values: tuple[float | None, float | None]

    @property
    def delta(self) -> float | None:
        """Second minus first."""
        first, second = self.values
        return None if first is None or second is None else second - first


def compare_classes(first: RunPaths, second: RunPaths) -> tuple[ClassOutcome, ...]:
    """The classes that both runs have measured on their validation images, in the first one's order."""
    ours, theirs = _at_best(first), _at_best(second)
    return tuple(
        ClassOutcome(name, item["n"], score, (_value(item, score), _value(theirs[name], score)))
        for name, item in ours.items()
        for score in (["ap"] if "ap" in item else ["accuracy"])
        if name in theirs and score in theirs[name]
    )


def class_lines(found: tuple[ClassOutcome, ...], names: tuple[str, str]) -> list[str]:
    """Those that differ, the largest differences first."""
    differing = sorted((item for item in found if item.delta), key=lambda item: -abs(item.delta or 0))
    if not differing:
        return []
    boxes = differing[0].score == "ap"
    cells = [
        (
            middle_cut(clean(item.name), _NAME),
            str(item.n),
            *(MISSING if value is None else number(item.score, value) for value in item.values),
            f"{item.delta:+.4f}",
        )
        for item in differing[:_SHOWN]
    ]
    word, count = ("AP", "objects") if boxes else ("accuracy", "images")
    header = ("class, val at best", count, *(f"{word} {name}" for name in names), "delta")
    left = len(differing) - len(cells)
    return [*table(header, cells, "lrrrr"), *([f"and {left} more, closer together"] if left else [])]


def _at_best(run: RunPaths) -> dict[str, Mapping[str, Any]]:
    every = [row for row in measures(run) if (row.split, row.key) == ("val", "")]
    best, known = best_id(run), {item.id: item.sha256 for item in list_checkpoints(run)}
    if not any(row.checkpoint == best for row in every):
        try:
            best = choose(run, "best").id
        except CheckpointError:
            return {}
    return {
        str(item.get("class")): item
        for row in every
        if row.checkpoint == best and row.sha256 in ("", known.get(best, row.sha256))
        for item in mappings_in(list(row.per_class))
        if integer_of(item.get("n")) is not None
    }


def _value(item: Mapping[str, Any], score: str) -> float | None:
    return number_of(item.get(score))
