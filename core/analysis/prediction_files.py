"""Which predictions a run has, and what its training set was like."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from core.errors import CheckpointError, DataError, StateError, UsageError
from core.store.checkpoints import CHECKPOINT_ID, best_id, choose, lineage, list_checkpoints
from core.store.lineage import holds_id
from core.store.paths import RunPaths
from core.store.records import ACTIVE
from core.store.state import derive_state
from core.text import clean

_NAME = re.compile(r"(a\d{2,}-e\d{4,}(?:-s\d{6,})?)-([A-Za-z]\w*?)(?:-(\w+))?\.npz")
NEW = "new"
"""The split under which predictions of new images stand."""


@dataclass(frozen=True)
class PredictionSet:
    """One predictions file: of a checkpoint on a split. `key` tells further ones of the same apart.

    Empty for the run's own settings, 8 hex digits for other ones, the number of a prediction of new images.
    """

    file: Path
    checkpoint: str
    split: str
    key: str = ""

    @property
    def is_new(self) -> bool:
        """Of new images, without ground truth."""
        return self.split == NEW

    @property
    def epoch(self) -> int:
        match = CHECKPOINT_ID.fullmatch(self.checkpoint)
        return int(match[2]) if match else 0

    @property
    def name(self) -> str:
        """`a01-e0038 val`."""
        return f"{self.checkpoint} {self.split}{f' {self.key}' if self.key else ''}"


def prediction_sets(run: RunPaths) -> list[PredictionSet]:
    """All predictions of a run by checkpoint, split and key; never raises."""
    try:
        names = os.listdir(run.predictions)
    except OSError:
        return []
    matches = ((name, _NAME.fullmatch(name)) for name in names)
    sets = [
        PredictionSet(run.predictions / name, match[1], match[2], match[3] or "")
        for name, match in matches
        if match
    ]
    return sorted(sets, key=lambda item: (item.checkpoint, item.split, item.key))


def find_predictions(run: RunPaths, at: str | None = None, split: str | None = None) -> PredictionSet:
    """The predictions of a checkpoint (best, last, an epoch or an id) on a split.

    By default of val, else of whatever there is, and of the best checkpoint, else of the newest that has
    predictions. Raises DataError when there are none, StateError when there are none yet, UsageError when
    there are none like that.
    """
    every = prediction_sets(run)
    if not every:
        state = derive_state(run).state
        if state in ACTIVE:
            raise StateError(
                f"Run {run.id} is {state} and has no predictions yet: they come with its first measured "
                "epoch."
            )
        raise DataError(
            f"Run {run.id} has no predictions to look at: `labtui measure {run.id} --at best` makes them."
        )
    splits = list(dict.fromkeys(item.split for item in every))
    chosen_split = split or (
        "val" if "val" in splits else next((name for name in splits if name != NEW), NEW)
    )
    of_split = [item for item in every if item.split == chosen_split]
    if not of_split:
        raise UsageError(
            f"Run {run.id} has no predictions of split '{clean(chosen_split)}', only of {', '.join(splits)}"
            f"{_making(run, chosen_split)}."
        )
    chosen = [item for item in of_split if item.checkpoint == _checkpoint(run, at, of_split)]
    if not chosen:
        names = list(dict.fromkeys(item.checkpoint for item in of_split))
        shown = ", ".join(names if len(names) <= 6 else [*names[:2], "…", *names[-3:]])
        raise UsageError(
            f"Run {run.id} has no predictions of {clean(at or '')} on {chosen_split}, only of {shown}: "
            f"`labtui measure {run.id} --at {clean(at or '')}` makes them."
        )
    # The run's own settings first; of new images the last ones.
    return chosen[-1] if chosen_split == NEW else chosen[0]


def _making(run: RunPaths, split: str) -> str:
    """How predictions of a split are made, where it is one."""
    if split in ("train", "val", "test"):
        return f": `labtui measure {run.id} --splits {split}` makes them"
    return f": `labtui predict {run.id} IMAGES` makes them" if split == NEW else ""


def train_counts(run: RunPaths) -> tuple[int, ...] | None:
    """Training images (objects, with boxes) of each class; None where the run does not tell."""
    from core.datasets.dataset import read_dataset

    try:
        dataset = read_dataset(run)
        return None if dataset is None or "train" not in dataset.splits else dataset.counts("train")
    except DataError:
        return None


def _checkpoint(run: RunPaths, at: str | None, of_split: list[PredictionSet]) -> str:
    """The id that `at` means; what was predicted counts also when the checkpoint itself is gone."""
    if at in {item.checkpoint for item in of_split}:
        return str(at)
    if at is not None and at.isdecimal():
        line = lineage(run)
        of_epoch = [item.checkpoint for item in of_split if item.epoch == int(at)]
        return max(of_epoch, key=lambda name: (holds_id(line, name), name), default="")
    if at in (None, "best") and (best := best_id(run)) in {item.checkpoint for item in of_split}:
        return best
    try:
        wished = choose(run, at or "best").id
    except CheckpointError:
        if at is not None and list_checkpoints(run):
            raise
        wished = ""
    has = any(item.checkpoint == wished for item in of_split)
    line = lineage(run)
    by_age = sorted(of_split, key=lambda item: (holds_id(line, item.checkpoint), item.epoch, item.checkpoint))
    return wished if has or (at is not None and wished) else by_age[-1].checkpoint
