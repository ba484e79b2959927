"""What does a run get wrong, and why? From the matrix to the cases of a cell to the picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container

from tui.cell_text import plain
from tui.errors import header as errors_text
from tui.errors.judgements import NOTE, SIGNS
from tui.errors.panes.compare import CHANGE_COLUMNS, NARROW_CHANGE_COLUMNS
from tui.errors.panes.gallery import BOX_COLUMNS, Gallery
from tui.widgets.bars import KeyBar, SpanLine
from tui.widgets.case_curve import CurveView
from tui.widgets.case_picture import CasePicture
from tui.widgets.case_table import BoxTable, CaseTable, ClassNumbers, PictureTable, PlainTable
from tui.widgets.filter_line import FilterLine
from tui.widgets.matrix import Matrix
from tui.widgets.picture_grid import PictureGrid

if TYPE_CHECKING:
    from textual.widget import Widget

_FOCUS = {"kinds": "#kinds", "classes": "#classes", "pr": "#pr", "boxes": "#images", "ab": "#changes"}
_STEPS = {"matrix": "#matrix", "cases": "#cases", "picture": "#picture"}


class ErrorsScreen(Gallery):
    CSS_PATH = "errors.tcss"
    AUTO_FOCUS = ""
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (110, "-medium"), (160, "-wide")]
    VERTICAL_BREAKPOINTS = [(0, "-short"), (30, "-tall")]
    KEY_ORDER = (
        *("back", "choose", "case(1)", "list", "beside", "to_case", "score(1)", "iou", "nms", "worst"),
        *("step(1)", "judge('model wrong')", "judge('label wrong')", "judge('unclear')", "note"),
        *("diagonal", "normalise", "sort", "groups", "open_group", "zoom(2.0)", "zoom(0.5)", "whole"),
        *("layer('only')", "next_tab(1)", "compare", "source", "save", "full", "filter", "root"),
        *("layer('truth')", "layer('predicted')", "layer('labels')", "pan(-1, 0)"),
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
        Binding(
            "greater_than_sign,full_stop",
            "score(1)",
            "score",
            key_display="< >",
            tooltip="lower or higher score threshold; everything follows",
        ),
        Binding("less_than_sign,comma", "score(-1)", "lower score", show=False, key_display="<"),
        Binding("i", "iou", "IoU", tooltip="IoU threshold: 0.50, 0.20 as in the notebooks, 0.75"),
        Binding(
            "A",
            "nms",
            "NMS over classes",
            tooltip="without boxes that overlap a better one of any class",
        ),
        Binding("g", "groups", "groups", tooltip="groups by the first one or two words of the names"),
        Binding(
            "space",
            "open_group",
            "open group",
            key_display="space",
            tooltip="open the group: only its classes",
        ),
        Binding(
            "slash",
            "filter",
            "classes",
            key_display="/",
            tooltip="only classes with these letters in their names",
        ),
        Binding("tab", "next_tab(1)", "next tab", key_display="tab"),
        Binding("shift+tab", "next_tab(-1)", "previous tab", show=False),
        Binding("n", "case(1)", "next case"),
        Binding("n", "sample", "other pictures"),
        Binding("b", "case(-1)", "previous case", show=False),
        Binding(
            "1", "judge('model wrong')", "model wrong", tooltip="judge: the model is wrong; again: no verdict"
        ),
        Binding("2", "judge('label wrong')", "label wrong", tooltip="judge: the label is wrong"),
        Binding("3", "judge('unclear')", "unclear", tooltip="judge: unclear"),
        Binding("m", "note", "note", tooltip="a note on this case"),
        Binding("t", "layer('truth')", "truth", tooltip="show or hide true boxes"),
        Binding("p", "layer('predicted')", "predictions", tooltip="show or hide predicted boxes"),
        Binding("L", "layer('labels')", "show or hide labels", show=False),
        Binding("e", "layer('only')", "only this error", tooltip="only the boxes of this error, or all"),
        Binding("v", "beside", "truth beside", tooltip="truth and predictions beside each other"),
        Binding(
            "V", "full", "full picture", tooltip="the picture in the terminal's own pixels (Sixel, Kitty)"
        ),
        Binding("a", "compare", "compare with", tooltip="compare with another checkpoint or run"),
        Binding("w", "save", "write picture", tooltip="write this picture, or the matrix, as a PNG file"),
        Binding("c", "source", "checkpoint, split", tooltip="another checkpoint or split, or new images"),
        Binding("R", "root", "where the images are", tooltip="say in which folder the images are now"),
    ]

    def compose(self) -> ComposeResult:
        yield SpanLine(id="top")
        yield SpanLine(id="tabs-line")
        with Container(id="errors"):
            with Container(id="page-matrix"):
                with Container(id="matrix-side"):
                    yield Matrix(id="matrix", empty="reading …")
                    yield PictureTable(BOX_COLUMNS, id="new-images", empty="no image")
                with Container(id="right"):
                    with Container(id="case-side"):
                        yield CaseTable(id="cases", empty="no case here")
                        yield BoxTable(id="boxes")
                    with Container(id="picture-side"):
                        yield CasePicture(id="picture", empty="no case chosen")
                        yield SpanLine(id="about-case")
                        yield SpanLine(id="verdict")
            with Container(id="page-kinds"):
                yield SpanLine(id="kind-line")
                yield SpanLine(id="kind-more")
                yield PlainTable(errors_text.KIND_COLUMNS, id="kinds", empty="reading …")
            with Container(id="page-classes"):
                yield SpanLine(id="class-line")
                yield ClassNumbers(
                    errors_text.CLASS_COLUMNS,
                    narrow=errors_text.NARROW_CLASS_COLUMNS,
                    id="classes",
                    empty="reading …",
                )
            with Container(id="page-pr"):
                yield CurveView(id="pr")
            with Container(id="page-boxes"):
                yield SpanLine(id="image-about")
                yield PictureTable(errors_text.IMAGE_COLUMNS, id="images", empty="reading …")
                yield PictureGrid(id="grid")
            with Container(id="page-ab"):
                yield SpanLine(id="ab-counts")
                yield SpanLine(id="ab-numbers")
                yield SpanLine(id="ab-more")
                yield SpanLine(id="ab-classes")
                yield PictureTable(CHANGE_COLUMNS, narrow=NARROW_CHANGE_COLUMNS, id="changes")
        yield KeyBar()

    def on_mount(self) -> None:
        self.query_one("#matrix-side").border_title = plain("Matrix  truth ↓  prediction →")
        self.query_one("#grid").display = self.new_images.display = False
        self.picture.has_list = lambda: self.shows_boxes
        self._apply_tab()
        self.find_sources()

    # -- tabs and steps

    def watch_tab(self) -> None:
        if self.is_mounted:
            self._apply_tab()
            self.show_page()

    def _apply_tab(self) -> None:
        for name, _ in errors_text.TABS:
            self.query_one(f"#page-{name}").display = name == self.tab
        self.show_top()
        self._focus()

    def _focus(self) -> None:
        target: Widget = self.query_one(_STEPS[self.step] if self.tab == "matrix" else _FOCUS[self.tab])
        if not target.display:
            target = self.new_images if target is self.matrix else self.query_one("#grid")
        self.set_focus(target)
        self.refresh_bindings()

    def focus_here(self) -> None:
        self._focus()

    def action_next_tab(self, by: int) -> None:
        names = [name for name, _ in errors_text.TABS]
        self.tab = names[(names.index(self.tab) + by) % len(names)]

    def watch_step(self, before: str, step: str) -> None:
        self.remove_class(f"-step-{before}")
        self.add_class(f"-step-{step}")
        self._focus()
        self.look()

    def action_back(self) -> None:
        """A step back; from the matrix, once it shows all classes, to where one came from."""
        if self.tab != "matrix":
            self.tab = "matrix"
        elif self.boxes.has_focus:
            self.set_focus(self.picture)
        elif self.step == "picture" and self.origin in ("matrix", "kinds") and not self.is_gallery:
            self.step = "cases"
        elif self.step != "matrix":
            self.leave()
        elif self.matrix.only is not None:
            self.matrix.filter(None)
            self.show_top()
        else:
            self.dismiss()

    def on_resize(self) -> None:
        self.show_top()
        self.call_after_refresh(self.look)

    # -- classes by name

    def action_filter(self) -> None:
        if not self.query(FilterLine):
            line = FilterLine("")
            line.placeholder = "parts of the names of classes"
            self.mount(line, before=self.query_one(KeyBar))
            line.focus()

    @on(FilterLine.Typed)
    def _filter_typed(self, event: FilterLine.Typed) -> None:
        """Show classes with all words of the text in their names."""
        words = event.text.lower().split()
        names = self.matrix.counts.names
        found = frozenset(at for at, name in enumerate(names) if all(word in name.lower() for word in words))
        self.matrix.filter(found if words and found else None)
        self.show_top()

    @on(FilterLine.Closed)
    def _filter_closed(self, event: FilterLine.Closed) -> None:
        if event.clear:
            self.matrix.filter(None)
        self.query(FilterLine).remove()
        self.show_top()
        self._focus()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if not self.is_mounted:
            return True
        on_matrix = self.tab == "matrix"
        on_picture = on_matrix and self.step == "picture"
        boxes = self.errors is None or self.errors.kind == "detection"
        known = self.view is not None and not self.is_gallery
        if action == "case":
            return on_matrix and self.step != "matrix" and self.view is not None
        if action in ("judge", "note"):
            return on_matrix and self.step != "matrix" and known and self.origin != "ab"
        if action == "save":
            return self.view is not None and (known or on_picture)
        if action == "compare":
            return known
        if action == "sample":
            return self.tab == "boxes" and self.errors is not None and not boxes and known
        if action in ("layer", "root", "full"):
            return on_picture
        if action == "beside":
            return on_picture and boxes and known and self.origin != "ab"
        if action == "groups":
            return known and (self.tab in ("classes", "pr") or (on_matrix and self.step == "matrix"))
        if action == "filter":
            return on_matrix and self.step == "matrix" and known
        if action == "open_group":
            return on_matrix and self.step == "matrix" and self.grouped is not None
        if action == "iou":
            return boxes and not self.is_gallery
        if action == "nms":
            return boxes
        return True
