"""History to curves: resumes, forks, partial epochs, time of training."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from core.store.metrics import History
from tui.chart.views import chart_names, nothing_yet, seconds_left, single, under_way
from tui.read.curves import CurveBuilder, Curves
from tui.read.series import Odd

STEPS = 10


def step(number: int, *, attempt: Any = 1, t: Any = None, **values: Any) -> dict[str, Any]:
    """The `number`-th step of the run, counted from 1, ten an epoch."""
    return {
        "t": float(number) if t is None else t,
        "epoch": (number - 1) // STEPS + 1,
        "step": number,
        "attempt": attempt,
        "scope": "step",
        "step_in_epoch": (number - 1) % STEPS + 1,
        "steps_per_epoch": STEPS,
        "time/step": 2.0,
        **(values or {"train/loss": 1 / number}),
    }


def epoch(number: int, *, attempt: Any = 1, t: Any = None, **values: Any) -> dict[str, Any]:
    return {
        "t": float(STEPS * number) if t is None else t,
        "epoch": number,
        "step": STEPS * number,
        "attempt": attempt,
        "scope": "epoch",
        "val/loss": 1 / number,
        "val/accuracy": 1 - 1 / (number + 1),
        "time/epoch": float(STEPS),
        **values,
    }


def curves(*batches: list[dict[str, Any]]) -> Curves:
    history, builder = History(), CurveBuilder()
    view = builder.update(history)
    for batch in batches:
        history.extend(batch)
        view = builder.update(history)
    return view


def test_epochs_and_steps_are_apart() -> None:
    view = curves([*(step(n) for n in range(1, 21)), epoch(1), epoch(2)])
    assert view.epochs["val/loss"].x("epoch").tolist() == [1, 2]
    assert len(view.steps["train/loss"]) == 20
    assert "train/loss" not in view.epochs
    assert view.finest("train/loss", "step") is view.steps["train/loss"]
    assert view.finest("train/loss", "epoch") is None


def test_growing_gives_the_same_as_reading_at_once() -> None:
    records = [*(step(n) for n in range(1, 41)), epoch(4)]
    grown = curves(*[[record] for record in records])
    whole = curves(records)
    np.testing.assert_array_equal(
        grown.steps["train/loss"].columns[[0, 1, 3]], whole.steps["train/loss"].columns[[0, 1, 3]]
    )


def test_steps_know_their_part_of_the_epoch() -> None:
    view = curves([step(n) for n in range(1, 16)])
    assert view.steps["train/loss"].x("epoch").tolist() == pytest.approx([n / STEPS for n in range(1, 16)])
    assert view.first_epoch


def test_a_resume_hides_what_it_supersedes_and_keeps_it_apart() -> None:
    """Trained to step 15, saved at 10, killed, resumed: one value a step, the newer one."""
    lost = [step(n, **{"train/loss": 9.0}) for n in range(1, 16)]
    resume = {"resume": "a01-e0001", "attempt": 2, "epoch": 1, "step": 10, "t": 100.0}
    again = [step(n, attempt=2, t=100.0 + n, **{"train/loss": 1.0}) for n in range(11, 21)]
    view = curves([*lost, epoch(1)], [resume], again)
    series = view.steps["train/loss"]
    assert series.x("step").tolist() == list(range(1, 21))
    assert series.y.tolist() == [9.0] * 10 + [1.0] * 10


def test_superseded_epochs_become_ghosts() -> None:
    view = curves(
        [epoch(1), epoch(2), epoch(3, **{"val/loss": 7.0})],
        [{"resume": "a01-e0002", "attempt": 2, "epoch": 2, "step": 20, "t": 99.0}],
        [epoch(3, attempt=2, t=130.0, **{"val/loss": 3.0})],
    )
    assert view.epochs["val/loss"].y.tolist() == [1.0, 0.5, 3.0]
    assert view.ghosts["val/loss"].y.tolist() == [7.0]
    assert view.ghosts["val/loss"].x("epoch").tolist() == [3]


@pytest.mark.parametrize("axis", ["epoch", "step", "time"])
def test_x_never_runs_back(axis: str) -> None:
    batches = [[epoch(n) for n in range(1, 6)]]
    for attempt, at in ((2, 3), (3, 1), (4, 4)):
        batches.append(
            [{"resume": "x", "attempt": attempt, "epoch": at, "step": 10 * at, "t": 1000.0 * attempt}]
        )
        batches.append(
            [epoch(n, attempt=attempt, t=1000.0 * attempt + 10 * (n - at)) for n in range(at + 1, 7)]
        )
    x = curves(*batches).epochs["val/loss"].x(axis)
    assert (np.diff(x) > 0).all()


def test_time_leaves_out_the_night_between_two_attempts() -> None:
    night = 8 * 3600.0
    view = curves(
        [epoch(1, t=1010.0), epoch(2, t=1020.0)],
        [{"resume": "a01-e0002", "attempt": 2, "epoch": 2, "step": 20, "t": 1020 + night}],
        [epoch(3, attempt=2, t=1030 + night)],
    )
    assert view.epochs["val/loss"].x("time").tolist() == pytest.approx([10, 20, 30])


def test_a_damaged_time_does_not_run_back() -> None:
    view = curves([epoch(1, t=50.0), epoch(2, t="NaN"), epoch(3, t=40.0), epoch(4, t=90.0)])
    time = view.epochs["val/loss"].x("time")
    assert np.isfinite(time).all()
    assert (np.diff(time) >= 0).all()


def test_nan_arrives_as_nan() -> None:
    view = curves([epoch(1), epoch(2, **{"val/loss": "NaN"}), epoch(3, **{"val/loss": "Infinity"})])
    assert view.epochs["val/loss"].total == Odd(nan=1, up=1)


def test_what_was_measured_at_the_end() -> None:
    view = curves(
        [epoch(1), {"t": 1, "epoch": 1, "step": 10, "attempt": 1, "scope": "final", "test/accuracy": 0.7}]
    )
    assert view.finals == {"test/accuracy": 0.7}


def test_progress_of_the_epoch_under_way() -> None:
    view = curves([step(n) for n in range(1, 5)])
    assert seconds_left(view) == pytest.approx(12.0)
    assert under_way(view) == "40 % of the epoch, ≈ 12 s left"
    assert under_way(curves([epoch(1)])) == ""


def test_an_epoch_whose_steps_are_done_is_validating() -> None:
    assert under_way(curves([step(n) for n in range(1, STEPS)])) == "90 % of the epoch, ≈ 2.0 s left"
    assert under_way(curves([step(n) for n in range(1, STEPS + 1)])) == "validating"


def test_a_part_of_an_epoch_is_never_rounded_to_all_of_it() -> None:
    rows = [step(n, step_in_epoch=n + 987, steps_per_epoch=997) for n in range(1, 10)]
    assert under_way(curves(rows)).startswith("99 % of the epoch")


def test_charts_put_the_runs_own_metric_first() -> None:
    view = curves([epoch(1, lr=0.1), step(11)])
    assert chart_names([view], "val/accuracy")[:3] == ["accuracy", "loss", "lr"]
    assert "step_in_epoch" not in chart_names([view], "val/accuracy")
    assert chart_names([], "")[:2] == ["accuracy", "loss"]


@pytest.mark.parametrize(
    ("state", "reason", "text"),
    [
        ("queued", "waiting for a free slot", "no data yet: waiting for a free slot"),
        ("starting", "", "no data yet: starting"),
        ("running", "", "no data yet: first epoch is running"),
        ("failed", "out of memory", "no data: out of memory"),
        ("stopped", "", "no data: stopped before the first epoch ended"),
    ],
)
def test_an_empty_chart_says_why(summary: Any, state: str, reason: str, text: str) -> None:
    assert nothing_yet(summary(state=state, reason=reason), curves([])) == text


def test_the_first_epoch_is_drawn_by_steps(summary: Any) -> None:
    running = summary(state="running")
    data = single(running, curves([step(n) for n in range(1, 5)]), "loss", "epoch")
    assert [len(curve.view) for curve in data.curves] == [4]
    later = single(running, curves([step(n) for n in range(1, 5)], [epoch(1)]), "loss", "epoch")
    assert [curve.label for curve in later.curves] == ["val"]
    assert later.key != data.key


def test_what_was_measured_beside_joins_its_epoch() -> None:
    history, builder = History(), CurveBuilder()
    history.extend([epoch(1), epoch(2), epoch(3)])
    measured = {
        (1, 1): {"train/map": 0.2, "val/loss": 99.0},
        (1, 3): {"train/map": 0.6},
        (2, 2): {"train/map": 0.9},
    }
    view = builder.update(history, measured).epochs
    assert view["train/map"].x("epoch").tolist() == [1, 3]
    assert view["train/map"].x("step").tolist() == [STEPS, 3 * STEPS]
    assert view["train/map"].y.tolist() == [0.2, 0.6]
    assert view["val/loss"].y.tolist() == [1, 1 / 2, 1 / 3]


def resume(attempt: int, at: int) -> dict[str, Any]:
    return {"resume": f"a01-e{at:04}", "attempt": attempt, "epoch": at, "step": at * STEPS, "t": 0.0}


def whole(view: Curves) -> dict[str, dict[str, list[list[float]]]]:
    return {
        kind: {name: series.columns.tolist() for name, series in getattr(view, kind).items()}
        for kind in ("epochs", "steps", "ghosts")
    }


@pytest.mark.parametrize("kind", ["grows", "written twice", "resumed", "measured later", "put back"])
def test_curves_that_grow_are_those_of_the_whole_file(kind: str) -> None:
    history, builder = History(), CurveBuilder()
    measured: dict[tuple[int, int], dict[str, float]] = {}
    for number in range(1, 9):
        history.extend([*(step(n) for n in range(10 * number - 9, 10 * number + 1)), epoch(number)])
        builder.update(history, measured)
    if kind == "written twice":
        history.extend([epoch(6, **{"val/loss": 9.0}), epoch(7)])
    elif kind == "resumed":
        history.extend([resume(2, 5), epoch(6, attempt=2, t=500.0, **{"val/new": 3.0})])
    elif kind == "measured later":
        measured = {(1, 3): {"train/map": 0.5}, (1, 8): {"train/map": 0.7}}
    elif kind == "put back":
        history.epochs = [row for row in history.epochs if row["epoch"] != 4]
        builder.update(history, measured)
        history.epochs = sorted([*history.epochs, epoch(4)], key=lambda row: row["epoch"])
        for row in history.epochs:
            row.pop("scope", None)
    else:
        history.extend([epoch(9, **{"val/new": 1.0})])
    grown = whole(builder.update(history, measured))
    assert grown == whole(CurveBuilder().update(history, measured))
    history.extend([epoch(10, attempt=2 if kind == "resumed" else 1, t=900.0)])
    assert whole(builder.update(history, measured)) == whole(CurveBuilder().update(history, measured))
    assert len(grown["ghosts"]) == {"written twice": 3, "resumed": 3}.get(kind, 0)
