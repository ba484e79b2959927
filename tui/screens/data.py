"""What am I training on? Figures of a data set, the images behind each, and their boxes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Horizontal
from textual.reactive import var

from core.humanise import count
from tui.cell_text import plain
from tui.lab import Lab, lab_of
from tui.screens import data_state
from tui.screens.data_counting import Counting
from tui.widgets.bars import KeyBar, Span, SpanLine
from tui.widgets.case_picture import CasePicture, Side
from tui.widgets.figure_table import FigureTable, ImageRow, ImageTable, PageTable
from tui.widgets.filter_line import FilterLine
from tui.widgets.heat_map import HeatMap

if TYPE_CHECKING:
    from PIL.Image import Image

    from core.analysis.figures import Figure, Page
    from core.config.schema import Experiment

STEPS = ("pages", "figures", "images", "picture")


class DataScreen(Counting):
    """Pages of figures left, the figures of one right, below them the images behind one."""

    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (110, "-medium"), (160, "-wide")]
    KEY_ORDER = ("choose", "back", "split(1)", "log", "filter", "sort", "augmented", "save", "split(-1)")
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,backspace", "back", "back", key_display="esc"),
        Binding(
            "right_square_bracket", "split(1)", "split", key_display="[ ]", tooltip="train, val, test, all"
        ),
        Binding("left_square_bracket", "split(-1)", "previous split", show=False, key_display="["),
        Binding(
            "y",
            "log",
            "log steps",
            tooltip="bars in equal ratios, or in equal steps; positions as a map, or a list",
        ),
        Binding(
            "slash",
            "filter",
            "filter",
            key_display="/",
            tooltip="only bars with these letters in their names",
        ),
        Binding("o", "sort", "sort", tooltip="bars by name, or by number"),
        Binding("a", "augmented", "augmented", tooltip="originals next to augmented versions"),
        Binding("w", "save", "write plots", tooltip="stats.md and plots, into pictures/"),
        Binding("tab", "next_pane(1)", "next pane", show=False),
        Binding("shift+tab", "next_pane(-1)", "previous pane", show=False),
    ]
    SIGNS = (("█ ▓ ▒", "the parts of a bar: train, val, test"), ("[ 12]", "the cell under the cursor"))

    step: var[str] = var("pages", init=False)
    in_ratios: var[bool] = var(False, init=False)
    by_name: var[bool] = var(False, init=False)
    words: var[str] = var("", init=False)

    def __init__(self, name: str, config: Callable[[], Experiment]) -> None:
        super().__init__(config, classes="-step-pages")
        self._about = name
        self._figure: Figure | None = None

    @property
    def lab(self) -> Lab:
        return lab_of(self)

    def compose(self) -> ComposeResult:
        yield SpanLine(id="top")
        with Horizontal(id="data"):
            yield PageTable(id="pages", empty="counting …")
            with Container(id="data-right"):
                with Container(id="figure-side"):
                    yield FigureTable(id="figures", empty="nothing here")
                    yield HeatMap(id="heat")
                with Container(id="image-side"):
                    yield ImageTable(id="images", empty="no image")
                    yield CasePicture(id="picture", empty="no image chosen")
        yield SpanLine(id="status")
        yield KeyBar()

    def on_mount(self) -> None:
        self.query_one("#pages").border_title = "Look at"
        self.heat.display = False
        self.pages.focus()
        self.show_progress()
        self.begin()

    @property
    def pages(self) -> PageTable:
        return self.query_one("#pages", PageTable)

    @property
    def figures(self) -> FigureTable:
        return self.query_one("#figures", FigureTable)

    @property
    def heat(self) -> HeatMap:
        return self.query_one("#heat", HeatMap)

    @property
    def images(self) -> ImageTable:
        return self.query_one("#images", ImageTable)

    @property
    def picture(self) -> CasePicture:
        return self.query_one("#picture", CasePicture)

    # -- what was counted

    def failed(self, sentence: str) -> None:
        """Say why the set could not be read."""
        self.pages.empty, self.figures.empty = "–", sentence
        self.pages.set_rows(())
        self.figures.set_rows(())
        self.query_one("#status", SpanLine).show([(f" {sentence}", "bad")])
        self.show_progress()

    def show_counted(self) -> None:
        if self.statistics is not None:
            self.pages.set_rows(self.statistics.pages)
        self._show_page()
        self.show_progress()
        self.refresh_bindings()

    # -- what is shown

    def show_progress(self) -> None:
        from core.analysis.statistics import headline

        left: list[Span] = [(" labtui ▸ data ▸ ", "muted"), (self._about, "title")]
        right: list[Span] = []
        statistics = self.statistics
        current = self.page
        if (
            statistics is not None
            and current is not None
            and self.has_class("-narrow")
            and self.step != "pages"
        ):
            left += [(" ▸ ", "muted"), (current.title, "text"), (f"  {self.split}", "muted")]
        elif statistics is not None:
            where = f"  {self.split}:" if self.split else ""
            left.append((f"{where}  {headline(statistics)}", "text"))
            page = statistics.page("problems")
            if page is not None and page.bars:
                left.append((f"   ! {len(page.bars)} to look at", "warning"))
        done, total = self.reading
        if total:
            right.append((f"reading {count(done)} of {count(total)} ", "accent"))
        self.query_one("#top", SpanLine).show(left, right)

    @property
    def page(self) -> Page | None:
        return self.pages.current

    @property
    def figure(self) -> Figure | None:
        """The figure under the cursor."""
        return self.heat.current if self.heat.display else self.figures.current

    def _show_page(self) -> None:
        page = self.page
        if page is None:
            return
        in_plane = page.grid is not None and not self.in_ratios
        self.heat.display, self.figures.display = in_plane, not in_plane
        if page.grid is not None and in_plane:
            self.heat.show(page.bars, page.grid)
        else:
            rows = data_state.bars_of(page, log=self.in_ratios, words=self.words, by_name=self.by_name)
            self.figures.empty = "none" if not self.words else "no match"
            self.figures.set_rows(rows)
        title = page.title + (f"  /{self.words}" if self.words else "")
        if page.waiting:
            title += f"  ({count(page.waiting)} images still to be read)"
        self.query_one("#figure-side").border_title = plain(title)
        if self.step == "figures" and not self.query(FilterLine):
            self._focus()
        self._show_figure()

    def _show_figure(self) -> None:
        statistics, figure, before = self.statistics, self.figure, self._figure
        self._figure = figure
        status = self.query_one("#status", SpanLine)
        if statistics is None or figure is None:
            self.images.set_rows(())
            self.picture.clear()
            status.show([])
            return
        rows = data_state.image_rows(statistics, figure)
        self.images.set_rows(rows)
        if before is None or before.key != figure.key:
            self.images.action_end(-1)
        if not rows:
            self.picture.clear("no image here")
        what = f"{figure.label}: {figure.shown}"
        self.query_one("#image-side").border_title = plain(f"{what}  ({count(len(rows))} to see)")
        splits = [
            (f"{name} {count(number)}  ", f"series{index}")
            for index, (name, number) in enumerate(zip(statistics.table.splits, figure.counts, strict=False))
        ]
        status.show([(f" {what}  ", "text"), *(splits if not figure.text else []), (figure.note, "muted")])
        self._look()

    def _look(self) -> None:
        """Have the picture of the image under the cursor opened."""
        statistics, image = self.statistics, self.images.current
        if statistics is None or image is None:
            return
        if image.row is None:
            self.picture.clear(image.name)
            return
        size = self.picture.size
        least = (max(size.width, 64), max(2 * size.height, 64))
        if self.step in ("images", "picture") or not self.has_class("-narrow"):
            self.newest.ask(
                "picture", partial(data_state.opened, statistics, image, least), self._have_picture
            )

    def _have_picture(self, opened: tuple[ImageRow, Image | None, tuple[int, int], str]) -> None:
        image, picture, size, message = opened
        statistics, figure = self.statistics, self._figure
        if self.images.current != image or image.row is None or statistics is None or figure is None:
            return
        objects = statistics.table.objects
        meant: list[int] = []
        if objects is not None:
            meant = [index for index in figure.objects.tolist() if objects.image[index] == image.row]
        self.picture.show(
            picture, size, [Side(data_state.outlines_of(statistics, image.row, meant))], message
        )

    @on(CasePicture.DetailWanted)
    def _detail_wanted(self) -> None:
        statistics, image = self.statistics, self.images.current
        if statistics is not None and image is not None and image.row is not None:
            work = partial(data_state.opened, statistics, image, (1 << 20, 1 << 20))
            self.newest.ask("picture", work, self._have_detail)

    def _have_detail(self, opened: tuple[ImageRow, Image | None, tuple[int, int], str]) -> None:
        if self.images.current == opened[0] and opened[1] is not None:
            self.picture.refine(opened[1])

    # -- moving about

    @on(PageTable.Highlighted, "#pages")
    def _page_highlighted(self) -> None:
        self.words = ""
        self._show_page()
        self.figures.action_end(-1)
        self.refresh_bindings()

    @on(FigureTable.Highlighted, "#figures")
    @on(HeatMap.Highlighted)
    def _figure_highlighted(self) -> None:
        self._show_figure()

    @on(ImageTable.Highlighted, "#images")
    def _image_highlighted(self) -> None:
        self._look()

    @on(PageTable.Chosen, "#pages")
    def _page_chosen(self) -> None:
        self.step = "figures"

    @on(FigureTable.Chosen, "#figures")
    @on(HeatMap.Chosen)
    def _figure_chosen(self) -> None:
        if self.images.rows:
            self.step = "images"

    @on(ImageTable.Chosen, "#images")
    def _image_chosen(self) -> None:
        self.step = "picture"

    def watch_step(self, before: str, step: str) -> None:
        self.remove_class(f"-step-{before}")
        self.add_class(f"-step-{step}")
        self._focus()
        self.show_progress()
        if step in ("images", "picture"):
            self.call_after_refresh(self._look)
        self.refresh_bindings()

    def _focus(self) -> None:
        widgets = {
            "pages": self.pages,
            "figures": self.heat if self.heat.display else self.figures,
            "images": self.images,
            "picture": self.picture,
        }
        widgets[self.step].focus()

    def on_descendant_focus(self) -> None:
        focused = self.focused
        where = {"heat": "figures"}.get(focused.id or "", focused.id or "") if focused is not None else ""
        if where in STEPS:
            self.step = where

    def action_back(self) -> None:
        if self.words and self.step in ("pages", "figures"):
            self.words = ""
        elif self.step == "pages":
            self.app.pop_screen()
        else:
            self.step = STEPS[STEPS.index(self.step) - 1]

    def action_next_pane(self, by: int) -> None:
        there = [step for step in STEPS if step != "picture" or self.images.rows]
        self.step = there[(there.index(self.step) + by) % len(there)] if self.step in there else there[0]

    # -- other figures

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        page = self.page if self.is_mounted else None
        if action == "log":
            return page is not None and (bool(page.log_bars) or page.grid is not None)
        if action in ("filter", "sort"):
            return page is not None and page.key in ("classes", "sizes", "duplicates")
        if action == "split":
            return len(self.splits) > 1
        if action == "save":
            return self.statistics is not None
        return True

    def action_split(self, by: int) -> None:
        names = ["", *self.splits]
        self.split = names[(names.index(self.split) + by) % len(names)]

    def action_log(self) -> None:
        self.in_ratios = not self.in_ratios

    def watch_in_ratios(self) -> None:
        self._show_page()

    def action_sort(self) -> None:
        self.by_name = not self.by_name

    def watch_by_name(self) -> None:
        self._show_page()

    def action_filter(self) -> None:
        if not self.query(FilterLine):
            line = FilterLine(self.words, "part of a name")
            self.mount(line, before="#status")
            line.focus()

    @on(FilterLine.Typed)
    def _filter_typed(self, event: FilterLine.Typed) -> None:
        self.words = event.text

    def watch_words(self) -> None:
        self._show_page()

    @on(FilterLine.Closed)
    def _filter_closed(self, event: FilterLine.Closed) -> None:
        if event.clear:
            self.words = ""
        self.query(FilterLine).remove()
        self.step = "figures"
        self._focus()

    def action_augmented(self) -> None:
        """Originals beside augmented draws."""
        from tui.screens.samples import SamplesScreen

        def dumped() -> str:
            from core.config.load import dump

            return dump(self._config())

        self.app.push_screen(SamplesScreen(self._about, dumped))

    def action_save(self) -> None:
        """Have a child write stats.md and the plots."""
        from tui.screens.data_save import save_figures

        folder = self.lab.workspace.root / "pictures"
        work = partial(save_figures, lambda: self._config().data, folder, self._about, self.split)
        self.notify("writing plots …", markup=False)
        self.lab.perform(work, lambda path: self.notify(f"written: {plain(str(path))}", markup=False))
