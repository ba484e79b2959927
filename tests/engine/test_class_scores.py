"""The classification metrics against their formulas, written out in numpy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch.nn.functional import cross_entropy

from core.engine.scoring import Scores
from core.engine.state import Answers, RunningSums

NAMES = ("accuracy", "accuracy_macro", "f1_macro", "loss", "top5")


def formulas(logits: NDArray[np.float32], labels: NDArray[np.int64]) -> dict[str, float]:
    classes = logits.shape[1]
    wide = torch.from_numpy(logits)
    predicted = wide.softmax(dim=1).argmax(dim=1).numpy()
    hits = [int(((labels == c) & (predicted == c)).sum()) for c in range(classes)]
    present = [int((labels == c).sum()) for c in range(classes)]
    named = [int((predicted == c).sum()) for c in range(classes)]
    either = [c for c in range(classes) if present[c] + named[c]]
    found = {
        "accuracy": sum(hits) / len(labels),
        "accuracy_macro": float(np.mean([hits[c] / present[c] for c in range(classes) if present[c]])),
        "f1_macro": float(np.mean([2 * hits[c] / (present[c] + named[c]) for c in either])),
        "loss": float(cross_entropy(wide, torch.from_numpy(labels), reduction="none").double().mean()),
    }
    if classes > 5:
        top = (wide.topk(5, dim=1).indices.numpy() == labels[:, None]).any(axis=1)
        found["top5"] = int(top.sum()) / len(labels)
    return found


def scored(logits: NDArray[np.float32], labels: NDArray[np.int64], batch: int) -> Scores:
    scores = Scores(logits.shape[1])
    for start in range(0, len(labels), batch):
        part = slice(start, start + batch)
        scores.add(torch.from_numpy(logits[part]), torch.from_numpy(labels[part]))
    return scores


@pytest.mark.parametrize("batch", [7, 1000])
@pytest.mark.parametrize(
    ("images", "classes", "absent", "levels"),
    [
        (200, 10, (), 0),
        (200, 10, (0, 3, 9), 0),
        (50, 1, (), 0),
        (120, 2, (), 3),
        (90, 5, (4,), 0),
        (90, 6, (), 2),
        (300, 40, (1, 2, 30), 4),
        (1, 12, (), 0),
        (400, 1500, (7,), 0),
    ],
)
def test_values_are_those_of_the_formulas(
    images: int, classes: int, absent: tuple[int, ...], levels: int, batch: int
) -> None:
    """`levels` different outputs a class, so that many are equal; `absent` classes are predicted too."""
    random = np.random.default_rng(images * 31 + classes)
    logits = random.normal(size=(images, classes)).astype(np.float32)
    if levels:
        logits = np.floor(logits * levels / 4).astype(np.float32)
    have = [label for label in range(classes) if label not in absent]
    labels = random.choice(have, images).astype(np.int64)
    wanted = formulas(logits, labels)
    got = scored(logits, labels, batch).metrics()
    assert set(got) == set(wanted)
    for name, value in wanted.items():
        assert got[name] == pytest.approx(value, abs=1e-12), name
    assert got["accuracy"] == wanted["accuracy"]
    assert got["accuracy_macro"] == wanted["accuracy_macro"]


def test_rows_of_classes() -> None:
    """Class 0: 2 of 3 found; 1: its one image taken for 0; 2: no image, one alarm; 3: neither."""
    predicted, labels = np.array([0, 0, 2, 0]), np.array([0, 0, 0, 1])
    logits = np.eye(4, dtype=np.float32)[predicted] * 5
    rows = scored(logits, labels, 3).per_class(["a", "b", "c", "d"])
    keys = ("class", "n", "correct", "accuracy", "precision", "recall", "f1")
    assert [tuple(row[key] for key in keys) for row in rows] == [
        ("a", 3, 2, 2 / 3, 2 / 3, 2 / 3, 2 / 3),
        ("b", 1, 0, 0.0, None, 0.0, 0.0),
        ("c", 0, 0, None, 0.0, None, 0.0),
        ("d", 0, 0, None, None, None, None),
    ]


def test_training_counts_answers_only_when_they_are_read() -> None:
    """As many right ones as there are, whatever the batches, and whatever was counted or stored before."""
    random = np.random.default_rng(3)
    sums, seen = RunningSums(), 0
    for step, images in enumerate([32, 32, 5, 1, 32, 7]):
        predicted, labels = (torch.from_numpy(random.integers(0, 3, images)) for _ in range(2))
        sums.add({"loss": torch.tensor(1.5)}, images, Answers(predicted, labels))
        seen += int((predicted == labels).sum())
        if step == 2:
            assert sums.read() == {"loss": 4.5, "accuracy": seen}
        if step == 3:
            stored = sums.as_dict()
            sums = RunningSums()
            sums.load(stored)
    assert sums.means() == {"train/loss": 9 / 109, "train/accuracy": seen / 109}
    sums.reset()
    assert sums.read() == {}


@pytest.mark.parametrize("classes", [1, 3, 8])
def test_a_split_without_images_has_no_values(classes: int) -> None:
    empty = Scores(classes)
    assert empty.metrics() == {}
    empty.add(torch.zeros(0, classes), torch.zeros(0, dtype=torch.int64))
    assert empty.metrics() == {}
    rows = empty.per_class([str(label) for label in range(classes)])
    assert [row["accuracy"] for row in rows] == [None] * classes


def test_what_is_added_later_counts() -> None:
    scores = scored(np.eye(3, dtype=np.float32), np.array([0, 1, 2]), 3)
    assert scores.metrics()["accuracy"] == 1.0
    scores.add(torch.eye(3), torch.tensor([1, 2, 0]))
    assert scores.metrics()["accuracy"] == 0.5


def test_many_classes_take_no_square_of_memory() -> None:
    """20,000 classes: a confusion matrix would be 3.2 GB."""
    labels = np.arange(0, 20_000, 400)
    logits = np.zeros((50, 20_000), np.float32)
    logits[np.arange(50), labels] = 1
    logits[:10] = 0
    metrics = scored(logits, labels, 25).metrics()
    assert metrics["accuracy"] == 41 / 50
    assert metrics["top5"] == 41 / 50
