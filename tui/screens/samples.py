"""What is trained on: pictures with their classes, and what augmentation makes of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.reactive import var
from textual.screen import Screen

from core.errors import LabError
from tui.lab import Lab, lab_of
from tui.read.samples import SampleReader, Samples
from tui.widgets.bars import KeyBar, SpanLine
from tui.widgets.picture_grid import PictureGrid

_DRAWS = 6
"""Pictures in a row of an original and its draws, as far as is known before the first is there."""
_MOST = 200
_FOR_BOXES = 2
"""Steps by which pictures are larger where boxes are to be seen."""


class SamplesScreen(Screen[None]):
    """`config` gives the dumped config; it is called in a thread and may raise LabError."""

    KEY_ORDER = ("app.pop_screen", "page(1)", "augmented", "larger(1)", "larger(-1)", "page(-1)")
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,backspace", "app.pop_screen", "back", key_display="esc"),
        Binding("n", "page(1)", "other pictures"),
        Binding("N", "page(-1)", "previous pictures", show=False),
        Binding("a", "augmented", "augmented or original"),
        Binding("plus,equals_sign", "larger(1)", "larger", key_display="+"),
        Binding("minus", "larger(-1)", "smaller", key_display="-"),
    ]

    augmented: var[bool] = var(False)
    page: var[int] = var(0)

    def __init__(self, name: str, config: Callable[[], str]) -> None:
        super().__init__()
        self._about = name
        self._config = config
        self._reader = SampleReader()
        self._has_boxes = False

    @property
    def lab(self) -> Lab:
        return lab_of(self)

    def compose(self) -> ComposeResult:
        yield SpanLine(id="top")
        yield PictureGrid(id="pictures")
        yield KeyBar()

    def on_mount(self) -> None:
        self.query_one(PictureGrid).focus()
        self.call_after_refresh(self._ask)

    def on_unmount(self) -> None:
        self._reader.stop()

    @property
    def grid(self) -> PictureGrid:
        return self.query_one(PictureGrid)

    def watch_augmented(self) -> None:
        if self.is_mounted:
            self._ask()

    def watch_page(self) -> None:
        if self.is_mounted:
            self._ask()

    def _ask(self) -> None:
        """Have the pictures of this page drawn; the last ones stay until they are there."""
        columns, rows = self.grid.room(_DRAWS if self.augmented else 0)
        count = rows if self.augmented else min(columns * rows, _MOST)
        self._show_top(reading=True)
        if self.grid.is_empty:
            self.grid.say("reading pictures: this takes a few seconds …")
        self._reader.stop()
        self._reader = SampleReader()
        self._read(self._reader, self.augmented, self.page, max(count, 1))

    @work(thread=True, group="samples", exit_on_error=False)
    def _read(self, reader: SampleReader, augmented: bool, page: int, count: int) -> None:
        try:
            samples = reader.read(self._config(), augmented=augmented, seed=page, count=count)
        except LabError as error:
            self.app.call_from_thread(self._failed, reader, str(error))
        else:
            if samples is not None:
                self.app.call_from_thread(self._have_samples, reader, samples)

    def _have_samples(self, reader: SampleReader, samples: Samples) -> None:
        if reader is self._reader and self.is_attached:
            columns = samples.columns if samples.augmented else 0
            if samples.boxes and not self._has_boxes:
                self._has_boxes = True
                self.grid.resize_pictures(_FOR_BOXES)
            self.grid.show(samples.pixels, samples.titles, columns=columns)
            self._show_top()

    def _failed(self, reader: SampleReader, sentence: str) -> None:
        if reader is self._reader and self.is_attached:
            self.grid.say(sentence, bad=True)
            self._show_top()

    def _show_top(self, *, reading: bool = False) -> None:
        what = "original and what training sees of it" if self.augmented else "original training images"
        right = [("reading … ", "muted")] if reading else [(f"page {self.page + 1} ", "muted")]
        self.query_one("#top", SpanLine).show(
            [(" labtui ▸ ", "muted"), (f"pictures of {self._about}", "title"), (f"  {what}", "muted")], right
        )

    def action_page(self, by: int) -> None:
        self.page = max(self.page + by, 0)

    def action_augmented(self) -> None:
        self.augmented = not self.augmented

    def action_larger(self, by: int) -> None:
        self.grid.resize_pictures(by)
