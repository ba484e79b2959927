"""From a cell of the matrix, or from another list, to the cases in it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textual import on

from tui.cell_text import plain
from tui.errors.model import ErrorsState
from tui.errors.overlay import Sight
from tui.widgets.case_table import KIND_WORDS, SORTS, CaseTable, case_words
from tui.widgets.line_table import LineTable
from tui.widgets.matrix import Matrix
from tui.widgets.matrix_counts import Place, place_words

if TYPE_CHECKING:
    from core.analysis.cases import Case
    from core.analysis.errors import View
    from core.store.records import RunSummary


@dataclass(frozen=True)
class Wanted:
    """Which cases are listed: of a cell (`free` False), or chosen elsewhere.

    rows and columns are classes, None: all of them; `mixed` ones differ in truth, prediction or kind.
    """

    rows: tuple[int, ...] | None
    columns: tuple[int, ...] | None
    kind: str | None
    title: str
    mixed: bool = False
    image: int | None = None
    mistakes: bool = False
    free: bool = False


class CaseSteps(ErrorsState):
    """Matrix, cases and picture; in a narrow terminal one after the other."""

    def __init__(self, run: RunSummary, root: Path, checkpoint: str = "") -> None:
        super().__init__(run, root, checkpoint)
        self._wanted: Wanted | None = None

    @property
    def cases(self) -> CaseTable:
        return self.query_one("#cases", CaseTable)

    @property
    def gone_through(self) -> LineTable[Any]:
        """The list whose rows are looked at one after the other."""
        return self.cases

    def sight(self) -> Sight | None:
        """What the row of that list shows."""
        case = self.cases.current
        if case is None or self.view is None:
            return None
        return Sight(case.image, case, words=case_words(case, self.view.errors.classes))

    @abstractmethod
    def look(self) -> None:
        """Show the picture of `sight`, where pictures are seen."""

    def sign(self, view: View, case: Case) -> str:
        """The letter of what was judged."""
        return self.judged.sign(view, case)

    # -- the cases of a cell

    @on(Matrix.Moved)
    def _cell_moved(self, event: Matrix.Moved) -> None:
        if self._wanted is None or not self._wanted.free or self.matrix.has_focus:
            self.list_cases(self.of_cell(event.place))

    @on(Matrix.Chosen)
    def _cell_chosen(self) -> None:
        self.step = "cases"

    @on(Matrix.Looks)
    def _looks_changed(self) -> None:
        self.show_top()

    def of_cell(self, place: Place | None) -> Wanted | None:
        """What a cell of the matrix asks for."""
        if place is None or self.view is None:
            return None
        none = len(self.view.errors.classes)

        def members(at: int | None) -> tuple[int, ...]:
            if at is None:
                return (none,)
            return self.grouped.members[at] if self.grouped is not None else (at,)

        kind = next((name for name, word in KIND_WORDS.items() if word == place.kind), None)
        title = place_words(self.matrix.counts, place)
        mixed = self.grouped is not None or (place.row is None and not kind)
        return Wanted(members(place.row), members(place.column), kind, title, mixed)

    def list_cases(self, wanted: Wanted | None) -> None:
        """Have the cases found; the last ones stay until they are there."""
        self._wanted = wanted
        view = self.view
        if view is None:
            return
        if wanted is None:
            self._have_cases((view, None, ()))
            return
        self.newest.ask("cases", partial(_find, view, wanted, self.cases.sorting), self._have_cases)

    def list_again(self) -> None:
        """Have the same cases found in another view."""
        self.list_cases(self._wanted)

    def _have_cases(self, found: tuple[View, Wanted | None, Sequence[Case]]) -> None:
        view, wanted, cases = found
        if view is not self.view or wanted != self._wanted:
            return
        table = self.cases
        table.mixed = wanted is not None and wanted.mixed
        table.sign_of = partial(self.sign, view)
        table.set_rows(cases)
        table.border_title = plain(wanted.title if wanted is not None else "Cases")
        order = "" if table.sorting == "rank" else f" by {table.sorting}"
        table.border_subtitle = plain(f"{len(cases)} case{'s' * (len(cases) != 1)}{order}")
        self.look()

    @on(CaseTable.Highlighted, "#cases")
    def _case_highlighted(self) -> None:
        self.look()

    @on(CaseTable.Chosen, "#cases")
    def _case_chosen(self) -> None:
        self.step = "picture"

    @on(CaseTable.SortWanted)
    def _sort_cases(self) -> None:
        table = self.cases
        table.sorting = SORTS[(SORTS.index(table.sorting) + 1) % len(SORTS)]
        self.list_again()

    def action_case(self, by: int) -> None:
        self.gone_through.action_move(by)


def _find(view: View, wanted: Wanted, sorting: str) -> tuple[View, Wanted, Sequence[Case]]:
    if wanted.mistakes:
        from core.analysis.mistakes import likely_mistakes

        return view, wanted, [case for _, case in likely_mistakes(view)]
    found = view.cases(wanted.rows, wanted.columns, wanted.kind)
    if sorting != "rank":
        found = found.sorted_by(sorting)
    if wanted.image is not None:
        return view, wanted, [case for case in found if case.image == wanted.image]
    return view, wanted, found
