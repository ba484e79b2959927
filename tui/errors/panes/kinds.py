"""Kinds of errors, what mending each would bring, and likely wrong labels."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from textual import on
from textual.app import ComposeResult

from core import humanise
from tui.errors.model import CaseQuery
from tui.errors.panes.base import Pane, fill_line, say_in
from tui.widgets.bars import SpanLine
from tui.widgets.case_table import KindTable, TableRow
from tui.widgets.case_words import KIND_WORDS
from tui.widgets.columns import Column

if TYPE_CHECKING:
    from core.analysis.errors import View

Rows = tuple[list[TableRow], tuple[str, str]]
MISTAKES = "mistakes"
"""The row below the kinds of errors that lists likely wrong labels."""
KIND_COLUMNS = (
    Column("kind", "kind of error", 24),
    Column("n", "n", 8, "right"),
    Column("gain", "dAP", 7, "right"),
    Column("about", "what it is", 84),
)
NARROW_KIND_COLUMNS = (
    Column("kind", "kind of error", 20),
    Column("n", "n", 6, "right"),
    Column("gain", "dAP", 6, "right"),
    Column("about", "what it is", 33),
)
BEFORE_COLUMN = Column("before", "no NMS", 7, "right")
"""How many there are without suppression over classes; only while there is one."""
_TELLING = 10
"""Confusions from which on their direction says something."""
_ABOUT = {
    "correct": ("", "right class, right place"),
    "confused": ("Cls", "right place, another class"),
    "missed": ("Miss", "an object without a matching box"),
    "duplicate": ("Dupe", "another box of the right class on a matched object"),
    "extra_label": (
        "",
        "another class on a matched object (dAP: with confused); A drops it",
    ),
    "loose": ("Loc", "the right class, but the box fits badly"),
    "loose_wrong": ("Both", "the wrong class and the box fits badly"),
    "background": ("Bkg", "a box where nothing is annotated"),
    "ignored": ("", "a box on a crowd or a difficult object: not counted"),
}
_ABOUT_CLASSES = {
    "correct": "right class",
    "confused": "another class",
    "missed": "the most likely class is below the threshold",
}


class KindsPane(Pane):
    def compose(self) -> ComposeResult:
        yield SpanLine(id="kind-line")
        yield SpanLine(id="kind-more")
        yield KindTable(id="kinds", empty="reading …").with_columns(KIND_COLUMNS)

    @property
    def table(self) -> KindTable:
        return self.query_one("#kinds", KindTable)

    def fill(self, view: View) -> None:
        self.conductor.newest.ask("page kinds", partial(kind_rows, view), partial(self._show, view))

    def _show(self, view: View, made: Rows) -> None:
        if view is not self.model.view:
            return
        rows, lines = made
        before = (BEFORE_COLUMN,) if view.agnostic_nms is not None else ()
        table = self.table
        table.shown, table.narrow = (
            (*columns[:2], *before, *columns[2:]) for columns in (KIND_COLUMNS, NARROW_KIND_COLUMNS)
        )
        table.set_rows(rows)
        table.refresh()
        for name, words in zip(("#kind-line", "#kind-more"), lines, strict=True):
            fill_line(self.query_one(name, SpanLine), words)

    def say(self, sentence: str) -> None:
        for name in ("#kind-line", "#kind-more"):
            self.query_one(name, SpanLine).show([])
        say_in(self.table, sentence)

    @on(KindTable.Chosen, "#kinds")
    def _chosen(self, event: KindTable.Chosen) -> None:
        mistakes = event.key == MISTAKES
        title = "likely wrong labels" if mistakes else KIND_WORDS.get(event.key, event.key)
        kind = None if mistakes else event.key
        self.conductor.list_cases(
            CaseQuery(None, None, kind, title, mixed=True, mistakes=mistakes, free=True)
        )
        self.conductor.enter("kinds", "cases")


def kind_rows(view: View) -> tuple[list[TableRow], tuple[str, str]]:
    """Kinds of errors with what mending each brings, the most frequent first, and two lines on them."""
    boxes = view.errors.kind == "detection"
    gains = view.tide() if boxes else None
    before = view.suppression
    rows = []
    for kind, count in sorted(view.kinds.items(), key=lambda item: (item[0] == "correct", -item[1])):
        if (not count and kind == "ignored") or (not boxes and kind not in _ABOUT_CLASSES):
            continue
        tide_type, about = _ABOUT.get(kind, ("", "")) if boxes else ("", _ABOUT_CLASSES[kind])
        tone = "good" if kind == "correct" else "muted" if kind == "ignored" else "text"
        cells = {
            "kind": (KIND_WORDS.get(kind, kind), tone),
            "n": (humanise.count(count), tone),
            "before": (humanise.count(before[kind][0]) if kind in before else "", "muted"),
            "gain": (f"{gains.gain[tide_type]:.2f}" if gains is not None and tide_type else "", "accent"),
            "about": (about, "muted"),
        }
        rows.append(TableRow(kind, cells))
    about = "where a sure model disagrees, by doubt from 1 to 0.5; 2 marks a wrong label"
    cells = {"kind": ("likely wrong labels", "text"), "about": (about, "muted")}
    rows.append(TableRow(MISTAKES, cells))
    lean, words = view.imbalance(), ""
    if lean.towards_larger is not None and lean.expected and lean.confused >= _TELLING:
        share_of = f"{lean.towards_larger:.0%} of {humanise.count(lean.confused)} confusions"
        words = f"{share_of} go to a class with more training objects; by chance {lean.expected:.0%}"
    words = suppressed(view) or words
    if gains is None:
        return rows, (words, "")
    first = (
        f"dAP (TIDE): points of AP{round(100 * view.iou)} ({gains.ap:.1f}) won by fixing one kind; "
        "they do not add up"
    )
    return rows, (first, words)


def suppressed(view: View) -> str:
    """What suppression over classes takes away: `NMS over classes: 1 393 boxes before, 657 now`."""
    boxes = view.suppression.get("boxes")
    if boxes is None:
        return ""
    return f"NMS over classes: {humanise.count(boxes[0])} boxes before, {humanise.count(boxes[1])} now"
