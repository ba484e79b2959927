"""Several runs of one setting as one curve: their mean, between the lowest and the highest of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tui.read.series import Floats, Series, SeriesView


@dataclass(frozen=True, eq=False)
class Band:
    """Mean, lowest and highest value at each epoch that all `runs` runs have measured."""

    mean: SeriesView
    low: SeriesView
    high: SeriesView
    runs: int


def band(histories: Sequence[Sequence[Mapping[str, Any]]], metric: str, epochs: int) -> Band | None:
    """The band of some runs' epoch rows up to epoch `epochs`; None when no epoch is common to all.

    Time is the mean of the seconds that each has trained. Where a value is not finite the line breaks, and
    the chart says how many.
    """
    tables = [table for rows in histories if (table := _table(rows, metric, epochs))]
    common = sorted(set.intersection(*(set(table) for table in tables))) if tables else []
    if not common:
        return None
    # (runs, epochs, 3): step, time, value.
    stacked = np.array([[table[epoch] for epoch in common] for table in tables], np.float64)
    values = stacked[:, :, 2]
    place = np.stack(
        [np.array(common, np.float64), stacked[:, :, 0].max(axis=0), stacked[:, :, 1].mean(axis=0)]
    )
    mean, low, high = (
        _series(place, line) for line in (values.mean(axis=0), values.min(axis=0), values.max(axis=0))
    )
    return Band(mean, low, high, len(tables))


def _table(
    rows: Sequence[Mapping[str, Any]], metric: str, epochs: int
) -> dict[int, tuple[float, float, float]]:
    points: dict[int, tuple[float, float, float]] = {}
    clock = 0.0
    for row in rows:
        seconds = float(row.get("time/epoch", 0.0))
        clock += seconds if np.isfinite(seconds) else 0.0
        if row["epoch"] <= epochs and metric in row:
            points[int(row["epoch"])] = (float(row["step"]), clock, float(row[metric]))
    return points


def _series(place: Floats, values: Floats) -> SeriesView:
    series = Series()
    series.extend(np.concatenate([place, values[None]]))
    return series.view()
