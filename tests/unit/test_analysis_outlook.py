"""Train on? Made curves of every kind, and the published ones."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.analysis.outlook import Chance, Outlook, Schedule, outlook
from core.cli.run_outlook import schedule_of
from core.config.schema import Experiment
from tests.shared_folder import needs_shared, shared

REFERENCE = shared("reference")
PUBLISHED = needs_shared("reference")


def rows(count: int, **columns: Any) -> list[dict[str, float]]:
    made = {name: [float(f(e)) for e in range(1, count + 1)] for name, f in columns.items()}
    return [
        {"epoch": e + 1, **{name.replace("__", "/"): values[e] for name, values in made.items()}}
        for e in range(count)
    ]


def noise(seed: int, size: float) -> Any:
    random = np.random.default_rng(seed)
    values = size * random.standard_normal(200)
    return lambda epoch: values[epoch]


def judged(made: list[dict[str, float]], **options: Any) -> Outlook:
    return outlook(made, "val/accuracy", "max", **options)


def kinds(found: Outlook) -> list[str]:
    return [trouble.kind for trouble in found.troubles]


def falling(e: int) -> float:
    return 2 * 0.9**e + 0.1


def test_a_rising_curve() -> None:
    n = noise(0, 0.002)
    found = judged(rows(12, val__accuracy=lambda e: 0.3 + 0.02 * e + n(e), train__loss=falling))
    assert (found.advice, kinds(found)) == ("train on", [])
    assert found.trend is not None
    assert found.trend.slope == pytest.approx(0.02, abs=0.002)
    assert found.projection is not None
    assert found.projection.low < found.projection.gain < found.projection.high
    # .85 + .85^2 + ... of five epochs is 3.151
    assert found.projection.gain == pytest.approx(found.trend.slope * 3.15234, abs=1e-5)
    assert "still getting better" in found.sentence
    assert found.sentence.startswith("train on: ")


def test_a_flat_curve() -> None:
    n = noise(1, 0.003)
    found = judged(rows(20, val__accuracy=lambda e: 0.7 + n(e), train__loss=falling))
    assert found.advice == "enough"
    assert found.trend is not None
    assert not found.trend.moves
    assert "flat within noise" in found.sentence


def test_noise_alone_is_seldom_called_a_trend() -> None:
    called = 0
    for seed in range(200):
        n = noise(seed, 0.01)
        found = judged(rows(20, val__accuracy=lambda e, n=n: 0.5 + n(e)))
        called += found.trend is not None and found.trend.moves
    assert called <= 20  # 10 expected; more than 20 has a chance of .1 %


def test_too_early() -> None:
    found = judged(rows(4, val__accuracy=lambda e: 0.1 * e))
    assert (found.advice, found.trend, found.projection) == ("wait", None, None)
    assert found.sentence == "wait: 4 measured epochs, 5 are needed to say more"
    assert judged([]).sentence == "wait: 0 measured epochs, 5 are needed to say more"


def test_overfitting_is_told_with_its_epoch() -> None:
    n = noise(2, 0.002)
    made = rows(
        20,
        train__loss=falling,
        val__loss=lambda e: 1.0 - 0.05 * min(e, 9) + 0.03 * max(0, e - 9) + n(e),
        val__accuracy=lambda e: 0.6 + n(e),
        train__accuracy=lambda e: 0.95,
    )
    found = judged(made)
    assert (found.advice, kinds(found)) == ("enough", ["overfitting"])
    assert abs(found.troubles[0].epoch - 9) <= 1
    assert found.gap == pytest.approx(0.35, abs=0.01)


def test_a_loss_that_is_only_noisy_is_no_overfitting() -> None:
    for seed in range(40):
        n = noise(seed, 0.02)
        made = rows(25, train__loss=falling, val__loss=lambda e, n=n: 0.8 + n(e), val__accuracy=lambda e: 0.6)
        assert "overfitting" not in kinds(judged(made)), seed


@pytest.mark.parametrize(
    ("columns", "kind", "word"),
    [
        pytest.param(
            {"train__loss": lambda e: 0.5 if e < 6 else 0.5 + 0.4 * (e - 5)},
            "rate_too_high",
            "since epoch 6",
            id="rate",
        ),
        pytest.param({"train__loss": lambda e: 2.303}, "not_moving", "has not moved in 8 epochs", id="stuck"),
        pytest.param(
            {"train__loss": falling, "val__accuracy": lambda e: 0.105}, "chance", "chance", id="chance"
        ),
        pytest.param(
            {"train__loss": lambda e: float("nan") if e > 6 else 1.0}, "not_finite", "since epoch 7", id="nan"
        ),
        pytest.param(
            {"train__loss": lambda e: float("inf") if e > 7 else 1.0}, "not_finite", "epoch 8", id="inf"
        ),
    ],
)
def test_what_is_wrong(columns: dict[str, Any], kind: str, word: str) -> None:
    made = rows(8, **{"val__accuracy": lambda e: 0.5 + 0.01 * e, **columns})
    found = judged(made, chance=Chance(0.1, 1000))
    assert (found.advice, kinds(found)) == ("mend", [kind])
    assert word in found.sentence


@pytest.mark.parametrize(
    ("values", "losses", "expected"),
    [
        pytest.param(
            [0.013, 0.049, 0.047, 0.129, 0.194, 0.202], [0.77, 0.79, 0.91, 0.81, 0.89, 0.85], [], id="learns"
        ),
        pytest.param([0.01, 0.05, 0.2, 0.3, 0.35], [0.4, 0.6, 0.9, 1.1, 1.2], [], id="learns-loss-rises"),
        pytest.param([0.013, 0.049, 0.12], [0.77, 0.79, 0.91], [], id="three-epochs"),
        pytest.param(
            [0.013, 0.012, 0.013, 0.012, 0.013, 0.011],
            [0.77, 0.79, 0.78, 0.78, 0.79, 0.77],
            ["not_moving"],
            id="stuck",
        ),
        pytest.param(
            [0.2, 0.3, 0.35, 0.1, 0.02, 0.01],
            [0.8, 0.5, 0.4, 0.9, 1.4, 1.9],
            ["rate_too_high"],
            id="breaks-down",
        ),
    ],
)
def test_the_loss_of_a_detector_that_learns_may_rise(
    values: list[float], losses: list[float], expected: list[str]
) -> None:
    made = [
        {"epoch": epoch, "val/map": value, "train/loss": loss, "train/loss_box_reg": loss / 2}
        for epoch, (value, loss) in enumerate(zip(values, losses, strict=True), start=1)
    ]
    assert kinds(outlook(made, "val/map", "max")) == expected


def test_one_spike_is_no_rate_too_high() -> None:
    made = rows(12, train__loss=lambda e: 2.0 if e == 11 else falling(e), val__accuracy=lambda e: 0.5)
    assert kinds(judged(made)) == []


@pytest.mark.parametrize(
    ("schedule", "advice", "word"),
    [
        pytest.param(
            Schedule("step", 0.1, 0.1, 20, drop_at=30), "train on", "drops after epoch 30", id="before-a-step"
        ),
        pytest.param(Schedule("plateau", 0.1, 0.1, 20), "train on", "has not fallen yet", id="plateau"),
        pytest.param(
            Schedule("plateau", 0.1, 0.01, 20, since_drop=2), "train on", "fell 2 epochs ago", id="fell"
        ),
        pytest.param(Schedule("cosine", 0.1, 0.05, 12), "train on", "falls for 12 epochs", id="cosine"),
        pytest.param(Schedule("cosine", 0.1, 0.0, 0), "enough", "schedule has ended", id="cosine-spent"),
        pytest.param(
            Schedule("plateau", 0.1, 1e-6, 20, floor=1e-6), "enough", "schedule has ended", id="floor"
        ),
        pytest.param(Schedule("none", 0.1, 0.1, 20), "enough", "flat within noise", id="none"),
    ],
)
def test_what_the_schedule_still_gives(schedule: Schedule, advice: str, word: str) -> None:
    n = noise(1, 0.003)
    found = judged(rows(20, val__accuracy=lambda e: 0.7 + n(e), train__loss=falling), schedule=schedule)
    assert found.advice == advice
    assert word in found.sentence
    assert (found.projection is None) == ("has ended" in word)


def test_less_is_better_for_losses() -> None:
    found = outlook(rows(12, val__loss=lambda e: 1 - 0.03 * e), "val/loss", "min")
    assert found.advice == "train on"
    assert outlook(rows(12, val__loss=lambda e: 1 + 0.03 * e), "val/loss", "min").advice == "enough"


def test_the_schedule_of_a_run() -> None:
    experiment = Experiment.model_validate(
        {
            "data": {"format": "folder", "root": Path("/x")},
            "model": "tinyvgg_a",
            "epochs": 30,
            "scheduler": {"name": "step", "every": 10},
        }
    )
    made = [{"epoch": e, "lr": 0.1 if e <= 10 else 0.01} for e in range(1, 14)]
    assert schedule_of(experiment, made, 30) == Schedule("step", 0.1, 0.01, 17, 0.0, 20, 3)


def published() -> list[tuple[str, list[dict[str, float]], str]]:
    curves = []
    for file in sorted((REFERENCE / "diatom-logs").glob("*.csv")):
        with file.open(encoding="utf-8") as lines:
            made = [
                {"epoch": number, **{name: float(value) for name, value in row.items()}}
                for number, row in enumerate(csv.DictReader(lines), 1)
            ]
        curves.append((file.stem, made, "val/map"))
    text = (REFERENCE / "seed-system.md").read_text(encoding="utf-8").rpartition("## Appendix B")[2]
    for part in text.split("\n### ")[1:]:
        lists = {
            name: [float(word) for word in values.split()]
            for name, values in re.findall(r"- (train loss|val loss|val acc)[^:]*: ([\d. ]+)", part)
        }
        names = {"train loss": "train/loss", "val loss": "val/loss", "val acc": "val/accuracy"}
        made = [
            {"epoch": e + 1, **{names[key]: values[e] for key, values in lists.items()}}
            for e in range(len(lists["val acc"]))
        ]
        curves.append((part.split(" ", 1)[0], made, "val/accuracy"))
    return curves


@PUBLISHED
def test_nine_of_ten_projections_hold_on_published_curves() -> None:
    held, errors = [], []
    for _, made, metric in published():
        for end in range(6, len(made) - 5):
            found = outlook(made[:end], metric, "max")
            assert found.projection is not None
            assert found.trend is not None
            reached = made[end + 4][metric] - found.trend.level
            held.append(found.projection.low <= reached <= found.projection.high)
            errors.append((reached - found.projection.gain) / (found.projection.high - found.projection.low))
    assert len(held) > 400
    assert 0.87 <= float(np.mean(held)) <= 0.95
    assert abs(float(np.mean(errors))) < 0.1


@PUBLISHED
def test_what_is_said_of_published_curves() -> None:
    curves = {name: (made, metric) for name, made, metric in published()}
    flat, metric = curves["fasterrcnn-full"]
    assert outlook(flat, metric, "max").advice == "enough"
    assert outlook(flat[:8], metric, "max").advice == "train on"
    rising, metric = curves["retinanet-full"]
    assert outlook(rising[:20], metric, "max").advice == "train on"
    # Its validation loss is least at epoch 22 and rises from there on.
    late = outlook(rising, metric, "max")
    assert [trouble.kind for trouble in late.troubles] == ["overfitting"]
    assert abs(late.troubles[0].epoch - 22) <= 4
    stopped, metric = curves["e_f_36_f_36"]
    assert outlook(stopped, metric, "max", schedule=Schedule("plateau", 0.01, 0.01, 5)).advice == "train on"
