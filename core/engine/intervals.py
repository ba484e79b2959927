"""Intervals over images beside what was measured: of the best and the last checkpoint, and where asked."""

from __future__ import annotations

from core.analysis.errors import open_errors
from core.analysis.estimates import estimates
from core.analysis.prediction_files import train_counts
from core.engine.log import log
from core.engine.measure_files import predictions_path, read_measure
from core.errors import CheckpointError, DataError
from core.os_errors import reason
from core.store.checkpoints import choose
from core.store.estimates import read_estimates, write_estimates
from core.store.paths import RunPaths

_SPLITS = ("val", "test")


def write_intervals(run: RunPaths, checkpoint: str, sha256: str, split: str, key: str = "") -> None:
    """Leave the estimates of a measure row, from its predictions; what is there stays.

    Predictions that are damaged are told in the log: the row stands without intervals. Raises OSError.
    """
    file = predictions_path(run, checkpoint, split, key)
    if read_estimates(run, file.stem, sha256) is not None or not file.exists():
        return
    try:
        errors = open_errors(file, train_counts(run))
    except DataError as error:
        log(f"note: no intervals of {checkpoint} {split}: {error}")
        return
    if errors.source.origin.sha256 not in ("", sha256):
        return
    found = estimates(errors)
    if found is not None:
        write_estimates(run, file.stem, sha256, found)


def write_chosen_intervals(run: RunPaths) -> None:
    """Those of the best and the last checkpoint on val and test, as far as they were measured.

    A disk that takes no more is told in the log: the training is done, whatever becomes of them.
    """
    for word in ("best", "last"):
        try:
            point = choose(run, word)
        except CheckpointError:
            continue
        for split in _SPLITS:
            if read_measure(run, point.id, point.sha256, split) is None:
                continue
            try:
                write_intervals(run, point.id, point.sha256, split)
            except OSError as error:
                log(f"note: intervals of {point.id} {split} were not written: {reason(error)}")
