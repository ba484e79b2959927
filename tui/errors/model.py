"""Which predictions are looked at, and at which thresholds: all that the panes and pages follow."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from textual.reactive import var

from core.store.measures import row_of
from core.store.paths import RunPaths
from tui.background import Background
from tui.errors import header as errors_text
from tui.errors.judgements import Judgements
from tui.errors.source import Source, Thresholds, chosen, sources
from tui.lab import Lab, lab_of
from tui.widgets.bars import SpanLine
from tui.widgets.case_picture import CasePicture
from tui.widgets.matrix import Matrix
from tui.widgets.matrix_counts import NOWHERE
from tui.widgets.matrix_draw import MANY

if TYPE_CHECKING:
    from core.analysis.errors import Errors, View
    from core.analysis.groups import Grouped
    from core.store.records import RunSummary
    from tui.widgets.matrix_counts import Counts

STEP = 0.05
HIGHEST = 0.95
IOUS = (0.5, 0.2, 0.75)
"""The usual threshold, the lab's own, a strict one."""
NMS = 0.5
GROUPS = ("off", "1 word", "2 words")


class ErrorsState(Background):
    """Subclasses show what is here: `view_changed` tells them that it is another."""

    step: var[str] = var("matrix", init=False)
    """matrix, cases, picture: each is reached from the one before; `origin` says from which tab."""
    tab: var[str] = var("matrix", init=False)
    thresholds: var[Thresholds] = var(Thresholds(0.5), init=False)

    def __init__(self, run: RunSummary, root: Path, checkpoint: str = "") -> None:
        """`root` is the run's folder; `checkpoint` whose predictions to open, empty: the best one's."""
        super().__init__(classes="-step-matrix")
        self.run_id = run.id
        self._run = run
        self._paths = RunPaths(root)
        self._checkpoint = checkpoint
        self.source: Source | None = None
        self.errors: Errors | None = None
        self.view: View | None = None
        self.grouped: Grouped | None = None
        self.judged = Judgements(self._paths, None, {})
        self.image_root = Path()
        self.origin = "matrix"
        self.problem = False
        self.words = 0
        self._ap = ""

    @property
    def model(self) -> ErrorsState:
        return self

    @property
    def is_gallery(self) -> bool:
        """Predictions of new images: there is nothing to compare them with."""
        return self.errors is not None and not self.errors.labelled

    @property
    def lab(self) -> Lab:
        return lab_of(self)

    @property
    def matrix(self) -> Matrix:
        return self.query_one("#matrix", Matrix)

    @abstractmethod
    def view_changed(self) -> None:
        """The thresholds, or the predictions, are others."""

    @abstractmethod
    def opened(self, errors: Errors) -> None:
        """Another predictions file is open; a view of it comes next."""

    @abstractmethod
    def training_known(self) -> None:
        """How many objects were trained on is known now."""

    # -- which predictions

    def find_sources(self) -> None:
        """Open the predictions that were asked for."""
        self.newest.ask("sources", partial(sources, self._paths), self._have_sources)

    def _have_sources(self, found: list[Source]) -> None:
        source = chosen(found, self._run, self._checkpoint)
        if source is None:
            which = f" of {self._checkpoint}" if self._checkpoint else ""
            self.failed(f"no predictions{which} yet: esc, then m measures; they come with the measurement")
        else:
            self.open_source(source)

    def open_source(self, source: Source) -> None:
        """Show the errors in another predictions file."""
        self.source, self.errors, self.view, self._ap = source, None, None, ""
        self.problem = False
        self.show_top()
        self.newest.ask("open", partial(_read, self._paths, source), self._opened)

    def _opened(self, found: tuple[Source, Errors, Judgements, Path]) -> None:
        source, errors, judged, root = found
        if source != self.source:
            return
        self.errors, self.judged, self.image_root = errors, judged, root
        at = replace(self.thresholds, score=max(errors.score, errors.floor))
        self.set_reactive(ErrorsState.thresholds, at)
        self.opened(errors)
        self.compute()
        self.newest.ask("train", partial(_trained_on, self._paths), partial(self._have_train, errors))

    def _have_train(self, errors: Errors, counts: tuple[int, ...] | None) -> None:
        if errors is self.errors and counts is not None and len(counts) == len(errors.classes):
            errors.train_counts = counts
            self.training_known()

    def action_source(self) -> None:
        """Ask for other predictions."""
        self.newest.ask("sources", partial(sources, self._paths), self._ask_source)

    def _ask_source(self, found: list[Source]) -> None:
        from tui.dialogs.choose import Choice, ChooseDialog

        best = self._run.best.checkpoint if self._run.best is not None else ""
        choices = [
            Choice(item.name, item.note or ("★ best" if item.checkpoint == best else "")) for item in found
        ]
        by_name = {item.name: item for item in found}
        current = self.source.name if self.source is not None else ""

        def take(value: str | None) -> None:
            if value is not None and value in by_name:
                self.open_source(by_name[value])

        self.app.push_screen(ChooseDialog(f"Errors of {self._run.label} at", choices, current=current), take)

    def failed(self, sentence: str) -> None:
        if self.view is not None:
            self.notify(sentence, severity="error", markup=False)
            return
        matrix = self.matrix
        matrix.empty = sentence
        matrix.show(NOWHERE)
        self.query_one("#picture", CasePicture).empty = ""
        self.problem = True
        self.show_top()

    # -- thresholds: everything follows

    def compute(self) -> None:
        """Have the view made that goes with the thresholds."""
        if self.errors is not None:
            work = partial(_computed, self.errors, self.thresholds, self.words)
            self.newest.ask("view", work, self._have_view)

    def _have_view(self, found: tuple[View, Grouped | None, Counts]) -> None:
        view, grouped, counts = found
        if view.errors is not self.errors:
            return
        self.view, self.grouped = view, grouped
        self.matrix.show(counts)
        self.set_class(counts.size > MANY, "-many")
        self.show_top()
        self.view_changed()
        if self.source is not None and not self.is_gallery:
            work = partial(_summary, view, self._paths, self.source.file, self.size.width)
            self.newest.ask("ap", work, self._have_ap)
        self.refresh_bindings()

    def _have_ap(self, found: tuple[View, str]) -> None:
        if found[0].errors is self.errors:
            self._ap = found[1]
            self.show_top()

    def watch_thresholds(self) -> None:
        self.show_top()
        self.compute()

    def action_score(self, by: int) -> None:
        if self.errors is None:
            return
        # On the grid of steps, whatever the floor is.
        steps = round(self.thresholds.score / STEP) + by
        score = min(max(round(steps * STEP, 2), self.errors.floor), HIGHEST)
        self.thresholds = replace(self.thresholds, score=score)

    def action_iou(self) -> None:
        following = IOUS[(IOUS.index(self.thresholds.iou) + 1) % len(IOUS)]
        self.thresholds = replace(self.thresholds, iou=following)

    def action_nms(self) -> None:
        self.thresholds = replace(self.thresholds, nms=None if self.thresholds.nms is not None else NMS)

    def group_by(self, words: int, only: frozenset[int] | None = None) -> None:
        """Groups by the first words of names, 0: classes, `only` some of them."""
        self.words = words
        self.matrix.only = only
        self.show_top()
        self.compute()

    def action_groups(self) -> None:
        self.group_by((self.words + 1) % len(GROUPS))

    def action_open_group(self) -> None:
        """From a group to the classes in it."""
        place, grouped = self.matrix.place, self.grouped
        if grouped is not None and place is not None:
            number = place.row if place.row is not None else place.column
            if number is not None:
                self.group_by(0, frozenset(grouped.members[number]))

    # -- what is written around

    def show_top(self) -> None:
        """Draw the two lines above: whose errors, and at which thresholds."""
        width = self.size.width or self.app.size.width
        view = self.view
        left, right = errors_text.top(
            self._run, self.source, view, self._ap or "AP …", width=width, problem=self.problem
        )
        right = [("without ground truth ", "muted")] if self.is_gallery else right
        self.query_one("#top", SpanLine).show(left, right if view is not None else [])
        at, errors = self.thresholds, self.errors
        left, right = errors_text.tabs(
            self.tab,
            at,
            GROUPS[self.words],
            self.matrix.looks,
            gallery=self.is_gallery,
            boxes=errors is None or errors.kind == "detection",
            floor=errors.floor if errors is not None else 0.0,
            width=width,
        )
        self.query_one("#tabs-line", SpanLine).show(left, right)


def _trained_on(run: RunPaths) -> tuple[int, ...] | None:
    from core.analysis.sources import train_counts

    return train_counts(run)


def _read(run: RunPaths, source: Source) -> tuple[Source, Errors, Judgements, Path]:
    from core.analysis.errors import open_errors
    from core.analysis.roots import image_root

    errors = open_errors(source.file)
    return source, errors, Judgements.read(run, source), image_root(run, errors)


def _computed(errors: Errors, at: Thresholds, words: int) -> tuple[View, Grouped | None, Counts]:
    view = errors.at(at.score, at.iou, agnostic_nms=at.nms)
    grouped = view.grouped(words) if words else None
    return view, grouped, errors_text.counts(view, grouped)


def _summary(view: View, run: RunPaths, file: Path, width: int) -> tuple[View, str]:
    """AP or accuracy: as it was measured, where that is kept; else computed, which takes its time."""
    sha256 = view.errors.source.origin.sha256
    measured = row_of(run, file, sha256) if view.agnostic_nms is None else None
    numbers = measured.metrics if measured is not None else {}
    needed = ("map", "map_50") if view.errors.kind == "detection" else ("accuracy",)
    found = numbers if all(name in numbers for name in needed) else errors_text.summary(view)
    return view, errors_text.summary_words(found, width=width)
