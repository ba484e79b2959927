"""Predictions of new images, which nobody has annotated: what was found in them, image by image."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from textual import on

from tui.cell_text import plain
from tui.errors.overlay import Sight
from tui.errors.panes.compare import ErrorComparison
from tui.widgets.case_table import PlainTable, TableRow, image_name, share
from tui.widgets.columns import Column
from tui.widgets.line_table import LineTable

if TYPE_CHECKING:
    from core.analysis.errors import Errors, View

BOX_COLUMNS = (
    Column("image", "image", 40),
    Column("boxes", "boxes", 5, "right"),
    Column("score", "score", 5, "right"),
    Column("surest", "surest", 16, middle=True),
)
CLASS_COLUMNS = (
    Column("image", "image", 40),
    Column("score", "score", 5, "right"),
    Column("surest", "likeliest", 16, middle=True),
)


class Gallery(ErrorComparison):
    """Where the matrix stands, new images are listed; there are no cases, and nothing to judge."""

    @property
    def new_images(self) -> PlainTable:
        return self.query_one("#new-images", PlainTable)

    @property
    def gone_through(self) -> LineTable[Any]:
        return self.new_images if self.is_gallery else super().gone_through

    def sight(self) -> Sight | None:
        if not self.is_gallery:
            return super().sight()
        row = self.new_images.current
        if row is None:
            return None
        words, boxes = row.cells["surest"][0], row.cells["boxes"][0]
        if self.errors is not None and self.errors.kind == "detection":
            words = f"{boxes} box{'es' * (boxes != '1')}{f', surest {words}' * bool(words)}"
        return Sight(int(row.key), words=words)

    def opened(self, errors: Errors) -> None:
        super().opened(errors)
        gallery = self.is_gallery
        self.set_class(gallery, "-gallery")
        self.new_images.display, self.matrix.display = gallery, not gallery
        self.new_images.shown = BOX_COLUMNS if errors.kind == "detection" else CLASS_COLUMNS
        title = "Images" if gallery else "Matrix  truth ↓  prediction →"
        self.query_one("#matrix-side").border_title = plain(title)
        if gallery:
            self.step = "picture" if self.step == "picture" else "matrix"
        self.focus_here()

    def view_changed(self) -> None:
        if self.is_gallery and self.view is not None:
            self.newest.ask("images", partial(_images, self.view), self._have_images)
        super().view_changed()

    def _have_images(self, found: tuple[View, Sequence[TableRow]]) -> None:
        if found[0] is self.view:
            self.new_images.set_rows(found[1])
            self.look()

    @on(PlainTable.Highlighted, "#new-images")
    def _image_highlighted(self) -> None:
        self.look()

    @on(PlainTable.Chosen, "#new-images")
    def _new_image_chosen(self) -> None:
        self.step = "picture"

    def focus_here(self) -> None:
        """Give the keys to what is shown."""


def _images(view: View) -> tuple[View, list[TableRow]]:
    """A row an image, in the order of the predictions."""
    errors = view.errors
    counts = view.counts().boxes[0].tolist()
    rows = []
    for image, (path, surest) in enumerate(zip(errors.paths, view.surest(), strict=True)):
        label, score = surest if surest is not None else (None, None)
        cells = {
            "image": (image_name(path), "text"),
            "boxes": (str(counts[image]), "text"),
            "score": (share(score) if score is not None else "", "text"),
            "surest": (errors.classes[label] if label is not None else "", "muted"),
        }
        rows.append(TableRow(str(image), cells))
    return view, rows
