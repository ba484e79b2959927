"""What the errors screen says: header, thresholds, counts for the matrix, rows of its tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from rich.cells import cell_len

from core import humanise
from tui.errors.source import Source, Thresholds
from tui.widgets.bars import Span
from tui.widgets.case_table import KIND_WORDS, TableRow, share
from tui.widgets.columns import Column
from tui.widgets.matrix_counts import Counts

if TYPE_CHECKING:
    from core.analysis.class_rows import ClassErrors
    from core.analysis.errors import View
    from core.analysis.groups import Grouped
    from core.store.records import RunSummary

_BAR = 28
_SCORES = (0.05, 0.25, 0.5, 0.9)
TABS = (
    ("matrix", "Matrix"),
    ("kinds", "Kinds"),
    ("classes", "Classes"),
    ("pr", "PR"),
    ("boxes", "Boxes"),
    ("ab", "A/B"),
)
MISTAKES = "mistakes"
"""The row below the kinds of errors that lists likely wrong labels."""
KIND_COLUMNS = (
    Column("kind", "kind of error", 24),
    Column("n", "n", 8, "right"),
    Column("gain", "dAP", 7, "right"),
    Column("about", "what it is", 84),
)
NARROW_KIND_COLUMNS = (
    Column("kind", "kind of error", 20),
    Column("n", "n", 6, "right"),
    Column("gain", "dAP", 6, "right"),
    Column("about", "what it is", 33),
)
BEFORE_COLUMN = Column("before", "no NMS", 7, "right")
"""How many there are without suppression over classes; only while there is one."""
CLASS_COLUMNS = (
    Column("name", "class", 36),
    Column("ap", "AP", 7, "right"),
    Column("ap50", "AP50", 7, "right"),
    Column("recall", "recall", 7, "right"),
    Column("precision", "precis.", 7, "right"),
    Column("val", "n val", 7, "right"),
    Column("train", "n train", 7, "right"),
    Column("confused", "most confused with", 32, middle=True),
)
NARROW_CLASS_COLUMNS = (
    Column("name", "class", 19),
    Column("ap", "AP", 6, "right"),
    Column("ap50", "AP50", 6, "right"),
    Column("recall", "recall", 6, "right"),
    Column("precision", "prec.", 5, "right"),
    Column("val", "n val", 5, "right"),
    Column("train", "train", 6, "right"),
    Column("confused", "confused with", 17, middle=True),
)
IMAGE_COLUMNS = (
    Column("image", "image", 40),
    Column("objects", "objects", 7, "right"),
    Column("boxes", "boxes", 6, "right"),
    Column("more", "too many", 8, "right"),
    Column("bar", "", _BAR),
)
_ABOUT = {
    "correct": ("", "right class, right place"),
    "confused": ("Cls", "right place, another class"),
    "missed": ("Miss", "an object that nothing was found for"),
    "duplicate": ("Dupe", "a second box of the right class on an object that is found"),
    "extra_label": (
        "",
        "another class on an object that is found (dAP: with confused); A drops it",
    ),
    "loose": ("Loc", "the right class, but the box fits badly"),
    "loose_wrong": ("Both", "the wrong class and the box fits badly"),
    "background": ("Bkg", "a box where nothing is annotated"),
    "ignored": ("", "a box on a crowd or a difficult object: counts neither way"),
}
_ABOUT_CLASSES = {
    "correct": "right class",
    "confused": "another class",
    "missed": "the likeliest class is below the threshold",
}


def top(
    run: RunSummary, source: Source | None, view: View | None, ap: str, *, width: int, problem: bool = False
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


def counts(view: View, grouped: Grouped | None) -> Counts:
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
    return Counts(
        tuple(names),
        tuple(str(number) for number in range(1, len(names) + 1)),
        cells,
        tuple((KIND_WORDS[kind], line) for kind, line in zip(FALSE_ALARM_KINDS, kinds, strict=True))
        if detection
        else (),
        inside,
        boxes,
    )


def kind_rows(view: View) -> tuple[list[TableRow], tuple[str, str]]:
    """Kinds of errors with what mending each brings, the most frequent first, and two lines on them."""
    boxes = view.errors.kind == "detection"
    gains = view.tide() if boxes else None
    before = view.suppression
    rows = []
    for kind, count in sorted(view.kinds.items(), key=lambda item: (item[0] == "correct", -item[1])):
        if (not count and kind == "ignored") or (not boxes and kind not in _ABOUT_CLASSES):
            continue
        tide_type, about = _ABOUT.get(kind, ("", "")) if boxes else ("", _ABOUT_CLASSES[kind])
        tone = "good" if kind == "correct" else "muted" if kind == "ignored" else "text"
        cells = {
            "kind": (KIND_WORDS.get(kind, kind), tone),
            "n": (humanise.count(count), tone),
            "before": (humanise.count(before[kind][0]) if kind in before else "", "muted"),
            "gain": (f"{gains.gain[tide_type]:.2f}" if gains is not None and tide_type else "", "accent"),
            "about": (about, "muted"),
        }
        rows.append(TableRow(kind, cells))
    about = "where a sure model disagrees with the label: 2 marks a wrong one"
    cells = {"kind": ("likely wrong labels", "text"), "about": (about, "muted")}
    rows.append(TableRow(MISTAKES, cells))
    lean, words = view.imbalance(), ""
    if lean.towards_larger is not None and lean.expected:
        share_of = f"{lean.towards_larger:.0%} of {humanise.count(lean.confused)} confusions"
        words = f"{share_of} go to a class with more training objects; by chance {lean.expected:.0%}"
    words = suppressed(view) or words
    if gains is None:
        return rows, (words, "")
    first = (
        f"dAP: points AP{round(100 * view.iou)} ({gains.ap:.1f} here) gains without a kind (TIDE); "
        "they do not add up"
    )
    return rows, (first, words)


def suppressed(view: View) -> str:
    """What suppression over classes takes away: `NMS over classes: 1 393 boxes before, 657 now`."""
    boxes = view.suppression.get("boxes")
    if boxes is None:
        return ""
    return f"NMS over classes: {humanise.count(boxes[0])} boxes before, {humanise.count(boxes[1])} now"


def class_rows(found: Sequence[ClassErrors]) -> list[TableRow]:
    """Classes with their numbers, the lowest AP first; those without objects last."""
    order = sorted(found, key=lambda row: (row.ap is None, row.ap or 0.0, -row.n_val, row.label))
    names = [row.name for row in sorted(found, key=lambda row: row.label)]
    return [_class_row(row, names) for row in order]


def _class_row(row: ClassErrors, names: Sequence[str]) -> TableRow:
    tone = "text" if row.n_val else "muted"
    other = f"{names[row.confused_with]} {row.confused_n}" if row.confused_with is not None else ""
    cells: dict[str, Span] = {
        "name": (row.name, tone),
        "ap": (humanise.metric(row.ap), tone),
        "ap50": (humanise.metric(row.ap_50), tone),
        "recall": (share(row.recall), tone),
        "precision": (share(row.precision), tone),
        "val": (humanise.count(row.n_val), tone),
        "train": (humanise.MISSING if row.n_train is None else humanise.count(row.n_train), "muted"),
        "confused": (other, "muted"),
    }
    return TableRow(str(row.label), cells)


def image_rows(view: View) -> tuple[list[TableRow], str]:
    """Images by how many boxes they have more than objects, and means at several thresholds."""
    from tui.widgets.case_table import image_name

    steps = tuple(step for step in _SCORES if step >= view.errors.floor)
    found = view.counts((view.score, *steps))
    objects, boxes = found.objects, found.boxes[0]
    order = (boxes - objects).argsort(kind="stable")[::-1]
    most = max(int(boxes.max(initial=0)), int(objects.max(initial=0)), 1)
    rows = []
    for image in order.tolist():
        there, seen = int(objects[image]), int(boxes[image])
        wide = _BAR / max(most, _BAR)
        bar = "█" * round(min(there, seen) * wide) + "▒" * round(max(seen - there, 0) * wide)
        bar += "·" * round(max(there - seen, 0) * wide)
        cells: Mapping[str, Span] = {
            "image": (image_name(view.errors.paths[image]), "text"),
            "objects": (str(there), "text"),
            "boxes": (str(seen), "text"),
            "more": (f"{seen - there:+d}" if seen != there else "0", "bad" if seen > there else "muted"),
            "bar": (bar, "accent"),
        }
        rows.append(TableRow(str(image), cells))
    images = max(view.errors.images, 1)
    means = "".join(
        f"  ≥{f'{step:g}'.removeprefix('0')} {int(line.sum()) / images:.2f}"
        for step, line in zip(steps, found.boxes[1:], strict=True)
    )
    return rows, f"{int(objects.sum()) / images:.2f} objects an image; boxes{means}"
