"""Predictions of new images, which nobody has annotated: what was found in them, image by image."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from textual import on
from textual.app import ComposeResult

from tui.errors.model import Sight
from tui.errors.panes.base import Pane
from tui.widgets.case_table import PictureTable, TableRow
from tui.widgets.case_words import image_name, share
from tui.widgets.columns import Column

if TYPE_CHECKING:
    from core.analysis.errors import Errors, View

BOX_COLUMNS = (
    Column("image", "image", 40),
    Column("boxes", "boxes", 5, "right"),
    Column("score", "score", 5, "right"),
    Column("surest", "top class", 16, middle=True),
)
CLASS_COLUMNS = (
    Column("image", "image", 40),
    Column("score", "score", 5, "right"),
    Column("surest", "most likely", 16, middle=True),
)


class GalleryPane(Pane):
    """Stands where the matrix would; there are no cases, and nothing to judge."""

    def compose(self) -> ComposeResult:
        yield PictureTable(id="new-images", empty="no image").with_columns(BOX_COLUMNS)

    def on_mount(self) -> None:
        self.display = False

    @property
    def table(self) -> PictureTable:
        return self.query_one("#new-images", PictureTable)

    @property
    def sight(self) -> Sight | None:
        """The image under the cursor."""
        row = self.table.current
        if row is None:
            return None
        words, boxes = row.cells["surest"][0], row.cells["boxes"][0]
        if self.model.has_boxes:
            words = f"{boxes} box{'es' * (boxes != '1')}{f', top: {words}' * bool(words)}"
        return Sight(int(row.key), words=words)

    def opened(self, errors: Errors) -> None:
        self.display = not errors.labelled
        self.table.with_columns(BOX_COLUMNS if errors.kind == "detection" else CLASS_COLUMNS)

    def view_changed(self) -> None:
        view = self.model.view
        if self.model.is_gallery and view is not None:
            self.conductor.newest.ask("images", partial(image_rows, view), partial(self._show, view))

    def _show(self, view: View, rows: list[TableRow]) -> None:
        if view is self.model.view:
            self.table.set_rows(rows)
            self.conductor.look()

    @on(PictureTable.Highlighted, "#new-images")
    def _highlighted(self) -> None:
        self.conductor.look()

    @on(PictureTable.Chosen, "#new-images")
    def _chosen(self) -> None:
        self.conductor.show_step("picture")


def image_rows(view: View) -> list[TableRow]:
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
    return rows
