"""Two predictions of the same images against each other: what the second mends, what it breaks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from core import humanise
from core.store.paths import RunPaths
from tui.screens.errors_pages import ErrorPages
from tui.screens.errors_source import Source, Thresholds, chosen, sources
from tui.widgets.bars import Span, SpanLine
from tui.widgets.case_table import KIND_WORDS, PlainTable, TableRow, image_name
from tui.widgets.line_table import Column

if TYPE_CHECKING:
    from core.analysis.bootstrap import Interval
    from core.analysis.compare import Comparison
    from core.analysis.errors import Errors
    from core.store.records import RunSummary

CHANGE_COLUMNS = (
    Column("image", "image", 32),
    Column("state", "", 11),
    Column("truth", "truth", 24),
    Column("first", "A", 26),
    Column("second", "B", 26),
)
_WORDS = {"fixed": "fixed", "broken": "broken", "still_wrong": "still wrong"}
_TONES = {"fixed": "good", "broken": "bad", "still_wrong": "muted"}
_MOST = 500
_RUNS = 200


@dataclass(frozen=True)
class Other:
    """What to compare with: predictions and what their run is called."""

    source: Source
    label: str


class ErrorComparison(ErrorPages):
    """A is what the screen is about, B another predictions file of the same images."""

    other: Other | None = None

    def action_compare(self) -> None:
        """Ask for the other predictions."""
        found = partial(others, self.lab.workspace.runs, self.lab.snapshot.runs, self.source)
        self.newest.ask("others", found, self._ask_other)

    def _ask_other(self, found: list[Other]) -> None:
        from tui.dialogs.choose import Choice, ChooseDialog

        by_name = {f"{other.label}  {other.source.name}": other for other in found}

        def take(value: str | None) -> None:
            if value is not None and value in by_name:
                self.other = by_name[value]
                self._pages.pop("ab", None)
                self.tab = "ab"
                self.show_page()

        choices = [Choice(name) for name in by_name]
        self.app.push_screen(ChooseDialog(f"Compare {self._run.label} with", choices), take)

    def show_page(self) -> None:
        if self.tab != "ab":
            super().show_page()
            return
        view, errors, other = self.view, self.errors, self.other
        if view is None or errors is None:
            return
        if other is None:
            self.query_one("#ab-counts", SpanLine).show([(" a chooses predictions to compare with", "muted")])
            self.query_one("#changes", PlainTable).empty = ""
            return
        if self._pages.get("ab") is not view:
            self._pages["ab"] = view
            self.query_one("#ab-counts", SpanLine).show([(f" comparing with {other.label} …", "muted")])
            self.newest.ask("ab", partial(_compared, errors, other, self.thresholds), self._have_comparison)

    def _have_comparison(
        self, found: tuple[Other, Comparison, list[TableRow], tuple[list[Span], list[Span]]]
    ) -> None:
        other, comparison, rows, (counts, numbers) = found
        if other is self.other and comparison.a.errors is self.errors:
            self.query_one("#ab-counts", SpanLine).show(counts)
            self.query_one("#ab-numbers", SpanLine).show(numbers)
            table = self.query_one("#changes", PlainTable)
            table.empty = "no difference: both get the same objects right"
            table.set_rows(rows)

    def failed(self, sentence: str) -> None:
        if self.tab == "ab":
            self.query_one("#ab-counts", SpanLine).show([(f" {sentence}", "bad")])
            self.query_one("#ab-numbers", SpanLine).show([])
            self.query_one("#changes", PlainTable).set_rows(())
        else:
            super().failed(sentence)


def others(folder: Path, runs: Sequence[RunSummary], here: Source | None) -> list[Other]:
    """Predictions of the split that is shown: of this run all, of others the best, newest runs first."""
    found = []
    for run in runs[:_RUNS]:
        every = sources(RunPaths(folder / run.id))
        mine = here is not None and here.file.parent.parent.name == run.id
        split = here.split if here is not None else "val"
        same = [item for item in every if item.split == split]
        best = chosen(same, run)
        shown = same if mine else [best] if best is not None else []
        found += [Other(item, run.label) for item in shown if here is None or item.file != here.file]
    return found


def _compared(
    errors: Errors, other: Other, at: Thresholds
) -> tuple[Other, Comparison, list[TableRow], tuple[list[Span], list[Span]]]:
    from core.analysis.compare import compare
    from core.analysis.errors import open_errors

    second = open_errors(other.source.file)
    found = compare(errors, second, score=at.score, iou=at.iou)
    rows = []
    for state in ("broken", "fixed", "still_wrong"):
        for change in found.changes(state)[:_MOST]:
            fates = []
            for fate, label in zip((change.first, change.second), change.taken_for, strict=True):
                word = KIND_WORDS.get(fate, fate)
                shown = fate == "confused" and label is not None
                fates.append(f"→ {errors.classes[label]}" if shown and label is not None else word)
            cells: dict[str, Span] = {
                "image": (image_name(change.path), "text"),
                "state": (_WORDS[state], _TONES[state]),
                "truth": (errors.classes[change.truth], "text"),
                "first": (fates[0], "good" if change.first == "correct" else "bad"),
                "second": (fates[1], "good" if change.second == "correct" else "bad"),
            }
            rows.append(TableRow(f"{change.image} {change.object}", cells))
    counts: list[Span] = [
        (f" B: {other.label}@{other.source.epoch}", "title"),
        (f"  fixed {humanise.count(found.counts['fixed'])}", "good"),
        (f"  broken {humanise.count(found.counts['broken'])}", "bad"),
        (f"  still wrong {humanise.count(found.counts['still_wrong'])}", "text"),
        (f"  both right {humanise.count(found.counts['both_right'])}", "muted"),
    ]
    if found.p is not None:
        counts.append((f"  McNemar p {found.p:.3g}", "text"))
    numbers: list[Span] = []
    for name, values in found.intervals.items():
        numbers += _interval(name, values)
    return other, found, rows, (counts, numbers)


def _interval(name: str, found: Interval) -> list[Span]:
    """`map .4657 → .4790  +.0133 (-.0020 to +.0290): may be chance`."""
    if found.difference is None or found.low is None or found.high is None:
        return [(f" {name} {humanise.MISSING}", "muted")]
    change = f"{found.difference:+.4f} ({found.low:+.4f} to {found.high:+.4f}, 95 %)"
    verdict = "more than chance" if found.beyond_chance else "may be chance"
    values = f"{humanise.metric(found.first)} → {humanise.metric(found.second)}"
    return [(f" {name} ", "muted"), (values, "text"), (f"  {change}: {verdict} ", "accent")]
