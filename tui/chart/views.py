"""Which charts a selection of runs has, and which line stands for what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from core import humanise
from core.store.records import ACTIVE, RunSummary
from tui.chart.charts import ChartKind, charts_of, kind_of
from tui.chart.compose import ChartData, Curve
from tui.chart.marks import Marks
from tui.chart.names import family, in_order, is_crowding, is_plain, line
from tui.chart.scatter import ScatterData
from tui.read.bands import Band
from tui.read.curves import EMPTY, Curves
from tui.read.series import Odd, SeriesView

_PACE_OVER = 8
_PROGRESS = ("step_in_epoch", "steps_per_epoch")
_QUARTER, _SQUASHED, _SAMPLE = 0.25, 20.0, 1000


def chart_names(all_curves: Sequence[Curves], metric: str) -> list[str]:
    """Charts to draw: the run's own metric, the loss, then the rest; timings last."""
    return charts_of({name for curves in all_curves for name in (*curves.epochs, *curves.steps)}, metric)


def of_chart(
    run: RunSummary,
    curves: Curves | None,
    chart: str,
    axis: str,
    *,
    at_epoch: int | None = None,
    early_stop: int | None = None,
    further: bool = True,
) -> ChartData | ScatterData:
    """What `single` gives, or `against` for a chart of one metric against another."""
    kind = kind_of(chart)
    if kind.against is not None:
        return against(run, curves, kind)
    return single(run, curves, chart, axis, at_epoch=at_epoch, early_stop=early_stop, further=further)


def against(run: RunSummary, curves: Curves | None, kind: ChartKind) -> ScatterData:
    """A point for each epoch in which both metrics were measured."""
    curves = curves or EMPTY
    assert kind.against is not None
    x, y = (curves.epochs.get(name) for name in kind.against)
    places: NDArray[np.float64] = np.empty((3, 0))
    odd = Odd()
    if x is not None and y is not None:
        epochs, of_x, of_y = np.intersect1d(x.x("epoch"), y.x("epoch"), return_indices=True)
        odd = x.odd_at(of_x) + y.odd_at(of_y)
        places = np.stack([epochs, x.y[of_x], y.y[of_y]])
        places = places[:, np.isfinite(places).all(axis=0)]
    return ScatterData(
        kind.name,
        epochs=places[0],
        x=places[1],
        y=places[2],
        key=run.id,
        names=kind.against,
        live=run.state in ACTIVE,
        empty=nothing_yet(run, curves),
        best=run.best.epoch if run.best is not None else None,
        odd=odd,
    )


def single(
    run: RunSummary,
    curves: Curves | None,
    chart: str,
    axis: str,
    *,
    at_epoch: int | None = None,
    early_stop: int | None = None,
    further: bool = True,
) -> ChartData:
    """The chart called `chart` (a family of metrics or a whole name) of one run.

    `further`: with lines such as `tta` beside the splits; without, only the one that the run goes by.
    `at_epoch` is marked with a vertical line, and `early_stop`, the epoch at which the run ended early.
    """
    curves = curves or EMPTY
    drawn: list[Curve] = []
    for name in in_order(_names(curves, chart)):
        view = curves.finest(name, axis)
        if view is None or _says_nothing(name, view) or is_crowding(name):
            continue
        if not (further or is_plain(name) or name == run.metric):
            continue
        label, letter, color = line(name)
        best = (run.best.epoch, run.best.value) if run.best is not None and run.best.metric == name else None
        if name in curves.ghosts:
            drawn.append(Curve(label, letter, curves.ghosts[name], color, ghost=True))
        drawn.append(Curve(label, letter, view, color, dotted=name.startswith("train/"), best=best))
    return ChartData(
        chart,
        tuple(drawn),
        key=f"{run.id} {axis} {curves.first_epoch}",
        bounded=kind_of(chart).bounded,
        live=run.state in ACTIVE,
        empty="no finite value" if drawn else nothing_yet(run, curves),
        at_epoch=at_epoch,
        early_stop=early_stop,
        x_span=(0.0, 1.0) if curves.first_epoch else None,
        log=kind_of(chart).drops and any(is_squashed(curve.view) for curve in drawn),
        goal=run.epochs or None,
    )


def overlay(
    runs: Sequence[RunSummary],
    curves: Mapping[str, Curves],
    marks: Mapping[str, tuple[str, int]],
    chart: str,
    axis: str,
) -> ChartData:
    """One chart for several runs: colour and letter name the run; train is dotted, its letter small.

    Further lines such as `tta` are left out, unless a run goes by one. `chart` may be the whole name of a
    metric, such as `train/map`: then there is one line a run.
    """
    drawn: list[Curve] = []
    for run in runs:
        letter, color = marks[run.id]
        own = curves.get(run.id, EMPTY)
        for name in in_order(_names(own, chart)):
            view = own.finest(name, axis)
            if view is not None and (is_plain(name) or name in (run.metric, chart)):
                train = name.startswith("train/") and name != chart
                drawn.append(Curve(run.label, letter.lower() if train else letter, view, color, dotted=train))
    drawn.sort(key=lambda curve: curve.dotted)
    return ChartData(
        chart,
        tuple(drawn),
        key=f"{' '.join(run.id for run in runs)} {axis}",
        bounded=kind_of(chart).bounded,
        live=any(run.state in ACTIVE for run in runs),
        empty="not measured: m measures train" if chart.startswith("train/") else "no data yet",
        log=kind_of(chart).drops and any(is_squashed(curve.view) for curve in drawn),
    )


def beside(
    runs: Sequence[RunSummary],
    curves: Mapping[str, Curves],
    marks: Mapping[str, tuple[str, int]],
    axis: str,
    *,
    apart: bool,
) -> list[ChartData]:
    """The charts of some runs, or of one that is not marked: its metric and the loss.

    `apart`: loss and metric in training and validation in charts of their own.
    """
    first = runs[0]
    main = family(first.metric) if first.metric else "accuracy"
    names = [main if main != "loss" else "accuracy", "loss"]
    if apart:
        names = [f"{split}/{name}" for name in names[::-1] for split in ("train", "val")]
    if len(runs) == 1 and not marks:
        own, early = curves.get(first.id), first.early_stop
        return [single(first, own, name, axis, early_stop=early, further=False) for name in names]
    return [overlay(runs, curves, marks, name, axis) for name in names]


def band_chart(
    bands: Mapping[str, Band],
    marks: Marks,
    metric: str,
    *,
    labels: Mapping[str, str] | None = None,
    bounded: bool,
    empty: str,
) -> ChartData:
    """A line for each trial with its band, if it has several runs; colours and letters are those of marks.

    `labels` are shorter names of trials.
    """
    curves = []
    for name, made in bands.items():
        letter, color = marks.get(name, ("●", 0))
        seeds = f"{made.runs} seeds" if made.runs > 1 else "1 seed"
        edges = (made.low, made.high) if made.runs > 1 else None
        curves.append(
            Curve(f"{(labels or {}).get(name, name)} ({seeds})", letter, made.mean, color, band=edges)
        )
    title = f"{metric}, mean and range over seeds" if any(c.band for c in curves) else metric
    return ChartData(title, tuple(curves), key=" ".join(bands), bounded=bounded, empty=empty)


def nothing_yet(run: RunSummary, curves: Curves) -> str:
    """Why a chart is empty, and when that changes."""
    if curves.epochs and not run.problems:
        return "not measured yet" if run.state in ACTIVE else "not measured in this run"
    if run.state == "queued":
        return f"no data yet: {run.reason or 'waiting for a free slot'}"
    if run.state == "starting":
        return "no data yet: starting"
    if run.state in ("failed", "lost"):
        return f"no data: {run.reason or run.state}"
    if run.state in ("stopped", "finished"):
        if run.problems:
            return f"no data: {run.problems[0]}"
        return f"no data: {run.state} before the first epoch ended"
    left = seconds_left(curves)
    if left is not None:
        return f"no data yet: first epoch ends in {humanise.eta(left)}"
    return "no data yet: first epoch is running"


def under_way(curves: Curves) -> str:
    """`45 % of the epoch, ≈ 20 s left`, or `validating`; empty when no step was logged."""
    places = [curves.steps[name].last("step") for name in _PROGRESS if name in curves.steps]
    left = seconds_left(curves)
    if left is None or not all(places):
        return ""
    done, total = (place[1] for place in places if place)
    if done >= total:
        return "validating"
    return f"{100 * done // max(total, 1):.0f} % of the epoch, {humanise.eta(left)} left"


def seconds_left(curves: Curves) -> float | None:
    """Seconds to the end of the epoch under way, validation not counted; None when no step was logged."""
    last = [curves.steps[name].last("step") for name in _PROGRESS if name in curves.steps]
    pace = curves.steps.get("time/step")
    if len(last) < len(_PROGRESS) or pace is None or not len(pace):
        return None
    done, total = (point[1] if point else 0.0 for point in last)
    return float(max(total - done, 0.0) * pace.y[-_PACE_OVER:].mean())


def is_squashed(view: SeriesView) -> bool:
    """Whether a quarter of the points would lie on the ground of a linear axis, as after two drops of ten."""
    values = view.y[:: max(len(view) // _SAMPLE, 1)]
    values = np.sort(values[np.isfinite(values) & (values > 0)])
    return len(values) > 0 and float(values[-1] / values[int(len(values) * _QUARTER)]) >= _SQUASHED


def _says_nothing(name: str, view: SeriesView) -> bool:
    """A top-5 accuracy of one throughout, as with five classes or fewer."""
    return name.endswith("/top5") and bool((view.y == 1.0).all())


def _names(curves: Curves, chart: str) -> set[str]:
    return {name for name in (*curves.epochs, *curves.steps) if name == chart or family(name) == chart}
