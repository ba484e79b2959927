"""Classes, or groups of them, with their numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from textual import on
from textual.app import ComposeResult

from core import humanise
from tui.errors.panes.base import Pane, fill_line, say_in
from tui.widgets.bars import Span, SpanLine
from tui.widgets.case_table import ClassNumbers, TableRow
from tui.widgets.case_words import share
from tui.widgets.columns import Column

if TYPE_CHECKING:
    from core.analysis.class_rows import ClassErrors
    from core.analysis.errors import View

CLASS_COLUMNS = (
    Column("name", "class", 36),
    Column("ap", "AP", 7, "right"),
    Column("ap50", "AP50", 7, "right"),
    Column("recall", "recall", 7, "right"),
    Column("precision", "precis.", 7, "right"),
    Column("val", "n val", 7, "right"),
    Column("train", "n train", 7, "right"),
    Column("confused", "most confused with", 32, middle=True),
)
NARROW_CLASS_COLUMNS = (
    Column("name", "class", 19),
    Column("ap", "AP", 6, "right"),
    Column("ap50", "AP50", 6, "right"),
    Column("recall", "recall", 6, "right"),
    Column("precision", "prec.", 5, "right"),
    Column("val", "n val", 5, "right"),
    Column("train", "train", 6, "right"),
    Column("confused", "confused with", 17, middle=True),
)


class ClassesPane(Pane):
    def compose(self) -> ComposeResult:
        yield SpanLine(id="class-line")
        yield ClassNumbers(id="classes", empty="reading …").with_columns(CLASS_COLUMNS, NARROW_CLASS_COLUMNS)

    @property
    def table(self) -> ClassNumbers:
        return self.query_one("#classes", ClassNumbers)

    def fill(self, view: View) -> None:
        make = partial(_made, view, self.model.group_words)
        self.conductor.newest.ask("page classes", make, partial(self._show, view))

    def _show(self, view: View, made: tuple[list[TableRow], str]) -> None:
        if view is not self.model.view:
            return
        rows, words = made
        table = self.table
        title = "group" if words else "class"
        table.shown, table.narrow = (
            (replace(first, title=title), *others) for first, *others in (CLASS_COLUMNS, NARROW_CLASS_COLUMNS)
        )
        table.set_rows(rows)
        table.refresh()
        fill_line(self.query_one("#class-line", SpanLine), words)

    def say(self, sentence: str) -> None:
        self.query_one("#class-line", SpanLine).show([])
        say_in(self.table, sentence)

    @on(ClassNumbers.Chosen, "#classes")
    def _chosen(self, event: ClassNumbers.Chosen) -> None:
        self.model.curve_class = int(event.key)
        self.conductor.show_tab("pr")


def _made(view: View, words: int) -> tuple[list[TableRow], str]:
    """Rows of classes, or of groups by so many `words`, and a line about these."""
    if not words:
        return class_rows(view.per_class()), ""
    about = f"groups by {words} word{'s' * (words > 1)}: AP re-matched, recall and precision summed"
    return class_rows(view.per_group(words)), about


def class_rows(classes: Sequence[ClassErrors]) -> list[TableRow]:
    """Classes with their numbers, the lowest AP first; those without objects last."""
    order = sorted(classes, key=lambda row: (row.ap is None, row.ap or 0.0, -row.n_val, row.label))
    names = [row.name for row in sorted(classes, key=lambda row: row.label)]
    return [_class_row(row, names) for row in order]


def _class_row(row: ClassErrors, names: Sequence[str]) -> TableRow:
    tone = "text" if row.n_val else "muted"
    other = f"{names[row.confused_with]} {row.confused_n}" if row.confused_with is not None else ""
    cells: dict[str, Span] = {
        "name": (row.name, tone),
        "ap": (humanise.metric(row.ap), tone),
        "ap50": (humanise.metric(row.ap_50), tone),
        "recall": (share(row.recall), tone),
        "precision": (share(row.precision), tone),
        "val": (humanise.count(row.n_val), tone),
        "train": (humanise.MISSING if row.n_train is None else humanise.count(row.n_train), "muted"),
        "confused": (other, "muted"),
    }
    return TableRow(str(row.label), cells)
