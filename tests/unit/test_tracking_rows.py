"""Which rows a tracker gets, and under which names."""

from __future__ import annotations

import json
import math
import random
from pathlib import Path
from typing import Any

import pytest

from core.store.metrics import encode, read_history
from core.tracking import rows as rows_module
from core.tracking.rows import Retrained, Row, Rows


def step_row(step: int, attempt: Any = 1, **more: Any) -> dict[str, Any]:
    place = {"t": 1000.0 + step, "epoch": (step - 1) // 10 + 1, "step": step, "attempt": attempt}
    inside = {"step_in_epoch": (step - 1) % 10 + 1, "steps_per_epoch": 10}
    return {**place, "scope": "step", **inside, "train/loss": 1.0 / step, "lr": 0.1, **more}


def epoch_row(epoch: int, attempt: int = 1, **more: Any) -> dict[str, Any]:
    place = {"t": 1000.0 + 10 * epoch, "epoch": epoch, "step": 10 * epoch, "attempt": attempt}
    return {**place, "scope": "epoch", "train/loss": 2.0 / max(epoch, 1), "val/accuracy": epoch / 100, **more}


def resume(checkpoint: str | None, attempt: int, epoch: int, step: int) -> dict[str, Any]:
    return {"resume": checkpoint, "attempt": attempt, "epoch": epoch, "step": step, "t": 0.0}


def write(path: Path, *records: dict[str, Any]) -> None:
    with path.open("ab") as file:
        file.writelines(map(encode, records))


def everything(path: Path, attempt: int = 1) -> list[Row]:
    rows = Rows(path, attempt)
    rows.look()
    rows.begin()
    found = []
    while more := rows.poll():
        found += more
    return found


def test_a_row_within_an_epoch_is_told_from_the_epochs_own(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    write(path, step_row(5, **{"images/s": 90.0}), epoch_row(1, lr=0.1))
    assert everything(path) == [
        Row(5, 0.5, 1005.0, 1, False, {"train/loss_step": 0.2, "lr": 0.1, "images/s": 90.0}),
        Row(10, 1.0, 1010.0, 1, True, {"train/loss": 2.0, "val/accuracy": 0.01, "lr": 0.1}),
    ]


def test_what_is_no_number_arrives_as_nan_or_infinity_and_odd_records_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    write(path, step_row(1, **{"train/loss": math.nan, "a": math.inf, "b": "text"}))
    path.open("ab").write(b'{"step": 2, "scope": "step", "x": 1}\nnot json\n{"scope": "step"}\n[1]\n')
    write(
        path, {**step_row(3), "step": "3"}, {**step_row(4), "scope": "other"}, {**step_row(5), "epoch": None}
    )
    first, second, third = everything(path)
    assert math.isnan(first.values["train/loss_step"])
    assert first.values["a"] == math.inf
    assert "b" not in first.values
    assert (second.step, second.epoch, second.values) == (2, None, {"x": 1.0})
    assert math.isnan(second.time)
    assert (third.step, third.epoch) == (5, None)


def test_inherited_rows_of_a_fork_count(tmp_path: Path) -> None:
    """They are stored with every number as a float."""
    path = tmp_path / "metrics.jsonl"
    inherited = {
        key: float(value) if "epoch" in key and key != "epoch" else value
        for key, value in step_row(5, 0).items()
    }
    write(path, inherited, epoch_row(1, 0), resume("a00-e0001", 1, 1, 10), step_row(15))
    assert [(row.step, row.epoch, row.attempt) for row in everything(path)] == [
        (5, 0.5, 0),
        (10, 1.0, 0),
        (15, 1.5, 1),
    ]


def test_superseded_rows_are_left_out_and_the_overlap_is_known(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    write(
        path,
        *(step_row(step) for step in (5, 10)),
        epoch_row(1),
        *(step_row(step) for step in (15, 20)),
        epoch_row(2),
        step_row(25),
    )
    write(path, resume("a01-e0001", 2, 1, 10), step_row(15, 2), step_row(20, 2), epoch_row(2, 2))
    write(path, resume("a02-e0002", 3, 2, 20), step_row(25, 3))
    rows = Rows(path, 3)
    assert rows.look()
    rows.begin()
    assert [(row.step, row.attempt) for row in rows.poll()] == [
        (5, 1),
        (10, 1),
        (10, 1),
        (15, 2),
        (20, 2),
        (20, 2),
        (25, 3),
    ]
    assert rows.superseded == 4
    assert rows.retrained == [Retrained(2, "a01-e0001", 10, 25)]


def test_started_over_from_scratch_nothing_older_counts(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    write(path, step_row(5), epoch_row(1), resume(None, 2, 0, 0), step_row(3, 2))
    assert [row.step for row in everything(path, 2)] == [3]


def test_nothing_is_sent_before_a_resumed_attempt_has_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    rows = Rows(path, 1)
    assert rows.look(), "the first attempt supersedes nothing"
    rows = Rows(path, 2)
    assert not rows.look(), "no file yet"
    write(path, step_row(5), epoch_row(1), step_row(15))
    assert not rows.look()
    with path.open("ab") as file:
        line = encode(resume("a01-e0001", 2, 1, 10))
        file.write(line[:20])
        file.flush()
        assert not rows.look(), "half a record"
        file.write(line[20:])
    assert rows.look()


def test_rows_are_followed_as_they_come(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    rows = Rows(path, 1)
    rows.look()
    rows.begin()
    assert rows.poll() == []
    write(path, step_row(1), step_row(2))
    assert [row.step for row in rows.poll()] == [1, 2]
    assert rows.poll() == []
    write(path, step_row(3), step_row(2), step_row(4))
    assert [row.step for row in rows.poll()] == [3, 4], "no tracker takes a step back"


def test_a_file_that_shrank_ends_it(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    write(path, step_row(1), step_row(2))
    rows = Rows(path, 1)
    rows.look()
    rows.begin()
    rows.poll()
    path.write_bytes(encode(step_row(1)))
    with pytest.raises(OSError, match="shrank"):
        rows.poll()


@pytest.mark.parametrize("seed", range(40))
def test_the_rows_are_those_that_the_charts_show(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Any sequence of attempts, read in pieces of any size: the same as the whole file in one go."""
    draw = random.Random(seed)
    monkeypatch.setattr(rows_module, "CHUNK", draw.choice([1, 300, 1 << 20]))
    path = tmp_path / "metrics.jsonl"
    done = 0
    attempts = draw.randint(1, 6)
    for attempt in range(1, attempts + 1):
        if attempt > 1:
            middle = draw.random() < 0.3
            start = draw.randint(0, done)
            step = start if middle else start // 10 * 10
            write(path, resume(f"a{attempt:02d}-x", attempt, step // 10, step))
            done = step
        for _ in range(draw.randint(0, 25)):
            done += 1
            if draw.random() < 0.7:
                write(path, step_row(done, attempt))
            if done % 10 == 0:
                write(path, epoch_row(done // 10, attempt))
        if draw.random() < 0.3:
            write(
                path, {**epoch_row(done // 10, attempt), "step": done, "scope": "final", "test/accuracy": 0.5}
            )
    path.touch()
    history = read_history(path)
    found = everything(path, attempts)
    within = [row for row in found if "train/loss_step" in row.values]
    assert [(row.step, row.attempt) for row in within] == [
        (row["step"], row["attempt"]) for row in history.steps
    ]
    epochs = [(row.step, row.attempt) for row in found if row.whole_epoch]
    assert epochs == [(row["step"], row["attempt"]) for row in history.epochs]
    finals = [row.step for row in found if "test/accuracy" in row.values]
    assert finals == [row["step"] for row in history.finals]
    steps = [row.step for row in found]
    assert steps == sorted(steps)


def test_names_from_the_file_are_cleaned(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text(json.dumps(step_row(1, **{"bad\x1bname": 1.0})) + "\n")
    assert "bad␛name" in everything(path)[0].values


def final_row(checkpoint: str, epoch: int, attempt: int = 1) -> dict[str, Any]:
    place = {"t": 2000.0, "epoch": epoch, "step": 10 * epoch, "attempt": attempt, "scope": "final"}
    return {**place, "checkpoint": checkpoint, "test/accuracy": epoch / 100}


@pytest.mark.parametrize(("best", "epochs", "stored"), [(3, 3, 3.0), (2, 3, None), (1, 5, None)])
def test_what_is_measured_at_the_end_arrives_whichever_epoch_was_best(
    best: int, epochs: int, stored: float | None, tmp_path: Path
) -> None:
    """Steps do not fall, and no epoch is put on the last row that is not its own."""
    path = tmp_path / "metrics.jsonl"
    write(path, *map(epoch_row, range(1, epochs + 1)), final_row(f"a01-e{best:04d}", best))
    last = everything(path)[-1]
    assert last == Row(10 * epochs, stored, 2000.0, 1, False, {"test/accuracy": best / 100})


def test_what_was_measured_at_an_end_that_is_superseded_does_not_arrive(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    write(path, *map(epoch_row, range(1, 4)), final_row("a01-e0003", 3))
    write(path, resume("a01-e0001", 2, 1, 10), epoch_row(2, 2), final_row("a01-e0001", 1, 2))
    rows = everything(path, 2)
    assert [(row.step, row.values.get("test/accuracy")) for row in rows] == [
        (10, None),
        (20, None),
        (20, 0.01),
    ]
