"""The two lines at the top of the screen: whose errors, AP, tabs and thresholds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from rich.cells import cell_len

from core import humanise
from core.store.measures import row_of
from core.store.paths import RunPaths
from tui.errors.model import TABS, Thresholds
from tui.widgets.bars import Span

if TYPE_CHECKING:
    from core.analysis.errors import View
    from core.analysis.sources import PredictionSet
    from core.store.records import RunSummary


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
        left += [
            (f"[{title}]", "accent") if name == tab else (title, "muted"),
            ("  " if wide else " ", "text"),
        ]
    right: list[Span] = [(f"{looks}  ", "muted")] if looks and wide else []
    right += [("score ", "muted"), (f"◂ {at.score:.2f} ▸", "strong")]
    if 0 < at.score <= floor:
        right.append((" lowest kept" if wide else " lowest", "warning"))
    if boxes:
        right += [("  IoU ", "muted"), (f"{at.iou:.2f}", "text")]
        right.append(
            ("  NMS over classes" if wide else "  NMS", "warning") if at.nms is not None else ("", "text")
        )
    if wide or group != "off":
        right += [("  groups ", "muted"), (group, "muted" if group == "off" else "warning")]
    return left, [*right, (" ", "text")]


def measured_summary(view: View, run: RunPaths, file: Path, width: int) -> tuple[View, str]:
    """AP or accuracy: as it was measured, where that is kept; else computed, which takes its time."""
    sha256 = view.errors.source.origin.sha256
    measured = row_of(run, file, sha256) if view.agnostic_nms is None else None
    numbers = measured.metrics if measured is not None else {}
    needed = ("map", "map_50") if view.errors.kind == "detection" else ("accuracy",)
    if not all(name in numbers for name in needed):
        return view, summary_words(summary(view), width=width)
    return view, summary_words(numbers, width=width)
