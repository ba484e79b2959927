"""The two lines at the top of the screen: whose errors, AP, tabs and thresholds, which everything follows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from rich.cells import cell_len
from textual.app import ComposeResult
from textual.binding import Binding

from core import humanise
from core.store.measures import row_of
from core.store.paths import RunPaths
from tui.errors.model import GROUPS, TABS, Thresholds
from tui.errors.panes.base import Pane
from tui.errors.source import about, chosen, read, sources
from tui.widgets.bars import Link, Span, SpanLine

if TYPE_CHECKING:
    from core.analysis.errors import View
    from core.analysis.prediction_files import PredictionSet
    from core.store.records import RunSummary


class HeaderPane(Pane):
    """Says, and lets one choose, which predictions are looked at and at which thresholds."""

    KEYS: ClassVar[tuple[Binding, ...]] = (
        Binding(
            "greater_than_sign,full_stop",
            "score(1)",
            "score",
            key_display="< >",
            tooltip="lower or higher score threshold; everything follows",
        ),
        Binding("less_than_sign,comma", "score(-1)", "lower score", show=False, key_display="<"),
        Binding("i", "iou", "IoU", tooltip="IoU threshold: 0.50, 0.20 (lab preset), 0.75"),
        Binding(
            "A",
            "nms",
            "NMS over classes",
            tooltip="without boxes that overlap a better box of any class",
        ),
        Binding("g", "groups", "groups", tooltip="groups by the first one or two words of the names"),
        Binding("c", "source", "checkpoint, split", tooltip="another checkpoint or split, or new images"),
    )

    def compose(self) -> ComposeResult:
        yield SpanLine(id="top")
        yield SpanLine(id="tabs-line")

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        model = self.model
        if action == "groups":
            return model.has_truth and (model.tab in ("classes", "pr") or model.on_matrix)
        if action == "iou":
            return model.has_boxes and not model.is_gallery
        return model.has_boxes if action == "nms" else True

    # -- which predictions

    def find_sources(self) -> None:
        """Open the predictions that were asked for."""
        self.conductor.newest.ask("sources", partial(sources, self.model.paths), self._have_sources)

    def _have_sources(self, available: Sequence[PredictionSet]) -> None:
        checkpoint = self.model.checkpoint
        source = self.model.source or chosen(available, self.model.run, checkpoint)
        if source is None:
            which = f" of {checkpoint}" if checkpoint else ""
            self.conductor.failed(
                f"no predictions{which} yet: esc, then m measures; they come with the measurement"
            )
        else:
            self._open(source)

    def _open(self, source: PredictionSet) -> None:
        """Show the errors in another predictions file."""
        self.model.open(source)
        self.conductor.show_top()
        self.conductor.newest.ask("open", partial(read, self.model.paths, source), self.conductor.take_opened)

    def action_source(self) -> None:
        """Ask for other predictions."""
        self.conductor.newest.ask("sources", partial(_described, self.model.paths), self._ask_source)

    def _ask_source(self, available: list[tuple[PredictionSet, str]]) -> None:
        from tui.dialogs.choose import Choice, ChooseDialog

        run, source = self.model.run, self.model.source
        best = run.best.checkpoint if run.best is not None else ""
        choices = [
            Choice(item.name, words or ("★ best" if item.checkpoint == best else ""))
            for item, words in available
        ]
        by_name = {item.name: item for item, _ in available}

        def take(value: str | None) -> None:
            if value is not None and value in by_name:
                self._open(by_name[value])

        current = source.name if source is not None else ""
        self.app.push_screen(ChooseDialog(f"Errors of {run.label} at", choices, current=current), take)

    # -- thresholds

    def action_score(self, by: int) -> None:
        self._moved(self.model.move_score(by))

    def action_iou(self) -> None:
        self._moved(self.model.next_iou())

    def action_nms(self) -> None:
        self._moved(self.model.toggle_nms())

    def _moved(self, moved: bool) -> None:
        if moved:
            self.conductor.show_top()
            self.conductor.compute()

    def action_groups(self) -> None:
        self.conductor.group_by((self.model.group_words + 1) % len(GROUPS))

    # -- what the lines say

    def show(self, looks: str) -> None:
        """Draw both lines; `looks` says what differs from a plain matrix."""
        model = self.model
        width = self.screen.size.width or self.app.size.width
        left, right = top(
            *(model.run, model.source, model.view, model.summary or "AP …"),
            width=width,
            problem=model.problem,
        )
        right = [("without ground truth ", "muted")] if model.is_gallery else right
        self.query_one("#top", SpanLine).show(left, right if model.view is not None else [])
        left, right = tabs(
            *(model.tab_shown, model.thresholds, GROUPS[model.group_words], looks),
            gallery=model.is_gallery,
            boxes=model.has_boxes,
            floor=model.errors.floor if model.errors is not None else 0.0,
            width=width,
        )
        self.query_one("#tabs-line", SpanLine).show(left, right)

    def measure(self, view: View) -> None:
        """Have AP or accuracy said."""
        model = self.model
        if model.source is not None and not model.is_gallery:
            width = self.screen.size.width
            work = partial(measured_summary, view, model.paths, model.source.file, width)
            self.conductor.newest.ask("ap", work, self._have_summary)

    def _have_summary(self, made: tuple[View, str]) -> None:
        if made[0].errors is self.model.errors:
            self.model.summary = made[1]
            self.conductor.show_top()


def _described(run: RunPaths) -> list[tuple[PredictionSet, str]]:
    return [(source, about(source)) for source in sources(run)]


def top(
    run: RunSummary,
    source: PredictionSet | None,
    view: View | None,
    ap: str,
    *,
    width: int,
    problem: bool = False,
) -> tuple[list[Span], list[Span]]:
    """Whose errors these are and how many things were looked at; right the AP, which knows no threshold."""
    left: list[Span] = [(" " if width < 110 else " labtui ▸ errors of ", "muted")]
    if source is None:
        return [*left, (run.label, "title")], []
    star = run.best is not None and run.best.checkpoint == source.checkpoint
    left += [(f"{run.label}@{source.epoch}", "title"), (" ★" if star else "", "accent")]
    left.append((f"  {source.split}", "text"))
    if view is None:
        return [*left, ("" if problem else "  reading …", "muted")], []
    right: list[Span] = [(f"{ap} ", "accent")]
    taken = sum(cell_len(text) for text, _ in (*left, *right)) + 1
    sizes = (words for words in _sizes(view) if cell_len(words) <= width - taken)
    return [*left, (next(sizes, ""), "muted")], right


def _sizes(view: View) -> Iterator[str]:
    """How many things were looked at, in ever fewer words."""
    errors, images = view.errors, humanise.count(view.errors.images)
    if errors.kind == "classification":
        yield f" {images} images"
        return
    objects = humanise.count(int(view.matrix[:-1].sum()))
    boxes = humanise.count(int(view.matrix[:, :-1].sum()))
    between, short = (f"{objects} objects, ", f"{objects} obj ") if errors.labelled else ("", "")
    yield f" {images} images, {between}{boxes} boxes ≥ {view.score:.2f}"
    yield f" {images} images, {between}{boxes} boxes"
    yield f" {images} img {short}{boxes} boxes"
    yield f" {short}{boxes} boxes"
    yield f" {boxes} boxes"


def summary(view: View) -> Mapping[str, float | None]:
    """The numbers of all scores, computed anew: slow for boxes at the first call."""
    return view.ap.summary if view.ap is not None else view.errors.summary


def summary_words(numbers: Mapping[str, float | None], *, width: int) -> str:
    """`AP 0.4634 (all scores)`, `accuracy 0.8021`."""
    if "map" not in numbers:
        return f"accuracy {humanise.metric(numbers.get('accuracy'))}" if numbers else ""
    words = f"AP {humanise.metric(numbers['map'])}"
    if width >= 110:
        words += f"  AP50 {humanise.metric(numbers['map_50'])}"
    return f"{words} (all scores)"


def tabs(
    tab: str,
    at: Thresholds,
    group: str,
    looks: str,
    *,
    boxes: bool,
    floor: float,
    width: int,
    gallery: bool = False,
) -> tuple[list[Span], list[Span]]:
    """The tabs left; right the thresholds that everything follows."""
    wide = width >= 110
    left: list[Span] = [(" ", "text")]
    for name, title in TABS:
        title = "Right/wrong" if name == "boxes" and not boxes else title
        title = "Images" if name == "matrix" and gallery else title
        words = Link(f"[{title}]" if name == tab else title, f"tab('{name}')")
        left += [
            (words, "accent" if name == tab else "muted"),
            ("  " if wide else " ", "text"),
        ]
    right: list[Span] = [(f"{looks}  ", "muted")] if looks and wide else []
    right += [
        ("score ", "muted"),
        (Link("◂ ", _in_header("score(-1)")), "strong"),
        (f"{at.score:.2f}", "strong"),
        (Link(" ▸", _in_header("score(1)")), "strong"),
    ]
    if 0 < at.score <= floor:
        right.append((" lowest kept" if wide else " lowest", "warning"))
    if boxes:
        right += [
            (Link("  IoU ", _in_header("iou")), "muted"),
            (Link(f"{at.iou:.2f}", _in_header("iou")), "text"),
        ]
        right.append(
            ("  NMS over classes" if wide else "  NMS", "warning") if at.nms is not None else ("", "text")
        )
    if wide or group != "off":
        action = _in_header("groups")
        right += [
            (Link("  groups ", action), "muted"),
            (Link(group, action), "muted" if group == "off" else "warning"),
        ]
    return left, [*right, (" ", "text")]


def _in_header(action: str) -> str:
    """What a click does: the same as the key, where the key works."""
    return f"in_pane('header', {action!r})"


def measured_summary(view: View, run: RunPaths, file: Path, width: int) -> tuple[View, str]:
    """AP or accuracy: as it was measured, where that is kept; else computed, which takes its time."""
    sha256 = view.errors.source.origin.sha256
    measured = row_of(run, file, sha256) if view.agnostic_nms is None else None
    numbers = measured.metrics if measured is not None else {}
    needed = ("map", "map_50") if view.errors.kind == "detection" else ("accuracy",)
    if not all(name in numbers for name in needed):
        return view, summary_words(summary(view), width=width)
    return view, summary_words(numbers, width=width)
