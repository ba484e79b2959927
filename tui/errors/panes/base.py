"""What the parts of the screen have in common: the model, the screen that conducts them, their keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from textual.binding import Binding
from textual.containers import Container

from tui.background import Newest
from tui.errors.model import CaseQuery, ErrorsModel, Sight
from tui.lab import Lab, lab_of
from tui.widgets.bars import SpanLine
from tui.widgets.line_table import LineTable

if TYPE_CHECKING:
    from core.analysis.errors import Errors, View
    from tui.errors.comparison import OtherPredictions
    from tui.errors.source import Opened

NO_TRUTH = "new images without ground truth: there is nothing to compare with (tab: the images)"


class Conductor(Protocol):
    """What a pane asks of the screen."""

    newest: Newest

    @property
    def sight(self) -> Sight | None:
        """What the row under the cursor of the list that is gone through shows."""

    @property
    def listed(self) -> LineTable[Any]:
        """That list."""

    def look(self) -> None:
        """Show the picture of `sight`, where pictures are seen."""

    def show_top(self) -> None:
        """Draw the two lines at the top."""

    def show_tab(self, tab: str) -> None:
        """Go to a tab."""

    def show_step(self, step: str) -> None:
        """Go to the matrix, the cases or the picture."""

    def show_page(self) -> None:
        """Fill the tab that is shown, unless it shows the view already."""

    def enter(self, origin: str, step: str) -> None:
        """Go from a tab to a step of the first one."""

    def list_cases(self, query: CaseQuery | None) -> None:
        """Have other cases listed."""

    def group_by(self, words: int, only: frozenset[int] | None = None) -> None:
        """Groups by the first words of names, 0: classes, `only` some of them."""

    def take_opened(self, opened: Opened) -> None:
        """Show a predictions file that was read."""

    def compare_anew(self, first: OtherPredictions, second: OtherPredictions) -> None:
        """A screen about the first of two predictions, in place of this one."""

    def compute(self) -> None:
        """Have the view made that goes with the thresholds."""

    def failed(self, sentence: str) -> None:
        """Say why something could not be read."""

    def case_judged(self) -> None:
        """A verdict or a note was saved."""

    def root_changed(self) -> None:
        """The images are looked for in another folder."""


class Pane(Container):
    """A part of the screen with its widgets and keys.

    `KEYS` work wherever the focus is, as long as `check_action` lets them; the screen brings them here.
    """

    KEYS: ClassVar[tuple[Binding, ...]] = ()

    def __init__(self, model: ErrorsModel, conductor: Conductor, *, id: str) -> None:
        super().__init__(id=id)
        self.model = model
        self.conductor = conductor
        self._filled: View | None = None

    @property
    def lab(self) -> Lab:
        return lab_of(self)

    def opened(self, errors: Errors) -> None:
        """Another predictions file is open; a view of it comes next."""

    def view_changed(self) -> None:
        """The thresholds, or the predictions, are others."""

    # -- tabs

    def show_page(self) -> None:
        """Fill the tab for the model's view, unless it shows that already."""
        view = self.model.view
        if view is None or view is self._filled:
            return
        if self.model.is_gallery:
            self.say(NO_TRUTH)
        else:
            self._filled = view
            self.fill(view)

    def outdate(self) -> None:
        """What the tab shows is no longer so, whatever the view."""
        self._filled = None

    def fill(self, view: View) -> None:
        """Have made what the tab shows of a view."""

    def say(self, sentence: str) -> None:
        """A sentence in place of what the tab shows."""


def say_in(table: LineTable[Any], sentence: str) -> None:
    """A sentence in place of rows."""
    table.empty = sentence
    table.set_rows(())
    table.refresh()


def fill_line(line: SpanLine, words: str) -> None:
    """Words above a table; none take no room."""
    line.show([(f" {words}", "muted")])
    line.display = bool(words)
