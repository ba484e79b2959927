"""What `labtui errors` prints for people."""

from __future__ import annotations

from collections.abc import Sequence

from core.analysis.bootstrap import CONFIDENCE
from core.analysis.caps import cap_notes
from core.analysis.cases import FALSE_ALARM_KINDS, Case
from core.analysis.chance import Interval, class_verdicts
from core.analysis.class_groups import Grouped
from core.analysis.class_rows import ClassErrors
from core.analysis.compare import Comparison
from core.analysis.errors import DETECTION, View
from core.analysis.predictions import BoxPredictions
from core.cli.output import table
from core.humanise import MISSING
from core.metrics import HEADLINE_AP
from core.text import clean, middle_cut

_MATRIX = 16
"""A matrix of more classes is a list of its largest confusions."""
_CONFUSIONS = 20
_NAME = 32


def summary_lines(view: View) -> list[str]:
    """Counts at the thresholds, kinds of false alarm, TIDE, and the numbers that ignore the score."""
    errors, kinds, thresholds = view.errors, view.kinds, _thresholds(view)
    boxes = sum(count for kind, count in kinds.items() if kind != "missed")
    suppressed = view.suppression
    objects = int(view.scene.objects_of_class.sum())
    lines = [f"{errors.images} images, {objects} objects, {boxes} predictions at {thresholds}"]
    if not errors.labelled:
        return [*lines, "no annotations: nothing can be called right or wrong"]
    lines.append(f"correct {kinds['correct']}, confused {kinds['confused']}, missed {kinds['missed']}")
    if errors.kind == DETECTION:
        alarms = [f"{kind.replace('_', ' ')} {kinds[kind]}" for kind in FALSE_ALARM_KINDS]
        lines.append(f"false alarms {sum(kinds[kind] for kind in FALSE_ALARM_KINDS)}: {', '.join(alarms)}")
        if suppressed:
            shown = ("boxes", "extra_label", "duplicate", "correct", "confused", "missed")
            changes = [
                f"{name.replace('_', ' ')} {' -> '.join(map(str, suppressed[name]))}" for name in shown
            ]
            lines.append(f"class-agnostic NMS {view.agnostic_nms:g}, before -> after: {', '.join(changes)}")
        if kinds["ignored"]:
            lines.append(f"ignored {kinds['ignored']} (on crowds and difficult objects)")
        found = view.tide()
        parts = [f"{name} {count} (+{found.gain[name]:.2f})" for name, count in found.counts.items()]
        lines.append(
            f"TIDE: {', '.join(parts)}; points of AP if one kind alone were fixed; they do not add up"
        )
    summary = view.ap.summary if view.ap else errors.summary
    named = HEADLINE_AP if view.ap else tuple(summary)
    numbers = [f"{name} {summary[name]:.4f}" for name in named if summary[name] is not None]
    if numbers:
        lines.append(f"{', '.join(numbers)} (all predictions: the score threshold does not matter)")
    if isinstance(errors.source, BoxPredictions):
        lines += [f"note: {note}" for note in cap_notes(errors.source)]
    lean = view.imbalance()
    if lean.towards_larger is not None and lean.expected:
        lines.append(
            f"{lean.towards_larger:.0%} of confusions go to a class with more training objects; "
            f"{lean.expected:.0%} would by their numbers alone"
        )
    return lines


def _thresholds(*views: View) -> str:
    scores = dict.fromkeys(f"{view.score:g}" for view in views)
    words = f"score >= {' and '.join(scores)}"
    if views[0].errors.kind == DETECTION:
        words += f", IoU >= {views[0].iou:g}"
        if views[0].agnostic_nms is not None:
            words += f", class-agnostic NMS {views[0].agnostic_nms:g}"
    return words


def matrix_lines(view: View, grouped: Grouped | None = None) -> list[str]:
    """The matrix, or the largest confusions where it is too wide."""
    names = list(grouped.names if grouped else view.errors.classes)
    matrix = grouped.matrix if grouped else view.matrix
    if len(names) <= _MATRIX:
        header = ("truth \\ prediction", *(str(place + 1) for place in range(len(names))), "missed")
        rows = [
            (
                f"{place + 1} {middle_cut(name, _NAME)}",
                *(str(value or "·") for value in matrix[place].tolist()),
            )
            for place, name in enumerate([*names, "false alarm"])
        ]
        rows[-1] = ("false alarm", *rows[-1][1:])
        return table(header, rows, "l" + "r" * len(names) + "R")
    if grouped:
        rows = [
            (
                name,
                str(len(labels)),
                *(
                    str(value)
                    for value in (
                        matrix[g, :-1].sum() + matrix[g, -1],
                        matrix[g, g],
                        grouped.inside[g],
                        matrix[g, -1],
                        matrix[-1, g],
                    )
                ),
            )
            for g, (name, labels) in enumerate(zip(names, grouped.members, strict=True))
        ]
        return table(
            ("group", "classes", "objects", "in group", "inside", "missed", "false alarm"), rows, "lrrrrrr"
        )
    wrong = matrix[:-1, :-1].copy()
    wrong[range(len(names)), range(len(names))] = 0
    order = (-wrong).ravel().argsort(kind="stable")[:_CONFUSIONS].tolist()
    rows = [
        (
            middle_cut(names[at // len(names)], _NAME),
            middle_cut(names[at % len(names)], _NAME),
            str(wrong.ravel()[at]),
        )
        for at in order
        if wrong.ravel()[at]
    ]
    return table(("truth", "predicted", "count"), rows, "llr") if rows else ["no confusions"]


def group_lines(view: View, words: int) -> list[str]:
    """A row a group, and the numbers of groups matched anew."""
    anew = view.in_groups(words)
    summary = anew.ap.summary if anew.ap else anew.errors.summary
    named = HEADLINE_AP if anew.ap else tuple(summary)
    numbers = [f"{name} {summary[name]:.4f}" for name in named if summary[name] is not None]
    how = "recomputed with groups as classes" if anew.ap else "probabilities summed"
    said = [f"by group: {', '.join(numbers)} ({how}; all predictions)"] if numbers else []
    return [*_class_rows(view.per_group(words), anew.errors.classes, "group"), *said]


def class_lines(view: View) -> list[str]:
    """A row a class."""
    return _class_rows(view.per_class(), view.errors.classes, "class")


def _class_rows(found: Sequence[ClassErrors], names: Sequence[str], what: str) -> list[str]:
    rows = [
        (
            middle_cut(row.name, _NAME),
            MISSING if row.n_train is None else str(row.n_train),
            str(row.n_val),
            _number(row.ap),
            _number(row.ap_50),
            _number(row.recall),
            _number(row.precision),
            f"{middle_cut(names[row.confused_with], _NAME)} {row.confused_n}"
            if row.confused_with is not None
            else MISSING,
        )
        for row in found
    ]
    header = (what, "n train", "n val", "ap", "ap_50", "recall", "precision", "most confused with")
    return table(header, rows, "lrrrrrrl")


def case_lines(view: View, cases: Sequence[Case], total: int) -> list[str]:
    """A row a case, and how many there are."""
    names, boxes = view.errors.classes, view.errors.kind == DETECTION
    rows = [
        (
            clean(case.path),
            MISSING if case.truth is None else middle_cut(names[case.truth], _NAME),
            MISSING if case.predicted is None else middle_cut(names[case.predicted], _NAME),
            MISSING if case.score is None else f"{case.score:.3f}",
            MISSING if case.iou is None or not boxes else f"{case.iou:.2f}",
            case.kind.replace("_", " "),
            str(case.objects),
            str(case.boxes),
            *([f"{case.doubt:.3f}"] if case.doubt is not None else []),
        )
        for case in cases
    ]
    doubt = ("doubt",) if any(case.doubt is not None for case in cases) else ()
    header = ("image", "truth", "prediction", "score", "IoU", "kind", "objects", "boxes", *doubt)
    more = [f"and {total - len(rows)} more: --limit N lists them"] if total > len(rows) else []
    return [*table(header, rows, "lllrrlrrr"[: len(header)]), *more] if rows else ["no cases"]


def compare_lines(found: Comparison, names: tuple[str, str]) -> list[str]:
    """Counts, intervals and what the exact tests say; of the classes only those that differ, p corrected."""
    first = next(iter(found.intervals.values()))
    lines = [
        f"first {names[0]}, second {names[1]}",
        f"at {_thresholds(found.a, found.b)}{' on both sides' if found.a.agnostic_nms is not None else ''}:",
        ", ".join(f"{state.replace('_', ' ')} {count}" for state, count in found.counts.items()) + " objects",
    ]
    boxes = found.a.errors.kind == DETECTION
    test = "both models' answers swapped, image by image" if boxes else "McNemar's test"
    share = f"{CONFIDENCE:.0%} interval"
    lines.append(
        f"paired bootstrap over images, {first.rounds} draws, {share} of second - first; p of {test}:"
    )
    rows = [_interval(name, value) for name, value in found.intervals.items()]
    classes = found.a.errors.classes
    clear = [(classes[label], value) for label, value in enumerate(found.per_class) if value.beyond_chance]
    rows += [_interval(middle_cut(name, _NAME), value) for name, value in clear]
    return [
        *lines,
        *table(("", "first", "second", "difference", "interval", "p", ""), rows, "lrrrrrl"),
        class_verdicts(found.per_class),
    ]


def _interval(name: str, value: Interval) -> tuple[str, ...]:
    span = MISSING
    if value.low is not None and value.high is not None:
        span = f"{value.low:+.4f} to {value.high:+.4f}"
    change = MISSING if value.difference is None else f"{value.difference:+.4f}"
    p = MISSING if value.corrected is None else f"{value.corrected:.2g}"
    return name, _number(value.first), _number(value.second), change, span, p, value.words


def _number(value: float | None) -> str:
    return MISSING if value is None else f"{value:.4f}"
