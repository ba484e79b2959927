"""A against B: the objects that one of two models gets right and the other does not."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding

from tui.cell_text import cut
from tui.errors.comparison import Compared, OtherPredictions, compared, is_older, others
from tui.errors.model import Sight
from tui.errors.panes.base import Pane, say_in
from tui.widgets.bars import SpanLine
from tui.widgets.case_table import PictureTable
from tui.widgets.columns import Column

if TYPE_CHECKING:
    from core.analysis.errors import View

COLUMNS = (
    Column("image", "image", 32),
    Column("state", "", 11),
    Column("truth", "truth", 24, middle=True),
    Column("first", "A", 26, middle=True),
    Column("second", "B", 26, middle=True),
)
NARROW_COLUMNS = (
    Column("image", "image", 18),
    Column("state", "", 11),
    Column("truth", "truth", 14, middle=True),
    Column("first", "A", 15, middle=True),
    Column("second", "B", 15, middle=True),
)
_NUMBERS = ("#ab-numbers", "#ab-more", "#ab-classes")


class ComparePane(Pane):
    """A is what the screen is about, B another predictions file of the same images."""

    KEYS: ClassVar[tuple[Binding, ...]] = (
        Binding("a", "compare", "compare with", tooltip="compare with another checkpoint or run"),
        Binding("s", "swap", "swap A and B", tooltip="swap A and B: the screen is then about the other one"),
    )

    def compose(self) -> ComposeResult:
        yield SpanLine(id="ab-counts")
        yield SpanLine(id="ab-numbers")
        yield SpanLine(id="ab-more")
        yield SpanLine(id="ab-classes")
        yield PictureTable(id="changes").with_columns(COLUMNS, NARROW_COLUMNS)

    @property
    def table(self) -> PictureTable:
        return self.query_one("#changes", PictureTable)

    @property
    def sight(self) -> Sight | None:
        """The object under the cursor, as both models see it."""
        row, comparison = self.table.current, self.model.compared
        if row is None or comparison is None or comparison.view is not self.model.view:
            return None
        image, number = map(int, row.key.split())
        truth, first, second, state = (row.cells[name][0] for name in ("truth", "first", "second", "state"))
        return Sight(image, None, number, f"{truth}: A {first}, B {second} ({state})")

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        model = self.model
        if action == "swap":
            return model.has_truth and model.against is not None and model.tab == "ab"
        return model.has_truth if action == "compare" else True

    def view_changed(self) -> None:
        if self.model.compares:
            self._compare()

    def show_page(self) -> None:
        if self.model.against is None and not self.model.is_gallery:
            if self.model.view is not None:
                self._show_counts(" a chooses predictions to compare with", "muted")
                self.table.empty = ""
        else:
            super().show_page()

    def _compare(self) -> None:
        """Have both compared at the thresholds, unless they are."""
        if self.model.against is not None:
            self.show_page()

    def fill(self, view: View) -> None:
        model, other = self.model, self.model.against
        assert other is not None, "only what was chosen is compared"
        self._show_counts(f" comparing with {other.label} …", "muted")
        epoch = model.source.epoch if model.source is not None else 0
        names = f"{model.run.label}@{epoch}", f"{other.label}@{other.source.epoch}"
        self.conductor.newest.ask("ab", partial(compared, view, other, names), self._show)

    def _show(self, comparison: Compared) -> None:
        if not self.model.take_compared(comparison):
            return
        label = cut(f"B: {comparison.captions[1]}", max(self.screen.size.width - 58, 20), middle=True)
        self.query_one("#ab-counts", SpanLine).show(comparison.counts, [(f"{label} ", "title")])
        for line, words in zip(_NUMBERS, comparison.numbers, strict=False):
            self.query_one(line, SpanLine).show(words)
        self.table.empty = "no difference: both get the same objects right"
        self.table.set_rows(comparison.rows)
        if self.model.compares:
            self.conductor.look()

    def _show_counts(self, words: str, tone: str) -> None:
        self.query_one("#ab-counts", SpanLine).show([(words, tone)])

    def say(self, sentence: str) -> None:
        self.query_one("#ab-counts", SpanLine).show([])
        self._clear_numbers()
        say_in(self.table, sentence)

    def say_failed(self, sentence: str) -> None:
        """Why both cannot be compared."""
        self._show_counts(f" {sentence}", "bad")
        self._clear_numbers()
        self.table.set_rows(())

    def _clear_numbers(self) -> None:
        for line in _NUMBERS:
            self.query_one(line, SpanLine).show([])

    @on(PictureTable.Chosen, "#changes")
    def _chosen(self) -> None:
        self.conductor.enter("ab", "picture")

    @on(PictureTable.Highlighted, "#changes")
    def _highlighted(self) -> None:
        if self.model.compares:
            self.conductor.look()

    def action_compare(self) -> None:
        """Ask for the other predictions."""
        available = partial(others, self.lab.workspace.runs, self.lab.snapshot.runs, self.model.source)
        self.conductor.newest.ask("others", available, self._ask)

    def action_swap(self) -> None:
        """A screen about the other predictions, compared with these, in place of this one."""
        model, other = self.model, self.model.against
        if other is not None and model.source is not None:
            self.conductor.compare_anew(other, OtherPredictions(model.source, model.run.label))

    def _ask(self, available: list[OtherPredictions]) -> None:
        from tui.dialogs.choose import Choice, ChooseDialog

        by_name = {f"{other.label}  {other.source.name}": other for other in available}

        def take(value: str | None) -> None:
            if value is not None and value in by_name:
                self.model.compare_with(by_name[value])
                # The older one is A, so that what is fixed was fixed later.
                if is_older(by_name[value], self.model.source):
                    self.action_swap()
                    return
                self.outdate()
                self.conductor.show_tab("ab")
                self.conductor.show_page()

        choices = [Choice(name) for name in by_name]
        self.app.push_screen(ChooseDialog(f"Compare {self.model.run.label} with", choices), take)
