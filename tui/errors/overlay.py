"""What is drawn over an image and listed beside it: objects and boxes, of one model or of two."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from core.colours import NOT_WRONG
from tui.errors.model import Sight
from tui.widgets.case_picture import Side
from tui.widgets.case_table import BoxRow
from tui.widgets.case_words import KIND_WORDS
from tui.widgets.picture_boxes import BoxOutline

if TYPE_CHECKING:
    from core.analysis.cases import Shown

FIRST, SECOND = "A", "B"


def sides(shown: Shown, sight: Sight, names: Sequence[str], *, beside: bool) -> tuple[Side, ...]:
    """All boxes over one picture, or `beside` each other the truth and the predictions."""
    truth, predicted = _true(shown, sight, names), _predicted(shown, sight, names, "p")
    if not beside:
        return (Side((*truth, *predicted)),)
    kept = sum(not outline.hidden for outline in predicted)
    return Side(truth, f"truth {len(truth)}"), Side(predicted, f"predictions {kept}")


def pair_sides(
    first: Shown, second: Shown, sight: Sight, names: Sequence[str], captions: tuple[str, str]
) -> tuple[Side, ...]:
    """What two models see in an image, each over its own picture together with the truth."""
    truth = _true(first, sight, names)
    return tuple(
        Side((*truth, *_predicted(shown, sight, names, letter)), f"{letter} {caption}")
        for shown, letter, caption in zip((first, second), (FIRST, SECOND), captions, strict=True)
    )


def _true(shown: Shown, sight: Sight, names: Sequence[str]) -> tuple[BoxOutline, ...]:
    return tuple(
        BoxOutline(
            item.box,
            names[item.label],
            True,
            item.index == sight.main_object,
            f"o{item.index}",
            wrong=item.kind == "missed",
        )
        for item in shown.objects
        if item.box is not None
    )


def _predicted(shown: Shown, sight: Sight, names: Sequence[str], letter: str) -> tuple[BoxOutline, ...]:
    """Boxes; those below the threshold are hidden until one is chosen from the list."""
    pair = letter != "p"
    return tuple(
        BoxOutline(
            box.box,
            f"{names[box.label]} {box.score:.2f}".replace(" 0.", " ."),
            False,
            _on(box.object, sight) if pair else box.index == sight.main_box,
            f"{letter}{box.index}",
            box.kind == "dropped",
            wrong=box.kind not in NOT_WRONG,
            second=letter == SECOND,
        )
        for box in shown.boxes
        if box.box is not None
    )


def _on(item: int | None, sight: Sight) -> bool:
    return item is not None and item == sight.object


def rows(
    shown: Shown,
    sight: Sight,
    names: Sequence[str],
    likeliest: Sequence[tuple[int, float]],
    *,
    labelled: bool = True,
) -> list[BoxRow]:
    """The boxes of an image in words, those of the case first; of classification the likeliest classes.

    Without truth (`labelled` False) there are no outcomes but being below the threshold.
    """
    listed = _object_rows(shown, sight, names)
    if not likeliest:
        return _ordered([*listed, *_box_rows(shown, sight, names, "P", labelled=labelled)])
    truth = shown.objects[0].label if shown.objects else None
    first = likeliest[0][0]
    for label, score in likeliest:
        what = "" if truth is None else "correct" if label == truth else "wrong" if label == first else ""
        listed.append(BoxRow(f"p{label}", "P", names[label], score, None, what, label == first))
    return _ordered(listed)


def pair_rows(first: Shown, second: Shown, sight: Sight, names: Sequence[str]) -> list[BoxRow]:
    """The boxes of two models in an image."""
    return _ordered(
        [
            *_object_rows(first, sight, names),
            *_box_rows(first, sight, names, FIRST),
            *_box_rows(second, sight, names, SECOND),
        ]
    )


def _object_rows(shown: Shown, sight: Sight, names: Sequence[str]) -> list[BoxRow]:
    overlap = {box.object: box.iou for box in shown.boxes if box.kind in ("correct", "confused")}
    return [
        BoxRow(
            f"o{item.index}",
            "T",
            names[item.label],
            None,
            overlap.get(item.index) if item.box is not None else None,
            KIND_WORDS.get(item.kind, item.kind),
            item.index == sight.main_object,
        )
        for item in shown.objects
    ]


def _box_rows(
    shown: Shown, sight: Sight, names: Sequence[str], letter: str, *, labelled: bool = True
) -> list[BoxRow]:
    return [
        BoxRow(
            f"{letter if letter != 'P' else 'p'}{box.index}",
            letter,
            names[box.label],
            box.score,
            box.iou if labelled else None,
            KIND_WORDS.get(box.kind, box.kind) if labelled or box.kind == "dropped" else "",
            _on(box.object, sight) if letter != "P" else box.index == sight.main_box,
        )
        for box in shown.boxes
    ]


def _ordered(listed: Iterable[BoxRow]) -> list[BoxRow]:
    return sorted(listed, key=lambda row: (not row.main, row.outcome == KIND_WORDS["dropped"]))
