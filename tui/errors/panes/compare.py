"""Two predictions of the same images against each other: what the second mends, what it breaks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textual import on

from core import humanise
from core.store.paths import RunPaths
from tui.cell_text import cut
from tui.errors.overlay import Sight
from tui.errors.panes.pages import ErrorPages
from tui.errors.panes.picture import Pair
from tui.errors.source import Source, chosen, sources
from tui.widgets.bars import Span, SpanLine
from tui.widgets.case_table import KIND_WORDS, PlainTable, TableRow, image_name
from tui.widgets.columns import Column
from tui.widgets.line_table import LineTable

if TYPE_CHECKING:
    from core.analysis.chance import Interval
    from core.analysis.compare import Comparison
    from core.analysis.errors import Errors, View
    from core.store.records import RunSummary

CHANGE_COLUMNS = (
    Column("image", "image", 32),
    Column("state", "", 11),
    Column("truth", "truth", 24, middle=True),
    Column("first", "A", 26, middle=True),
    Column("second", "B", 26, middle=True),
)
NARROW_CHANGE_COLUMNS = (
    Column("image", "image", 18),
    Column("state", "", 11),
    Column("truth", "truth", 14, middle=True),
    Column("first", "A", 15, middle=True),
    Column("second", "B", 15, middle=True),
)
_WORDS = {"fixed": "fixed", "broken": "broken", "still_wrong": "still wrong"}
_TONES = {"fixed": "good", "broken": "bad", "still_wrong": "muted"}
_NUMBERS = ("#ab-numbers", "#ab-more", "#ab-classes")
_MOST = 500
_RUNS = 200
_CLASSES = 8


@dataclass(frozen=True)
class Other:
    """What to compare with: predictions and what their run is called."""

    source: Source
    label: str


@dataclass(frozen=True)
class Compared:
    """What came of a comparison: `second` is the other model's view, its images in the order of `view`."""

    other: Other
    view: View
    second: View
    captions: tuple[str, str]
    rows: list[TableRow]
    counts: list[Span]
    numbers: list[list[Span]]


class ErrorComparison(ErrorPages):
    """A is what the screen is about, B another predictions file of the same images."""

    other: Other | None = None
    _compared: Compared | None = None

    @property
    def changes(self) -> PlainTable:
        return self.query_one("#changes", PlainTable)

    def opened(self, errors: Errors) -> None:
        super().opened(errors)
        self._compared = None
        if self.origin == "ab":
            self.leave()

    # -- an image of both

    @property
    def pair(self) -> Pair | None:
        if self.origin != "ab" or self._compared is None:
            return None
        return Pair(self._compared.second, self._compared.captions)

    @property
    def gone_through(self) -> LineTable[Any]:
        return self.changes if self.origin == "ab" else super().gone_through

    def sight(self) -> Sight | None:
        if self.origin != "ab":
            return super().sight()
        row = self.changes.current
        if row is None or self._compared is None or self._compared.view is not self.view:
            return None
        image, thing = map(int, row.key.split())
        cells = [row.cells[name][0] for name in ("truth", "first", "second", "state")]
        words = f"{cells[0]}: A {cells[1]}, B {cells[2]} ({cells[3]})"
        return Sight(image, None, thing, words)

    @on(PlainTable.Chosen, "#changes")
    def _change_chosen(self) -> None:
        self.enter("ab", "picture")

    @on(PlainTable.Highlighted, "#changes")
    def _change_highlighted(self) -> None:
        if self.origin == "ab":
            self.look()

    def view_changed(self) -> None:
        super().view_changed()
        if self.origin == "ab":
            self._compare()

    def action_compare(self) -> None:
        """Ask for the other predictions."""
        found = partial(others, self.lab.workspace.runs, self.lab.snapshot.runs, self.source)
        self.newest.ask("others", found, self._ask_other)

    def _ask_other(self, found: list[Other]) -> None:
        from tui.dialogs.choose import Choice, ChooseDialog

        by_name = {f"{other.label}  {other.source.name}": other for other in found}

        def take(value: str | None) -> None:
            if value is not None and value in by_name:
                self.other, self._compared = by_name[value], None
                self._pages.pop("ab", None)
                self.tab = "ab"
                self.show_page()

        choices = [Choice(name) for name in by_name]
        self.app.push_screen(ChooseDialog(f"Compare {self._run.label} with", choices), take)

    def show_page(self) -> None:
        if self.tab != "ab" or self.is_gallery:
            super().show_page()
        elif self.view is not None and self.other is None:
            self.query_one("#ab-counts", SpanLine).show([(" a chooses predictions to compare with", "muted")])
            self.changes.empty = ""
        elif self._pages.get("ab") is not self.view:
            self._compare()

    def _compare(self) -> None:
        """Have both compared at the thresholds."""
        view, other = self.view, self.other
        if view is not None and other is not None and self._pages.get("ab") is not view:
            self._pages["ab"] = view
            self.query_one("#ab-counts", SpanLine).show([(f" comparing with {other.label} …", "muted")])
            here = self.source.epoch if self.source is not None else 0
            names = f"{self._run.label}@{here}", f"{other.label}@{other.source.epoch}"
            self.newest.ask("ab", partial(_compared, view, other, names), self._have_comparison)

    def _have_comparison(self, found: Compared) -> None:
        if found.other is not self.other or found.view is not self.view:
            return
        self._compared = found
        label = cut(f"B: {found.captions[1]}", max(self.size.width - 58, 20), middle=True)
        self.query_one("#ab-counts", SpanLine).show(found.counts, [(f"{label} ", "title")])
        for line, words in zip(_NUMBERS, found.numbers, strict=False):
            self.query_one(line, SpanLine).show(words)
        table = self.changes
        table.empty = "no difference: both get the same objects right"
        table.set_rows(found.rows)
        if self.origin == "ab":
            self.look()

    def failed(self, sentence: str) -> None:
        if self.tab == "ab":
            self.query_one("#ab-counts", SpanLine).show([(f" {sentence}", "bad")])
            for line in _NUMBERS:
                self.query_one(line, SpanLine).show([])
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


def _compared(view: View, other: Other, names: tuple[str, str]) -> Compared:
    from core.analysis.chance import class_verdicts
    from core.analysis.compare import compare
    from core.analysis.errors import open_errors

    second = open_errors(other.source.file)
    found = compare(view.errors, second, score=view.score, iou=view.iou, agnostic_nms=view.agnostic_nms)
    classes = view.errors.classes
    rows = []
    for state in ("broken", "fixed", "still_wrong"):
        for change in found.changes(state)[:_MOST]:
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
        (f" fixed {humanise.count(found.counts['fixed'])}", "good"),
        (f"  broken {humanise.count(found.counts['broken'])}", "bad"),
        (f"  still wrong {humanise.count(found.counts['still_wrong'])}", "text"),
        (f"  both right {humanise.count(found.counts['both_right'])}", "muted"),
    ]
    if view.agnostic_nms is not None:
        counts.append(("  NMS on both", "warning"))
    numbers = [_interval(name, values) for name, values in found.intervals.items()]
    numbers.append([(f" {class_verdicts(found.per_class)}", "muted"), *_differing(found)])
    return Compared(other, view, found.b, names, rows, counts, numbers)


def _interval(name: str, found: Interval) -> list[Span]:
    """`map .4657 → .4790  +.0133 (-.0020 to +.0290): may be chance, p .43`."""
    if found.difference is None:
        return [(f" {name} {humanise.MISSING}", "muted")]
    change = f"{found.difference:+.4f}"
    if found.low is not None and found.high is not None:
        change += f" ({found.low:+.4f} to {found.high:+.4f})"
    verdict = found.words if found.p is None else f"{found.words}, p {found.p:.2g}"
    values = f"{humanise.metric(found.first)} → {humanise.metric(found.second)}"
    return [(f" {name} ", "muted"), (values, "text"), (f"  {change}: {verdict} ", "accent")]


def _differing(found: Comparison) -> list[Span]:
    """The classes that differ, the largest differences first."""
    names = found.a.errors.classes
    clear = [
        (value.difference or 0.0, label) for label, value in enumerate(found.per_class) if value.beyond_chance
    ]
    clear.sort(key=lambda item: -abs(item[0]))
    return [(f"  {names[label]} {change:+.4f}", "accent") for change, label in clear[:_CLASSES]]
