"""Tables of metrics: one for a classifier; a detector has too many columns, so it gets them by kind."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from core.cli.output import table
from core.humanise import MISSING, not_finite, number
from core.metrics import BY_NAME, COCO, leaf
from core.text import clean, middle_cut

_TITLES = ("", "by size, number", "loss terms")
_CLASSES = 30
_NAME = 40


def is_precision(name: str) -> bool:
    """Whether it is one of COCO's numbers, which no object may have a say in."""
    return leaf(name) in COCO


def shown(name: str, value: float | None) -> str:
    """A metric as people read it; COCO's -1 for "no objects" is no value."""
    if value is None or (is_precision(name) and value == -1):
        return MISSING
    return number(name, value)


def odd_line(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Which metrics are no numbers in some of the rows, by kind: one line, or none."""
    counted = []
    for name in dict.fromkeys(name for row in rows for name in row if "/" in name):
        values = [row[name] for row in rows if isinstance(row.get(name), float)]
        up, down = values.count(math.inf), values.count(-math.inf)
        if odd := not_finite(sum(map(math.isnan, values)), up, down):
            counted.append(f"{clean(name)} {odd}")
    return [f"not finite: {'; '.join(counted)}"] if counted else []


def main_names(names: Iterable[str]) -> list[str]:
    """Those of the first table."""
    return grouped(names)[0]


def grouped(names: Iterable[str]) -> list[list[str]]:
    """Metrics table by table: a detector's main ones, those by size and number of boxes, its loss terms."""
    every = list(dict.fromkeys(names))
    if not any(is_precision(name) for name in every):
        return [every]
    groups: list[list[str]] = [[], [], []]
    for name in every:
        if is_precision(name):
            groups[not BY_NAME[leaf(name)].main].append(name)
        else:
            groups[2 if leaf(name).startswith("loss_") else 0].append(name)
    groups[1].sort(key=lambda name: (name.rpartition("/")[0], COCO.index(leaf(name))))
    return [group for group in groups if group]


def metric_lines(
    header: Sequence[str],
    rows: Sequence[tuple[Sequence[str], Mapping[str, Any]]],
    right: str,
    tail: Callable[[int], str] | None = None,
) -> list[str]:
    """A table, or several with empty lines between.

    `rows` are the first cells and the metrics; `header` and `right` are those of the first cells; `tail(i)`
    is what stands last in row i of the first table.
    """
    lines: list[str] = []
    for place, names in enumerate(grouped(name for _, values in rows for name in values)):
        first = header[0] if place == 0 else _title(names)
        last = tail if place == 0 else None
        cells = [
            (*cells, *(shown(name, values.get(name)) for name in names), *([last(at)] if last else []))
            for at, (cells, values) in enumerate(rows)
        ]
        columns = (first, *header[1:], *names, *([""] if last else []))
        lines += [*([""] if lines else []), *table(columns, cells, right + "r" * len(names))]
    return lines


def class_table(per_class: Sequence[Any], title: str) -> list[str]:
    """How each class does, the worst first when there are many; classes without objects come last."""
    found = [item for item in per_class if isinstance(item, Mapping)]
    if not found:
        return []
    boxes = any("ap" in item for item in found)
    score = "ap" if boxes else "accuracy"
    listed = found
    if len(found) > _CLASSES:
        listed = sorted(found, key=lambda item: (item.get(score) is None, item.get(score)))[:_CLASSES]
    columns: tuple[str, ...] = ("ap", "ap_50", "ap_75", "recall") if boxes else ("accuracy",)
    # Runs of earlier versions have the accuracy of their classes only.
    more = not boxes and any("precision" in item for item in found)
    columns += ("precision", "f1") if more else ()
    counts = ("n",) if boxes else ("n", "correct")
    cells = [
        (
            middle_cut(clean(str(item.get("class"))), _NAME),
            *(str(item.get(name)) for name in counts),
            *(number(name, item.get(name)) for name in columns),
        )
        for item in listed
    ]
    heads: tuple[str, ...] = (
        ("objects", "AP", "AP50", "AP75", "AR") if boxes else ("images", "correct", "accuracy")
    )
    heads += ("precision", "F1") if more else ()
    lines = table((title, *heads), cells, "l" + "r" * len(heads))
    left = len(found) - len(listed)
    rest = "all better, or without objects" if boxes else "all better"
    return [*lines, f"and {left} more, {rest}"] if left else lines


def _title(names: Sequence[str]) -> str:
    return _TITLES[1 if is_precision(names[0]) else 2]
