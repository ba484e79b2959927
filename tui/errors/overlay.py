"""What is drawn over an image and listed beside it: objects and boxes, of one model or of two."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from core.colours import NOT_WRONG
from tui.errors.model import Sight
from tui.widgets.case_picture import Side
from tui.widgets.case_table import BoxRow
from tui.widgets.case_words import KIND_WORDS
from tui.widgets.picture_boxes import Frame

if TYPE_CHECKING:
    from core.analysis.cases import Shown

FIRST, SECOND = "A", "B"


def sides(shown: Shown, sight: Sight, names: Sequence[str], *, beside: bool) -> tuple[Side, ...]:
    """All boxes over one picture, or `beside` each other the truth and the predictions."""
    truth, found = _true(shown, sight, names), _found(shown, sight, names, "p")
    if not beside:
        return (Side((*truth, *found)),)
    kept = sum(not frame.hidden for frame in found)
    return Side(truth, f"truth {len(truth)}"), Side(found, f"predictions {kept}")


def pair_sides(
    first: Shown, second: Shown, sight: Sight, names: Sequence[str], captions: tuple[str, str]
) -> tuple[Side, ...]:
    """What two models see in an image, each over its own picture together with the truth."""
    truth = _true(first, sight, names)
    return tuple(
        Side((*truth, *_found(shown, sight, names, letter)), f"{letter} {caption}")
        for shown, letter, caption in zip((first, second), (FIRST, SECOND), captions, strict=True)
    )


def _true(shown: Shown, sight: Sight, names: Sequence[str]) -> tuple[Frame, ...]:
    return tuple(
        Frame(
            thing.box,
            names[thing.label],
            True,
            thing.index == sight.main_object,
            f"o{thing.index}",
            wrong=thing.kind == "missed",
        )
        for thing in shown.objects
        if thing.box is not None
    )


def _found(shown: Shown, sight: Sight, names: Sequence[str], letter: str) -> tuple[Frame, ...]:
    """Boxes; those below the threshold are hidden until one is chosen from the list."""
    pair = letter != "p"
    return tuple(
        Frame(
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


def _on(thing: int | None, sight: Sight) -> bool:
    return thing is not None and thing == sight.object


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
    found = _object_rows(shown, sight, names)
    if not likeliest:
        return _ordered([*found, *_box_rows(shown, sight, names, "P", labelled=labelled)])
    truth = shown.objects[0].label if shown.objects else None
    first = likeliest[0][0]
    for label, score in likeliest:
        what = "" if truth is None else "right" if label == truth else "wrong" if label == first else ""
        found.append(BoxRow(f"p{label}", "P", names[label], score, None, what, label == first))
    return _ordered(found)


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
            f"o{thing.index}",
            "T",
            names[thing.label],
            None,
            overlap.get(thing.index) if thing.box is not None else None,
            KIND_WORDS.get(thing.kind, thing.kind),
            thing.index == sight.main_object,
        )
        for thing in shown.objects
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


def _ordered(found: Iterable[BoxRow]) -> list[BoxRow]:
    return sorted(found, key=lambda row: (not row.main, row.outcome == KIND_WORDS["dropped"]))
