"""Images by how many boxes they have; of a classifier, samples of right and wrong ones."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding

from tui.errors.image_cache import ImageCache, right_and_wrong
from tui.errors.model import CaseQuery, ErrorsModel
from tui.errors.panes.base import Conductor, Pane, say_in
from tui.widgets.bars import Span, SpanLine
from tui.widgets.case_table import PictureTable, TableRow
from tui.widgets.case_words import image_name
from tui.widgets.columns import Column
from tui.widgets.picture_grid import PictureGrid

if TYPE_CHECKING:
    from core.analysis.errors import Errors, View

_BAR = 28
_SCORES = (0.05, 0.25, 0.5, 0.9)
IMAGE_COLUMNS = (
    Column("image", "image", 40),
    Column("objects", "objects", 7, "right"),
    Column("boxes", "boxes", 6, "right"),
    Column("more", "too many", 8, "right"),
    Column("bar", "", _BAR),
)


class ImagesPane(Pane):
    KEYS: ClassVar[tuple[Binding, ...]] = (Binding("n", "sample", "other pictures"),)

    def __init__(self, model: ErrorsModel, conductor: Conductor, *, id: str) -> None:
        super().__init__(model, conductor, id=id)
        self._cache = ImageCache()
        self._seed = 0

    def compose(self) -> ComposeResult:
        yield SpanLine(id="image-about")
        yield PictureTable(id="images", empty="reading …").with_columns(IMAGE_COLUMNS)
        yield PictureGrid(id="grid")

    def on_mount(self) -> None:
        self.grid.display = False

    @property
    def table(self) -> PictureTable:
        return self.query_one("#images", PictureTable)

    @property
    def grid(self) -> PictureGrid:
        return self.query_one("#grid", PictureGrid)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "sample":
            return self.model.tab == "boxes" and not self.model.has_boxes and self.model.has_truth
        return True

    def opened(self, errors: Errors) -> None:
        boxes = errors.kind == "detection"
        self.table.display = self.query_one("#image-about").display = boxes
        self.grid.display = not boxes

    def fill(self, view: View) -> None:
        newest = self.conductor.newest
        if view.errors.kind == "classification":
            work = partial(right_and_wrong, view, self._cache, self.model.image_root, self._seed)
            newest.ask("page grid", work, self._show_grid)
        else:
            newest.ask("page boxes", partial(image_rows, view), partial(self._show, view))

    def _show(self, view: View, made: tuple[list[TableRow], str]) -> None:
        if view is self.model.view:
            rows, words = made
            self.table.set_rows(rows)
            self.query_one("#image-about", SpanLine).show([(f" {words}", "muted")])

    def _show_grid(self, made: tuple[Any, list[str]]) -> None:
        pixels, titles = made
        if pixels is None:
            self.grid.say("no images found: press R in a picture to set the folder")
        else:
            self.grid.show(pixels, titles)

    def say(self, sentence: str) -> None:
        self.query_one("#image-about", SpanLine).show([])
        say_in(self.table, sentence)
        self.grid.say(sentence)

    def action_sample(self) -> None:
        """Other images, right and wrong."""
        self._seed += 1
        self.outdate()
        self.conductor.show_page()

    @on(PictureTable.Chosen, "#images")
    def _chosen(self, event: PictureTable.Chosen) -> None:
        view = self.model.view
        if view is not None:
            image = int(event.key)
            title = image_name(view.errors.paths[image])
            self.conductor.list_cases(CaseQuery(None, None, None, title, mixed=True, image=image, free=True))
            self.conductor.enter("boxes", "picture")


def image_rows(view: View) -> tuple[list[TableRow], str]:
    """Images by how many boxes they have more than objects, and means at several thresholds."""
    steps = tuple(step for step in _SCORES if step >= view.errors.floor)
    counts = view.counts((view.score, *steps))
    objects, boxes = counts.objects, counts.boxes[0]
    order = (boxes - objects).argsort(kind="stable")[::-1]
    most = max(int(boxes.max(initial=0)), int(objects.max(initial=0)), 1)
    rows = []
    for image in order.tolist():
        n_objects, n_boxes = int(objects[image]), int(boxes[image])
        wide = _BAR / max(most, _BAR)
        bar = "█" * round(min(n_objects, n_boxes) * wide) + "▒" * round(max(n_boxes - n_objects, 0) * wide)
        bar += "·" * round(max(n_objects - n_boxes, 0) * wide)
        cells: Mapping[str, Span] = {
            "image": (image_name(view.errors.paths[image]), "text"),
            "objects": (str(n_objects), "text"),
            "boxes": (str(n_boxes), "text"),
            "more": (
                f"{n_boxes - n_objects:+d}" if n_boxes != n_objects else "0",
                "bad" if n_boxes > n_objects else "muted",
            ),
            "bar": (bar, "accent"),
        }
        rows.append(TableRow(str(image), cells))
    images = max(view.errors.images, 1)
    means = "".join(
        f"  ≥{f'{step:g}'.removeprefix('0')} {int(line.sum()) / images:.2f}"
        for step, line in zip(steps, counts.boxes[1:], strict=True)
    )
    return rows, f"{int(objects.sum()) / images:.2f} objects an image; boxes{means}"
