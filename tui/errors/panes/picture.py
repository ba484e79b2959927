"""The picture of what is chosen: its boxes, drawn and listed, layers, two sides, files and full pictures."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from textual import on

from core.text import clean
from tui.cell_text import plain
from tui.errors import overlay as errors_boxes
from tui.errors.overlay import Sight
from tui.errors.panes.cases import CaseSteps
from tui.errors.source import Opened, Pictures, drawn, save_picture
from tui.widgets.bars import Span, SpanLine
from tui.widgets.case_picture import CasePicture, Side
from tui.widgets.case_table import BoxTable, image_name
from tui.widgets.picture_boxes import LAYERS

if TYPE_CHECKING:
    from PIL.Image import Image

    from core.analysis.cases import Shown
    from core.analysis.errors import Errors, View
    from core.store.paths import RunPaths
    from core.store.records import RunSummary


@dataclass(frozen=True)
class Pair:
    """Another model's view of the same images, and what both models are called."""

    view: View
    captions: tuple[str, str]


@dataclass(frozen=True)
class Found:
    """What a thread found out about a sight."""

    view: View
    sight: Sight
    shown: Shown
    pair: Pair | None
    other: Shown | None
    opened: Opened


class PictureStep(CaseSteps):
    def __init__(self, run: RunSummary, root: Path, checkpoint: str = "") -> None:
        super().__init__(run, root, checkpoint)
        self._seen: Found | None = None
        self._pictures = Pictures()
        self._layers = frozenset(LAYERS)
        self._beside = False

    @property
    def picture(self) -> CasePicture:
        return self.query_one("#picture", CasePicture)

    @property
    def boxes(self) -> BoxTable:
        return self.query_one("#boxes", BoxTable)

    @property
    def pair(self) -> Pair | None:
        """The two models that are compared, while they are."""
        return None

    @property
    def _sees_picture(self) -> bool:
        return self.tab == "matrix" and (self.step == "picture" or not self.has_class("-narrow"))

    def look(self) -> None:
        view, sight = self.view, self.sight()
        if sight is None or view is None:
            self._seen = None
            self.picture.clear()
            self.boxes.set_rows(())
            self.query_one("#picture-side").border_title = plain("")
            self.say_about()
        elif self._sees_picture:
            size = self.picture.size
            least = (size.width, 2 * size.height) if size.width else (self.size.width, 2 * self.size.height)
            self.newest.ask(
                "picture",
                partial(_look, view, sight, self.pair, self._pictures, self.image_root, least),
                self._have_picture,
            )

    def _have_picture(self, found: Found) -> None:
        if found.view is not self.view:
            return
        before, self._seen = self._seen, found
        same = before is not None and before.shown.image == found.shown.image
        opened, shown = found.opened, found.shown
        size = shown.size or opened.size or (64, 64)
        self.picture.show(opened.image, size, self._sides(found), opened.message, keep_view=same)
        table, errors = self.boxes, found.view.errors
        if found.other is not None:
            rows = errors_boxes.pair_rows(shown, found.other, found.sight, errors.classes)
        else:
            likeliest = errors.likeliest(shown.image)
            rows = errors_boxes.rows(shown, found.sight, errors.classes, likeliest, labelled=errors.labelled)
        table.set_rows(rows)
        if not same:
            table.action_end(-1)
        table.border_title = plain("Boxes" if errors.kind == "detection" else "Likeliest classes")
        if table.has_focus:
            self._mark_box()
        self.query_one("#picture-side").border_title = plain(image_name(shown.path))
        self.say_about()
        self.refresh_bindings()

    def _sides(self, found: Found) -> tuple[Side, ...]:
        names = found.view.errors.classes
        if found.pair is not None and found.other is not None:
            return errors_boxes.pair_sides(found.shown, found.other, found.sight, names, found.pair.captions)
        beside = self._beside and found.view.errors.kind == "detection" and found.view.errors.labelled
        return errors_boxes.sides(found.shown, found.sight, names, beside=beside)

    @on(CasePicture.DetailWanted)
    def _detail_wanted(self) -> None:
        found = self._seen
        if found is not None:
            work = partial(self._pictures.open, self.image_root, found.shown.path)
            self.newest.ask("detail", work, partial(self._have_detail, found))

    def _have_detail(self, found: Found, opened: Opened) -> None:
        if found is self._seen and opened.image is not None:
            self.picture.refine(opened.image)

    # -- the list of boxes

    @on(CasePicture.ListWanted)
    def _list_wanted(self) -> None:
        self.set_focus(self.boxes)

    @property
    def shows_boxes(self) -> bool:
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
        self.two_sides()
        if self._seen is not None:
            self.picture.show_sides(self._sides(self._seen))

    def two_sides(self) -> None:
        """Make room for two pictures, or no longer."""
        self.set_class(self._beside or self.pair is not None, "-beside")
        if self.boxes.has_focus and self.has_class("-beside"):
            self.set_focus(self.picture)
        self.refresh_bindings()

    def say_about(self) -> None:
        """The lines below the picture: which case it is, what is left out, what was judged."""
        view, sight, table = self.view, self.sight(), self.gone_through
        about, line = self.query_one("#about-case", SpanLine), self.query_one("#verdict", SpanLine)
        if sight is None or view is None:
            about.show([])
            line.show([])
            return
        left: list[Span] = [(f" {sight.words}", "text")]
        if sight.case is not None and sight.case.score is not None:
            left.append((f"  {sight.case.score:.2f}", "muted"))
        hidden = [name for name in LAYERS if name not in self._layers]
        notes = [f"no {', '.join(hidden)}"] if hidden else []
        notes += ["only this error"] if "only" in self._layers else []
        right: list[Span] = [(f"{', '.join(notes)}  ", "warning")] if notes else []
        about.show(left, [*right, (f"{table.cursor + 1} of {len(table.rows)} ", "muted")])
        words, tone = self.judged.words(view, sight.case) if sight.case is not None else ("", "muted")
        line.show([(f" {words or image_name(view.errors.paths[sight.image])}", tone)])

    # -- where the images are

    def action_root(self) -> None:
        """Ask where the images are now, and remember it."""
        from tui.dialogs.choose import Choice, ChooseDialog

        errors = self.errors
        if errors is None:
            return
        choices = [Choice(str(errors.root), "when measured")]
        if self.image_root != errors.root:
            choices.append(Choice(str(self.image_root), "found last"))

        def take(value: str | None) -> None:
            if value:
                folder = Path(value).expanduser()
                work = partial(_remembered, self._paths, errors, folder)
                self.lab.perform(work, self._have_root)

        self.app.push_screen(ChooseDialog("Where are the images?", choices, free="or type a folder"), take)

    def _have_root(self, folder: Path) -> None:
        if self.is_attached:
            self.image_root = folder
            self.root_changed()
            self.look()
            self.notify(f"images are looked for in {clean(str(folder))} from now on", markup=False)

    def root_changed(self) -> None:
        """The images are looked for in another folder."""

    # -- pictures for elsewhere

    def action_save(self) -> None:
        """Write the picture of the case, or of the matrix, as a PNG file."""
        view = self.view
        if view is None:
            return
        sight = self.sight() if self.step != "matrix" else None
        name = f"{self._run.id}-{self.source.checkpoint if self.source is not None else ''}"
        folder = self.lab.workspace.root / "pictures"
        other, root = self._other_view, self.image_root
        work = partial(save_picture, view, sight, other, folder, name, root, only=self._only)
        self.lab.perform(work, self._have_saved)

    def _have_saved(self, found: tuple[Path, str]) -> None:
        path, advice = found
        self.notify(f"written: {clean(str(path))}", markup=False)
        if advice:
            self.notify(advice, severity="warning", markup=False)

    @property
    def _only(self) -> bool:
        return "only" in self._layers

    @property
    def _other_view(self) -> View | None:
        return self.pair.view if self.pair is not None else None

    def action_full(self) -> None:
        """Show the picture in the terminal's own pixels, where it has any."""
        view, sight = self.view, self.sight()
        if view is not None and sight is not None:
            work = partial(drawn, view, sight, self._other_view, self.image_root, only=self._only)
            self.lab.perform(work, self._show_full)

    def _show_full(self, image: Image) -> None:
        from tui.widgets.full_picture import show_full

        if self.is_attached:
            self.lab.call_later(show_full, self.lab, image)


def _look(
    view: View, sight: Sight, pair: Pair | None, pictures: Pictures, root: Path, least: tuple[int, int]
) -> Found:
    shown = view.image(sight.image)
    other = pair.view.image(sight.image) if pair is not None else None
    return Found(view, sight, shown, pair, other, pictures.open(root, shown.path, least))


def _remembered(run: RunPaths, errors: Errors, folder: Path) -> Path:
    """Raises DataError when the folder has none of the images, StateError, OSError."""
    from core.analysis.roots import remember_root

    remember_root(run, errors, folder)
    return folder
