"""The arithmetic and the words of a followed run."""

from __future__ import annotations

import pytest

from core.cli.progress import LineView, Position, epoch_line, numbers
from core.store.records import DerivedState, Record

THIN = "\u2009"


def epoch(number: int, step: int, **more: object) -> Record:
    return {
        "t": 0.0,
        "epoch": number,
        "step": step,
        "attempt": 1,
        "scope": "epoch",
        "train/loss": 1.25,
        "val/accuracy": 0.5,
        "time/epoch": 30.0,
        "images/s": 1234.4,
        **more,
    }


def step(epoch: int, within: int, of: int) -> Record:
    place = {
        "epoch": epoch,
        "step_in_epoch": within,
        "steps_per_epoch": of,
        "step": (epoch - 1) * of + within,
    }
    return {"scope": "step", "attempt": 1, "t": 0.0, "train/loss": 1.0, **place}


def test_progress_within_an_epoch_and_time_left() -> None:
    position = Position(total=4)
    assert position.left is None
    position.take(epoch(1, 10))
    assert (position.done, position.part, position.left) == (1, 0.0, 90.0)
    position.take(step(2, 5, 10))
    assert (position.done, position.part, position.left, position.loss) == (1, 0.5, 75.0, 1.0)
    position.take(epoch(2, 20))
    assert (position.done, position.part, position.left) == (2, 0.0, 60.0)


def test_a_mid_epoch_resume_stays_in_its_epoch() -> None:
    position = Position(total=10)
    position.take({"resume": "a01-e0006-s000054", "attempt": 2, "epoch": 5, "step": 54, "t": 0.0})
    assert (position.done, position.part) == (5, 0.0)
    position.take(step(6, 5, 10))
    assert (position.done, position.part) == (5, 0.5)


def test_damaged_records_change_nothing() -> None:
    position = Position(total=10)
    position.take({"scope": "step", "epoch": "x", "steps_per_epoch": None})
    position.take({"scope": "final", "epoch": 9, "test/loss": 1.0})
    assert (position.done, position.part) == (0, 0.0)


def test_words_as_far_as_known() -> None:
    position = Position(total=3)
    assert numbers(position) == ""
    position.take(epoch(1, 10))
    assert numbers(position) == f"loss 1.250  1{THIN}234 images/s  left ≈ 1 m"
    assert epoch_line(position, epoch(1, 10)) == (
        f"epoch 1/3  train/loss 1.250  val/accuracy 0.5000  1{THIN}234 images/s  30 s  left ≈ 1 m"
    )


def test_nan_is_shown_and_never_raises() -> None:
    position = Position(total=3)
    position.take(epoch(1, 10, **{"train/loss": "NaN", "images/s": float("nan")}))
    assert numbers(position) == "loss NaN  left ≈ 1 m"


def test_plain_lines_only_where_something_changed(capsys: pytest.CaptureFixture[str]) -> None:
    view = LineView()
    position = Position(total=3)
    view.state(DerivedState("queued", "waiting for a free slot", 1, 0, 3), position)
    view.state(DerivedState("queued", "waiting for a free slot", 1, 0, 3), position)
    view.state(DerivedState("running", "", 1, 1, 3), position)
    assert capsys.readouterr().err.splitlines() == ["queued: waiting for a free slot", "running"]
