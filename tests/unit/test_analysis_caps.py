"""Objects and boxes that a cap leaves out of a number are told beside it."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from core.analysis.boxes import detections, objects
from core.analysis.caps import cap_notes
from core.analysis.errors import Errors
from core.analysis.predictions import BoxPredictions
from core.cli.error_document import errors_document
from core.cli.error_lines import summary_lines
from tests.unit.error_files import boxed


def labels(image: list[int]) -> list[int]:
    """So many of each class, as `np.repeat` has them."""
    return [int(label) for label in np.repeat(np.arange(len(image)), image)]


def squares(number: int) -> list[list[int]]:
    corners = [(i % 40 * 5, i // 40 * 5) for i in range(number)]
    return [[x, y, x + 4, y + 4] for x, y in corners]


def counted(truth: list[list[int]], found: list[list[int]]) -> Errors:
    """Images with so many objects, and boxes, of each class."""
    real, guessed = [labels(image) for image in truth], [labels(image) for image in found]
    return boxed(
        objects([squares(len(image)) for image in real], real),
        detections(
            [squares(len(image)) for image in guessed],
            guessed,
            [np.linspace(0.9, 0.1, len(image)) for image in guessed],
        ),
        ("a", "b", "c"),
    )


@pytest.mark.parametrize(
    ("truth", "found", "cap", "words"),
    [
        ([[100, 20]], [[100, 20]], 200, []),
        ([[150]], [[150]], 1000, ["50 more boxes are in the matrix", "50 objects are beyond"]),
        ([[90, 60], [3]], [[60, 40], [3]], 100, [r"1 image has more .*max_det \(100\).* at least 50 count"]),
        ([[90], [0, 0, 130]], [[90], [0, 0, 130]], 300, ["30 more boxes", "30 objects"]),
        ([[20, 20], [30, 5]], [[20, 10], [30]], 30, [r"2 images have more .* at least 15 count"]),
        ([[0]], [[0]], 100, []),
    ],
    ids=["within", "one class", "max_det", "another class", "small cap", "nothing"],
)
def test_what_the_caps_leave_out(
    truth: list[list[int]], found: list[list[int]], cap: int, words: list[str]
) -> None:
    source = counted(truth, found).source
    assert isinstance(source, BoxPredictions)
    notes = cap_notes(replace(source, max_det=cap))
    assert len(notes) == len(words)
    for note, word in zip(notes, words, strict=True):
        assert re.search(word, note)


def test_it_stands_beside_the_numbers() -> None:
    view = counted([[150]], [[150]]).at(0.0)
    assert any(line.startswith("note: AP and AR look at the 100 best") for line in summary_lines(view))
    assert len(errors_document(view)["notes"]) == 3
