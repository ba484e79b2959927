"""The tabs beside the matrix: kinds of errors, classes, precision against recall, boxes per image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.cells import cell_len
from textual import on

from tui.errors import header as errors_text
from tui.errors.panes.cases import Wanted
from tui.errors.panes.judging import Verdicts
from tui.errors.source import Pictures, right_and_wrong
from tui.widgets.bars import SpanLine
from tui.widgets.case_curve import CurveView
from tui.widgets.case_table import KIND_WORDS, BoxTable, PlainTable, image_name
from tui.widgets.picture_grid import PictureGrid

_USUAL_NAME = 10
NO_TRUTH = "new images without ground truth: there is nothing to compare with (tab: the images)"

if TYPE_CHECKING:
    from core.analysis.errors import Errors, View
    from core.store.records import RunSummary


class ErrorPages(Verdicts):
    """Each page is made when it is looked at, and anew when the view is another."""

    def __init__(self, run: RunSummary, root: Path, checkpoint: str = "") -> None:
        super().__init__(run, root, checkpoint)
        self._pages: dict[str, View] = {}
        self._class: int | None = None
        self._seed = 0
        self._grid_pictures = Pictures()

    def opened(self, errors: Errors) -> None:
        table = self.cases
        table.names = errors.classes
        table.boxes = errors.kind == "detection"
        self.query_one("#boxes", BoxTable).boxes = table.boxes and errors.labelled
        self._wanted, self._class = None, None
        self.set_class(max(map(cell_len, errors.classes), default=0) > _USUAL_NAME, "-long-names")
        self.query_one("#images").display = self.query_one("#image-about").display = table.boxes
        self.query_one("#grid").display = not table.boxes

    def group_by(self, words: int, only: frozenset[int] | None = None) -> None:
        self._class = None
        super().group_by(words, only)

    def view_changed(self) -> None:
        # The matrix tells of its cell; what was chosen elsewhere is to be found in the new view, too.
        if self._wanted is not None and self._wanted.free:
            self.list_again()
        self.show_page()

    def training_known(self) -> None:
        for page in ("classes", "kinds"):
            self._pages.pop(page, None)
        self.show_page()

    def root_changed(self) -> None:
        self._pages.pop("boxes", None)

    def show_page(self) -> None:
        """Fill the tab that is shown, unless it shows this view already."""
        view, tab = self.view, self.tab
        if view is None or tab == "matrix" or self._pages.get(tab) is view:
            return
        if self.is_gallery:
            self.say_on_page(tab, NO_TRUTH)
            return
        self._pages[tab] = view
        if tab == "boxes" and view.errors.kind == "classification":
            work = partial(right_and_wrong, view, self._grid_pictures, self.image_root, self._seed)
            self.newest.ask("page grid", work, self._have_grid)
            return
        make = partial(_made, tab, view, self._class, self.words)
        self.newest.ask(f"page {tab}", make, partial(self._have_page, tab, view))

    def say_on_page(self, tab: str, sentence: str) -> None:
        """A sentence in place of what a tab shows."""
        for line in self.query(f"#page-{tab} SpanLine").results(SpanLine):
            line.show([])
        for table in self.query(f"#page-{tab} PlainTable").results(PlainTable):
            table.empty = sentence
            table.set_rows(())
            table.refresh()
        if tab == "pr":
            self.query_one("#pr", CurveView).say(sentence)
        if tab == "boxes":
            self.query_one("#grid", PictureGrid).say(sentence)

    def _have_grid(self, found: tuple[Any, list[str]]) -> None:
        pixels, titles = found
        grid = self.query_one("#grid", PictureGrid)
        if pixels is None:
            grid.say("none of the pictures is there: R, in a picture, says where they are now")
        else:
            grid.show(pixels, titles)

    def action_sample(self) -> None:
        """Other pictures for right and wrong."""
        self._seed += 1
        self._pages.pop("boxes", None)
        self.show_page()

    def _have_page(self, tab: str, view: View, found: Any) -> None:
        if view is not self.view:
            return
        if tab == "kinds":
            rows, lines = found
            before = (errors_text.BEFORE_COLUMN,) if view.agnostic_nms is not None else ()
            table = self.query_one("#kinds", PlainTable)
            wide, narrow = errors_text.KIND_COLUMNS, errors_text.NARROW_KIND_COLUMNS
            table.shown, table.narrow = ((*columns[:2], *before, *columns[2:]) for columns in (wide, narrow))
            table.set_rows(rows)
            table.refresh()
            self._say(("#kind-line", "#kind-more"), lines)
        elif tab == "classes":
            rows, words = found
            table = self.query_one("#classes", PlainTable)
            title = "group" if words else "class"
            table.shown, table.narrow = (
                (replace(first, title=title), *others)
                for first, *others in (errors_text.CLASS_COLUMNS, errors_text.NARROW_CLASS_COLUMNS)
            )
            table.set_rows(rows)
            table.refresh()
            self._say(("#class-line",), (words,))
        elif tab == "boxes":
            rows, words = found
            self.query_one("#images", PlainTable).set_rows(rows)
            self.query_one("#image-about", SpanLine).show([(f" {words}", "muted")])
        elif found[0] == self._class:
            label, curve = found
            names = self.grouped.names if self.grouped is not None else view.errors.classes
            together = f"all {'groups' if self.grouped is not None else 'classes'} together"
            title = together if label is None else names[label]
            self.query_one("#pr", CurveView).show(curve, title, view.score)

    def _say(self, lines: Sequence[str], words: Sequence[str]) -> None:
        """Fill lines above a table; empty ones take no room."""
        for name, text in zip(lines, words, strict=True):
            line = self.query_one(name, SpanLine)
            line.show([(f" {text}", "muted")])
            line.display = bool(text)

    @on(CurveView.Stepped)
    def _class_stepped(self, event: CurveView.Stepped) -> None:
        if self.view is not None:
            names = self.grouped.names if self.grouped is not None else self.view.errors.classes
            order: list[int | None] = [None, *range(len(names))]
            self._class = order[(order.index(self._class) + event.by) % len(order)]
            self._pages.pop("pr", None)
            self.show_page()

    @on(PlainTable.Chosen, "#classes")
    def _class_chosen(self, event: PlainTable.Chosen) -> None:
        self._class = int(event.key)
        self._pages.pop("pr", None)
        self.tab = "pr"

    @on(PlainTable.Chosen, "#kinds")
    def _kind_chosen(self, event: PlainTable.Chosen) -> None:
        mistakes = event.key == errors_text.MISTAKES
        title = "likely wrong labels" if mistakes else KIND_WORDS.get(event.key, event.key)
        kind = None if mistakes else event.key
        self.list_cases(Wanted(None, None, kind, title, mixed=True, mistakes=mistakes, free=True))
        self.enter("kinds", "cases")

    @on(PlainTable.Chosen, "#images")
    def _image_chosen(self, event: PlainTable.Chosen) -> None:
        if self.view is not None:
            image = int(event.key)
            title = image_name(self.view.errors.paths[image])
            self.list_cases(Wanted(None, None, None, title, mixed=True, image=image, free=True))
            self.enter("boxes", "picture")

    def enter(self, origin: str, step: str) -> None:
        """Go from a tab to a step of the first one; `leave` comes back."""
        self.origin = origin
        self.tab = "matrix"
        self.step = step
        self.two_sides()

    def leave(self) -> None:
        """Back to the tab that one came from; the matrix has its cell's cases again."""
        origin, self.origin = self.origin, "matrix"
        self.two_sides()
        self.step = "matrix"
        if self._wanted is not None and self._wanted.free:
            self.list_cases(self.of_cell(self.matrix.place))
        self.tab = origin


def _made(tab: str, view: View, label: int | None, words: int) -> object:
    """What a page shows; with `words`, of groups by so many words of the names."""
    if tab == "kinds":
        return errors_text.kind_rows(view)
    if tab == "classes":
        if not words:
            return errors_text.class_rows(view.per_class()), ""
        about = f"groups by {words} word{'s' * (words > 1)}: AP re-matched, recall and precision summed"
        return errors_text.class_rows(view.per_group(words)), about
    if tab == "boxes":
        return errors_text.image_rows(view)
    return label, (view.in_groups(words) if words else view).pr_curve(label)
