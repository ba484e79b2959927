"""The charts that there are, one entry each: what is drawn in it, of which tasks, on which scale."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from core.metrics import METRICS, TERMS, Task, entry, form_of, is_bounded
from tui.chart.names import family


@dataclass(frozen=True)
class ChartKind:
    """One chart.

    `name` is written over it: the family of the metrics that are drawn in it, or the name of one metric.
    `against`: two metrics, x and y, a point an epoch. `drops`: its values may fall by powers of ten, and then
    the scale is logarithmic. `timing`: how fast a run is, not what it learns.
    """

    name: str
    against: tuple[str, str] | None = None
    drops: bool = False
    timing: bool = False

    @property
    def metrics(self) -> tuple[str, ...]:
        """What is drawn in it: metrics without their split, or x and y with it."""
        if self.against is not None:
            return self.against
        return tuple(metric.name for metric in METRICS if self.name in (metric.family, metric.name))

    @property
    def tasks(self) -> frozenset[Task]:
        """Tasks whose runs have it."""
        drawn = [known.tasks for name in self.metrics if (known := entry(name)) is not None]
        if self.against is not None:
            return frozenset(drawn[0]).intersection(*drawn[1:])
        return frozenset(task for tasks in drawn for task in tasks)

    @property
    def bounded(self) -> bool:
        """Whether its values lie between 0 and 1."""
        return self.against is None and is_bounded(self.name)


def _against(y: str, x: str) -> ChartKind:
    return ChartKind(f"{y} against {x}", against=(x, y))


CHARTS: tuple[ChartKind, ...] = (
    ChartKind("map"),
    ChartKind("accuracy"),
    ChartKind("loss"),
    ChartKind("top5"),
    ChartKind(TERMS),
    ChartKind("lr", drops=True),
    _against("val/map", "val/loss"),
    _against("val/map_50", "val/map_75"),
    ChartKind("grad_norm"),
    ChartKind("map by size"),
    ChartKind("mar"),
    ChartKind("mar by size"),
    ChartKind("images/s", timing=True),
    ChartKind("time/step", timing=True),
)
"""In the order in which they are looked at; a metric without an entry has a chart of its own behind them."""
_PROGRESS = ("step_in_epoch", "steps_per_epoch")


def kind_of(chart: str) -> ChartKind:
    """The entry of a chart, or a plain one where there is none."""
    return next((kind for kind in CHARTS if kind.name == chart), None) or ChartKind(chart)


def charts_of(names: Collection[str], metric: str) -> list[str]:
    """The charts of a run with the metrics `names`, judged by `metric`: that one, the loss, then the rest."""
    first = family(metric) if metric else "accuracy"
    learned = {family(name) for name in names if name not in _PROGRESS and not _is_timing(name)}
    further = {
        kind.name
        for kind in CHARTS
        if (kind.timing and kind.name in names) or (kind.against and {*kind.against} <= set(names))
    }
    return [first, *_in_order({"loss", *learned, *further} - {first})]


def _in_order(charts: Iterable[str]) -> list[str]:
    order = {kind.name: number for number, kind in enumerate(CHARTS)}
    return sorted(charts, key=lambda chart: (kind_of(chart).timing, order.get(chart, len(order)), chart))


def _is_timing(name: str) -> bool:
    return form_of(name) in ("seconds", "speed")
