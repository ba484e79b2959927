from __future__ import annotations

import math
import random
from array import array
from typing import Any

import pytest

from core.store.history import History

Row = dict[str, Any]


def step_row(step: int, attempt: int = 1, **metrics: Any) -> Row:
    row = {"t": float(step), "epoch": -(-step // 10), "step": step, "attempt": attempt, "scope": "step"}
    return {**row, **(metrics or {"train/loss": step / 100 + attempt})}


def epoch_row(epoch: int, attempt: int = 1, **metrics: Any) -> Row:
    row = {"t": 1.0, "epoch": epoch, "step": epoch * 10, "attempt": attempt, "scope": "epoch"}
    return {**row, **(metrics or {"val/accuracy": epoch / 100 + attempt})}


def resume(epoch: int, step: int, attempt: int, checkpoint: str | None = "x") -> Row:
    return {"resume": checkpoint, "attempt": attempt, "epoch": epoch, "step": step, "t": 0.0}


def attempt_rows(first: int, last: int, attempt: int, every: int = 1) -> list[Row]:
    rows: list[Row] = []
    for step in range(first, last + 1):
        if step % every == 0:
            rows.append(step_row(step, attempt))
        if step % 10 == 0:
            rows.append(epoch_row(step // 10, attempt))
    return rows


def built(rows: list[Row], pieces: int = 1) -> History:
    history = History()
    size = -(-len(rows) // pieces)
    for start in range(0, len(rows), size):
        history.extend(rows[start : start + size])
    return history


@pytest.mark.parametrize("pieces", [1, 3, 1000])
def test_a_resume_supersedes_what_lies_after_it(pieces: int) -> None:
    """Step 150 reached, killed, resumed at 100: one value a step, the newer one, the lost tail apart."""
    rows = [*attempt_rows(1, 150, 1, every=10), resume(10, 100, 2), *attempt_rows(101, 200, 2, every=10)]
    history = built(rows, pieces)
    xs, ys = history.steps.series("train/loss")
    assert list(xs) == [float(step) for step in range(10, 201, 10)]
    assert list(ys) == [x / 100 + (1 if x <= 100 else 2) for x in xs]
    assert [row["attempt"] for row in history.steps] == [1] * 10 + [2] * 10
    assert [row["epoch"] for row in history.epochs] == list(range(1, 21))
    assert [row["attempt"] for row in history.epochs] == [1] * 10 + [2] * 10
    assert [row["epoch"] for row in history.superseded_epochs] == [11, 12, 13, 14, 15]
    assert [row["step"] for rows in history.superseded_steps for row in rows] == [110, 120, 130, 140, 150]
    assert history.superseded_count == len(history.superseded) == 10


def test_a_resume_within_an_epoch_keeps_its_first_steps() -> None:
    rows = [*attempt_rows(1, 38, 1), resume(3, 34, 2), *attempt_rows(35, 40, 2)]
    history = built(rows)
    assert list(history.steps.step) == list(range(1, 41))
    assert [row["attempt"] for row in history.steps][30:36] == [1, 1, 1, 1, 2, 2]
    assert [(row["epoch"], row["attempt"]) for row in history.epochs] == [(1, 1), (2, 1), (3, 1), (4, 2)]


@pytest.mark.parametrize("written", [3, 4])
def test_the_row_of_the_epoch_under_way_is_superseded(written: int) -> None:
    """Going back into epoch 4 from its step 34, whether the record names epoch 3 (done) or 4 (under way)."""
    history = built([*attempt_rows(1, 50, 1), resume(written, 34, 2)])
    assert [row["epoch"] for row in history.epochs] == [1, 2, 3]
    assert [row["epoch"] for row in history.superseded_epochs] == [4, 5]
    assert history.steps.step[-1] == 34


def test_starting_over_supersedes_all() -> None:
    history = built([*attempt_rows(1, 20, 1), resume(0, 0, 2, None), *attempt_rows(1, 10, 2)])
    assert [(row["epoch"], row["attempt"]) for row in history.epochs] == [(1, 2)]
    assert len(history.steps) == 10
    assert history.superseded_count == 22
    assert history.resumes[0].checkpoint is None


def test_a_lost_resume_record_does_not_run_the_axis_backwards() -> None:
    history = built([*attempt_rows(1, 35, 1), *attempt_rows(21, 40, 2)])
    assert list(history.steps.step) == list(range(1, 41))
    assert [row["attempt"] for row in history.epochs] == [1, 1, 2, 2]
    assert history.superseded_count == 15 + 1


def test_the_same_step_again_replaces_or_adds() -> None:
    history = built([step_row(1, a=1.0), step_row(1, a=2.0), step_row(1, b=3.0)])
    assert [{**row, "t": 0} for row in history.steps] == [
        {"t": 0, "epoch": 1, "step": 1, "attempt": 1, "a": 2.0},
        {"t": 0, "epoch": 1, "step": 1, "attempt": 1, "b": 3.0},
    ]


def test_a_fork_carries_its_parents_rows() -> None:
    history = built([*attempt_rows(1, 20, 0), resume(2, 20, 1, "a00-e0002"), *attempt_rows(21, 40, 1)])
    assert [row["epoch"] for row in history.inherited] == [1, 2]
    assert [row["epoch"] for row in history.epochs] == [1, 2, 3, 4]
    assert history.superseded_count == 0


@pytest.mark.parametrize(
    ("mode", "values", "best"),
    [
        ("max", [0.1, 0.5, 0.5, 0.2], 2),
        ("min", [0.3, math.nan, 0.1, 0.1], 3),
        ("max", [math.nan, math.inf, 0.2], 3),
        ("max", [math.nan], None),
        ("max", [], None),
    ],
)
def test_best_is_the_first_of_the_best_finite(mode: Any, values: list[float], best: int | None) -> None:
    history = built([epoch_row(n, m=value) for n, value in enumerate(values, 1)] or [step_row(1)])
    found = history.best("m", mode)
    assert (found and found["epoch"]) == best


def test_best_is_not_inherited() -> None:
    history = built([epoch_row(1, 0, m=0.9), resume(1, 10, 1), epoch_row(2, 1, m=0.5)])
    assert history.best("m", "max")["epoch"] == 2  # type: ignore[index]
    assert built([epoch_row(1, 0, m=0.9)]).best("m", "max") is None


def test_metrics_that_come_and_go() -> None:
    rows = [step_row(n, **({"a": n} if n % 2 else {"b": n}), c="NaN" if n == 3 else n) for n in range(1, 9)]
    rows += [step_row(n, b=n) for n in range(9, 12)]
    for pieces in (1, 4, 100):
        steps = built(rows, pieces).steps
        assert [list(part) for part in steps.series("a")] == [[1, 3, 5, 7], [1, 3, 5, 7]]
        assert list(steps.series("b", since=2)[1]) == [6, 8, 9, 10, 11]
        assert list(steps.series("b", "epoch")[0]) == [1, 1, 1, 1, 1, 1, 2]
        assert math.isnan(steps[2]["c"])
        assert "a" not in steps[1]
        assert steps[-1]["b"] == 11
        assert [row["step"] for row in steps[8:]] == [9, 10, 11]
        assert steps.names == ["a", "c", "b"]
    with pytest.raises(IndexError):
        steps[11]


def test_values_that_are_no_numbers_are_left_out() -> None:
    row = {
        **step_row(1),
        "a": "text",
        "b": None,
        "c": [1],
        "d": {"e": 1},
        "f": 10**300,
        "g": True,
        "h": "NaN",
    }
    history = built([row, epoch_row(1, **{key: row[key] for key in "abcdgh"})])
    assert sorted(history.steps.names) == ["f", "g", "h", "train/loss"]
    assert "c" not in history.epochs[0]
    assert math.isnan(history.epochs[0]["h"])


def test_names_are_cleaned_even_when_two_become_one() -> None:
    rows = [step_row(n, **{"\x1b[2J": n, "␛[2J": -n}) for n in range(1, 4)]
    history = built([*rows, epoch_row(1, **{"a\nb": 1})])
    assert history.names == ["a␊b", "␛[2J"]
    assert list(history.steps.series("␛[2J")[1]) == [1, 2, 3]


def test_a_series_does_not_forbid_growth() -> None:
    """A view of the columns would make the next append fail."""
    history = built([step_row(1)])
    view = memoryview(history.steps.series("train/loss")[1])
    history.extend([step_row(2)])
    assert len(view) == 1
    assert len(history.steps) == 2


def test_final_rows_of_a_lost_tail_go() -> None:
    final = {"scope": "final", "epoch": 3, "step": 30, "attempt": 1, "test/accuracy": 0.5}
    history = built([*attempt_rows(1, 30, 1), final])
    assert history.finals[0]["test/accuracy"] == 0.5
    history.extend([resume(3, 30, 2)])
    assert len(history.finals) == 1
    history.extend([resume(2, 20, 3)])
    assert history.finals == []


class Plain:
    """The same rules, in the plainest way: what the columns are checked against."""

    def __init__(self) -> None:
        self.steps: list[Row] = []
        self.epochs: list[Row] = []
        self.lost = 0

    def take(self, row: Row) -> None:
        if "resume" in row:
            self._cut(lambda old: old["step"] > row["step"] or old["epoch"] > row["epoch"], "epochs")
            self._cut(lambda old: old["step"] > row["step"], "steps")
        elif row["scope"] == "epoch":
            self._cut(lambda old: old["epoch"] >= row["epoch"], "epochs")
            self.epochs.append(row)
        else:
            self._cut(lambda old: old["step"] >= row["step"], "steps")
            self.steps.append(row)

    def _cut(self, goes: Any, name: str) -> None:
        kept = [row for row in getattr(self, name) if not goes(row)]
        self.lost += len(getattr(self, name)) - len(kept)
        setattr(self, name, kept)


@pytest.mark.parametrize("seed", range(30))
def test_columns_agree_with_plain_lists(seed: int) -> None:
    rng = random.Random(seed)
    rows: list[Row] = []
    step, attempt = 0, 1
    for _ in range(rng.randrange(20, 400)):
        action = rng.random()
        if action < 0.04:
            step, attempt = rng.randrange(step + 1), attempt + 1
            if rng.random() < 0.8:
                rows.append(resume(step // 10, step, attempt))
            continue
        step += rng.choice([1, 1, 1, 2, 5])
        metrics = {name: rng.random() for name in "abc" if rng.random() < 0.9} or {"a": 0.0}
        rows.append(step_row(step, attempt, **metrics, z=1.0))
        if step % 10 == 0:
            rows.append(epoch_row(step // 10, attempt, m=rng.random()))
    plain = Plain()
    for row in rows:
        plain.take(row)
    history = built(rows, pieces=rng.choice([1, 2, 7, len(rows)]))

    def bare(found: Any) -> list[Row]:
        return [{key: value for key, value in row.items() if key != "scope"} for row in found]

    assert bare(history.steps) == bare(plain.steps)
    assert bare(history.epochs) == bare(plain.epochs)
    assert history.superseded_count == plain.lost
    for name in "abc":
        expected = [(row["step"], row[name]) for row in plain.steps if name in row]
        assert list(zip(*history.steps.series(name), strict=True)) == expected
    assert history.steps.series("absent") == (array("d"), array("d"))
