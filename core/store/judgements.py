"""What people think of single cases, beside the predictions that they are of: `<predictions>.judged.json`.

A case is known by its image and its boxes, not by thresholds, so that a judgement stays where it is when the
score threshold moves or the run is measured again.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from core.errors import DataError, UsageError
from core.store import files
from core.store.changes import mark_changed, require_writable
from core.store.json_values import mappings_in, number_of, text_of, text_or_none
from core.store.paths import FORMAT, RunPaths
from core.store.runs import meta_lock
from core.text import clean

VERDICTS = ("model wrong", "label wrong", "unclear")
_NOTE_LIMIT = 2000
_MOST_BYTES = 1 << 28
Corners = tuple[float, float, float, float]


@dataclass(frozen=True)
class Judgement:
    """A verdict (empty: only a note) on a case.

    `truth` and `predicted` are class names, None where the case has none; boxes are x1, y1, x2, y2 in pixels
    of the upright image, None for classification. `iou` and `score` are as they were seen. `time` is set when
    it is saved.
    """

    image: str
    verdict: str
    note: str = ""
    kind: str = ""
    truth: str | None = None
    predicted: str | None = None
    score: float | None = None
    iou: float | None = None
    truth_box: Corners | None = None
    predicted_box: Corners | None = None
    time: float = 0.0

    @property
    def key(self) -> str:
        """What tells one case of an image from the others."""
        return case_key(self.image, self.truth, self.truth_box, self.predicted, self.predicted_box)


def case_key(
    image: str,
    truth: str | None,
    truth_box: Corners | None,
    predicted: str | None,
    predicted_box: Corners | None,
) -> str:
    """The key under which a case is kept: its image, classes and boxes to a tenth of a pixel."""
    parts = [clean(image)]
    for name, box in ((truth, truth_box), (predicted, predicted_box)):
        corners = "" if box is None else ",".join(f"{value:.1f}" for value in box)
        parts.append("-" if name is None else f"{name} {corners}".strip())
    return " | ".join(parts)


def judgements_path(predictions: Path) -> Path:
    """Where the judgements on a predictions file lie."""
    return predictions.with_suffix(".judged.json")


def read_judgements(predictions: Path) -> dict[str, Judgement]:
    """All judgements on a predictions file by their key, in the order of their making; text is cleaned.

    Raises DataError when the file is unreadable or of a newer labtui: it holds what somebody wrote.
    """
    path = judgements_path(predictions)
    content = files.read_json(path, _MOST_BYTES)
    if content is None:
        return {}
    items = content.get("judgements")
    if not isinstance(items, list):
        raise DataError(f"{clean(str(path))} is damaged: restore a copy of it, or move it away.")
    if not isinstance(content.get("format"), int) or content["format"] > FORMAT:
        raise DataError(f"{clean(str(path))} was written by a newer labtui: update labtui to read it.")
    found = [_read(item) for item in mappings_in(items)]
    return {item.key: item for item in found if item is not None}


def judge(run: RunPaths, predictions: Path, judgement: Judgement) -> None:
    """Save a judgement in place of an earlier one on the same case; without verdict and note it goes.

    Raises UsageError for a verdict that there is not, DataError as `read_judgements` does, StateError when
    the run is locked or of a newer format, OSError.
    """
    if judgement.verdict and judgement.verdict not in VERDICTS:
        raise UsageError(f"'{clean(judgement.verdict)}' is not a judgement: use {', '.join(VERDICTS)}")
    note = clean(judgement.note, newlines=True).strip()
    if len(note) > _NOTE_LIMIT:
        raise UsageError(f"The note has {len(note)} characters; {_NOTE_LIMIT} is the maximum.")
    require_writable(run)
    with meta_lock(run):
        every = read_judgements(predictions)
        every.pop(judgement.key, None)
        if judgement.verdict or note:
            every[judgement.key] = replace(judgement, note=note, time=time.time())
        content = {"format": FORMAT, "judgements": [asdict(item) for item in every.values()]}
        files.write_json(judgements_path(predictions), content)
    mark_changed(run.root.parent, run.id)


def _read(item: Mapping[str, Any]) -> Judgement | None:
    image = item.get("image")
    verdict = item.get("verdict")
    if not isinstance(image, str) or verdict not in ("", *VERDICTS):
        return None
    return Judgement(
        clean(image),
        str(verdict),
        text_of(item.get("note"), newlines=True),
        text_of(item.get("kind")),
        text_or_none(item.get("truth")),
        text_or_none(item.get("predicted")),
        number_of(item.get("score")),
        number_of(item.get("iou")),
        _corners(item.get("truth_box")),
        _corners(item.get("predicted_box")),
        number_of(item.get("time")) or 0.0,
    )


def _corners(value: object) -> Corners | None:
    numbers = [number_of(part) for part in value] if isinstance(value, list) else []
    known = [part for part in numbers if part is not None]
    return (known[0], known[1], known[2], known[3]) if len(known) == len(numbers) == 4 else None
