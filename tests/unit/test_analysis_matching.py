"""Matching in two passes: the worked example, published sets, and a slow reading of the rule."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
import pytest

from core.analysis.box_matching import FALSE_ALARMS, Matcher, Matching, Outcome, confusion
from core.analysis.boxes import Detections, Objects, detections, image_of, objects
from core.analysis.overlaps import overlaps

KINDS = {
    "tp": Outcome.CORRECT,
    "confused": Outcome.CONFUSED,
    "duplicate": Outcome.DUPLICATE,
    "extra_label": Outcome.EXTRA_LABEL,
    "localization": Outcome.LOOSE,
    "both": Outcome.LOOSE_WRONG,
    "background": Outcome.BACKGROUND,
}


def match(there: Objects, found: Detections, score: float, iou: float = 0.5) -> Matching:
    return Matcher(there, found, overlaps(there, found), iou).at(score)


def example() -> tuple[Objects, Detections]:
    there = objects(
        [[[20, 20, 60, 60], [100, 20, 140, 60], [20, 120, 60, 160], [100, 120, 140, 160]]], [[0, 1, 2, 1]]
    )
    found = detections(
        [
            [
                [20, 20, 60, 60],
                [102, 20, 142, 60],
                [104, 20, 144, 60],
                [22, 20, 62, 60],
                [100, 120, 140, 160],
                [20, 140, 60, 180],
                [160, 160, 190, 190],
                [100, 120, 140, 160],
            ]
        ],
        [[0, 0, 1, 0, 0, 2, 2, 1]],
        [[0.95, 0.9, 0.8, 0.7, 0.65, 0.6, 0.55, 0.3]],
    )
    return there, found


@pytest.mark.parametrize(
    ("score", "matrix", "kinds"),
    [
        (
            0.5,
            [[1, 0, 0, 0], [1, 1, 0, 0], [0, 0, 0, 1], [2, 0, 2, 0]],
            ["CORRECT", "EXTRA_LABEL", "CORRECT", "DUPLICATE", "CONFUSED", "LOOSE", "BACKGROUND", "DROPPED"],
        ),
        (
            0.25,
            [[1, 0, 0, 0], [0, 2, 0, 0], [0, 0, 0, 1], [3, 0, 2, 0]],
            [
                "CORRECT",
                "EXTRA_LABEL",
                "CORRECT",
                "DUPLICATE",
                "EXTRA_LABEL",
                "LOOSE",
                "BACKGROUND",
                "CORRECT",
            ],
        ),
    ],
)
def test_the_worked_example(score: float, matrix: list[list[int]], kinds: list[str]) -> None:
    there, found = example()
    matching = match(there, found, score)
    assert [Outcome(kind).name for kind in matching.outcome] == kinds
    assert confusion(there, found, matching, 3).tolist() == matrix


@pytest.mark.parametrize("name", ["coco_val2014_100", "cartucho_map"])
@pytest.mark.parametrize("score", ["0.0", "0.3", "0.5"])
def test_cells_and_kinds_of_public_sets(name: str, score: str, reference: ModuleType) -> None:
    wanted: Any = reference.expected(name)["matrix_iou_0_5"][score]
    there, found, names = reference.load(name)
    matching = match(there, found, float(score))
    kinds = {word: int((matching.outcome == kind).sum()) for word, kind in KINDS.items()}
    matrix = confusion(there, found, matching, len(names))
    kinds["missed"] = int(matrix[:-1, -1].sum())
    assert {word: count for word, count in kinds.items() if count} == wanted["kinds"]
    labels = [*names, "background"]
    cells = {(labels[row], labels[column]): int(matrix[row, column]) for row, column in np.argwhere(matrix)}
    assert cells == {(row, column): count for row, column, count in wanted["nonzero_cells_gt_pred_count"]}


def test_the_published_matrix_of_the_small_set(reference: ModuleType) -> None:
    there, found, names = reference.load("fcev_small")
    matrix = confusion(there, found, match(there, found, 0.0), len(names))
    assert matrix[:-1, :-1].tolist() == [[2, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 2]]
    assert matrix[-1].sum() == 1
    assert matrix[:, -1].sum() == 1


def crowded(seed: int) -> tuple[Objects, Detections]:
    """Few places, scores and classes, so that ties of score and IoU, crowds and difficult objects abound."""
    random = np.random.default_rng(seed)
    images = int(random.integers(1, 5))
    rows = [int(random.integers(0, 7)) for _ in range(images)]
    guesses = [int(random.integers(0, 12)) for _ in range(images)]

    def boxes(count: int) -> Any:
        corner = random.integers(0, 4, (count, 2)) * 5.0
        return np.concatenate((corner, corner + random.integers(2, 5, (count, 2)) * 5.0), axis=1)

    there = objects(
        [boxes(count) for count in rows],
        [random.integers(0, 3, count) for count in rows],
        crowd=[random.random(count) < 0.15 for count in rows],
        ignore=[random.random(count) < 0.15 for count in rows],
    )
    found = detections(
        [boxes(count) for count in guesses],
        [random.integers(0, 3, count) for count in guesses],
        [random.integers(1, 6, count) / 5 for count in guesses],
    )
    return there, found


def iou_of(a: Any, b: Any, crowd: bool) -> float:
    width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    own, other = (a[2] - a[0]) * (a[3] - a[1]), (b[2] - b[0]) * (b[3] - b[1])
    return float(width * height / (own if crowd else own + other - width * height))


def one_by_one(there: Objects, found: Detections, score: float, least: float) -> tuple[list[int], list[str]]:
    """The rule read slowly: the partner of each prediction and its outcome."""
    images, of_object = image_of(found.offsets), image_of(there.offsets)
    kept = [i for i in np.argsort(-found.scores, kind="stable").tolist() if found.scores[i] >= score]
    partner, said = [-1] * len(images), ["DROPPED"] * len(images)
    taken: set[int] = set()

    def candidates(i: int, same: bool, normal: bool) -> list[tuple[float, int]]:
        return sorted(
            (iou_of(found.boxes[i], there.boxes[j], bool(there.crowd[j])), j)
            for j in np.flatnonzero(of_object == images[i]).tolist()
            if (there.classes[j] == found.classes[i]) == same
            and (not there.crowd[j] and not there.ignore[j]) == normal
        )

    for i in kept:
        for normal, word in ((True, "CORRECT"), (False, "IGNORED")):
            free = [
                (o, j)
                for o, j in candidates(i, True, normal)
                if o >= least and (j not in taken or there.crowd[j])
            ]
            if free:
                partner[i], said[i] = free[-1][1], word
                taken.add(free[-1][1])
                break
    for i in kept:
        if partner[i] < 0:
            free = [(o, j) for o, j in candidates(i, False, True) if o >= least and j not in taken]
            if free:
                partner[i], said[i] = free[-1][1], "CONFUSED"
                taken.add(free[-1][1])
    for i in kept:
        if partner[i] < 0:
            same = max((o for o, _ in candidates(i, True, True)), default=0.0)
            other = max((o for o, _ in candidates(i, False, True)), default=0.0)
            said[i] = next(
                word
                for holds, word in (
                    (same >= least, "DUPLICATE"),
                    (other >= least, "EXTRA_LABEL"),
                    (same >= 0.1, "LOOSE"),
                    (other >= 0.1, "LOOSE_WRONG"),
                    (True, "BACKGROUND"),
                )
                if holds
            )
    return partner, said


@pytest.mark.parametrize("seed", range(60))
def test_all_at_once_is_one_by_one(seed: int) -> None:
    there, found = crowded(seed)
    for least in (0.3, 0.5, 1.0):
        matcher = Matcher(there, found, overlaps(there, found), least)
        for score in (0.0, 0.4, 0.7, 1.1):
            matching = matcher.at(score)
            partner, said = one_by_one(there, found, score, min(least, 1 - 1e-10))
            assert [Outcome(kind).name for kind in matching.outcome] == said
            assert matching.partner.tolist() == partner


@pytest.mark.parametrize("seed", range(60, 80))
def test_sums_of_the_matrix(seed: int) -> None:
    there, found = crowded(seed)
    matching = match(there, found, 0.3)
    matrix = confusion(there, found, matching, 3)
    normal = ~there.crowd & ~there.ignore
    counted = (matching.outcome != Outcome.DROPPED) & (matching.outcome != Outcome.IGNORED)
    assert matrix[:-1].sum(axis=1).tolist() == np.bincount(there.classes[normal], minlength=3).tolist()
    assert matrix[:, :-1].sum(axis=0).tolist() == np.bincount(found.classes[counted], minlength=3).tolist()
    assert matrix[-1, -1] == 0
    assert matrix[-1].sum() == sum(int((matching.outcome == kind).sum()) for kind in FALSE_ALARMS)


def test_at_most_a_hundred_of_a_class_and_image_count() -> None:
    boxes = [[float(i), 0.0, i + 1.0, 1.0] for i in range(150)]
    found = detections([boxes, boxes], [[0] * 150, [0, 1] * 75], [np.linspace(1, 0.1, 150)] * 2)
    outcome = match(objects([[], []], [[], []]), found, 0.0).outcome.reshape(2, 150)
    assert (outcome[0] != Outcome.DROPPED).sum() == 100
    assert (outcome[0, :100] != Outcome.DROPPED).all()
    assert (outcome[1] != Outcome.DROPPED).all()


def test_nothing_to_match() -> None:
    there, found = objects([], []), detections([], [], [])
    assert confusion(there, found, match(there, found, 0.5), 2).sum() == 0


def test_an_iou_that_asks_for_next_to_nothing_is_refused() -> None:
    there, found = example()
    with pytest.raises(ValueError, match=r"at least 0\.1"):
        match(there, found, 0.5, iou=0.05)
