"""Patience: what it counts, that it survives a resume, and what an early end leaves."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest

from core.config.schema import EarlyStop
from core.engine.checkpoint import read_checkpoint
from core.engine.classification import Classification
from core.engine.early_stop import Patience
from core.engine.task import Measurement
from core.errors import DataError
from core.store.attempts import begin_attempt, write_exit
from core.store.checkpoints import choose, list_checkpoints
from core.store.files import read_json
from core.store.metrics import read_history
from core.store.runs import add_request


@pytest.fixture
def accuracies(monkeypatch: pytest.MonkeyPatch) -> Any:
    """`accuracies(values)`: what the validation of each next epoch says."""
    original = Classification.measure

    def use(values: list[float]) -> None:
        given: Iterator[float] = itertools.chain(values, itertools.repeat(0.0))

        def measure(self: Classification, model: Any, split: str, **extras: Any) -> Measurement:
            measured = original(self, model, split, **extras)
            metrics = dict(measured.metrics)
            if split == "val":
                metrics["accuracy"] = next(given)
            return Measurement(measured.images, metrics)

        monkeypatch.setattr(Classification, "measure", measure)

    return use


@pytest.mark.parametrize(
    ("mode", "min_delta", "values", "bad"),
    [
        ("max", 0.0, [0.5, 0.6, 0.6, 0.55], 2),
        ("max", 0.1, [0.5, 0.56, 0.61, 0.65], 1),
        ("min", 0.0, [0.5, 0.4, 0.45, 0.4], 2),
        ("min", 0.05, [0.5, 0.46, 0.44], 0),
        ("max", 0.0, [float("nan"), 0.1, float("nan"), float("inf")], 2),
    ],
)
def test_what_counts_as_better(mode: Any, min_delta: float, values: list[float], bad: int) -> None:
    patience = Patience(EarlyStop(patience=3, min_delta=min_delta), mode)
    for value in values:
        patience.see(value)
    assert patience.bad == bad
    assert not patience.spent


def test_ends_after_patience_and_keeps_the_last_epoch(
    lab: Any, accuracies: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    accuracies([0.5, 0.7, 0.6, 0.6])
    run = lab.train("epochs=20", "early_stop.patience=2", "checkpoint.every=3")
    result = read_json(run.attempt(1).result)
    assert result is not None
    assert (result["status"], result["epoch"]) == ("finished", 4)
    assert result["early_stop"] == {"epoch": 4, "best_epoch": 2}
    assert [item.epoch for item in list_checkpoints(run)] == [2, 3, 4], "the best, every third, the last"
    assert "val/accuracy has not improved since epoch 2" in capsys.readouterr().out
    assert len(read_history(run.metrics).finals) == 1


def test_patience_at_the_last_epoch_is_no_early_end(lab: Any, accuracies: Any) -> None:
    accuracies([0.5, 0.4])
    run = lab.train("epochs=2", "early_stop.patience=1")
    assert "early_stop" not in (read_json(run.attempt(1).result) or {})


def test_only_measured_epochs_count(lab: Any, accuracies: Any) -> None:
    accuracies([0.5, 0.4, 0.4])
    run = lab.train("epochs=20", "early_stop.patience=2", "measure.every=2")
    assert [row["epoch"] for row in read_history(run.metrics).epochs] == [1, 2, 3, 4, 5, 6]


def test_count_and_best_survive_a_resume(lab: Any, accuracies: Any, stop_after: Any) -> None:
    """One bad epoch before the stop and two after it end a run with patience 3; its best stays the same."""
    accuracies([0.5, 0.8, 0.7, 0.6, 0.6])
    run = lab.train("epochs=20", "early_stop.patience=3", stop=stop_after(23))
    best = choose(run, "best")
    lab.resume(run, total=20)
    assert [row["epoch"] for row in read_history(run.metrics).epochs] == [1, 2, 3, 4, 5]
    assert read_json(run.attempt(2).result)["early_stop"] == {"epoch": 5, "best_epoch": 2}
    again = choose(run, "best")
    assert (again.id, again.sha256, again.epoch) == (best.id, best.sha256, 2)
    assert read_checkpoint(run, choose(run, "last"))["early_stop"] == {"bad": 3, "best": 0.8}


def test_killed_after_the_last_checkpoint_trains_no_further(lab: Any, accuracies: Any) -> None:
    accuracies([0.5, 0.4])
    run = lab.train("epochs=20", "early_stop.patience=1")
    run.attempt(1).result.unlink()
    write_exit(run.attempt(1), code=None, signal=9)
    assert lab.resume(run, total=20) == "finished"
    assert len(read_history(run.metrics).epochs) == 2
    assert read_json(run.attempt(2).result)["early_stop"] == {"epoch": 2, "best_epoch": 1}


def test_more_epochs_on_purpose_count_anew(
    lab: Any, accuracies: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    accuracies([0.5, 0.4, 0.3, 0.3, 0.3, 0.3])
    run = lab.train("epochs=20", "early_stop.patience=2")
    assert lab.resume(run, total=10) == "finished"
    assert [row["epoch"] for row in read_history(run.metrics).epochs] == [1, 2, 3, 4, 5]
    assert "early_stop starts counting again" in capsys.readouterr().out
    assert read_json(run.attempt(2).result)["early_stop"] == {"epoch": 5, "best_epoch": 1}
    add_request(run, choose(run, "last").id, 20)
    write_exit(begin_attempt(run, 3, slot="cpu0", threads=1), code=None, signal=9)


def test_a_fork_begins_with_all_its_patience(lab: Any, accuracies: Any) -> None:
    accuracies([0.5, 0.4, 0.3, 0.2, 0.1])
    parent = lab.train("epochs=2", "early_stop.patience=2")
    fork = lab.fork(parent, "2", "learning_rate=0.01", "epochs=20", total=20)
    lab.attempt(fork)
    assert read_json(fork.attempt(1).result)["early_stop"] == {"epoch": 5, "best_epoch": 3}


def test_refused_without_validation_images(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    run = lab.train("epochs=1", "early_stop.patience=2")
    split = read_json(run.split)
    assert split is not None
    from core.datasets.dataset import from_stored, make_dataset, stored_split
    from core.store.files import write_json

    data = from_stored(split)
    rest = {name: files for name, files in data.splits.items() if name != "val"}
    write_json(run.split, stored_split(make_dataset(data.root, data.class_names, rest)))
    with pytest.raises(DataError, match="early_stop watches val/accuracy, but the data have no validation"):
        lab.resume(run, total=2)
