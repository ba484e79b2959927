"""Which charts a selection of runs has, and which line stands for what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from core import humanise
from core.store.records import ACTIVE, RunSummary
from tui.chart.compose import ChartData, Curve
from tui.chart.curves import EMPTY, Curves

_BOUNDED = ("accuracy", "precision", "recall", "top", "map", "ap")
_SPLITS = ("train", "val", "test")
_HIDDEN = ("time", "images", "step")
_PACE_OVER = 8
_PROGRESS = ("step_in_epoch", "steps_per_epoch")


def leaf(name: str) -> str:
    """`accuracy` of `val/accuracy`: metrics with the same leaf share a chart."""
    return name.rsplit("/", 1)[-1]


def chart_names(all_curves: Sequence[Curves], metric: str) -> list[str]:
    """Leaves to draw: the run's own metric, the loss, then the rest by name; timings last."""
    names = {name for curves in all_curves for name in (*curves.epochs, *curves.steps)}
    first = [leaf(metric) if metric else "accuracy", "loss"]
    learned = sorted({leaf(name) for name in names if not name.startswith(_HIDDEN)} - set(first))
    timings = sorted(name for name in names if name in ("images/s", "time/step"))
    return list(dict.fromkeys([*first, *learned, *timings]))


def single(
    run: RunSummary, curves: Curves | None, chart: str, axis: str, *, at_epoch: int | None = None
) -> ChartData:
    """The chart called `chart` (a leaf or a whole name) of one run: train and val beside each other.

    `at_epoch` is marked with a vertical line.
    """
    curves = curves or EMPTY
    drawn: list[Curve] = []
    for number, name in enumerate(_names(curves, chart)):
        view = curves.finest(name, axis)
        if view is None:
            continue
        split = name.split("/")[0] if name.split("/")[0] in _SPLITS else chart
        color = _SPLITS.index(split) if split in _SPLITS else number
        best = (run.best.epoch, run.best.value) if run.best is not None and run.best.metric == name else None
        if name in curves.ghosts:
            drawn.append(Curve(split, split[0], curves.ghosts[name], color, ghost=True))
        drawn.append(Curve(split, split[0], view, color, dotted=split == "train", best=best))
    return ChartData(
        chart,
        tuple(drawn),
        key=f"{run.id} {axis} {curves.first_epoch}",
        bounded=chart.startswith(_BOUNDED),
        live=run.state in ACTIVE,
        empty=nothing_yet(run, curves),
        at_epoch=at_epoch,
        x_span=(0.0, 1.0) if curves.first_epoch else None,
    )


def overlay(
    runs: Sequence[RunSummary],
    curves: Mapping[str, Curves],
    marks: Mapping[str, tuple[str, int]],
    chart: str,
    axis: str,
) -> ChartData:
    """One chart for several runs: colour and letter name the run; train is dotted, its letter small."""
    drawn: list[Curve] = []
    for run in runs:
        letter, color = marks[run.id]
        own = curves.get(run.id, EMPTY)
        for name in _names(own, chart):
            view = own.finest(name, axis)
            if view is not None:
                train = name.startswith("train/")
                drawn.append(Curve(run.label, letter.lower() if train else letter, view, color, dotted=train))
    drawn.sort(key=lambda curve: curve.dotted)
    return ChartData(
        chart,
        tuple(drawn),
        key=f"{' '.join(run.id for run in runs)} {axis}",
        bounded=chart.startswith(_BOUNDED),
        live=any(run.state in ACTIVE for run in runs),
        empty="no data yet",
    )


def nothing_yet(run: RunSummary, curves: Curves) -> str:
    """Why a chart is empty, and when that changes."""
    if run.state == "queued":
        return f"no data yet: {run.reason or 'waiting for a free slot'}"
    if run.state == "starting":
        return "no data yet: starting"
    if run.state in ("failed", "lost"):
        return f"no data: {run.reason or run.state}"
    if run.state in ("stopped", "finished"):
        return f"no data: {run.state} before the first epoch ended"
    left = seconds_left(curves)
    if left is not None:
        return f"no data yet: first epoch ends in {humanise.eta(left)}"
    return "no data yet: first epoch under way"


def under_way(curves: Curves) -> str:
    """How far the epoch under way is: `45 % of the epoch, ≈ 20 s left`; empty when no step was logged."""
    places = [curves.steps[name].last("step") for name in _PROGRESS if name in curves.steps]
    left = seconds_left(curves)
    if left is None or not all(places):
        return ""
    done, total = (place[1] for place in places if place)
    return f"{done / max(total, 1):.0%} of the epoch, {humanise.eta(left)} left".replace("%", " %")


def seconds_left(curves: Curves) -> float | None:
    """Seconds to the end of the epoch under way, validation not counted; None when no step was logged."""
    last = [curves.steps[name].last("step") for name in _PROGRESS if name in curves.steps]
    pace = curves.steps.get("time/step")
    if len(last) < len(_PROGRESS) or pace is None or not len(pace):
        return None
    done, total = (point[1] if point else 0.0 for point in last)
    return float(max(total - done, 0.0) * pace.y[-_PACE_OVER:].mean())


def _names(curves: Curves, chart: str) -> list[str]:
    names = {name for name in (*curves.epochs, *curves.steps) if name == chart or leaf(name) == chart}
    return sorted(
        names, key=lambda name: (_SPLITS.index(s) if (s := name.split("/")[0]) in _SPLITS else 9, name)
    )
