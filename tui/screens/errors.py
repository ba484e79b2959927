"""What does a run get wrong, and why? From the matrix to the cases of a cell to the picture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, cast

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.reactive import var

from core.store.paths import RunPaths
from tui.run_actions import plain
from tui.screens import errors_text
from tui.screens.errors_judge import Judgements
from tui.screens.errors_source import Background, Newest, Pictures, Source, chosen, sources, train_counts
from tui.widgets.bars import KeyBar, SpanLine
from tui.widgets.case_curve import CurveView
from tui.widgets.case_picture import CasePicture
from tui.widgets.case_table import SORTS, BoxTable, CaseTable, PlainTable, case_words, image_name
from tui.widgets.matrix import Matrix, Place, place_words

if TYPE_CHECKING:
    from PIL.Image import Image
    from textual.geometry import Size
    from textual.widget import Widget

    from core.analysis.cases import Case, Shown
    from core.analysis.errors import Errors, View
    from core.analysis.groups import Grouped
    from core.store.records import RunSummary
    from tui.application import LabApp
    from tui.widgets.matrix import Counts

STEP = 0.05
IOUS = (0.5, 0.2, 0.75)
"""The usual threshold, the lab's own, a strict one."""
NMS = 0.5
_GROUPS = ("off", "1 word", "2 words")
_SEEDS = 1


@dataclass(frozen=True)
class Thresholds:
    """What the screen follows; `score` is not below what was stored."""

    score: float
    iou: float = IOUS[0]
    nms: float | None = None


@dataclass(frozen=True)
class Wanted:
    """Which cases are listed: of a cell, or all of one kind."""

    rows: tuple[int, ...] | None
    columns: tuple[int, ...] | None
    kind: str | None
    title: str
    mixed: bool = False


class ErrorsScreen(Background):
    CSS_PATH = "errors.tcss"
    AUTO_FOCUS = ""
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (110, "-medium"), (160, "-wide")]
    VERTICAL_BREAKPOINTS = [(0, "-short"), (30, "-tall")]
    KEY_ORDER = (
        *("back", "choose", "case(1)", "judge('model_wrong')", "judge('label_wrong')", "judge('unclear')"),
        *("score(1)", "score(-1)", "iou", "nms", "diagonal", "normalise", "sort", "groups", "open_group"),
        *("next_tab(1)", "zoom(2.0)", "to_case", "layer('truth')", "layer('predicted')", "layer('only')"),
        *("source", "filter", "note", "root"),
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,backspace", "back", "back", key_display="esc"),
        Binding("greater_than_sign,full_stop", "score(1)", "score", key_display="< >"),
        Binding("less_than_sign,comma", "score(-1)", "lower score", show=False, key_display="<"),
        Binding("i", "iou", "IoU"),
        Binding("A", "nms", "NMS over classes"),
        Binding("g", "groups", "groups"),
        Binding("space", "open_group", "open group", key_display="space"),
        Binding("slash", "filter", "classes", key_display="/"),
        Binding("tab", "next_tab(1)", "kinds, classes, PR, boxes", key_display="tab"),
        Binding("shift+tab", "next_tab(-1)", "previous tab", show=False),
        Binding("n", "case(1)", "next case"),
        Binding("b", "case(-1)", "previous case", show=False),
        Binding("1", "judge('model_wrong')", "model wrong"),
        Binding("2", "judge('label_wrong')", "label wrong"),
        Binding("3", "judge('unclear')", "unclear"),
        Binding("m", "note", "note"),
        Binding("t", "layer('truth')", "truth"),
        Binding("p", "layer('predicted')", "predictions"),
        Binding("L", "layer('labels')", "labels", show=False),
        Binding("e", "layer('only')", "only this error"),
        Binding("c", "source", "checkpoint, split"),
        Binding("R", "root", "where the images are"),
    ]

    step: var[str] = var("matrix", init=False)
    tab: var[str] = var("matrix", init=False)
    thresholds: var[Thresholds] = var(Thresholds(0.5), init=False)

    def __init__(self, run: RunSummary, root: Path, checkpoint: str = "") -> None:
        """`root` is the run's folder; `checkpoint` whose predictions to open, empty: the best one's."""
        super().__init__(classes="-step-matrix")
        self.run_id = run.id
        self._run = run
        self._paths = RunPaths(root)
        self._checkpoint = checkpoint
        self._source: Source | None = None
        self._errors: Errors | None = None
        self._view: View | None = None
        self._grouped: Grouped | None = None
        self._ap = ""
        self._words = 0
        self._wanted: Wanted | None = None
        self._shown: tuple[Case | None, Shown | None] = None, None
        self._root: Path | None = None
        self._pictures = Pictures()
        self._newest = Newest(self)
        self._layers = frozenset(("truth", "predicted", "labels"))
        self._judged = Judgements()
        self._pages: dict[str, View] = {}

    def fit(self, size: Size) -> None:
        """Take the classes of a terminal size before the first layout."""

    @property
    def lab(self) -> LabApp:
        return cast("LabApp", self.app)

    @property
    def newest(self) -> Newest:
        return self._newest

    def compose(self) -> ComposeResult:
        yield SpanLine(id="top")
        yield SpanLine(id="tabs-line")
        with Container(id="errors"):
            with Container(id="page-matrix"):
                with Container(id="matrix-side"):
                    yield Matrix(id="matrix", empty="reading …")
                with Container(id="right"):
                    with Container(id="case-side"):
                        yield CaseTable(id="cases", empty="no case here")
                        yield BoxTable(id="boxes", empty="")
                    with Container(id="picture-side"):
                        yield CasePicture(id="picture", empty="no case chosen")
                        yield SpanLine(id="about-case")
                        yield SpanLine(id="verdict")
            with Container(id="page-kinds"):
                yield SpanLine(id="kind-line")
                yield PlainTable(errors_text.KIND_COLUMNS, id="kinds", empty="reading …")
            with Container(id="page-classes"):
                yield PlainTable(errors_text.CLASS_COLUMNS, id="classes", empty="reading …")
            with Container(id="page-pr"):
                yield CurveView(id="pr")
            with Container(id="page-boxes"):
                yield SpanLine(id="image-about")
                yield PlainTable(errors_text.IMAGE_COLUMNS, id="images", empty="reading …")
        yield KeyBar()

    def on_mount(self) -> None:
        self._apply_tab()
        self._apply_step()
        self._show_top()
        self._newest.ask("sources", partial(sources, self._paths), self._have_sources)

    # -- which predictions

    def _have_sources(self, found: list[Source]) -> None:
        source = chosen(found, self._run, self._checkpoint)
        if source is None:
            which = f" of {self._checkpoint}" if self._checkpoint else ""
            self.failed(f"no predictions{which} yet: esc, then m measures; they come with the measurement")
        else:
            self.open_source(source)

    def open_source(self, source: Source) -> None:
        """Show the errors in another predictions file."""
        self._source, self._errors, self._view, self._ap = source, None, None, ""
        self._show_top()
        self._newest.ask("open", partial(self._read, source), self._opened)

    @staticmethod
    def _read(source: Source) -> tuple[Errors, Judgements]:
        from core.analysis.errors import open_errors

        return open_errors(source.file), Judgements.read(source.file)

    def _opened(self, found: tuple[Errors, Judgements]) -> None:
        self._errors, self._judged = found
        errors = self._errors
        if errors.source.origin.file != (self._source.file if self._source else None):
            return
        table = self.query_one("#cases", CaseTable)
        table.names, table.judged = errors.classes, self._judged.by_case
        table.boxes = errors.kind == "detection"
        if not errors.labelled:
            self.failed("these images have no annotations: there is nothing to compare with")
            return
        before = self.thresholds
        self.set_reactive(ErrorsScreen.thresholds, replace(before, score=max(errors.score, errors.floor)))
        self._compute()
        self._newest.ask("train", partial(train_counts, self._paths), self._have_train)

    def _have_train(self, counts: tuple[int, ...] | None) -> None:
        errors = self._errors
        if errors is not None and counts is not None and len(counts) == len(errors.classes):
            errors.train_counts = counts
            self._pages.pop("classes", None)
            self._show_page()

    def failed(self, sentence: str) -> None:
        matrix = self.query_one("#matrix", Matrix)
        matrix.empty = sentence
        matrix.refresh()
        self.query_one("#picture", CasePicture).empty = ""
        if self._view is not None:
            self.notify(sentence, severity="error", markup=False)

    # -- thresholds: everything follows

    def _compute(self) -> None:
        if self._errors is not None:
            work = partial(self._computed, self._errors, self.thresholds, self._words)
            self._newest.ask("view", work, self._have_view)

    @staticmethod
    def _computed(errors: Errors, at: Thresholds, words: int) -> tuple[View, Grouped | None, Counts]:
        view = errors.at(at.score, at.iou, agnostic_nms=at.nms)
        grouped = view.grouped(words) if words else None
        return view, grouped, errors_text.counts(view, grouped)

    def _have_view(self, found: tuple[View, Grouped | None, Counts]) -> None:
        view, grouped, counts = found
        if view.errors is not self._errors:
            return
        first = self._view is None
        self._view, self._grouped = view, grouped
        self.query_one("#matrix", Matrix).show(counts)
        self._show_top()
        if self._wanted is not None and self._wanted.kind is not None and not first:
            self._list(self._wanted)
        self._show_page()
        self._newest.ask("ap", partial(self._summary, view, self.size.width), self._have_ap)
        self.refresh_bindings()

    @staticmethod
    def _summary(view: View, width: int) -> tuple[View, str]:
        return view, errors_text.summary(view.errors, view, width=width)

    def _have_ap(self, found: tuple[View, str]) -> None:
        if found[0].errors is self._errors:
            self._ap = found[1]
            self._show_top()

    def watch_thresholds(self) -> None:
        self._show_top()
        self._compute()

    def action_score(self, by: int) -> None:
        if self._errors is None:
            return
        low = self._errors.floor
        # On the grid of steps, whatever the floor is.
        score = round(round(self.thresholds.score / STEP) * STEP + by * STEP, 2)
        score = min(max(score, low), 0.95)
        if score == self.thresholds.score and by < 0:
            self.notify(f"no box below {low:.2f} was kept: measure again for more", markup=False)
        self.thresholds = replace(self.thresholds, score=score)

    def action_iou(self) -> None:
        now = self.thresholds.iou
        following = IOUS[(IOUS.index(now) + 1) % len(IOUS)] if now in IOUS else IOUS[0]
        self.thresholds = replace(self.thresholds, iou=following)

    def action_nms(self) -> None:
        self.thresholds = replace(self.thresholds, nms=None if self.thresholds.nms is not None else NMS)

    def action_groups(self) -> None:
        self._words = (self._words + 1) % len(_GROUPS)
        self.query_one("#matrix", Matrix).only = None
        self._show_top()
        self._compute()

    def action_open_group(self) -> None:
        """From a group to the classes in it."""
        place, grouped = self.query_one("#matrix", Matrix).place, self._grouped
        if grouped is None or place is None:
            return
        number = place.row if place.row is not None else place.column
        if number is not None:
            self._words = 0
            self.query_one("#matrix", Matrix).only = frozenset(grouped.members[number])
            self._show_top()
            self._compute()

    def action_filter(self) -> None:
        from tui.widgets.filter_line import FilterLine

        if not self.query(FilterLine):
            line = FilterLine("")
            line.placeholder = "part of a class's name"
            self.mount(line, before="KeyBar")
            line.focus()

    def filter_by(self, text: str) -> None:
        """Show classes whose name has `text` in it; called by the filter line with every letter."""
        matrix = self.query_one("#matrix", Matrix)
        words = text.lower().split()
        names = matrix.counts.names
        found = frozenset(at for at, name in enumerate(names) if all(word in name.lower() for word in words))
        matrix.filter(found if words and found else None)
        self._show_top()

    def close_filter(self, *, clear: bool) -> None:
        """Put the filter line away."""
        if clear:
            self.query_one("#matrix", Matrix).filter(None)
        self.query("FilterLine").remove()
        self._show_top()
        self._apply_step()

    # -- the matrix and its cases

    @on(Matrix.Moved)
    def _cell_moved(self, event: Matrix.Moved) -> None:
        if self._view is not None:
            if self._wanted is None or self._wanted.kind is None or self.query_one("#matrix").has_focus:
                self._list(self._of_cell(event.place))

    @on(Matrix.Chosen)
    def _cell_chosen(self) -> None:
        self.step = "cases"

    @on(Matrix.Looks)
    def _looks_changed(self) -> None:
        self._show_top()

    def _of_cell(self, place: Place | None) -> Wanted | None:
        if place is None or self._view is None:
            return None
        matrix = self.query_one("#matrix", Matrix)
        none = len(self._view.errors.classes)

        def members(at: int | None) -> tuple[int, ...]:
            if at is None:
                return (none,)
            return self._grouped.members[at] if self._grouped is not None else (at,)

        kind = None
        if place.kind:
            from tui.widgets.case_table import KIND_WORDS

            kind = next(name for name, word in KIND_WORDS.items() if word == place.kind)
        title = place_words(matrix.counts, place)
        rows, columns = members(place.row), members(place.column)
        mixed = self._grouped is not None or (place.row is None and not kind)
        return Wanted(rows, columns, kind, title, mixed)

    def _list(self, wanted: Wanted | None) -> None:
        self._wanted = wanted
        view = self._view
        if view is None:
            return
        if wanted is None:
            self._have_cases((view, wanted, ()))
            return
        sorting = self.query_one("#cases", CaseTable).sorting

        def find() -> object:
            found = view.cases(wanted.rows, wanted.columns, wanted.kind)
            return view, wanted, found if sorting == "rank" else found.sorted_by(sorting)

        self._newest.ask("cases", find, self._have_cases)

    def _have_cases(self, found: tuple[View, Wanted | None, object]) -> None:
        view, wanted, cases = found
        if view is not self._view or wanted != self._wanted:
            return
        table = self.query_one("#cases", CaseTable)
        table.mixed = wanted is not None and wanted.mixed
        table.set_rows(cases)  # type: ignore[arg-type]
        self._title_cases()
        self._show_case(table.current)

    def _title_cases(self) -> None:
        table = self.query_one("#cases", CaseTable)
        title = self._wanted.title if self._wanted is not None else "Cases"
        count = len(table.rows)
        self.query_one("#matrix-side").border_title = plain("Matrix  truth ↓  prediction →")
        table.border_title = plain(title)
        sorting = "" if table.sorting == "rank" else f" by {table.sorting}"
        table.border_subtitle = plain(f"{count} case{'s' * (count != 1)}{sorting}")
        self._show_tabs()

    @on(CaseTable.Highlighted, "#cases")
    def _case_highlighted(self) -> None:
        self._show_case(self.query_one("#cases", CaseTable).current)

    @on(CaseTable.Chosen, "#cases")
    def _case_chosen(self) -> None:
        self.step = "picture"

    @on(CaseTable.SortWanted)
    def _sort_cases(self) -> None:
        table = self.query_one("#cases", CaseTable)
        table.sorting = SORTS[(SORTS.index(table.sorting) + 1) % len(SORTS)]
        self._list(self._wanted)

    def action_case(self, by: int) -> None:
        self.query_one("#cases", CaseTable).action_move(by)

    # -- the picture

    @property
    def _sees_picture(self) -> bool:
        return self.tab == "matrix" and (self.step == "picture" or not self.has_class("-narrow"))

    def _show_case(self, case: Case | None) -> None:
        view = self._view
        if case is None or view is None:
            self._shown = None, None
            self.query_one("#picture", CasePicture).clear("")
            self.query_one("#boxes", BoxTable).set_rows(())
            self._show_verdict()
            return
        if self._sees_picture:
            root = self._root or view.errors.root

            def look() -> object:
                return view, case, view.image(case.image), self._pictures.open(root, case.path)

            self._newest.ask("picture", look, self._have_picture)

    def _have_picture(self, found: tuple[View, Case, Shown, tuple[Image | None, str]]) -> None:
        view, case, shown, (image, message) = found
        if view is not self._view:
            return
        names = view.errors.classes
        before = self._shown[1]
        picture = self.query_one("#picture", CasePicture)
        same = before is not None and before.image == shown.image
        picture.show(
            image, shown.size or (64, 64), errors_text.frames(shown, case, names), message, keep_view=same
        )
        self._shown = case, shown
        table = self.query_one("#boxes", BoxTable)
        table.set_rows(errors_text.box_rows(shown, case, names, view.errors.likeliest(case.image)))
        table.border_title = plain("Boxes" if view.errors.kind == "detection" else "Likeliest classes")
        self.query_one("#picture-side").border_title = plain(image_name(case.path))
        self._show_verdict()
        self.refresh_bindings()

    def action_layer(self, name: str) -> None:
        self._layers = self._layers ^ {name}
        self.query_one("#picture", CasePicture).layers(self._layers)
        self._show_verdict()

    def _show_verdict(self) -> None:
        case = self.query_one("#cases", CaseTable).current
        about, line = self.query_one("#about-case", SpanLine), self.query_one("#verdict", SpanLine)
        if case is None or self._view is None:
            about.show([])
            line.show([])
            return
        table = self.query_one("#cases", CaseTable)
        left = [(f" {case_words(case, self._view.errors.classes)}", "text")]
        if case.score is not None:
            left.append((f"  {case.score:.2f}", "muted"))
        hidden = [name for name in ("truth", "predicted", "labels") if name not in self._layers]
        notes = [f"no {', '.join(hidden)}"] if hidden else []
        notes += ["only this error"] if "only" in self._layers else []
        left += [(f"  {', '.join(notes)}", "warning")] if notes else []
        about.show(left, [(f"{table.cursor + 1} of {len(table.rows)} ", "muted")])
        words, tone = self._judged.words(case)
        line.show([(f" {words}", tone)])

    def action_root(self) -> None:
        """Ask where the images are now."""
        from tui.dialogs.choose import Choice, ChooseDialog

        if self._view is None:
            return
        stored = str(self._view.errors.root)
        choices = [Choice(stored, "as it was when measured")]

        def found(value: str | None) -> None:
            if value:
                self._root = Path(value).expanduser()
                self._show_case(self.query_one("#cases", CaseTable).current)

        self.app.push_screen(ChooseDialog("Where are the images?", choices, free="or type a folder"), found)

    def action_source(self) -> None:
        """Ask for other predictions."""
        self._newest.ask("sources", partial(sources, self._paths), self._ask_source)

    def _ask_source(self, found: list[Source]) -> None:
        from tui.dialogs.choose import Choice, ChooseDialog

        best = self._run.best.checkpoint if self._run.best is not None else ""
        choices = [Choice(item.name, "★ best" if item.checkpoint == best else "") for item in found]
        by_name = {item.name: item for item in found}
        current = self._source.name if self._source is not None else ""

        def take(value: str | None) -> None:
            if value in by_name and value is not None:
                self.open_source(by_name[value])

        self.app.push_screen(ChooseDialog(f"Errors of {self._run.label} at", choices, current=current), take)

    # -- judgements

    def action_judge(self, verdict: str) -> None:
        case = self.query_one("#cases", CaseTable).current
        if case is not None and self._view is not None:
            self._judge(case, verdict if self._judged.verdict(case) != verdict else "", None)

    def action_note(self) -> None:
        from tui.dialogs.choose import ChooseDialog

        case = self.query_one("#cases", CaseTable).current
        if case is None:
            return

        def noted(text: str | None) -> None:
            if text is not None:
                self._judge(case, self._judged.verdict(case) or "unclear", text)

        self.app.push_screen(ChooseDialog("A note on this case", [], free="type a sentence"), noted)

    def _judge(self, case: Case, verdict: str, note: str | None) -> None:
        assert self._view is not None, "only shown cases are judged"
        work = partial(self._judged.judge, self._view, case, verdict, note)
        self._newest.ask(
            f"judge {case.image} {case.prediction} {case.object}", work, lambda _: self._have_judged()
        )

    def _have_judged(self) -> None:
        table = self.query_one("#cases", CaseTable)
        table.judged = self._judged.by_case
        table.refresh_changed()
        self._show_verdict()

    # -- what is written around

    def _show_top(self) -> None:
        width = self.size.width or self.app.size.width
        view = self._view
        left, right = errors_text.top(self._run, self._source, view, self._ap or "AP …", width=width)
        self.query_one("#top", SpanLine).show(left, right if view is not None else [])
        self._show_tabs()

    def _show_tabs(self) -> None:
        width = self.size.width or self.app.size.width
        at = self.thresholds
        errors = self._errors
        boxes = errors is None or errors.kind == "detection"
        left, right = errors_text.tabs(
            self.tab,
            at.score,
            at.iou,
            at.nms,
            _GROUPS[self._words],
            self.query_one("#matrix", Matrix).looks,
            boxes=boxes,
            width=width,
        )
        self.query_one("#tabs-line", SpanLine).show(left, right)

    # -- tabs and steps

    def watch_tab(self) -> None:
        if self.is_mounted:
            self._apply_tab()
            self._show_page()

    def _apply_tab(self) -> None:
        for name, _ in errors_text.TABS:
            self.query_one(f"#page-{name}").display = name == self.tab
        self._show_tabs()
        targets = {"kinds": "#kinds", "classes": "#classes", "boxes": "#images"}
        if self.tab == "matrix":
            self._apply_step()
        else:
            target: Widget | None = self.query_one(targets[self.tab]) if self.tab in targets else None
            self.set_focus(target)
        self.refresh_bindings()

    def _show_page(self) -> None:
        """Fill the tab that is shown, unless it shows this view already."""
        view, tab = self._view, self.tab
        if view is None or tab == "matrix" or self._pages.get(tab) is view:
            return
        self._pages[tab] = view
        works: dict[str, Callable[[], object]] = {
            "kinds": lambda: errors_text.kind_rows(view),
            "classes": lambda: errors_text.class_rows(view.per_class()),
            "pr": lambda: view.pr_curve(self._pr_class),
            "boxes": lambda: errors_text.image_rows(view),
        }
        self._newest.ask(f"page {tab}", works[tab], partial(self._have_page, tab, view))

    def _have_page(self, tab: str, view: View, found: object) -> None:
        if view is not self._view:
            return
        if tab == "kinds":
            rows, words = cast("tuple[list[errors_text.TableRow], str]", found)
            self.query_one("#kinds", PlainTable).set_rows(rows)
            self.query_one("#kind-line", SpanLine).show([(words, "muted")])
        elif tab == "classes":
            self.query_one("#classes", PlainTable).set_rows(cast("list[errors_text.TableRow]", found))
        elif tab == "boxes":
            rows, words = cast("tuple[list[errors_text.TableRow], str]", found)
            self.query_one("#images", PlainTable).set_rows(rows)
            self.query_one("#image-about", SpanLine).show([(words, "muted")])
        else:
            label = self._pr_class
            title = "all classes together" if label is None else view.errors.classes[label]
            self.query_one("#pr", CurveView).show(found, title, view.score)  # type: ignore[arg-type]

    @property
    def _pr_class(self) -> int | None:
        """The class under the cursor of the class table, once it was looked at."""
        row = self.query_one("#classes", PlainTable).current
        return int(row.key) if row is not None else None

    @on(PlainTable.Highlighted, "#classes")
    def _class_highlighted(self) -> None:
        self._pages.pop("pr", None)

    @on(PlainTable.Chosen, "#classes")
    def _class_chosen(self, event: PlainTable.Chosen) -> None:
        self.tab = "pr"

    @on(PlainTable.Chosen, "#kinds")
    def _kind_chosen(self, event: PlainTable.Chosen) -> None:
        from tui.widgets.case_table import KIND_WORDS

        self.tab = "matrix"
        self._list(Wanted(None, None, event.key, KIND_WORDS.get(event.key, event.key), mixed=True))
        self.step = "cases"

    @on(PlainTable.Chosen, "#images")
    def _image_chosen(self, event: PlainTable.Chosen) -> None:
        view = self._view
        if view is not None:
            image = int(event.key)
            self.tab = "matrix"
            self._wanted = Wanted(None, None, None, image_name(view.errors.paths[image]), mixed=True)
            wanted = self._wanted

            def find() -> object:
                return view, wanted, [case for case in view.cases() if case.image == image]

            self._newest.ask("cases", find, self._have_cases)
            self.step = "picture"

    def action_next_tab(self, by: int) -> None:
        names = [name for name, _ in errors_text.TABS]
        self.tab = names[(names.index(self.tab) + by) % len(names)]

    def watch_step(self, before: str, step: str) -> None:
        self.remove_class(f"-step-{before}")
        self.add_class(f"-step-{step}")
        self._apply_step()
        if step == "picture" or not self.has_class("-narrow"):
            self._show_case(self.query_one("#cases", CaseTable).current)

    def _apply_step(self) -> None:
        if self.tab == "matrix":
            name = {"matrix": "#matrix", "cases": "#cases", "picture": "#picture"}[self.step]
            self.set_focus(self.query_one(name))
        self.refresh_bindings()

    def action_back(self) -> None:
        """A step back; from the matrix to where one came from."""
        if self.tab != "matrix":
            self.tab = "matrix"
        elif self.step == "picture":
            self.step = "cases"
        elif self.step == "cases":
            self.step = "matrix"
            if self._wanted is not None and self._wanted.kind is not None:
                self._list(self._of_cell(self.query_one("#matrix", Matrix).place))
        else:
            self.dismiss()

    def on_resize(self) -> None:
        self._show_top()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if not self.is_mounted:
            return True
        on_matrix = self.tab == "matrix"
        if action in ("case", "judge", "note"):
            return on_matrix and self.step != "matrix" and self._view is not None
        if action in ("layer", "root"):
            return on_matrix and self.step == "picture"
        if action in ("groups", "filter"):
            return on_matrix and self.step == "matrix"
        if action == "open_group":
            return on_matrix and self.step == "matrix" and self._grouped is not None
        if action in ("iou", "nms"):
            return self._errors is None or self._errors.kind == "detection"
        return True
