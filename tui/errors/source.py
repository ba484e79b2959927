"""Which predictions of a run can be browsed, and what a thread reads of them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from core import humanise
from core.analysis.prediction_files import PredictionSet, prediction_sets
from core.store.files import peek_json
from core.store.paths import RunPaths
from tui.errors.judgements import Judgements

if TYPE_CHECKING:
    from core.analysis.errors import Errors
    from core.store.records import RunSummary


@dataclass(frozen=True)
class Opened:
    """A predictions file as it was read, what was judged about it, and where its images are."""

    source: PredictionSet
    errors: Errors
    judged: Judgements
    image_root: Path


def sources(run: RunPaths) -> list[PredictionSet]:
    """What was kept: of images with annotations the newest epoch first, then new images; never raises."""
    return sorted(
        prediction_sets(run),
        key=lambda item: (
            item.is_new,
            -_number(item.key) if item.is_new else 0,
            -item.epoch,
            item.split != "val",
            item.split,
            item.key,
        ),
    )


def _number(key: str) -> int:
    return int(key) if key.isdecimal() else 0


def about(source: PredictionSet) -> str:
    """A word on predictions of new images, `3 images, 2 h ago`; of others there is none."""
    if not source.is_new:
        return ""
    document = peek_json(source.file.with_suffix(".json")) or {}
    images = document.get("images")
    words = []
    if isinstance(images, list):
        words.append(f"{humanise.count(len(images))} image{'s' * (len(images) != 1)}")
    with suppress(OSError):
        age = humanise.age(time.time() - source.file.stat().st_mtime)
        words.append(age if age == "now" else f"{age} ago")
    return ", ".join(words)


def chosen(available: Sequence[PredictionSet], run: RunSummary, checkpoint: str = "") -> PredictionSet | None:
    """The predictions to begin with: of `checkpoint`, else of the run's best, else the newest; val first.

    Those of new images only where there are no others.
    """
    with_truth = [item for item in available if not item.is_new] or available
    usual = [item for item in with_truth if not item.key] or with_truth
    if checkpoint:
        return next((item for item in usual if item.checkpoint == checkpoint), None)
    best = run.best
    if best is not None:
        at_best = [item for item in usual if item.checkpoint == best.id]
        at_best.sort(key=lambda item: item.split != "val")
        if at_best:
            return at_best[0]
    return usual[0] if usual else None


def read(run: RunPaths, source: PredictionSet) -> Opened:
    """Open a predictions file. Raises DataError when it, or what was judged about it, cannot be read."""
    from core.analysis.errors import open_errors
    from core.analysis.image_root import image_root

    errors = open_errors(source.file)
    return Opened(source, errors, Judgements.read(run, source), image_root(run, errors))


def trained_on(run: RunPaths) -> tuple[int, ...] | None:
    """How many objects of each class were trained on, where the run tells."""
    from core.analysis.prediction_files import train_counts

    return train_counts(run)
