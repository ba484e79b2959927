"""Two predictions of the same images against each other: what the second mends, what it breaks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from core import humanise
from core.store.paths import RunPaths
from tui.errors.source import chosen, sources
from tui.widgets.bars import Span
from tui.widgets.case_table import TableRow
from tui.widgets.case_words import KIND_WORDS, image_name

if TYPE_CHECKING:
    from core.analysis.chance import Interval
    from core.analysis.compare import Comparison
    from core.analysis.errors import View
    from core.analysis.prediction_files import PredictionSet
    from core.store.records import RunSummary

_WORDS = {"fixed": "fixed", "broken": "broken", "still_wrong": "still wrong"}
_TONES = {"fixed": "good", "broken": "bad", "still_wrong": "muted"}
_MAX_ROWS = 500
_MAX_RUNS = 200
_MAX_CLASSES = 8


@dataclass(frozen=True)
class OtherPredictions:
    """What to compare with: predictions and what their run is called."""

    source: PredictionSet
    label: str


@dataclass(frozen=True)
class Compared:
    """What came of a comparison: `second` is the other model's view, its images in the order of `view`."""

    other: OtherPredictions
    view: View
    second: View
    captions: tuple[str, str]
    rows: list[TableRow]
    counts: list[Span]
    numbers: list[list[Span]]


def others(folder: Path, runs: Sequence[RunSummary], current: PredictionSet | None) -> list[OtherPredictions]:
    """Predictions of the split that is shown: all of this run, then the best of others, the likest first."""
    choices = []
    here = current.file.parent.parent.name if current is not None else ""
    metric = next((run.metric for run in runs if run.id == here), "")
    # This run first, as another epoch is what is compared most, then those judged by the same metric.
    alike = sorted(runs[:_MAX_RUNS], key=lambda run: (run.id != here, run.metric != metric))
    for run in alike:
        every = sources(RunPaths(folder / run.id))
        split = current.split if current is not None else "val"
        same = [item for item in every if item.split == split]
        best = chosen(same, run)
        shown = same if run.id == here else [best] if best is not None else []
        choices += [
            OtherPredictions(item, run.label)
            for item in shown
            if current is None or item.file != current.file
        ]
    return choices


def is_older(other: OtherPredictions, current: PredictionSet | None) -> bool:
    """Whether predictions come before the current ones: of an earlier run, or epoch of this one.

    Ids of runs begin with the time at which they were made.
    """
    if current is None:
        return False
    mine, theirs = (item.file.parent.parent.name for item in (current, other.source))
    return (theirs, other.source.epoch) < (mine, current.epoch)


def compared(view: View, other: OtherPredictions, names: tuple[str, str]) -> Compared:
    """Compare at the thresholds of `view`. Raises DataError for other images or classes."""
    from core.analysis.chance import class_verdicts
    from core.analysis.compare import compare
    from core.analysis.errors import open_errors

    second = open_errors(other.source.file)
    comparison = compare(view.errors, second, score=view.score, iou=view.iou, agnostic_nms=view.agnostic_nms)
    classes = view.errors.classes
    rows = []
    for state in ("broken", "fixed", "still_wrong"):
        for change in comparison.changes(state)[:_MAX_ROWS]:
            fates = []
            for fate, label in zip((change.first, change.second), change.taken_for, strict=True):
                word = KIND_WORDS.get(fate, fate)
                shown = fate == "confused" and label is not None
                fates.append(f"→ {classes[label]}" if shown and label is not None else word)
            cells: dict[str, Span] = {
                "image": (image_name(change.path), "text"),
                "state": (_WORDS[state], _TONES[state]),
                "truth": (classes[change.truth], "text"),
                "first": (fates[0], "good" if change.first == "correct" else "bad"),
                "second": (fates[1], "good" if change.second == "correct" else "bad"),
            }
            rows.append(TableRow(f"{change.image} {change.object}", cells))
    counts: list[Span] = [
        (f" fixed {humanise.count(comparison.counts['fixed'])}", "good"),
        (f"  broken {humanise.count(comparison.counts['broken'])}", "bad"),
        (f"  still wrong {humanise.count(comparison.counts['still_wrong'])}", "text"),
        (f"  both right {humanise.count(comparison.counts['both_right'])}", "muted"),
    ]
    if view.agnostic_nms is not None:
        counts.append(("  NMS on both", "warning"))
    numbers = [_interval(name, values) for name, values in comparison.intervals.items()]
    numbers.append([(f" {class_verdicts(comparison.per_class)}", "muted"), *_differing(comparison)])
    return Compared(other, view, comparison.b, names, rows, counts, numbers)


def _interval(name: str, interval: Interval) -> list[Span]:
    """`map .4657 → .4790  +.0133 (-.0020 to +.0290): may be chance, p .43`."""
    if interval.difference is None:
        return [(f" {name} {humanise.MISSING}", "muted")]
    change = f"{interval.difference:+.4f}"
    if interval.low is not None and interval.high is not None:
        change += f" ({interval.low:+.4f} to {interval.high:+.4f})"
    verdict = interval.words if interval.p is None else f"{interval.words}, p {interval.p:.2g}"
    values = f"{humanise.metric(interval.first)} → {humanise.metric(interval.second)}"
    return [(f" {name} ", "muted"), (values, "text"), (f"  {change}: {verdict} ", "accent")]


def _differing(comparison: Comparison) -> list[Span]:
    """The classes that differ, the largest differences first."""
    names = comparison.a.errors.classes
    clear = [
        (value.difference or 0.0, label)
        for label, value in enumerate(comparison.per_class)
        if value.beyond_chance
    ]
    clear.sort(key=lambda item: -abs(item[0]))
    return [(f"  {names[label]} {change:+.4f}", "accent") for change, label in clear[:_MAX_CLASSES]]
