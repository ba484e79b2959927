"""What came of a file of weights, in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from core.models.weight_files import hash_in, some
from core.text import clean


@dataclass(frozen=True)
class WeightsReport:
    """What came of a file of weights: tensors loaded, `fresh` ones left random, `unused` ones of the file."""

    source: str
    sha256: str
    loaded: int
    fresh: tuple[str, ...]
    unused: tuple[str, ...]
    notes: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """Lines for the log; none when there were no weights."""
        if not self.source:
            return []
        first = f"weights: {self.source}, sha256 {self.sha256[:16]}, {self.loaded} tensors loaded"
        return [first, *(f"note: {note}" for note in self.notes)]


def misfit(
    source: str,
    name: str,
    own: Mapping[str, Tensor],
    state: Mapping[str, Tensor],
    matching: int,
    missing: list[str],
    unknown: list[str],
) -> str:
    """Why the tensors `state` of the file `source` are not those of the network `name`, which has `own`."""
    text = f"weights: {source} does not fit {name}: {matching} of its {len(own)} tensors match"
    absent = [key for key in missing if key not in state]
    other = [key for key in missing if key in state]
    if absent:
        text += f"; missing: {some(tuple(absent))}"
    if other:
        key = other[0]
        text += f"; {clean(key)} is {tuple(state[key].shape)}, not {tuple(own[key].shape)}"
    if unknown:
        text += f"; unexpected: {some(tuple(map(clean, unknown)))}"
    return f"{text}. Give the file of the same network, or weights: none."


def unfounded_name(file: Path, sha256: str) -> tuple[str, ...]:
    """A note where a file's name promises another sha256 than it has."""
    promised = hash_in(file.name)
    if promised is None or sha256.startswith(promised):
        return ()
    return (f"{clean(file.name)} ends in {promised}, but its sha256 begins with {sha256[:8]}",)
