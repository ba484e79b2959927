"""From a cell of the matrix to its cases, and from a case to the picture with its boxes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from textual import on

from core.errors import LabError
from tui.run_actions import plain
from tui.screens import errors_text
from tui.screens.errors_judge import Judgements
from tui.screens.errors_source import Pictures, save_picture
from tui.screens.errors_state import ErrorsState
from tui.widgets.bars import Span, SpanLine
from tui.widgets.case_picture import LAYERS, CasePicture
from tui.widgets.case_table import KIND_WORDS, SORTS, BoxTable, CaseTable, case_words, image_name
from tui.widgets.matrix import Matrix
from tui.widgets.matrix_counts import Place, place_words

if TYPE_CHECKING:
    from PIL.Image import Image

    from core.analysis.cases import Case, Shown
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
        self._seen: Shown | None = None
        self._root: Path | None = None
        self._pictures = Pictures()
        self._layers = frozenset(LAYERS)
        self._to_judge: list[Callable[[], Judgements | LabError | OSError]] = []
        self._judging = False

    @property
    def cases(self) -> CaseTable:
        return self.query_one("#cases", CaseTable)

    @property
    def picture(self) -> CasePicture:
        return self.query_one("#picture", CasePicture)

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

    def sign(self, view: View, case: Case) -> str:
        """The letter of what was judged."""
        return self.judged.sign(view, case)

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
        self.show_case(table.current)

    @on(CaseTable.Highlighted, "#cases")
    def _case_highlighted(self) -> None:
        self.show_case(self.cases.current)

    @on(CaseTable.Chosen, "#cases")
    def _case_chosen(self) -> None:
        self.step = "picture"

    @on(CaseTable.SortWanted)
    def _sort_cases(self) -> None:
        table = self.cases
        table.sorting = SORTS[(SORTS.index(table.sorting) + 1) % len(SORTS)]
        self.list_again()

    def action_case(self, by: int) -> None:
        self.cases.action_move(by)

    # -- the picture

    @property
    def _sees_picture(self) -> bool:
        return self.tab == "matrix" and (self.step == "picture" or not self.has_class("-narrow"))

    def show_case(self, case: Case | None) -> None:
        """Have the picture of a case opened, where it is seen."""
        view = self.view
        if case is None or view is None:
            self._seen = None
            self.picture.clear()
            self.query_one("#boxes", BoxTable).set_rows(())
            self.query_one("#picture-side").border_title = plain("")
            self._show_verdict()
        elif self._sees_picture:
            root = self._root or view.errors.root
            self.newest.ask("picture", partial(_look, view, case, self._pictures, root), self._have_picture)

    def _have_picture(self, found: tuple[View, Case, Shown, tuple[Image | None, str]]) -> None:
        view, case, shown, (image, message) = found
        if view is not self.view:
            return
        names = view.errors.classes
        same = self._seen is not None and self._seen.image == shown.image
        self._seen = shown
        frames = errors_text.frames(shown, case, names)
        self.picture.show(image, shown.size or (64, 64), frames, message, keep_view=same)
        table = self.query_one("#boxes", BoxTable)
        table.set_rows(errors_text.box_rows(shown, case, names, view.errors.likeliest(case.image)))
        table.border_title = plain("Boxes" if view.errors.kind == "detection" else "Likeliest classes")
        self.query_one("#picture-side").border_title = plain(image_name(case.path))
        self._show_verdict()
        self.refresh_bindings()

    def action_layer(self, name: str) -> None:
        self._layers = self._layers ^ {name}
        self.picture.draw_layers(self._layers)
        self._show_verdict()

    def _show_verdict(self) -> None:
        """The lines below the picture: which case it is, what is left out, what was judged."""
        table, view = self.cases, self.view
        case = table.current
        about, line = self.query_one("#about-case", SpanLine), self.query_one("#verdict", SpanLine)
        if case is None or view is None:
            about.show([])
            line.show([])
            return
        left: list[Span] = [(f" {case_words(case, view.errors.classes)}", "text")]
        if case.score is not None:
            left.append((f"  {case.score:.2f}", "muted"))
        hidden = [name for name in LAYERS if name not in self._layers]
        notes = [f"no {', '.join(hidden)}"] if hidden else []
        notes += ["only this error"] if "only" in self._layers else []
        left += [(f"  {', '.join(notes)}", "warning")] if notes else []
        about.show(left, [(f"{table.cursor + 1} of {len(table.rows)} ", "muted")])
        words, tone = self.judged.words(view, case)
        line.show([(f" {words}", tone)])

    def action_root(self) -> None:
        """Ask where the images are now."""
        from tui.dialogs.choose import Choice, ChooseDialog

        if self.view is None:
            return
        choices = [Choice(str(self.view.errors.root), "as it was when measured")]

        def found(value: str | None) -> None:
            if value:
                self._root = Path(value).expanduser()
                self.show_case(self.cases.current)

        self.app.push_screen(ChooseDialog("Where are the images?", choices, free="or type a folder"), found)

    def action_save(self) -> None:
        """Write the picture of the case, or of the matrix, as a PNG file."""
        view = self.view
        if view is not None:
            case = self.cases.current if self.step != "matrix" else None
            name = f"{self._run.id}-{self.source.checkpoint if self.source is not None else ''}"
            folder = self.lab.workspace.root / "pictures"
            work = partial(save_picture, view, case, folder, name, self._root, only="only" in self._layers)
            self.lab.perform(work, lambda path: self.notify(f"written: {path}", markup=False))

    # -- judgements

    def action_judge(self, verdict: str) -> None:
        case, view = self.cases.current, self.view
        if case is not None and view is not None:
            before = self.judged.on(view, case)
            again = before is not None and before.verdict == verdict
            self._judge(case, "" if again else verdict, None)

    def action_note(self) -> None:
        from tui.dialogs.choose import Choice, ChooseDialog

        case, view = self.cases.current, self.view
        if case is None or view is None:
            return
        before = self.judged.on(view, case)
        choices = [Choice(before.note, "as it is")] if before is not None and before.note else []

        def noted(text: str | None) -> None:
            if text is not None:
                self._judge(case, None, text)

        self.app.push_screen(ChooseDialog("A note on this case", choices, free="type a sentence"), noted)

    def _judge(self, case: Case, verdict: str | None, note: str | None) -> None:
        """Save in a thread, in turn: each starts from what the one before has left."""
        view = self.view
        if view is not None:
            self._to_judge.append(lambda: self._saved(view, case, verdict, note))
            self._judge_next()

    def _judge_next(self) -> None:
        if self._to_judge and not self._judging:
            self._judging = True
            self.lab.perform(self._to_judge.pop(0), self._have_judged)

    def _saved(
        self, view: View, case: Case, verdict: str | None, note: str | None
    ) -> Judgements | LabError | OSError:
        try:
            return self.judged.judge(view, case, verdict, note)
        except (LabError, OSError) as error:
            return error

    def _have_judged(self, judged: Judgements | LabError | OSError) -> None:
        self._judging = False
        if not self.is_attached:
            return
        if not isinstance(judged, Judgements):
            self._to_judge.clear()
            self.lab.show_error(judged)
            return
        self.judged = judged
        self.cases.refresh_changed()
        self._show_verdict()
        self._judge_next()


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


def _look(
    view: View, case: Case, pictures: Pictures, root: Path
) -> tuple[View, Case, Shown, tuple[Image | None, str]]:
    return view, case, view.image(case.image), pictures.open(root, case.path)
