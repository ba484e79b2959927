"""The cases of a cell of the matrix, or of what was chosen elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from textual import on
from textual.app import ComposeResult

from tui.cell_text import plain
from tui.errors.model import CaseQuery, Sight, find_cases
from tui.errors.panes.base import Pane
from tui.widgets.case_table import SORTS, CaseTable
from tui.widgets.case_words import case_words

if TYPE_CHECKING:
    from core.analysis.cases import Case
    from core.analysis.errors import Errors, View


class CasesPane(Pane):
    def compose(self) -> ComposeResult:
        yield CaseTable(id="cases", empty="no case here")

    @property
    def table(self) -> CaseTable:
        return self.query_one("#cases", CaseTable)

    @property
    def sight(self) -> Sight | None:
        """The case under the cursor."""
        case, view = self.table.current, self.model.view
        if case is None or view is None:
            return None
        return Sight(case.image, case, words=case_words(case, view.errors.classes))

    def opened(self, errors: Errors) -> None:
        self.table.names = errors.classes
        self.table.boxes = errors.kind == "detection"

    def view_changed(self) -> None:
        # The matrix tells of its cell; what was chosen elsewhere is looked for in the new view, too.
        if self.model.chosen_elsewhere:
            self._list_again()

    def list_cases(self, query: CaseQuery | None) -> None:
        """Have cases looked for; the last ones stay until they are there."""
        self.model.query = query
        view = self.model.view
        if view is None:
            return
        if query is None:
            self._show(view, None, ())
            return
        work = partial(find_cases, view, query, self.table.sorting)
        self.conductor.newest.ask("cases", work, partial(self._show, view, query))

    def _list_again(self) -> None:
        self.list_cases(self.model.query)

    def _show(self, view: View, query: CaseQuery | None, cases: Sequence[Case]) -> None:
        if view is not self.model.view or query != self.model.query:
            return
        table = self.table
        table.mixed = query is not None and query.mixed
        table.sign_of = partial(self._sign, view)
        table.set_rows(cases)
        table.border_title = plain(query.title if query is not None else "Cases")
        order = "" if table.sorting == "rank" else f" by {table.sorting}"
        table.border_subtitle = plain(f"{len(cases)} case{'s' * (len(cases) != 1)}{order}")
        self.conductor.look()

    def _sign(self, view: View, case: Case) -> str:
        """The letter of what was judged."""
        return self.model.judged.sign(view, case)

    @on(CaseTable.Highlighted, "#cases")
    def _highlighted(self) -> None:
        self.conductor.look()

    @on(CaseTable.Chosen, "#cases")
    def _chosen(self) -> None:
        self.conductor.show_step("picture")

    @on(CaseTable.SortWanted)
    def _sort(self) -> None:
        self._sort_by(SORTS[(SORTS.index(self.table.sorting) + 1) % len(SORTS)])

    @on(CaseTable.HeaderClicked, "#cases")
    def _header_clicked(self, event: CaseTable.HeaderClicked) -> None:
        if event.column in SORTS:
            self._sort_by(event.column if event.column != self.table.sorting else SORTS[0])

    def _sort_by(self, sorting: str) -> None:
        self.table.sorting = sorting
        self._list_again()
