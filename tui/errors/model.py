"""What the screen of errors knows and how it moves on: no widgets, so that it can be tried without any.

A thread makes what takes long (`read` in `tui.errors.source`, `compute`, `find_cases`); the model takes it in
and says whether it still goes with what is looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from core.store.paths import RunPaths
from tui.errors.judgements import Judgements
from tui.widgets.case_words import KIND_WORDS
from tui.widgets.matrix_counts import NO_COUNTS, MatrixCell, MatrixCounts, cell_words

if TYPE_CHECKING:
    from core.analysis.cases import Case
    from core.analysis.class_groups import Grouped
    from core.analysis.errors import Errors, View
    from core.analysis.prediction_files import PredictionSet
    from core.store.records import RunSummary
    from tui.errors.comparison import Compared, OtherPredictions
    from tui.errors.source import Opened

TABS = (
    ("matrix", "Matrix"),
    ("kinds", "Kinds"),
    ("classes", "Classes"),
    ("pr", "PR"),
    ("boxes", "Boxes"),
    ("ab", "A/B"),
)
SCORE_STEP = 0.05
MAX_SCORE = 0.95
IOUS = (0.5, 0.2, 0.75)
"""The usual threshold, the lab's own, a strict one."""
NMS = 0.5
GROUPS = ("off", "1 word", "2 words")

Listing = Literal["cases", "changes", "images"]
WayBack = Literal["matrix tab", "cases", "origin", "out"]


@dataclass(frozen=True)
class Thresholds:
    """What the screen follows; `score` is not below what was stored, `nms` None: as predicted."""

    score: float
    iou: float = 0.5
    nms: float | None = None


@dataclass(frozen=True)
class CaseQuery:
    """Which cases are listed: of a cell of the matrix, or (`free`) chosen elsewhere.

    rows and columns are classes, None: all of them; `mixed` ones differ in truth, prediction or kind.
    """

    rows: tuple[int, ...] | None
    columns: tuple[int, ...] | None
    kind: str | None
    title: str
    mixed: bool = False
    image: int | None = None
    mistakes: bool = False
    free: bool = False


@dataclass(frozen=True)
class Sight:
    """What the picture is about: an image and in it a case, or an object that two models see differently."""

    image: int
    case: Case | None = None
    object: int | None = None
    words: str = ""

    @property
    def main_object(self) -> int | None:
        return self.case.object if self.case is not None else self.object

    @property
    def main_box(self) -> int | None:
        return self.case.prediction if self.case is not None else None


@dataclass(frozen=True)
class Pair:
    """Another model's view of the same images, and what both models are called."""

    view: View
    captions: tuple[str, str]


@dataclass(frozen=True)
class Computed:
    """A view at some thresholds, its matrix in groups where they are on, and what the matrix shows."""

    view: View
    grouped: Grouped | None
    counts: MatrixCounts


class ErrorsModel:
    """One predictions file of a run: thresholds, where one is on the screen, and what is chosen there.

    `tab` is one of TABS; `step` is matrix, cases or picture, each reached from the one before; `origin` is
    the tab from which the step was reached.
    """

    def __init__(self, run: RunSummary, paths: RunPaths, checkpoint: str = "") -> None:
        """`checkpoint`: whose predictions to open; empty: the best one's."""
        self.run = run
        self.run_id = run.id
        self.paths = paths
        self.checkpoint = checkpoint
        self.source: PredictionSet | None = None
        self.errors: Errors | None = None
        self.view: View | None = None
        self.grouped: Grouped | None = None
        self.counts = NO_COUNTS
        self.judged = Judgements(paths, None, {})
        self.image_root = Path()
        self.summary = ""
        self.problem = False
        self.thresholds = Thresholds(0.5)
        self.group_words = 0
        self.tab = self.step = self.origin = "matrix"
        self.query: CaseQuery | None = None
        self.curve_class: int | None = None
        self.against: OtherPredictions | None = None
        self.compared: Compared | None = None

    # -- which predictions

    def open(self, source: PredictionSet) -> None:
        """Another predictions file is being read."""
        self.source, self.errors, self.view, self.summary = source, None, None, ""
        self.problem = False

    def take_opened(self, opened: Opened) -> bool:
        """A predictions file was read; False: another one is waited for meanwhile."""
        if opened.source != self.source:
            return False
        self.errors, self.judged, self.image_root = opened.errors, opened.judged, opened.image_root
        self.thresholds = replace(self.thresholds, score=max(opened.errors.score, opened.errors.floor))
        self.query, self.curve_class, self.compared = None, None, None
        return True

    def take_computed(self, made: Computed) -> bool:
        """A view was computed; False: it is of a file that is no longer looked at."""
        if made.view.errors is not self.errors:
            return False
        self.view, self.grouped, self.counts = made.view, made.grouped, made.counts
        return True

    def take_train_counts(self, errors: Errors, counts: tuple[int, ...] | None) -> bool:
        """How many objects of each class were trained on; False: that says nothing about these errors."""
        if errors is not self.errors or counts is None or len(counts) != len(errors.classes):
            return False
        errors.train_counts = counts
        return True

    @property
    def is_gallery(self) -> bool:
        """Predictions of new images: there is nothing to compare them with."""
        return self.errors is not None and not self.errors.labelled

    @property
    def has_boxes(self) -> bool:
        """Of a detector, as far as is known."""
        return self.errors is None or self.errors.kind == "detection"

    @property
    def has_truth(self) -> bool:
        """There is a view, and one of images with ground truth."""
        return self.view is not None and not self.is_gallery

    @property
    def names(self) -> Sequence[str]:
        """Of classes, or of groups where they are on."""
        if self.grouped is not None:
            return self.grouped.names
        return self.view.errors.classes if self.view is not None else ()

    # -- thresholds

    def move_score(self, steps: int) -> bool:
        """The score threshold so many steps higher; False: it stays."""
        if self.errors is None:
            return False
        # On the grid of steps, whatever the floor is.
        number = round(self.thresholds.score / SCORE_STEP) + steps
        score = min(max(round(number * SCORE_STEP, 2), self.errors.floor), MAX_SCORE)
        return self._move(replace(self.thresholds, score=score))

    def next_iou(self) -> bool:
        """The next one of the IoU thresholds."""
        following = IOUS[(IOUS.index(self.thresholds.iou) + 1) % len(IOUS)]
        return self._move(replace(self.thresholds, iou=following))

    def toggle_nms(self) -> bool:
        """With or without suppression of boxes of whatever class."""
        nms = NMS if self.thresholds.nms is None else None
        return self._move(replace(self.thresholds, nms=nms))

    def _move(self, thresholds: Thresholds) -> bool:
        moved = thresholds != self.thresholds
        self.thresholds = thresholds
        return moved

    def group_by(self, words: int) -> None:
        """Groups by the first words of names, 0: classes."""
        self.group_words, self.curve_class = words, None

    # -- where one is

    @property
    def on_matrix(self) -> bool:
        """At the matrix itself."""
        return self.tab == "matrix" and self.step == "matrix"

    @property
    def on_list(self) -> bool:
        """At a list of cases, or at a picture from one."""
        return self.tab == "matrix" and self.step != "matrix"

    @property
    def on_picture(self) -> bool:
        return self.tab == "matrix" and self.step == "picture"

    @property
    def compares(self) -> bool:
        """The picture is one of two models that are compared."""
        return self.origin == "ab"

    @property
    def listing(self) -> Listing:
        """The list whose rows are looked at one after the other."""
        if self.is_gallery:
            return "images"
        return "changes" if self.compares else "cases"

    @property
    def pair(self) -> Pair | None:
        """The two models, while the picture is one of both."""
        if not self.compares or self.compared is None:
            return None
        return Pair(self.compared.second, self.compared.captions)

    @property
    def tab_shown(self) -> str:
        """The tab that one is in, also at a list or a picture that was reached from it."""
        return self.origin if self.on_list else self.tab

    def next_tab(self, by: int) -> str:
        """The tab so many further, round and round."""
        names = [name for name, _ in TABS]
        return names[(names.index(self.tab_shown) + by) % len(names)]

    @property
    def way_back(self) -> WayBack:
        """Where one comes to from here, the tab first."""
        if self.tab != "matrix":
            return "matrix tab"
        if self.step == "picture" and self.origin in ("matrix", "kinds") and not self.is_gallery:
            return "cases"
        return "origin" if self.step != "matrix" else "out"

    # -- what is chosen

    def cell_query(self, cell: MatrixCell | None) -> CaseQuery | None:
        """The cases of a cell of the matrix."""
        if cell is None or self.view is None:
            return None
        nothing = (len(self.view.errors.classes),)

        def members(number: int | None) -> tuple[int, ...]:
            if number is None:
                return nothing
            return self.grouped.members[number] if self.grouped is not None else (number,)

        kind = next((name for name, word in KIND_WORDS.items() if word == cell.kind), None)
        mixed = self.grouped is not None or (cell.row is None and not kind)
        title = cell_words(self.counts, cell)
        return CaseQuery(members(cell.row), members(cell.column), kind, title, mixed)

    def group_members(self, cell: MatrixCell | None) -> frozenset[int] | None:
        """The classes of the group at a cell of the matrix, where there are groups."""
        if self.grouped is None or cell is None:
            return None
        number = cell.row if cell.row is not None else cell.column
        return frozenset(self.grouped.members[number]) if number is not None else None

    @property
    def chosen_elsewhere(self) -> bool:
        """The cases are not those of a cell of the matrix."""
        return self.query is not None and self.query.free

    def step_class(self, by: int) -> None:
        """The curve of the next class; before the first one stands that of all together."""
        order: list[int | None] = [None, *range(len(self.names))]
        self.curve_class = order[(order.index(self.curve_class) + by) % len(order)]

    def begin_compared(self, source: PredictionSet, other: OtherPredictions) -> None:
        """Begin at a comparison of these predictions with others."""
        self.source, self.against, self.tab = source, other, "ab"

    def compare_with(self, other: OtherPredictions) -> None:
        """Choose what to compare with."""
        self.against, self.compared = other, None

    def take_compared(self, compared: Compared) -> bool:
        """A comparison was computed; False: of other predictions, or of another view."""
        if compared.other is not self.against or compared.view is not self.view:
            return False
        self.compared = compared
        return True


def compute(errors: Errors, at: Thresholds, words: int) -> Computed:
    """The view at thresholds, in groups by so many `words` of the names (0: none)."""
    view = errors.at(at.score, at.iou, agnostic_nms=at.nms)
    grouped = view.grouped(words) if words else None
    return Computed(view, grouped, matrix_counts(view, grouped))


def matrix_counts(view: View, grouped: Grouped | None) -> MatrixCounts:
    """A view's matrix as the widget wants it."""
    from core.analysis.cases import FALSE_ALARM_KINDS

    boxes = view.errors.kind == "detection" or bool(view.matrix[:-1, -1].any())
    alarms = view.false_alarms
    if grouped is None:
        names, cells, inside = view.errors.classes, view.matrix.tolist(), []
        kinds = alarms.tolist()
    else:
        names, cells, inside = grouped.names, grouped.matrix.tolist(), grouped.inside.tolist()
        kinds = [[int(line[list(members)].sum()) for members in grouped.members] for line in alarms]
    detection = view.errors.kind == "detection"
    return MatrixCounts(
        tuple(names),
        tuple(str(number) for number in range(1, len(names) + 1)),
        cells,
        tuple((KIND_WORDS[kind], line) for kind, line in zip(FALSE_ALARM_KINDS, kinds, strict=True))
        if detection
        else (),
        inside,
        boxes,
    )


def find_cases(view: View, query: CaseQuery, sorting: str) -> Sequence[Case]:
    """The cases that are asked for, in the order of `sorting`: rank, score, iou, ..."""
    if query.mistakes:
        from core.analysis.label_errors import likely_mistakes

        return likely_mistakes(view)
    cases = view.cases(query.rows, query.columns, query.kind)
    if sorting != "rank":
        cases = cases.sorted_by(sorting)
    return cases if query.image is None else [case for case in cases if case.image == query.image]
