"""What to write into a study's file so that a trial gets more seeds; the file itself is its user's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from core.config.study import Study
from core.config.study_file import StudyFile
from core.config.yaml12 import Place, parse_document
from core.reading import SMALL, read_text


@dataclass(frozen=True)
class SeedsLine:
    """`text` belongs at `line` of `file` (0: anywhere at the top level); `runs` more come of it.

    `own`: of one trial; else all trials of the grid get them.
    """

    file: Path
    line: int
    text: str
    runs: int
    own: bool


def more_seeds(path: Path, study: Study, trial: str, seeds: Sequence[int], count: int) -> SeedsLine:
    """The line that gives `trial`, which has `seeds`, `count` more.

    `study` is the one in `path`. A listed trial has seeds of its own; those of a grid share theirs. Raises
    MissingFileError or UnreadableError.
    """
    tree = parse_document(
        read_text(path, SMALL), Place(path, 1, path.parent), frozenset(StudyFile.model_fields)
    )
    listed = tree.value.get("trials") or []
    names = [item.name for item in study.trials]
    at = names.index(trial) - (len(names) - len(listed))
    wanted = [*seeds, *range(max(seeds, default=-1) + 1, max(seeds, default=-1) + 1 + count)]
    text = f"seeds: {len(wanted)}" if wanted == list(range(len(wanted))) else f"seeds: {wanted}"
    if at >= 0:
        place = tree.place(("trials", at, "seeds")) or tree.place(("trials", at))
        return SeedsLine(path, place.line if place else 0, text, count, True)
    place = tree.places.get(("seeds",))
    own = sum("seeds" in item for item in listed if isinstance(item, dict))
    return SeedsLine(path, place.line if place else 0, text, count * (len(names) - own), False)
