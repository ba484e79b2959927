"""The picture of what is chosen: its boxes, drawn and listed, layers, two sides, files and full pictures."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Container

from core.text import clean
from tui.cell_text import plain
from tui.errors import overlay
from tui.errors.image_cache import ImageCache, OpenedImage, Size
from tui.errors.model import ErrorsModel, Pair, Sight
from tui.errors.panes.base import Conductor, Pane
from tui.errors.panes.cases import CasesPane
from tui.errors.panes.judging import JudgingPane
from tui.errors.picture_files import drawn, save_picture
from tui.widgets.bars import Span, SpanLine
from tui.widgets.case_picture import CasePicture, Side
from tui.widgets.case_table import BoxTable
from tui.widgets.case_words import image_name
from tui.widgets.picture_boxes import LAYERS

if TYPE_CHECKING:
    from PIL.Image import Image

    from core.analysis.cases import Shown
    from core.analysis.errors import Errors, View
    from core.store.paths import RunPaths


@dataclass(frozen=True)
class SeenImage:
    """What there is to draw of a sight; `other` is what the second model of a pair sees in the image."""

    view: View
    sight: Sight
    shown: Shown
    pair: Pair | None
    other: Shown | None
    opened: OpenedImage


class PicturePane(Pane):
    """All beside the matrix: below the cases stand the boxes in one, beside them its picture."""

    KEYS: ClassVar[tuple[Binding, ...]] = (
        Binding("t", "layer('truth')", "truth", tooltip="show or hide true boxes"),
        Binding("p", "layer('predicted')", "predictions", tooltip="show or hide predicted boxes"),
        Binding("L", "layer('labels')", "show or hide labels", show=False),
        Binding("e", "layer('only')", "only this error", tooltip="only the boxes of this error, or all"),
        Binding("v", "beside", "side by side", tooltip="truth and predictions side by side"),
        Binding(
            "V", "full", "full picture", tooltip="the picture in the terminal's own pixels (Sixel, Kitty)"
        ),
        Binding("w", "save", "write picture", tooltip="write this picture, or the matrix, as a PNG file"),
        Binding("R", "root", "set image folder", tooltip="set the folder that the images are in now"),
    )

    def __init__(
        self, model: ErrorsModel, conductor: Conductor, cases: CasesPane, judging: JudgingPane, *, id: str
    ) -> None:
        super().__init__(model, conductor, id=id)
        self._cases = cases
        self._judging = judging
        self._seen: SeenImage | None = None
        self._cache = ImageCache()
        self._layers = frozenset(LAYERS)
        self._beside = False

    def compose(self) -> ComposeResult:
        with Container(id="case-side"):
            yield self._cases
            yield BoxTable(id="boxes")
        with Container(id="picture-side"):
            yield CasePicture(id="picture", empty="no case chosen")
            yield SpanLine(id="about-case")
            yield self._judging

    def on_mount(self) -> None:
        self.picture.has_list = lambda: self._lists_boxes

    @property
    def picture(self) -> CasePicture:
        return self.query_one("#picture", CasePicture)

    @property
    def boxes(self) -> BoxTable:
        return self.query_one("#boxes", BoxTable)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        model = self.model
        if action == "save":
            return model.view is not None and (model.has_truth or model.on_picture)
        if action in ("layer", "root", "full"):
            return model.on_picture
        if action == "beside":
            return model.on_picture and model.has_boxes and model.has_truth and not model.compares
        return True

    def opened(self, errors: Errors) -> None:
        self.boxes.boxes = errors.kind == "detection" and errors.labelled

    # -- the image that is looked at

    def look(self) -> None:
        """Show the picture of what is chosen, where it is seen."""
        view, sight = self.model.view, self.conductor.sight
        if sight is None or view is None:
            self._seen = None
            self.picture.clear()
            self.boxes.set_rows(())
            self.query_one("#picture-side").border_title = plain("")
            self.say_about()
        elif self._is_seen:
            size = self.picture.size if self.picture.size.width else self.screen.size
            work = partial(
                _look,
                *(view, sight, self.model.pair),
                *(self._cache, self.model.image_root, (size.width, 2 * size.height)),
            )
            self.conductor.newest.ask("picture", work, self._show)

    @property
    def _is_seen(self) -> bool:
        model = self.model
        return model.tab == "matrix" and (model.step == "picture" or not self.screen.has_class("-narrow"))

    def _show(self, seen: SeenImage) -> None:
        if seen.view is not self.model.view:
            return
        before, self._seen = self._seen, seen
        same = before is not None and before.shown.image == seen.shown.image
        opened, shown = seen.opened, seen.shown
        size = shown.size or opened.size or (64, 64)
        self.picture.show(opened.image, size, self._sides(seen), opened.message, keep_view=same)
        table, errors = self.boxes, seen.view.errors
        if seen.other is not None:
            rows = overlay.pair_rows(shown, seen.other, seen.sight, errors.classes)
        else:
            likeliest = errors.likeliest(shown.image)
            rows = overlay.rows(shown, seen.sight, errors.classes, likeliest, labelled=errors.labelled)
        table.set_rows(rows)
        if not same:
            table.action_end(-1)
        table.border_title = plain("Boxes" if errors.kind == "detection" else "Most likely classes")
        if table.has_focus:
            self._mark_box()
        self.query_one("#picture-side").border_title = plain(image_name(shown.path))
        self.say_about()
        self.refresh_bindings()

    def _sides(self, seen: SeenImage) -> tuple[Side, ...]:
        names = seen.view.errors.classes
        if seen.pair is not None and seen.other is not None:
            return overlay.pair_sides(seen.shown, seen.other, seen.sight, names, seen.pair.captions)
        beside = self._beside and seen.view.errors.kind == "detection" and seen.view.errors.labelled
        return overlay.sides(seen.shown, seen.sight, names, beside=beside)

    @on(CasePicture.DetailWanted)
    def _detail_wanted(self) -> None:
        seen = self._seen
        if seen is not None:
            work = partial(self._cache.open, self.model.image_root, seen.shown.path)
            self.conductor.newest.ask("detail", work, partial(self._refine, seen))

    def _refine(self, seen: SeenImage, opened: OpenedImage) -> None:
        if seen is self._seen and opened.image is not None:
            self.picture.refine(opened.image)

    # -- the list of boxes

    @on(CasePicture.ListWanted)
    def _list_wanted(self) -> None:
        self.screen.set_focus(self.boxes)

    @property
    def _lists_boxes(self) -> bool:
        """The list of boxes is on the screen, and not empty."""
        table = self.boxes
        return bool(table.rows) and table.display and self.query_one("#case-side").display

    @on(BoxTable.Highlighted, "#boxes")
    def _box_highlighted(self) -> None:
        if self.boxes.has_focus:
            self._mark_box()

    @on(BoxTable.Chosen, "#boxes")
    def _box_chosen(self) -> None:
        self.picture.action_to_case()

    @on(BoxTable.Left)
    def _boxes_left(self) -> None:
        self.picture.mark("")

    def _mark_box(self) -> None:
        row = self.boxes.current
        self.picture.mark(row.key if row is not None else "")

    # -- what is drawn

    def action_layer(self, name: str) -> None:
        self._layers = self._layers ^ {name}
        self.picture.draw_layers(self._layers)
        self.say_about()

    def action_beside(self) -> None:
        """Truth and predictions each over a picture of its own, or both over one."""
        self._beside = not self._beside
        self.make_room()
        if self._seen is not None:
            self.picture.show_sides(self._sides(self._seen))

    def make_room(self) -> None:
        """Room for two pictures, or no longer."""
        two = self._beside or self.model.pair is not None
        self.screen.set_class(two, "-beside")
        # The cases of a cell are not what is gone through then.
        self.screen.set_class(self.model.pair is not None, "-pair")
        # The cases make room, too, unless the screen is wide.
        hides_cases = self.model.on_picture and not self.screen.has_class("-wide")
        if two and (self.boxes.has_focus or (hides_cases and self._cases.table.has_focus)):
            self.screen.set_focus(self.picture)
        self.refresh_bindings()

    def say_about(self) -> None:
        """The lines below the picture: which case it is, what is left out, what was judged."""
        sight, table = self.conductor.sight, self.conductor.listed
        about = self.query_one("#about-case", SpanLine)
        self._judging.show_verdict()
        if sight is None or self.model.view is None:
            about.show([])
            return
        left: list[Span] = [(f" {sight.words}", "text")]
        if sight.case is not None and sight.case.score is not None:
            left.append((f"  {sight.case.score:.2f}", "muted"))
        if sight.case is not None and sight.case.doubt is not None:
            left.append((f"  doubt {sight.case.doubt:.2f}", "muted"))
        hidden = [name for name in LAYERS if name not in self._layers]
        notes = [f"no {', '.join(hidden)}"] if hidden else []
        notes += ["only this error"] if self._only else []
        right: list[Span] = [(f"{', '.join(notes)}  ", "warning")] if notes else []
        about.show(left, [*right, (f"{table.cursor + 1} of {len(table.rows)} ", "muted")])

    # -- where the images are

    def action_root(self) -> None:
        """Ask where the images are now, and remember it."""
        from tui.dialogs.choose import Choice, ChooseDialog

        errors = self.model.errors
        if errors is None:
            return
        choices = [Choice(str(errors.root), "when measured")]
        if self.model.image_root != errors.root:
            choices.append(Choice(str(self.model.image_root), "found last"))

        def take(value: str | None) -> None:
            if value:
                work = partial(_remembered, self.model.paths, errors, Path(value).expanduser())
                self.lab.perform(work, self._have_root)

        self.app.push_screen(ChooseDialog("Where are the images?", choices, free="or type a folder"), take)

    def _have_root(self, folder: Path) -> None:
        if self.is_attached:
            self.model.image_root = folder
            self.conductor.root_changed()
            self.look()
            self.notify(f"image folder set to {clean(str(folder))}", markup=False)

    # -- pictures for elsewhere

    def action_save(self) -> None:
        """Write the picture of the case, or of the matrix, as a PNG file."""
        model = self.model
        if model.view is None:
            return
        sight = self.conductor.sight if model.step != "matrix" else None
        name = f"{model.run_id}-{model.source.checkpoint if model.source is not None else ''}"
        folder = self.lab.workspace.root / "pictures"
        work = partial(
            save_picture, model.view, sight, self._other_view, folder, name, model.image_root, only=self._only
        )
        self.lab.perform(work, self._have_saved)

    def _have_saved(self, saved: tuple[Path, str]) -> None:
        path, advice = saved
        self.notify(f"written: {clean(str(path))}", markup=False)
        if advice:
            self.notify(advice, severity="warning", markup=False)

    @property
    def _only(self) -> bool:
        return "only" in self._layers

    @property
    def _other_view(self) -> View | None:
        pair = self.model.pair
        return pair.view if pair is not None else None

    def action_full(self) -> None:
        """Show the picture in the terminal's own pixels, where it has any."""
        view, sight = self.model.view, self.conductor.sight
        if view is not None and sight is not None:
            work = partial(drawn, view, sight, self._other_view, self.model.image_root, only=self._only)
            self.lab.perform(work, self._show_full)

    def _show_full(self, image: Image) -> None:
        from tui.widgets.full_picture import show_full

        if self.is_attached:
            self.lab.call_later(show_full, self.lab, image)


def _look(
    view: View, sight: Sight, pair: Pair | None, cache: ImageCache, root: Path, min_size: Size
) -> SeenImage:
    shown = view.image(sight.image)
    other = pair.view.image(sight.image) if pair is not None else None
    image = cache.open(root, shown.path, min_size, view.errors.opening)
    return SeenImage(view, sight, shown, pair, other, image)


def _remembered(run: RunPaths, errors: Errors, folder: Path) -> Path:
    """Raises DataError when the folder has none of the images, StateError, OSError."""
    from core.analysis.image_root import remember_root

    remember_root(run, errors, folder)
    return folder
