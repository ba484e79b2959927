"""What does a run get wrong, and why? From the matrix to the cases of a cell to the picture."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from rich.cells import cell_len
from textual import on
from textual.actions import parse
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.screen import Screen

from core.store.paths import RunPaths
from tui.background import Newest
from tui.cell_text import plain
from tui.errors.judgements import NOTE, SIGNS
from tui.errors.model import TABS, CaseQuery, Computed, ErrorsModel, Sight, compute
from tui.errors.panes.base import Pane
from tui.errors.panes.cases import CasesPane
from tui.errors.panes.classes import ClassesPane
from tui.errors.panes.compare import ComparePane
from tui.errors.panes.curves import CurvesPane
from tui.errors.panes.gallery import GalleryPane
from tui.errors.panes.header import HeaderPane
from tui.errors.panes.images import ImagesPane
from tui.errors.panes.judging import JudgingPane
from tui.errors.panes.kinds import KindsPane
from tui.errors.panes.matrix import TITLE, MatrixPane
from tui.errors.panes.picture import PicturePane
from tui.errors.source import Opened, trained_on
from tui.lab import lab_of
from tui.widgets.bars import KeyBar
from tui.widgets.filter_line import FilterLine
from tui.widgets.line_table import LineTable
from tui.widgets.matrix_draw import MANY

if TYPE_CHECKING:
    from textual.widget import Widget

    from core.analysis.errors import Errors
    from core.analysis.prediction_files import PredictionSet
    from core.store.records import RunSummary
    from tui.errors.comparison import OtherPredictions

_USUAL_NAME = 10
_FOCUS = {"kinds": "#kinds", "classes": "#classes", "pr": "#pr", "boxes": "#images", "ab": "#changes"}
_STEPS = {"matrix": "#matrix", "cases": "#cases", "picture": "#picture"}


def _keys_of(panes: dict[str, type[Pane]]) -> list[Binding]:
    """The keys of panes by their ids, to be bound to the screen, which hands them on."""
    return [
        replace(key, action=f"in_pane({pane_id!r}, {key.action!r})")
        for pane_id, pane in panes.items()
        for key in pane.KEYS
    ]


_HEADER_KEYS = _keys_of({"header": HeaderPane})
_PANE_KEYS = _keys_of(
    {
        "matrix-pane": MatrixPane,
        "page-boxes": ImagesPane,
        "judging": JudgingPane,
        "right": PicturePane,
        "page-ab": ComparePane,
    }
)


class ErrorsScreen(Screen[None]):
    """Brings model and panes together: what changes in one, it tells the others."""

    CSS_PATH = "errors.tcss"
    AUTO_FOCUS = ""
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (110, "-medium"), (160, "-wide")]
    VERTICAL_BREAKPOINTS = [(0, "-short"), (30, "-tall")]
    KEY_ORDER = tuple(
        {parse(key.action)[2][1]: key.action for key in (*_HEADER_KEYS, *_PANE_KEYS)}.get(action, action)
        for action in (
            *("back", "choose", "case(1)", "list", "beside", "to_case", "score(1)", "iou", "nms", "worst"),
            *("step(1)", "judge('model wrong')", "judge('label wrong')", "judge('unclear')", "note"),
            *("diagonal", "normalise", "sort", "groups", "open_group", "zoom(2.0)", "zoom(0.5)", "whole"),
            *("layer('only')", "next_tab(1)", "compare", "swap", "source", "save", "full", "filter", "root"),
            *("layer('truth')", "layer('predicted')", "layer('labels')", "pan(-1, 0)"),
        )
    )
    SIGNS = (
        ("━ T", "true box"),
        ("┄ P", "predicted box; A and B those of two models"),
        ("• ▸", "boxes of this case; the one chosen from the list"),
        (" ".join((*SIGNS.values(), NOTE)), "model wrong, label wrong, unclear, a note"),
    )
    """For the help."""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,backspace", "back", "back", key_display="esc"),
        *_HEADER_KEYS,
        Binding("tab", "next_tab(1)", "next tab", key_display="tab"),
        Binding("shift+tab", "next_tab(-1)", "previous tab", show=False),
        Binding("n", "case(1)", "next case"),
        Binding("b", "case(-1)", "previous case", show=False),
        *_PANE_KEYS,
    ]

    def __init__(
        self,
        run: RunSummary,
        root: Path,
        checkpoint: str = "",
        *,
        compared: tuple[PredictionSet, OtherPredictions] | None = None,
    ) -> None:
        """`root` is the run's folder; `checkpoint` whose predictions to open, empty: the best one's.

        `compared` says which predictions exactly, and what they are compared with at once.
        """
        super().__init__(classes="-step-matrix")
        self.model = model = ErrorsModel(run, RunPaths(root), checkpoint)
        if compared is not None:
            model.begin_compared(*compared)
        self.newest = Newest(self, self.failed)
        self._header = HeaderPane(model, self, id="header")
        self._matrix = MatrixPane(model, self, id="matrix-pane")
        self._gallery = GalleryPane(model, self, id="gallery-pane")
        self._cases = CasesPane(model, self, id="case-list")
        self._judging = JudgingPane(model, self, id="judging")
        self._picture = PicturePane(model, self, self._cases, self._judging, id="right")
        self._compare = ComparePane(model, self, id="page-ab")
        self._pages: dict[str, Pane] = {
            "kinds": KindsPane(model, self, id="page-kinds"),
            "classes": ClassesPane(model, self, id="page-classes"),
            "pr": CurvesPane(model, self, id="page-pr"),
            "boxes": ImagesPane(model, self, id="page-boxes"),
            "ab": self._compare,
        }
        parts = (self._header, self._matrix, self._gallery, self._cases, self._judging, self._picture)
        self._panes: dict[str, Pane] = {pane.id or "": pane for pane in (*parts, *self._pages.values())}
        self._listings: dict[str, CasesPane | ComparePane | GalleryPane] = {
            "cases": self._cases,
            "changes": self._compare,
            "images": self._gallery,
        }

    def compose(self) -> ComposeResult:
        yield self._header
        with Container(id="errors"):
            with Container(id="page-matrix"):
                with Container(id="matrix-side"):
                    yield self._matrix
                    yield self._gallery
                yield self._picture
            yield from self._pages.values()
        yield KeyBar()

    def on_mount(self) -> None:
        self.query_one("#matrix-side").border_title = plain(TITLE)
        self._show_tab()
        self._header.find_sources()

    # -- what panes ask for

    @property
    def sight(self) -> Sight | None:
        """What the row under the cursor of the list that is gone through shows."""
        return self._listings[self.model.listing].sight

    @property
    def listed(self) -> LineTable[Any]:
        """The list whose rows are looked at one after the other."""
        return self._listings[self.model.listing].table

    def look(self) -> None:
        """Show the picture of `sight`, where pictures are seen."""
        self._picture.look()

    def list_cases(self, query: CaseQuery | None) -> None:
        """Have other cases listed."""
        self._cases.list_cases(query)

    def case_judged(self) -> None:
        """A verdict or a note was saved."""
        self._cases.table.refresh_changed()
        self._judging.show_verdict()

    def root_changed(self) -> None:
        """The images are looked for in another folder."""
        self._pages["boxes"].outdate()

    def show_page(self) -> None:
        """Fill the tab that is shown, unless it shows the view already."""
        if self.model.tab in self._pages:
            self._pages[self.model.tab].show_page()

    # -- keys of panes

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if not self.is_mounted:
            return True
        model = self.model
        if action == "in_pane":
            pane_id, inner = map(str, parameters)
            _, name, arguments = parse(inner)
            return self._panes[pane_id].check_action(name, arguments)
        if action == "case":
            return model.on_list and model.view is not None
        return True

    async def action_in_pane(self, pane_id: str, action: str) -> None:
        """Do in a pane what a key of its own says."""
        await self.app.run_action(action, self._panes[pane_id])

    # -- which predictions

    def take_opened(self, opened: Opened) -> None:
        """Show the predictions file that was read, unless another one is waited for."""
        model, errors = self.model, opened.errors
        if not model.take_opened(opened):
            return
        for pane in self._panes.values():
            pane.opened(errors)
        self.set_class(max(map(cell_len, errors.classes), default=0) > _USUAL_NAME, "-long-names")
        if model.compares:
            self._leave()
        self.set_class(model.is_gallery, "-gallery")
        self._matrix.display = not model.is_gallery
        self.query_one("#matrix-side").border_title = plain("Images" if model.is_gallery else TITLE)
        if model.is_gallery and model.step == "cases":
            self.show_step("matrix")
        self.focus_here()
        self.compute()
        train = partial(trained_on, model.paths)
        self.newest.ask("train", train, partial(self._have_train_counts, errors))

    def _have_train_counts(self, errors: Errors, counts: tuple[int, ...] | None) -> None:
        if self.model.take_train_counts(errors, counts):
            for name in ("classes", "kinds"):
                self._pages[name].outdate()
            self.show_page()

    def failed(self, sentence: str) -> None:
        """Say why something could not be read."""
        if self.model.tab == "ab":
            self._compare.say_failed(sentence)
        elif self.model.view is not None:
            self.notify(sentence, severity="error", markup=False)
        else:
            self._matrix.say(sentence)
            self._picture.picture.empty = ""
            self.model.problem = True
            self.show_top()

    def compare_anew(self, first: OtherPredictions, second: OtherPredictions) -> None:
        """A screen about the first of two predictions, in place of this one."""
        root = first.source.file.parent.parent
        if (run := lab_of(self).snapshot.run(root.name)) is not None:
            self.app.switch_screen(ErrorsScreen(run, root, compared=(first.source, second)))

    # -- thresholds: everything follows

    def compute(self) -> None:
        """Have the view made that goes with the thresholds."""
        model = self.model
        if model.errors is not None:
            work = partial(compute, model.errors, model.thresholds, model.group_words)
            self.newest.ask("view", work, self._have_view)

    def _have_view(self, made: Computed) -> None:
        model = self.model
        if not model.take_computed(made):
            return
        for pane in self._panes.values():
            pane.view_changed()
        self.set_class(made.counts.size > MANY, "-many")
        self.show_top()
        self.show_page()
        self._header.measure(made.view)
        self.refresh_bindings()

    def group_by(self, words: int, only: frozenset[int] | None = None) -> None:
        """Groups by the first words of names, 0: classes, `only` some of them."""
        self.model.group_by(words)
        self._matrix.matrix.only = only
        self.show_top()
        self.compute()

    def show_top(self) -> None:
        """Draw the two lines at the top: whose errors, and at which thresholds."""
        self._header.show(self._matrix.matrix.looks)

    # -- tabs and steps

    def show_tab(self, tab: str) -> None:
        """Go to a tab."""
        if tab != self.model.tab:
            self.model.tab = tab
            self._show_tab()
            self.show_page()

    def _show_tab(self) -> None:
        for name, _ in TABS:
            self.query_one(f"#page-{name}").display = name == self.model.tab
        self.show_top()
        self.focus_here()

    def show_step(self, step: str) -> None:
        """Go to the matrix, the cases or the picture."""
        before, self.model.step = self.model.step, step
        if step != before:
            self.remove_class(f"-step-{before}")
            self.add_class(f"-step-{step}")
            self.show_top()
            self.focus_here()
            self.look()

    def focus_here(self) -> None:
        """Give the keys to what is shown."""
        model = self.model
        target: Widget = self.query_one(_STEPS[model.step] if model.tab == "matrix" else _FOCUS[model.tab])
        if target is self._matrix.matrix and not self._matrix.display:
            target = self._gallery.table
        elif not target.display:
            target = self.query_one("#grid")
        self.set_focus(target)
        self.refresh_bindings()

    def enter(self, origin: str, step: str) -> None:
        """Go from a tab to a step of the first one; `_leave` comes back."""
        self.model.origin = origin
        self.show_tab("matrix")
        self.show_step(step)
        self._picture.make_room()

    def _leave(self) -> None:
        """Back to the tab that one came from; the matrix has its cell's cases again."""
        origin, self.model.origin = self.model.origin, "matrix"
        self._picture.make_room()
        self.show_step("matrix")
        if self.model.chosen_elsewhere:
            self._matrix.list_cell()
        self.show_tab(origin)

    def action_next_tab(self, by: int) -> None:
        self.action_tab(self.model.next_tab(by))

    def action_tab(self, tab: str) -> None:
        """Go to a tab; of the one that is shown, to its beginning."""
        model = self.model
        if model.on_list and model.origin != "matrix":
            self._leave()
        elif model.on_list and tab == "matrix":
            self.show_step("matrix")
        self.show_tab(tab)

    def action_case(self, by: int) -> None:
        self.listed.action_move(by)

    def action_back(self) -> None:
        """A step back; from the matrix, once it shows all classes, to where one came from."""
        way = self.model.way_back
        if way == "matrix tab":
            self.show_tab("matrix")
        elif self._picture.boxes.has_focus:
            self.set_focus(self._picture.picture)
        elif way == "cases":
            self.show_step("cases")
        elif way == "origin":
            self._leave()
        elif self._matrix.matrix.only is not None:
            self._matrix.show_classes(None)
        else:
            self.dismiss()

    def on_resize(self) -> None:
        self.show_top()
        self.call_after_refresh(self.look)

    # -- the line that narrows the matrix down

    @on(FilterLine.Typed)
    def _filter_typed(self, event: FilterLine.Typed) -> None:
        self._matrix.filter_by(event.text)

    @on(FilterLine.Closed)
    def _filter_closed(self, event: FilterLine.Closed) -> None:
        if event.clear:
            self._matrix.matrix.filter(None)
        self.query(FilterLine).remove()
        self.show_top()
        self.focus_here()
